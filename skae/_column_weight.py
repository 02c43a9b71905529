"""How much the columns of a table count in the loss of a transformer."""

import numpy as np
import torch

from skae._warnings import warn
from skae.table.identifiers import numbered_columns
from skae.table.weights import weights_of_columns


class ColumnWeightMixin:
    """Settles `column_weight` for the table that was learned."""

    # 1 on average; None: all columns count alike.
    _column_weight = None

    def _weigh_columns(self, X=None, rows=None):
        """Take over `column_weight`; a column that tells rows apart weighs 0 unless named.

        Parameters
        ----------
        X : Frame, ndarray or csr matrix, default=None
            The table, of which columns that number its rows are to be found; None: those
            that were found are kept.
        rows : ndarray of int, default=None
        """
        table = self._table
        weights, named = weights_of_columns(self.column_weight, table.names)
        if X is not None:
            # In a part of a table, where nobody would be told, all columns count.
            tells = self._warns_of_columns
            self._numbering = numbered_columns(table, X, rows) if tells else []
        numbering = [i for i in self._numbering if i not in named]
        if self._warns_of_columns:
            # Keys as text would take the codes as well, and be learned by heart.
            keys = np.flatnonzero(table.identifiers_).tolist()
            weights[[i for i in (*numbering, *keys) if i not in named]] = 0.0
        tells = (weights > 0) & ~table.empty_
        if (weights == 0).any() and not tells.any():
            zero = [table.names[i] for i in np.flatnonzero(weights == 0)]
            raise ValueError(
                f"No column is left to learn: {zero} weigh 0, or hold identifiers, which do "
                "unless column_weight names them. Give one at least a weight above 0, such as "
                f"column_weight={{{zero[0]!r}: 1.0}}, or add columns."
            )
        if X is not None and numbering:
            _warn_of_numbers([table.names[i] for i in numbering])
        weights /= weights.max()  # whose sum may be too large a number
        self._column_weight = None if np.ptp(weights) == 0 else weights / weights.mean()

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
