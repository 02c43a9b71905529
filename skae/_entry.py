"""What holds while a public method of an estimator runs."""

import functools
import threading
from contextlib import contextmanager
from typing import Any, Self
from weakref import WeakKeyDictionary

import torch
from sklearn.utils.validation import check_is_fitted

from skae._isolation import usual_settings
from skae._processes import Lock, call_in_child
from skae.training.devices import n_threads_here, resolve_device

LEARNING = "fit", "partial_fit"
USING = (
    "transform",
    "inverse_transform",
    "interpolate",
    "score_samples",
    "score",
    "explain",
    "impute",
    "sample",
    "decision_function",
    "predict",
    "pvalues",
    "select",
)


class EntryPoints:
    """Base of what has public methods: these run as if nobody had set anything.

    All of them run under torch's and numpy's usual settings. What trains does all of its
    work or, with an exception, nothing: the estimator is then what it was. Fits of one
    estimator in several threads take turns.
    """

    device: Any

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for names, wrap in ((LEARNING, _learns), (USING, _uses)):
            for name in set(names) & set(vars(cls)):
                setattr(cls, name, wrap(vars(cls)[name]))

    def to(self, device: str | torch.device) -> Self:
        """Move the fitted networks to another device.

        Parameters
        ----------
        device : str or torch.device
            "auto" is the CUDA device where there is one, else the CPU. It becomes the
            parameter `device`, as by ``set_params(device=device)``, which moves the
            networks as well: when they are next used.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If the device is not available. Nothing has been moved then.
        """
        check_is_fitted(self)
        there = resolve_device(device)
        self._move_to(there)
        self.device_ = there
        self.device = self._device_followed = device
        return self

    def _move_to(self, device):
        """Move all tensors of the fitted estimator."""
        raise NotImplementedError

    def _follow_device(self):
        """Move to the device that the parameter names, if it has changed since the fit."""
        followed = self.__dict__.get("_device_followed")
        if followed is not None and self.device != followed:
            self.to(self.device)


def _uses(method):
    @functools.wraps(method)
    def uses(self, *args, **kwargs):
        n_threads_here()
        with usual_settings():
            self._follow_device()
            return method(self, *args, **kwargs)

    return uses


def _learns(method):
    @functools.wraps(method)
    def learns(self, *args, **kwargs):
        n_threads_here()
        with _turn_of(self), usual_settings(), _all_or_nothing(self):
            self._follow_device()
            method(self, *args, **kwargs)
            self._device_followed = self.device
        return self

    return learns


@contextmanager
def _all_or_nothing(estimator):
    """Leave the attributes as they were where an exception ends the context.

    What trains on makes new objects; it does not change those that there are.
    """
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        for name in set(vars(estimator)) - set(before):
            delattr(estimator, name)
        vars(estimator).update(before)
        raise


_turns: WeakKeyDictionary = WeakKeyDictionary()
_guard = Lock()
call_in_child(_turns.clear)


def _turn_of(estimator):
    """Return the lock of the estimator's fits."""
    with _guard.held():
        return _turns.setdefault(estimator, threading.RLock())
