"""Which reader takes a column."""

import narwhals.stable.v2 as nw
import pandas as pd

from skae.table.cells import Source
from skae.table.reading.arrow import read_arrow
from skae.table.reading.pandas import read_numpy, read_pandas
from skae.table.reading.polars import read_polars

PANDAS = nw.Implementation.PANDAS


def read_cells(column, name, at=0, implementation=PANDAS):
    """Return the cells of a native column.

    Parameters
    ----------
    column : Series of pandas or polars, array of pyarrow, or what narwhals reads
    name : label
    at : int, default=0
        The column's position.
    implementation : narwhals.Implementation, default=PANDAS

    Returns
    -------
    cells : Cells

    Raises
    ------
    ValueError
        If the column's dtype, or the type of a cell, is none that a column may have.
    """
    if isinstance(column, pd.Series):
        return read_pandas(column, Source(name, at, implementation, column.dtype))
    if implementation.is_polars():
        return read_polars(column, Source(name, at, implementation, column.dtype))
    if implementation.is_pyarrow():
        return read_arrow(column, Source(name, at, implementation, column.type))
    series = nw.from_native(column, series_only=True)
    source = Source(name, at, implementation, series.dtype)
    if implementation.is_pandas_like():
        return read_pandas(series.to_pandas(), source)
    return read_arrow(series.to_arrow(), source)


def read_numbers(values, name, at=0):
    """Return the cells of an array of numbers, shape (n,)."""
    return read_numpy(values, Source(name, at, PANDAS, values.dtype))
