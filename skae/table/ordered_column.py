"""A column of ordered levels."""

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skae.table.level_column import LevelColumn
from skae.table.remedies import conversion
from skae.table.series import cells_of, declares_order, is_missing, is_pandas_category


class OrderedColumn(LevelColumn):
    """Ordered categories, and whatever else has an order: numbers, dates and booleans.

    Attributes
    ----------
    levels : pandas.Index
        In the order that a dtype declares, else the cells' values sorted.
    group : ndarray of int of shape (n_levels,)
        Rising with the levels. Levels next to each other share a group where they are rare.
    """

    def _find_levels(self, series):
        if declares_order(series) or is_pandas_category(series):
            return pd.Index(series.cat.get_categories().to_list())
        if series.dtype == nw.Boolean:
            return pd.Index([False, True], dtype=object)
        cells = cells_of(series)
        values = pd.unique(cells[~is_missing(series, cells)])
        if any(isinstance(value, str) for value in values):
            self._refuse_text(series, values)
        return super()._find_levels(series)

    def _refuse_text(self, series, values):
        levels = sorted(map(str, values))
        remedy = conversion(series, self.name, "ordered", levels=levels)
        raise ValueError(
            f"Column {self.name!r} is among ordinal_features, but holds text (dtype "
            f"{series.dtype}), which does not say how its levels are ordered. "
            f"Declare the order, the lowest level first: {remedy}, or leave the column out "
            "of ordinal_features."
        )

    def check_order(self, series):
        """Raise if the dtype declares another order of the levels than in fit."""
        if not declares_order(series) or not len(self.levels):
            return
        theirs = series.cat.get_categories().to_list()
        places = self.levels.get_indexer(theirs)
        if np.all(np.diff(places[places >= 0]) > 0):
            return
        own = self.levels.to_list()
        levels = [*own, *(level for level in theirs if level not in own)]
        raise ValueError(
            f"Column {self.name!r} was ordered {_in_order(own)} in fit and is ordered "
            f"{_in_order(theirs)} now; bring its levels into the order of fit: "
            f"{conversion(series, self.name, 'ordered', levels=levels)}."
        )

    def merge_rare(self, min_frequency, max_categories):
        """Merge rare levels with neighbours, so that the order stays.

        The rarest level, or group of levels, joins the less frequent of its neighbours (the
        lower one if they are equal), until no group is rare and there are few enough.
        """
        least = 0.0 if min_frequency is None else min_frequency
        if not isinstance(least, (int, np.integer)):
            least = least * self.counts.sum()
        most = len(self.levels) if max_categories is None else max_categories
        counts, members = list(self.counts), [[i] for i in range(len(self.levels))]
        while len(counts) > 1 and (min(counts) < least or len(counts) > most):
            rarest = int(np.argmin(counts))
            beside = [i for i in (rarest - 1, rarest + 1) if 0 <= i < len(counts)]
            low, high = sorted((rarest, min(beside, key=lambda i: counts[i])))
            counts[low] += counts.pop(high)
            members[low] += members.pop(high)
        self.group = np.empty(len(self.levels), dtype=np.int64)
        for number, group in enumerate(members):
            self.group[group] = number


def _in_order(levels):
    shown = levels if len(levels) <= 10 else [*levels[:9], "..."]
    return " < ".join(map(str, shown))
