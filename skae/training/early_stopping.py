"""Which state of a network is kept, and when training stops."""

import math

import torch

from skae._paired_differences import mean_of, robust_mean, strengths
from skae.training.batches import Batches
from skae.training.generators import use_generator

# Training rows on which a fit without held-out rows is checked for harm.
N_CHECKED = 2048
# Standard errors by which the start must be beaten.
N_ERRORS = 2.0
# The same where most of the rows had no part in choosing the state: one chance in twenty.
N_ERRORS_CONFIRMED = 1.645
# Standard errors by which the best state must be better than the last to be kept.
N_ERRORS_LAST = 1.0
# A loss that exceeds its start by this factor will not come back.
DIVERGED = 1e3
# What an epoch changes of `EarlyStopping`, beside the best state.
PROGRESS = (
    *("best_loss", "n_epochs", "falls", "last_falls", "falls_of_epochs"),
    *("reference", "reference_epoch", "_lowest"),
)
# Rows whose codes a dataset-level regulariser compares with the prior at most.
N_COMPARED = 1024


class Checkpoint:
    """A copy of a module's weights, in memory, on the device."""

    def __init__(self, module):
        self._module = module
        self._kept = [tensor.clone() for tensor in self._live]

    @property
    def _live(self):
        # Not once for all: a module that was moved, and moved back, has others.
        return self._module.state_dict().values()

    @property
    def is_live(self):
        """Whether the module has the weights that are kept."""
        return all(map(torch.equal, self._kept, self._live))

    @property
    def tensors(self):
        """The copies, list of torch.Tensor."""
        return self._kept

    @tensors.setter
    def tensors(self, tensors):
        for kept, tensor in zip(self._kept, tensors, strict=True):
            kept.copy_(tensor)

    @torch.no_grad()
    def save(self):
        for kept, live in zip(self._kept, self._live, strict=True):
            kept.copy_(live)

    @torch.no_grad()
    def restore(self):
        for kept, live in zip(self._kept, self._live, strict=True):
            live.copy_(kept)


