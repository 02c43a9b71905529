"""The distributions of single columns: limits, decimals and values that repeat."""

import numpy as np

from skae.table.decimals import TOO_MANY, decimals_of

# Levels of a column's distribution that are kept, and beyond the outermost, in each tail.
N_LEVELS, N_OUTER = 1000, 20


class Marginals:
    """Map columns of one distribution, rank by rank, onto those of a table.

    Parameters
    ----------
    raw : ndarray of float64 of shape (n_samples, n_numbers)
        NaN where missing.
    weights : ndarray of shape (n_samples,) or None
    drawn : ndarray of shape (n_draws, n_numbers)
        Draws of the other distribution.

    Attributes
    ----------
    columns : list of (levels, values, loose, decimals), or None for columns without values
        Values at some levels, whether values between one and the next occur, and the
        decimals that the values have, see `decimals_of`.
    own : ndarray of shape (n_levels, n_numbers)
        The other distribution's values at `own_levels`.
    """

    def __init__(self, raw, weights, drawn):
        self.columns = [
            _describe(column[there], None if weights is None else weights[there])
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
            levels, values, loose, decimals = column
            level = np.interp(drawn[:, i], self.own[:, i], self.own_levels)
            place = np.interp(level, levels, np.arange(len(levels)))
            low = np.minimum(place.astype(int), max(len(values) - 2, 0))
            fraction = place - low
            # Between a value that repeats and the next there is nothing.
            fraction = np.where(loose[low], fraction, fraction.round())
            high = np.minimum(low + 1, len(values) - 1)
            mapped[:, i] = values[low] + fraction * (values[high] - values[low])
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


def _describe(values, weights):
    if not len(values):
        return None
    order = np.argsort(values, kind="stable")
    values = values[order]
    weights = np.ones(len(values)) if weights is None else weights[order]
    cumulative = np.cumsum(weights) / weights.sum()
    levels = _levels(len(values))
    at = np.minimum(np.searchsorted(cumulative, levels), len(values) - 1)
    alone = np.ones(len(values), dtype=bool)
    alone[1:] &= values[1:] != values[:-1]
    alone[:-1] &= values[1:] != values[:-1]
    alone = alone[at]
    loose = np.append(alone[:-1] & alone[1:], False)
    return levels, values[at], loose, int(decimals_of(values[:, None])[0])
