"""The distributions of single columns: limits, decimals and values that repeat."""

import numpy as np

# Levels of a column's distribution that are kept.
N_LEVELS = 1000
MOST_DECIMALS = 6


class Marginals:
    """Map columns of one distribution, rank by rank, onto those of a table.

    Parameters
    ----------
    raw : ndarray of float64 of shape (n_samples, n_numbers)
        NaN where missing.
    weights : ndarray of shape (n_samples,) or None

    Attributes
    ----------
    columns : list of (values, loose, decimals), or None for columns without values
        Values at evenly spaced levels, whether values between one and the next occur, and
        the decimals that the values have.
    own : ndarray of shape (n_levels, n_numbers) or None
        The other distribution's values at evenly spaced levels, once they are learned.
    """

    own = None

    def __init__(self, raw, weights=None):
        self.columns = [
            _describe(column[there], None if weights is None else weights[there])
            for column, there in zip(raw.T, ~np.isnan(raw.T), strict=True)
        ]

    def learn_own(self, drawn):
        """Learn how the other distribution's columns are distributed.

        Parameters
        ----------
        drawn : ndarray of shape (n_draws, n_numbers)
        """
        self.own = np.quantile(drawn, _levels(min(N_LEVELS, len(drawn))), axis=0)

    def map(self, drawn):
        """Return rows of the other distribution with the table's values instead."""
        mapped = np.array(drawn, dtype=np.float64)
        levels = _levels(len(self.own))
        for i, column in enumerate(self.columns):
            if column is None:
                continue
            values, loose, decimals = column
            level = np.interp(drawn[:, i], self.own[:, i], levels)
            place = np.clip(level * len(values) - 0.5, 0.0, len(values) - 1.0)
            low = np.minimum(place.astype(int), max(len(values) - 2, 0))
            share = place - low
            # Between a value that repeats and the next there is nothing.
            share = np.where(loose[low], share, share.round())
            high = np.minimum(low + 1, len(values) - 1)
            mapped[:, i] = values[low] + share * (values[high] - values[low])
            if decimals is not None:
                mapped[:, i] = mapped[:, i].round(decimals)
        return mapped


def _levels(n):
    return (np.arange(n) + 0.5) / n


def _describe(values, weights):
    if not len(values):
        return None
    order = np.argsort(values, kind="stable")
    values = values[order]
    shares = np.ones(len(values)) if weights is None else weights[order]
    shares = np.cumsum(shares) / shares.sum()
    levels = _levels(min(N_LEVELS, len(values)))
    at = np.minimum(np.searchsorted(shares, levels), len(values) - 1)
    alone = np.ones(len(values), dtype=bool)
    alone[1:] &= values[1:] != values[:-1]
    alone[:-1] &= values[1:] != values[:-1]
    alone = alone[at]
    return values[at], np.append(alone[:-1] & alone[1:], False), _decimals(values)


def _decimals(values):
    """Return the decimals with which all values can be written; None: too many."""
    for decimals in range(MOST_DECIMALS + 1):
        if np.array_equal(values.round(decimals), values):
            return decimals
    return None
