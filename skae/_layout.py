"""Where a table's columns lie in the design matrix."""

from dataclasses import dataclass

import numpy as np
import torch

# Least entropy, in nats, that the surprise at a column's level is measured in.
LEAST_ENTROPY = 1e-3
# Cells of a table: not there, there, there but of a level that was not seen in fit.
MISSING, OBSERVED, UNKNOWN = 0, 1, 2


@dataclass(frozen=True)
class Layout:
    """The design matrix: first the numbers, then a block a categorical column, then holes.

    A number is in standard units. A block holds a column a level, ``(t_l - p_l) / g``:
    t is 1 for the row's level and 0 for the others, p the levels' shares in fit, and
    ``g^2 = 1 - sum(p^2)``, which makes the variances of a block sum to 1. A hole column
    is 1 where a cell is missing, for the table's columns that had missing cells in fit.
    The decoder returns numbers and, for the blocks, logits.

    Attributes
    ----------
    numbers, categories : ndarray of int
        The table's columns of each kind.
    sizes : tuple of int
        Levels of every block.
    shares : torch.Tensor of shape (n_levels in all,)
        p, of all blocks.
    spreads : torch.Tensor of shape (n_blocks,)
        g.
    holed : ndarray of int
        The table's columns that have a hole column.
    """

    numbers: np.ndarray
    categories: np.ndarray
    sizes: tuple[int, ...]
    shares: torch.Tensor
    spreads: torch.Tensor
    holed: np.ndarray

    @property
    def n_features(self):
        return len(self.numbers) + len(self.categories)

    @property
    def n_outputs(self):
        """Columns of the design matrix without the hole columns."""
        return len(self.numbers) + sum(self.sizes)

    @property
    def n_inputs(self):
        return self.n_outputs + len(self.holed)

    @property
    def is_plain(self):
        """Whether there are numbers only."""
        return not len(self.categories)

    @property
    def block_of_level(self):
        """The block of every level, tensor of int of shape (n_levels in all,)."""
        return torch.repeat_interleave(torch.tensor(self.sizes, dtype=torch.long))

    @property
    def feature_of_output(self):
        """The table's column of every design column but the holes, tensor of int."""
        levels = np.repeat(self.categories, self.sizes) if self.sizes else []
        return torch.from_numpy(np.concatenate([self.numbers, levels]).astype(np.int64))

    @property
    def cell_order(self):
        """Positions of the table's columns among (numbers, categories), tensor of int."""
        order = np.argsort(np.concatenate([self.numbers, self.categories]))
        return torch.from_numpy(order)

    def entropies(self):
        """Return the entropy of every block's shares in nats, shape (n_blocks,)."""
        parts = torch.zeros(len(self.sizes), dtype=self.shares.dtype)
        parts.index_add_(0, self.block_of_level, -self.shares * self.shares.log())
        return parts.clamp(min=LEAST_ENTROPY)
