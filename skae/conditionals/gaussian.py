"""A normal distribution of scores, from which the conditional networks start."""

from functools import cached_property

import numpy as np
import torch
from sklearn.utils import gen_batches

from skae._linalg import eigh

# Latent dimensions at most; with fewer variables the covariance is held exactly.
MAX_FACTORS = 64
# Smallest variance of a score given all others.
LEAST_NOISE = 1e-3
# How much of the correlations is taken back, see `Gaussian.of_covariance`: of most columns,
# and of those that nearly follow from each other, where that hides it.
SHRINKAGE, LEAST_SHRINKAGE = 0.2, 0.02
# Rounds of expectation and maximisation: from nothing, and where most is known; rows that
# are worked on at a time.
N_ROUNDS, N_MORE_ROUNDS, BLOCK = 8, 2, 64


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
    def fit(cls, x, weights=None, start=None, shrinkage=SHRINKAGE):
        """Return the distribution of rows of mean zero, NaN where they are unknown.

        Parameters
        ----------
        x : ndarray of shape (n, n_variables)
        weights : ndarray of shape (n,) or None
        start : Gaussian, default=None
            What more rows, of which these are some, are distributed as: few rounds are
            enough from there.
        shrinkage : float
            See `of_covariance`.

        References
        ----------
        Unknown cells by expectation and maximisation: Dempster, Laird & Rubin, Maximum
        Likelihood from Incomplete Data via the EM Algorithm, 1977.
        """
        there = ~np.isnan(x)
        known, x = there.astype(np.float64), np.where(there, x, 0.0)
        weights = np.ones(len(x)) if weights is None else weights
        holed = np.flatnonzero(~there.all(axis=1))
        normal, n_rounds = start, N_MORE_ROUNDS
        if start is None or not len(holed):
            pairs = (known * weights[:, None]).T @ known
            moments = (x * weights[:, None]).T @ x
            covariance = moments / np.maximum(pairs, 1e-12)
            normal = cls.of_covariance(covariance, len(x), shrinkage)
            n_rounds = N_ROUNDS
        if not len(holed):
            return normal
        whole = np.delete(x, holed, axis=0)
        of_whole = (whole * np.delete(weights, holed)[:, None]).T @ whole
        # Rows that miss the same cells follow each other: what they share is found once.
        holed = holed[np.lexsort(there[holed].T)]
        for _ in range(n_rounds):
            moments = of_whole + sum(
                normal._moments(x[rows], there[rows], weights[rows])
                for rows in (holed[block] for block in gen_batches(len(holed), BLOCK))
            )
            normal = cls.of_covariance(moments / weights.sum(), len(x), shrinkage)
        return normal

    @classmethod
    def of_covariance(
        cls,
        covariance,
        n,
        shrinkage=SHRINKAGE,
        least_noise=LEAST_NOISE,
        max_factors=MAX_FACTORS,
    ):
        """Return the distribution with about this covariance.

        Parameters
        ----------
        covariance : ndarray of shape (n_variables, n_variables)
        n : int
            Rows that tell it.
        shrinkage : float
            How much of the correlations is taken back where these are as few as variables.
        least_noise : float
            Smallest variance of a variable given all others.
        max_factors : int
            Latent dimensions at most.
        """
        return cls(*factorised(covariance, n, shrinkage, least_noise, max_factors))

    def _moments(self, x, there, weights):
        """Return the expected sum of x x' over rows, given what is known of each."""
        visible, x = torch.from_numpy(there), torch.from_numpy(x)
        own = torch.from_numpy(weights)
        patterns, of_row = visible.unique(dim=0, return_inverse=True)
        roots, halves = self._roots(patterns)
        seen = self._seen(x[:, None], visible, roots[of_row])
        filled = torch.where(visible, x, (seen.mT @ halves[of_row]).squeeze(1))
        # Every hidden variable's part of the rows' covariance, side by side.
        hidden = (~patterns).to(x.dtype)
        alike = torch.zeros(len(patterns), dtype=x.dtype).index_add_(0, of_row, own)
        left = (halves * (alike.sqrt()[:, None] * hidden)[:, None]).flatten(0, 1)
        alone = ((hidden * alike[:, None]).sum(0) * self._tensors[1]).diag()
        return ((filled * own[:, None]).T @ filled + left.T @ left + alone).numpy()

    def completed(self, x, seed):
        """Return rows, NaN where they are unknown, with draws in place of that."""
        generator, filled = torch.Generator().manual_seed(seed), x.copy()
        W, noise, _ = self._tensors
        for rows in gen_batches(len(x), BLOCK):
            visible = torch.from_numpy(~np.isnan(x[rows]))
            known = torch.where(visible, torch.from_numpy(x[rows]), 0.0)
            roots, _ = self._roots(visible)
            normal = torch.randn(len(known), sum(W.shape), generator=generator).double()
            of_factors, of_noise = normal.tensor_split([W.shape[1]], dim=1)
            latent = self._seen(known[:, None], visible, roots) + of_factors[..., None]
            latent = torch.linalg.solve_triangular(roots.mT, latent, upper=True)
            drawn = latent.squeeze(2) @ W.T + of_noise * noise.sqrt()
            filled[rows] = torch.where(visible, known, drawn).numpy()
        return filled

    def _roots(self, visible):
        """Return L with L L' = I + W' diag(visible / s) W, of every pattern, and L^-1 W'.

        The factors' covariance is the inverse of L L'.
        """
        W, noise, products = self._tensors
        inner = ((visible / noise) @ products).unflatten(1, (W.shape[1],) * 2)
        inner.diagonal(dim1=1, dim2=2).add_(1.0)
        roots = torch.linalg.cholesky(inner)
        return roots, torch.linalg.solve_triangular(roots, W.T, upper=False)

    def _seen(self, x, visible, roots):
        """Return L' times the factors' mean, (n_patterns, n_factors, n_each)."""
        W, noise, _ = self._tensors
        seen = (x * (visible / noise)[:, None]) @ W
        return torch.linalg.solve_triangular(roots, seen.mT, upper=False)

    def given(self, x, visible, own=None):
        """Return mean and standard deviation of all variables, given those that are visible.

        Parameters
        ----------
        x : torch.Tensor of shape (n_patterns, n_each, n_variables)
            Rows; what stands where nothing is visible does not matter.
        visible : torch.Tensor of bool of shape (n_patterns, n_variables)
            What rows of each pattern show.
        own : torch.Tensor of int of shape (n,), default=None
            The pattern of every row, where x is of shape (n, 1, n_variables).

        Returns
        -------
        mean : torch.Tensor of shape (n_patterns, n_each, n_variables)
        spread : torch.Tensor of shape (n_patterns, 1, n_variables)
        """
        roots, halves = self._roots(visible)
        spread = (halves.square().sum(1) + self._tensors[1]).sqrt().to(x.dtype)
        if own is not None:
            roots, halves, spread, visible = (
                part[own] for part in (roots, halves, spread, visible)
            )
        mean = self._seen(x.double(), visible, roots).mT @ halves
        return mean.to(x.dtype), spread[:, None]

    @cached_property
    def _tensors(self):
        W = torch.from_numpy(self.loadings)
        products = (W[:, :, None] * W[:, None, :]).flatten(1)
        return W, torch.from_numpy(self.noise), products

    def __getstate__(self):
        return {"loadings": self.loadings, "noise": self.noise}


def factorised(covariance, n, shrinkage, least_noise, max_factors):
    """Return loadings and noise with about these covariances, of shape (*, d, d).

    The others are as in `Gaussian.of_covariance`.
    """
    n_variables = covariance.shape[-1]
    own = np.eye(n_variables, dtype=bool)
    off = covariance * (1.0 - shrinkage * n_variables / (n + n_variables))
    covariance = np.where(own, covariance, off)
    values, axes = eigh(covariance)
    n_factors = min(n_variables, max_factors)
    left = values[..., :-n_factors]
    common = left.mean(axis=-1, keepdims=True) if left.shape[-1] else 0.0
    kept = values[..., -n_factors:] - np.maximum(common, least_noise)
    loadings = axes[..., -n_factors:] * np.sqrt(np.maximum(kept, 0.0))[..., None, :]
    explained = np.square(loadings).sum(axis=-1)
    variances = np.diagonal(covariance, axis1=-2, axis2=-1)
    return loadings, np.maximum(variances - explained, least_noise)
