"""A column of numbers, dates or durations: its cells as float64, and back.

A column is read into float64 values (NaN: missing), and written back into a
column of the dtype and the library that was fitted.
"""

import math

import numpy as np
import pandas as pd

from skae.table.bounds import EXACT
from skae.table.clocks import clocks_of, range_of
from skae.table.remedies import of_zone
from skae.table.writing import as_series

# Distances beyond this may not fit into 64 bits.
FAR = 2.0**62
# Large numbers start from a multiple of this, where none of them is to be kept.
ROUGHLY = 2**32


class EmptyColumn:
    """A column whose cells are all missing in fit: it says nothing, and stays missing."""

    def __init__(self, name, kind):
        self.name, self.kind = name, kind

    is_plain, unit_of_cells = False, None

    def learn(self, cells):
        pass

    def check(self, cells):
        pass

    def merge(self, other):
        return 0.0

    def read(self, cells):
        return np.full(len(cells), np.nan)

    def write(self, values, missing, template):
        return as_series(np.full(len(values), None, dtype=object), missing, template)


class NumberColumn:
    """Numbers, dates and durations.

    Whole numbers and times are read as their distance from the first one seen, which
    float64 holds exactly where the number itself may not be; they are written back as
    multiples of the largest step that all of them share (dates of whole days come back
    as whole days). Times of a time zone may share a larger one on its clocks than in UTC.
    """

    def __init__(self, name, kind):
        self.name, self.kind = name, kind
        self.whole, self.base, self.step, self.zone = None, None, 0, None
        self.extent, self.keeps_first = None, True

    @property
    def is_plain(self):
        """Whether numbers are read as they are."""
        return self.kind == "number" and not self.base

    @property
    def unit_of_cells(self):
        """What columns share whose cells can be compared; None: they hold plain numbers."""
        is_told = self.base is not None and not self.is_plain
        return (self.kind, str(self.unit), self.zone is None) if is_told else None

    @property
    def first(self):
        """The number, or time, that cells are read as distances from, int."""
        return int(self.base) if self.unsigned else int(self.base.view(np.int64))

    @property
    def least_step(self):
        """What all times are multiples of."""
        return float(max([self.step, *(clock.step for clock in self.clocks or ())]))

    def learn(self, given):
        """Learn from `Cells` what is needed to write them back."""
        if given.kind != self.kind:
            return  # of another dtype, because all are missing
        cells = _whole_cells(given)
        if self.whole is None:
            self.whole = cells is not None
            self.unit = cells.dtype if self.whole and cells.dtype.kind in "mM" else None
            self.unsigned = self.whole and cells.dtype.kind == "u"
            self.clocks, self.zone = clocks_of(given.zone), given.zone
        if self.whole and cells is None and self.is_plain and _has_fractions(given):
            self.whole = False  # those before came as integers, which it holds as well
        if not self.whole or cells is None:
            return
        there = ~given.is_missing()
        bits = self._bits(cells)[there]
        if not len(bits):
            return
        if self.base is None:
            # Numbers that float64 holds exactly stay what they are: a likelihood needs that.
            exact = self.kind == "number" and np.all(
                np.abs(cells[there].astype(np.float64)) < EXACT
            )
            self.base = np.uint64(0) if exact else self._first(bits[0])
        steps = (bits - self.base).view(np.int64)
        self.step = int(np.gcd(self.step, np.gcd.reduce(steps)))
        if self.kind == "number":
            self.step = 1
        if self.kind == "date":
            extent = self.extent or [int(t.astype(np.int64)) for t in range_of(self.unit)]
            self.extent = _widened(extent, bits.view(np.int64))
        for clock in self.clocks:
            clock.learn(self._in_unit(cells[there]))

    def merge(self, other):
        """Take what another column, of the same name and kind, has learned of other rows.

        Returns
        -------
        shift : float
            What is to be added to numbers that the other has read.
        """
        if self.whole is None:
            vars(self).update(vars(other))
        if other.base is None or not self.whole:
            return self._number_of(other) - self._number_of(self)
        if other.unit != self.unit:
            raise ValueError(
                f"Column {self.name!r} is of dtype {self.unit} in one part of X and of "
                f"{other.unit} in another; convert it to one of them."
            )
        if self.base is None:
            self.base = other.base
        distance = int(other.base) - int(self.base)  # modulo 2^64, as all distances
        distance = (distance + 2**63) % 2**64 - 2**63
        self.step = math.gcd(self.step, other.step, distance)
        if self.kind == "number":
            self.step = 1
        if other.extent is not None:
            self.extent = _widened(self.extent or other.extent, np.array(other.extent))
        for clock, theirs in zip(self.clocks, other.clocks, strict=True):
            clock.merge(theirs)
        return float(distance)

    @staticmethod
    def _number_of(column):
        """Return what the numbers that a column has read are distances from."""
        if column.base is None:
            return 0.0
        return float(column.base if column.unsigned else column.base.view(np.int64))

    def _first(self, bits):
        """Return where distances start: the first cell, or what tells little of it."""
        if self.keeps_first:
            return bits
        if self.kind == "date":
            year = bits.view(self.unit).astype("M8[Y]")
            return year.astype(self.unit).view(np.uint64)
        return bits & ~np.uint64(ROUGHLY - 1) if self.kind == "number" else np.uint64(0)

    def check(self, given):
        """Raise if `Cells` are times of a zone and those of the fit were not, or the reverse."""
        if (
            given.kind != "date"
            or self.whole is None
            or given.all_missing
            or (given.zone is None) == (self.zone is None)
        ):
            return
        times = "times of the zone {}", "times without a time zone"
        before, now = (times[zone is None].format(zone) for zone in (self.zone, given.zone))
        raise ValueError(
            f"Column {self.name!r} held {before} in fit and holds {now} (dtype "
            f"{given.source.dtype}); say which is meant, for example with "
            f"{of_zone(given.source, self.name, self.zone)}."
        )

    def _bits(self, cells):
        """Return whole cells as uint64, whose differences wrap and thus cannot overflow."""
        if self.unit is not None:
            return self._in_unit(cells).view(np.uint64)
        return cells.astype(np.uint64, casting="unsafe")

    def _in_unit(self, cells):
        """Return times in the unit of the fit."""
        if cells.dtype == self.unit:
            return cells
        times = cells.astype(self.unit)
        lost = np.flatnonzero((times.astype(cells.dtype) != cells) & ~np.isnat(cells))
        if len(lost):
            raise ValueError(
                f"Column {self.name!r} holds {cells[lost[0]]} in row {lost[0]}, which "
                f"{self.unit}, its dtype in fit, cannot represent; set such cells to "
                "missing, or fit on a coarser unit."
            )
        return times

    def read(self, given):
        """Return `Cells` as float64, NaN where missing."""
        if given.kind != self.kind:
            return np.full(len(given), np.nan)  # of another dtype, because all are missing
        cells = _whole_cells(given) if self.base is not None else None
        if cells is not None:
            values = (self._bits(cells) - self.base).view(np.int64).astype(np.float64)
            # Differences that do not fit into 64 bits have wrapped.
            numbers = cells if self.unit is None else self._in_unit(cells).view(np.int64)
            rough = numbers.astype(np.float64) - self._base_number(numbers.dtype)
            values = np.where(np.abs(rough) > FAR, rough, values)
        else:
            values = given.data.astype(np.float64)
            if self.base is not None:
                values -= self._base_number(np.dtype(np.int64))
        if given.missing is not None:
            values[given.missing] = np.nan
        return values

    def _base_number(self, dtype):
        return float(self.base if dtype.kind == "u" else self.base.view(np.int64))

    def write(self, values, missing, template):
        """Return the column that `values` stand for, in the dtype of `template`."""
        if self.whole:
            values = self._to_whole(np.where(missing, 0.0, values))
        return as_series(values, missing, template)

    def holds(self, values):
        """Return which `values` come back as they are if written, ndarray of bool."""
        if not self.whole:
            return np.ones(len(values), dtype=bool)
        return (self._nearest_held(values) == values) & (np.abs(values) <= EXACT)

    def within(self, low, high):
        """Return the lowest and the highest value in a range that can be written."""
        step, ends = self.least_step, np.array([low, high])
        for end, sign in ((0, 1.0), (1, -1.0)):
            if not self.whole or not abs(ends[end]) <= EXACT:
                continue
            (near,) = self._nearest_held(ends[[end]])
            if sign * near < sign * ends[end]:
                (near,) = self._nearest_held(np.array([near + sign * step]))
            ends[end] = near if sign * near >= sign * ends[end] else ends[end]
        return tuple(ends.tolist())

    def _nearest_held(self, values):
        """Return the nearest values that come back as they are."""
        base = np.uint64(0) if self.base is None else self.base
        bits = self._to_whole(values).view(np.uint64) - base
        return bits.view(np.int64).astype(np.float64)

    def shown(self, value):
        """Return the text of the cell that a value stands for, in a message."""
        if self.is_plain:
            return f"{value:g}"
        bits = self._nearest(np.array([value]), 1)
        if self.unit is None:
            return str((bits if self.unsigned else bits.view(np.int64))[0])
        time = bits.view(self.unit)[0]
        if self.kind == "duration":
            return str(pd.Timedelta(time))
        shown = pd.Timestamp(time)
        return str(shown.tz_localize("UTC").tz_convert(self.zone) if self.zone else shown)

    def _to_whole(self, values):
        """Return the nearest whole numbers or times, multiples of the step away from the first."""
        if self.unit is None:
            bits = self._nearest(values, 1)
            return bits if self.unsigned else bits.view(np.int64)
        clock = max(self.clocks, key=lambda clock: clock.step, default=None)
        if clock is None or not self._prefers(clock):
            return self._nearest(values, self.step).view(self.unit)
        return clock.nearest(self._nearest(values, 1).view(self.unit))

    def _prefers(self, clock):
        """Whether times are more regular on a clock of their zone than in UTC.

        Where it has not been changed between them, days are days on both, and those of the
        zone are meant.
        """
        day = np.timedelta64(1, "D") // np.timedelta64(1, np.datetime_data(self.unit)[0])
        whole_days = self.step > 0 and self.step % day == 0
        return clock.step > self.step or (whole_days and clock.step == self.step)

    def _nearest(self, values, step):
        """Return the nearest multiples of the step that 64 bits can hold, as uint64.

        A step of 0 allows of the first cell only.
        """
        base = np.uint64(0) if self.base is None else self.base
        if not step:
            return np.full(len(values), base)
        start = int(base) if self.unsigned else int(base.view(np.int64))
        bounds = np.iinfo(np.uint64 if self.unsigned else np.int64)
        # The smallest int64 is NaT.
        bounds = int(bounds.min) + (not self.unsigned), int(bounds.max)
        lowest, highest = _on_steps(self.extent or bounds, start, step)
        values = np.clip(
            np.nan_to_num(values), float(lowest - start), float(highest - start)
        )
        near = np.where(np.abs(values) > FAR, 0.0, values)
        bits = (np.rint(near / step).astype(np.int64) * step).view(np.uint64) + base
        for far in np.flatnonzero(np.abs(values) > FAR):
            number = min(max(int(values[far]) + start, lowest), highest)
            bits[far] = number % 2**64
        return bits


def _widened(extent, values):
    """Return the smallest and the largest of two bounds and of values, tuple of int."""
    low, high = extent
    return min(low, int(values.min())), max(high, int(values.max()))


def _on_steps(bounds, start, step):
    """Return the outermost numbers, steps away from `start`, within bounds."""
    low, high = bounds
    return start - (start - low) // step * step, start + (high - start) // step * step


def _has_fractions(given):
    there = given.there()
    return bool(np.any(there != np.rint(there)))


def _whole_cells(given):
    """Return cells as integers or times of numpy; None if they are neither."""
    return given.data if given.data.dtype.kind in "iumM" else None
