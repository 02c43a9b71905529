"""Numbers of wide frames of few rows, which to take apart takes longer than all else."""

import sys

import numpy as np
import pandas as pd

from skae.table.bounds import EXACT

# From so many columns, and up to so many rows, numbers are read as a matrix.
WIDE, FEW = 64, 4096
FLOATS = {"float32", "float64"}
INTEGERS = {f"{sign}{width}" for sign in ("int", "uint") for width in (8, 16, 32, 64)}


def read_matrix(native):
    """Return numbers of a frame side by side.

    Parameters
    ----------
    native : data frame

    Returns
    -------
    columns : ndarray of int of shape (n_columns,)
        Column numbers, rising.
    values : ndarray of float32 or float64 of shape (n_samples, n_columns)
        Their cells, NaN where missing.
    """
    if isinstance(native, pd.DataFrame):
        dtypes, take = native.dtypes.tolist(), _take_pandas
    elif type(native).__module__.startswith("polars."):
        dtypes, take = native.dtypes, _take_polars
    elif type(native).__module__.startswith("pyarrow."):
        dtypes, take = native.schema.types, _take_arrow
    else:
        dtypes, take = [], None
    named = {dtype: _name(dtype) for dtype in set(dtypes)}
    names = [named[dtype] for dtype in dtypes]
    columns = np.array([i for i, name in enumerate(names) if name], dtype=np.int64)
    if not len(columns):
        return columns, np.empty((len(native), 0))
    narrow = all(names[i] == "float32" for i in columns)
    values = take(native, columns).astype(np.float32 if narrow else np.float64, copy=False)
    # Integers beyond are left out: float64 skips some of them.
    whole = np.array([names[i] in INTEGERS for i in columns])
    with np.errstate(invalid="ignore"):
        kept = ~(whole & (np.abs(values) >= EXACT).any(axis=0))
    return (columns, values) if kept.all() else (columns[kept], values[:, kept])


def _name(dtype):
    """Return the name of a dtype of numbers, as numpy has it; "" for others."""
    if isinstance(dtype, np.dtype):
        return dtype.name if dtype.isnative and dtype.name in FLOATS | INTEGERS else ""
    if isinstance(dtype, pd.api.extensions.ExtensionDtype):
        return ""
    name = {"float": "float32", "double": "float64"}.get(str(dtype), str(dtype).lower())
    return name if name in FLOATS | INTEGERS else ""


def _take_pandas(native, columns):
    if len(columns) < native.shape[1]:
        native = native.iloc[:, columns]

    return (
        native.to_numpy(dtype=np.float64)
        if len(set(native.dtypes)) > 1
        else native.to_numpy()
    )


def _take_polars(native, columns):
    if len(columns) < native.width:
        names = native.columns
        native = native.select([names[i] for i in columns])
    return native.to_numpy()


def _take_arrow(native, columns):
    taken = native.columns
    pa, values = sys.modules["pyarrow"], np.empty((native.num_rows, len(columns)))
    for j, i in enumerate(columns):
        column = taken[i]
        if column.null_count and pa.types.is_integer(column.type):
            column = column.cast(pa.float64(), safe=False)
        values[:, j] = column.to_numpy()
    return values
