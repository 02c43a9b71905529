"""Rows that look ordinary: what networks are trained on where anomalies may hide."""

import numpy as np

from skae._linalg import eigh

# Modified z-score beyond which a distance is an outlier (Iglewicz & Hoaglin, 1993).
CUT = 3.5
# Directions whose variance is below this fraction of the largest count as if at it.
FLOOR = 1e-3
ROUNDING = 1e-6
# Fraction of the rows that are inner rows, and how often they are chosen again.
INNER, N_STEPS = 0.75, 3


def typical_rows(x, max_trim):
    """Return the numbers of the rows that are not far from the others.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_columns)
    max_trim : float
        The largest fraction of the rows that is left out.

    Returns
    -------
    rows : ndarray of int
        All but those whose Mahalanobis distance is an outlier by its modified z-score;
        if these are too many, the nearest of them are kept. Columns in which half of the
        cells are equal, such as those of levels, say nothing of distance: a rare value is
        no outlier there.

    References
    ----------
    Concentration steps: Rousseeuw & Van Driessen, A Fast Algorithm for the Minimum
    Covariance Determinant Estimator, 1999; from one robust start: Hubert, Rousseeuw &
    Verdonck, A Deterministic Algorithm for Robust Location and Scatter, 2012.
    """
    n_samples = len(x)
    n_out = int(max_trim * n_samples)
    if not n_out:
        return np.arange(n_samples)
    centre = np.median(x, axis=0)
    scale = 1.4826 * np.median(np.abs(x - centre), axis=0)
    spread = scale > ROUNDING
    if not spread.any():
        return np.arange(n_samples)
    x, z = x[:, spread], (x - centre)[:, spread] / scale[spread]
    distances = np.sqrt(_robust_squares(x, np.square(z).mean(axis=1)))
    excess = distances - np.median(distances)
    spread = 1.4826 * np.median(np.abs(excess))
    if spread <= ROUNDING * distances.max():
        # Half of the rows are equally far: the mean deviation replaces the median.
        spread = max(1.2533 * np.abs(excess).mean(), ROUNDING * distances.max())
    far = np.flatnonzero(excess > CUT * spread)
    far = far[np.argsort(-excess[far], kind="stable")][:n_out]
    return np.setdiff1d(np.arange(n_samples), far)


def _robust_squares(x, squares):
    """Return squared Mahalanobis distances by mean and covariance of the inner rows.

    A clump of outliers would pull mean and covariance of all rows towards itself, and no
    longer be far. So they come from the rows nearest to the medians of the columns, by the
    `squares` that are given, and then, step by step, from the rows that are nearest by the
    distances found so far.
    """
    n_inner = max(int(INNER * len(x)), 2)
    for _ in range(N_STEPS):
        inner = x[np.argsort(squares, kind="stable")[:n_inner]]
        centre = inner.mean(axis=0, dtype=np.float64)
        centred = inner - centre
        variances, axes = eigh(centred.T @ centred / n_inner)
        least = max(FLOOR * variances[-1], np.finfo(float).tiny)
        squares = (((x - centre) @ axes) ** 2 / np.maximum(variances, least)).sum(axis=1)
    return squares
