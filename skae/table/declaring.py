"""Frames that say what was learned of all rows, for those who learn from a part of them."""

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skae.table.frame import Frame
from skae.table.level_column import LevelColumn
from skae.table.writing import is_pandas_category, make_frame, nothing_like


def declare(table, X, levels=True):
    """Return rows whose columns of text say in their dtype what levels there are.

    Columns that are left out become empty.

    Parameters
    ----------
    table : TableEncoder
        Fitted to all rows.
    X : ndarray, csr matrix or Frame
        Some of the rows.
    levels : bool, default=True
        Whether to say it.
    """
    left_out = table.identifiers_ & table.empty_
    if table.template_ is None:
        return np.where(left_out, np.nan, X) if left_out.any() else X
    if not (levels or left_out.any()):
        return X
    rows = X.narwhals
    series = [
        nothing_like(rows[:, i])
        if left_out[i]
        else (_declared(rows[:, i], column) if levels else rows[:, i])
        for i, column in enumerate(table.columns_)
    ]
    return Frame(make_frame(series, rows))


def _declared(series, column):
    text = isinstance(column, LevelColumn) and series.dtype in (nw.String, nw.Categorical)
    if not text or is_pandas_category(series) or not len(column.levels):
        return series
    if series.implementation.is_pyarrow():  # has no such dtype
        return series
    if (
        series.implementation.is_pandas()
    ):  # whose Enums, to narwhals, are ordered categories
        dtype = pd.CategoricalDtype(column.levels)
        return nw.from_native(series.to_native().astype(dtype), series_only=True)
    return series.cast(nw.Enum(column.levels.to_list()))
