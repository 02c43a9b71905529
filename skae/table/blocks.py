"""Where a table's columns lie in the design matrix."""

from dataclasses import dataclass

import numpy as np
import torch

# A block that varies less than this holds one level, and nothing to be surprised at.
LEAST = 1e-6
# Cells of a table: not there, there, there but of a level that was not seen in fit.
MISSING, OBSERVED, UNKNOWN = 0, 1, 2


@dataclass(frozen=True)
class Layout:
    """The design matrix: first the numbers, then a block a categorical column, then holes.

    A number is in standard units. A block holds a column a level, ``t_l - p_l``: t is 1
    for the row's level and 0 for the others, p the levels' shares in fit. A hole column
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
    holed : ndarray of int
        The table's columns that have a hole column.
    """

    numbers: np.ndarray
    categories: np.ndarray
    sizes: tuple[int, ...]
    shares: torch.Tensor
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

    def outputs_of_features(self):
        """Return the design columns of every column of the table, a list of slices."""
        slices, start = {}, 0
        for feature in self.numbers:
            slices[feature] = slice(start, start + 1)
            start += 1
        for feature, size in zip(self.categories, self.sizes, strict=True):
            slices[feature] = slice(start, start + size)
            start += size
        return [slices[feature] for feature in range(self.n_features)]

    def as_design(self, output, columns):
        """Return a decoder's output for one of those slices as columns of the design.

        Of a category it is the most probable level.
        """
        first = len(self.numbers)
        if columns.start < first or columns.start == columns.stop:
            return output
        level = torch.nn.functional.one_hot(output.argmax(1), output.shape[1])
        shares = self.shares[columns.start - first : columns.stop - first]
        return level.to(output) - shares.to(output)

    def level_weights(self):
        """Return what a nat of surprise costs in every block, shape (n_blocks,).

        In this unit guessing the shares costs ``1 - sum(p^2)`` on average, the variance of
        the block in the design matrix: less than 1, the variance of a number, whatever
        the number of levels.
        """
        spreads = 1.0 - self._sum_blocks(self.shares.square())
        entropies = self._sum_blocks(-self.shares * self.shares.log())
        return torch.where(spreads > LEAST, spreads / entropies.clamp(min=LEAST), 1.0)

    def _sum_blocks(self, values):
        return torch.zeros(len(self.sizes)).index_add_(0, self.block_of_level, values)

    # aliases
    is_numeric = is_plain
    missing_indicators = property(lambda self: self.holed)
    slices = outputs_of_features

    @property
    def numeric(self):
        from types import SimpleNamespace

        return SimpleNamespace(features=self.numbers, columns=slice(0, len(self.numbers)))
