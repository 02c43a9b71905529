"""The clocks of a time zone, by which times may be whole days that are not so in UTC."""

import math

import numpy as np
import pandas as pd

# What pandas can convert between time zones: the years of Python's datetime.
FIRST, LAST = np.datetime64("0001-01-03", "s"), np.datetime64("9999-12-29", "s")
TWO_DAYS = np.timedelta64(2, "D")


def range_of(unit):
    """Return the first and the last time, in a unit, that every library can convert."""
    if unit == np.dtype("M8[ns]"):
        bounds = np.iinfo(np.int64)
        first, last = np.array([bounds.min + 1, bounds.max]).view(unit)
        return first + TWO_DAYS, last - TWO_DAYS
    return FIRST.astype(unit), LAST.astype(unit)


def clocks_of(zone):
    """Return the clocks by which the times of a column may be regular, besides UTC's."""
    return [] if zone is None or str(zone) == "UTC" else [Clock(zone), EarlyClock(zone)]


class Clock:
    """What the clocks of a time zone show: midnights are 23 to 25 hours apart.

    Parameters
    ----------
    zone : str or tzinfo

    Attributes
    ----------
    step : int
        The largest by which all times learned are apart on this clock, in their unit; 0:
        all are equal.
    """

    def __init__(self, zone):
        self.zone, self.base, self.step = zone, None, 0

    def learn(self, times):
        """Learn from times in UTC, datetime64 of shape (n,), none of them NaT."""
        walls = self.walls(times).view(np.int64)
        if self.base is None:
            self.base = walls[0]
        self.step = int(np.gcd(self.step, np.gcd.reduce(walls - self.base)))

    def merge(self, other):
        """Take what another clock of the zone has learned of other times."""
        if other.base is None:
            return
        if self.base is None:
            self.base = other.base
        self.step = math.gcd(self.step, other.step, int(other.base - self.base))

    def nearest(self, times):
        """Return the times in UTC, a whole number of steps apart, that are nearest."""
        walls = self.walls(times)
        low, high = (
            (float(time.astype(np.int64)) - float(self.base)) / self.step
            for time in range_of(times.dtype)
        )
        steps = np.rint((walls.view(np.int64) - self.base) / self.step)
        steps = np.clip(steps, np.ceil(low), np.floor(high)).astype(np.int64)
        return self._instants((steps * self.step + self.base).view(walls.dtype), times)

    def walls(self, times):
        """Return what the clock shows at times in UTC."""
        local = (
            pd.DatetimeIndex(_convertible(times)).tz_localize("UTC").tz_convert(self.zone)
        )
        return local.tz_localize(None).to_numpy()

    def _instants(self, walls, near):
        """Return the times in UTC at which the clock shows `walls`.

        Of an hour that comes twice, the one nearer to `near`; an hour that is left out is
        over as it starts.
        """
        both = [
            pd.DatetimeIndex(walls)
            .tz_localize(
                self.zone,
                ambiguous=np.full(len(walls), summer),
                nonexistent="shift_forward",
            )
            .tz_convert("UTC")
            .tz_localize(None)
            .to_numpy()
            .astype(walls.dtype)
            for summer in (True, False)
        ]
        first_is_nearer = np.abs(both[0] - near) <= np.abs(both[1] - near)
        return np.where(first_is_nearer, *both)


class EarlyClock(Clock):
    """A clock that shows the hour which is left out: midnight where the day starts at 1."""

    def walls(self, times):
        tick = np.timedelta64(1, np.datetime_data(times.dtype)[0])
        now = super().walls(times)
        return np.minimum(now, super().walls(times - tick) + tick)


def _convertible(times):
    """Return the times moved to where every time zone can be converted."""
    return np.clip(times, *range_of(times.dtype))
