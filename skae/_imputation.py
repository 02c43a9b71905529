"""Missing cells: what a fitted transformer puts in their place."""

from typing import Any

import torch
from sklearn.utils.validation import check_is_fitted

from skae._blockwise import BlockwiseMixin
from skae._typing import Table
from skae.table.blocks import MISSING
from skae.table.validation import check_fitted_table


class ImputationMixin(BlockwiseMixin):
    """Missing cells, filled with what the model expects in their place."""

    def impute(self, X: Table) -> Any:
        """Fill the missing cells.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        X : data frame or ndarray of shape (n_samples, n_features_in_)
            A copy, in which the cells that were missing are what the network expects in
            their place, given the others, within the range of their column and with the
            decimals of it in fit. Columns keep their dtypes; one without any cell gets
            that of the fit, if its own cannot hold the cells. A column that was wholly
            missing in fit stays as it is, and so do cells whose absence is a level.
        """
        check_is_fitted(self)
        X = check_fitted_table(self, X, self._table)
        design = self._map_rows(self._impute_block, X, self._table.design_.n_outputs)
        return self._table.fill(X, design)

    def _impute_block(self, model, x, observed):
        """Return decoder outputs for the rows that have missing cells, zeros for others."""
        design = self._table.design_
        filled = torch.zeros(len(x), design.n_outputs, dtype=x.dtype, device=x.device)
        if observed is None:
            return filled
        rows = (observed == MISSING).any(1).nonzero().squeeze(1)
        filled[rows] = model.expected(x[rows], observed[rows])
        return filled
