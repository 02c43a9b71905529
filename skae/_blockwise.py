"""Rows through a fitted model: block by block, in bounded memory and the rows' dtype."""

from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from skae._entry import EntryPoints
from skae.models.precision import in_float64
from skae.table.blocks import MISSING
from skae.table.row_blocks import row_blocks
from skae.table.rows import encode_block
from skae.table.support import check_support
from skae.table.validation import float_dtype

# Cells of work space: what a core's cache holds, and what keeps a GPU busy.
BLOCK_CELLS, GPU_BLOCK_CELLS = 250_000, 2_000_000

# Times that cells missing in columns that were complete in fit are filled. Where the other
# cells do not tell what is missing, filling until it settles would choose what suits them
# best, and rows with holes would score too high.
N_FILLS = 4


class BlockwiseMixin(EntryPoints):
    """The way of rows through the model that all results of a fitted transformer take."""

    _table: Any
    net_: Any
    network_: Any
    device_: torch.device
    n_components_: int
    hidden_layer_sizes_: tuple[int, ...]

    def _number_support(self):
        """Return the support of the numeric columns' loss, and the parameter that asks it.

        None and "": any number can be scored.
        """
        return None, ""

    def _check_support(self, X, rows=None):
        """Raise unless the numeric columns hold what can be scored."""
        support, parameter = self._number_support()
        if support is not None:
            rows = np.arange(X.shape[0]) if rows is None else rows
            check_support(support, self._table, X, rows, parameter)

    def _map_rows(self, function, X, width, scored=False):
        """Apply `function(model, design, observed)` block by block; see `_model_for`.

        Cells of the design that the network has not learned to miss are filled.
        """
        n_rows = X.shape[0]
        shape = (n_rows,) if width is None else (n_rows, width)
        with self._model_for(float_dtype(X)) as (model, dtype):
            copies = model.copies_per_row if scored else 1
            out = np.empty(shape, dtype=dtype)
            for block in self._blocks(n_rows, copies):
                out[block] = self._map_block(function, model, dtype, X[block])
        return out

    def _map_block(self, function, model, dtype, X):
        """Return the result for one block; halves it where the device has too little memory."""
        try:
            return function(model, *self._design_of(model, dtype, X)).cpu().numpy()
        except torch.OutOfMemoryError:
            half = X.shape[0] // 2
            if not half:
                raise
        halves = X[:half], X[half:]
        parts = [self._map_block(function, model, dtype, part) for part in halves]
        return np.concatenate(parts)

    def _design_of(self, model, dtype, X):
        """Return rows encoded, and their observation mask or None."""
        design, observed = encode_block(self._table, X, self.device_, dtype)
        if observed is not None:
            self._fill_unforeseen(model, design, observed)
        return design, observed

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

    def _blocks(self, n_rows, copies=1):
        design = self._table.design_
        widest = max(
            design.n_inputs,
            *self.hidden_layer_sizes_,
            self.n_components_,
            self.network_.width(design),
        )
        cells = BLOCK_CELLS if self.device_.type == "cpu" else GPU_BLOCK_CELLS
        return row_blocks(n_rows, max(1, cells // (widest * copies)))

    @contextmanager
    def _model_for(self, dtype):
        """Give the model, ready for inference, and the dtype of its rows.

        float64 rows are worked on in float64: a row's result then does not depend, to
        float32's last digits, on which rows stand beside it.
        """
        model = self.net_.module_
        if dtype == np.float64 and self.device_.type != "mps":
            model = in_float64(model)
        else:
            model, dtype = model.eval(), np.float32
        for name in model.scoring_parameters:
            setattr(model, name, getattr(self, name))
        with torch.no_grad():
            yield model, dtype
