"""How much the columns of a table count in the loss of a transformer."""

import numpy as np
import torch

from skae._warnings import warn
from skae.table.identifiers import numbered_columns
from skae.table.weights import weights_of_columns


class ColumnWeightMixin:
    """Settles `column_weight` for the table that was learned."""

    # 1 on average of those that count; None: all columns count alike.
    _column_weight = None

    def _weigh_columns(self, X=None, rows=None, is_chunk=False):
        """Take over `column_weight`; a column that tells rows apart weighs 0 unless named.

        Parameters
        ----------
        X : Frame, ndarray or csr matrix, default=None
            The table, of which columns that tell its rows apart are to be found; None: those
            that were found are kept.
        rows : ndarray of int, default=None
        is_chunk : bool, default=False
            Whether the rows are the first of a stream, in the rest of which text may recur.
        """
        table = self._table
        weights, named = weights_of_columns(self.column_weight, table.names)
        if X is not None:
            self._numbering = self._find_numbering(X, rows, is_chunk)
        numbering = [i for i in self._numbering if i not in named]
        weights[numbering] = 0.0
        counts = (weights > 0) & ~table.empty_
        if (weights == 0).any() and not counts.any():
            zero = [table.names[i] for i in np.flatnonzero(weights == 0)]
            raise ValueError(
                f"No column is left to learn: {zero} weigh 0, or hold identifiers, which do "
                "unless column_weight names them. Give one at least a weight above 0, such as "
                f"column_weight={{{zero[0]!r}: 1.0}}, or add columns."
            )
        numbers = [table.names[i] for i in numbering if not table.identifiers_[i]]
        if X is not None and numbers:
            _warn_of_numbers(numbers)
        weights /= weights.max()  # whose sum may be too large a number
        alike = np.ptp(weights) == 0
        self._column_weight = None if alike else weights / weights[weights > 0].mean()

    def _find_numbering(self, X, rows, is_chunk):
        """Return the columns that only tell rows apart, list of int."""
        if not self._warns_of_columns:  # in a part of a table nobody would be told
            return []
        numbers = numbered_columns(self._table, X, rows)
        # As text, keys would take the codes as well, and be learned by heart.
        return numbers + (
            [] if is_chunk else np.flatnonzero(self._table.identifiers_).tolist()
        )

    def _design_units(self):
        """Return what principal axes multiply the design's columns by; None: nothing."""
        if self._column_weight is None:
            return None
        weights = torch.from_numpy(self._column_weight).sqrt().float()
        design = self._table.design_
        return weights[design.column_of_feature][design.feature_of_output]


def _warn_of_numbers(names):
    warn(
        f"Columns {names} hold numbers that only tell rows apart, as keys do, and take no "
        "code: they are reconstructed as their mean. Drop them, or, if they mean something, "
        f"give them a weight: column_weight={ {name: 1.0 for name in names} }."
    )
