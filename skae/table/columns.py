"""One column of a data frame: what kind it is, and its cells as numbers and back.

A column is read into float64 values (NaN: missing) or into level numbers, and written
back into a column of the dtype and the library that was fitted.
"""

from numbers import Real

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

# Level numbers of cells that hold no known level.
MISSING, UNKNOWN = -1, -2
# Distances beyond this may not fit into 64 bits.
FAR = 2.0**62
# Whole numbers below this are far from where float64 skips some.
EXACT = 2**52


def kind_of(series, name):
    """Return "number", "date", "duration", "boolean", "category" or "empty".

    Raises
    ------
    ValueError
        If the column's cells are of a type that has no kind, or of several.
    """
    dtype = series.dtype
    if dtype.is_numeric():
        return "number"
    if isinstance(dtype, (nw.Datetime, nw.Date)):
        return "date"
    if isinstance(dtype, nw.Duration):
        return "duration"
    if dtype == nw.Boolean:
        return "boolean"
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        declared = dtype == nw.Enum or is_pandas_category(series)
        if declared and len(series.cat.get_categories()):
            return "category"
        return "empty" if series.is_null().all() else "category"
    cells = cells_of(series)
    cells = cells[~is_missing(series, cells)]
    if not len(cells):
        return "empty"
    types = {type(cell) for cell in cells}
    if all(issubclass(kind, (bool, np.bool_)) for kind in types):
        return "boolean"
    if all(issubclass(kind, Real) for kind in types):
        return "number"
    if all(issubclass(kind, str) for kind in types):
        return "category"
    found = " and ".join(sorted(kind.__name__ for kind in types))
    raise ValueError(
        f"Column {name!r} (dtype {dtype}) holds cells of type {found}. A column must hold "
        "numbers, booleans, text or categories, dates or durations, and only one of "
        "these; convert it first, for example with astype(str) or pandas.to_datetime."
    )


def cells_of(series):
    """Return the cells as a numpy array."""
    if series.implementation.is_pyarrow() and series.dtype == nw.Categorical:
        series = series.cast(nw.String)  # a dictionary's missing cells come out wrong
    return series.to_numpy()


def is_missing(series, cells=None):
    """Return which cells are null, None, NaN, NA or NaT."""
    cells = cells_of(series) if cells is None else cells
    missing = series.is_null().to_numpy()
    if cells.dtype.kind == "f":
        missing = missing | np.isnan(cells)
    elif cells.dtype.kind == "O":
        missing = missing | pd.isna(cells)
    return missing


class EmptyColumn:
    """A column whose cells are all missing in fit: it says nothing, and stays missing."""

    def __init__(self, name, kind):
        self.name, self.kind = name, kind

    def learn(self, series):
        pass

    def read(self, series):
        return np.full(len(series), np.nan)

    def write(self, values, missing, template):
        return _series(np.full(len(values), None, dtype=object), missing, template)


