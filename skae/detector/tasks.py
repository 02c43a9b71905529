"""scikit-learn's callbacks: the fit of a detector seen as a task with subtasks."""

from contextlib import contextmanager


class FitTasks:
    """Shows the training of a detector's networks to scikit-learn's callbacks.

    Parameters
    ----------
    detector : AEAnomalyDetector
        The detector that is being fitted.
    X : ndarray, csr matrix or narwhals.DataFrame
        What it is fitted to.
    n_tasks : int
        Subtasks at most.
    """

    def __init__(self, detector, X, n_tasks):
        self._arguments = {"estimator": detector, "X": X}
        self._context = detector._init_callback_context(max_subtasks=n_tasks)
        self._context.call_on_fit_task_begin(**self._arguments)

    def report(self):
        """Report a part of a joint training; return whether a callback asks to stop."""
        task = self._context.subcontext(task_name="training")
        task.call_on_fit_task_begin(**self._arguments)
        return task.call_on_fit_task_end(**self._arguments)

    @contextmanager
    def network(self, estimator):
        """Fit one of the networks in this context; callbacks go on to its own fit."""
        task = self._context.subcontext(task_name="network")
        with task.propagate_callback_context(estimator):
            task.call_on_fit_task_begin(**self._arguments)
            yield
            task.call_on_fit_task_end(**self._arguments)

    def finish(self):
        self._context.call_on_fit_task_end(**self._arguments)
