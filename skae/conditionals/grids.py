"""What all numbers of a column lie on: whole tens, quarters, firsts of a month, weekdays."""

import math
from dataclasses import dataclass

import numpy as np

from skae.conditionals.relations.rules import MOST_CHANCE
from skae.table.decimals import TOO_MANY

# Errors of rounding, in units of the last decimal, and relative to a number.
ROUNDING, EPSILON = 1e-6, 4.0 * np.finfo(np.float64).eps
# Different numbers that tell a grid, at least; two of them always lie on one.
LEAST_DIFFERENT, N_FREE = 10, 2
# Whole numbers that float64 and, with their differences, int64 hold.
EXACT, FAR = 2.0**53, 2.0**62
# Days from the first date to the last, of which those are listed that dates can be.
MOST_DAYS = 200_000
# Days that every month has.
SHORTEST_MONTH = 28


@dataclass(frozen=True)
class Steps:
    """The numbers ``(origin + k * step) / 10 ** decimals``, k whole.

    Attributes
    ----------
    step, origin, decimals : int
    """

    step: int
    origin: int
    decimals: int

    def nearest(self, values):
        """Return the nearest numbers of the grid, ndarray of shape (n,)."""
        return self._numbers(np.rint(self._places(values)))

    def within(self, low, high):
        """Return the first and the last number in ranges, ndarrays of shape (n,).

        Where there is none, the first one is above the last.
        """
        low, high = self._places(low), self._places(high)
        return (
            self._numbers(np.ceil(low - self._slack(low))),
            self._numbers(np.floor(high + self._slack(high))),
        )

    def around(self, first, last):
        """Return from where to where the nearest number is one from `first` to `last`."""
        half = 0.5 * self.step / 10.0**self.decimals
        return first - half, last + half

    def count(self, low, high):
        """Return how many numbers lie between two of them."""
        return (high - low) * 10.0**self.decimals / self.step + 1.0

    def _places(self, values):
        return (values * 10.0**self.decimals - self.origin) / self.step

    def _numbers(self, places):
        return (places * self.step + self.origin) / 10.0**self.decimals + 0.0

    def _slack(self, places):
        return ROUNDING / self.step + EPSILON * np.where(
            np.isfinite(places), np.abs(places), 0.0
        )


@dataclass(frozen=True)
class Listed:
    """Numbers that are listed one by one.

    Attributes
    ----------
    numbers : ndarray of float64 of shape (n_numbers,)
        Ascending, two at least.
    """

    numbers: np.ndarray

    def nearest(self, values):
        """Return the nearest of the numbers, see `Steps`."""
        return self.numbers[np.searchsorted(self._middles, values)]

    def within(self, low, high):
        """Return the first and the last number in ranges, see `Steps`."""
        padded = np.concatenate([[-np.inf], self.numbers, [np.inf]])
        first = padded[np.searchsorted(self.numbers, low, "left") + 1]
        return first, padded[np.searchsorted(self.numbers, high, "right")]

    def around(self, first, last):
        """Return from where to where the nearest one is from `first` to `last`."""
        ends = np.concatenate([[-np.inf], self._middles, [np.inf]])
        before = np.searchsorted(self.numbers, first).clip(0, len(self._middles))
        after = np.searchsorted(self.numbers, last).clip(0, len(self._middles))
        return ends[before], ends[after + 1]

    @property
    def _middles(self):
        return 0.5 * (self.numbers[1:] + self.numbers[:-1])


def grid_of(values, decimals, ends, step=None, calendar=None):
    """Return the grid that all numbers of a column lie on, or None.

    One that is coarser than their decimals, and not so by chance: few numbers always lie on
    some grid.

    Parameters
    ----------
    values : ndarray of float64 of shape (n,)
        Without missing ones.
    decimals : int
        See `decimals_of`.
    ends : tuple (low, high)
        Between which numbers are given out.
    step : float or None
        What they are rounded to where they are written, whatever they show: of times.
    calendar : Calendar or None
        Of dates.

    Returns
    -------
    grid : Steps, Listed or None
    """
    steps = None if decimals >= TOO_MANY else _steps_of(values, decimals, step)
    listed = None if calendar is None else _dates_of(values, ends, calendar)
    if steps is None or listed is None:
        return listed or steps
    return listed if len(listed.numbers) < steps.count(*ends) else steps


def _steps_of(values, decimals, known):
    scaled = np.rint(values * 10.0**decimals)
    largest = np.abs(scaled).max()
    if not largest < (EXACT if decimals else FAR):
        return None
    whole = np.unique(scaled.astype(np.int64))
    step = int(np.gcd.reduce(whole - whole[0]))
    if step == 0:
        return None
    unit = int(known) if known and step % int(known) == 0 else 1
    # Large numbers of float64 are multiples of a power of two, whatever they are.
    spacing = unit * max(1, int(np.spacing(largest)))
    if not _is_told(len(whole), math.gcd(step, spacing) / step):
        step = unit
    return None if step == 1 else Steps(step, int(whole[0] % step), decimals)


def _dates_of(values, ends, calendar):
    """Return the days that have all that days of a column have in common, or None."""
    if not calendar.has_days or np.diff(ends) > MOST_DAYS * calendar.steps[0]:
        return None
    days = calendar.days(np.unique(values))
    first, last = calendar.days(np.array(ends), exact=False)
    if days is None or last <= first:
        return None
    every = np.arange(first, last + 1)
    chosen = np.ones(len(every), dtype=bool)
    for own, of_every in zip(_parts(days), _parts(every), strict=True):
        kept = chosen & (of_every == own[0])
        is_same = (own == own[0]).all() and kept.sum() > 1
        if is_same and _is_told(len(days), kept.sum() / chosen.sum()):
            chosen = kept
    return None if chosen.all() else Listed(calendar.cells(every[chosen]))


def _is_told(n_different, proportion):
    """Return whether numbers would not all be among a proportion of others by chance."""
    log_chance = (n_different - N_FREE) * math.log(proportion)
    return n_different >= LEAST_DIFFERENT and log_chance < math.log(MOST_CHANCE)


def _parts(days):
    """Return what days may have in common, NaN where a day has nothing that counts.

    Parameters
    ----------
    days : ndarray of datetime64[D] of shape (n,)

    Returns
    -------
    parts : list of ndarray of float64 of shape (n,)
    """
    months = days.astype("M8[M]")
    day = (days - months.astype("M8[D]")).astype(int) + 1
    month = months.astype(int) % 12
    weekday = (days.astype(int) + 3) % 7  # the first day of 1970 was a Thursday
    is_workday = weekday < 5
    # The working days before and after a working day.
    before = days - np.where(weekday == 0, 3, 1)
    after = days + np.where(weekday == 4, 3, 1)
    flags = [
        (days + 1).astype("M8[M]") != months,
        is_workday,
        is_workday & (before.astype("M8[M]") != months),
        is_workday & (after.astype("M8[M]") != months),
    ]
    return [
        np.where(day <= SHORTEST_MONTH, day, np.nan),
        *(np.where(flag, 1.0, np.nan) for flag in flags),
        weekday.astype(float),
        (month % 3).astype(float),
        month.astype(float),
    ]
