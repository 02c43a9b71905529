"""Where the cells of a column come from.

A family draws what its cells are like; the function that it returns then draws n of them,
Python objects.
"""

import string
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np

WORDS = [
    "red",
    "green",
    "Été",
    "",
    "nan",
    "None",
    "0",
    "1.5",
    "True",
    "a b",
    "zażółć",
    "猫",
]


def pick(rng, items):
    return items[rng.integers(len(items))]


def floats(rng):
    scale, shift = 10.0 ** rng.integers(-3, 4), pick(rng, [0.0, 1.0, 1e3])
    digits = pick(rng, [0, 1, 2, 12])
    return lambda n: np.round(shift + scale * rng.normal(size=n), digits).tolist()


def extremes(rng):
    sizes = pick(rng, [[1e300, -1e300], [5e-324, 1e-310], [1e18, 1.0], [1e150, 0.0]])
    return lambda n: [pick(rng, sizes) * (1 + rng.random()) / 2 for _ in range(n)]


def infinite(rng):
    bad = pick(rng, [np.inf, -np.inf])
    return lambda n: [bad, *rng.normal(size=n).tolist()][:n]


def _integers(rng, low, high):
    return lambda n: [int(i) for i in rng.integers(low, high, n, endpoint=True)]


def small(rng):
    return _integers(rng, 0, pick(rng, [1, 5, 100]))


def whole(rng):
    return _integers(rng, *pick(rng, [(-5, 5), (0, 10**6), (-(2**31), 2**31 - 1)]))


def _beyond(rng, bases):
    base, steps = pick(rng, bases), _integers(rng, 0, 1000)
    return lambda n: [base + step for step in steps(n)]


def large(rng):
    return _beyond(rng, [2**53, 2**60, 2**62])


def huge(rng):
    return _beyond(rng, [2**63, 2**64 - 2000])


def flags(rng):
    often = pick(rng, [0.0, 0.5, 0.9, 1.0])
    return lambda n: (rng.random(n) < often).tolist()


def words(rng):
    levels = rng.permutation(WORDS)[: rng.integers(1, 5)].tolist()
    return lambda n: [pick(rng, levels) for _ in range(n)]


def names(rng):
    letters = list(string.ascii_lowercase)
    return lambda n: ["".join(rng.choice(letters, 8)) for _ in range(n)]


def instants(rng, first=datetime(1990, 1, 1), days=15_000):
    step = pick(rng, [timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)])
    first += timedelta(days=int(rng.integers(days)))
    steps = _integers(rng, 0, 500)
    return lambda n: [first + i * step for i in steps(n)]


def days(rng):
    moments = instants(rng)
    return lambda n: [moment.date() for moment in moments(n)]


def months(rng):
    """Draw what periods of a month are, to the law that they come back."""
    moments = instants(rng)
    return lambda n: [datetime(moment.year, moment.month, 1) for moment in moments(n)]


def far_instants(rng):
    first = pick(rng, [datetime(1, 1, 2), datetime(9990, 1, 1), datetime(1678, 1, 1)])
    return instants(rng, first, 1)


def spans(rng):
    unit = pick(rng, [timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)])
    steps = _integers(rng, -200, 200)
    return lambda n: [i * unit for i in steps(n)]


def clocks(rng):
    hours = _integers(rng, 0, 23)
    return lambda n: [time(i) for i in hours(n)]


def prices(rng):
    cents = _integers(rng, 0, 10**6)
    return lambda n: [Decimal(i) / 100 for i in cents(n)]


def complexes(rng):
    return lambda n: (rng.normal(size=n) + 1j * rng.normal(size=n)).tolist()


def lists(rng):
    items = _integers(rng, 0, 2)
    return lambda n: [[i, 1] for i in items(n)]


def structs(rng):
    items = _integers(rng, 0, 2)
    return lambda n: [{"a": i} for i in items(n)]


def strings_of_bytes(rng):
    return lambda n: [pick(rng, [b"a", b"", b"\xff"]) for _ in range(n)]


def mixtures(rng):
    two = pick(
        rng,
        [[1, "one"], [True, "yes"], [1.5, date(2020, 1, 1)], [(1, 2), "a"], [{1}, "a"]],
    )
    return lambda n: [two[i % 2] for i in range(n)]


def nothing(rng):
    return lambda n: [None] * n


FAMILIES = {
    "float": floats,
    "extreme": extremes,
    "infinite": infinite,
    "small": small,
    "whole": whole,
    "large": large,
    "huge": huge,
    "flag": flags,
    "word": words,
    "name": names,
    "instant": instants,
    "far instant": far_instants,
    "day": days,
    "month": months,
    "span": spans,
    "clock": clocks,
    "price": prices,
    "complex": complexes,
    "list": lists,
    "struct": structs,
    "bytes": strings_of_bytes,
    "mixed": mixtures,
    "nothing": nothing,
}
