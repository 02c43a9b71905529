"""Values that tell of several rows in place of those of single ones."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

# Rows that a value has to tell of, where values of single rows are not to be kept.
LEAST_ROWS = 5


def blur(values, n_rows):
    """Return sorted values, each the mean of those of `n_rows` rows around it.

    What as many rows share stays as it is; others do not pass it.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Rising.
    n_rows : int
        1: the values stay as they are.

    Returns
    -------
    blurred : ndarray of shape (n,)
        Rising.

    References
    ----------
    Domingo-Ferrer & Mateo-Sanz, Practical Data-Oriented Microaggregation for Statistical
    Disclosure Control, 2002.
    """
    if n_rows == 1 or len(values) <= n_rows:
        return values if n_rows == 1 else np.full(len(values), values.mean())
    means = sliding_window_view(values, n_rows).mean(axis=1)
    blurred = means[np.clip(np.arange(len(values)) - n_rows // 2, 0, len(means) - 1)]
    unique, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    shared = counts >= n_rows
    # Between the shared values on either side.
    at = np.where(shared, np.arange(len(unique)), -1)
    below = np.maximum.accumulate(at)[place]
    at = np.where(shared, np.arange(len(unique)), len(unique))
    above = np.minimum.accumulate(at[::-1])[::-1][place]
    bounds = np.concatenate([unique, [np.inf, -np.inf]])
    return np.clip(blurred, bounds[below], bounds[above])


def extreme_means(cells, n_rows):
    """Return the means of the `n_rows` smallest and largest cells of columns.

    Parameters
    ----------
    cells : ndarray of shape (n, n_features)
        NaN where missing.
    n_rows : int

    Returns
    -------
    low, high : ndarray of shape (n_features,)
        Infinite, as if there were no limit yet, where a column has no cell.
    """
    ends = []
    for sign in (1.0, -1.0):
        smallest = np.sort(sign * cells, axis=0)[:n_rows]
        there = ~np.isnan(smallest)
        sums = np.where(there, smallest, 0.0).sum(axis=0)
        n_there = there.sum(axis=0)
        means = np.where(n_there > 0, sums / np.maximum(n_there, 1), np.inf)
        ends.append(sign * means)
    return tuple(ends)
