"""Which cells a row owes its anomaly score to."""

from typing import Any, Literal, overload

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skae._blockwise import BlockwiseMixin
from skae._typing import Table
from skae.attribution.division import check_max_columns
from skae.attribution.occlusion import attribute
from skae.table.validation import (
    as_frame_like,
    check_fitted_table,
    float_dtype,
    with_index_of,
)


class ExplanationMixin(BlockwiseMixin):
    """Anomaly scores of rows, attributed to their cells."""

    @overload
    def explain(
        self, X: Table, *, expected: Literal[False] = ..., max_columns: int | None = ...
    ) -> Any: ...
    @overload
    def explain(
        self, X: Table, *, expected: Literal[True], max_columns: int | None = ...
    ) -> tuple[Any, Any]: ...

    def explain(
        self, X: Table, *, expected: bool = False, max_columns: int | None = None
    ) -> Any:
        """Attribute the anomaly score of every row to its cells.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.
        expected : bool, default=False
            Whether to return as well what each cell should have been.
        max_columns : int, default=None
            Number of cells of a row that its score is divided among: those with the
            largest errors; all others contribute 0. None: all. The time grows with it.

        Returns
        -------
        contributions : data frame of shape (n_samples, n_features_in_)
            Of the library of X, with its labels and index; of pandas, if X is an array. How
            much each cell adds to the row's anomaly score: none is negative, a
            missing cell adds 0 unless that is a level. A cell bears the more of it, the more the score falls
            when the cell is replaced by what the others imply. See the class for the
            score that they sum to.
        expected : data frame or ndarray of shape (n_samples, n_features_in_)
            Only with ``expected=True``: every cell as the network reconstructs it from
            the others, within the range of its column and with the decimals of it in
            fit. With `max_columns`, the other cells as it reconstructs the row.

        Raises
        ------
        ValueError
            If `max_columns` is not a whole number, 1 or more.
        """
        check_is_fitted(self)
        check_max_columns(max_columns)
        X = check_fitted_table(self, X, self._table)
        contributions, output = self._explain(X, max_columns)
        contributions = as_frame_like(self, X, contributions)
        if not expected:
            return contributions
        decoded = self._table.decode(output, float_dtype(X), possible=True)
        return contributions, with_index_of(X, decoded)

    def _errors(self, X):
        """Return what the contributions of `_explain` sum to."""
        self._check_support(X)
        return self._map_rows(_error, X, None, scored=True).astype(np.float64)

    def _explain(self, X, max_columns=None):
        """Return the cells' contributions, and what the decoder expects in their place."""
        self._check_support(X)
        design = self._table.design_

        def explain_block(model, x, observed):
            formulas = model.forward, model.error, model.cell_errors
            parts = attribute(*formulas, x, observed, design, max_columns)
            return torch.cat(parts, dim=1)

        n_columns = design.n_columns
        width = n_columns + design.n_outputs
        both = self._map_rows(explain_block, X, width, scored=True).astype(np.float64)
        return both[:, :n_columns], both[:, n_columns:]


def _error(model, x, observed):
    return model.error(x, observed)
