"""A column of ordered levels."""

from heapq import heapify, heappop, heappush

import numpy as np

from skae.table.level_column import BOOLEANS, LevelColumn
from skae.table.remedies import conversion


class OrderedColumn(LevelColumn):
    """Ordered categories, and whatever else has an order: numbers, dates and booleans.

    Attributes
    ----------
    levels : pandas.Index
        In the order that a dtype declares, else the cells' values sorted.
    is_declared : bool
        Whether a dtype declares them.
    group : ndarray of int of shape (n_levels,)
        Rising with the levels. Levels next to each other share a group where they are rare.
    """

    is_declared = False

    @property
    def is_identifier(self):
        # Levels that are declared are known before they are seen.
        return not self.is_declared and super().is_identifier

    def _find_levels(self, cells):
        self.is_declared = cells.declared
        levels = super()._find_levels(cells)
        if not cells.declared and any(isinstance(level, str) for level in levels):
            self._refuse_text(cells.source, levels)
        return levels

    def _refuse_text(self, source, levels):
        remedy = conversion(source, self.name, "ordered", levels=levels)
        raise ValueError(
            f"Column {self.name!r} is among ordinal_features, but holds text (dtype "
            f"{source.dtype}), which does not say how its levels are ordered. "
            f"Declare the order, the lowest level first: {remedy}, or leave the column out "
            "of ordinal_features."
        )

    def _united(self, found, new, declared):
        if declared and len(found) == len(self.levels) + len(new):
            return found  # whose order `check_order` has compared
        return super()._united(found, new, declared)

    def check_order(self, cells):
        """Raise if the dtype declares another order of the levels than in fit."""
        if not cells.ordered or self.levels is None or not len(self.levels):
            return
        theirs = cells.levels.tolist()
        places = self.levels.get_indexer(theirs)
        if np.all(np.diff(places[places >= 0]) > 0):
            return
        own = self.levels.to_list()
        levels = [*own, *(level for level in theirs if level not in own)]
        raise ValueError(
            f"Column {self.name!r} was ordered {_in_order(own)} in fit and is ordered "
            f"{_in_order(theirs)} now; bring its levels into the order of fit: "
            f"{conversion(cells.source, self.name, 'ordered', levels=levels)}."
        )

    def merge(self, other):
        if other.levels is not None and self.levels is not None and other.is_declared:
            places = self.levels.get_indexer(other.levels)
            if np.any(np.diff(places[places >= 0]) < 0):
                own, theirs = (_in_order(c.levels.tolist()) for c in (self, other))
                raise ValueError(
                    f"Column {self.name!r} is ordered {own} in one part of X and {theirs} in "
                    "another; bring its levels into one order."
                )
        super().merge(other)

    def merge_rare(self, min_frequency, max_categories, least_rows=1):
        """Merge rare levels with neighbours, so that the order stays.

        The rarest level, or group of levels, joins the less frequent of its neighbours (the
        lower one if they are equal), until no group is rare and there are few enough.
        """
        least = 0.0 if min_frequency is None else min_frequency
        if not isinstance(least, (int, np.integer)):
            least = least * self.counts.sum()
        if self.levels is not BOOLEANS:
            least = max(least, least_rows if least_rows > 1 else 0.0)
        most = len(self.levels) if max_categories is None else max_categories
        self.group = _join_neighbours(self.counts.tolist(), least, most)


def _join_neighbours(counts, least, most):
    """Return the group of every level, see `OrderedColumn.merge_rare`.

    Parameters
    ----------
    counts : list of float
        Cells per level; overwritten.
    least : float
        Cells of every group.
    most : int
        Number of groups.

    Returns
    -------
    group : ndarray of int of shape (n_levels,)
    """
    n_levels = n_groups = len(counts)
    before, after = list(range(-1, n_levels - 1)), list(range(1, n_levels + 1))
    # A group goes by its first level. Entries of groups that have grown since are stale.
    rarest = [(count, level) for level, count in enumerate(counts)]
    heapify(rarest)
    is_first = np.ones(n_levels, dtype=bool)
    while n_groups > 1:
        count, level = heappop(rarest)
        if not is_first[level] or count != counts[level]:
            continue
        if n_groups <= most and count >= least:
            break
        beside = [i for i in (before[level], after[level]) if 0 <= i < n_levels]
        low, high = sorted((level, min(beside, key=lambda i: counts[i])))
        counts[low] += counts[high]
        heappush(rarest, (counts[low], low))
        is_first[high], n_groups = False, n_groups - 1
        after[low] = after[high]
        if after[high] < n_levels:
            before[after[high]] = low
    return is_first.cumsum() - 1


def _in_order(levels):
    shown = levels if len(levels) <= 10 else [*levels[:9], "..."]
    return " < ".join(map(str, shown))
