"""The cells of one column, whatever library it came in, as plain numpy arrays."""

from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skae.table.clocks import Clock


@dataclass(frozen=True, slots=True)
class Source:
    """Where cells come from, for messages.

    Attributes
    ----------
    name : label
        The column's.
    at : int
        The column's position.
    implementation : narwhals.Implementation
        The library.
    dtype : dtype
        The library's own.
    """

    name: Any
    at: int
    implementation: nw.Implementation
    dtype: Any


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of one column.

    Attributes
    ----------
    kind : {"number", "date", "duration", "boolean", "category", "empty"}
        What the dtype, or of Python objects the cells, say. "empty": nothing says it, and
        all cells are missing.
    data : ndarray of shape (n,)
        Numbers: integers, float32 or float64 (NaN: missing). Dates and durations: of
        numpy, in the unit of the dtype, in UTC if there is a time zone. Booleans. Of
        categories the positions of their `levels`, -1 for none. What stands for other
        cells that are missing is not defined.
    missing : ndarray of bool of shape (n,) or None
        None: nothing is missing.
    source : Source
    levels : pandas.Index or ndarray of object, or None
        What the cells of a category can be, no two alike; rows taken from others share
        theirs.
    declared : bool
        Whether the levels are those that the dtype declares, not those that are seen.
    ordered : bool
        Whether the dtype orders the levels.
    zone : tzinfo, str or None
        The time zone of dates.
    """

    kind: str
    data: np.ndarray
    missing: np.ndarray | None
    source: Source
    levels: Any = None
    declared: bool = False
    ordered: bool = False
    zone: Any = None

    def __len__(self):
        return len(self.data)

    def __getitem__(self, rows):
        """Return some of the cells: a view, if `rows` is a slice."""
        missing = None if self.missing is None else self.missing[rows]
        return Cells(
            self.kind,
            self.data[rows],
            missing,
            self.source,
            self.levels,
            self.declared,
            self.ordered,
            self.zone,
        )

    @property
    def all_missing(self):
        return self.missing is not None and bool(self.missing.all())

    def is_missing(self):
        """Return which cells are missing, ndarray of bool of shape (n,)."""
        return np.zeros(len(self), dtype=bool) if self.missing is None else self.missing

    def there(self):
        """Return the values that are not missing."""
        return self.data if self.missing is None else self.data[~self.missing]

    def floats(self):
        """Return numbers as float64 or float32, NaN where missing."""
        if self.data.dtype.kind == "f":
            return self.data
        values = self.data.astype(np.float64)
        if self.missing is not None:
            values[self.missing] = np.nan
        return values

    def local(self):
        """Return dates as clocks in their zone show them, and durations as they are."""
        return self.data if self.zone is None else Clock(self.zone).walls(self.data)

    def objects(self):
        """Return the cells as objects, None where missing; dates are of UTC."""
        if self.levels is not None:
            return np.append(np.asarray(self.levels, dtype=object), None)[self.data]
        cells = np.asarray(pd.Series(self.data), dtype=object)
        return np.where(self.is_missing(), None, cells)


def numbers(values, missing, source):
    """Return cells of numbers, or of times or durations of numpy without a zone."""
    kind = {"M": "date", "m": "duration"}.get(values.dtype.kind, "number")
    return Cells(kind, values, _if_any(missing), source)


def floats(values, source):
    """Return cells of floats, missing where NaN."""
    if values.dtype.itemsize not in (4, 8):
        values = values.astype(np.float32 if values.dtype.itemsize == 2 else np.float64)
    return Cells("number", values, _if_any(np.isnan(values)), source)


def times(values, source, zone=None):
    """Return cells of dates or durations, missing where NaT."""
    cells = numbers(values, np.isnat(values), source)
    return cells if zone is None else replace(cells, zone=zone)


def booleans(values, missing, source):
    return Cells("boolean", values, _if_any(missing), source)


def empty(n_rows, source):
    """Return cells that are all missing, of a dtype that says nothing."""
    return Cells("empty", np.full(n_rows, np.nan), np.ones(n_rows, dtype=bool), source)


def categories(codes, levels, source, declared=False, ordered=False):
    """Return cells of categories, missing where `codes` is -1."""
    if not len(levels):
        return empty(len(codes), source)
    if codes.dtype.itemsize == 8:
        codes = codes.astype(np.int32)
    missing = _if_any(codes < 0)
    if missing is not None and not declared and missing.all():
        return empty(len(codes), source)
    return Cells("category", codes, missing, source, levels, declared, ordered)


def _if_any(missing):
    return missing if missing is not None and missing.any() else None
