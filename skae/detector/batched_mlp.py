"""Many small networks of one shape, side by side in the same tensors."""

import math
from itertools import pairwise

import torch
from torch import nn


class MemberNetworks(nn.Module):
    """Multi-layer perceptrons that share a shape and nothing else.

    Their weights are stacked along a leading axis, so that one batched product takes the
    place of a loop over networks. They restore rows: as many columns come out as go in.

    Parameters
    ----------
    weights : sequence of torch.Tensor of shape (n_members, n_in, n_out)
        One tensor a layer.
    biases : sequence of torch.Tensor of shape (n_members, 1, n_out)
    """

    def __init__(self, weights, biases):
        super().__init__()
        self.weights = nn.ParameterList(weights)
        self.biases = nn.ParameterList(biases)

    @classmethod
    def draw(cls, n_members, width, hidden, generator):
        """Return networks with random weights, as `torch.nn.Linear` draws them.

        Parameters
        ----------
        n_members : int
        width : int
            Columns that go in and come out.
        hidden : sequence of int
            Units of the hidden layers, at least one layer.
        generator : torch.Generator
            Source of the weights (CPU).
        """
        sizes = [width, *hidden, width]
        weights, biases = [], []
        for n_in, n_out in pairwise(sizes):
            bound = 1.0 / math.sqrt(n_in)
            for tensors, rows in ((weights, n_in), (biases, 1)):
                tensor = torch.empty(n_members, rows, n_out, dtype=torch.float32)
                tensors.append(tensor.uniform_(-bound, bound, generator=generator))
        return cls(weights, biases)

    @property
    def n_members(self):
        return len(self.weights[0])

    def group(self, members, dtype):
        """Return some of the networks, in another precision.

        Parameters
        ----------
        members : slice
        dtype : torch.dtype
        """
        tensors = (self.weights, self.biases)
        taken = ([t.detach()[members].to(dtype) for t in layers] for layers in tensors)
        return MemberNetworks(*taken).requires_grad_(False)

    @torch.no_grad()
    def silence_diverged(self):
        """Make networks whose weights are not finite return zeros; return how many."""
        tensors = [*self.weights, *self.biases]
        finite = [tensor.flatten(1).isfinite().all(dim=1) for tensor in tensors]
        broken = ~torch.stack(finite).all(dim=0)
        for tensor in tensors:
            tensor[broken] = 0.0
        return int(broken.sum())

    def encode(self, x):
        """Return every network's code of `x`, its first hidden layer.

        Parameters
        ----------
        x : torch.Tensor of shape (n_members, n, width)

        Returns
        -------
        codes : torch.Tensor of shape (n_members, n, hidden[0])
        """
        return _activate(torch.baddbmm(self.biases[0], x, self.weights[0]))

    def decode(self, codes):
        """Return the rows that the codes stand for, shape (n_members, n, width)."""
        x, last = codes, len(self.weights) - 1
        for layer in range(1, last + 1):
            x = torch.baddbmm(self.biases[layer], x, self.weights[layer])
            if layer < last:
                x = _activate(x)
        return x

    def forward(self, x):
        return self.decode(self.encode(x))


def _activate(x):
    return nn.functional.silu(x)
