"""A column of levels: booleans and categories."""

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skae.table.identifiers import is_identifier
from skae.table.remedies import as_text
from skae.table.series import cells_of, is_missing, is_pandas_category
from skae.table.states import MISSING, OBSERVED, UNKNOWN
from skae.table.writing import as_series


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

    def __init__(self, name, kind):
        self.name, self.kind = name, kind
        self.levels = None

    def learn(self, series, weights=None):
        """Learn the levels from the first cells, and count the cells; return how many miss."""
        if self.levels is None:
            self.levels = self._find_levels(series)
            self.counts = np.zeros(len(self.levels))
            self.n_cells = np.zeros(len(self.levels), dtype=np.int64)
        codes, states = self._level_numbers(series)
        known = states == OBSERVED
        self.counts += np.bincount(
            codes[known],
            weights=None if weights is None else weights[known],
            minlength=len(self.levels),
        )
        self.n_cells += np.bincount(codes[known], minlength=len(self.levels))
        return int((states == MISSING).sum())

    def _find_levels(self, series):
        if self.kind == "boolean":
            return pd.Index([False, True], dtype=object)
        if series.dtype == nw.Enum or is_pandas_category(series):
            return pd.Index(series.cat.get_categories().to_list())
        cells = cells_of(series)
        cells = cells[~is_missing(series, cells)]
        try:
            return pd.Index(sorted(pd.unique(cells)))
        except TypeError as error:
            raise ValueError(
                f"Column {self.name!r} holds values that cannot be told apart as "
                f"categories ({error}); convert it or leave it out first, for example with "
                f"{as_text(series, self.name)}."
            ) from error

    @property
    def is_identifier(self):
        """Whether nearly every cell of fresh rows is expected to hold a new level."""
        return is_identifier(self.n_cells)

    def merge_rare(self, min_frequency, max_categories):
        """Let rare levels share a number, as in `OneHotEncoder`."""
        n_levels, total = len(self.levels), self.counts.sum()
        rare = np.zeros(n_levels, dtype=bool)
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

    @property
    def n_groups(self):
        return int(self.group.max(initial=-1)) + 1

    def group_counts(self):
        """Return the (weighted) numbers of cells of every group."""
        return np.bincount(self.group, self.counts, self.n_groups)

    def _level_numbers(self, series):
        """Return the number of every cell's level, -1 for none, and the cells' states."""
        if is_pandas_category(series):
            native = series.to_native()
            codes = native.cat.codes.to_numpy()
            # The last entry is what -1, a missing cell, points to.
            table = np.append(self.levels.get_indexer(native.cat.categories), 0)
            numbers, missing = table[codes], codes < 0
        else:
            cells = cells_of(series)
            missing = is_missing(series, cells)
            try:
                numbers = self.levels.get_indexer(cells)
            except TypeError as error:
                raise ValueError(
                    f"Column {self.name!r} holds an object that cannot be a category "
                    f"({error}); convert it or leave it out first, for example with "
                    f"{as_text(series, self.name)}."
                ) from error
        numbers = np.where(missing, -1, numbers)
        states = np.where(missing, MISSING, np.where(numbers < 0, UNKNOWN, OBSERVED))
        return numbers, states.astype(np.uint8)

    def read(self, series, unknown_is_rare=False):
        """Return the number of every cell's group, -1 for none, and the cells' states.

        With `unknown_is_rare` a level not seen in fit counts as one of the rare levels,
        where some share a group.
        """
        numbers, states = self._level_numbers(series)
        groups = np.append(self.group, -1)[numbers]
        if unknown_is_rare and self.shared >= 0:
            unknown = states == UNKNOWN
            groups[unknown], states[unknown] = self.shared, OBSERVED
        return groups, states

    def write(self, groups, missing, template, rng=None):
        """Return the column of the groups' levels, in the dtype of `template`.

        A group of rare levels stands for the most frequent of them, or, with `rng`,
        for one drawn by their frequencies.
        """
        if not len(self.levels):
            return as_series(np.full(len(groups), None, dtype=object), missing, template)
        numbers = np.empty(len(groups), dtype=np.int64)
        for group in np.unique(groups):
            members = np.flatnonzero(self.group == group)
            here = np.flatnonzero(groups == group)
            counts = self.counts[members] + 1e-9
            numbers[here] = (
                members[counts.argmax()]
                if rng is None or len(members) == 1
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
