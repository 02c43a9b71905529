"""Many small networks of one shape, stacked in the same tensors."""

import math
from itertools import pairwise

import torch
from torch import nn


class BatchedMLP(nn.Module):
    """Multi-layer perceptrons of the same shape, which share no weights.

    Their weights are stacked along a leading axis, so that one batched product replaces
    a loop over networks. Each network reconstructs rows: its output is as wide as its
    input.

    Parameters
    ----------
    weights : sequence of torch.Tensor of shape (n_networks, n_in, n_out)
        One tensor per layer.
    biases : sequence of torch.Tensor of shape (n_networks, 1, n_out)
        One tensor per layer.
    """

    def __init__(self, weights, biases):
        super().__init__()
        self.weights = nn.ParameterList(weights)
        self.biases = nn.ParameterList(biases)

    @classmethod
    def draw(cls, n_networks, width, hidden_layer_sizes, generator):
        """Return networks with random weights, distributed as those of `torch.nn.Linear`.

        Parameters
        ----------
        n_networks : int
        width : int
            Number of inputs and outputs.
        hidden_layer_sizes : sequence of int
            At least one layer.
        generator : torch.Generator
            Source of the weights, on the CPU.
        """
        sizes = [width, *hidden_layer_sizes, width]
        weights, biases = [], []
        for n_in, n_out in pairwise(sizes):
            bound = 1.0 / math.sqrt(n_in)
            for tensors, n_rows in ((weights, n_in), (biases, 1)):
                tensor = torch.empty(n_networks, n_rows, n_out, dtype=torch.float32)
                tensors.append(tensor.uniform_(-bound, bound, generator=generator))
        return cls(weights, biases)

    @property
    def n_networks(self):
        return len(self.weights[0])

    def select(self, networks, dtype):
        """Return some of the networks, without gradients and in the precision `dtype`.

        Parameters
        ----------
        networks : slice
        dtype : torch.dtype
        """
        selected = (
            [tensor.detach()[networks].to(dtype) for tensor in layers]
            for layers in (self.weights, self.biases)
        )
        return BatchedMLP(*selected).requires_grad_(False)

    @torch.no_grad()
    def silence_diverged(self):
        """Make networks whose weights are not finite return zeros; return how many."""
        tensors = [*self.weights, *self.biases]
        finite = [tensor.flatten(1).isfinite().all(dim=1) for tensor in tensors]
        diverged = ~torch.stack(finite).all(dim=0)
        for tensor in tensors:
            tensor[diverged] = 0.0
        return int(diverged.sum())

    def encode(self, x):
        """Return the code of `x` in every network, its first hidden layer.

        Parameters
        ----------
        x : torch.Tensor of shape (n_networks, n, width)

        Returns
        -------
        codes : torch.Tensor of shape (n_networks, n, hidden_layer_sizes[0])
        """
        return nn.functional.silu(torch.baddbmm(self.biases[0], x, self.weights[0]))

    def decode(self, codes):
        """Return the reconstructions from the codes, shape (n_networks, n, width)."""
        x, last = codes, len(self.weights) - 1
        for layer in range(1, last + 1):
            x = torch.baddbmm(self.biases[layer], x, self.weights[layer])
            if layer < last:
                x = nn.functional.silu(x)
        return x

    def forward(self, x):
        return self.decode(self.encode(x))
