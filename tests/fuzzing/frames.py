"""Random data frames, and what may become of them in fresh rows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from fuzzing.arrow_kinds import ARROW
from fuzzing.cells import FAMILIES, pick
from fuzzing.kinds import MAY, MUST, NEVER, Kind, has_infinity
from fuzzing.labels import DOUBTFUL, INDEXES, LABELS, STRINGS, plain, twins
from fuzzing.pandas_kinds import PANDAS
from fuzzing.polars_kinds import POLARS

LIBRARIES = {"pandas": PANDAS, "polars": POLARS, "pyarrow": ARROW}


@dataclass(frozen=True)
class Column:
    """A kind, where its cells come from, and how many are missing."""

    name: str
    kind: Kind
    draw: Callable[[int], list]
    holes: str

    def cells(self, rng, n):
        cells = self.draw(n)
        if not self.kind.nullable or self.holes == "none":
            return cells
        gone = rng.random(n) < {"some": 0.3, "all": 1.0}[self.holes]
        return [None if hole else cell for hole, cell in zip(gone, cells, strict=True)]


@dataclass(frozen=True)
class Sketch:
    """A frame's columns, their labels, and how its rows are called."""

    library: str
    columns: list[Column]
    labels: object
    index: Callable

    def make(self, rng, cells):
        """Return the native frame of cells, a list for every column."""
        made = [c.kind.make(own) for c, own in zip(self.columns, cells, strict=True)]
        n = len(cells[0]) if cells else 3
        return make_frame(self.library, made, self.labels, self.index(rng, n))

    def draw(self, rng, n):
        return [column.cells(rng, n) for column in self.columns]

    def with_column(self, at, column):
        return replace(self, columns=[*self.columns[:at], column, *self.columns[at + 1 :]])


def make_frame(library, columns, labels, index):
    if library == "polars":
        return pl.DataFrame(dict(zip(labels, columns, strict=True)))
    if library == "pyarrow":
        return pa.table(columns, names=list(labels))
    frame = pd.DataFrame(index=index)
    if columns:
        frame = pd.concat([c.set_axis(range(len(c))) for c in columns], axis=1)
    frame.columns, frame.index = labels, index
    return frame


def draw_column(rng, library):
    kinds = LIBRARIES[library]
    name = pick(rng, list(kinds))
    # Most columns are of a kind that must be read.
    while kinds[name].verdict != MUST and rng.random() < 0.7:
        name = pick(rng, list(kinds))
    draw = FAMILIES[kinds[name].family](rng)
    if rng.random() < 0.1:
        draw = partial(_repeated, draw)
    holes = pick(rng, ["none", "none", "some", "some", "some", "all"])
    return Column(name, kinds[name], draw, holes)


def _repeated(draw, n):
    return draw(1) * n


def draw_sketch(rng, library, m):
    choices = LABELS if library == "pandas" else STRINGS
    label = "plain" if rng.random() < 0.6 else pick(rng, list(choices))
    labels = choices[label](rng, m)
    if library == "pyarrow" and rng.random() < 0.02:
        label, labels = "twins", twins(rng, m)
    columns = [draw_column(rng, library) for _ in range(m)]
    return label, Sketch(library, columns, labels, INDEXES[pick(rng, list(INDEXES))])


def verdict_of(columns, cells):
    """Return what must be done with rows, as far as their columns tell."""
    pairs = list(zip(columns, cells, strict=True))
    if any(c.kind.verdict == NEVER and has_infinity(own) for c, own in pairs):
        return NEVER
    verdicts = {c.kind.verdict for c, own in pairs}
    return MAY if MAY in verdicts else MUST


def fit_verdict(label, columns, cells):
    n = len(cells[0]) if cells else 0
    if n < 2:
        return NEVER
    verdict = verdict_of(columns, cells)
    nothing = all(cell is None for own in cells for cell in own)
    ordered = all(c.name.startswith("ordered") for c in columns)
    doubtful = label in DOUBTFUL or nothing or ordered
    return MAY if verdict == MUST and doubtful else verdict


# --------------------------------------------------------------------- fresh rows
# Each change takes the generator and the sketch of the fit, and returns what it is called,
# the rows, and what must be done with them; None where it does not apply.


