"""Rows with some of their variables hidden, as networks see them and are judged by them."""

from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.utils import gen_batches

# Patterns that are worked on at a time, at least, and numbers that these take, about: as
# many as fit a processor's cache.
LEAST_PATTERNS, BLOCK_CELLS = 64, 500_000


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
    base : Gaussian, Mixture, Pooled or WithEvidence
        What the networks see of these rows' hidden cells; rows that are held out took no
        part in it, as new ones do not.
    held_by : torch.Tensor of bool of shape (n_networks,)
        The networks that are checked on them instead.
    """

    rows: Rows
    base: Any
    held_by: torch.Tensor


class Seen(NamedTuple):
    """Rows of a group with some variables hidden, and what the others say of these.

    Attributes
    ----------
    rows : Rows
    held_by : torch.Tensor of bool of shape (n_networks,)
    visible, asked : torch.Tensor of bool of shape (n, n_variables)
    n_asked : torch.Tensor of shape (n,)
        See `Visibility.n_asked`.
    mean, spread : torch.Tensor of shape (n, width)
        Of the group's base, given what is visible.
    """

    rows: Rows
    held_by: torch.Tensor
    visible: torch.Tensor
    asked: torch.Tensor
    n_asked: torch.Tensor
    mean: torch.Tensor
    spread: torch.Tensor

    @classmethod
    def of(cls, group, mask, visibility):
        """Return a group's rows, as many one after the other by each mask.

        Parameters
        ----------
        group : Group
        mask : torch.Tensor of bool of shape (n_patterns, n_variables)
            What is visible, of cells that are known.
        visibility : Visibility
        """
        rows, n_each = group.rows, len(group.rows) // len(mask)
        of_row = mask.repeat_interleave(n_each, 0)
        visible, asked = visibility.of_rows(of_row, rows.known, rows.x)
        full, _ = visibility.of_rows(mask, torch.ones_like(mask))
        owner = visibility.owner
        mean, spread = _given(group.base, rows, full[:, owner], visible[:, owner])
        n_asked = visibility.n_asked(mask).repeat_interleave(n_each)
        return cls(rows, group.held_by, visible, asked, n_asked, mean, spread)

    def take(self, index):
        """Return some of the rows."""
        rows, held_by, *others = self
        return Seen(rows.take(index), held_by, *(part[index] for part in others))

    def __len__(self):
        return len(self.rows)


def _given(base, rows, full, visible):
    """Return mean and spread of all variables of rows, given those that are visible.

    Parameters
    ----------
    base : Gaussian, Mixture, Pooled or WithEvidence
    rows : Rows
    full : torch.Tensor of bool of shape (n_patterns, width)
        What is visible where no cell is unknown; as many rows follow each other by each.
    visible : torch.Tensor of bool of shape (n, width)
        What is visible of each row.
    """
    mean, spread = torch.empty_like(rows.x), torch.empty_like(rows.x)
    holed = (~rows.known.all(1)).nonzero().squeeze(1)
    if len(holed) < len(rows):
        n_each = len(rows) // len(full)
        for block in gen_batches(len(full), _block_size(full)):
            first, patterns = block.start, full[block]
            at = slice(first * n_each, (first + len(patterns)) * n_each)
            x = rows.x[at].unflatten(0, (len(patterns), n_each))
            found = (of_rows.expand(x.shape) for of_rows in base.given(x, patterns))
            mean[at], spread[at] = (of_rows.flatten(0, 1) for of_rows in found)
    if len(holed):
        patterns = visible[holed].unique(dim=0, return_inverse=True)
        mean[holed], spread[holed] = given_by_row(base, rows.x[holed], *patterns)
    return mean, spread


def given_by_row(base, x, patterns, own):
    """Return mean and spread of all variables of rows of which few show the same ones.

    Parameters
    ----------
    base : Gaussian, Mixture, Pooled or WithEvidence
    x : torch.Tensor of shape (n, width)
    patterns : torch.Tensor of bool of shape (n_patterns, width)
        What is visible.
    own : torch.Tensor of int of shape (n,)
        The pattern of every row.
    """
    mean, spread = torch.empty_like(x), torch.empty_like(x)
    # Rows that do show the same follow each other: what they share is found once.
    for part in own.argsort().split(_block_size(patterns)):
        first, last = own[part[0]], own[part[-1]] + 1
        found = base.given(x[part][:, None], patterns[first:last], own[part] - first)
        mean[part], spread[part] = (of_rows.squeeze(1) for of_rows in found)
    return mean, spread


def _block_size(patterns):
    return max(LEAST_PATTERNS, BLOCK_CELLS // patterns.shape[1] ** 2)
