"""scikit-learn's callbacks: the fit of a detector seen as a task with subtasks."""

import copy
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np


class FitTasks:
    """Shows the training of a detector's networks to the user and to callbacks.

    Parameters
    ----------
    detector : AEAnomalyDetector
        The detector that is being fitted. Its `loss_curve_` is kept up to date.
    given : tuple (X, y, sample_weight)
        As the user passed them to fit.
    n_tasks : int
        Subtasks at most.
    conclude : callable (detector, ensemble, rng) -> None
        Makes a fitted detector of one with trained networks.

    Attributes
    ----------
    workers : Workers
        Who trains the networks, each a part of them.
    """

    def __init__(self, detector, given, n_tasks, conclude):
        X, y, sample_weight = given
        self._detector, self._conclude = detector, conclude
        self.workers = detector._workers
        self._context = detector._init_callback_context(max_subtasks=n_tasks)
        # As in the transformers: scorers get a target, and ignore it or need the labels.
        self._arguments = {
            "estimator": detector,
            "X": X,
            "y": X if y is None else y,
            "metadata": None if sample_weight is None else {"sample_weight": sample_weight},
        }
        self._context.call_on_fit_task_begin(**self._arguments)

    def report(self, loss_curve, n_steps, trained):
        """Report a part of a joint training; return whether a callback asks to stop.

        Parameters
        ----------
        loss_curve : list of float
            Losses of the steps taken.
        n_steps : int
            Steps at most.
        trained : callable (rng) -> Ensemble or None
            Returns a copy of the ensemble as if training ended here; None if it would be
            of no use.
        """
        self._detector.loss_curve_ = loss_curve
        self._say(f"Step {len(loss_curve)} of {n_steps}, loss = {loss_curve[-1]:.4g}")
        task = self._context.subcontext(task_name="training")
        task.call_on_fit_task_begin(**self._arguments)
        return self._end(task, trained)

    @contextmanager
    def network(self, estimator, trained):
        """Fit one of the networks in this context; callbacks go on to its own fit.

        Yields
        ------
        task : SimpleNamespace
            Its attribute `stop` says afterwards whether a callback asks to stop.
        """
        shown = SimpleNamespace(stop=False)
        task = self._context.subcontext(task_name="network")
        with task.propagate_callback_context(estimator):
            task.call_on_fit_task_begin(**self._arguments)
            yield shown
            curve = estimator.loss_curve_
            name = f"Network {task.task_id + 1} of {self._context.max_subtasks}"
            if curve:
                self._say(f"{name}, {len(curve)} epochs, loss = {curve[-1]:.4g}")
            shown.stop = self._end(task, trained)

    def finish(self):
        """Report the end of the fit; the detector is fitted."""
        self._context.call_on_fit_task_end(
            **self._arguments, reconstruction_attributes=lambda: vars(self._detector)
        )

    def _say(self, line):
        if self._detector.verbose:
            print(line)

    def _end(self, task, trained):
        return task.call_on_fit_task_end(
            **self._arguments, reconstruction_attributes=lambda: self._snapshot(trained)
        )

    def _snapshot(self, trained):
        """Return the attributes of the detector as if training ended here."""
        # Draws of its own: a callback that looks does not change the fit.
        rng = np.random.RandomState(0)
        ensemble = trained(rng)
        if ensemble is None:
            return None
        detector = copy.copy(self._detector)
        self._conclude(detector, ensemble, rng)
        return vars(detector)
