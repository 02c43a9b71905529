"""What is learned from, and how likely networks say it is."""

import math
from typing import Any, NamedTuple

import numpy as np
import torch

from skae.conditionals.network import log_probability_between


class Rows(NamedTuple):
    """Rows to learn from, as tensors.

    Attributes
    ----------
    x : of shape (n, width)
    known : of bool of shape (n, n_variables)
    low, high : of shape (n, n_ranked)
    levels : of shape (n, n_levels in all)
        1 for the level of each variable of levels, 0 for others.
    weights : of shape (n,)
    """

    x: torch.Tensor
    known: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    levels: torch.Tensor
    weights: torch.Tensor

    @classmethod
    def of(cls, variables, values, weights):
        """Return rows of the table's values, ndarray of shape (n, n_columns)."""
        x, known = variables.encode(values)
        low, high, codes = variables.targets(values)
        levels = [
            codes[:, [k]] == np.arange(size) for k, size in enumerate(variables.sizes)
        ]
        levels = np.hstack([*levels, np.empty((len(values), 0))])
        numbers = (
            torch.from_numpy(part).float() for part in (x, low, high, levels, weights)
        )
        x, low, high, levels, weights = numbers
        return cls(x, torch.from_numpy(known), low, high, levels, weights)

    def take(self, index):
        return Rows(*(part[index] for part in self))

    def __len__(self):
        return len(self.x)


class Group(NamedTuple):
    """Rows that the same networks are not trained on.

    Attributes
    ----------
    rows : Rows
    base : Gaussian
        What the networks see of these rows' hidden cells; rows that are held out took no
        part in it, as new ones do not.
    held_by : torch.Tensor of bool of shape (n_networks,)
        The networks that are checked on them instead.
    """

    rows: Rows
    base: Any
    held_by: torch.Tensor


def loss_of_learned(networks, visibility, group, mask):
    """Return the negative log-likelihood of rows that networks learn from, averaged.

    Per variable that is asked for. As many rows one after the other have the same mask as
    there are more rows than masks.
    """
    learning = (~group.held_by).nonzero().squeeze(1)
    if len(learning) < networks.n_networks:
        networks = networks.only(learning)
    log_p, n_asked, weights = _log_p(networks, visibility, [(group, mask)])
    of_rows = log_p.sum(-1) / n_asked
    return -(of_rows * weights).sum(1).mean() / weights.sum()


def loss_of_held_out(networks, visibility, batch):
    """Return the negative log-likelihood of rows that networks hold out, averaged.

    A row's networks together are better than each alone, by as much as they differ: that is
    taken from all of them, although some have learned from the row.
    """
    log_p, n_asked, weights = _log_p(networks, visibility, batch)
    held = torch.cat([g.held_by[:, None] * g.rows.weights for g, _ in batch], 1)
    alone = ((log_p.sum(-1) / n_asked * held).sum(1) / held.sum(1).clamp(min=1e-12)).mean()
    together = log_p.logsumexp(0) - math.log(len(log_p)) - log_p.mean(0)
    return -alone - (together.sum(-1) / n_asked * weights).sum() / weights.sum()


def losses_of_variables(networks, visibility, batch):
    """Return the parts that variables have in `loss_of_held_out`, (n_variables,).

    Of networks before their first step, which are equal.
    """
    log_p, n_asked, weights = _log_p(networks, visibility, batch)
    return -(log_p[0] * (weights / n_asked)[:, None]).sum(0) / weights.sum()


def _log_p(networks, visibility, batch):
    """Return log p of cells, 0 where they are not asked for, and what divides and weighs rows.

    Returns
    -------
    log_p : torch.Tensor of shape (n_networks, n, n_variables)
    n_asked : torch.Tensor of shape (n,)
    weights : torch.Tensor of shape (n,)
    """
    parts = [_seen(networks, visibility, *part) for part in batch]
    visible, asked, n_asked, mean, spread = (
        torch.cat(part) for part in zip(*parts, strict=True)
    )
    x, _, low, high, levels, weights = (
        torch.cat(part) for part in zip(*(group.rows for group, _ in batch), strict=True)
    )
    hidden = networks.hidden(x, visible, mean, spread)
    n, cells = networks.n_ranked, []
    if n:
        log_weights, means, scales = networks.mixture(hidden, mean, spread)
        low, high = (low[..., None] - means) / scales, (high[..., None] - means) / scales
        cells.append((log_weights + log_probability_between(low, high)).logsumexp(-1))
    if networks.sizes:
        log_p = networks.log_probabilities(hidden, mean) * levels
        cells += [part.sum(-1, keepdim=True) for part in log_p.split(networks.sizes, -1)]
    return torch.where(asked, torch.cat(cells, -1), 0.0), n_asked, weights


def _seen(networks, visibility, group, mask):
    """Return what is visible and asked for, how much of it, and what the base gives."""
    rows, n_each = group.rows, len(group.rows) // len(mask)
    of_row = mask.repeat_interleave(n_each, 0)
    visible, asked = visibility.of_rows(of_row, rows.known)
    if rows.known.all():
        seen, own = visible[::n_each], None
        x = rows.x.unflatten(0, (len(mask), n_each))
    else:
        seen, own = visible.unique(dim=0, return_inverse=True)
        x = rows.x[:, None]
    mean, spread = group.base.given(x, seen[:, networks.owner], own)
    spread = spread.expand(mean.shape)
    n_asked = visibility.n_asked(of_row)
    return visible, asked, n_asked, mean.flatten(0, 1), spread.flatten(0, 1)
