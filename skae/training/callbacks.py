"""scikit-learn's callbacks: a fit seen as a task of epochs."""

import copy


class EpochTasks:
    """Shows every epoch to scikit-learn's callbacks as a task of the fit.

    Parameters
    ----------
    estimator : BaseAutoencoder
        The estimator that is being fitted.
    data : TrainingRows
        What it is fitted to.
    n_epochs : int
        Epochs at most.
    given : tuple (X, y, sample_weight)
        As the user passed them to fit.
    """

    def __init__(self, estimator, data, n_epochs, given):
        X, y, sample_weight = given
        self._estimator, self._data = estimator, data
        self._context = estimator._init_callback_context(max_subtasks=n_epochs)
        # The target of an autoencoder is its input: with it, scorers get what they need.
        self._arguments = {
            "estimator": estimator,
            "X": X,
            "y": X if y is None else y,
            "metadata": None if sample_weight is None else {"sample_weight": sample_weight},
        }
        self._watched = bool(getattr(estimator, "_skl_callbacks", None))
        self._epoch = None
        self._context.call_on_fit_task_begin(**self._arguments)

    def begin(self):
        if self._watched:
            self._epoch = self._context.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(**self._arguments)

    def end(self):
        if not self._watched:
            return False
        return self._epoch.call_on_fit_task_end(
            **self._arguments, reconstruction_attributes=self._snapshot
        )

    def finish(self):
        self._context.call_on_fit_task_end(
            **self._arguments, reconstruction_attributes=self._snapshot
        )

    def _snapshot(self):
        """Return the attributes of the estimator as if the fit stopped here."""
        estimator = copy.copy(self._estimator)
        estimator.net_ = estimator.net_.snapshot()
        estimator._read_history()
        estimator._after_fit(self._data)
        return vars(estimator)
