"""Columns that others nearly determine: differences and sums."""

import math
from dataclasses import dataclass, replace

import numpy as np

from skae.table.decimals import TOO_MANY, decimals_of

# A tie leaves less than this fraction of the spread of each of its columns.
MOST_LEFT = 0.02
# Columns among which ties are looked for, rows that show them, terms of a sum.
MAX_COLUMNS, N_ROWS, MAX_TERMS = 64, 2000, 4
LEAST_ROWS = 30
# Digits of sums of real numbers: beyond lie the errors of adding.
N_DIGITS = 12


@dataclass(frozen=True)
class Tie:
    """A sum of columns, ``sum_i c_i x_i``, that varies far less than each of them does.

    Attributes
    ----------
    columns : tuple of int
        Numbers, by how far they are spread; the last is the one that others determine.
    coefficients : tuple of float
        1 or -1; of the last column 1.
    decimals : int
        Of the sum.
    """

    columns: tuple[int, ...]
    coefficients: tuple[float, ...]
    decimals: int

    def among(self, columns):
        """Return the tie, its columns numbered as in a table of which these are `columns`."""
        return replace(self, columns=tuple(int(columns[i]) for i in self.columns))

    def total(self, raw):
        """Return the sum of rows of numbers, shape (n,); NaN where one is missing."""
        total = raw[:, self.columns] @ np.array(self.coefficients)
        return total.round(self.decimals) + 0.0

    def is_broken(self, raw, limits):
        """Return which rows have a sum beyond limits; none that misses a cell."""
        total = self.total(raw)
        return (total < limits[0]) | (total > limits[1])

    def tells(self, raw, column):
        """Return in which rows the other cells are there, so that the sum tells this one."""
        others = [i for i in self.columns if i != column]
        return ~np.isnan(raw[:, others]).any(axis=1)

    def doubt(self, column):
        """Return how far a cell of a column lies off that the sum tells: it is drawn."""
        return math.inf

    def total_range(self, raw, column, low, high):
        """Return between what the sums of rows lie, of which a column lies in [low, high].

        Parameters
        ----------
        raw : ndarray of shape (n, n_columns)
            What it holds of the column is not looked at.
        column : int
        low, high : ndarray of shape (n,)
        """
        ends = []
        for end in (low, high):
            ends.append(raw.copy())
            ends[-1][:, column] = end
        return np.sort([self.total(end) for end in ends], axis=0)

    def column_range(self, low, high, column, of_total):
        """Return between what a column has to lie for the sum to lie in a range.

        Parameters
        ----------
        low, high : ndarray of shape (n, len(columns))
            Between what the columns of the tie lie.
        column : int
        of_total : tuple (low, high)
        """
        at, signs = self.columns.index(column), np.array(self.coefficients)
        least = np.where(signs > 0, low, high) * signs
        most = np.where(signs > 0, high, low) * signs
        others = np.arange(len(signs)) != at
        ends = [
            of_total[0] - most[:, others].sum(axis=1),
            of_total[1] - least[:, others].sum(axis=1),
        ]
        ends = np.array(ends).round(self.decimals) * signs[at]
        return ends if signs[at] > 0 else ends[::-1]

    def solve(self, raw, column, total):
        """Return what a column has to be for the sum to be `total`."""
        at = self.columns.index(column)
        others = [i for i in range(len(self.columns)) if i != at]
        of_others = raw[:, [self.columns[i] for i in others]] @ np.array(
            [self.coefficients[i] for i in others]
        )
        solved = (total - of_others) / self.coefficients[at]
        return solved.round(self.decimals) + 0.0


