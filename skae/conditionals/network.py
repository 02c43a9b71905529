"""Networks that give every variable's distribution from those that are visible."""

import copy
import math

import numpy as np
import torch
from torch import nn

# Normal distributions that a ranked variable's is a mixture of.
N_MIXED = 4
# Their means at the start, and their scales, in spreads of the normal distribution that
# they start as: together they have its variance.
FIRST_MEANS, FIRST_SCALE = (-0.6, -0.2, 0.2, 0.6), 0.9
LEAST_SCALE = 1e-3
# Parts of equal weight of a ranked variable's distribution; in which one a visible value
# lies, and where there, is told besides its score: what changes from one value to the next is
# hard to learn from the score alone.
N_BINS = 8
# A level is at least as likely at the start as this fraction of its proportion.
LEAST_OF_PROPORTION = 0.02


class ConditionalNetworks(nn.Module):
    """Some networks of one shape, for p(variable | visible variables).

    They correct a `Gaussian`: their last layer starts at zero, where they say what that
    says. The distribution of a ranked variable is a mixture of normal ones, of its score; a
    category's is a softmax.

    Parameters
    ----------
    variables : Variables
    n_networks, n_units, n_layers : int
    dropout : float
    generator : torch.Generator
        Of the first weights.

    References
    ----------
    Every variable from any others: Uria, Murray & Larochelle, A Deep and Tractable Density
    Estimator, 2014. Mixtures: Bishop, Mixture Density Networks, 1994; of intervals, as
    values repeat: Salimans et al., PixelCNN++, 2017, section 2.1. Numbers in pieces:
    Gorishniy, Rubachev & Babenko, On Embeddings for Numerical Features in Tabular Deep
    Learning, 2022, section 3.2.
    """

    def __init__(self, variables, n_networks, n_units, n_layers, dropout, generator):
        super().__init__()
        self.n_ranked, self.n_networks = variables.n_ranked, n_networks
        self.dropout, self.sizes = dropout, variables.sizes.tolist()
        n_inputs = 3 * variables.width + variables.n_variables + N_BINS * self.n_ranked
        shapes = [(n_inputs, n_units), *[(n_units, n_units)] * (n_layers - 1)]
        self.weights = nn.ParameterList(
            torch.randn(n_networks, n_in, n_out, generator=generator) / math.sqrt(n_in)
            for n_in, n_out in shapes
        )
        self.biases = nn.ParameterList(
            torch.zeros(n_networks, 1, n_out) for _, n_out in shapes
        )
        n_outputs = 3 * N_MIXED * self.n_ranked + sum(self.sizes)
        self.last = nn.Parameter(torch.zeros(n_networks, n_units, n_outputs))
        offsets = torch.zeros(n_networks, 1, n_outputs)
        of_ranked = offsets[..., : 3 * N_MIXED * self.n_ranked]
        of_ranked = of_ranked.view(n_networks, self.n_ranked, N_MIXED, 3)
        of_ranked[..., 1] = torch.tensor(FIRST_MEANS)
        of_ranked[..., 2] = math.log(FIRST_SCALE)
        self.offsets = nn.Parameter(offsets)
        p = np.concatenate([*variables.proportions, np.zeros(0)]).astype(np.float32)
        units = [
            np.sqrt(max(1.0 - np.square(p).sum(), 1e-6)) for p in variables.proportions
        ]
        units = np.repeat(units, variables.sizes).astype(np.float32)
        self.register_buffer("proportions", torch.from_numpy(p))
        self.register_buffer("units", torch.from_numpy(units))
        self.register_buffer("owner", variables.owner)

    def only(self, chosen):
        """Return some of the networks, which share their weights with these.

        Parameters
        ----------
        chosen : torch.Tensor of int
        """
        some = copy.copy(self)
        some._parameters, some._modules = {}, {}
        some.n_networks = len(chosen)
        some.weights = [weight[chosen] for weight in self.weights]
        some.biases = [bias[chosen] for bias in self.biases]
        some.last, some.offsets = self.last[chosen], self.offsets[chosen]
        return some

    def hidden(self, x, visible, mean, spread):
        """Return the last hidden layer, shape (n_networks, n, n_units).

        Parameters
        ----------
        x, mean, spread : torch.Tensor of shape (n, width)
            Rows, and the normal distribution that the visible ones among them give.
        visible : torch.Tensor of bool of shape (n, n_variables)
        """
        shown = visible[:, self.owner]
        n = self.n_ranked
        ranks = torch.special.ndtr(x[:, :n, None])
        bins = (N_BINS * ranks - torch.arange(N_BINS)).clamp(0.0, 1.0)
        inputs = torch.cat(
            [
                torch.where(shown, x, 0.0),
                torch.where(shown, 0.0, mean),
                torch.where(shown, 0.0, spread.log()),
                visible.to(x.dtype),
                torch.where(visible[:, :n, None], 2.0 * bins - 1.0, 0.0).flatten(1),
            ],
            dim=1,
        )
        h = inputs.expand(self.n_networks, -1, -1)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            new = nn.functional.silu(torch.baddbmm(bias, h, weight))
            if self.training and self.dropout:
                new = new * self._kept(new)
            h = h + new if layer else new
        return h

    generator: torch.Generator | None = None

    def _kept(self, like):
        draws = torch.rand(like.shape, generator=self.generator)
        return (draws >= self.dropout) / (1.0 - self.dropout)

    def mixture(self, hidden, mean, spread, variables=slice(None)):
        """Return log weights, means and scales of ranked variables' mixtures.

        Returns
        -------
        log_weights, means, scales : torch.Tensor of shape (n_networks, n, n_asked, N_MIXED)
        """
        n = self.n_ranked
        shape = (n, N_MIXED, 3)
        last = self.last[..., : 3 * N_MIXED * n].unflatten(-1, shape)[:, :, variables]
        offsets = self.offsets[..., : 3 * N_MIXED * n].unflatten(-1, shape)[:, :, variables]
        out = torch.baddbmm(offsets.flatten(2), hidden, last.flatten(2))
        # In memory the components come first: sums over them are then sums of arrays.
        parts = out.unflatten(-1, offsets.shape[2:]).movedim((-2, -1), (1, 0)).contiguous()
        weight, place, size = parts.movedim(1, -1)
        center, unit = mean[:, :n][:, variables], spread[:, :n][:, variables]
        means = center[..., None] + unit[..., None] * place
        scales = unit[..., None] * size.clamp(-6.0, 3.0).exp()
        log_weights = weight - weight.logsumexp(-1, keepdim=True)
        return log_weights, means, scales.clamp(min=LEAST_SCALE)

    def log_probabilities(self, hidden, mean, k=None):
        """Return log p of the levels of variable `k` of levels; None: of all, side by side.

        Returns
        -------
        log_p : torch.Tensor of shape (n_networks, n, n_levels)
        """
        start = 0 if k is None else sum(self.sizes[:k])
        stop = sum(self.sizes) if k is None else start + self.sizes[k]
        first = 3 * N_MIXED * self.n_ranked
        own = slice(first + start, first + stop)
        logits = torch.baddbmm(self.offsets[..., own], hidden, self.last[..., own])
        p, unit = self.proportions[start:stop], self.units[start:stop]
        mean = mean[:, self.n_ranked :][:, start:stop]
        logits = logits + log_expected(mean, p, unit)
        sizes = self.sizes if k is None else [stop - start]
        return torch.cat([part.log_softmax(-1) for part in logits.split(sizes, -1)], -1)


def log_expected(mean, proportions, units):
    """Return log p of levels, by the means of their indicators.

    Parameters
    ----------
    mean : torch.Tensor of shape (*, n_levels)
    proportions, units : torch.Tensor of shape (n_levels,)
    """
    p = proportions + units * mean
    return torch.maximum(p, LEAST_OF_PROPORTION * proportions).log()
