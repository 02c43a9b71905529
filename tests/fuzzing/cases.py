"""A table, weights and groups, and fresh rows: all from a seed."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from fuzzing.arrays import draw_array, fresh_arrays
from fuzzing.cells import pick
from fuzzing.frames import CHANGES, draw_sketch, fit_verdict, rows
from fuzzing.kinds import MAY, MUST, NEVER


@dataclass
class Case:
    """A table and what must happen to it.

    Attributes
    ----------
    X : table
    verdict : str
        What a fit to it has to do.
    kinds : list of str
        Of the columns.
    fresh : list of (str, table, str)
        What has changed, rows, and what must be done with them.
    cells : list of list or None
        Of a frame: the cells of every column in the rows that count, None where missing.
    weights, groups : array-like or None
    """

    seed: int
    library: str
    X: Any
    verdict: str
    kinds: list[str]
    labels: str = ""
    fresh: list = field(default_factory=list)
    cells: list | None = None
    weights: Any = None
    groups: Any = None

    def __str__(self):
        extras = [name for name in ("weights", "groups") if getattr(self, name) is not None]
        return (
            f"seed {self.seed}: {self.library} of {self.kinds}, labels {self.labels}, "
            f"{extras}, {self.verdict}\n{self.X if self.cells is None else self.cells}"
        )


def draw_case(seed):
    """Return the `Case` of a seed."""
    rng = np.random.default_rng(seed)
    library = pick(rng, ["pandas", "pandas", "pandas", "polars", "pyarrow", "array"])
    n, m = _shape(rng)
    draw = _draw_array if library == "array" else _draw_frame
    case = draw(rng, seed, library, n, m)
    _weigh(rng, case, n)
    return case


def _shape(rng):
    n = int(pick(rng, [2, 3, 4, 5, 6, 8, 10, 12, 12, 25]))
    m = int(pick(rng, [1, 1, 2, 3, 4, 5, 6]))
    if rng.random() < 0.04:
        n = int(pick(rng, [0, 1]))
    if rng.random() < 0.02:
        m = int(pick(rng, [0, 40]))
    return n, m


def _draw_frame(rng, seed, library, n, m):
    label, sketch = draw_sketch(rng, library, m)
    cells = sketch.draw(rng, n)
    if n and rng.random() < 0.1:  # a row without any cell
        for column, own in zip(sketch.columns, cells, strict=True):
            own[0] = None if column.kind.nullable else own[0]
    if n and rng.random() < 0.05:  # rows that are all equal
        cells = [own[:1] * n for own in cells]
    names = [column.name for column in sketch.columns]
    verdict = fit_verdict(label, sketch.columns, cells)
    X = sketch.make(rng, cells)
    if library == "pyarrow" and n and label != "twins" and rng.random() < 0.1:
        batches = X.combine_chunks().to_batches()
        X = batches[0] if batches else X  # a table without rows has none
    changes = [rows, *(CHANGES[i] for i in rng.permutation(len(CHANGES))[:3])] if m else []
    fresh = [change(rng, sketch) for change in changes]
    fresh = [some for some in fresh if some is not None]
    return Case(seed, library, X, verdict, names, label, fresh, cells)


def _draw_array(rng, seed, library, n, m):
    m = max(m, 1)
    name, X, verdict = draw_array(rng, n, m)
    return Case(seed, library, X, verdict, [name], fresh=fresh_arrays(rng, name, m))


def _weigh(rng, case, n):
    """Give some cases weights, or groups."""
    if rng.random() < 0.15:
        numbers = [
            np.ones(n),
            np.full(n, 1 / max(n, 1)),
            rng.random(n),
            np.arange(n) % 2.0,
            (np.arange(n) % 3).tolist(),
            rng.random(n) * 1e-200,
            np.zeros(n),
        ]
        case.weights = pick(rng, numbers)
        _count(case)
    if rng.random() < 0.1:
        groups = [
            np.arange(n) % 2,
            [f"g{i % 3}" for i in range(n)],
            np.arange(n) % 2 == 0,
            pd.Series(range(n)),
            np.zeros(n),
        ]
        case.groups = pick(rng, groups)


def _count(case):
    """Leave the rows of weight 0 out of what the fit learns from."""
    counts = np.flatnonzero(case.weights).tolist()
    if len(counts) < 2 and case.verdict == MUST:
        case.verdict = MAY if counts else NEVER
    if case.cells is not None:
        case.cells = [[own[i] for i in counts] for own in case.cells]
