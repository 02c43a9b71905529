"""Whether cells are missing, where that is a level of its own."""

import numpy as np
from scipy.sparse import issparse

from skae.table.blocks.base import Settings
from skae.table.blocks.categories import CategoryBlock
from skae.table.cells import Source, booleans
from skae.table.frame import Frame
from skae.table.states import UNKNOWN


class AbsenceBlock(CategoryBlock):
    """For columns whose missing cells are a level: whether the cell is missing.

    It is an outcome as a boolean is, predicted and drawn, beside the cell itself, which is
    as any missing cell where it is. So for columns of every kind::

        p(cell) = p(missing)                    if it is missing,
                  (1 - p(missing)) p(value)     if it is not.

    Its features are further ones, after those of the table's columns.

    Parameters
    ----------
    owners : ndarray of int
        The columns of the table.
    names : sequence of str
        What they are called.
    n_columns : int
        Columns of the table.
    handle_unknown : {"ignore", "infrequent_if_exist", "error"}
        What to do with a missing cell in a column that had none in fit.
    """

    def __init__(self, owners, names, n_columns, handle_unknown):
        # Never merged with other levels, however rare.
        settings = Settings(handle_unknown=handle_unknown)
        features = n_columns + np.arange(len(owners))
        super().__init__(features, ["boolean"] * len(owners), names, settings, False)
        self.owners = np.asarray(owners, dtype=np.int64)

    def _cells(self, X, i, j):
        owner = self.owners[j]
        if isinstance(X, Frame):
            cells = X.column(owner)
            return booleans(cells.is_missing(), None, cells.source)
        column = X[:, [owner]].toarray().ravel() if issparse(X) else X[:, owner]
        source = Source(self.names[j], int(owner), None, X.dtype)
        return booleans(np.isnan(column), None, source)

    def _read(self, X, j):
        levels, states = super()._read(X, j)
        seen = self.readers[j].seen_groups()
        new = np.flatnonzero(~seen[levels])
        if len(new) and self.settings.handle_unknown == "error":
            raise ValueError(
                f"Column {self.names[j]!r} has a missing cell in row {new[0]}, which `missing` "
                "makes a level, and none in fit. Set handle_unknown='ignore' to encode it as "
                "unknown, or fit to rows that have some."
            )
        levels[new], states[new] = -1, UNKNOWN
        return levels, states

    def recount(self, n_missing, n_rows):
        """Take the numbers of missing cells of the table's columns from a count of all rows."""
        for reader, owner in zip(self.readers, self.owners, strict=True):
            counts = n_rows - n_missing[owner], n_missing[owner]
            reader.counts[:], reader.n_cells[:] = counts, counts

    @property
    def known(self):
        """The table's columns that rows of the fit miss cells of, ndarray of int."""
        return self.owners[[bool(reader.n_cells[1]) for reader in self.readers]]

    # ------------------------------------------------------- formulas (torch)

    def absent(self, x):
        """Return which cells rows of the block say are missing, shape (..., n_features).

        1 or 0, in soft draws between them; 0 where they say nothing.
        """
        return (x + self.proportions.to(x)).unflatten(-1, (-1, 2))[..., 1]
