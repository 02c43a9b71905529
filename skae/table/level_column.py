"""A column of levels: booleans and categories."""

from functools import cached_property
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skae.table.identifiers import is_identifier
from skae.table.states import MISSING, OBSERVED, UNKNOWN
from skae.table.writing import as_series, is_pandas_category

# So many levels are looked up sooner than it is found out which of them are needed.
FEW = 64
# Levels that are collected from chunks, at most.
MOST_LEVELS = 200_000
BOOLEANS = pd.Index([False, True], dtype=object)


class LevelColumn:
    """Booleans and categories.

    Attributes
    ----------
    levels : pandas.Index
        The values that cells take: those a dtype declares, else those seen, sorted.
    counts : ndarray of shape (n_levels,)
        (Weighted) numbers of cells.
    n_cells : ndarray of int of shape (n_levels,)
        Numbers of cells, whatever their weights.
    group : ndarray of int of shape (n_levels,)
        The number of the level in the design matrix: rare levels share the last one.
    shared : int
        The number that rare levels share; -1: none do.
    """

    shared = -1
    # Once levels of few rows are forgotten: the groups, and the cells of these levels.
    _n_groups: int | None = None
    _of_forgotten: Any = None

    def __init__(self, name, kind):
        self.name, self.kind = name, kind
        self.levels = None

    def learn(self, cells, weights=None, grow=False):
        """Learn the levels from the first `Cells`, and count; return how many miss.

        With `grow` further ones add levels that the first did not have.
        """
        if self.levels is None:
            self.levels = self._find_levels(cells)
            self.counts = np.zeros(len(self.levels))
            self.n_cells = np.zeros(len(self.levels), dtype=np.int64)
        elif grow and not cells.all_missing:
            self._grow(cells)
        codes, states = self._level_numbers(cells)
        known = states == OBSERVED
        self.counts += np.bincount(
            codes[known],
            weights=None if weights is None else weights[known],
            minlength=len(self.levels),
        )
        self.n_cells += np.bincount(codes[known], minlength=len(self.levels))
        return int((states == MISSING).sum())

    def _find_levels(self, cells):
        if self.kind == "boolean" or cells.kind == "boolean":
            return BOOLEANS
        if cells.declared:
            return pd.Index(cells.levels)
        return pd.Index(sorted(_distinct(cells)))

    def _grow(self, cells):
        """Add the levels that cells hold, or declare, to those that are known."""
        self._add(self._find_levels(cells), cells.declared)

    def _add(self, found, declared):
        """Add levels to those that are known."""
        new = found[self.levels.get_indexer(found) < 0]
        if not len(new):
            return
        levels = self._united(found, new, declared)
        if len(levels) > MOST_LEVELS:
            raise ValueError(
                f"Column {self.name!r} holds more than {MOST_LEVELS:,} different values, such "
                f"as {new[0]!r}; leave the column out, or make it a number."
            )
        places = levels.get_indexer(self.levels)
        counts, n_cells = np.zeros(len(levels)), np.zeros(len(levels), dtype=np.int64)
        counts[places], n_cells[places] = self.counts, self.n_cells
        self.levels, self.counts, self.n_cells = levels, counts, n_cells
        self.__dict__.pop("_places", None)

    def _united(self, found, new, declared):
        """Return the known levels and new ones; sorted, unless a dtype declares them."""
        levels = self.levels.append(new)
        return levels if declared else pd.Index(sorted(levels.tolist()))

    def merge(self, other):
        """Take what another column, of the same name and kind, has learned of other rows."""
        if other.levels is None:
            return
        if self.levels is None:
            vars(self).update(vars(other))
            if self.levels.equals(BOOLEANS):
                self.levels = BOOLEANS
            return
        is_sorted = [c.levels.is_monotonic_increasing for c in (self, other)]
        self._add(other.levels, declared=not all(is_sorted))
        places = self.levels.get_indexer(other.levels)
        self.counts[places] += other.counts
        self.n_cells[places] += other.n_cells

    def __getstate__(self):
        return {key: value for key, value in vars(self).items() if key != "_places"}

    @property
    def is_identifier(self):
        """Whether nearly every cell of fresh rows is expected to hold a new level."""
        return is_identifier(self.n_cells)

    def merge_rare(self, min_frequency, max_categories, least_rows=1):
        """Let rare levels share a number, as in `OneHotEncoder`."""
        n_levels, total = len(self.levels), self.counts.sum()
        rare = self._is_few(least_rows)
        if min_frequency is not None:
            whole = isinstance(min_frequency, (int, np.integer))
            rare = self.counts < (min_frequency if whole else min_frequency * total)
        if (
            max_categories is not None
            and n_levels - rare.sum() + rare.any() > max_categories
        ):
            kept = np.argsort(-self.counts, kind="stable")[: max_categories - 1]
            few = np.ones(n_levels, dtype=bool)
            few[kept] = False
            rare |= few
        self.group = np.empty(n_levels, dtype=np.int64)
        self.group[~rare] = np.arange((~rare).sum())
        self.group[rare] = (~rare).sum()
        if rare.any():
            self.shared = int((~rare).sum())

    def _is_few(self, least_rows):
        """Return which levels tell of fewer rows; `False` and `True` tell nothing."""
        if self.levels is BOOLEANS or least_rows == 1:
            return np.zeros(len(self.levels), dtype=bool)
        return self.n_cells < least_rows

    def forget(self, least_rows):
        """Forget the levels that fewer rows hold; their groups stay."""
        few = self._is_few(least_rows)
        n_groups = self.n_groups
        self._of_forgotten = np.bincount(self.group[few], self.counts[few], n_groups)
        self._n_groups, self.levels = n_groups, self.levels[~few]
        self.counts, self.n_cells = self.counts[~few], self.n_cells[~few]
        self.group = self.group[~few]
        self.__dict__.pop("_places", None)

    @property
    def n_groups(self):
        if self._n_groups is not None:
            return self._n_groups
        return int(self.group.max(initial=-1)) + 1

    def group_counts(self):
        """Return the (weighted) numbers of cells of every group."""
        counts = np.bincount(self.group, self.counts, self.n_groups)
        return counts if self._of_forgotten is None else counts + self._of_forgotten

    def seen_groups(self):
        """Return which groups any row holds; all, where rows hold none."""
        seen = np.bincount(self.group, self.n_cells, self.n_groups) > 0
        return seen if seen.any() else ~seen

    @cached_property
    def _places(self):
        """The number of every level, and -1 for None, dict."""
        return {level: number for number, level in enumerate(self.levels.tolist())}

    def _level_numbers(self, cells):
        """Return the number of every cell's level, -1 for none, and the cells' states."""
        if cells.all_missing:  # of any dtype
            n_rows = len(cells)
            return np.full(n_rows, -1), np.full(n_rows, MISSING, dtype=np.uint8)
        if cells.levels is None and cells.kind != "boolean":
            numbers = self.levels.get_indexer(cells.data)
        else:
            codes, levels = _used(cells)
            places = [self._places.get(level, -1) for level in levels.tolist()]
            # The last entry is what -1, a missing cell, points to.
            numbers = np.array([*places, -1], dtype=np.int64)[codes]
        states = np.where(numbers < 0, UNKNOWN, OBSERVED).astype(np.uint8)
        if cells.missing is not None:
            numbers, states[cells.missing] = np.where(cells.missing, -1, numbers), MISSING
        return numbers, states

    def read(self, cells, unknown_is_rare=False):
        """Return the number of every cell's group, -1 for none, and the cells' states.

        With `unknown_is_rare` a level not seen in fit counts as one of the rare levels,
        where some share a group.
        """
        numbers, states = self._level_numbers(cells)
        groups = np.append(self.group, -1)[numbers]
        if (unknown_is_rare or self._n_groups is not None) and self.shared >= 0:
            unknown = states == UNKNOWN
            groups[unknown], states[unknown] = self.shared, OBSERVED
        return groups, states

    def group_names(self):
        """Return what each group is called: its level, or how many rare ones share it."""
        levels, names = self.levels.tolist(), []
        for group in range(self.n_groups):
            members = np.flatnonzero(self.group == group).tolist()
            is_one = len(members) == 1 and group != self.shared
            rare = f"{len(members)} rare levels" if len(members) > 1 else "rare"
            names.append(levels[members[0]] if is_one else rare)
        return names

    def answers(self, given):
        """Return what stands for each group in a list of levels: the place of its likeliest."""
        likeliest = [
            members[self.counts[members].argmax()]
            for members in map(
                np.flatnonzero, self.group == np.arange(self.n_groups)[:, None]
            )
        ]
        places = {level: place for place, level in enumerate(given)}
        levels = self.levels.tolist()
        answers = [places.get(levels[number], -1) for number in likeliest]
        return np.array(answers or [-1], dtype=np.int64)

    def write(self, groups, missing, template, rng=None):
        """Return the column of the groups' levels, in the dtype of `template`.

        A group of rare levels stands for the most frequent of them, or, with `rng`,
        for one drawn by their frequencies; never for one that no row holds. A group of
        levels that are forgotten stands for a missing cell.
        """
        if not len(self.levels):
            return as_series(np.full(len(groups), None, dtype=object), missing, template)
        numbers = np.empty(len(groups), dtype=np.int64)
        for group in np.unique(groups):
            members = np.flatnonzero(self.group == group)
            here = np.flatnonzero(groups == group)
            if not len(members):
                numbers[here], missing = 0, missing | (groups == group)
                continue
            counts = self.counts[members]
            numbers[here] = (
                members[counts.argmax()]
                if rng is None or len(members) == 1 or not counts.any()
                else rng.choice(members, size=len(here), p=counts / counts.sum())
            )
        if is_pandas_category(template):
            return self._write_category(numbers, missing, template.to_native().dtype)
        values = self.levels.to_numpy()
        if values.dtype.kind not in "iufmM":
            values = self.levels.to_numpy(dtype=object)
        return as_series(values[numbers], missing, template)

    def _write_category(self, numbers, missing, dtype):
        """Return a series of a category dtype of pandas, or of one that has all levels."""
        codes = dtype.categories.get_indexer(self.levels)
        new = np.setdiff1d(numbers[~missing], np.flatnonzero(codes >= 0))
        if len(new):
            categories = dtype.categories.append(self.levels[new])
            dtype = pd.CategoricalDtype(categories, dtype.ordered)
            codes[new] = len(categories) - len(new) + np.arange(len(new))
        codes = np.where(missing, -1, codes[numbers])
        return nw.from_native(
            pd.Series(pd.Categorical.from_codes(codes, dtype=dtype)), series_only=True
        )


def _used(cells):
    """Return codes of cells and levels: of a few rows only the levels that they hold."""
    if cells.kind == "boolean":
        return cells.data.astype(np.int8), BOOLEANS
    if len(cells.levels) <= max(len(cells), FEW):
        return cells.data, cells.levels
    used, codes = np.unique(cells.data, return_inverse=True)
    # -1, if any cell is missing, comes first.
    n_missing = int(len(used) > 0 and used[0] < 0)
    return codes - n_missing, cells.levels[used[n_missing:]]


def _distinct(cells):
    """Return the values that cells hold, list."""
    if cells.levels is None:
        return pd.Index(np.unique(cells.there())).tolist()
    codes, levels = _used(cells)
    seen = np.zeros(len(levels) + 1, dtype=bool)
    seen[codes] = True
    return levels[seen[:-1]].tolist()
