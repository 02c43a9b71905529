"""The net that is trained: skorch's, over rows that stay on the device."""

import copy

import numpy as np
import torch
from skorch.callbacks import EpochTimer, PrintLog
from skorch.dataset import Dataset
from skorch.history import History
from skorch.utils import to_numpy
from torch import nn

from skae.training.callback_copies import keep_portable
from skae.training.endings import how_it_ended
from skae.training.generators import use_generator
from skae.training.loop import TrainingLoop
from skae.training.skorch_callbacks import (
    has_instance,
    initialize_loaded,
    listed,
)

# What a net knows of its training.
FACTS = {
    *("best_epoch_", "start_loss_", "train_start_loss_", "refit_span_", "is_refit_"),
    *("stop_reason_", "max_epochs", "batch_size"),
}
# Rows of a batch at least where a callback asks for predictions.
N_PREDICTED = 2048


class Net(TrainingLoop):
    """skorch's net with batches sliced on the device and one synchronisation per epoch.

    `partial_fit` takes `TrainingRows` and a `Schedule`. The module is a `Model`, which says
    itself what its rows cost; skorch's criterion has no part in it. After training the
    module holds the best state: by held-out rows where there are any (the state before
    the first step competes), else the last one.

    Callbacks see rows of the design matrix, each of which is its own target, and what
    `predict` returns is such rows as well.

    Attributes
    ----------
    design_ : Design
    best_epoch_ : int
        Epoch whose weights were kept; 0 is the state before the first step.
    start_loss_ : float
        Held-out loss before the first step (training loss where none are held out).
    train_start_loss_ : float
        Loss of training rows before the first step; known where that state is kept.
    refit_span_ : tuple (start, stop)
        Epochs of the history in which all rows were trained on, after the others.
    is_refit_ : bool
        Whether the state after these was kept.
    goes_on : bool
        Whether training may go on with the optimiser's state, which is then stored.
    stop_reason_ : str
        "epochs", "no_change", "callback", "diverged" or "interrupted".
    """

    goes_on = False

    @classmethod
    def around(cls, model, design, *, lr, weight_decay, callbacks, verbose, device):
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
            predict_nonlinearity=design.to_design,
            verbose=_verbosity(callbacks, verbose),
            device=device,
        ).initialize()
        # The blueprint would be a second copy of the network in every pickle.
        net.module = type(model)
        net.design_ = design
        return net

    def loss_curves(self):
        """Return the losses of training rows, and of held-out ones with the start's."""
        start, stop = self.refit_span_
        chosen = [*self.history[:start], *self.history[stop:]]
        epochs = [epoch for epoch in chosen if "train_loss" in epoch]
        held_out = [epoch["valid_loss"] for epoch in epochs if "valid_loss" in epoch]
        curve = [epoch["train_loss"] for epoch in epochs]
        return curve, [self.start_loss_, *held_out] if held_out else None

    def how_it_ended(self, learning_rate_init):
        """Return what to warn of, or None."""
        return how_it_ended(self, learning_rate_init)

    @property
    def _default_callbacks(self):
        callbacks = [("epoch_timer", EpochTimer())]
        if self.verbose and not has_instance(self.callbacks, PrintLog):
            callbacks.append(("print_log", PrintLog()))
        return callbacks

    def initialize_callbacks(self):
        super().initialize_callbacks()
        initialize_loaded(self.callbacks_)
        return self

    def restart(self, callbacks, verbose):
        """Forget the history and the optimiser's state, but not the weights."""
        self.callbacks, self.verbose = callbacks, _verbosity(callbacks, verbose)
        self._initialize_callbacks()
        self._initialize_optimizer()
        self._initialize_history()
        self.refit_span_, self.goes_on = (0, 0), False

    def use_callbacks(self, callbacks, verbose):
        """Go on with other callbacks, if they are others."""
        verbose = _verbosity(callbacks, verbose)
        if (self.callbacks, self.verbose) != (callbacks, verbose):
            self.callbacks, self.verbose = callbacks, verbose
            self._initialize_callbacks()

    def set_lr(self, learning_rate):
        """Set the rate of the next steps."""
        self.lr = learning_rate
        for group in self.optimizer_.param_groups:
            group["lr"] = learning_rate

    def branch(self):
        """Return a net to train in place of this one, which stays as it is.

        It has the weights and the history of this net, the optimiser's state if training
        goes on with it, and its callbacks, which are not copied.
        """
        net = object.__new__(type(self))  # skorch would copy by pickling
        vars(net).update(vars(self))
        net.module_ = copy.deepcopy(self.module_)
        net.history_ = History(self.history_)  # epochs that are over do not change
        net._initialize_optimizer()
        if not self.goes_on:
            return net
        state = self.optimizer_.state_dict()
        moments = {
            weight: {name: value.clone() for name, value in of_weight.items()}
            for weight, of_weight in state["state"].items()
        }
        net.optimizer_.load_state_dict({**state, "state": moments})
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

    # ---------------------------------------------------------------- predictions

    def get_iterator(self, dataset, training=False):
        """Return the batches of a data set: slices, where rows need no collecting."""
        if type(dataset) is not Dataset:
            return super().get_iterator(dataset, training)
        size = max(self.batch_size, N_PREDICTED)
        return (dataset[first : first + size] for first in range(0, len(dataset), size))

    def infer(self, x, **fit_params):
        # Nothing is drawn: a callback that looks does not change the fit.
        with use_generator(None, self.module_):
            return super().infer(x, **fit_params)

    def score(self, X, y=None):
        """Return minus the mean squared error in the design matrix."""
        return -float(np.square(self.predict(X) - to_numpy(X.y if y is None else y)).mean())

    # -------------------------------------------------------------------- copies

    def __copy__(self):
        net = object.__new__(type(self))
        net.__dict__.update(self.__dict__)
        return net

    def __getstate__(self):
        """Return the network and what was learned of its training, not how it is trained.

        The rest follows from that. The optimiser's state, twice as large as the network, is
        there only if training may go on with it.
        """
        groups = self.optimizer_.param_groups
        return {
            "module": self.module_,
            "design": self.design_,
            "history": list(self.history_),
            "facts": {name: vars(self)[name] for name in FACTS if name in vars(self)},
            "lr": self.lr,
            "weight_decay": max(group["weight_decay"] for group in groups),
            "verbose": self.verbose,
            "device": torch.device(self.device),
            "callbacks": keep_portable(self.callbacks),
            "initialized": self._own_callbacks(),
            "optimizer": self.optimizer_.state_dict() if self.goes_on else None,
        }

    def _own_callbacks(self):
        """Return the user's callbacks, initialised, with the names that skorch gave them."""
        own = {id(callback) for callback in listed(self.callbacks)}
        classes = tuple(cls for cls in listed(self.callbacks) if isinstance(cls, type))
        pairs = [
            [name, callback]
            for name, callback in self.callbacks_
            if id(callback) in own or isinstance(callback, classes)
        ]
        return [list(pair) for pair in keep_portable([tuple(pair) for pair in pairs])]

    def __setstate__(self, state):
        """Make a net of what `__getstate__` returned."""
        if not isinstance(state["module"], nn.Module):  # which skorch would call
            raise ValueError("it holds a net without a module")
        settings = {
            name: state[name] for name in ("lr", "weight_decay", "verbose", "device")
        }
        made = Net.around(state["module"], state["design"], callbacks=None, **settings)
        vars(self).update(vars(made))
        self.callbacks = state["callbacks"]
        defaults = [
            (name, callback.initialize()) for name, callback in self._default_callbacks
        ]
        # skorch has PrintLog last.
        n_first = 1
        self.callbacks_ = [
            *defaults[:n_first],
            *map(tuple, state["initialized"]),
            *defaults[n_first:],
        ]
        self.history_ = History(state["history"])
        vars(self).update(
            {name: state["facts"][name] for name in FACTS & set(state["facts"])}
        )
        if state["optimizer"] is not None:
            self.optimizer_.load_state_dict(state["optimizer"])
            self.goes_on = True


def _verbosity(callbacks, verbose):
    """Return the net's; a `PrintLog` that the user gives is to be heard."""
    return max(verbose, int(has_instance(callbacks, PrintLog)))
