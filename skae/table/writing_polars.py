"""Columns written in the dtypes of polars."""

import numpy as np
import polars as pl

from skae.table.bounds import into, into_decimal, into_unit, with_none


def polars_series(values, missing, dtype):
    """Return a series of a dtype of polars.

    Parameters
    ----------
    values : ndarray of shape (n,)
    missing : ndarray of bool of shape (n,)
    dtype : polars.DataType
    """
    if missing.all():
        return pl.Series([None] * len(values), dtype=dtype)
    if values.dtype.kind == "O":
        return _objects(with_none(values, missing), dtype)
    if values.dtype.kind in "mM":
        values = _counts(np.where(missing, np.array(0, values.dtype), values), dtype)
    elif dtype.is_decimal():
        values = into_decimal(values, dtype.precision or 38, dtype.scale)
    elif dtype.is_numeric():
        name = str(dtype).lower()
        # numpy has no wider ones.
        values = into(values, np.dtype(name)) if hasattr(np, name) else values
    column = pl.Series(values)
    return (column.set(pl.Series(missing), None) if missing.any() else column).cast(dtype)


def _counts(values, dtype):
    """Return times as counts of the dtype's unit, which need no time zone."""
    unit = "D" if dtype == pl.Date else dtype.time_unit
    return into_unit(values, unit).view(np.int64)


def _objects(cells, dtype):
    if dtype == pl.Enum:
        levels = dtype.categories.to_list()
        more = sorted({cell for cell in cells if cell is not None}.difference(levels))
        dtype = pl.Enum([*levels, *more]) if more else dtype
    if dtype in (pl.Categorical, pl.Enum):
        return pl.Series(cells, dtype=pl.String).cast(dtype)
    return pl.Series(cells, dtype=dtype)
