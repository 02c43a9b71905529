"""What other held-out rows say where the first ones are few: of the epochs, of the start."""

import math
from contextlib import contextmanager
from dataclasses import replace

import torch
from skorch.history import History

from skae.training.generators import use_generator

# Times that other rows are held out.
MAX_FOLDS = 4
# Of so few epochs none are chosen: there is no training that could end too soon or too late.
FEW_EPOCHS = 10
# Standard errors of a fall between which other rows are asked, and then more of them;
# beyond, nothing is open. The first rows have chosen the state, and flatter it.
OPEN, OPEN_STILL = (0.0, 4.0), (0.5, 3.0)


class Confirmation:
    """Trains again from the start, with other rows held out in turn, and pools what they say.

    The rows that were held out have chosen the state as well, and flatter it; with others
    held out, the same number of steps is judged by rows that had no part in anything. Where
    training is to be repeated on all rows, it is the number of epochs that held-out rows
    choose, and all of them choose it together: few rows would choose it by luck.

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
        rows, schedule = stopping.rows, stopping.schedule
        n_folds = len(rows.source) // max(rows.n_valid, 1) - 1
        self.n_folds = min(n_folds, MAX_FOLDS)
        best, curves = stopping.n_epochs, stopping.falls_of_epochs
        self.chooses = (
            schedule.refit
            and schedule.folds_choose
            and schedule.n_epochs > max(best, FEW_EPOCHS)
        )
        # Of the epochs from which one is chosen, a row of falls each, fold by fold.
        self.epochs = range(best, best + 1)
        if self.chooses:
            # At most twice those that the first rows have chosen, and some more.
            most = 2 * best + FEW_EPOCHS if best else len(curves)
            self.epochs = range(1, min(len(curves), most) + 1)
        self.falls = [curves[epoch - 1] for epoch in self.epochs if epoch]
        self.weights = [rows.valid_weights]

    def run(self):
        """Let other rows judge, fold by fold, until they agree."""
        stopping = self.stopping
        if not self.falls:
            return
        for fold in range(1, self.n_folds + 1):
            least, most = OPEN_STILL if fold > 1 else OPEN
            if not self.chooses and not least < stopping.strength < most:
                return
            falls = self._hold_out(fold)
            if not falls:
                return
            # Where a training diverges, no epoch after it is one to choose.
            self.falls = [torch.cat(pair) for pair in zip(self.falls, falls, strict=False)]
            weights = None if self.weights[0] is None else torch.cat(self.weights)
            means = [stopping.mean_fall(falls, weights) for falls in self.falls]
            best = max(range(len(means)), key=means.__getitem__)
            stopping.n_epochs = self.epochs[best]
            stopping.judge(self.falls[best], weights)
            stopping.is_confirmed = True

    def _hold_out(self, fold):
        """Train from the start with the rows of a fold held out; return the falls of epochs."""
        net, stopping = self.net, self.stopping
        schedule = replace(
            stopping.schedule, begin_epoch=lambda: None, end_epoch=lambda: False
        )
        rows = stopping.rows.rotated(fold * stopping.rows.n_valid)
        per_epoch = schedule.steps_per_epoch(rows.n_train)
        n_all, n_steps = schedule.n_epochs * per_epoch, self.epochs[-1] * per_epoch
        stopping.start_with(rows)
        net.optimizer_.state.clear()
        net.set_lr(schedule.learning_rate)
        judging = _Judging(net, stopping, rows, self.epochs)
        generator = torch.Generator(net.device).manual_seed(schedule.seed)
        with _unheard(net), use_generator(generator, net.module_):
            # A refit cools down; what is not trained again stays as it was amid the cycle.
            cools = schedule.refit and not self.chooses
            steps = (n_steps, n_all) if cools else (None, None)
            net._run_epochs(rows, schedule, judging, generator, *steps)
        self.weights.append(rows.valid_weights)
        return judging.falls


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


class _Judging:
    """Ends a training after some epochs, and keeps by how much held-out losses fell."""

    def __init__(self, net, stopping, rows, epochs):
        self.net, self.stopping, self.rows, self.epochs = net, stopping, rows, epochs
        self.epoch, self.falls = 0, []
        self.start = self._losses()

    def end_epoch(self, total, n_rows):
        """Return why training should stop, or None."""
        loss = (total / n_rows).item()
        for key, value in (("train_loss", loss), ("valid_loss", math.nan)):
            self.net.history.record(key, value)
            self.net.history.record(f"{key}_best", False)
        self.epoch += 1
        if not math.isfinite(loss):
            return "diverged"
        if self.epoch in self.epochs:
            self.falls.append(self.start - self._losses())
        return "confirmed" if self.epoch == self.epochs[-1] else None

    def _losses(self):
        rows = self.rows
        return self.stopping.losses(rows.n_train, len(rows.source), rows=rows)