class NumberColumn:
    """Numbers, dates and durations.

    Whole numbers and times are read as their distance from the first one seen, which
    float64 holds exactly where the number itself may not be; they are written back as
    multiples of the largest step that all of them share (dates of whole days come back
    as whole days).
    """

    def __init__(self, name, kind):
        self.name, self.kind = name, kind
        self.whole, self.base, self.step = None, None, 0

    def learn(self, series):
        """Learn from the cells what is needed to write them back."""
        cells = _whole_cells(series, self.kind)
        if self.whole is None:
            self.whole = cells is not None
            self.unit = cells.dtype if self.whole and cells.dtype.kind in "mM" else None
        if not self.whole or cells is None:
            return
        there = ~is_missing(series)
        bits = self._bits(cells)[there]
        if not len(bits):
            return
        if self.base is None:
            # Numbers that float64 holds exactly stay what they are: a likelihood needs that.
            exact = self.kind == "number" and np.all(
                np.abs(cells[there].astype(np.float64)) < EXACT
            )
            self.base = np.uint64(0) if exact else bits[0]
        steps = (bits - self.base).view(np.int64)
        self.step = int(np.gcd(self.step, np.gcd.reduce(steps)))
        if self.kind == "number":
            self.step = 1

    def _bits(self, cells):
        """Return whole cells as uint64, whose differences wrap and thus cannot overflow."""
        if self.unit is not None:
            return self._in_unit(cells).view(np.uint64)
        return cells.astype(np.uint64, casting="unsafe")

    def _in_unit(self, cells):
        """Return times in the unit of the fit."""
        times = cells.astype(self.unit)
        finer = np.timedelta64(1, np.datetime_data(self.unit)[0]) < np.timedelta64(
            1, np.datetime_data(cells.dtype)[0]
        )
        if finer:
            lost = np.flatnonzero((times.astype(cells.dtype) != cells) & ~np.isnat(cells))
            if len(lost):
                raise ValueError(
                    f"Column {self.name!r} holds {cells[lost[0]]} in row {lost[0]}, which "
                    f"{self.unit}, its dtype in fit, cannot represent; set such cells to "
                    "missing, or fit on a coarser unit."
                )
        return times

    def read(self, series):
        """Return the cells as float64, NaN where missing."""
        missing = is_missing(series)
        cells = _whole_cells(series, self.kind) if self.base is not None else None
        if cells is not None:
            values = (self._bits(cells) - self.base).view(np.int64).astype(np.float64)
            # Differences that do not fit into 64 bits have wrapped.
            numbers = cells if self.unit is None else self._in_unit(cells).view(np.int64)
            rough = numbers.astype(np.float64) - self._base_number(numbers.dtype)
            values = np.where(np.abs(rough) > FAR, rough, values)
        else:
            cells = cells_of(series)
            filled = np.where(missing, np.nan, cells) if cells.dtype.kind == "O" else cells
            values = filled.astype(np.float64)
            if self.base is not None:
                values -= self._base_number(np.dtype(np.int64))
        values[missing] = np.nan
        return values

    def _base_number(self, dtype):
        return float(self.base if dtype.kind == "u" else self.base.view(np.int64))

    def write(self, values, missing, template):
        """Return the column that `values` stand for, in the dtype of `template`."""
        if self.whole:
            unsigned = template.dtype.is_unsigned_integer()
            bits = self._to_whole(values, template, unsigned)
            if self.unit is not None:
                values = bits.view(self.unit)
            else:
                values = bits if unsigned else bits.view(np.int64)
        return _series(values, missing, template)

    def _to_whole(self, values, template, unsigned):
        """Return the nearest multiples of the step that the dtype can hold, as uint64."""
        base, step = np.uint64(0) if self.base is None else self.base, max(self.step, 1)
        start = int(base) if unsigned else int(base.view(np.int64))
        lowest, highest = -(2**63) + 1, 2**63 - 1
        if template.dtype.is_integer():
            bounds = np.iinfo(type(template.dtype).__name__.lower())
            lowest, highest = int(bounds.min), int(bounds.max)
        values = np.clip(
            np.nan_to_num(values), float(lowest - start), float(highest - start)
        )
        near = np.where(np.abs(values) > FAR, 0.0, values)
        bits = (np.rint(near / step).astype(np.int64) * step).view(np.uint64) + base
        for far in np.flatnonzero(np.abs(values) > FAR):
            number = min(max(int(values[far]) + start, lowest), highest)
            bits[far] = number % 2**64
        return bits


def _whole_cells(series, kind):
    """Return the cells as integers or times of numpy; None if they are neither.

    What stands where a cell is missing is not defined.
    """
    dtype = series.dtype
    if kind in ("date", "duration"):
        return _times(series)
    if dtype.is_integer():
        cells = cells_of(series)
        if cells.dtype.kind in "iu":
            return cells
        # Missing cells have made floats of the others; once more, without them.
        return series.fill_null(0).to_numpy()
    if dtype.is_numeric():
        return None
    cells = cells_of(series)
    there = cells[~is_missing(series, cells)]
    if cells.dtype.kind != "O" or not all(isinstance(c, (int, np.integer)) for c in there):
        return None
    try:
        return np.where(is_missing(series, cells), 0, cells).astype(np.int64)
    except OverflowError:
        return None


def _times(series):
    cells = cells_of(series)
    if cells.dtype.kind in "mM":
        return cells
    # Dates that came as Python objects.
    return series.cast(nw.Datetime("us")).to_numpy()


