"""A normal distribution of scores, from which the conditional networks start."""

from functools import cached_property

import numpy as np
import torch

# Latent dimensions at most; with fewer variables the covariance is held exactly.
MAX_FACTORS = 64
# Smallest variance of a score given all others.
LEAST_NOISE = 1e-3
# How much of the correlations is taken back where there are as many variables as rows.
SHRINKAGE = 0.2


class Gaussian:
    """N(0, W W' + diag(s)) of variables, given any of them.

    Parameters
    ----------
    loadings : ndarray of shape (n_variables, n_factors)
        W.
    noise : ndarray of shape (n_variables,)
        s.

    References
    ----------
    Tipping & Bishop, Probabilistic Principal Component Analysis, 1999. On normal scores:
    Liu, Lafferty & Wasserman, The Nonparanormal, 2009.
    """

    def __init__(self, loadings, noise):
        self.loadings, self.noise = loadings, noise

    @classmethod
    def fit(cls, x, weights=None):
        """Return the distribution of rows of mean zero, NaN where they are unknown.

        Parameters
        ----------
        x : ndarray of shape (n, n_variables)
        weights : ndarray of shape (n,) or None
            1 on average.
        """
        there = ~np.isnan(x)
        known, x = there.astype(np.float64), np.where(there, x, 0.0)
        own = np.ones(len(x)) if weights is None else weights
        pairs = (known * own[:, None]).T @ known
        covariance = (x * own[:, None]).T @ x / np.maximum(pairs, 1.0)
        n_variables = x.shape[1]
        # A pair that few rows show counts less, and a matrix of few rows as a whole.
        few = n_variables / np.maximum(pairs + n_variables, 1.0)
        off = covariance * (1.0 - SHRINKAGE * few)
        covariance = np.where(np.eye(n_variables, dtype=bool), covariance, off)
        values, axes = np.linalg.eigh(covariance)
        n_factors = min(n_variables, MAX_FACTORS)
        left = values[:-n_factors]
        common = max(float(left.mean()) if len(left) else 0.0, LEAST_NOISE)
        kept = np.sqrt(np.maximum(values[-n_factors:] - common, 0.0))
        loadings = axes[:, -n_factors:] * kept
        explained = np.square(loadings).sum(axis=1)
        noise = np.maximum(covariance.diagonal() - explained, LEAST_NOISE)
        return cls(loadings, noise)

    def given(self, x, visible):
        """Return mean and standard deviation of all variables, given those that are visible.

        Parameters
        ----------
        x : torch.Tensor of shape (n_patterns, n_each, n_variables)
            Rows; what stands where nothing is visible does not matter.
        visible : torch.Tensor of bool of shape (n_patterns, n_variables)
            What rows of each pattern show.

        Returns
        -------
        mean : torch.Tensor of shape (n_patterns, n_each, n_variables)
        spread : torch.Tensor of shape (n_patterns, n_variables)
        """
        W, noise, products = self._tensors
        precision = visible / noise
        # (I + W' diag(visible / s) W)^-1 of every pattern, the covariance of the factors.
        inner = (precision @ products).unflatten(1, (W.shape[1],) * 2)
        inner = inner + torch.eye(W.shape[1], dtype=W.dtype)
        factors = torch.cholesky_inverse(torch.linalg.cholesky(inner))
        solved = W @ factors  # (n_patterns, n_variables, n_factors)
        spread = ((solved * W).sum(2) + noise).sqrt()
        weights = ((precision[:, :, None] * W) @ solved.mT).to(x.dtype)
        return x @ weights, spread.to(x.dtype)

    @cached_property
    def _tensors(self):
        W = torch.from_numpy(self.loadings)
        products = (W[:, :, None] * W[:, None, :]).flatten(1)
        return W, torch.from_numpy(self.noise), products

    def __getstate__(self):
        return {"loadings": self.loadings, "noise": self.noise}
