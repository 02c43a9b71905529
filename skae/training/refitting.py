"""Training once more, on all rows, for as many steps as held-out rows have chosen."""

import math


class Refitting:
    """Trains from the start on all rows, in place of a state that some were held out from.

    Every step has the learning rate that it had: the schedule is that of the training that
    chose how many there are. Afterwards no row is left to judge the state, which is kept
    unless its loss on all rows is higher than the start's. The state that it replaces is no
    measure: that may know fewer rows by heart.

    Parameters
    ----------
    net : Net
    stopping : EarlyStopping
        Of the training that has chosen a state.

    Attributes
    ----------
    rows : TrainingRows
    n_steps : int
    """

    def __init__(self, net, stopping):
        rows, schedule = stopping.rows, stopping.schedule
        self.net, self.stopping = net, stopping
        self.n_steps = stopping.n_epochs * schedule.steps_per_epoch(rows.n_train)
        self.rows = rows.all_to_train()
        self.has_diverged = False

    def begin(self):
        """Go back to the start."""
        stopping = self.stopping
        stopping.best.restore()
        stopping.schedule.before_refit()
        stopping.first.restore()
        self._start = self._loss()
        # Not another optimiser: callbacks may hold this one.
        self.net.optimizer_.state.clear()
        self.net.set_lr(stopping.schedule.learning_rate)
        self._first_epoch = len(self.net.history)
        self.net.refit_span_ = self._first_epoch, self._first_epoch

    def end_epoch(self, total, n_rows):
        """Record the epoch's loss; return why training should stop, or None."""
        loss = (total / n_rows).item()
        # Callbacks find what they look for, and no epoch that is the best.
        for key, value in (("train_loss", loss), ("valid_loss", math.nan)):
            self.net.history.record(key, value)
            self.net.history.record(f"{key}_best", False)
        self.net.refit_span_ = self._first_epoch, len(self.net.history)
        self.has_diverged = not math.isfinite(loss)
        return "diverged" if self.has_diverged else None

    def finish(self):
        """Keep the state, if it is not worse than the start."""
        if not self.has_diverged and self._loss() <= self._start:
            self.stopping.best.save()
            self.net.best_epoch_ = self.stopping.n_epochs
            self.net.is_refit_ = True

    def _loss(self):
        losses, weights = self.stopping.losses(0, len(self.rows.source)), self.rows.weights
        return (losses if weights is None else losses * weights).mean().item()
