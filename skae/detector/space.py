"""Rows as the networks of one fold see them: no column and no tail dominates."""

import torch
from sklearn.utils import gen_batches
from torch.nn.functional import pad

from skae.table.blocks import MISSING, OBSERVED, UNKNOWN, Design
from skae.table.blocks.base import any_of
from skae.table.encoder import BLOCK

# Standard deviations beyond which a number counts by its logarithm only.
TAIL = 5.0
# A variance below this is rounding.
LEAST_VARIANCE = 1e-12


def compress(x):
    """Return `x` with what lies beyond `TAIL` replaced by its logarithm; the order stays."""
    size = x.abs()
    beyond = torch.log1p((size - TAIL).clamp(min=0.0))
    return torch.where(size > TAIL, x.sign() * (TAIL + beyond), x)


def expand(x):
    """Undo `compress`."""
    size = x.abs()
    beyond = torch.expm1((size - TAIL).clamp(min=0.0))
    return torch.where(size > TAIL, x.sign() * (TAIL + beyond), x)


class CellSpace:
    """Rows in which every column of the table varies alike, in the units of some rows.

    The networks of a fold see rows in the units of the rows outside it, and know the
    levels of these: a row of the fold meets them as a fresh row does. The columns of the
    design matrix are centred and scaled so that the variances of a table's column sum to
    one, hence a category counts as much as a number; then tails are compressed. A cell
    that is missing, or of an unseen level, is 0, which is the average.

    Parameters
    ----------
    design : Design
    x : torch.Tensor of shape (n_samples, n_inputs)
        Rows of the design matrix.
    states : torch.Tensor of uint8 of shape (n_samples, n_features) or None
        States of their cells; None: all are observed.

    Attributes
    ----------
    owner : torch.Tensor of int of shape (width,)
        The table's column of every column of this space.
    centre, gain : torch.Tensor of shape (width,), dtype float64
        Of the columns of the design matrix: subtracted, then multiplied by.
    unseen_cost : torch.Tensor of shape (n_features,), dtype float64
        Squared error of a cell whose level these rows do not hold.
    """

    def __init__(self, design: Design, x, states):
        self.design, device = design, x.device
        self.owner = design.feature_of_output.to(device)
        self._absence = None if design.absence is None else design.absence.to(device)
        self._hides = design.hides(design.absent_columns).float().to(device)
        self._learn_units(x, states)
        self.unseen_cost = torch.zeros(
            design.n_features, dtype=torch.float64, device=device
        )
        self._level_blocks: list = []
        for block in design.blocks[1:]:
            self._learn_levels(block, x, states)

    # ---------------------------------------------------------------- learning

    def _learn_units(self, x, states):
        sums = x.new_zeros(3, len(self.owner), dtype=torch.float64)
        for rows in gen_batches(len(x), BLOCK):
            values = x[rows, : len(self.owner)].double()
            there = torch.ones_like(values)
            if states is not None:
                there = self.observed(states[rows]).double()
            values *= there
            sums += torch.stack([there.sum(0), values.sum(0), values.square().sum(0)])
        counts = sums[0].clamp(min=1.0)
        self.centre = sums[1] / counts
        variances = (sums[2] / counts - self.centre.square()).clamp(min=0.0)
        total = self.sum_to_cells(variances)
        # Of a column that does not vary the design's own unit is as good as any.
        total = torch.where(total > LEAST_VARIANCE, total, 1.0)
        self.gain = total.rsqrt()[self.owner]

    def _learn_levels(self, block, x, states):
        """Learn which levels the rows hold, and what a level that they do not hold costs.

        Where rare levels share a place, a level that they do not hold has that place.
        """
        rare, places = block.rare_place()
        block = block.to(x.device)
        features = torch.from_numpy(block.features).to(x.device)
        column = block.column_of_level.to(x.device)
        counts = x.new_zeros(len(column), dtype=torch.float64)
        n_cells = x.new_zeros(len(features), dtype=torch.float64)
        for rows in gen_batches(len(x), BLOCK):
            there = torch.ones(rows.stop - rows.start, len(features), device=x.device)
            if states is not None:
                there = (states[rows][:, features] == OBSERVED).float()
            levels = block.one_hot(x[rows, block.columns]) * there[:, column]
            counts += levels.sum(0, dtype=torch.float64)
            n_cells += there.sum(0, dtype=torch.float64)
        single = torch.zeros_like(n_cells).index_add_(0, column, (counts == 1).double())
        # The odds against a level that is new among one more row (Good & Turing): as
        # strange as a flag that is set as seldom.
        new = (single + 1.0) / (n_cells + 1.0)
        odds = (1.0 - new).clamp(min=0.0) / new
        self.unseen_cost[features] = compress(odds.sqrt()).square()
        unseen = counts < 0.5
        if unseen.any():
            members = torch.nn.functional.one_hot(column, len(features)).double()
            members = members * unseen[:, None]
            places = dict(zip(rare, places.to(x.device), strict=True))
            self._level_blocks.append((block, features, members, places))

    def move_to(self, device):
        """Move to a device."""
        for name in ("owner", "centre", "gain", "unseen_cost", "_hides", "_absence"):
            if getattr(self, name) is not None:
                setattr(self, name, getattr(self, name).to(device))
        self._level_blocks = [
            (
                block.to(device),
                features.to(device),
                members.to(device),
                {j: place.to(device) for j, place in places.items()},
            )
            for block, features, members, places in self._level_blocks
        ]

    @property
    def knows_all_levels(self):
        """Whether every level of the design occurs in the rows."""
        return not self._level_blocks

    # ------------------------------------------------------------------- rows

    def enter(self, rows, states):
        """Return rows of the design matrix in this space.

        Parameters
        ----------
        rows : torch.Tensor of shape (n, n_inputs)
        states : torch.Tensor of uint8 of shape (n, n_features) or None

        Returns
        -------
        x : torch.Tensor of shape (n, width)
        states : torch.Tensor of uint8 of shape (n, n_features) or None
            With cells `UNKNOWN` whose level these rows do not hold.
        """
        x = rows[:, : len(self.owner)]
        for known in self._level_blocks:
            x, states = self._hide_unseen(x, states, *known)
        x = compress((x - self.centre.to(x.dtype)) * self.gain.to(x.dtype))
        if states is not None:
            x = x * self.observed(states)
        return x, states

    def leave(self, x):
        """Return rows of this space in the units of the design matrix, (n, width)."""
        return expand(x) / self.gain.to(x.dtype) + self.centre.to(x.dtype)

    def _hide_unseen(self, x, states, block, features, members, places):
        """Return rows and states with cells `UNKNOWN`, or at the place of rare levels."""
        unseen = block.one_hot(x[:, block.columns]) @ members.to(x.dtype) > 0.5
        if states is not None:
            unseen = unseen & (states[:, features] == OBSERVED)
        if not any_of(unseen):
            return x, states
        n_before = block.columns.start
        for j, place in places.items():
            row = pad(place, (n_before, x.shape[1] - n_before - len(place))).to(x)
            x = torch.where(unseen[:, j, None] & (row != 0), row, x)
            unseen = unseen & (torch.arange(len(features), device=x.device) != j)
        if any_of(unseen):
            if states is None:
                shape = x.shape[0], self.design.n_features
                states = x.new_full(shape, OBSERVED, dtype=torch.uint8)
            hidden = unseen.new_zeros(x.shape[0], self.design.n_features)
            hidden = hidden.index_copy(1, features, unseen)
            states = states.masked_fill(hidden, UNKNOWN)
        return x, states

    def observed(self, states):
        """Return which columns of this space hold an observed cell, (n, width) of bool."""
        return (states == OBSERVED)[:, self.owner]

    def settled(self, rows, states):
        """Return which columns of this space are not to be filled, (n, width) of bool.

        They hold an observed cell or, where that is a level of its own, none.

        Parameters
        ----------
        rows : torch.Tensor of shape (n, n_inputs)
            Of the design matrix.
        states : torch.Tensor of uint8 of shape (n, n_features)
        """
        there = self.observed(states)
        if self._absence is None:
            return there
        absent = self._absence.absent(rows[:, self._absence.columns]) > 0.5
        return there | ((absent.float() @ self._hides) > 0.5)

    def counts(self, states):
        """Return how many cells of each row are there, at least 1."""
        return (states != MISSING).sum(dim=1).clamp(min=1)

    def any_cell(self, states):
        """Return which rows have any cell, shape (n,) of bool."""
        return (states != MISSING).any(dim=1)

    def unseen_costs(self, states, dtype):
        """Return the squared error per cell that unseen levels add."""
        return (states == UNKNOWN).to(dtype) * self.unseen_cost.to(dtype)

    def sum_to_cells(self, columns):
        """Return the sums over each cell's columns, shape (..., n_features)."""
        if self.design.is_numeric:
            return columns
        shape = (*columns.shape[:-1], self.design.n_features)
        return columns.new_zeros(shape).index_add_(-1, self.owner, columns)
