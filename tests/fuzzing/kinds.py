"""What kinds of columns there are, whatever the library."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

# What an estimator has to do with a table: take it, take or refuse it, refuse it.
MUST, MAY, NEVER = "must", "may", "never"

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Port-au-Prince",
    "Etc/GMT+5",
    "Asia/Kolkata",
    "+05:30",
]
UNITS = ["s", "ms", "us", "ns"]


@dataclass(frozen=True)
class Kind:
    """How a column is made of a family's cells (None: missing), and what must be done."""

    family: str
    make: Callable[[list], Any]
    nullable: bool = True
    verdict: str = MUST


def kinds_of(make, dtypes, **more):
    """Return a kind for each (family, dtype), called by its dtype; None: no such dtype."""
    return {
        str(dtype): Kind(family, partial(make, dtype), **more)
        for family, dtype in dtypes
        if dtype is not None
    }


def has_infinity(cells):
    return any(isinstance(c, float) and abs(c) == float("inf") for c in cells)
