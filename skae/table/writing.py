"""Columns and frames written back, in the dtypes of any data frame library.

Columns come and go as narwhals' series. Before it is written a cell is a number (float64,
int64 or uint64), a time (datetime64 in UTC, or timedelta64) or an object.
"""

from datetime import date, datetime
from decimal import Decimal

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skae.table.bounds import into, with_none

# dtypes whose cells are of one sort: a column of one can hold what one of another does.
SORTS = (
    (nw.Datetime, nw.Date),
    (nw.Duration,),
    (nw.Boolean,),
    (nw.String, nw.Categorical, nw.Enum),
)


def as_series(values, missing, template):
    """Return a column of `values` with missing cells, of the dtype and library of `template`.

    Numbers are rounded where the dtype holds whole ones, and stay within its bounds.

    Parameters
    ----------
    values : ndarray of shape (n,)
    missing : ndarray of bool of shape (n,)
        What stands for a cell that is missing does not matter.
    template : narwhals.Series
    """
    native = template.to_native()
    if isinstance(native, pd.Series):
        column = _pandas(values, missing, native.dtype)
    elif template.implementation.is_pyarrow():
        from skae.table.writing_arrow import arrow_column

        column = arrow_column(values, missing, native.type)
    elif template.implementation.is_polars():
        from skae.table.writing_polars import polars_series

        column = polars_series(values, missing, native.dtype)
    else:
        cells = with_none(values, missing)
        return nw.new_series("", cells, template.dtype, backend=template.implementation)
    return nw.from_native(column, series_only=True)


def _pandas(values, missing, dtype):
    if isinstance(dtype, pd.ArrowDtype):
        from skae.table.writing_arrow import arrow_array

        cells = arrow_array(values, missing, dtype.pyarrow_dtype)
        return pd.Series(pd.arrays.ArrowExtensionArray(cells))
    if isinstance(dtype, pd.SparseDtype):
        dense = _pandas(values, missing, dtype.subtype)
        return dense.astype(pd.SparseDtype(dense.dtype, dtype.fill_value))
    if values.dtype.kind in "mM":
        return _pandas_times(values, missing, dtype)
    if values.dtype.kind == "O" and missing.all():
        nothing = pd.Series(np.full(len(values), None), dtype=object)
        return nothing.astype(_with_missing(dtype))
    of_numpy = getattr(dtype, "numpy_dtype", dtype)
    numbers = values.dtype.kind in "iuf" and isinstance(of_numpy, np.dtype)
    if numbers and of_numpy.kind in "iuf":
        values = into(values, of_numpy)
    column = pd.Series(values).astype(dtype)
    if not missing.any():
        return column
    # Masked, a column of the other byte order would lose it.
    return column.mask(missing).astype(_with_missing(dtype))


