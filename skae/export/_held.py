"""The detector's plain objects inside a module, whose tensors follow it.

They are put together anew in each pass, of the module's buffers: so their formulas are
those of the detector itself, in graphs too.
"""

import copy

import torch
from torch import nn

from skae.detector.batched_mlp import BatchedMLP
from skae.table.blocks import BlockModule


class Held(nn.Module):
    """An object, and the tensors among its attributes as buffers.

    Parameters
    ----------
    thing : object or None
    """

    def __init__(self, thing):
        super().__init__()
        self._thing = copy.copy(thing)
        attributes = {} if thing is None else vars(thing)
        tensors = {k: v for k, v in attributes.items() if isinstance(v, torch.Tensor)}
        for name, tensor in tensors.items():
            self._thing.__dict__[name] = None
            self.register_buffer(name, tensor.detach())
        self._names = tuple(tensors)

    def forward(self):
        """Return the object, its tensors those of this module."""
        thing = copy.copy(self._thing)
        for name in self._names:
            thing.__dict__[name] = self._buffers[name]
        return thing


class HeldSpace(Held):
    """A `CellSpace`."""

    def __init__(self, space):
        super().__init__(space)
        self._thing._level_blocks = []
        self.blocks = nn.ModuleList()
        self._places = []
        for k, (block, features, members, places) in enumerate(space._level_blocks):
            self.blocks.append(BlockModule(block))
            self.register_buffer(f"features_{k}", features)
            self.register_buffer(f"members_{k}", members)
            for j, place in places.items():
                self.register_buffer(f"place_{k}_{j}", place)
            self._places.append(tuple(places))

    def forward(self):
        space = super().forward()
        space._level_blocks = [
            (
                self.blocks[k].block,
                self._buffers[f"features_{k}"],
                self._buffers[f"members_{k}"],
                {j: self._buffers[f"place_{k}_{j}"] for j in columns},
            )
            for k, columns in enumerate(self._places)
        ]
        return space


class HeldJudges(Held):
    """`Judges`, and those of a part of the networks."""

    def __init__(self, judges):
        super().__init__(judges)
        self._thing.networks = None
        self.networks = judges.networks

    def forward(self, own=slice(None)):
        judges = super().forward()
        layers = self.networks.weights, self.networks.biases
        judges.networks = _Networks(*([layer[own] for layer in part] for part in layers))
        judges.error_scales = judges.error_scales[own]
        if judges.codes is not None:
            judges.codes = judges.codes[own]
            judges.squared_codes = judges.squared_codes[own]
        return judges


class _Networks:
    """Some of the networks of a `BatchedMLP`, no module: graphs cannot make one."""

    encode, decode = BatchedMLP.encode, BatchedMLP.decode

    def __init__(self, weights, biases):
        self.weights, self.biases = weights, biases
        self.n_networks = weights[0].shape[0]
