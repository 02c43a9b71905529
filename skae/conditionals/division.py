"""Which rows each network holds out, and the distribution that it starts from."""

from typing import Any, NamedTuple

import numpy as np
import torch

from skae.conditionals.fitting import DROPOUT, N_LAYERS, N_UNITS, Training
from skae.conditionals.gaussian import LEAST_SHRINKAGE, SHRINKAGE, Gaussian
from skae.conditionals.likelihood import Group, Rows
from skae.conditionals.mixture import Levels
from skae.conditionals.mixture_fitting import MixtureFits
from skae.conditionals.network import ConditionalNetworks

# Below so many rows every network holds out other ones, one part of so many; all rows are
# learned from there.
CROSSED_BELOW, N_CROSSED = 2000, 4
# Networks of more rows, and the fraction of these that all of them hold out.
N_NETWORKS, HELD_OUT = 2, 0.15
# Rows in a step; fewer where more networks look at each.
BATCH_SIZE, CROSSED_BATCH_SIZE = 256, 128
# Mixtures that networks may start from: numbers of components, and how much of their
# correlations is taken back; rows that each component needs, and how many components times
# variables there are at most: a quarter of them where rows have missing cells, whose patterns
# no others share.
MIXTURES = (4, LEAST_SHRINKAGE), (4, 1.0), (8, LEAST_SHRINKAGE)
LEAST_ROWS, MAX_CELLS = 20, 256


def batch_size_for(n):
    """Return how many rows a step looks at, of n."""
    return CROSSED_BATCH_SIZE if n < CROSSED_BELOW else BATCH_SIZE


class Division(NamedTuple):
    """Parts of rows, and the networks that hold them out.

    Attributes
    ----------
    parts : list of torch.Tensor of int
        Indices of rows.
    held_by : torch.Tensor of bool of shape (n_parts, n_networks)
    """

    parts: list
    held_by: torch.Tensor

    @classmethod
    def of(cls, n, seed):
        order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
        if n >= CROSSED_BELOW:
            n_held_out = round(HELD_OUT * n)
            held_by = torch.tensor([True, False])[:, None].expand(2, N_NETWORKS)
            return cls([order[:n_held_out], order[n_held_out:]], held_by)
        n_parts = min(N_CROSSED, n // 2)
        if n_parts < 2:
            return cls([order], torch.zeros(1, N_NETWORKS, dtype=torch.bool))
        parts = order.tensor_split(n_parts)
        return cls(list(parts), torch.eye(n_parts, dtype=torch.bool))

    @property
    def is_crossed(self):
        """Whether every part is held out by networks that learn from the others."""
        return len(self.parts) > 1 and not bool(self.held_by.all(1).any())

    def learned_for(self, k):
        """Return the rows that tell what networks see of those of part `k`."""
        return torch.cat([part for i, part in enumerate(self.parts) if i != k])

    @property
    def learned(self):
        """The rows that some network is trained on."""
        learned = (~self.held_by).any(1).tolist()
        return torch.cat(
            [p for p, is_one in zip(self.parts, learned, strict=True) if is_one]
        )


class Fitted(NamedTuple):
    """Networks, what they start from, and how they were trained."""

    networks: ConditionalNetworks
    base: Any
    training: Training


def fit_networks(variables, visibility, values, weights, max_steps, seed):
    """Return the networks that are best on held-out rows, `Fitted`.

    They start from the distribution that held-out rows choose, normal or a mixture.

    Parameters
    ----------
    variables : Variables
    visibility : Visibility
    values : ndarray of float64 of shape (n, n_columns)
    weights : ndarray of shape (n,)
        Of mean 1.
    max_steps : int or None
    seed : int
    """
    division = Division.of(len(values), seed)
    rows = Rows.of(variables, values, weights)
    networks = ConditionalNetworks(
        variables,
        division.held_by.shape[1],
        N_UNITS,
        N_LAYERS,
        DROPOUT,
        torch.Generator().manual_seed(seed),
    )

    def prepared(bases):
        """Return what is trained from the bases of all learned rows, and of each part's."""
        own = bases[1:] or bases * len(division.parts)
        groups = [
            Group(rows.take(part), base, held_by)
            for part, base, held_by in zip(
                division.parts, own, division.held_by, strict=True
            )
        ]
        training = Training(networks, visibility, groups, batch_size_for(len(rows)), seed)
        return Fitted(networks, bases[0], training)

    fits = [prepared(bases) for bases in _bases(variables, division, values, weights, seed)]
    best = min(fits, key=lambda fit: fit.training.first_loss) if len(fits) > 1 else fits[0]
    best.training.run(max_steps)
    return best


def _bases(variables, division, values, weights, seed):
    """Yield what networks may start from: of all learned rows, then of those of each part.

    Without parts whose networks hold out others there is only the first.
    """
    x, known = variables.encode(values)
    x = np.where(known[:, variables.owner.numpy()], x, np.nan)
    learned = [division.learned.numpy()]
    if division.is_crossed:
        learned += [division.learned_for(k).numpy() for k in range(len(division.parts))]
    normal, first = None, learned[0]
    can_choose = bool(division.held_by.any())
    for shrinkage in (LEAST_SHRINKAGE, SHRINKAGE) if can_choose else (SHRINKAGE,):
        normal = Gaussian.fit(x[first], weights[first], normal, shrinkage)
        yield [
            normal,
            *(Gaussian.fit(x[own], weights[own], normal, shrinkage) for own in learned[1:]),
        ]
    most = len(values) / LEAST_ROWS
    most = min(most, MAX_CELLS / variables.width / (1 if known.all() else 4))
    settings = [one for one in MIXTURES if one[0] <= most]
    if settings:
        of_parts = np.zeros((len(learned), len(x)))
        for own, index in zip(of_parts, learned, strict=True):
            own[index] = weights[index]
        fits = MixtureFits(x, of_parts, Levels(*variables.indicators), normal, seed)
        for n_components, shrinkage in settings:
            yield fits.fit(n_components, shrinkage)
