"""Mixtures of normal distributions, fitted by expectation and maximisation.

They are scikit-learn's `GaussianMixture`, to rounding, in a fraction of its time: of the few
codes of a small table it spends most on the checks of what it calls.
"""

import math
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skae._processes import one_blas_thread, one_openmp_thread, without_warnings

# Gain in nats per row below which a fit ends.
TOLERANCE = 1e-3


class NormalMixture(NamedTuple):
    """p(x) = sum_k w_k N(x; m_k, S_k).

    Attributes
    ----------
    weights : ndarray of shape (n_mixed,)
    means : ndarray of shape (n_mixed, n_columns)
    covariances : ndarray of shape (n_mixed, n_columns, n_columns)
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


def fit_mixture(x, start, *, max_iter, regularisation):
    """Return a mixture, or None where far outliers leave a component without a covariance.

    Parameters
    ----------
    x : ndarray of float64 of shape (n, n_columns)
    start : NormalMixture or int
        Where to start; a number of components: at as many clusters of k-means.
    max_iter : int
        Maximum number of steps.
    regularisation : float
        What is added to every variance.

    Returns
    -------
    mixture : NormalMixture or None
    """
    if not np.isfinite(x).all():
        return None
    # Whoever uses it judges it, converged or not.
    with one_openmp_thread(), one_blas_thread(), without_warnings(ConvergenceWarning):
        mixture = start
        if not isinstance(start, NormalMixture):
            mixture = _maximise(x, _clusters(x, start), regularisation)
        before = -math.inf
        for _ in range(max_iter):
            try:
                responsibilities, mean = _expect(x, mixture)
            except np.linalg.LinAlgError:
                return None
            if not math.isfinite(mean):  # squares beyond the largest number
                return None
            mixture = _maximise(x, responsibilities, regularisation)
            if abs(mean - before) < TOLERANCE:
                break
            before = mean
    return mixture


def _clusters(x, size):
    """Return which of the clusters of k-means rows are in, 0 or 1, shape (size, n)."""
    from sklearn.cluster import KMeans  # slow to import

    labels = KMeans(size, n_init=1, random_state=0).fit(x).labels_
    return (labels == np.arange(size)[:, None]).astype(np.float64)


def _expect(x, mixture):
    """Return p(component | row), shape (n_mixed, n), and the mean log density of rows."""
    weights, means, covariances = mixture
    roots = np.linalg.cholesky(covariances)
    whitening = np.linalg.inv(roots)
    log_p = np.empty((len(weights), len(x)))
    for own, root, mean in zip(log_p, whitening, means, strict=True):
        white = x @ root.T - root @ mean
        np.einsum("ij,ij->i", white, white, out=own)
    peaks = np.log(weights) - np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
    log_p *= -0.5
    log_p += peaks[:, None]
    highest = log_p.max(axis=0)
    p = np.exp(log_p - highest)
    total = p.sum(axis=0)
    constant = 0.5 * x.shape[1] * math.log(2.0 * math.pi)
    return p / total, float((highest + np.log(total)).mean()) - constant


def _maximise(x, responsibilities, regularisation):
    """Return the mixture that is likeliest, given p(component | row)."""
    # A component that no row belongs to has a mean of 0.
    counts = responsibilities.sum(axis=1) + 10.0 * np.finfo(np.float64).eps
    means = responsibilities @ x / counts[:, None]
    covariances = np.empty((len(counts), x.shape[1], x.shape[1]))
    for own, mean, covariance in zip(responsibilities, means, covariances, strict=True):
        apart = x - mean
        np.matmul((own[:, None] * apart).T, apart, out=covariance)
    covariances /= counts[:, None, None]
    diagonal = np.arange(x.shape[1])
    covariances[:, diagonal, diagonal] += regularisation
    return NormalMixture(counts / counts.sum(), means, covariances)
