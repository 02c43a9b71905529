"""Columns whose values tell of single rows, and are not to be given out with sampled ones."""

from itertools import count

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skae.table.frame import Frame
from skae.table.writing import as_series, columns_of, is_pandas_category, make_frame

# float64 holds all whole numbers of so many digits.
MOST_DIGITS = 15


def conceal(table, rows, revealed=frozenset()):
    """Return sampled rows with made-up values in columns that hold identifiers.

    Text becomes the column's name and a number, "name_1", "name_2" and so on; numbers
    become other numbers, beyond all of the column's; dates, and numbers where the dtype has
    no room beyond, become missing. Cells that are
    missing stay so.

    Parameters
    ----------
    table : TableEncoder
        What the rows were decoded by.
    rows : ndarray or native data frame of shape (n_samples, n_features)
        In the columns of the fit.
    revealed : set of int, default=frozenset()
        Columns that stay as they are.

    Returns
    -------
    rows : ndarray or native data frame
        `rows` itself, if there is nothing to conceal. An Enum, or the dtype of a category
        of pandas, has the made-up values for levels: the others would be the real ones.
    """
    private = {
        i: block.readers[j]
        for i in np.flatnonzero(table.identifiers_ & ~table.empty_).tolist()
        for block, j in [table.place_of(i)]
        if i not in revealed
    }
    if not private:
        return rows
    if isinstance(rows, np.ndarray):
        rows = rows.copy()
        for i, reader in private.items():
            values, missing = _make_up(reader, np.isnan(rows[:, i]))
            rows[:, i] = np.where(missing, np.nan, values)
        return rows
    frame, templates = nw.from_native(rows, eager_only=True), columns_of(table.template_)
    columns, cells = columns_of(frame), Frame.of(rows)
    for i, reader in private.items():
        made_up = _make_up(reader, cells.column(i).is_missing())
        columns[i] = _write(*made_up, templates[i])
        if isinstance(rows, pd.DataFrame):
            series = columns[i].to_native().set_axis(rows.index)
            columns[i] = nw.from_native(series, series_only=True)
    return make_frame(columns, frame)


def _make_up(reader, missing):
    """Return values that no row holds, and which cells are missing."""
    levels = np.asarray(reader.levels.to_numpy(), dtype=object)
    numbers = np.arange(1, len(missing) + 1)
    if not len(levels):  # forgotten, and all cells with them
        is_text = not isinstance(reader.levels.dtype, np.dtype) or (
            reader.levels.dtype.kind == "O"
        )
        missing = np.zeros(len(missing), dtype=bool)
        if not is_text or isinstance(reader.levels, pd.DatetimeIndex):
            return np.zeros(len(missing)), ~missing
    if all(isinstance(level, str) for level in levels):
        known = set(levels)
        for n_times in count():
            values = [f"{'synthetic_' * n_times}{reader.name}_{i}" for i in numbers]
            if known.isdisjoint(values):
                return np.array(values, dtype=object), missing
    if reader.levels.dtype.kind in "iuf":
        # The column's largest number is not given out either.
        n_digits = len(str(int(np.abs(reader.levels).max())))
        if n_digits <= MOST_DIGITS:
            return 10**n_digits + numbers - 1, missing
    return np.zeros(len(missing)), np.ones(len(missing), dtype=bool)


def _write(values, missing, template):
    if missing.all():
        return as_series(np.full(len(values), None, dtype=object), missing, template)
    if is_pandas_category(template):
        ordered = template.to_native().dtype.ordered
        dtype = pd.CategoricalDtype(values[~missing], ordered)
        cells = pd.Categorical(np.where(missing, None, values), dtype=dtype)
        return nw.from_native(pd.Series(cells), series_only=True)
    if template.dtype == nw.Enum:
        cells = [
            None if gone else value for value, gone in zip(values, missing, strict=True)
        ]
        dtype = nw.Enum(values[~missing].tolist())
        return nw.new_series("", cells, dtype, backend=template.implementation)
    series = as_series(values, missing, template)
    if values.dtype.kind == "i" and not (missing | (series.to_numpy() == values)).all():
        return _write(values, np.ones_like(missing), template)  # too large for the dtype
    return series
