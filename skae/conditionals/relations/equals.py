"""Columns whose cells are often the same: closed on the day of delivery, granted as asked."""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from skae.conditionals.relations.ties import LEAST_ROWS, MAX_COLUMNS, some_of

# Values of more rows than this are the same by chance, as two zeros are.
COMMON = 0.02
# Rows of other values in which both cells are there, and in which they are the same, at least.
LEAST_OF_ROWS, LEAST_EQUAL = 0.5, 0.05
# By how many numbers as many other cells differ at least, by less than which none does.
LEAST_STEPS, ROUNDING = 6, 1e-9


class Equal(NamedTuple):
    """Two columns whose cells are often the same.

    Attributes
    ----------
    columns : tuple of int
    shift : float
        How much larger the same cell is in the second column, which has another origin.
    """

    columns: tuple[int, int]
    shift: float

    def same(self, values, column):
        """Return what the cells of a column are where they are the same as the other ones."""
        first, second = self.columns
        if column == second:
            return values[:, first] + self.shift
        return values[:, second] - self.shift

    def codes(self, values):
        """Return 1 for rows in which the cells are the same, 0 for others, -1: one is missing."""
        cells = values[:, self.columns[1]]
        is_missing = np.isnan(values[:, self.columns]).any(axis=1)
        return np.where(is_missing, -1, self.same(values, self.columns[1]) == cells)


def find_equals(values, columns, facts, rules):
    """Return the `Equal`s of a table, list.

    Parameters
    ----------
    values : ndarray of float64 of shape (n, n_columns)
        NaN where missing.
    columns : sequence of int
        Those of numbers.
    facts : sequence of ColumnFacts
        Of all columns.
    rules : sequence of Tie, Formula or Extreme
        What tells columns already: these are not looked at beside those that tell them.
    """
    columns = np.asarray(columns, dtype=int)[:MAX_COLUMNS]
    few = some_of(values)
    rare = {column: _rare(few[:, column]) for column in columns.tolist()}
    known = {
        frozenset((column, rule.columns[-1]))
        for rule in rules
        for column in rule.columns[:-1]
    }
    pairs = []
    for i, j in combinations(columns.tolist(), 2):
        if frozenset((i, j)) not in known and facts[i].unit == facts[j].unit:
            equal = Equal((i, j), facts[i].origin - facts[j].origin)
            rows = rare[i] & rare[j]
            differences = (equal.same(few, j) - few[:, j])[rows]
            share = _share_of_equal(differences, len(few))
            if share > 0.0:
                pairs.append((share, equal))
    return [equal for _, equal in sorted(pairs, reverse=True)[: len(columns)]]


def _rare(column):
    """Return which cells are there and of values that few rows have."""
    _, place, counts = np.unique(column, return_inverse=True, return_counts=True)
    return ~np.isnan(column) & (counts[place] <= max(1.0, COMMON * len(column)))


def _share_of_equal(differences, n_rows):
    """Return in which share cells are the same, 0 where that is not more than usual."""
    n = len(differences)
    n_equal = int((differences == 0.0).sum())
    if n < max(LEAST_ROWS, LEAST_OF_ROWS * n_rows) or n_equal < LEAST_EQUAL * n:
        return 0.0
    # What differs by few steps is equal often, too; as many others differ by many.
    nearest = np.sort(np.abs(differences[differences != 0.0]))[:n_equal]
    steps = np.diff(nearest, prepend=0.0) > ROUNDING * nearest
    return n_equal / n if steps.sum() >= min(LEAST_STEPS, n - n_equal) else 0.0