class EarlyStopping:
    """Keeps the best state and says when to stop.

    With held-out rows that is the state of the lowest mean loss on them; of the lowest
    winsorised one where a row's loss has no bound (`Model.has_unbounded_losses`). It
    replaces the start only if its loss is lower by more than two standard errors of the
    rows' paired differences: on few rows a smaller gain is luck. So may be the mean of
    differences of which a few are huge: the differences are winsorised as well, and a mean
    fall of one standard error is enough where the winsorised one is clear. A start that is
    not the best of its kind (`Model.starts_at_optimum`) is a state like others.

    The last state is preferred to the best where that is not better by one standard error:
    which of so many epochs is the best is luck where rows are few, and the last has the
    lowest rate.

    Parameters
    ----------
    net : Net
    rows : TrainingRows
    schedule : Schedule

    Attributes
    ----------
    n_epochs : int
        How many are best: those of the best state, unless other held-out rows say otherwise.
    falls : torch.Tensor of shape (n_valid,) or None
        By how much the best state's losses are below the start's, row by row.
    last_falls : torch.Tensor of shape (n_valid,) or None
        The same of the last state.
    falls_of_epochs : list of torch.Tensor
        The same of the state after each epoch, where other rows are to be asked as well.
    strength : float or None
        Standard errors by which the best state is better than the start; infinite for a
        start that is a state like others; None until it is settled.
    is_confirmed : bool
        Whether rows that had no part in choosing the best state have judged its steps.
    """

    def __init__(self, net, rows, schedule):
        self.net, self.rows, self.schedule = net, rows, schedule
        self.first, self.best = Checkpoint(net.module_), Checkpoint(net.module_)
        self.falls, self.last_falls = None, None
        self.strength, self.is_confirmed = None, False
        self.n_epochs, self.falls_of_epochs = 0, []
        self._is_robust = net.module_.has_unbounded_losses
        self._compared = None
        self.start = self.best_loss = math.nan
        # One row, as in a stream, cannot be compared with a distribution.
        if net.module_.has_dataset_loss and len(rows.source) > 1:
            # Held-out rows first: on these alone the discrepancy would be mostly chance.
            self._compared = rows.sample(N_COMPARED)

    def state(self):
        """Return what `resume` takes to go on where this one is, dict."""
        kept = {name: getattr(self, name) for name in PROGRESS}
        return {**kept, "best": self.best.tensors}

    def resume(self, state):
        """Go on from a `state`, once the start has been looked at."""
        for name in PROGRESS:
            setattr(self, name, state[name])
        self.best.tensors = state["best"]

    def begin(self):
        """Return the loss of the start, which later states have to beat."""
        rows = self.rows
        if rows.holds_out:
            self.start_with(rows)
            self.start_losses = self.losses(rows.n_train, len(rows.source))
            self.start = self.best_loss = self._mean(self.start_losses).item()
        else:
            self.start, self.best_loss = self._checked_loss(), math.inf
        # A stream, or a callback that loads a state, leaves epochs in the history.
        history = self.net.history
        self.reference, self.reference_epoch = self.start, len(history)
        self._lowest = {
            key: min((epoch[key] for epoch in history if key in epoch), default=math.inf)
            for key in ("train_loss", "valid_loss")
        }
        return self.start

    def start_with(self, rows):
        """Put the module where training starts that is to know only the rows to train on."""
        self.first.restore()
        if self.schedule.start_again is not None:
            self.schedule.start_again(rows)

    def end_epoch(self, total, n_rows):
        """Record the epoch's losses; return why training should stop, or None."""
        holds_out, epoch = self.rows.holds_out, len(self.net.history)
        figures = [total / n_rows]
        if holds_out:
            with Batches(self.net, "valid") as told:
                losses = self.losses(self.rows.n_train, len(self.rows.source), told)
            falls = self.last_falls = self.start_losses - losses
            figures += [self._mean(losses), robust_mean(falls, self.rows.valid_weights)]
            if self.schedule.confirm:
                self.falls_of_epochs.append(falls)
        # The epoch's only synchronisation with the device.
        train_loss, *held_out = torch.stack(figures).tolist()
        loss = held_out[0] if holds_out else train_loss
        compared = self.start - held_out[1] if holds_out and self._is_robust else loss
        better = compared < self.best_loss
        self._record("train_loss", train_loss)
        if holds_out:
            self._record("valid_loss", loss)
        limit = self.start + DIVERGED * (1.0 + abs(self.start))
        if not max(train_loss, loss) < limit:  # NaN included
            return "diverged"
        if better:
            self.best_loss = compared
            self.net.best_epoch_ = self.n_epochs = epoch
            self.best.save()
            if holds_out:
                self.falls = falls
        return self._no_change(epoch, compared) if holds_out else None

    def prefer_last(self):
        """Keep the last state in place of the best, unless that is clearly better.

        References
        ----------
        The rule of one standard error: Breiman et al., Classification and Regression Trees,
        1984, section 3.4.3.
        """
        epoch = len(self.net.history)
        if not self.schedule.one_cycle or self.falls is None or self.n_epochs == epoch:
            return
        ahead = strengths(self.falls - self.last_falls, self.rows.valid_weights)
        if not ahead[self._is_robust] > N_ERRORS_LAST:
            self.best.save()
            self.falls = self.last_falls
            self.net.best_epoch_ = self.n_epochs = epoch

    def judge(self, falls, weights):
        """Settle how clearly the best state is better than the start, from rows' falls."""
        if falls is None:
            self.strength = 0.0
        elif self.net.module_.starts_at_optimum:
            mean, robust = strengths(falls, weights)
            # Above two where the mean fall is, or the winsorised one and half as much of the mean.
            self.strength = (
                robust if self._is_robust else max(mean, min(robust, 2.0 * mean))
            )
        else:
            self.strength = math.inf

    def _record(self, key, loss):
        """Record a loss, and whether it is the lowest so far, as skorch's callbacks ask."""
        best = loss < self._lowest[key]
        self._lowest[key] = loss if best else self._lowest[key]
        self.net.history.record(key, loss)
        self.net.history.record(f"{key}_best", best)

    def _no_change(self, epoch, loss):
        if loss < self.reference - self.schedule.tol * abs(self.start):
            self.reference, self.reference_epoch = loss, epoch
        waited = epoch - self.reference_epoch
        return "no_change" if waited >= self.schedule.n_iter_no_change else None

    def restore_best(self):
        """Leave the module in the state that is kept."""
        net = self.net
        net.train_start_loss_ = self.start
        if self.rows.holds_out:
            if self.strength is None:  # interrupted
                self.judge(self.falls, self.rows.valid_weights)
            least = N_ERRORS_CONFIRMED if self.is_confirmed else N_ERRORS
            if not self.strength > least:
                net.best_epoch_ = self.n_epochs = 0
            (self.best if net.best_epoch_ else self.first).restore()
            if net.loss_curves()[0] and not net.best_epoch_:
                net.train_start_loss_ = self._checked_loss()
            return
        # Without held-out rows the last state stands, unless it is worse than the start
        # on the rows it was trained on (nothing was left to learn, or it diverged).
        fallbacks = (self.best, net.best_epoch_), (self.first, 0)
        net.best_epoch_ = len(net.history)
        for fallback, epoch in fallbacks:
            if self._checked_loss() <= self.start:
                return
            fallback.restore()
            net.best_epoch_ = epoch

    @torch.no_grad()
    def losses(self, start, stop, told=None, rows=None):
        """Return the losses of rows `start` to `stop`, with the same draws at every call.

        They are followed by those of the other workers' rows. Of other rows if `rows` are
        given. Callbacks are told of the blocks by `told`, a `Batches`.
        """
        rows = self.rows if rows is None else rows
        net, corrupt = self.net, self.schedule.corrupt
        net._set_training(False)
        workers = self.schedule.workers
        generator = torch.Generator(net.device).manual_seed(
            self.schedule.seed + workers.rank
        )
        losses = [torch.zeros(0, device=net.device)]
        with self.schedule.draws(), use_generator(generator, net.module_):
            common = 0.0
            if self._compared is not None:
                common = net.module_.dataset_loss(*self._compared)
            for x, observed in rows.blocks(start, stop):
                if told is not None:
                    told.begin(x)
                seen = x if corrupt is None else corrupt(x, observed, generator)
                of_rows, output = net.module_.losses(seen, x, observed)
                losses.append(of_rows + common)
                if told is not None:
                    told.end(x, losses[-1].mean(), output)
        return workers.rows(torch.cat(losses))

    def _checked_loss(self):
        n_rows = min(self.rows.n_train, N_CHECKED)
        losses, weights = self.losses(0, n_rows), self.rows.train_weights
        return _weighted(losses, None if weights is None else weights[:n_rows]).item()

    def _mean(self, losses):
        weights = self.rows.valid_weights
        return (
            losses.mean() if weights is None else torch.dot(losses, weights) / weights.sum()
        )

    def mean_fall(self, falls, weights):
        """Return the mean fall of rows' losses; the winsorised one where they have no bound."""
        if self._is_robust:
            return robust_mean(falls, weights).item()
        return mean_of(falls, weights).item()


def _weighted(losses, weights):
    return (losses if weights is None else losses * weights).mean()
