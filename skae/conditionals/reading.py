"""What the user asks of one column, read."""

from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd

from skae.table.frame import Frame

TIMES = ("date", "duration")
# What holds several conditions for a column.
SEVERAL = (tuple, list, set, frozenset, np.ndarray)


def is_missing(value):
    """Return whether a single value stands for a missing cell."""
    return value is None or (np.ndim(value) == 0 and pd.isna(value))


def as_list(condition):
    """Return a column of values, of whatever library, as a list; others as they are."""
    if isinstance(condition, (str, *SEVERAL)) or not hasattr(condition, "__iter__"):
        return condition
    return list(condition)


class ConditionReader:
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
        # Nearly all of its values occur once, and it tells nothing of other columns.
        self.is_alone = self.column in variables.alone
        if self.column not in variables.of_column and not self.is_alone:
            raise ValueError(
                f"given asks for column {name!r}, of which no cell was there in fit; leave it "
                "out."
            )
        self.is_number = self.block is table.design_.numeric
        # The column that says whether its cells are missing, where that is a level.
        self.absence = variables.absence_of.get(self.column)
        self._variable, self._variables = variables.of_column.get(self.column), variables
        self.is_ranked = not self.is_alone and self._variable < variables.n_ranked

    def is_range(self, condition):
        """Return whether it is one of numbers, or of ordered levels from one to another."""
        return isinstance(condition, tuple) and (
            self.is_number or (self.is_ranked and len(condition) == 2)
        )

    def split(self, condition):
        """Return what is asked of cells that are there, and whether they may be missing.

        Returns
        -------
        condition
            None: nothing, for they are to be missing.
        allowed : ndarray of bool of shape (2,)
            Whether cells that are there are allowed, and missing ones.
        """
        if self.is_range(condition):
            return condition, np.array([True, False])
        cells = list(condition) if isinstance(condition, SEVERAL) else [condition]
        there = [cell for cell in cells if not is_missing(cell)]
        allowed = np.array([len(there) > 0 or not cells, len(there) < len(cells)])
        self.absences(allowed[1:])
        if not allowed[1]:
            return condition, allowed
        return (there if there else None), allowed

    def absences(self, missing):
        """Return whether cells are missing as numbers, where rows of the fit miss some."""
        if missing.any() and not self._variables.seen_level(self.absence)[1]:
            raise ValueError(
                f"given asks for a missing cell in column {self.name!r}, of which no cell was "
                "missing in fit; leave the column out."
            )
        return missing.astype(float)

    def values(self, conditions):
        """Return the numbers of some values, ndarray of shape (n,)."""
        if any(is_missing(value) for value in conditions):
            raise ValueError(
                f"given asks for a missing cell in column {self.name!r}; leave the column out, "
                "draw missing cells with missing=True, or fit with "
                f"missing={{{self.name!r}: 'level'}}, which makes them a value."
            )
        if self.is_number:
            numbers = np.array([self._number(value) for value in conditions])
            self._refuse(numbers)
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
            if self.is_frame:
                self.block.check(cells, self.j)
            self._refuse(numbers[~missing])
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
        self._refuse_merged(levels[~missing], shown or ())
        return np.where(missing, np.nan, levels)

    def levels(self, conditions):
        """Return which levels are allowed, or of ordered ones the first and the last."""
        if self.is_number:
            raise TypeError(
                f"given asks for {conditions!r} in column {self.name!r}, which holds numbers; "
                "give one value, or a range as a tuple (low, high)."
            )
        if self.is_alone:
            raise ValueError(
                f"given asks for {conditions!r} in column {self.name!r}, nearly all of whose "
                "values occur once; give one value, or leave it out."
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
            return float(levels.min()), float(levels.max())
        allowed = np.zeros(len(self._seen()), dtype=bool)
        allowed[levels] = True
        return allowed

    def range(self, condition):
        """Return a range (low, high) as numbers."""
        if len(condition) != 2:
            raise ValueError(
                f"given asks for {condition!r} in column {self.name!r}; a range is a tuple "
                "(low, high), with None for an open end."
            )
        read = self._number if self.is_number else lambda level: self.values([level])[0]
        low, high = (
            end if is_missing(value) else read(value)
            for value, end in zip(condition, (-np.inf, np.inf), strict=True)
        )
        ranks = self._variables.ranks[self._variable]
        if self.is_frame and self.is_number:
            low, high = self.block.readers[self.j].within(low, high)
        if low > high or ranks.scores_within(low, high) is None:
            raise ValueError(
                f"given asks for {condition!r} in column {self.name!r}, between which no row "
                f"can lie: its cells lie from {self._shown(ranks.points[0])} to "
                f"{self._shown(ranks.points[-1])}. "
                "Give a range (low, high) that holds some of them."
            )
        return low, high

    def _number(self, value):
        """Return the number of a value in a column of numbers, dates or durations."""
        is_time = isinstance(value, (np.datetime64, np.timedelta64))
        is_number = isinstance(value, (Real, np.number, Decimal)) and not is_time
        if isinstance(value, (bool, np.bool_)) or is_number == (self.kind in TIMES):
            raise TypeError(self._wrong(value))
        if self.kind not in TIMES and self._is_plain:
            return float(value)
        try:
            series = pd.Series([self._time(value) if self.kind in TIMES else value])
        except (ValueError, TypeError) as error:
            raise TypeError(self._wrong(value)) from error
        cells = Frame.of(pd.DataFrame({self.name: series})).column(0)
        try:
            self.block.check(cells, self.j)
        except ValueError as error:
            zone = self.block.readers[self.j].zone
            clock = "have no time zone" if zone is None else f"are of the zone {zone}"
            raise ValueError(
                f"given asks for {value!r} in column {self.name!r}, whose times {clock}; give "
                "such a time, or text, which is read as the column's own."
            ) from error
        return float(self.block.readers[self.j].read(cells)[0])

    def _time(self, value):
        if self.kind == "duration":
            return pd.Timedelta(value)
        value = value.start_time if isinstance(value, pd.Period) else value
        time, zone = pd.Timestamp(value), self.block.readers[self.j].zone
        # Of text it is the column's own clock that is meant.
        if isinstance(value, str) and time.tz is None and zone is not None:
            return time.tz_localize(zone)
        return time

    @property
    def _is_plain(self):
        """Whether the column's numbers are read as they are, not as distances."""
        return not self.is_frame or self.block.readers[self.j].is_plain

    def _wrong(self, value):
        return (
            f"given asks for {value!r} in column {self.name!r}, which holds cells of kind "
            f"{self.kind!r}; give such a value, or a range as a tuple (low, high)."
        )

    def _refuse(self, numbers):
        """Raise if there are numbers that rows of the column do not, or cannot, have."""
        low, high = self._variables.ranks[self._variable].points[[0, -1]]
        outside = (numbers < low) | (numbers > high)
        if outside.any():
            raise ValueError(
                f"given asks for {self._shown(numbers[outside][0])} in column {self.name!r}, whose cells "
                f"lie from {self._shown(low)} to {self._shown(high)}; give a value among them."
            )
        lost = numbers[~self.block.holds(numbers, self.j)]
        if len(lost):
            raise ValueError(
                f"given asks for {self._shown(lost[0])} in column {self.name!r}, whose cells "
                "are whole (numbers, days, ...) and at most 2**53 steps apart; give one such "
                "cell, or a range (low, high)."
            )

    def _shown(self, number):
        if not self.is_number:
            return repr(self.block.readers[self.j].levels.tolist()[int(number)])
        return self.block.readers[self.j].shown(number) if self.is_frame else f"{number:g}"

    def _refuse_merged(self, levels, allowed):
        """Raise if a level is asked for that is drawn as one with others, unless all are."""
        reader = self.block.readers[self.j]
        for group in np.unique(levels):
            alike = np.flatnonzero((reader.group == group) & (reader.n_cells > 0))
            names = reader.levels[alike].tolist()
            if len(names) > 1 and not set(names) <= set(allowed):
                raise ValueError(
                    f"given asks for one of {names} in column {self.name!r}, which are rare "
                    "and drawn as one; fit with another min_frequency or max_categories, or "
                    "allow all of them, as a list."
                )

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
