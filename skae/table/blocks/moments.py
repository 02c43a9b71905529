"""Means and variances of rows that were learned from in parts."""

import copy

import numpy as np


def merge_moments(scaler, other, shifts):
    """Return a `StandardScaler` as if it had learned the rows of two.

    ``M = M_a + M_b + d^2 n_a n_b / n`` and ``m = m_a + d n_b / n``, with n the numbers of
    cells, m their means, d = m_b - m_a, and M the sums of squared deviations.

    Parameters
    ----------
    scaler, other : StandardScaler
        Fitted; the former may have learned nothing yet.
    shifts : ndarray of shape (n_features,)
        What is added to the cells of the latter.

    References
    ----------
    Chan, Golub & LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample
    Variances, 1979. What counts as constant: `StandardScaler`.
    """
    if not hasattr(scaler, "n_samples_seen_"):
        merged = copy.deepcopy(other)
        merged.mean_ = merged.mean_ + shifts
        return merged
    merged, n_features = copy.deepcopy(scaler), len(shifts)
    n_a, n_b = (
        np.broadcast_to(part.n_samples_seen_, n_features).astype(np.float64)
        for part in (scaler, other)
    )
    n = n_a + n_b
    with np.errstate(over="ignore", invalid="ignore"):
        weight = np.divide(n_b, n, out=np.zeros(n_features), where=n > 0)
        distance = other.mean_ + shifts - scaler.mean_
        merged.mean_ = np.where(n_b > 0, scaler.mean_ + distance * weight, scaler.mean_)
        squares = scaler.var_ * n_a + other.var_ * n_b + distance**2 * n_a * weight
        variance = np.divide(squares, n, out=np.zeros(n_features), where=n > 0)
        merged.var_ = np.where(n_b > 0, variance, scaler.var_)
        rounding = np.finfo(np.float64).eps * n
        constant = merged.var_ <= rounding * merged.var_ + (rounding * merged.mean_) ** 2
        merged.scale_ = np.where(constant, 1.0, np.sqrt(merged.var_))
    seen = n.astype(np.int64)
    merged.n_samples_seen_ = int(seen[0]) if np.ptp(seen) == 0 else seen
    return merged
