"""A user's functions in a loss: whether one of them was the first that was not finite."""

from dataclasses import dataclass, field
from typing import Any

import torch

# What is larger than this, in standard units, has diverged before the function saw it.
LARGE = 1e8


@dataclass
class Watched:
    """Calls functions of one object of the user's, and notes if they break in training.

    They do where they return numbers that are not finite, or have a gradient of such,
    though what they were given is sound. The note stays on the device, which nobody waits for.

    Parameters
    ----------
    name : str
        What a user is told of.
    differentiates : bool, default=False
        Whether the functions differentiate what they are given; their gradient is then not
        watched.
    """

    name: str
    differentiates: bool = False
    _broken: Any = field(default=None, compare=False, repr=False)

    def call(self, function, *given):
        """Return what the function does of what it is given."""
        if not torch.is_grad_enabled():
            return function(*given)
        # The gradient alone needs an alias, through which no other function's comes.
        tensors = [value for value in given if isinstance(value, torch.Tensor)]
        sound = torch.stack([(t.detach().abs() < LARGE).all() for t in tensors]).all()
        if not self.differentiates:
            given = [self._alias(value, sound) for value in given]
        result = function(*given)
        self._note(sound & ~result.detach().isfinite().all())
        return result

    def _alias(self, value, sound):
        if not isinstance(value, torch.Tensor) or not value.requires_grad:
            return value
        alias = value.view_as(value)
        alias.register_hook(lambda slope: self._note(sound & ~slope.isfinite().all()))
        return alias

    def _note(self, broken):
        self._broken = broken if self._broken is None else self._broken | broken

    @property
    def is_broken(self):
        return self._broken is not None and bool(self._broken)

    def __getstate__(self):
        return {**vars(self), "_broken": None}


def is_own(setting):
    """Tell whether a setting, such as a penalty, is of a class of the user's."""
    return type(setting).__module__.partition(".")[0] != __name__.partition(".")[0]