def _pandas_times(values, missing, dtype):
    column = pd.Series(np.where(missing, np.array("NaT", values.dtype), values))
    if isinstance(dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_localize("UTC").dt.tz_convert(dtype.tz)
    elif isinstance(dtype, pd.PeriodDtype):
        column = column.dt.to_period(dtype.freq)
    return column.astype(dtype)


def _with_missing(dtype):
    """Return the dtype, or the one of its missing cells where it has none."""
    if isinstance(dtype, np.dtype) and dtype.kind in "iub":
        return np.dtype(object if dtype.kind == "b" else np.float64)
    return dtype


def is_pandas_category(series):
    return isinstance(getattr(series.to_native(), "dtype", None), pd.CategoricalDtype)


# ------------------------------------------------------------------ columns of objects


def classes_of_objects(X):
    """Return what the objects of pandas columns are, where writing them back depends on it.

    Parameters
    ----------
    X : narwhals.DataFrame

    Returns
    -------
    classes : dict
        Of a column's position `Decimal`, `date`, or the frequency of periods.
    """
    native, classes = X.to_native(), {}
    if isinstance(native, pd.DataFrame):
        for i, dtype in enumerate(native.dtypes):
            if not isinstance(dtype, np.dtype) or dtype.kind != "O":
                continue
            cells = native.iloc[:, i].to_numpy()
            there = cells[~pd.isna(cells)]
            found = _class_of(there[0]) if len(there) else None
            if found is not None:
                classes[i] = found
    return classes


def _class_of(cell):
    if isinstance(cell, pd.Period):
        return cell.freq
    if isinstance(cell, date) and not isinstance(cell, datetime):
        return date
    return Decimal if isinstance(cell, Decimal) else None


def as_objects(series, found):
    """Return a column with objects of a class of `classes_of_objects`; None: as they are."""
    native = series.to_native()
    if found is None or native.dtype != object:
        return series
    if found is Decimal:
        cells = [cell if pd.isna(cell) else Decimal(repr(float(cell))) for cell in native]
    elif found is date:
        cells = [cell if pd.isna(cell) else cell.date() for cell in native]
    else:
        cells = [cell if pd.isna(cell) else pd.Period(cell, freq=found) for cell in native]
    return nw.from_native(pd.Series(cells, dtype=object), series_only=True)


# ------------------------------------------------------------------ columns of rows


def fill(series, missing, filled):
    """Return `series` with its missing cells taken from `filled`, a column of its library."""
    native = series.to_native()
    if isinstance(native, pd.Series):
        other = filled.to_native().set_axis(native.index)
        if missing.all():  # what its dtype is does not matter, nor whether it can be cast
            return nw.from_native(other.rename(native.name), series_only=True)
        own = native if native.dtype == other.dtype else native.astype(other.dtype)
        column = own.where(~missing, other).astype(other.dtype).rename(native.name)
        return nw.from_native(column, series_only=True)
    if series.implementation.is_pyarrow():
        from skae.table.writing_arrow import fill_arrow

        column = fill_arrow(native, missing, filled.to_native())
        return nw.from_native(column, series_only=True)
    there = nw.new_series("", ~missing, nw.Boolean, backend=series.implementation)
    return series.cast(filled.dtype).zip_with(there, filled)


def template_for(series, missing, template):
    """Return what tells the dtype with which missing cells of `series` are filled.

    That is `series`, unless all its cells are missing: then its dtype may be any, and is
    that of the fit, `template`, where it could not hold the same cells.
    """
    if not missing.all() or _sort_of(series.dtype) == _sort_of(template.dtype):
        return series
    if series.implementation is template.implementation:
        return template
    # Its library's nearest to the dtype of the fit.
    dtype = nw.String if template.dtype in (nw.Categorical, nw.Enum) else template.dtype
    return nw.new_series("", [], dtype, backend=series.implementation)


def _sort_of(dtype):
    if dtype.is_numeric():
        return "number"
    return next((sort for sort in SORTS if isinstance(dtype, sort)), dtype)


def nothing_like(series):
    """Return a series of missing cells of no particular kind, of the same library."""
    native = series.to_native()
    if isinstance(native, pd.Series):
        nothing = pd.Series(None, index=native.index, dtype=object)
        return nw.from_native(nothing, series_only=True)
    cells = [None] * len(series)
    return nw.new_series("", cells, nw.String, backend=series.implementation)


# ------------------------------------------------------------------ frames


def make_frame(series, template):
    """Return the series as a native frame with the column labels of `template`."""
    native, columns = template.to_native(), [s.to_native() for s in series]
    if template.implementation.is_pandas():
        frame = pd.concat(columns, axis=1)
        frame.columns = native.columns
        return frame
    named = dict(zip(template.columns, columns, strict=True))
    if template.implementation.is_polars() or template.implementation.is_pyarrow():
        # Not by narwhals, to which a column without a name has none.
        make = type(native) if template.implementation.is_polars() else native.from_pydict
        return make(named)
    return nw.from_dict(named, backend=template.implementation).to_native()