class LevelColumn:
    """Booleans and categories.

    Attributes
    ----------
    levels : pandas.Index
        The values that cells take: those a dtype declares, else those seen, sorted.
    counts : ndarray of shape (n_levels,)
        (Weighted) numbers of cells.
    group : ndarray of int of shape (n_levels,)
        The number of the level in the design matrix: rare levels share the last one.
    """

    def __init__(self, name, kind):
        self.name, self.kind = name, kind
        self.levels = None

    def learn(self, series, weights=None):
        """Learn the levels from the first cells, and count the cells."""
        if self.levels is None:
            self.levels = self._find_levels(series)
            self.counts = np.zeros(len(self.levels))
        codes = self.level_numbers(series)
        known = codes >= 0
        self.counts += np.bincount(
            codes[known],
            weights=None if weights is None else weights[known],
            minlength=len(self.levels),
        )

    def _find_levels(self, series):
        if self.kind == "boolean":
            return pd.Index([False, True], dtype=object)
        if series.dtype == nw.Enum or is_pandas_category(series):
            return pd.Index(series.cat.get_categories().to_list())
        cells = cells_of(series)
        cells = cells[~is_missing(series, cells)]
        try:
            return pd.Index(sorted(pd.unique(cells)))
        except TypeError as error:
            raise ValueError(
                f"Column {self.name!r} holds values that cannot be told apart as "
                f"categories ({error}); convert it first, for example with astype(str)."
            ) from error

    def merge_rare(self, min_frequency, max_categories):
        """Let rare levels share a number, as in `OneHotEncoder`."""
        n_levels, total = len(self.levels), self.counts.sum()
        rare = np.zeros(n_levels, dtype=bool)
        if min_frequency is not None:
            whole = isinstance(min_frequency, (int, np.integer))
            rare = self.counts < (min_frequency if whole else min_frequency * total)
        if (
            max_categories is not None
            and n_levels - rare.sum() + rare.any() > max_categories
        ):
            kept = np.argsort(-self.counts, kind="stable")[: max_categories - 1]
            few = np.ones(n_levels, dtype=bool)
            few[kept] = False
            rare |= few
        self.group = np.empty(n_levels, dtype=np.int64)
        self.group[~rare] = np.arange((~rare).sum())
        self.group[rare] = (~rare).sum()

    @property
    def n_groups(self):
        return int(self.group.max(initial=-1)) + 1

    def level_numbers(self, series):
        """Return the number of every cell's level, `MISSING` or `UNKNOWN`."""
        if is_pandas_category(series):
            native = series.to_native()
            codes = native.cat.codes.to_numpy()
            # The last entry is what -1, a missing cell, points to.
            table = np.append(self.levels.get_indexer(native.cat.categories), 0)
            numbers, missing = table[codes], codes < 0
        else:
            cells = cells_of(series)
            missing = is_missing(series, cells)
            try:
                numbers = self.levels.get_indexer(cells)
            except TypeError as error:
                raise ValueError(
                    f"Column {self.name!r} holds an object that cannot be a category "
                    f"({error}); convert it first, for example with astype(str)."
                ) from error
        return np.where(missing, MISSING, np.where(numbers < 0, UNKNOWN, numbers))

    def read(self, series):
        """Return the number of every cell's group, `MISSING` or `UNKNOWN`."""
        # -1 and -2, which say why there is no level, point to the last entries.
        table = np.concatenate([self.group, [UNKNOWN, MISSING]])
        return table[self.level_numbers(series)]

    def write(self, groups, missing, template, rng=None):
        """Return the column of the groups' levels, in the dtype of `template`.

        A group of rare levels stands for the most frequent of them, or, with `rng`,
        for one drawn by their frequencies.
        """
        if not len(self.levels):
            return _series(np.full(len(groups), None, dtype=object), missing, template)
        numbers = np.empty(len(groups), dtype=np.int64)
        for group in np.unique(groups):
            members = np.flatnonzero(self.group == group)
            here = np.flatnonzero(groups == group)
            counts = self.counts[members] + 1e-9
            numbers[here] = (
                members[counts.argmax()]
                if rng is None or len(members) == 1
                else rng.choice(members, size=len(here), p=counts / counts.sum())
            )
        if is_pandas_category(template):
            dtype = template.to_native().dtype
            codes = dtype.categories.get_indexer(self.levels)[numbers]
            codes = np.where(missing, -1, codes)
            return nw.from_native(
                pd.Series(pd.Categorical.from_codes(codes, dtype=dtype)), series_only=True
            )
        values = self.levels.to_numpy(dtype=object)[numbers]
        return _series(values, missing, template)


def fill(series, missing, restored):
    """Return `series` with its missing cells taken from `restored`."""
    native = series.to_native()
    if restored.implementation is not series.implementation:
        cells = restored.to_list()
        restored = nw.new_series("", cells, series.dtype, backend=series.implementation)
    if isinstance(native, pd.Series):
        other = restored.to_native().set_axis(native.index).astype(native.dtype)
        return nw.from_native(native.where(~missing, other), series_only=True)
    there = nw.new_series("", ~missing, nw.Boolean, backend=series.implementation)
    return series.zip_with(there, restored.cast(series.dtype))


def is_pandas_category(series):
    return isinstance(getattr(series.to_native(), "dtype", None), pd.CategoricalDtype)


def _series(values, missing, template):
    """Return a column of `values` with holes, of the dtype and library of `template`."""
    native = template.to_native()
    if isinstance(native, pd.Series):
        column = pd.Series(values)
        if missing.any():
            column = column.astype(object).where(~missing, None)
            if values.dtype.kind in "mM":
                column = pd.Series(np.where(missing, np.array("NaT", values.dtype), values))
            elif values.dtype.kind == "f":
                column = pd.Series(np.where(missing, np.nan, values))
        dtype = native.dtype
        if isinstance(dtype, pd.DatetimeTZDtype):
            column = column.dt.tz_localize("UTC").dt.tz_convert(dtype.tz)
        return nw.from_native(column.astype(dtype), series_only=True)
    cells = [
        None if hole else cell for cell, hole in zip(values.tolist(), missing, strict=True)
    ]
    dtype = template.dtype
    backend = template.implementation
    text = dtype in (nw.String, nw.Categorical)
    if values.dtype.kind in "mM":
        cells = np.where(missing, np.array("NaT", values.dtype), values)
        column = nw.new_series("", cells, backend=backend)
        zone = getattr(dtype, "time_zone", None)
        if zone is not None:
            column = column.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
        return column.cast(dtype)
    if template.implementation.is_pyarrow():
        column = nw.new_series("", cells, nw.String if text else dtype, backend=backend)
        column = column.to_native().cast(native.type)
        return nw.from_native(column, series_only=True)
    if dtype == nw.Categorical:
        return nw.new_series("", cells, nw.String, backend=backend).cast(dtype)
    return nw.new_series("", cells, dtype, backend=backend)
