"""The design matrix as the detector's networks see it: no column and no tail dominates."""

import torch

from skae.table.blocks import LEAST, MISSING, OBSERVED, UNKNOWN, Layout

# Standard deviations beyond which a number counts by its logarithm only.
TAIL = 5.0


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
    """Rows in which every column of the table varies alike.

    A number is in standard units, its tails compressed. A block of levels is scaled so
    that its columns' variances sum to one: a category counts as much as a number. A cell
    that is missing, or of a level not seen in fit, is 0, which is the average.

    Parameters
    ----------
    layout : Layout
    n_samples : int
        Rows in fit.
    device : torch.device
    """

    def __init__(self, layout: Layout, n_samples, device):
        self.layout = layout
        spreads = 1.0 - layout._sum_blocks(layout.shares.square())
        # A block of one level does not vary.
        gains = torch.where(spreads > LEAST, spreads.clamp(min=LEAST).rsqrt(), 1.0)
        self._gains = gains[layout.block_of_level].to(device)
        self.owner = layout.feature_of_output.to(device)
        # A level not seen in n rows is as strange as one seen in a row of n + 1: the
        # standard score of a flag that is set in that row.
        self.surprise = float(compress(torch.tensor(float(n_samples)).sqrt())) ** 2

    @property
    def width(self):
        return self.layout.n_outputs

    def enter(self, design):
        """Return the rows of a design matrix in this space, shape (n, width)."""
        n_numbers = len(self.layout.numbers)
        numbers = design[:, :n_numbers]
        if self.layout.is_plain:
            return compress(numbers)
        levels = design[:, n_numbers : self.width] * self._gains.to(design.dtype)
        return torch.cat([compress(numbers), compress(levels)], dim=1)

    def leave(self, x):
        """Return rows of this space as a design matrix without hole columns.

        Of a block the largest entry tells the level.
        """
        n_numbers = len(self.layout.numbers)
        levels = expand(x[:, n_numbers:]) / self._gains.to(x.dtype)
        levels = levels + self.layout.shares.to(x)
        return torch.cat([expand(x[:, :n_numbers]), levels], dim=1)

    def patterns(self, feature_columns, dtype, most):
        """Return the most frequent levels of a block as columns of this space."""
        first = len(self.layout.numbers)
        block = slice(feature_columns.start - first, feature_columns.stop - first)
        shares = self.layout.shares[block].to(self._gains)
        frequent = shares.argsort(descending=True, stable=True)[:most]
        levels = torch.eye(len(shares), device=shares.device)[frequent] - shares
        return compress(levels * self._gains[block]).to(dtype)

    def observed(self, cells):
        """Return which columns of this space hold an observed cell, (n, width) of bool."""
        return (cells == OBSERVED)[:, self.owner]

    def counts(self, cells):
        """Return how many cells of each row are there, at least 1."""
        return (cells != MISSING).sum(dim=1).clamp(min=1)

    def surprises(self, cells, dtype):
        """Return what levels not seen in fit cost, a cell."""
        return (cells == UNKNOWN).to(dtype) * self.surprise

    def sum_to_cells(self, columns):
        """Return the sums over each cell's columns, shape (*, n_features)."""
        if self.layout.is_plain:
            return columns
        shape = (*columns.shape[:-1], self.layout.n_features)
        return columns.new_zeros(shape).index_add_(-1, self.owner, columns)
