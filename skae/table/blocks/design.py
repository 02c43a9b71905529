"""Where the blocks of a table's columns lie in the design matrix."""

from functools import cached_property

import numpy as np
import torch

from skae.table.blocks.absence import AbsenceBlock


class Design:
    """The design matrix: block by block, then missing indicators.

    Numbers come first, in standard units; what the columns of other blocks are, and what
    decoders return for them, each block says. A missing indicator is 1 where a cell is
    missing, for the table's columns that had missing cells in fit. Decoders return no
    missing indicators. Where missing cells are a level, a block says which are, an
    `AbsenceBlock`, and decoders return it as others: a column of the table has two features
    then, its cells and whether they are there.

    Parameters
    ----------
    blocks : list of Block
        The first is the block of numbers, which may be without columns.
    missing_indicators : ndarray of int
        The table's columns that have a missing indicator.
    absence : AbsenceBlock or None
        The last block, if there is one.
    """

    def __init__(self, blocks, missing_indicators, absence: AbsenceBlock | None = None):
        self.blocks = [*blocks, *([] if absence is None else [absence])]
        self.missing_indicators, self.absence = missing_indicators, absence
        first = 0
        for block in self.blocks:
            block.first = first
            first += block.width
        self.n_outputs = first

    def __getstate__(self):
        state = dict(self.__dict__)
        state.pop("by_feature", None)
        state.pop("by_column", None)
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
        """What every row has a loss of: the table's columns, and whether cells are missing."""
        return sum(len(block.features) for block in self.blocks)

    @property
    def n_columns(self):
        """Columns of the table."""
        return self.n_features - len(self.absent_columns)

    @property
    def absent_columns(self):
        """The table's columns whose missing cells are a level, ndarray of int."""
        return np.zeros(0, dtype=np.int64) if self.absence is None else self.absence.owners

    @property
    def foreseen(self):
        """The table's columns that had missing cells in fit, ndarray of int."""
        known = [] if self.absence is None else [self.absence.known]
        return np.concatenate([self.missing_indicators, *known])

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
        """Positions of the features among those of the blocks, tensor of int."""
        features = np.concatenate([block.features for block in self.blocks])
        return torch.from_numpy(np.argsort(features))

    @property
    def column_of_feature(self):
        """The table's column of every feature, tensor of int of shape (n_features,)."""
        columns = np.arange(self.n_columns)
        return torch.from_numpy(np.concatenate([columns, self.absent_columns]))

    @cached_property
    def by_feature(self):
        """A block for every feature, list of `Block`."""
        single = [one for block in self.blocks for one in block.split()]
        return [single[i] for i in self.feature_order.tolist()]

    @cached_property
    def by_column(self):
        """The blocks of every column of the table, list of list: its cells, their absence."""
        blocks = [[block] for block in self.by_feature[: self.n_columns]]
        for block in self.by_feature[self.n_columns :]:
            blocks[block.owners[0]].append(block)
        return blocks

    def sum_to_columns(self, values):
        """Return the sums over the features of every column, (n, n_columns).

        Parameters
        ----------
        values : torch.Tensor of shape (n, n_features)
        """
        if self.absence is None:
            return values
        columns = self.column_of_feature.to(values.device)
        return values.new_zeros(len(values), self.n_columns).index_add_(1, columns, values)

    def hides(self, columns):
        """Return which entries of a row stand for the cells of some of the table's columns.

        Returns
        -------
        hides : torch.Tensor of bool of shape (len(columns), n_outputs)
        """
        return self.feature_of_output == torch.from_numpy(columns)[:, None]

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
