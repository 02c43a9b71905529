"""Times of a time zone are regular on its clocks, and come back so."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skae import AutoencoderTransformer
from skae.table.clocks import Clock, EarlyClock

ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC", "Australia/Lord_Howe"]
# Where the clock is, or was, put forward at midnight: that day starts at one.
LATE = ["America/Havana", "Africa/Cairo", "America/Sao_Paulo"]
FREQUENCIES = {"D": 500, "W": 90, "MS": 30}


def _midnights(zone, freq, start="2017-01-01"):
    naive = pd.date_range(start, periods=FREQUENCIES[freq], freq=freq)
    return naive.tz_localize(zone, nonexistent="shift_forward", ambiguous=True)


def _assert_midnights(found, zone):
    found = pd.DatetimeIndex(pd.to_datetime(found, utc=True)).tz_convert(zone)
    before = found - pd.Timedelta(1, "ns")
    assert (found.date != before.date).all()


def _as_library(library, times):
    X = {"day": times, "x": np.linspace(0.0, 1.0, len(times))}
    if library == "pandas":
        return pd.DataFrame(X)
    zone = str(times.tz)
    naive = pl.Series(times.tz_convert("UTC").tz_localize(None).to_numpy().astype("M8[us]"))
    X = pl.DataFrame(
        {**X, "day": naive.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)}
    )
    return X if library == "polars" else X.to_arrow()


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "US/Eastern", "Asia/Kolkata"])
def test_days_come_back_as_midnights(library, zone):
    X = _as_library(library, _midnights(zone, "D"))
    fitted = AutoencoderTransformer(1, max_iter=2, random_state=0).fit(X)
    codes = fitted.transform(X)
    noisy = codes + np.random.default_rng(0).normal(scale=0.05, size=codes.shape)
    for rows in (fitted.inverse_transform(noisy), fitted.sample(300, random_state=0)):
        found = rows["day"]
        found = found.to_pylist() if library == "pyarrow" else found.to_list()
        assert len(set(found)) > 100
        _assert_midnights(found, zone)


def _clocks(zone, times):
    made = [Clock(zone), EarlyClock(zone)]
    for clock in made:
        clock.learn(times)
    return max(made, key=lambda clock: clock.step)


@pytest.mark.parametrize("freq", FREQUENCIES)
@pytest.mark.parametrize("zone", ZONES + LATE)
@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_nearest_midnight_across_changes_of_the_clock(zone, freq, unit):
    days = _midnights(zone, freq)
    times = days.tz_convert("UTC").tz_localize(None).to_numpy().astype(f"M8[{unit}]")
    clock = _clocks(zone, times)
    assert clock.step % np.timedelta64(1, "D").astype(f"m8[{unit}]").astype(int) == 0
    np.testing.assert_array_equal(clock.nearest(times), times)
    near = times + np.random.default_rng(0).integers(-36_000, 36_000, len(times)).astype(
        "m8[s]"
    )
    found = clock.nearest(near.astype(times.dtype))
    assert found.dtype == times.dtype
    np.testing.assert_array_equal(found, times)


@pytest.mark.parametrize("zone", ZONES + LATE)
def test_any_time_has_a_nearest_step(zone):
    """Hours that come twice or not at all, and years beyond those of the calendar."""
    hours = np.arange("2016-01-01", "2020-01-01", dtype="M8[h]").astype("M8[s]")
    clock = Clock(zone)
    clock.learn(hours)
    if clock.step % 3600 == 0:
        np.testing.assert_array_equal(clock.nearest(hours), hours)
    far = np.array([-(2**61), 0, 2**61]).astype("M8[s]")
    assert not np.isnat(clock.nearest(far)).any()
    finest = np.array([-(2**63) + 1, 0, 2**63 - 1]).astype("M8[ns]")
    assert not np.isnat(_clocks(zone, finest).nearest(finest)).any()
