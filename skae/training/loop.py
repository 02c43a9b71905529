"""The training loop: a skorch net over rows that stay on the device."""

import copy
import dis
import math
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer, PrintLog
from skorch.dataset import Dataset

# Training rows that show whether a fit without held-out rows has come to harm.
N_SAMPLE = 2048
# Standard errors by which the start must be beaten.
N_ERRORS = 2.0
# A loss that exceeds its start by this factor will not come back.
HOPELESS = 1e3
BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


@dataclass
class Plan:
    """How long to train, how fast to learn, when to stop.

    Attributes
    ----------
    n_epochs, batch_size : int
    learning_rate : float
        The largest rate of the one-cycle schedule, or the constant one.
    one_cycle : bool
    n_iter_no_change : int
        Epochs without an improvement of the held-out loss after which training stops.
    tol : float
        Improvement that counts for it, as a share of the held-out loss at the start.
    seed : int
        Of the generator behind the order of the rows, dropout and posterior draws.
    warm_up : float
        Share of the steps over which a criterion with `warmth` is warmed up.
    corrupt : callable (x, cells, generator) -> x, or None
        What the network gets to see of a batch, whose rows it shall restore.
    penalise : callable (network, x, weights) -> (output, penalties), or None
        The network's output for rows x, and what is added to their losses: shape (n,),
        or () for what is the same for all.
    toll : callable (network) -> torch.Tensor of shape (), or None
        What is added to the held-out loss: of all rows together, where none has a share.
    begin_epoch : callable () -> None
    end_epoch : callable () -> bool
        scikit-learn's callbacks; true asks to stop.
    """

    n_epochs: int
    batch_size: int
    learning_rate: float
    one_cycle: bool
    n_iter_no_change: int
    tol: float
    seed: int
    warm_up: float = 0.0
    corrupt: Callable | None = None
    penalise: Callable | None = None
    toll: Callable | None = None
    begin_epoch: Callable[[], None] = field(default=lambda: None)
    end_epoch: Callable[[], bool] = field(default=lambda: False)


def one_cycle(progress, warm=0.1, start=0.04, end=0.01):
    """Return the factor on the peak learning rate at `progress` in [0, 1].

    Half a cosine up from `start` during the share `warm` of the steps, half a cosine
    down to `end` during the rest.

    References
    ----------
    Smith & Topin, Super-Convergence, 2018 (with cosine annealing).
    """
    if progress < warm:
        low, phase = start, 1.0 - progress / warm
    else:
        low, phase = end, (progress - warm) / (1.0 - warm)
    return low + (1.0 - low) * 0.5 * (1.0 + math.cos(math.pi * phase))


@contextmanager
def lent(generator, module):
    """Let the parts of `module` that draw random numbers draw them from `generator`."""
    borrowers = [part for part in module.modules() if hasattr(part, "generator")]
    before = [part.generator for part in borrowers]
    for part in borrowers:
        part.generator = generator
    try:
        yield
    finally:
        for part, own in zip(borrowers, before, strict=True):
            part.generator = own


class KeptState:
    """A copy of a module's weights, in memory, on the device."""

    def __init__(self, module):
        self._live = list(module.state_dict().values())
        self._kept = [tensor.clone() for tensor in self._live]

    @torch.no_grad()
    def keep(self):
        for kept, live in zip(self._kept, self._live, strict=True):
            kept.copy_(live)

    @torch.no_grad()
    def restore(self):
        for kept, live in zip(self._kept, self._live, strict=True):
            live.copy_(kept)


