"""Columns of Python objects: what they hold, their cells say."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd

from skae.table.cells import booleans, categories, empty, floats, numbers, times
from skae.table.reading.periods import periods_of, read_periods
from skae.table.reading.refusal import refuse, refuse_objects

NUMBERS = (Real, Decimal)
INTEGERS = (int, np.integer)


def read_objects(values, source):
    """Return the cells of an array of objects.

    None, NaN, NA and NaT are missing; all others must be of one kind.
    """
    missing = pd.isna(values)
    # Told in one pass, for the kind of column that is by far the most frequent.
    if pd.api.types.infer_dtype(values, skipna=True) == "string":
        return _read_text(values, missing, source)
    there = values[~missing]
    types = set(map(type, there))
    for kinds, read in READERS.items():
        if all(issubclass(found, kinds) for found in types):
            return read(values, missing, source)
    return refuse_objects(source, types)


def _read_empty(values, missing, source):
    return empty(len(values), source)


def _read_text(values, missing, source):
    codes, levels = pd.factorize(values)
    return categories(codes, np.asarray(levels, dtype=object), source)


def _read_booleans(values, missing, source):
    return booleans(np.where(missing, False, values).astype(bool), missing, source)


def _read_numbers(values, missing, source):
    there = values[~missing]
    if all(isinstance(cell, INTEGERS) for cell in there):
        try:
            return numbers(np.where(missing, 0, values).astype(np.int64), missing, source)
        except OverflowError:
            pass
    try:
        return floats(np.where(missing, np.nan, values).astype(np.float64), source)
    except OverflowError:
        largest = max(there, key=abs)
        raise ValueError(
            f"Column {source.name!r} holds a number of {len(str(abs(largest)))} digits, "
            "which is beyond float64; divide the column by a constant first."
        ) from None


def _read_dates(values, missing, source):
    there = values[~missing]
    if any(getattr(cell, "tzinfo", None) is not None for cell in there):
        return refuse(source, "datetime with a time zone", "zoned")
    if all(type(cell) is date for cell in there):
        unit = "D"
    else:
        # Stamps of pandas may be finer than those of Python.
        fine = any(getattr(cell, "nanosecond", 0) for cell in there)
        unit = "ns" if fine else "us"
    cells = np.full(len(values), np.datetime64("NaT"), dtype=f"M8[{unit}]")
    cells[~missing] = [_as_numpy(cell, unit) for cell in there]
    return times(cells, source)


def _read_durations(values, missing, source):
    there = values[~missing]
    fine = any(getattr(cell, "nanoseconds", 0) for cell in there)
    unit = "ns" if fine else "us"
    cells = np.full(len(values), np.timedelta64("NaT"), dtype=f"m8[{unit}]")
    cells[~missing] = [_as_numpy(cell, unit) for cell in there]
    return times(cells, source)


def _as_numpy(cell, unit):
    if isinstance(cell, (pd.Timestamp, pd.Timedelta)):
        cell = cell.to_numpy()
    make = (
        np.timedelta64 if isinstance(cell, (timedelta, np.timedelta64)) else np.datetime64
    )
    return make(cell, unit)


def _read_periods(values, missing, source):
    try:
        array = periods_of(np.where(missing, None, values))
    except (ValueError, TypeError):  # since pandas 3 the latter
        return refuse(source, "Period, of several frequencies")
    return read_periods(array, source)


# In this order: a boolean is a number as well, and `date` comes before none other.
READERS = {
    (): _read_empty,
    (bool, np.bool_): _read_booleans,
    NUMBERS: _read_numbers,
    (str,): _read_text,
    (date, datetime, np.datetime64): _read_dates,
    (timedelta, np.timedelta64): _read_durations,
    (pd.Period,): _read_periods,
}
