"""The training loop: a skorch net over rows that stay on the device."""

import copy
import math

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer, PrintLog
from skorch.dataset import Dataset
from torch import nn

from skae.models.deterministic import DeterministicModel
from skae.training.early_stopping import EarlyStopping
from skae.training.generators import use_generator
from skae.training.interrupts import InterruptWatch

# A loss that is higher than its start by more than this, relative to one more than the start,
# has risen; where there was nothing to learn it rose by less than a tenth of that.
RISEN = 0.02
BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class Net(NeuralNet):
    """skorch's net with batches sliced on the device and one synchronisation per epoch.

    `fit_loop` takes `TrainingRows` and a `Schedule`. The module is a `Model`, which says
    itself what its rows cost; skorch's criterion has no part in it. After training the
    module holds the best state: by held-out rows where there are any (the state before
    the first step competes), else the last one.

    Attributes
    ----------
    best_epoch_ : int
        Epoch whose weights were kept; 0 is the state before the first step.
    start_loss_ : float
        Held-out loss before the first step (training loss where none are held out).
    train_start_loss_ : float
        Loss of training rows before the first step; known where that state is kept.
    stop_reason_ : str
        "epochs", "no_change", "callback", "diverged" or "interrupted".
    """

    best_epoch_ = 0
    stop_reason_ = "epochs"
    _in_callback = False

    @classmethod
    def around(cls, model, *, lr, weight_decay, callbacks, verbose, device):
        """Return an initialised net that trains `model` with AdamW."""
        fused = {"optimizer__fused": True} if device.type in ("cpu", "cuda") else {}
        net = cls(
            model,
            criterion=nn.Identity,
            optimizer=torch.optim.AdamW,
            lr=lr,
            # Only the correction decays: the linear part stays at what the data say.
            optimizer__weight_decay=0.0,
            optimizer__param_groups=[
                ("*correction*.weight", {"weight_decay": weight_decay})
            ],
            **fused,
            callbacks=callbacks,
            verbose=verbose,
            device=device,
        ).initialize()
        # The blueprint would be a second copy of the network in every pickle.
        net.module = type(model)
        return net

    def loss_curves(self):
        """Return the losses of training rows, and of held-out ones with the start's."""
        epochs = [epoch for epoch in self.history if "train_loss" in epoch]
        held_out = [epoch["valid_loss"] for epoch in epochs if "valid_loss" in epoch]
        curve = [epoch["train_loss"] for epoch in epochs]
        return curve, [self.start_loss_, *held_out] if held_out else None

    def how_it_ended(self, learning_rate_init):
        """Return what to warn of, or None.

        That is a training that was interrupted, diverged, or only raised the loss.
        """
        n_epochs, best = len(self.loss_curves()[0]), self.best_epoch_
        kept = (
            f"the state after epoch {best}" if best else "the state before the first step"
        )
        if self.stop_reason_ == "interrupted":
            return (
                f"fit was interrupted after {n_epochs} epochs; {kept} is kept, and further "
                "training might improve it."
            )
        if self.stop_reason_ == "diverged":
            return (
                f"Training diverged in epoch {max(n_epochs, 1)} with learning_rate_init="
                f"{learning_rate_init:g}; {kept} is kept. Use a smaller learning_rate_init."
            )
        if self._only_raised_the_loss():
            curve = self.loss_curves()[0]
            return (
                f"Training learned nothing with learning_rate_init={learning_rate_init:g}: "
                f"it raised the loss from {self.train_start_loss_:.3g} to {max(curve):.3g}, "
                f"and {kept} is kept. Use a smaller learning_rate_init."
            )
        return None

    def _only_raised_the_loss(self):
        """Return whether no epoch was better than the start, and some were much worse.

        Where the start is the best that there is, as on linear data, the loss stays near it.
        """
        if self.best_epoch_ or self.stop_reason_ == "callback":
            return False
        # Dropout raises the loss in training, and a discrepancy is as high as chance has it.
        # So do draws of codes, without bound where there is hardly noise, and new codebooks.
        model = self.module_
        noisy = any(m.p for m in model.modules() if isinstance(m, nn.Dropout))
        if noisy or model.has_dataset_loss or not isinstance(model, DeterministicModel):
            return False
        start = self.train_start_loss_
        risen = max(self.loss_curves()[0], default=start) - start
        return risen > RISEN * (1.0 + abs(start))

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

    def branch(self):
        """Return a net to train in place of this one, which stays as it is.

        It has the weights, the optimiser's state and the history of this net, and its
        callbacks, which are not copied.
        """
        net = object.__new__(type(self))  # skorch would copy by pickling
        vars(net).update(vars(self))
        net.module_, net.history_ = copy.deepcopy((self.module_, self.history_))
        net._initialize_optimizer()
        net.optimizer_.load_state_dict(copy.deepcopy(self.optimizer_.state_dict()))
        return net

    def move_to(self, device):
        """Move the network, and the state of its optimiser, to a device."""
        self.device, state = device, self.optimizer_.state_dict()
        self.module_.to(device)
        self._initialize_optimizer()
        self.optimizer_.load_state_dict(state)  # which moves to where the weights are

    def snapshot(self):
        """Return a net with a copy of the module, to look at while this one trains."""
        net = copy.copy(self)
        with use_generator(None, self.module_):
            net.module_ = copy.deepcopy(self.module_)
        return net

    def notify(self, method_name, **cb_kwargs):
        """Call the callbacks, and note an exception that one of them raises."""
        self._in_callback = True
        super().notify(method_name, **cb_kwargs)
        self._in_callback = False

    def fit_loop(self, X, y=None, epochs=None, *, schedule, **fit_params):
        generator = torch.Generator(self.device).manual_seed(schedule.seed)
        self.stop_reason_, self.best_epoch_ = "epochs", 0
        self._in_callback = False
        stopping, self.start_loss_ = EarlyStopping(self, X, schedule), math.nan
        with InterruptWatch() as watch:
            try:
                self.start_loss_ = stopping.begin()
                with use_generator(generator, self.module_):
                    self._run_epochs(X, schedule, stopping, generator)
            except KeyboardInterrupt:
                asked = self._in_callback and not watch.received
                self.stop_reason_ = "callback" if asked else "interrupted"
            finally:
                self._set_training(False)
                self.optimizer_.zero_grad()
                stopping.restore_best()
        return self

    def _run_epochs(self, rows, schedule, stopping, generator):
        datasets = {
            "dataset_train": Dataset(rows.source.part(0, rows.n_train)),
            "dataset_valid": (
                Dataset(rows.source.part(rows.n_train, len(rows.source)))
                if rows.n_valid
                else None
            ),
        }
        n_steps = math.ceil(rows.n_train / schedule.batch_size)
        for epoch in range(schedule.n_epochs):
            schedule.begin_epoch()
            self.notify("on_epoch_begin", **datasets)
            order = torch.randperm(
                rows.n_train, generator=generator, device=generator.device
            )
            with schedule.draws():
                total = self.run_single_epoch(
                    order.split(schedule.batch_size),
                    training=True,
                    prefix="train",
                    step_fn=None,
                    rows=rows,
                    corrupt=schedule.corrupt,
                    generator=generator,
                    rates=schedule.learning_rates(epoch * n_steps, n_steps),
                    annealing=schedule.annealing(epoch * n_steps, n_steps),
                )
            finished = stopping.end_epoch(epoch + 1, total)
            self.notify("on_epoch_end", **datasets)
            if schedule.end_epoch():
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
        generator,
        rates,
        annealing,
    ):
        """Take one pass over the batches of row numbers in `iterator`.

        Returns
        -------
        total : torch.Tensor of shape ()
            The sum of the rows' losses, on the device.
        """
        model, source, weights = self.module_, rows.source, rows.train_weights
        optimizer, groups = self.optimizer_, self.optimizer_.param_groups
        total = torch.zeros((), device=generator.device, dtype=torch.float32)
        watched = any(
            getattr(type(cb), hook) is not getattr(Callback, hook)
            for _, cb in self.callbacks_
            for hook in BATCH_HOOKS
        )
        self._set_training(True)
        for step, indices in enumerate(iterator):
            batch, observed = source[indices]
            weight = None if weights is None else weights.index_select(0, indices)
            if rates is not None:
                for group in groups:
                    group["lr"] = rates[step]
            model.annealing = annealing[step]
            if watched:
                self.notify("on_batch_begin", batch=(batch, weight), training=True)
            optimizer.zero_grad()
            seen = batch if corrupt is None else corrupt(batch, observed, generator)
            losses, output = model.losses(seen, batch, observed, weight)
            loss = losses.mean() if weight is None else (losses * weight).mean()
            loss.backward()
            if watched:
                self._notify_of_gradients(batch, weight)
            optimizer.step()
            total.add_(loss.detach(), alpha=len(indices))
            if watched:
                self._notify_of_batch(prefix, batch, weight, loss, output)
        return total

    def _notify_of_gradients(self, batch, weight):
        self.notify(
            "on_grad_computed",
            named_parameters=list(self.get_all_learnable_params()),
            batch=(batch, weight),
            training=True,
        )

    def _notify_of_batch(self, prefix, batch, weight, loss, output):
        self.history.record_batch(f"{prefix}_loss", loss.item())
        self.history.record_batch(f"{prefix}_batch_size", len(batch))
        self.notify(
            "on_batch_end", batch=(batch, weight), training=True, loss=loss, y_pred=output
        )
