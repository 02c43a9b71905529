"""Rows that look ordinary: what networks are trained on where anomalies may hide."""

import numpy as np

# Modified z-score beyond which a distance is an outlier's (Iglewicz & Hoaglin, 1993).
CUT = 3.5
# Directions that vary less than this share of the widest are no measure of distance.
FLOOR = 1e-3
ROUNDING = 1e-6


def typical_rows(x, most):
    """Return the numbers of the rows that are not far from the others.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_columns)
    most : float
        The largest share of the rows that is left out.

    Returns
    -------
    rows : ndarray of int
        All but those whose Mahalanobis distance is an outlier by its modified z-score;
        if these are too many, the nearest of them are kept.
    """
    n_samples = len(x)
    n_out = int(most * n_samples)
    if not n_out:
        return np.arange(n_samples)
    x = x - x.mean(axis=0, dtype=np.float64)
    variances, axes = np.linalg.eigh(x.T @ x / n_samples)
    variances = np.maximum(variances, max(FLOOR * variances[-1], np.finfo(float).tiny))
    distances = np.sqrt(((x @ axes) ** 2 / variances).sum(axis=1))
    excess = distances - np.median(distances)
    spread = 1.4826 * np.median(np.abs(excess))
    if spread <= ROUNDING * distances.max():
        # Half of the rows lie equally far: the mean deviation takes the median's place.
        spread = max(1.2533 * np.abs(excess).mean(), ROUNDING * distances.max())
    far = np.flatnonzero(excess > CUT * spread)
    far = far[np.argsort(-excess[far], kind="stable")][:n_out]
    return np.setdiff1d(np.arange(n_samples), far)
