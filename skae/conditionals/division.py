"""Which rows each network holds out, and the distribution that it starts from."""

from typing import Any, NamedTuple

import numpy as np
import torch

from skae.conditionals.fitting import DROPOUT, N_LAYERS, N_UNITS, Training
from skae.conditionals.gaussian import SHRINKAGE, Gaussian
from skae.conditionals.likelihood import Group, Rows
from skae.conditionals.mixture import Levels, Mixture
from skae.conditionals.network import ConditionalNetworks

# Below so many rows every network holds out other ones, one part of so many; all rows are
# learned from there.
CROSSED_BELOW, N_CROSSED = 2000, 5
# Networks of more rows, and the fraction of these that all of them hold out.
N_NETWORKS, HELD_OUT = 2, 0.15
# Rows in a step; fewer where more networks look at each.
BATCH_SIZE, CROSSED_BATCH_SIZE = 256, 128
# Mixtures that networks may start from: numbers of components, and how much of their
# correlations is taken back; rows that each component needs, and how many components times
# variables there are at most: a quarter of them where rows have missing cells, whose patterns
# no others share.
MIXTURES = (4, SHRINKAGE), (4, 1.0), (8, SHRINKAGE)
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

    def learned_for(self, k):
        """Return the rows that tell what networks see of those of part `k`."""
        others = [part for i, part in enumerate(self.parts) if i != k]
        return torch.cat(others or self.parts)

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
    x, known = variables.encode(values)
    unknown = np.where(known[:, variables.owner.numpy()], x, np.nan)
    levels = Levels(*variables.indicators)

    def prepared(fit, *settings):
        def of_rows(index):
            return fit(unknown[index.numpy()], weights[index.numpy()], *settings)

        return _prepared(variables, visibility, rows, division, of_rows, seed)

    fits = [prepared(Gaussian.fit)]
    most = min(
        len(values) / LEAST_ROWS, MAX_CELLS / variables.width / (1 if known.all() else 4)
    )
    for n_components, shrinkage in MIXTURES:
        if n_components <= most:
            fits.append(prepared(Mixture.fit, n_components, shrinkage, levels, seed))
    best = min(fits, key=lambda fit: fit.training.check()) if len(fits) > 1 else fits[0]
    best.training.run(max_steps)
    return best


def _prepared(variables, visibility, rows, division, of_rows, seed):
    """Return networks and their training, not yet begun, from what `of_rows` fits to some."""
    networks = ConditionalNetworks(
        variables,
        division.held_by.shape[1],
        N_UNITS,
        N_LAYERS,
        DROPOUT,
        torch.Generator().manual_seed(seed),
    )
    base = of_rows(division.learned)
    groups = []
    for k, part in enumerate(division.parts):
        is_shared = bool(division.held_by.all(1).any()) or len(division.parts) == 1
        own = base if is_shared else of_rows(division.learned_for(k))
        groups.append(Group(rows.take(part), own, division.held_by[k]))
    training = Training(networks, visibility, groups, batch_size_for(len(rows)), seed)
    return Fitted(networks, base, training)
