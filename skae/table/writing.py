"""Columns and frames written back, in the dtypes of any data frame library.

Columns come and go as narwhals' series. Before it is written a cell is a number (float64,
int64 or uint64), a time (datetime64 in UTC, or timedelta64) or an object.
"""

from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from functools import partial

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skae.table.bounds import into, into_unit, with_none

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
    values = np.where(missing, np.array("NaT", values.dtype), values)
    if "[ns" in str(dtype):
        values = into_unit(values, "ns")
    column = pd.Series(values)
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
    X : data frame

    Returns
    -------
    classes : dict
        Of a column's position a key of `MAKERS`, the frequency of periods, or the smallest
        step of decimals.
    """
    classes = {}
    if isinstance(X, pd.DataFrame):
        for i, dtype in enumerate(X.dtypes):
            if not _is_object(dtype):
                continue
            cells = X.iloc[:, i].to_numpy()
            there = cells[~pd.isna(cells)]
            found = _class_of(there) if len(there) else None
            if found is not None:
                classes[i] = found
    return classes


def _is_object(dtype):
    return isinstance(dtype, np.dtype) and dtype.kind == "O"


def _class_of(cells):
    cell = cells[0]
    if isinstance(cell, pd.Period):
        return cell.freq
    if isinstance(cell, Decimal):
        return _step_of(cells)
    return type(cell) if type(cell) in MAKERS else None


def _step_of(cells):
    """Return one unit in the last digit of the decimals among objects, a Decimal."""
    exponents = (
        cell.as_tuple().exponent
        for cell in cells
        if isinstance(cell, Decimal) and cell.is_finite()
    )
    return Decimal((0, (1,), min(exponents, default=0)))


def _as_decimal(cell, step):
    """Return a number as a Decimal with the digits that `step` has."""
    cell = Decimal(repr(float(cell)))
    digits = max(cell.adjusted() - step.as_tuple().exponent + 1, 1)
    return cell.quantize(step, context=Context(prec=digits + 1))


def _as_integer(cell):
    return int(cell) if float(cell).is_integer() else cell


# Of a number, a Timestamp or a Timedelta.
MAKERS = {
    int: _as_integer,
    date: pd.Timestamp.date,
    datetime: pd.Timestamp.to_pydatetime,
    timedelta: pd.Timedelta.to_pytimedelta,
}


def as_objects(series, found):
    """Return a column with objects of a class of `classes_of_objects`; None: as they are."""
    native = series.to_native()
    if found is None or not _is_object(native.dtype):
        return series
    make = MAKERS.get(found)
    if isinstance(found, Decimal):
        make = partial(_as_decimal, step=found)
    elif make is None:
        make = partial(pd.Period, freq=found)
    cells = [cell if pd.isna(cell) else make(cell) for cell in native]
    return nw.from_native(pd.Series(cells, dtype=object), series_only=True)


# ------------------------------------------------------------------ columns of rows


def fill(series, missing, filled):
    """Return `series` with its missing cells taken from `filled`, a column of its library."""
    native = series.to_native()
    if isinstance(native, pd.Series):
        other = filled.to_native().set_axis(native.index)
        if missing.all():  # its own dtype may be any
            cells = other.array
        elif isinstance(native.dtype, pd.ArrowDtype) and native.dtype == other.dtype:
            cells = _fill_arrow_of_pandas(native, missing, other)
        else:
            own = native if native.dtype == other.dtype else native.astype(other.dtype)
            cells = own.where(~missing, other).array.astype(other.dtype)
        column = pd.Series(cells, native.index, other.dtype, native.name)
        return nw.from_native(column, series_only=True)
    if missing.all():
        return filled
    if series.implementation.is_pyarrow():
        from skae.table.writing_arrow import fill_arrow

        column = fill_arrow(native, missing, filled.to_native())
        return nw.from_native(column, series_only=True)
    there = nw.new_series("", ~missing, nw.Boolean, backend=series.implementation)
    return series.cast(filled.dtype).zip_with(there, filled)


def _fill_arrow_of_pandas(native, missing, other):
    """Return the cells of a pandas column, some of whose types pandas cannot handle."""
    from skae.table.writing_arrow import as_chunks, fill_arrow

    pair = (as_chunks(column.array.__arrow_array__()) for column in (native, other))
    return pd.arrays.ArrowExtensionArray(fill_arrow(next(pair), missing, next(pair)))


def template_for(series, cells, template, column):
    """Return what tells the dtype with which missing cells of `series` are filled.

    That is `series`, unless all its `Cells` are missing: then its dtype may be any, and is
    that of the fit, `template`, where it could not hold cells of the kind of `column`.
    """
    if not cells.all_missing or cells.kind == column.kind:
        return series
    sort = _sort_of(series.dtype)
    if sort != nw.Unknown and sort == _sort_of(_dtype_of(column)):
        return series
    if series.implementation is template.implementation:
        return template
    # Its library's nearest to the dtype of the fit.
    dtype = template.dtype
    if dtype in (nw.Categorical, nw.Enum, nw.Unknown, nw.Object):
        dtype = _dtype_of(column)
    return nw.new_series("", [], dtype, backend=series.implementation)


def _dtype_of(column):
    """Return the dtype of narwhals for what a column reads."""
    if column.kind == "date":
        zone = None if column.zone is None else str(column.zone)
        return nw.Datetime("us", zone)
    return {
        "number": nw.Float64(),
        "duration": nw.Duration("us"),
        "boolean": nw.Boolean(),
    }.get(column.kind, nw.String())


def _sort_of(dtype):
    if dtype.is_numeric():
        return "number"
    return next((sort for sort in SORTS if isinstance(dtype, sort)), dtype)


def template_of_levels(template, columns):
    """Return a frame without rows whose categories are levels that columns know.

    Parameters
    ----------
    template : narwhals.DataFrame without rows
    columns : list
        What reads each column, with its `levels`, if it has any.
    """
    series = []
    for own, column in zip(columns_of(template), columns, strict=True):
        known, native = getattr(column, "levels", ()), own.to_native()
        if is_pandas_category(own):
            kept = native.dtype.categories[native.dtype.categories.isin(known)]
            dtype = pd.CategoricalDtype(kept, native.dtype.ordered)
            own = nw.from_native(native.astype(dtype), series_only=True)
        elif isinstance(own.dtype, nw.Enum):
            dtype = nw.Enum([level for level in own.dtype.categories if level in known])
            own = nw.new_series(own.name, [], dtype, backend=own.implementation)
        elif own.dtype == nw.Categorical:
            own = own.cast(nw.String).cast(nw.Categorical)
        series.append(own)
    return nw.from_native(make_frame(series, template), eager_only=True)


def nothing_like(series):
    """Return a series of missing cells of no particular kind, of the same library."""
    native = series.to_native()
    if isinstance(native, pd.Series):
        nothing = pd.Series(None, index=native.index, dtype=object)
        return nw.from_native(nothing, series_only=True)
    cells = [None] * len(series)
    return nw.new_series("", cells, nw.String, backend=series.implementation)


# ------------------------------------------------------------------ frames


def columns_of(frame):
    """Return the columns of a narwhals.DataFrame, list of narwhals.Series.

    pandas and narwhals look for every column among all, by its label.
    """
    native = frame.to_native()
    if isinstance(native, pd.DataFrame):
        native = native.copy(deep=False)
        labels, native.columns = native.columns, range(native.shape[1])
        columns = [
            column.rename(label)
            for label, (_, column) in zip(labels, native.items(), strict=True)
        ]
    elif frame.implementation.is_polars():
        columns = native.get_columns()
    elif frame.implementation.is_pyarrow():
        columns = native.columns
    else:
        return list(frame.iter_columns())
    return [nw.from_native(column, series_only=True) for column in columns]


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
