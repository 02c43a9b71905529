"""Columns of which one is never above another: a start before its end, a low below a high."""

import numpy as np

from skae.conditionals.relations.rules import MOST_CHANCE
from skae.conditionals.relations.ties import LEAST_ROWS, MAX_COLUMNS, some_of
from skae.table.decimals import TOO_MANY, decimals_of

# Cells that are told to differ always: none of as many rows that lie so few steps apart has
# equal ones as chance would not do.
N_STEPS = 5
TINY = 1e-300


class Orders:
    """Which columns of numbers, dates or durations are never above which others.

    Parameters
    ----------
    gaps : ndarray of shape (n_columns, n_columns)
        At least how far cells of the second column lie above those of the first: 0, or a
        step where they are never equal; -inf where there is no order.
    origins : ndarray of shape (n_columns,)
        What is added to the cells of every column to compare them.
    """

    def __init__(self, gaps, origins):
        self.gaps, self.origins = gaps, origins

    @property
    def columns(self):
        """Columns that stand in an order, set of int."""
        has_order = np.isfinite(self.gaps)
        return set(np.flatnonzero(has_order.any(axis=0) | has_order.any(axis=1)).tolist())

    def bounds(self, values, column):
        """Return between what the cells of a column lie, given those of other ones that are there.

        Parameters
        ----------
        values : ndarray of shape (n, n_columns)
            NaN where missing.
        column : int

        Returns
        -------
        low, high : ndarray of shape (n,)
            Without a bound, -inf and inf.
        """
        ends = []
        for gaps, sign in ((self.gaps[:, column], 1.0), (self.gaps[column], -1.0)):
            others = np.flatnonzero(np.isfinite(gaps))
            shifts = self.origins[others] - self.origins[column] + sign * gaps[others]
            cells = sign * (values[:, others] + shifts)
            ends.append(sign * np.fmax.reduce(cells, axis=1, initial=-np.inf))
        return ends[0], ends[1]

    def are_broken(self, values):
        """Return which rows are out of order, ndarray of bool of shape (n,)."""
        broken = np.zeros(len(values), dtype=bool)
        for column in self.columns:
            low, high = self.bounds(values, column)
            broken |= (values[:, column] < low) | (values[:, column] > high)
        return broken


def find_orders(values, columns, facts):
    """Return the `Orders` of a table.

    Parameters
    ----------
    values : ndarray of float64 of shape (n, n_columns)
        NaN where missing.
    columns : sequence of int
        Those of numbers.
    facts : sequence of ColumnFacts
        Of all columns.
    """
    columns = np.asarray(columns, dtype=int)[:MAX_COLUMNS]
    gaps = np.full((len(facts), len(facts)), -np.inf)
    origins = np.array([fact.origin for fact in facts])
    shifted = values[:, columns] + origins[columns]
    few = some_of(shifted)
    holds = ~np.any(few[:, :, None] > few[:, None], axis=0)
    for i, j in np.argwhere(holds & ~holds.T):
        low, high = facts[columns[i]], facts[columns[j]]
        if low.unit == high.unit and _is_order(shifted[:, i], shifted[:, j]):
            steps = [_step_of(shifted[:, at], fact) for at, fact in ((i, low), (j, high))]
            gaps[columns[i], columns[j]] = _gap_of(
                shifted[:, j] - shifted[:, i], max(steps)
            )
    # What is below another is below those above that, whether enough rows show it or not.
    for via in columns:
        gaps = np.maximum(gaps, gaps[:, [via]] + gaps[[via]])
    return Orders(gaps, origins)


def _is_order(low, high):
    """Return whether no cell is above that of the other column, although it could be."""
    there = ~np.isnan(low) & ~np.isnan(high)
    low, high = low[there], high[there]
    if len(high) < LEAST_ROWS or (low > high).any():
        return False
    chance = np.searchsorted(np.sort(low), high, "right").mean() / len(low)
    return bool(len(high) * np.log(max(chance, TINY)) < np.log(MOST_CHANCE))


def _step_of(cells, fact):
    """Return what cells of a column are multiples of, 0 where that is too small to count."""
    if fact.step is not None:
        return fact.step
    decimals = int(decimals_of(cells[:, None])[0])
    return 0.0 if decimals >= TOO_MANY else 10.0**-decimals


def _gap_of(differences, step):
    """Return the step if cells of the two columns are never equal, and not by chance; else 0."""
    near = differences <= (N_STEPS + 0.5) * step
    chance = near.sum() * np.log(N_STEPS / (N_STEPS + 1.0))
    return (
        step
        if (differences > 0.5 * step)[near].all() and chance < np.log(MOST_CHANCE)
        else 0.0
    )
