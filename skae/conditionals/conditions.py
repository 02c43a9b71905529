"""What the user asks of sampled rows, read: cells that are given, and ranges of others."""

from collections.abc import Mapping
from numbers import Real
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skae.table.frame import Frame
from skae.table.validation import as_frame

# Rows that meet the conditions are too improbable to be drawn below this.
LEAST_PROBABILITY = 1e-6


class Conditions(NamedTuple):
    """What is asked of rows.

    Attributes
    ----------
    n_rows : int
    fixed : ndarray of float64 of shape (n_rows, n_columns)
        Cells that are given, NaN where none is.
    allowed : dict of int to tuple (low, high) of scores, or ndarray of bool of levels
        By column.
    limits : dict of int to tuple (low, high)
        Of allowed ranges, as numbers.
    """

    n_rows: int
    fixed: Any
    allowed: dict
    limits: dict


def read_conditions(given, n_samples, table, variables):
    """Return the `Conditions`.

    Parameters
    ----------
    given : None, mapping of column to condition, or data frame
    n_samples : int or None
        None: as many as a frame has rows, else 1.
    table : TableEncoder
    variables : Variables

    Raises
    ------
    ValueError
        If a column is unknown or empty, a level was never seen, a range is impossible, or a
        frame has another number of rows.
    TypeError
        If a value is not of the kind of its column.
    """
    if given is None or isinstance(given, Mapping):
        n_rows = 1 if n_samples is None else n_samples
        fixed, allowed, limits = np.full((n_rows, len(table.names)), np.nan), {}, {}
        for name, condition in (given or {}).items():
            reader = _Reader(table, variables, name)
            if isinstance(condition, tuple) and reader.is_number:
                allowed[reader.column], limits[reader.column] = reader.range(condition)
            elif isinstance(condition, (tuple, list, set, frozenset, np.ndarray)):
                allowed[reader.column] = reader.levels(condition)
            elif reader.is_ranked:
                fixed[:, reader.column] = reader.values([condition])[0]
            else:  # so that it is known how probable the level is
                allowed[reader.column] = reader.levels([condition])
        return Conditions(n_rows, fixed, allowed, limits)
    frame = as_frame(given)
    if frame is None:
        raise TypeError(
            f"given is a {type(given).__name__}; give a dict of columns and what they hold, "
            "such as {'age': (18, 30)}, or a data frame with one row per row to draw."
        )
    if n_samples not in (None, len(frame)):
        raise ValueError(
            f"n_samples={n_samples}, but given has {len(frame)} rows, of which each stands for "
            "one row to draw; leave n_samples out, or repeat the rows of given."
        )
    fixed = np.full((len(frame), len(table.names)), np.nan)
    for i, name in enumerate(frame.labels):
        reader = _Reader(table, variables, name)
        fixed[:, reader.column] = reader.cells(frame.column(i))
    return Conditions(len(frame), fixed, {}, {})


def is_missing(value):
    """Return whether a single value stands for a missing cell."""
    return value is None or (np.ndim(value) == 0 and pd.isna(value))


