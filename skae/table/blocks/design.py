"""Where the blocks of a table's columns lie in the design matrix."""

from functools import cached_property

import numpy as np
import torch


class Design:
    """The design matrix: block by block, then missing indicators.

    Numbers come first, in standard units; what the columns of other blocks are, and what
    decoders return for them, each block says. A missing indicator is 1 where a cell is
    missing, for the table's columns that had missing cells in fit. Decoders return no
    missing indicators.

    Parameters
    ----------
    blocks : list of Block
        The first is the block of numbers, which may be without columns.
    missing_indicators : ndarray of int
        The table's columns that have a missing indicator.
    """

    def __init__(self, blocks, missing_indicators):
        self.blocks, self.missing_indicators = list(blocks), missing_indicators
        first = 0
        for block in self.blocks:
            block.first = first
            first += block.width
        self.n_outputs = first

    def __getstate__(self):
        state = dict(self.__dict__)
        state.pop("by_feature", None)
        return state

    @property
    def numeric(self):
        """The block of numbers."""
        return self.blocks[0]

    @property
    def is_numeric(self):
        """Whether there are numbers only."""
        return len(self.blocks) == 1

    @property
    def n_features(self):
        return sum(len(block.features) for block in self.blocks)

    @property
    def n_inputs(self):
        """Columns of the design matrix; the decoder's `n_outputs` lack the indicators."""
        return self.n_outputs + len(self.missing_indicators)

    @property
    def feature_of_output(self):
        """The table's column of every design column but the indicators, tensor of int."""
        features = [np.repeat(block.features, block.sizes) for block in self.blocks]
        return torch.from_numpy(np.concatenate(features).astype(np.int64))

    @property
    def feature_order(self):
        """Positions of the table's columns among those of the blocks, tensor of int."""
        features = np.concatenate([block.features for block in self.blocks])
        return torch.from_numpy(np.argsort(features))

    @cached_property
    def by_feature(self):
        """A block for every column of the table, list of `Block`."""
        single = [one for block in self.blocks for one in block.split()]
        return [single[i] for i in self.feature_order.tolist()]

    def to_output(self, rows):
        """Return a decoder's output that stands for rows of the design matrix.

        Parameters
        ----------
        rows : torch.Tensor of shape (n, n_outputs) or more columns

        Returns
        -------
        output : torch.Tensor of shape (n, n_outputs)
        """
        return self._by_block("to_output", rows)

    def to_design(self, output):
        """Return the rows of the design matrix that an output says are likeliest."""
        return self._by_block("to_design", output)

    def _by_block(self, method, rows):
        parts = [
            getattr(block.to(rows.device), method)(rows[..., block.columns])
            for block in self.blocks
        ]
        return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]
