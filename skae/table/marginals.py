"""The distributions of single columns: limits, decimals and values that repeat."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from skae.table.anonymity import blur
from skae.table.decimals import TOO_MANY, decimals_of

# Levels of a column's distribution that are kept, and beyond the outermost, in each tail.
N_LEVELS, N_OUTER = 1000, 20
# Neighbours on either side that have a say in where one single value gives way to the next.
# Fewer would let draws cluster at them, and rounding would hit them more often than chance.
N_NEIGHBOURS = 2


class Marginals:
    """Map columns of one distribution, rank by rank, onto those of a table.

    Parameters
    ----------
    raw : ndarray of float64 of shape (n_samples, n_numbers)
        NaN where missing.
    weights : ndarray of shape (n_samples,) or None
    drawn : ndarray of shape (n_draws, n_numbers)
        Draws of the other distribution.
    least_rows : int, default=1
        Rows that every value is of, or a mean of.

    Attributes
    ----------
    columns : list of (edges, low, high, decimals), or None for columns without values
        From one of the `edges`, levels from 0 to 1, to the next the values rise from `low`
        to `high`; the decimals that the values have, see `decimals_of`.
    own : ndarray of shape (n_levels, n_numbers)
        The other distribution's values at `own_levels`.

    Notes
    -----
    A value that repeats is given as it is, one of a single row only as chance has it:
    between single values new ones are interpolated, and a single one among values that
    repeat gives way to the nearest of them. Of a limit that a single row has, a quarter of the distance
    to the next value is left out: it could be a person's income, to the cent.
    """

    def __init__(self, raw, weights, drawn, least_rows=1):
        self.columns = [
            _describe(
                column[there], None if weights is None else weights[there], least_rows
            )
            for column, there in zip(raw.T, ~np.isnan(raw.T), strict=True)
        ]

        self.own_levels = _levels(len(drawn))
        self.own = np.quantile(drawn, self.own_levels, axis=0)

    def map(self, drawn):
        """Return rows of the other distribution with the table's values instead."""
        mapped = np.array(drawn, dtype=np.float64)
        for i, column in enumerate(self.columns):
            if column is None:
                continue
            edges, low, high, decimals = column
            level = np.interp(drawn[:, i], self.own[:, i], self.own_levels)
            at = np.searchsorted(edges[1:-1], level, side="right")
            fraction = (level - edges[at]) / (edges[at + 1] - edges[at])
            mapped[:, i] = low[at] + fraction * (high[at] - low[at])
            if decimals < TOO_MANY:
                mapped[:, i] = mapped[:, i].round(decimals)
        return mapped


def _levels(n):
    """Return levels of n values: evenly spaced, but closer in the tails if not all fit."""
    if n <= N_LEVELS:
        return (np.arange(n) + 0.5) / n
    even = (np.arange(N_LEVELS) + 0.5) / N_LEVELS
    outer = np.geomspace(0.5 / n, even[0], N_OUTER, endpoint=False)
    return np.concatenate([outer, even, 1.0 - outer[::-1]])


def _describe(values, weights, least_rows):
    if not len(values):
        return None
    order = np.argsort(values, kind="stable")
    values = values[order]
    weights = np.ones(len(values)) if weights is None else weights[order]
    cumulative = np.cumsum(weights) / weights.sum()
    levels = _levels(len(values))
    at = np.minimum(np.searchsorted(cumulative, levels), len(values) - 1)
    differ = values[1:] != values[:-1]
    alone = np.append(True, differ) & np.append(differ, True)
    decimals = int(decimals_of(values[:, None])[0])
    values = blur(values, least_rows)
    # The value of a row of much weight is that of several levels.
    values = values[at]
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    edges = np.append(0.0, (levels[1:] + levels[:-1]) / 2)[starts]
    n_outer = N_OUTER if len(order) > N_LEVELS else 0
    spans = spans_of(values[starts], alone[at][starts], n_outer)
    return np.append(edges, 1.0), *spans, decimals


def spans_of(values, alone, n_outer=0):
    """Return from where to where draws go in place of every value, see `Marginals`.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        Rising.
    alone : ndarray of bool of shape (n_values,)
        Which are a single row's.
    n_outer : int, default=0
        Values at either end whose levels are not evenly spaced.

    Returns
    -------
    low, high : ndarray of shape (n_values,)
    """
    low, high = values.copy(), values.copy()
    if len(values) == 1:
        return low, high
    loose, gaps = alone[1:] & alone[:-1], np.diff(values)
    middles = _middles(values, loose, n_outer)
    low[1:][loose], high[:-1][loose] = middles[loose], middles[loose]
    isolated = alone & ~np.append(loose, False) & ~np.append(False, loose)
    before = np.append(np.inf, gaps) <= np.append(gaps, np.inf)
    for i in np.flatnonzero(isolated):
        low[i] = high[i] = values[i - 1 if before[i] else i + 1]
    if loose[0]:
        low[0] += gaps[0] / 4
    if loose[-1]:
        high[-1] -= gaps[-1] / 4
    return low, high


def _middles(values, loose, n_outer):
    """Return what lies between neighbours: means of these and of as many beyond, if loose."""
    places = np.arange(len(loose))
    # The loose pairs on either side, without one that is not.
    left = places - np.maximum.accumulate(np.where(loose, -1, places)) - 1
    right = np.minimum.accumulate(np.where(loose, len(loose), places)[::-1])[::-1]
    n_beside = np.minimum(left, right - places - 1)
    n_beside = np.minimum(n_beside, np.minimum(places, places[::-1]) - n_outer)
    n_beside = np.clip(n_beside, 0, N_NEIGHBOURS)
    middles = np.empty(len(loose))
    for n in np.unique(n_beside):
        windows = sliding_window_view(values, 2 * n + 2)
        here = n_beside == n
        middles[here] = windows[places[here] - n].mean(axis=1)
    return middles