def some_of(rows):
    """Return rows from all parts of a table, enough to look for what holds in all."""
    return rows[:: max(1, len(rows) // N_ROWS)]


def sources_of(column, ties):
    """Return the columns that a column is told by, and those that tell these, set of int."""
    sources = set().union(*(tie.columns[:-1] for tie in ties if tie.columns[-1] == column))
    return sources.union(*(sources_of(source, ties) for source in sources))


def find_ties(raw, formulas=()):
    """Return the `Tie`s among columns of numbers, list.

    Greedily: the column that fewest others determine best is tied to these, and determines
    no other one then.

    Parameters
    ----------
    raw : ndarray of shape (n, n_columns)
        NaN where missing.
    formulas : sequence of Formula, default=()
        What is known of the columns already.
    """
    raw = some_of(raw)
    spreads = np.nan_to_num(spreads_of(raw.T))
    candidates = np.flatnonzero(spreads > 0)[:MAX_COLUMNS]
    ties, bound = [], {formula.columns[-1] for formula in formulas}
    # The widest first: a total before its parts.
    for column in candidates[np.argsort(-spreads[candidates], kind="stable")]:
        if column in bound:
            continue
        others = [i for i in candidates if i != column and i not in bound]
        tie = _tie_of(raw, int(column), others, spreads)
        if tie is not None:
            ties.append(tie)
            bound.add(int(column))
            bound |= {i for i in tie.columns if len(tie.columns) == 2}
    return ties


def _tie_of(raw, column, others, spreads):
    """Return how others determine a column by adding and subtracting them, or None."""
    chosen, signs, left, tie = [], [], raw[:, column], None
    now, others = spreads[column], list(others)
    for _ in range(min(MAX_TERMS, len(others))):
        terms = raw[:, others].T
        # Of each other column subtracted and added; too few rows in common show nothing.
        found = spreads_of(np.stack([left - terms, left + terms], axis=1))
        found = np.where(np.isnan(found), np.inf, found)
        at, added = np.unravel_index(found.argmin(), found.shape)
        if not found[at, added] < 0.9 * now:
            break
        now, other = found[at, added], others.pop(at)
        sign = 1.0 if added else -1.0
        left = left + sign * raw[:, other]
        chosen.append(int(other))
        signs.append(sign)
        # What is left may be a column of its own, as the duration beside start and end.
        if now <= MOST_LEFT * min(spreads[i] for i in (column, *chosen)):
            columns = [*chosen, column]
            order = np.argsort(spreads[chosen], kind="stable")
            tie = Tie(
                (*(chosen[i] for i in order), column),
                (*(signs[i] for i in order), 1.0),
                _decimals_of_sum(raw[:, columns]),
            )
    return tie


def _decimals_of_sum(raw):
    """Return to how many decimals sums of columns are rounded."""
    decimals = int(decimals_of(raw).max())
    if decimals < TOO_MANY:
        return decimals
    # Of real numbers those beyond the errors of adding them.
    return N_DIGITS - math.floor(math.log10(np.nanmax(np.abs(raw))))


def spreads_of(values):
    """Return how far values are spread but for the outermost tenths; NaN: few are there.

    All columns at once: one by one, their quantiles take most of the time of a small fit.

    Parameters
    ----------
    values : ndarray of shape (..., n)
        NaN where missing.

    Returns
    -------
    spreads : ndarray of shape (...)
    """
    values = np.sort(values, axis=-1)  # NaN last
    n_known = (~np.isnan(values)).sum(axis=-1, keepdims=True)
    places = np.maximum(n_known - 1, 0) * np.array([0.05, 0.5, 0.95])
    below = places.astype(int)
    lower = np.take_along_axis(values, below, axis=-1)
    upper = np.take_along_axis(values, np.ceil(places).astype(int), axis=-1)
    low, middle, high = np.moveaxis(lower + (upper - lower) * (places - below), -1, 0)
    n_known = n_known[..., 0]
    away = np.nansum(np.abs(values - middle[..., None]), axis=-1)
    spreads = np.maximum(high - low, away / np.maximum(n_known, 1))
    return np.where(n_known < LEAST_ROWS, np.nan, spreads)
