"""Single values that JSON does not have: times, decimals, zones and dtypes."""

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import torch
from pandas.tseries.frequencies import to_offset

# Types that stand for what the cells of a column are.
TYPES = {
    cls.__name__: cls for cls in (bool, int, float, str, dt.date, dt.datetime, dt.timedelta)
}


def _of_time(time):
    return [time.asm8.view("i8").item(), np.datetime_data(time.asm8)[0], None]


def _of_timestamp(time):
    count, unit, _ = _of_time(time.tz_convert("UTC").tz_localize(None) if time.tz else time)
    return [count, unit, zone_name(time.tz)]


def _to_timestamp(given):
    count, unit, zone = given
    time = pd.Timestamp(np.datetime64(count, unit))
    return time if zone is None else time.tz_localize("UTC").tz_convert(zone_of(zone))


def _to_timedelta(given):
    return pd.Timedelta(np.timedelta64(given[0], given[1]))


def zone_name(zone):
    """Return the name of a time zone, or its distance from UTC in seconds."""
    if zone is None or isinstance(zone, str):
        return zone
    if isinstance(zone, dt.timezone):
        return zone.utcoffset(None).total_seconds()
    return str(zone)


def zone_of(name):
    """Return the time zone of `zone_name`."""
    if name is None or isinstance(name, str):
        return name
    return dt.timezone(dt.timedelta(seconds=name))


def _of_zone(zone):
    if isinstance(zone, ZoneInfo):
        return ["key", zone.key]
    if isinstance(zone, dt.timezone):
        return ["offset", zone.utcoffset(None).total_seconds()]
    return ["pandas", str(zone)]


def _to_zone(given):
    how, name = given
    if how == "key":
        return ZoneInfo(name)
    if how == "offset":
        return zone_of(float(name))
    return pd.Timestamp(0, tz=str(name)).tz


# Name -> class, what JSON can hold of it, and back. The most special classes come first.
VALUES = {
    "timestamp": (pd.Timestamp, _of_timestamp, _to_timestamp),
    "timedelta": (pd.Timedelta, _of_time, _to_timedelta),
    "period": (
        pd.Period,
        lambda period: [period.ordinal, period.freqstr],
        lambda given: pd.Period(ordinal=given[0], freq=given[1]),
    ),
    "frequency": (pd.tseries.offsets.BaseOffset, lambda freq: freq.freqstr, to_offset),
    "datetime": (
        dt.datetime,
        lambda time: [time.replace(tzinfo=None).isoformat(), zone_name(time.tzinfo)],
        lambda given: dt.datetime.fromisoformat(given[0]).replace(
            tzinfo=None if given[1] is None else _to_zone_of_datetime(given[1])
        ),
    ),
    "date": (dt.date, dt.date.isoformat, dt.date.fromisoformat),
    "time": (dt.time, dt.time.isoformat, dt.time.fromisoformat),
    "duration": (
        dt.timedelta,
        lambda span: [span.days, span.seconds, span.microseconds],
        lambda given: dt.timedelta(*given),
    ),
    "decimal": (Decimal, str, Decimal),
    "zone": (dt.tzinfo, _of_zone, _to_zone),
    "numpy dtype": (np.dtype, lambda dtype: dtype.str, np.dtype),
    "torch dtype": (torch.dtype, str, lambda name: _torch_dtype(name)),
    "complex": (complex, lambda z: [z.real, z.imag], lambda given: complex(*given)),
    "slice": (
        slice,
        lambda span: [
            None if end is None else int(end) for end in (span.start, span.stop, span.step)
        ],
        lambda given: slice(*given),
    ),
    "range": (
        range,
        lambda span: [span.start, span.stop, span.step],
        lambda given: range(*given),
    ),
    "size": (torch.Size, list, torch.Size),
}
MISSING = {"NaT": pd.NaT, "NA": pd.NA}


def _to_zone_of_datetime(name):
    return ZoneInfo(name) if isinstance(name, str) else zone_of(name)


def _torch_dtype(name):
    dtype = getattr(torch, str(name).removeprefix("torch."), None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"it names {name!r}, which is no dtype of torch")
    return dtype


def write_value(value):
    """Return (name, what JSON can hold) of a value of `VALUES`, or None for others."""
    for name, missing in MISSING.items():
        if value is missing:
            return "missing", name
    if isinstance(value, type):
        known = TYPES.get(value.__name__) is value
        return ("type", value.__name__) if known else None
    for name, (cls, plain, _) in VALUES.items():
        if isinstance(value, cls):
            return name, plain(value)
    return None


def read_value(name, plain):
    """Undo `write_value`."""
    if name == "missing":
        return MISSING[plain]
    if name == "type":
        return TYPES[plain]
    return VALUES[name][2](plain)
