"""The design matrix as the detector's networks see it: no column and no tail dominates."""

import torch

from skae.table.blocks import MISSING, OBSERVED, UNKNOWN, Design

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

    A number is in standard units, its tails compressed. The columns of other blocks are
    scaled so that the variances of a table's column sum to one: a category counts as much
    as a number. A cell that is missing, or of a level not seen in fit, is 0, which is the
    average.

    Parameters
    ----------
    design : Design
    n_samples : int
        Rows in fit.
    device : torch.device

    Attributes
    ----------
    owner : torch.Tensor of int of shape (width,)
        The table's column of every column of this space.
    unseen_cost : float
        Squared error of a cell whose level was not seen in fit.
    """

    def __init__(self, design: Design, n_samples, device):
        self.design = design
        self._blocks = [block.to(device) for block in design.blocks]
        self.owner = design.feature_of_output.to(device)
        # A level not seen in n rows is as strange as one seen in a row of n + 1: the
        # standard score of a flag that is set in that row.
        self.unseen_cost = (
            float(compress(torch.tensor(n_samples, dtype=torch.float32).sqrt())) ** 2
        )

    def enter(self, rows):
        """Return rows of the design matrix in this space, shape (n, width)."""
        parts = [compress(b.standardise(rows[:, b.columns])) for b in self._blocks]
        return torch.cat(parts, dim=1)

    def leave(self, x):
        """Return rows of this space as a decoder's output, shape (n, width)."""
        parts = [b.unstandardise(expand(x[:, b.columns])) for b in self._blocks]
        return self.design.to_output(torch.cat(parts, dim=1))

    def candidates(self, block, dtype, most):
        """Return rows with the values that a single column can take; None: any number.

        Parameters
        ----------
        block : Block
            One of `Design.by_feature`.
        dtype : torch.dtype
        most : int
            How many values at most, the most frequent.

        Returns
        -------
        x : torch.Tensor of shape (n_values, width of the column) or None
        """
        block = block.to(self.owner.device)
        rows = block.candidates(most)
        return None if rows is None else compress(block.standardise(rows)).to(dtype)

    def observed(self, states):
        """Return which columns of this space hold an observed cell, (n, width) of bool."""
        return (states == OBSERVED)[:, self.owner]

    def counts(self, states):
        """Return how many cells of each row are there, at least 1."""
        return (states != MISSING).sum(dim=1).clamp(min=1)

    def unseen_costs(self, states, dtype):
        """Return the squared error per cell that unseen levels add."""
        return (states == UNKNOWN).to(dtype) * self.unseen_cost

    def sum_to_cells(self, columns):
        """Return the sums over each cell's columns, shape (..., n_features)."""
        if self.design.is_numeric:
            return columns
        shape = (*columns.shape[:-1], self.design.n_features)
        return columns.new_zeros(shape).index_add_(-1, self.owner, columns)
