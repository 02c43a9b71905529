"""Columns of periods, such as months, as dates: of a period the first."""

import pandas as pd

from skae.table.cells import times

# Steps of numpy's own; the letters are those of pandas since 2.2.
UNITS = {"Y": "Y", "M": "M", "D": "D", "h": "h", "min": "m", "s": "s", "ms": "ms"}
UNITS |= {"us": "us", "ns": "ns"}
# How others are told without loss in a step of numpy's.
STARTS = {"Q": "M", "W": "D", "B": "D"}


def read_periods(array, source):
    """Return the cells of an array of periods of one frequency."""
    freq = array.dtype.freq
    name = freq.name.partition("-")[0] if freq.n == 1 else ""
    if name == "Y" and freq.name != "Y-DEC":
        name = ""
    step = name if name in UNITS else STARTS.get(name)
    if step is None:
        return times(array.start_time.to_numpy(), source)
    if step != name:
        array = array.asfreq(step, how="start")
    values = array.asi8.view(f"M8[{UNITS[step]}]")
    return times(values, source)


def periods_of(cells):
    """Return an array of the periods that Python objects stand for."""
    return pd.array(cells, dtype=pd.PeriodIndex(cells).dtype)