class Net(NeuralNet):
    """skorch's net with batches sliced on the device and one synchronisation an epoch.

    `fit_loop` takes `TrainingRows` and a `Plan`. The criterion returns a loss a row.
    After training the module holds the best state: by held-out rows where there are
    any (the state before the first step competes), else the last one.

    Attributes
    ----------
    best_epoch_ : int
        Epoch whose weights were kept; 0 is the state before the first step.
    start_loss_ : float
        Held-out loss before the first step (training loss where none are held out).
    stop_reason_ : str
        "epochs", "no_change", "callback", "diverged" or "interrupted".
    """

    best_epoch_ = 0
    stop_reason_ = "epochs"

    @property
    def _default_callbacks(self):
        callbacks = [("epoch_timer", EpochTimer())]
        if self.verbose:
            callbacks.append(("print_log", PrintLog()))
        return callbacks

    def restart(self, callbacks, verbose):
        """Forget the history and the optimiser's state, but not the weights."""
        self.callbacks, self.verbose = callbacks, verbose
        self._initialize_callbacks()
        self._initialize_optimizer()
        self._initialize_history()

    def set_lr(self, learning_rate):
        """Set the rate of the next steps."""
        self.lr = learning_rate
        for group in self.optimizer_.param_groups:
            group["lr"] = learning_rate

    def snapshot(self):
        """Return a net with a copy of the module, to look at while this one trains."""
        net = copy.copy(self)
        with lent(None, self.module_):
            net.module_ = copy.deepcopy(self.module_)
        return net

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return the mean loss of the rows ``X = (design, cells)``.

        `y_true` holds their weights, or None.
        """
        # What compares rows with each other has to know how much each of them counts.
        known = {"weights": y_true} if getattr(self.criterion_, "compares", False) else {}
        losses = self.criterion_(y_pred, *X, **known)
        return losses.mean() if y_true is None else (losses * y_true).mean()

    def fit_loop(self, X, y=None, epochs=None, *, plan, **fit_params):
        rows = X
        generator = torch.Generator(self.device).manual_seed(plan.seed)
        self.stop_reason_, self.best_epoch_ = "epochs", 0
        judge = _Judge(self, rows, plan)
        self.start_loss_ = judge.start
        try:
            with lent(generator, self.module_):
                self._run_epochs(rows, plan, judge, generator)
        except KeyboardInterrupt as interrupt:
            self.stop_reason_ = (
                "callback" if self._raised_by_callback(interrupt) else "interrupted"
            )
        finally:
            self._set_training(False)
            self.optimizer_.zero_grad()
            judge.settle()
        return self

    def _run_epochs(self, rows, plan, judge, generator):
        datasets = {
            "dataset_train": Dataset(rows.source.part(0, rows.n_train)),
            "dataset_valid": (
                Dataset(rows.source.part(rows.n_train, len(rows.source)))
                if rows.n_valid
                else None
            ),
        }
        n_steps = math.ceil(rows.n_train / plan.batch_size)
        for epoch in range(plan.n_epochs):
            plan.begin_epoch()
            self.notify("on_epoch_begin", **datasets)
            order = torch.randperm(
                rows.n_train, generator=generator, device=generator.device
            )
            start = epoch * n_steps
            total = self.run_single_epoch(
                order.split(plan.batch_size),
                training=True,
                prefix="train",
                step_fn=None,
                rows=rows,
                corrupt=plan.corrupt,
                penalise=plan.penalise,
                generator=generator,
                rates=_rates(plan, start, n_steps),
                warmths=_warmths(self.criterion_, plan, start, n_steps),
            )
            finished = judge.end_epoch(epoch + 1, total)
            self.notify("on_epoch_end", **datasets)
            if plan.end_epoch():
                finished = finished or "callback"
            if finished:
                self.stop_reason_ = finished
                return

    def run_single_epoch(
        self,
        iterator,
        training,
        prefix,
        step_fn,
        *,
        rows,
        corrupt,
        penalise,
        generator,
        rates,
        warmths,
    ):
        """Take one pass over the batches of row numbers in `iterator`.

        Returns
        -------
        total : torch.Tensor of shape ()
            The sum of the rows' losses, on the device.
        """
        source, weights = rows.source, rows.train_weights
        optimizer, groups = self.optimizer_, self.optimizer_.param_groups
        total = torch.zeros((), device=generator.device)
        watched = any(
            getattr(type(cb), hook) is not getattr(Callback, hook)
            for _, cb in self.callbacks_
            for hook in BATCH_HOOKS
        )
        self._set_training(True)
        for step, indices in enumerate(iterator):
            batch, cells = source[indices]
            weight = None if weights is None else weights.index_select(0, indices)
            if rates is not None:
                for group in groups:
                    group["lr"] = rates[step]
            if warmths is not None:
                self.criterion_.warmth = warmths[step]
            if watched:
                self.notify("on_batch_begin", batch=(batch, weight), training=True)
            optimizer.zero_grad()
            seen = batch if corrupt is None else corrupt(batch, cells, generator)
            if penalise is None:
                output = self.module_(seen)
                loss = self.get_loss(output, weight, X=(batch, cells), training=True)
            else:
                output, extra = penalise(self.module_, seen, weight)
                loss = self.get_loss(output, weight, X=(batch, cells), training=True)
                loss = loss + (extra if weight is None else extra * weight).mean()
            loss.backward()
            if watched:
                parameters = list(self.get_all_learnable_params())
                self.notify(
                    "on_grad_computed",
                    named_parameters=parameters,
                    batch=(batch, weight),
                    training=True,
                )
            optimizer.step()
            total.add_(loss.detach(), alpha=len(indices))
            if watched:
                self.history.record_batch(f"{prefix}_loss", loss.item())
                self.history.record_batch(f"{prefix}_batch_size", len(indices))
                self.notify(
                    "on_batch_end",
                    batch=(batch, weight),
                    training=True,
                    loss=loss,
                    y_pred=output,
                )
        return total

    def _raised_by_callback(self, interrupt):
        """Tell skorch's way of asking to stop (EarlyStopping) from the user's Ctrl-C."""
        frame = interrupt.__traceback__
        while frame.tb_next is not None:
            frame = frame.tb_next
        code = frame.tb_frame.f_code.co_code
        # A signal arrives in the middle of any instruction; a callback raises.
        if dis.opname[code[frame.tb_lasti]] != "RAISE_VARARGS":
            return False
        owner = frame.tb_frame.f_locals.get("self")
        return any(owner is callback for _, callback in self.callbacks_)


def _rates(plan, start, n_steps):
    """Return the learning rates of an epoch's steps; None leaves the optimiser's."""
    if not plan.one_cycle:
        return None
    n_all = plan.n_epochs * n_steps
    return [
        plan.learning_rate * one_cycle((start + step) / n_all) for step in range(n_steps)
    ]


def _warmths(criterion, plan, start, n_steps):
    """Return the criterion's warmth at an epoch's steps; None where it has none."""
    if not hasattr(criterion, "warmth"):
        return None
    n_warm = plan.warm_up * plan.n_epochs * n_steps
    return [min(1.0, (start + step + 1) / max(n_warm, 1.0)) for step in range(n_steps)]


class _Judge:
    """Keeps the best state and says when to stop.

    With held-out rows, the start is replaced only by a state whose loss on them is
    lower by more than two standard errors of the rows' paired differences: on few rows
    a smaller gain is luck. After that, the lowest loss wins.
    """

    def __init__(self, net, rows, plan):
        self.net, self.rows, self.plan = net, rows, plan
        self.first, self.best = KeptState(net.module_), KeptState(net.module_)
        self.left_start = False
        if rows.n_valid:
            self.start_losses = self._losses(rows.n_train, len(rows.source))
            self.start = self.best_loss = self._mean(self.start_losses).item()
        else:
            self.start, self.best_loss = self._sample_loss(), math.inf
        self.reference, self.reference_epoch = self.start, 0

    def end_epoch(self, epoch, total):
        """Record the epoch's losses; return why training should stop, or None."""
        history, n_valid = self.net.history, self.rows.n_valid
        figures = [total / self.rows.n_train]
        if n_valid:
            losses = self._losses(self.rows.n_train, len(self.rows.source))
            gain, error = self._paired_gain(losses)
            figures += [self._mean(losses), gain - N_ERRORS * error]
        # The epoch's only synchronisation with the device.
        train_loss, *held_out = torch.stack(figures).tolist()
        loss = held_out[0] if n_valid else train_loss
        better = loss < self.best_loss
        if n_valid and not self.left_start:
            better = better and held_out[1] > 0
        history.record("train_loss", train_loss)
        history.record("train_loss_best", better)
        if n_valid:
            history.record("valid_loss", loss)
            history.record("valid_loss_best", better)
        limit = self.start + HOPELESS * (1.0 + abs(self.start))
        if not max(train_loss, loss) < limit:  # NaN included
            return "diverged"
        if better:
            self.best_loss, self.left_start = loss, True
            self.net.best_epoch_ = epoch
            self.best.keep()
        if not n_valid:
            return None
        if loss < self.reference - self.plan.tol * abs(self.start):
            self.reference, self.reference_epoch = loss, epoch
        if epoch - self.reference_epoch >= self.plan.n_iter_no_change:
            return "no_change"
        return None

    def settle(self):
        """Leave the module in the state that is kept."""
        net = self.net
        if self.rows.n_valid:
            self.best.restore()
            return
        # Without held-out rows the last state stands, unless it is worse than the start
        # on the rows it was trained on (nothing was left to learn, or it diverged).
        net.best_epoch_ = len(net.history)
        for fallback in (self.best, self.first):
            if self._sample_loss() <= self.start:
                return
            fallback.restore()
            net.best_epoch_ = 0

    @torch.no_grad()
    def _losses(self, start, stop):
        """Return the losses of rows `start` to `stop`, with the same draws at every call."""
        net, corrupt, penalise = self.net, self.plan.corrupt, self.plan.penalise
        net._set_training(False)
        generator = torch.Generator(net.device).manual_seed(self.plan.seed)
        losses = []
        with lent(generator, net.module_):
            for x, cells in self.rows.blocks(start, stop):
                seen = x if corrupt is None else corrupt(x, cells, generator)
                if penalise is None:
                    losses.append(net.criterion_(net.module_(seen), x, cells))
                else:
                    output, extra = penalise(net.module_, seen, None)
                    losses.append(net.criterion_(output, x, cells) + extra)
            toll = self.plan.toll
            toll = 0.0 if toll is None else toll(net.module_)
        return torch.cat(losses) + toll

    def _sample_loss(self):
        n_rows = min(self.rows.n_train, N_SAMPLE)
        losses, weights = self._losses(0, n_rows), self.rows.train_weights
        return (
            losses.mean().item()
            if weights is None
            else (losses * weights[:n_rows]).mean().item()
        )

    def _mean(self, losses):
        weights = self.rows.valid_weights
        return (
            losses.mean() if weights is None else torch.dot(losses, weights) / weights.sum()
        )

    def _paired_gain(self, losses):
        """Return the mean fall of the rows' losses since the start, and its error."""
        falls = self.start_losses - losses
        weights = self.rows.valid_weights
        if weights is None:
            weights = torch.ones_like(falls)
        share = weights / weights.sum()
        mean = torch.dot(share, falls)
        spread = (share.square() * (falls - mean).square()).sum()
        # One row has no standard error, and proves nothing.
        n_rows = len(falls)
        inflate = n_rows / (n_rows - 1) if n_rows > 1 else math.inf
        return mean, (spread * inflate).sqrt()
