"""Columns that can be looked up by another: bands of ages, months of dates, passes of marks."""

from dataclasses import dataclass, replace
from itertools import pairwise, starmap
from typing import Any

import numpy as np
import pandas as pd

from skae.conditionals.grids import ROUNDING
from skae.conditionals.relations.rules import MOST_CHANCE
from skae.conditionals.relations.ties import LEAST_ROWS, MAX_COLUMNS, some_of, sources_of
from skae.table.decimals import TOO_MANY

# Rows to an interval, and to a part of the calendar, that are looked up by, on average.
LEAST_PER_INTERVAL, LEAST_PER_PART = 5, 2
# Intervals to each cell at most, and rows of each but the outermost at least.
MOST_RUNS, LEAST_RUN = 2, 3
# A number that has more different cells than this is not looked up.
MAX_CELLS = 60
# Digits of the numbers at which intervals end, where there is a choice.
DECIMALS = range(-12, 13)
PARTS = ("year", "quarter", "month", "day", "day_of_week", "hour")


@dataclass(frozen=True)
class Calendar:
    """The clock of a column of dates.

    Attributes
    ----------
    unit : str
        Of numpy.
    first : int
        The time in this unit that cells are distances from.
    zone : str or None
    step : float
        What the distances are multiples of, once they are written.
    """

    unit: str
    first: int
    zone: str | None
    step: float

    def rounded(self, values):
        """Return cells as they are written."""
        return (values / self.step).round() * self.step if self.step else values

    @property
    def steps(self):
        """A day and an hour, in its unit; 0: too short for it."""
        own = np.timedelta64(1, self.unit)
        return [float(np.timedelta64(1, span) // own) for span in "Dh"]

    def part(self, values, name):
        """Return the year, the month, ... of cells as floats, NaN where missing."""
        there = ~np.isnan(values)
        times = self._times(self.rounded(np.where(there, values, 0.0)))
        return np.where(there, getattr(times, name).to_numpy(dtype=np.float64), np.nan)

    @property
    def has_days(self):
        """Whether its unit is a day or less, not a month."""
        return self.unit not in ("Y", "M", "W")

    def days(self, values, exact=True):
        """Return the days of cells on its clock, datetime64[D] of shape (n,).

        None if any is not a whole day, where they are to be so.
        """
        times = self._times(values).tz_localize(None).to_numpy()
        days = times.astype("M8[D]")
        return None if exact and (days != times).any() else days

    def cells(self, days):
        """Return the cells of days on its clock, ndarray of float64 of shape (n,)."""
        times = pd.DatetimeIndex(days.astype(f"M8[{self.unit}]"))
        if self.zone is not None:
            first = np.ones(len(days), dtype=bool)
            times = times.tz_localize(
                self.zone, ambiguous=first, nonexistent="shift_forward"
            )
            times = times.tz_convert("UTC").tz_localize(None)
        whole = times.to_numpy().astype(f"M8[{self.unit}]").view(np.int64)
        return (whole - self.first).astype(np.float64)

    def _times(self, values):
        """Return cells, none of them missing, as times on its clock."""
        whole = np.rint(values).astype(np.int64) + self.first
        times = pd.DatetimeIndex(whole.view(f"M8[{self.unit}]"))
        if self.zone is not None:
            times = times.tz_localize("UTC").tz_convert(self.zone)
        return times


@dataclass(frozen=True)
class Lookup:
    """A column whose cells are the same in every interval of another one, or every month.

    Attributes
    ----------
    source, column : int
        The second is looked up by the first, a column of numbers, dates or durations.
    keys : ndarray
        Where intervals begin but the first; or parts of the calendar, ascending.
    cells : ndarray
        Of every interval, or every part.
    calendar : Calendar or None
    part : str or None
        None: by intervals.
    """

    source: int
    column: int
    keys: np.ndarray
    cells: np.ndarray
    calendar: Any = None
    part: str | None = None

    def told(self, cells):
        """Return the column's cells by those of its source, NaN where these do not tell them."""
        if self.part is None:
            cells = cells if self.calendar is None else self.calendar.rounded(cells)
            found = self.cells[np.searchsorted(self.keys, cells, "right")]
            return np.where(np.isnan(cells), np.nan, found)
        parts = self.calendar.part(cells, self.part)
        at = np.searchsorted(self.keys, parts).clip(0, len(self.keys) - 1)
        return np.where(self.keys[at] == parts, self.cells[at], np.nan)

    def bounds(self, cells, decimals=TOO_MANY):
        """Return between what the source lies, given the column's cells (NaN: unknown).

        From the first of a cell's intervals to the last. Of a source of few decimals up to
        the last number with these: what is told it may be rounded.
        """
        low, high = np.full(len(cells), -np.inf), np.full(len(cells), np.inf)
        if self.part is None:
            ends = np.concatenate([[-np.inf], self.keys, [np.inf]])
            for cell in np.unique(self.cells):
                own, rows = np.flatnonzero(self.cells == cell), cells == cell
                low[rows] = ends[own[0]]
                if own[-1] < len(self.keys):
                    high[rows] = _last_before(ends[own[-1] + 1], decimals)
        return low, high

    def are_broken(self, values):
        """Return which rows hold another cell than the source tells."""
        told = self.told(values[:, self.source])
        cells = values[:, self.column]
        return ~np.isnan(told) & ~np.isnan(cells) & (told != cells)


def find_lookups(values, sources, columns, facts, ties=(), ruled=(), least_rows=1):
    """Return the `Lookup`s of a table, list.

    Parameters
    ----------
    values : ndarray of float64 of shape (n, n_columns)
        Numbers, and the numbers of levels; NaN where missing.
    sources : sequence of int
        Columns of numbers, dates and durations.
    columns : sequence of int
        What may be looked up.
    facts : sequence of ColumnFacts
        Of all columns.
    ties : sequence of Tie or Formula
        What is known of the columns already.
    ruled : collection of tuple (source, column), default=()
        Numbers that a level of the column makes constant, and this: where no tip is paid in
        cash, cash says so, and the tip is best drawn after it.
    least_rows : int, default=1
        Rows that every key is of; where these are several, no interval's end is kept.
    """
    found, told = [], {tie.columns[-1] for tie in ties}
    sizes = [len(np.unique(values[~np.isnan(values[:, i]), i])) for i in range(len(facts))]
    # The coarsest first: the years of a date before its months, a band by the age and not by
    # the day of birth.
    sources = sorted(sources[:MAX_COLUMNS], key=lambda i: sizes[i])
    for column in sorted(columns[:MAX_COLUMNS], key=lambda i: sizes[i]):
        if column in told or not 2 <= sizes[column] <= MAX_CELLS:
            continue
        for source in sources:
            is_source = column in (source, *sources_of(source, ties))
            is_ruled = (int(source), int(column)) in ruled
            if is_source or is_ruled or sizes[source] <= sizes[column]:
                continue
            calendar = facts[source].calendar
            lookup = None
            # Most columns are told from lookups by some of the rows.
            for rows in (some_of(values), values):
                lookup = _lookup(rows[:, [source, column]], calendar, least_rows)
                if lookup is None:
                    break
            if lookup is not None:
                found.append(replace(lookup, source=int(source), column=int(column)))
                told.add(column)
                break
    return found


def _lookup(values, calendar, least_rows):
    """Return how the second column is looked up by the first, or None."""
    x, y = values[~np.isnan(values).any(axis=1)].T
    if len(x) < LEAST_ROWS:
        return None
    for part in () if calendar is None else PARTS:
        keys = calendar.part(x, part)
        order = np.argsort(keys, kind="stable")
        keys, own = keys[order], y[order]
        starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
        is_same = np.minimum.reduceat(own, starts) == np.maximum.reduceat(own, starts)
        if is_same.all() and _is_telling(starts, own, LEAST_PER_PART, least_rows):
            return Lookup(0, 1, keys[starts], own[starts], calendar, part)
    if least_rows > 1:
        return None
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    starts = np.flatnonzero(np.append(True, y[1:] != y[:-1]))
    # Where two levels meet in the dark, there are many short runs of both.
    is_clear = len(starts) <= MOST_RUNS * len(np.unique(y))
    is_clear &= np.diff(starts)[1:].min(initial=LEAST_RUN) >= LEAST_RUN
    is_clear &= not (x[starts[1:]] == x[starts[1:] - 1]).any()
    if not is_clear or not _is_telling(starts, y, LEAST_PER_INTERVAL, least_rows):
        return None
    bounds = zip(x[starts], x[np.append(starts[1:], len(x)) - 1], strict=True)
    return Lookup(0, 1, np.array([*starmap(_end, pairwise(bounds))]), y[starts], calendar)


def _last_before(number, decimals):
    """Return the largest number below another one that is written with so many decimals."""
    if decimals >= TOO_MANY:
        return np.nextafter(number, -np.inf)
    unit = 10.0**-decimals
    return (np.ceil(number / unit - ROUNDING) - 1.0) * unit


def _end(before, after):
    """Return where the second of two intervals begins, by the least and largest cells of both.

    At the roundest number; but what is always the same, as a tip of nothing, is not a range.
    """
    is_one, is_next_one = (low == high for low, high in (before, after))
    low, high = before[1], after[0]
    if is_one != is_next_one:
        return np.nextafter(low, high) if is_one else high
    return _round_number(low, high)


def _is_telling(starts, cells, least_per_key, least_rows):
    """Return whether rows of each key have the same cells, more of them than by chance."""
    fewest = np.diff(np.append(starts, len(cells))).min()
    if len(cells) < least_per_key * len(starts) or fewest < least_rows:
        return False
    _, place, counts = np.unique(cells, return_inverse=True, return_counts=True)
    chances = np.log(counts[place] / len(cells))
    return bool(chances.sum() - chances[starts].sum() < np.log(MOST_CHANCE))


def _round_number(low, high):
    """Return the roundest number above `low`, and at most `high`: where the next interval begins."""
    for decimals in DECIMALS:
        unit = 10.0**-decimals
        near = np.floor(high / unit) * unit
        if low < near <= high:
            return near
    return high
