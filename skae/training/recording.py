"""Training steps on a GPU, recorded as a graph of kernels that is launched at once."""

import math
from contextlib import nullcontext

import torch
from torch import nn

from skae.training.skorch_callbacks import listed

# Steps that are taken one by one before: in the first the optimiser makes what it keeps, and
# libraries are loaded.
N_BEFORE = 3
# Whose modules do the same in every step, as far as is known.
KNOWN = {"skae", "torch"}


class Recording:
    """The step of a training on batches of one size, recorded once and played for each.

    A step of a small network is a hundred kernels, each of which takes longer to launch than
    to run. What is played are these kernels, on the weights where they are.

    Parameters
    ----------
    net : Net
    batch_size : int
    generator : torch.Generator
        What the module draws from.
    """

    def __init__(self, net, batch_size, generator):
        self.net, self.batch_size, self.generator = net, batch_size, generator
        self._n_before, self._graph = N_BEFORE, None

    @classmethod
    def of(cls, net, schedule, generator):
        """Return a recording to be made, or None where every step has to be taken.

        It has to be where somebody watches, where workers wait for each other, and where it
        may depend on those before by more than the weights and the state of a generator.
        """
        model, alone = net.module_, schedule.workers.size == 1
        if generator.device.type != "cuda" or not alone or listed(net.callbacks):
            return None
        if schedule.draws is not nullcontext or model.watched():
            return None
        parts = list(model.modules())
        origins = {type(part).__module__.partition(".")[0] for part in parts}
        if not model.repeats_steps or not origins <= KNOWN:
            return None
        if any(isinstance(part, nn.RNNBase) for part in parts):
            return None  # cuDNN keeps buffers of its own for these
        return cls(net, schedule.batch_size, generator)

    def play(self, rate, annealing, *given):
        """Take a step; return its loss, which the next one overwrites.

        None: it cannot be played, and has to be taken.

        Parameters
        ----------
        rate : float
            The learning rate.
        annealing : float
        *given : torch.Tensor or None
            What `Net.descend` takes.
        """
        if len(given[0]) != self.batch_size or annealing != 1.0:
            return None
        if self._n_before:
            self._n_before -= 1
            return None
        if self._graph is None and not self._record(given):
            return None
        for kept, tensor in zip(self._given, given, strict=True):
            if kept is not None:
                kept.copy_(tensor)
        self._rate.fill_(rate)
        self._graph.replay()
        return self._loss

    def _record(self, given):
        """Record a step, which is not taken by that; return whether it could be recorded."""
        groups = self.net.optimizer_.param_groups
        stream = torch.cuda.current_stream(self.generator.device)
        self._given = [None if tensor is None else tensor.clone() for tensor in given]
        self._rate = torch.zeros((), device=self.generator.device, dtype=torch.float32)
        self._graph = torch.cuda.CUDAGraph()
        drawn = self.generator.get_state()
        self._graph.register_generator_state(self.generator)
        before = [(group["lr"], group["capturable"]) for group in groups]
        for group in groups:
            group["lr"], group["capturable"] = self._rate, True
        try:
            # Other threads may use the device meanwhile.
            with (
                torch.cuda.device(self.generator.device),
                torch.cuda.graph(self._graph, capture_error_mode="thread_local"),
            ):
                self._loss, _ = self.net.descend(*self._given)
                self.net.optimizer_.step()
        except RuntimeError:
            # Something waits for the device: slower, but nothing is lost.
            self._graph, self._n_before = None, math.inf
            torch.cuda.set_stream(stream)
            fresh = torch.Generator(self.generator.device)
            fresh.set_state(drawn)
            self.generator.graphsafe_set_state(fresh.graphsafe_get_state())
            return False
        finally:
            for group, (rate, capturable) in zip(groups, before, strict=True):
                group["lr"], group["capturable"] = rate, capturable
        return True
