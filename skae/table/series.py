"""Columns of any data frame library, as narwhals' series: how they are written."""

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd


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
