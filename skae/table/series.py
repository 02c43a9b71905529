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


def fill(series, missing, filled):
    """Return `series` with its missing cells taken from `filled`."""
    native = series.to_native()
    if filled.implementation is not series.implementation:
        cells = filled.to_list()
        filled = nw.new_series("", cells, series.dtype, backend=series.implementation)
    if isinstance(native, pd.Series):
        other = filled.to_native().set_axis(native.index).astype(native.dtype)
        return nw.from_native(native.where(~missing, other), series_only=True)
    there = nw.new_series("", ~missing, nw.Boolean, backend=series.implementation)
    return series.zip_with(there, filled.cast(series.dtype))


def nothing_like(series):
    """Return a series of missing cells of no particular kind, of the same library."""
    native = series.to_native()
    if isinstance(native, pd.Series):
        nothing = pd.Series(None, index=native.index, dtype=object)
        return nw.from_native(nothing, series_only=True)
    cells = [None] * len(series)
    return nw.new_series("", cells, nw.String, backend=series.implementation)


def make_frame(series, template):
    """Return the series as a native frame with the column labels of `template`."""
    native = template.to_native()
    if template.implementation.is_pandas():
        frame = pd.concat([s.to_native() for s in series], axis=1)
        frame.columns = native.columns
        return frame
    named = {n: s.to_native() for n, s in zip(template.columns, series, strict=True)}
    return nw.from_dict(named, backend=template.implementation).to_native()


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


def as_series(values, missing, template):
    """Return a column of `values` with missing cells, of the dtype and library of `template`."""
    native = template.to_native()
    if isinstance(native, pd.Series):
        column = pd.Series(values)
        if missing.any():
            column = column.astype(object).where(~missing, None)
            if values.dtype.kind in "mM":
                column = pd.Series(np.where(missing, np.array("NaT", values.dtype), values))
            elif values.dtype.kind == "f":
                column = pd.Series(np.where(missing, np.nan, values))
        dtype = native.dtype
        if isinstance(dtype, pd.DatetimeTZDtype):
            column = column.dt.tz_localize("UTC").dt.tz_convert(dtype.tz)
        if missing.any() and isinstance(dtype, np.dtype) and dtype.kind in "iub":
            dtype = object if dtype.kind == "b" else float  # which hold missing cells
        return nw.from_native(column.astype(dtype), series_only=True)
    cells = [
        None if gone else cell for cell, gone in zip(values.tolist(), missing, strict=True)
    ]
    dtype = template.dtype
    backend = template.implementation
    text = dtype in (nw.String, nw.Categorical)
    if values.dtype.kind in "mM":
        cells = np.where(missing, np.array("NaT", values.dtype), values)
        column = nw.new_series("", cells, backend=backend)
        zone = getattr(dtype, "time_zone", None)
        if zone is not None:
            column = column.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
        return column.cast(dtype)
    if template.implementation.is_pyarrow():
        column = nw.new_series("", cells, nw.String if text else dtype, backend=backend)
        column = column.to_native().cast(native.type)
        return nw.from_native(column, series_only=True)
    if dtype == nw.Categorical:
        return nw.new_series("", cells, nw.String, backend=backend).cast(dtype)
    return nw.new_series("", cells, dtype, backend=backend)
