"""Whether a state is better than the start, where few held-out rows leave that open."""

import math
from contextlib import contextmanager
from dataclasses import replace

import torch
from skorch.history import History

from skae.training.generators import use_generator

# Times that other rows are held out.
MAX_FOLDS = 4
# Standard errors of a fall between which other rows are asked, and then more of them;
# beyond, nothing is open. The first rows have chosen the state, and flatter it.
OPEN, OPEN_STILL = (0.0, 4.0), (0.5, 3.0)


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
        net, best_epoch = self.net, self.net.best_epoch_
        with _unheard(net):
            for fold in range(1, self.n_folds + 1):
                least, most = OPEN_STILL if fold > 1 else OPEN
                if not least < self.stopping.strength < most:
                    break
                self._hold_out(fold, best_epoch)
                if net.stop_reason_ == "diverged":
                    break
                self._judge()

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


@contextmanager
def _unheard(net):
    """Have no callback and no history know of epochs, and no trace of them in the net."""
    names = "callbacks_", "history_", "best_epoch_", "stop_reason_"
    kept = {name: vars(net)[name] for name in names if name in vars(net)}
    net.callbacks_, net.history_ = [], History()
    try:
        yield
    finally:
        vars(net).update(kept)


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
