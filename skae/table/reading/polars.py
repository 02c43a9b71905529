"""Columns of polars."""

import sys

import numpy as np
import pandas as pd

from skae.table.cells import booleans, categories, empty, floats, numbers, times
from skae.table.reading.refusal import refuse


def read_polars(series, source):
    """Return the cells of a Series."""
    pl, dtype = sys.modules["polars"], series.dtype
    if dtype.is_float():
        return floats(series.to_numpy(), source)
    if dtype.is_integer():
        return _read_integers(pl, series, source)
    if dtype == pl.Boolean:
        return booleans(*_filled(series, False), source)
    if dtype == pl.String or dtype == pl.Categorical:
        codes, levels = pd.factorize(series.cast(pl.String).to_numpy())
        return categories(codes, levels, source)
    if dtype.is_temporal() and dtype != pl.Time:
        return _read_times(pl, series, source)
    if dtype == pl.Enum:
        codes = series.to_physical().cast(pl.Int32).fill_null(-1).to_numpy()
        levels = np.array(dtype.categories.to_list(), dtype=object)
        return categories(codes, levels, source, declared=True, ordered=True)
    if dtype == pl.Decimal:
        return floats(series.cast(pl.Float64).to_numpy(), source)
    nothing = series.null_count() == len(series)
    return empty(len(series), source) if nothing else refuse(source)


def _filled(series, value):
    """Return the cells as an array, with `value` where they are missing, and where."""
    if not series.null_count():
        return series.to_numpy(), None
    return series.fill_null(value).to_numpy(), series.is_null().to_numpy()


def _read_integers(pl, series, source):
    # Which not all versions have.
    wide = (getattr(pl, name, None) for name in ("Int128", "UInt128"))
    if any(dtype is not None and series.dtype == dtype for dtype in wide):
        narrow = series.cast(pl.Int64, strict=False)
        if narrow.null_count() > series.null_count():
            return floats(series.cast(pl.Float64).to_numpy(), source)
        series = narrow
    return numbers(*_filled(series, 0), source)


def _read_times(pl, series, source):
    dtype, days = series.dtype, series.dtype == pl.Date
    letter = "m8" if dtype == pl.Duration else "M8"
    steps, missing = _filled(series.to_physical(), 0)
    values = steps.astype(np.int64, copy=False).view(
        f"{letter}[{'D' if days else dtype.time_unit}]"
    )
    if missing is not None:
        values = np.where(missing, values.dtype.type("NaT"), values)
    return times(values, source, getattr(dtype, "time_zone", None))
