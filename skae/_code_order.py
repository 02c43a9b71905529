"""Codes in the order of what they reconstruct, as principal components are."""

import numpy as np
import torch
from numpy.typing import NDArray

from skae._entry import EntryPoints
from skae.models.losses import ColumnLosses, squared_error
from skae.models.nesting import FirstCodes, loading_signs
from skae.models.precision import forget
from skae.table.rows import encode_block

# Rows, and cells of their design, that ratios and signs are learned from at most.
N_ROWS, N_CELLS = 2000, 4_000_000


class OrderedCodesMixin(EntryPoints):
    """What a fit learns of the codes' order.

    Attributes
    ----------
    explained_variance_ratio_ : ndarray of shape (n_components_,)
        What each code adds to the fraction of the variance that the codes before it
        reconstruct, those behind it being 0, on held-out rows (at most 2,000; training rows,
        where none are held out). Their sum is the fraction that all reconstruct. Columns
        count as in the loss, numbers by their squared errors, categories by their
        cross-entropies. Unlike PCA's a ratio may exceed the one before, where a code tells
        more beside another than alone.
    """

    explained_variance_ratio_: NDArray[np.float64]

    def _judge_codes(self, data):
        """Return the order of the codes, and the ratios that they explain in that order.

        Parameters
        ----------
        data : TrainingRows
            The order is that of all rows, which principal axes are learned from as well; the
            ratios are of those that are held out.
        """
        if not self._warns_of_columns:  # of a part of a table nobody asks
            return None
        held_out = data.n_train if data.n_valid else 0
        with self._model_for(np.float32) as (model, _):
            order = list(range(self.n_components_))
            if not self.net_.goes_on:  # in a stream a code stays what it was
                order = self._first_codes_of(model, data, 0, len(data.learned)).best_order()
            first = self._first_codes_of(model, data, held_out, len(data.source))
            return order, np.array(first.ratios(order))

    def _first_codes_of(self, model, data, start, stop):
        """Return the `FirstCodes` of rows `start` to `stop`, of so many as are worth it."""
        n_rows = max(1, min(N_ROWS, N_CELLS // max(self._table.design_.n_inputs, 1)))
        rows = slice(start, min(stop, start + n_rows))
        weights = None if data.weights is None else data.weights[rows]
        return self._first_codes(model, *data.source[rows], weights)

    def _explained_by_codes(self, X):
        """Return what every code adds to what those before explain of rows, list."""
        n_rows = X.shape[0]
        most = max(2, min(N_ROWS, N_CELLS // max(self._table.design_.n_inputs, 1)))
        step = -(-n_rows // most)
        with self._model_for(np.float32) as (model, _):
            rows = encode_block(self._table, X[np.arange(0, n_rows, step)], self.device_)
            first = self._first_codes(model, *rows, None)
            return first.ratios(range(self.n_components_))

    def _first_codes(self, model, x, observed, weights):
        design = self._table.design_
        columns = ColumnLosses(
            design, squared_error, weighted=True, column_weight=self._column_weight
        ).to(self.device_)
        nothing = torch.cat([block.start(None, None)[1] for block in design.blocks])
        return FirstCodes(model, columns.mean, x, observed, weights, nothing)

    def _arrange_codes(self, data, judged):
        """Put the codes into their order, with the signs of their loadings.

        Parameters
        ----------
        data : TrainingRows
        judged : tuple (order, ratios) or None
            What `_judge_codes` said.
        """
        if judged is None:
            return
        order, self.explained_variance_ratio_ = judged
        if self.net_.goes_on:
            return
        model, design = self.net_.module_, self._table.design_
        n_rows = max(2, min(N_ROWS, N_CELLS // max(design.n_inputs, 1)))
        order = torch.tensor(order, device=self.device_)
        signs = torch.ones(len(order), device=self.device_)
        if model.codes_have_signs:
            with self._model_for(np.float32) as (_, _):
                x, _ = data.source[: min(data.n_train, n_rows)]
                signs = loading_signs(model.encode(x), x[:, : design.n_outputs])[order]
        moved = (order != torch.arange(len(order), device=self.device_)).any()
        if moved or (signs < 0).any():
            model.rearrange(order, signs)
            forget(model)
