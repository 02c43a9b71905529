"""Sources of randomness: one generator for all that draws, and torch's global ones."""

import threading
from contextlib import contextmanager

import numpy as np
import torch

from skae._processes import Lock, call_in_child

MAX_SEED = np.iinfo(np.int32).max


@contextmanager
def use_generator(generator, module):
    """Let the parts of `module` that draw random numbers draw them from `generator`."""
    parts = [part for part in module.modules() if hasattr(part, "generator")]
    before = [part.generator for part in parts]
    for part in parts:
        part.generator = generator
    try:
        yield
    finally:
        for part, own in zip(parts, before, strict=True):
            part.generator = own


class GlobalDraws:
    """Draws of one fit from torch's global generators, for what can draw from no other.

    Within the context the generators go on where this fit left them; outside they are the
    user's. All threads share them, so that fits take turns: while one is in the context,
    others wait.

    Parameters
    ----------
    seed : int
    device : torch.device
    """

    _turn = Lock()
    # While some thread is in the context: which, and how to put the user's states back.
    _inside: tuple | None = None

    def __init__(self, seed, device):
        places, self._places = [torch.device("cpu")], [_ON_CPU]
        if device.type == "cuda":
            places.append(device)
            self._places.append(_on_cuda(device))
        self.states = [torch.Generator(at).manual_seed(seed).get_state() for at in places]

    @contextmanager
    def __call__(self):
        with self._turn.held():
            before, outer = self._exchange(self.states), GlobalDraws._inside
            if outer is None:
                GlobalDraws._inside = threading.get_ident(), self._exchange, before
            try:
                yield
            finally:
                GlobalDraws._inside = outer
                self.states = self._exchange(before)

    def _exchange(self, states):
        before = [read() for read, _ in self._places]
        for (_, write), state in zip(self._places, states, strict=True):
            write(state)
        return before

    @classmethod
    def forget_others(cls):
        """In a forked child only the thread that forked goes on."""
        if cls._inside is not None and cls._inside[0] != threading.get_ident():
            _, exchange, before = cls._inside
            exchange(before)
            cls._inside = None


_ON_CPU = torch.get_rng_state, torch.set_rng_state


def _on_cuda(device):
    def write(state):
        torch.cuda.set_rng_state(state, device)

    return lambda: torch.cuda.get_rng_state(device), write


call_in_child(GlobalDraws.forget_others)
