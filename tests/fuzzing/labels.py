"""What columns and rows are called."""

import numpy as np
import pandas as pd

ODDITIES = [
    "",
    " ",
    "index",
    "literal",
    "count",
    "x0",
    "é猫",
    "a'b\"c",
    "{0}",
    "n" * 500,
    "level_0",
    "__index_level_0__",
    "len",
    "\n",
    "%s",
]


def plain(rng, m):
    return [f"c{i}" for i in range(m)]


def strange(rng, m):
    names = ODDITIES + [f"c{i}" for i in range(m)]
    return [names[i] for i in rng.permutation(len(ODDITIES) if m < 15 else len(names))[:m]]


def twins(rng, m):
    return ["a"] * m


STRINGS = {"plain": plain, "strange": strange}
LABELS = {
    **STRINGS,
    "integers": lambda rng, m: rng.permutation(m).tolist(),
    "years": lambda rng, m: list(range(2000, 2000 + m)),
    "floats": lambda rng, m: [i / 2 for i in range(m)],
    "dates": lambda rng, m: pd.date_range("2024", periods=m),
    "pairs": lambda rng, m: pd.MultiIndex.from_tuples(
        [(f"g{i // 2}", i) for i in range(m)], names=["of", None]
    ),
    "categories": lambda rng, m: pd.CategoricalIndex(plain(rng, m)),
    "named": lambda rng, m: pd.Index(plain(rng, m), name="labels"),
    "mixed": lambda rng, m: [i if i % 2 else f"c{i}" for i in range(m)],
    "None": lambda rng, m: [None, *range(m)][:m],
    "twins": twins,
}
# Labels that may be refused.
DOUBTFUL = {"mixed", "None", "twins"}

INDEXES = {
    "range": lambda rng, n: pd.RangeIndex(n),
    "shuffled": lambda rng, n: pd.Index(rng.permutation(n) + 5, name="key"),
    "text": lambda rng, n: pd.Index([f"row {i}" for i in range(n)]),
    "twins": lambda rng, n: pd.Index([0] * n),
    "dates": lambda rng, n: pd.date_range("2024", periods=n, tz="America/New_York"),
    "missing": lambda rng, n: pd.Index([np.nan] * n),
    "pairs": lambda rng, n: pd.MultiIndex.from_tuples(
        [(i % 2, f"r{i}") for i in range(n)], names=["a", "b"]
    ),
    "categories": lambda rng, n: pd.CategoricalIndex([f"r{i}" for i in range(n)]),
}