def _as_fitted(rng, sketch, n=None):
    cells = sketch.draw(rng, int(pick(rng, [1, 2, 5])) if n is None else n)
    verdict = verdict_of(sketch.columns, cells)
    # Their categories are those of the cells, and may be in another order than in fit.
    if verdict == MUST and any(c.name.startswith("ordered") for c in sketch.columns):
        verdict = MAY
    return sketch.make(rng, cells), verdict


def rows(rng, sketch):
    return "rows", *_as_fitted(rng, sketch)


def no_rows(rng, sketch):
    return "no rows", _as_fitted(rng, sketch, 0)[0], NEVER


def _place(rng, sketch):
    at = int(rng.integers(len(sketch.columns)))
    return at, sketch.columns[at]


def other_values(rng, sketch):
    """Levels that were not seen in fit, numbers out of the range."""
    at, column = _place(rng, sketch)
    other = replace(column, draw=FAMILIES[column.kind.family](rng))
    return "other values", *_as_fitted(rng, sketch.with_column(at, other))


def empty(rng, sketch):
    """A column whose cells are all missing, of a dtype of any kind."""
    at, column = _place(rng, sketch)
    kinds = {n: k for n, k in LIBRARIES[sketch.library].items() if k.nullable}
    name = pick(rng, list(kinds))
    if column.kind.nullable and rng.random() < 0.3:
        name = column.name
    other = Column(name, kinds[name], column.draw, "all")
    X, verdict = _as_fitted(rng, sketch.with_column(at, other))
    return f"empty {name} for {column.name}", X, verdict


def other_dtype(rng, sketch):
    """Another dtype for the same cells."""
    at, column = _place(rng, sketch)
    kinds = LIBRARIES[sketch.library]
    name = pick(rng, [n for n, k in kinds.items() if k.family == column.kind.family])
    X, _ = _as_fitted(
        rng, sketch.with_column(at, replace(column, name=name, kind=kinds[name]))
    )
    return f"{name} for {column.name}", X, MAY


def other_kind(rng, sketch):
    at, column = _place(rng, sketch)
    other = draw_column(rng, sketch.library)
    X, _ = _as_fitted(rng, sketch.with_column(at, other))
    return f"{other.name} for {column.name}", X, MAY


def other_library(rng, sketch):
    """The same cells in another library."""
    library = pick(rng, [name for name in LIBRARIES if name != sketch.library])
    columns = []
    for column in sketch.columns:
        family = column.kind.family
        kinds = [(n, k) for n, k in LIBRARIES[library].items() if k.family == family]
        if not kinds:
            return None
        name, kind = pick(rng, kinds)
        columns.append(replace(column, name=name, kind=kind))
    labels = [str(label) for label in sketch.labels]
    if len(set(labels)) < len(labels):
        labels = plain(rng, len(labels))
    X, _ = _as_fitted(rng, Sketch(library, columns, labels, sketch.index))
    return f"as {library}", X, MAY


def array(rng, sketch):
    return "as array", rng.normal(size=(3, len(sketch.columns))), MAY


def _only_texts(labels):
    return all(isinstance(label, str) for label in labels)


def other_order(rng, sketch):
    labels = list(sketch.labels)
    if len(labels) < 2 or len(set(labels)) < len(labels):
        return None
    X, _ = _as_fitted(rng, sketch)
    is_pandas = isinstance(X, pd.DataFrame)
    X = X.iloc[:, np.arange(len(labels))[::-1]] if is_pandas else X.select(labels[::-1])
    # Columns without names are told apart by their places.
    return "other order", X, NEVER if _only_texts(labels) else MAY


def fewer(rng, sketch):
    if len(sketch.columns) < 2:
        return None
    less = replace(sketch, columns=sketch.columns[1:], labels=sketch.labels[1:])
    return "column gone", _as_fitted(rng, less)[0], NEVER


def more(rng, sketch):
    if not isinstance(sketch.labels, list):
        return None
    columns = [*sketch.columns, draw_column(rng, sketch.library)]
    wide = replace(sketch, columns=columns, labels=[*sketch.labels, "more"])
    return "column more", _as_fitted(rng, wide)[0], NEVER


CHANGES = [
    no_rows,
    other_values,
    empty,
    empty,
    other_dtype,
    other_kind,
    other_library,
    array,
    other_order,
    fewer,
    more,
]
