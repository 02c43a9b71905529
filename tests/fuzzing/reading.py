"""What a table of any library holds, read without skae."""

from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import scipy.sparse as sp

OF_ARROW = (pa.Table, pa.RecordBatch)


def is_frame(X):
    return isinstance(X, (pd.DataFrame, pl.DataFrame, *OF_ARROW))


def count_rows(X):
    return X.shape[0] if is_frame(X) or hasattr(X, "dtype") else len(X)


def labels_of(X):
    return X.schema.names if isinstance(X, OF_ARROW) else X.columns


def dtypes_of(X):
    if isinstance(X, OF_ARROW):
        return list(X.schema.types)
    return list(X.dtypes)


def columns_of(X):
    """Return the cells of every column of a frame as lists, None where missing."""
    if isinstance(X, pd.DataFrame):
        lists = [X.iloc[:, i].tolist() for i in range(X.shape[1])]
    elif isinstance(X, pl.DataFrame):
        lists = [_in_python(c.to_list, c.to_physical) for c in X.get_columns()]
    else:
        lists = [_in_python(c.to_pylist, partial(c.cast, "int64")) for c in X.columns]
    return [[None if is_missing(cell) else cell for cell in cells] for cells in lists]


def _in_python(convert, as_integers):
    """Return cells as Python's objects, or integers where these have no such year."""
    try:
        return convert()
    except (ValueError, OverflowError):
        numbers = as_integers()
        return numbers.to_pylist() if hasattr(numbers, "to_pylist") else numbers.to_list()


def is_missing(cell):
    return cell is None or bool(np.ndim(cell) == 0 and pd.isna(cell))


def fingerprint(X):
    """Return what tells whether a table has been changed."""
    if isinstance(X, pd.DataFrame):
        return repr((columns_of(X), list(X.dtypes), X.index.tolist(), X.columns.tolist()))
    if is_frame(X):
        return repr((columns_of(X), X.schema))
    if sp.issparse(X):
        return X.format, X.shape, X.toarray().tobytes()
    if isinstance(X, np.ndarray):
        mask = np.ma.getmaskarray(X).tobytes() if np.ma.isMA(X) else None
        return X.dtype, X.shape, X.strides, repr(X.tolist()), mask
    return repr(X)
