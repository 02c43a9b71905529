"""Whether a state is better than the start, where few held-out rows leave that open."""

import math
from dataclasses import replace

import torch

from skae.training.generators import use_generator

# Times that other rows are held out.
MAX_FOLDS = 4
# Standard errors of a fall between which more rows are asked; beyond, nothing is open.
OPEN = 0.0, 4.0


class Confirmation:
    """Takes the steps of a state again, from the start, with other rows held out in turn.

    The rows that were held out have chosen the state as well, and flatter it; with others
    held out, the same number of steps is judged by rows that had no part in anything. All
    their falls together say whether the start is left.

    Parameters
    ----------
    net : Net
    stopping : EarlyStopping
        Of the training that has found a state.

    References
    ----------
    Stone, Cross-Validatory Choice and Assessment of Statistical Predictions, 1974.
    """

    def __init__(self, net, stopping):
        self.net, self.stopping = net, stopping
        rows = stopping.rows
        n_folds = len(rows.source) // max(rows.n_valid, 1) - 1
        self.n_folds = min(n_folds, MAX_FOLDS)
        self.falls, self.weights = [stopping.falls], [rows.valid_weights]

    def run(self):
        """Let other rows judge, fold by fold, until they agree."""
        net, n_epochs = self.net, len(self.net.history)
        best_epoch, reason = net.best_epoch_, net.stop_reason_
        try:
            for fold in range(1, self.n_folds + 1):
                if not OPEN[0] < self.stopping.strength < OPEN[1]:
                    break
                self._hold_out(fold, best_epoch)
                if net.stop_reason_ == "diverged":
                    break
                self._judge()
        finally:
            del net.history[n_epochs:]
            net.best_epoch_, net.stop_reason_ = best_epoch, reason

    def _hold_out(self, fold, n_epochs):
        """Train from the start with the rows of a fold held out."""
        net, stopping = self.net, self.stopping
        schedule = replace(
            stopping.schedule, begin_epoch=lambda: None, end_epoch=lambda: False
        )
        rows = stopping.rows.rotated(fold * stopping.rows.n_valid)
        n_all = schedule.n_epochs * schedule.steps_per_epoch(rows.n_train)
        n_steps = n_epochs * schedule.steps_per_epoch(rows.n_train)
        stopping.first.restore()
        net.optimizer_.state.clear()
        net.set_lr(schedule.learning_rate)
        before = stopping.losses(rows.n_train, len(rows.source), rows=rows)
        generator = torch.Generator(net.device).manual_seed(schedule.seed)
        with use_generator(generator, net.module_):
            # A refit cools down; what is not trained again stays as it was amid the cycle.
            steps = (n_steps, n_all) if schedule.refit else (None, None)
            net._run_epochs(rows, schedule, _Epochs(net, n_epochs), generator, *steps)
        self.falls.append(
            before - stopping.losses(rows.n_train, len(rows.source), rows=rows)
        )
        self.weights.append(rows.valid_weights)

    def _judge(self):
        weights = None
        if self.weights[0] is not None:
            weights = torch.cat(self.weights)
        self.stopping.judge(torch.cat(self.falls), weights)
        self.stopping.is_confirmed = True


class _Epochs:
    """Ends a training after a number of epochs."""

    def __init__(self, net, n_epochs):
        self.net, self.left = net, n_epochs

    def end_epoch(self, total, n_rows):
        """Return why training should stop, or None."""
        loss = (total / n_rows).item()
        for key, value in (("train_loss", loss), ("valid_loss", math.nan)):
            self.net.history.record(key, value)
            self.net.history.record(f"{key}_best", False)
        self.left -= 1
        if not math.isfinite(loss):
            return "diverged"
        return None if self.left else "confirmed"
