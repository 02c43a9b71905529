"""Missing cells: what a fitted transformer puts in their place."""

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skae._entry import EntryPoints
from skae._typing import Table
from skae.table.blocks import MISSING
from skae.table.validation import check_fitted_table

# Times that cells missing in columns that were complete in fit are filled. Where the other
# cells do not tell what is missing, filling until it settles would choose what suits them
# best, and rows with holes would score too high.
N_FILLS = 4


class ImputationMixin(EntryPoints):
    """Imputed cells, and cells filled before a row is judged, by `_map_rows` of the rest."""

    _table: Any
    _map_rows: Any

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

    def _fill_unforeseen(self, model, x, observed):
        """Fill cells of `x` that are missing in columns that were complete in fit.

        A network knows what to make of a missing cell in a column that had some in fit. In
        any other a missing cell is an average one to it, which misleads the code: what the
        network makes of the cell is put in its place, and again.
        """
        design = self._table.design_
        unforeseen = observed == MISSING
        unforeseen[:, design.foreseen] = False
        unforeseen[:, np.flatnonzero(self._table.empty_)] = False
        rows = unforeseen.any(1).nonzero().squeeze(1)
        if not len(rows):
            return
        part, unforeseen = x[rows], unforeseen[rows]
        places = [
            (block.to(x.device), at)
            for block, hidden in zip(design.by_feature, unforeseen.T, strict=True)
            if len(at := hidden.nonzero().squeeze(1))
        ]
        for _ in range(N_FILLS):
            output = model(part)
            for block, at in places:
                part[at, block.columns] = block.expected(output[at, block.columns])
        x[rows] = part
