"""Columns that are the largest or the smallest of others: a best mark, a first visit."""

from dataclasses import dataclass, replace

import numpy as np

from skae.conditionals.relations.rules import MOST_CHANCE
from skae.conditionals.relations.ties import LEAST_ROWS, some_of, sources_of

# In at least this share of rows each source is the extreme, and no other one is.
LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Extreme:
    """A column that is in every row the largest of others, or the smallest.

    Attributes
    ----------
    columns : tuple of int
        Numbers, dates or durations; the last is the extreme of those before it.
    sign : float
        1: the largest; -1: the smallest.
    shifts : tuple of float
        What is added to the cells of every column to compare them with those of the last.
    """

    columns: tuple[int, ...]
    sign: float
    shifts: tuple[float, ...]

    def among(self, columns):
        """Return it with other numbers for its columns: columns[i] in place of i."""
        return replace(self, columns=tuple(int(columns[i]) for i in self.columns))

    def told(self, values, column):
        """Return what a column has to be, NaN where the others do not say, (n,).

        A source is the extreme where no other one is.
        """
        *sources, last = (self.sign * (values[:, self.columns] + self.shifts)).T
        at = self.columns.index(column)
        if at == len(sources):
            cells = np.max(sources, axis=0)
        else:
            others = np.max(np.delete(sources, at, axis=0), axis=0)
            cells = np.where(others < last, last, np.nan)
        return self.sign * cells - self.shifts[at]

    def chance(self, values):
        """Return how likely each hidden source is to be the extreme that is there, (n,).

        As likely as every other hidden one, where none that is there is the extreme.
        """
        cells = self.sign * (values[:, self.columns] + self.shifts)
        last = cells[:, -1:]
        n_hidden = np.isnan(cells[:, :-1]).sum(axis=1)
        is_open = ~np.isnan(last[:, 0]) & ~(cells[:, :-1] == last).any(axis=1)
        return np.where(is_open, 1.0 / np.maximum(n_hidden, 1), 0.0)

    def same(self, values, column):
        """Return what the cells of a source are where it is the extreme."""
        return values[:, self.columns[-1]] - self.shifts[self.columns.index(column)]

    def are_broken(self, values):
        """Return which rows have all of the cells, and no source that is the extreme."""
        cells = values[:, self.columns[-1]]
        told = self.told(values, self.columns[-1])
        return ~np.isnan(told) & ~np.isnan(cells) & (told != cells)


def find_extremes(values, orders):
    """Return the `Extreme`s of a table, list.

    Parameters
    ----------
    values : ndarray of float64 of shape (n, n_columns)
        NaN where missing.
    orders : Orders
        What is largest lies above all others in order.
    """
    few = some_of(values)
    found = []
    for column in sorted(orders.columns):
        for sign, gaps in ((1.0, orders.gaps[:, column]), (-1.0, orders.gaps[column])):
            others = np.flatnonzero(gaps == 0.0).tolist()
            # From one origin, which is that of the column: large numbers would be rounded.
            shifts = orders.origins - orders.origins[column]
            columns = _extreme_of(sign * (few + shifts), others, column)
            if columns is None or any(column in sources_of(i, found) for i in columns[:-1]):
                continue
            extreme = Extreme(columns, sign, tuple(shifts[list(columns)].tolist()))
            if not extreme.are_broken(values).any():
                found.append(extreme)
                break
    return found


def _extreme_of(cells, others, column):
    """Return the fewest columns of which one is always the largest, and that one, or None."""
    cells = cells[~np.isnan(cells[:, [*others, column]]).any(axis=1)]
    if len(others) < 2 or len(cells) < LEAST_ROWS:
        return None
    is_last = cells[:, others] == cells[:, [column]]
    for at in np.argsort(is_last.sum(axis=0), kind="stable"):
        without = is_last.copy()
        without[:, at] = False
        if without.any(axis=1).all():
            is_last = without
    sources = np.flatnonzero(is_last.any(axis=0))
    alone = is_last & (is_last.sum(axis=1, keepdims=True) == 1)
    if not is_last.any(axis=1).all() or len(sources) < 2:
        return None
    if alone[:, sources].mean(axis=0).min() < LEAST_SHARE:
        return None
    # As often as that by chance: any cell of the one for any of the other.
    own, counts = np.unique(cells[:, column], return_counts=True)
    chance = np.square(counts / len(cells)).sum()
    if len(cells) * np.log(chance) >= np.log(MOST_CHANCE) or len(own) < 2:
        return None
    return (*(others[at] for at in sources.tolist()), column)
