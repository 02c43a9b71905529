"""Columns of periods, such as months, as dates: of a period the first."""

import pandas as pd

from skae.table.cells import times

# numpy's letters for the steps that it has.
UNITS = {"M": "M", "D": "D", "h": "h", "min": "m", "s": "s", "ms": "ms", "us": "us"}
UNITS["ns"] = "ns"
# The longest step of numpy's in which others are whole.
STARTS = {"Y": "M", "Q": "M", "W": "D", "B": "D"}


def read_periods(array, source):
    """Return the cells of an array of periods of one frequency."""
    name, _, _ = array.freqstr.partition("-")
    step = STARTS.get(name, name)
    if step not in UNITS:
        return times(array.start_time.to_numpy(), source)
    if step != name:
        array = array.asfreq(step, how="start")
    return times(array.asi8.view(f"M8[{UNITS[step]}]"), source)


def periods_of(cells):
    """Return an array of the periods that Python objects stand for."""
    return pd.array(cells, dtype=pd.PeriodIndex(cells).dtype)
