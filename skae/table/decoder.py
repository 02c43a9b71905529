"""A decoder's output, or cells as numbers, -> the table that they stand for."""

import narwhals.stable.v2 as nw
import numpy as np
from scipy.sparse import issparse

from skae.table.states import OBSERVED
from skae.table.writing import (
    as_objects,
    classes_of_objects,
    columns_of,
    fill,
    make_frame,
    template_for,
)


class TableDecoder:
    """Writes tables as the fitted one was: its library, columns and dtypes.

    The part of `TableEncoder` that turns outputs into tables, and fills unknown cells.
    """

    def decode(self, output, dtype, observed=None, rng=None, numbers=None, possible=False):
        """Return the table that a decoder's output stands for.

        Parameters
        ----------
        output : ndarray of shape (n_samples, n_outputs) or more columns
            See `Design.to_output` for rows of the design matrix.
        dtype : numpy dtype
            Of the array, where an array was fitted.
        observed : ndarray of shape (n_samples, n_columns), default=None
            Cells that are not `OBSERVED` become missing.
        rng : numpy.random.RandomState, default=None
            Of draws: levels are drawn from their distribution, instead of the likeliest
            or, of ordered ones, the median taken, and numbers keep away from limits that
            only one cell of fit has.
        numbers : ndarray of shape (n_samples, n_numbers), default=None
            Numbers in raw units, instead of those of `output`.
        possible : bool, default=False
            Whether numbers are moved into the range of their column, and to the decimals
            that it had in fit. In frames columns of whole numbers always are.

        Returns
        -------
        table : ndarray, or a native frame of the library that was fitted
        """
        hidden = np.zeros((len(output), len(self.names)), dtype=bool)
        hidden[:, self.empty_] = True
        if observed is not None:
            hidden |= observed != OBSERVED
        if self._absence is not None:
            own = output[:, self._absence.columns]
            hidden[:, self._absence.owners] |= self._absence.decode(own, rng) == 1
        values = self._values(output, rng, numbers, possible)
        if self.template_ is None:
            return self._array(values, hidden, dtype, rng)
        return self._frame(values, hidden, rng)

    def _values(self, output, rng=None, numbers=None, possible=False):
        """Return what each block makes of its columns of the output, see `decode`."""
        first, *others = self._blocks
        if numbers is None:
            numbers = self.decode_numbers(output[:, first.columns])
        if rng is not None:
            numbers = first.to_drawn(numbers)
        else:
            numbers = first.to_possible(numbers) if possible else first.to_whole(numbers)
        return [numbers, *(block.decode(output[:, block.columns], rng) for block in others)]

    def decode_numbers(self, output):
        """Return the numbers of an output in raw units."""
        return self.design_.numeric.decode(output)

    def _array(self, values, hidden, dtype, rng):
        numbers, *others = values
        largest = np.finfo(dtype).max
        np.clip(numbers, -largest, largest, out=numbers)
        if not others and not hidden.any():
            return numbers.astype(dtype, copy=False)
        first, *blocks = self._blocks
        table = np.empty(hidden.shape, dtype=dtype)
        table[:, first.features] = numbers
        template = nw.new_series("", np.zeros(0, dtype), backend="pandas")
        for block, levels in zip(blocks, others, strict=True):
            for j, i in enumerate(block.features):
                cells = block.write(levels[:, j], j, hidden[:, i], template, rng)
                table[:, i] = cells.to_numpy()
        table[hidden] = np.nan
        return table

    def _frame(self, values, hidden, rng):
        series, cells = [], self._cells_by_column(values)
        for i, template in enumerate(columns_of(self.template_)):
            block, j = self._place[i]
            column = block.write(cells[i], j, hidden[:, i], template, rng)
            series.append(as_objects(column, self._objects.get(i)))
        return make_frame(series, self.template_)

    def _cells_by_column(self, values):
        """Return what the blocks make of every column of the table, list of ndarray."""
        cells = [None] * len(self.names)
        for block, of_block in zip(self._blocks, values, strict=True):
            for i, column in zip(block.features.tolist(), of_block.T, strict=True):
                cells[i] = column
        return cells

    def fill(self, X, output):
        """Return a native copy of the table X, its unknown cells as a decoder's output says.

        Every column keeps its own dtype. One without any cell gets that of the fit, if its
        own does not suit.
        """
        return self._fill(X, self._values(output, possible=True))

    def fill_values(self, X, values):
        """Return `fill`, with cells as `values` numbers them."""
        numbers, *levels = self._parts(values)
        return self._fill(X, [self.design_.numeric.to_possible(numbers), *levels])

    def _fill(self, X, parts):
        if self.template_ is None:
            dense = X.toarray() if issparse(X) else X
            hidden = np.zeros((len(dense), len(self.names)), dtype=bool)
            hidden[:, ~self._unknown] = True
            values = self._array(parts, hidden, dense.dtype, None)
            return np.where(np.isnan(dense), values, dense)
        values = self._cells_by_column(parts)
        series, frame, templates = [], X.narwhals, columns_of(self.template_)
        objects = {**self._objects, **classes_of_objects(X.native)}
        nowhere = np.zeros(len(X), dtype=bool)
        for i, (cells, own) in enumerate(zip(X.columns(), columns_of(frame), strict=True)):
            block, j = self._place[i]
            if cells.missing is not None and self._unknown[i]:
                template = template_for(own, cells, templates[i], self.columns_[i])
                filled = block.write(values[i], j, nowhere, template)
                own = fill(own, cells.missing, as_objects(filled, objects.get(i)))
            series.append(own)
        return make_frame(series, frame)

    def tabulate(self, values, rng=None):
        """Return the table whose cells are numbered so; `values` undone."""
        hidden = np.isnan(values[:, : len(self.names)])
        parts = self._parts(values)
        if self.template_ is None:
            return self._array(parts, hidden, np.float64, rng)
        return self._frame(parts, hidden, rng)

    def _parts(self, values):
        """Return the numbers of each block's cells; what stands for missing does not matter."""
        numbers, *others = (
            np.nan_to_num(values[:, block.features]) for block in self._blocks
        )
        levels = [part.round().astype(np.int64) for part in others]
        return [self.design_.numeric.to_whole(numbers), *levels]