class _Reader:
    """Reads what is asked of one column."""

    def __init__(self, table, variables, name):
        names = list(table.names)
        if name not in names:
            raise ValueError(
                f"given has a column {name!r}, which the estimator was not fitted with; its "
                f"columns are {names}."
            )
        self.name, self.column = name, names.index(name)
        self.block, self.j = table.place_of(self.column)
        self.is_frame = table.template_ is not None
        self.kind = table.columns_[self.column].kind if self.is_frame else "number"
        if self.column in variables.alone:
            raise ValueError(
                f"given asks for column {name!r}, nearly all of whose values occur once: it "
                "tells nothing of others. Leave it out, and set it in the sampled rows."
            )
        if self.column not in variables.of_column:
            raise ValueError(
                f"given asks for column {name!r}, of which no cell was there in fit; leave it "
                "out."
            )
        self.is_number = self.block is table.design_.numeric
        self._variable, self._variables = variables.of_column[self.column], variables
        self.is_ranked = self._variable < variables.n_ranked

    def values(self, conditions):
        """Return the numbers of some values, ndarray of shape (n,)."""
        if any(is_missing(value) for value in conditions):
            raise ValueError(
                f"given asks for a missing cell in column {self.name!r}; leave the column out, "
                "or draw missing cells with missing=True."
            )
        if self.is_number:
            numbers = np.array([self._number(value) for value in conditions])
            self._refuse_outside(numbers)
            return numbers
        if not self.is_frame:
            conditions = [self._number(value) for value in conditions]
        frame = Frame.of(pd.DataFrame({self.name: pd.Series(list(conditions))}))
        return self.cells(frame.column(0), conditions)

    def cells(self, cells, shown=None):
        """Return the numbers of `Cells`, NaN where one is missing."""
        missing = np.zeros(len(cells), bool) if cells.missing is None else cells.missing
        if missing.all():
            return np.full(len(cells), np.nan)
        if self.is_number:
            if self.is_frame and cells.kind != self.kind:
                raise TypeError(
                    f"given has cells of kind {cells.kind!r} in column {self.name!r}, which "
                    f"held kind {self.kind!r} in fit; convert them first."
                )
            numbers = (
                self.block.readers[self.j].read(cells) if self.is_frame else cells.floats()
            )
            self._refuse_outside(numbers[~missing])
            return numbers
        levels = self.block.readers[self.j].read(cells)[0].astype(float)
        known = (levels >= 0) & self._seen()[levels.astype(int)]
        if not np.all(known | missing):
            bad = cells[np.flatnonzero(~known & ~missing)[:1]].objects()[0]
            bad = bad if shown is None else list(shown)[int(np.argmin(known | missing))]
            raise ValueError(
                f"given asks for {bad!r} in column {self.name!r}, which no row of the fit "
                f"holds; its levels are {self._names_of_levels()}."
            )
        return np.where(missing, np.nan, levels)

    def levels(self, conditions):
        """Return which levels are allowed, or of ordered ones the scores that are."""
        if self.is_number:
            raise TypeError(
                f"given asks for {conditions!r} in column {self.name!r}, which holds numbers; "
                "give one value, or a range as a tuple (low, high)."
            )
        if not len(conditions):
            raise ValueError(
                f"given allows no level in column {self.name!r}; give one, or leave it out."
            )
        levels = self.values(list(conditions)).astype(int)
        if self.is_ranked:
            if np.ptp(levels) + 1 != len(set(levels.tolist())):
                raise ValueError(
                    f"given asks for {conditions!r} in column {self.name!r}, which is "
                    "ordered; ask for levels that follow each other."
                )
            ranks = self._variables.ranks[self._variable]
            return ranks.scores_within(levels.min(), levels.max())
        allowed = np.zeros(len(self._seen()), dtype=bool)
        allowed[levels] = True
        return allowed

    def range(self, condition):
        """Return the scores of a range (low, high), and its ends as numbers."""
        if len(condition) != 2:
            raise ValueError(
                f"given asks for {condition!r} in column {self.name!r}; a range is a tuple "
                "(low, high), with None for an open end."
            )
        low, high = (
            end if is_missing(value) else self._number(value)
            for value, end in zip(condition, (-np.inf, np.inf), strict=True)
        )
        ranks = self._variables.ranks[self._variable]
        scores = ranks.scores_within(low, high) if low <= high else None
        if scores is None:
            raise ValueError(
                f"given asks for {condition!r} in column {self.name!r}, between which no row "
                f"can lie: its cells lie from {self._shown(0)} to {self._shown(-1)}. "
                "Give a range (low, high) that holds some of them."
            )
        return scores, (low, high)

    def _number(self, value):
        """Return the number of a value in a column of numbers, dates or durations."""
        if self.kind in ("date", "duration"):
            make = pd.Timestamp if self.kind == "date" else pd.Timedelta
            try:
                series = pd.Series([make(value)])
            except (ValueError, TypeError) as error:
                raise TypeError(self._wrong(value)) from error
            cells = Frame.of(pd.DataFrame({self.name: series})).column(0)
            return float(self.block.readers[self.j].read(cells)[0])
        if not isinstance(value, (Real, np.number)) or isinstance(value, (bool, np.bool_)):
            raise TypeError(self._wrong(value))
        return float(value)

    def _wrong(self, value):
        return (
            f"given asks for {value!r} in column {self.name!r}, which holds cells of kind "
            f"{self.kind!r}; give such a value, or a range as a tuple (low, high)."
        )

    def _refuse_outside(self, numbers):
        low, high = self._variables.ranks[self._variable].points[[0, -1]]
        outside = (numbers < low) | (numbers > high)
        if outside.any():
            raise ValueError(
                f"given asks for {numbers[outside][0]:g} in column {self.name!r}, whose cells "
                f"lie from {self._shown(0)} to {self._shown(-1)}; give a value among them."
            )

    def _shown(self, end):
        number = self._variables.ranks[self._variable].points[end]
        template = nw.new_series("", [0.0], backend="pandas")
        reader = self.block.readers[self.j] if self.is_frame else None
        if reader is None or self.kind == "number":
            return f"{number:g}"
        template = nw.from_native(
            pd.Series([], dtype="m8[us]" if self.kind == "duration" else "M8[us]"),
            series_only=True,
        )
        cell = reader.write(np.array([number]), np.array([False]), template)
        return str(cell.to_native().iloc[0])

    def _seen(self):
        start = int(self.block.n_levels[: self.j].sum())
        return self.block.seen[start : start + int(self.block.n_levels[self.j])].numpy()

    def _names_of_levels(self, most=20):
        reader, seen = self.block.readers[self.j], self._seen()
        names = [
            name
            for name, group in zip(reader.levels.tolist(), reader.group, strict=True)
            if seen[group]
        ]
        more = ["..."] if len(names) > most else []
        return [*names[:most], *more]
