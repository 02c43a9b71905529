"""Columns of pandas."""

import numpy as np
import pandas as pd

from skae.table.cells import booleans, categories, empty, floats, numbers, times
from skae.table.reading.arrow import read_arrow
from skae.table.reading.objects import read_objects
from skae.table.reading.periods import read_periods
from skae.table.reading.refusal import refuse

# In pandas >= 3 there is a second one, `na_value=nan`, of the same class.
TEXT = pd.StringDtype


def read_pandas(series, source):
    """Return the cells of a Series."""
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return read_numpy(series.to_numpy(), source)
    if isinstance(dtype, TEXT):
        codes, levels = series.array.factorize()
        return categories(codes, levels.to_numpy(dtype=object), source)
    if isinstance(dtype, pd.CategoricalDtype):
        codes, levels = series.array.codes, dtype.categories
        return categories(codes, levels, source, declared=True, ordered=dtype.ordered)
    if isinstance(dtype, pd.DatetimeTZDtype):
        # In UTC.
        return times(series.to_numpy(dtype=f"M8[{dtype.unit}]"), source, dtype.tz)
    if isinstance(dtype, pd.SparseDtype):
        return read_numpy(np.asarray(series.array), source)
    if isinstance(dtype, pd.PeriodDtype):
        return read_periods(series.array, source)
    if isinstance(dtype, pd.ArrowDtype):
        return read_arrow(series.array.__arrow_array__(), source)
    if isinstance(getattr(dtype, "numpy_dtype", None), np.dtype):
        return _read_masked(series.array, dtype.numpy_dtype, source)
    return empty(len(series), source) if series.isna().all() else refuse(source)


def read_numpy(values, source):
    """Return the cells of an array of one dimension."""
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    kind = values.dtype.kind
    if kind == "f":
        return floats(values, source)
    if kind in "iu":
        return numbers(values, None, source)
    if kind == "b":
        return booleans(values, None, source)
    if kind in "mM":
        return times(values, source)
    if kind == "O":
        return read_objects(values, source)
    return empty(len(values), source) if pd.isna(values).all() else refuse(source)


def _read_masked(array, dtype, source):
    """Return the cells of an array of numbers or booleans that has a mask."""
    if dtype.kind == "f":
        return floats(array.to_numpy(dtype=dtype, na_value=np.nan), source)
    make = booleans if dtype.kind == "b" else numbers
    return make(array.to_numpy(dtype=dtype, na_value=0), array.isna(), source)
