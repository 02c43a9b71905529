"""Columns of any data frame library: what kind they are, and how their cells are read.

Columns come as narwhals' series.
"""

from numbers import Real

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skae.table.remedies import as_text


def kind_of(series, name):
    """Return "number", "date", "duration", "boolean", "category" or "empty".

    Raises
    ------
    ValueError
        If the column's cells are of a type that has no kind, or of several.
    """
    dtype = series.dtype
    if dtype.is_numeric():
        return "number"
    if isinstance(dtype, (nw.Datetime, nw.Date)):
        return "date"
    if isinstance(dtype, nw.Duration):
        return "duration"
    if dtype == nw.Boolean:
        return "boolean"
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        declared = dtype == nw.Enum or is_pandas_category(series)
        if declared and len(series.cat.get_categories()):
            return "category"
        return "empty" if series.is_null().all() else "category"
    cells = cells_of(series)
    cells = cells[~is_missing(series, cells)]
    if not len(cells):
        return "empty"
    types = {type(cell) for cell in cells}
    if all(issubclass(kind, (bool, np.bool_)) for kind in types):
        return "boolean"
    if all(issubclass(kind, Real) for kind in types):
        return "number"
    if all(issubclass(kind, str) for kind in types):
        return "category"
    found = " and ".join(sorted(kind.__name__ for kind in types))
    raise ValueError(
        f"Column {name!r} (dtype {dtype}) holds cells of type {found}. A column must hold "
        "numbers, booleans, text or categories, dates or durations, and only one of "
        f"these; convert it or leave it out first, for example with {as_text(series, name)}."
    )


def cells_of(series):
    """Return the cells as a numpy array."""
    if series.implementation.is_pyarrow() and series.dtype == nw.Categorical:
        series = series.cast(nw.String)  # a dictionary's missing cells come out wrong
    return series.to_numpy()


def is_missing(series, cells=None):
    """Return which cells are null, None, NaN, NA or NaT."""
    cells = cells_of(series) if cells is None else cells
    missing = series.is_null().to_numpy()
    if cells.dtype.kind == "f":
        missing = missing | np.isnan(cells)
    elif cells.dtype.kind == "O":
        missing = missing | pd.isna(cells)
    return missing


def column_of(X, i):
    """Return a column of a frame or an array as a series."""
    if isinstance(X, nw.DataFrame):
        return X[:, int(i)]
    return nw.new_series("", X[:, i], backend="pandas")


def declares_order(series):
    """Whether the dtype tells an order: ordered categories of pandas, Enums of polars."""
    return series.dtype == nw.Enum


def is_pandas_category(series):
    return isinstance(getattr(series.to_native(), "dtype", None), pd.CategoricalDtype)
