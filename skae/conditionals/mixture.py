"""A mixture of normal distributions of scores, where one is too few."""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.cluster import KMeans

from skae.conditionals.gaussian import Gaussian
from skae.conditionals.network import LEAST_OF_PROPORTION

# Rounds of expectation and maximisation, and rows that are learned from at most.
N_ROUNDS, MAX_ROWS = 20, 5000
# Every covariance counts as if it were the mean one in so many rows more per variable.
PRIOR_ROWS = 3.0
# Smallest variance of a score given all others, within a cluster.
LEAST_NOISE = 0.02
# Latent dimensions of each component at most.
MAX_FACTORS = 32


class Levels(NamedTuple):
    """Which variables are indicators of levels, and in which units.

    Attributes
    ----------
    is_level : ndarray of bool of shape (n_variables,)
    proportions, units : ndarray of shape (n_variables,)
        A level is 1 - proportion, in its unit, where it is the row's, else -proportion.
    """

    is_level: Any
    proportions: Any
    units: Any


class Mixture:
    """sum_k p_k N(m_k, W_k W_k' + diag(s_k)) of variables, given any of them.

    Which component a row belongs to is told by the density of its numbers, and by how
    frequent its levels are in each component: densities say little of indicators.

    Parameters
    ----------
    parts : list of Gaussian
        About the means.
    means : ndarray of shape (n_components, n_variables)
        m.
    proportions : ndarray of shape (n_components,)
        p.
    levels : Levels

    References
    ----------
    Covariances near their mean: Fraley & Raftery, Bayesian Regularization for Normal
    Mixture Estimation and Model-Based Clustering, 2007. Given a part of the variables:
    Ghahramani & Jordan, Supervised Learning from Incomplete Data via an EM Approach, 1994.
    """

    def __init__(self, parts, means, proportions, levels):
        self.parts, self.means, self.proportions = parts, means, proportions
        self.levels = levels

    @classmethod
    def fit(cls, x, weights, n_components, shrinkage, levels, seed=0):
        """Return the mixture of rows, from the clusters of k-means.

        Parameters
        ----------
        x : ndarray of shape (n, n_variables)
            NaN where unknown; what is drawn from one normal distribution stands for that.
        weights : ndarray of shape (n,)
        n_components : int
        shrinkage : float
            See `Gaussian.of_covariance`.
        levels : Levels
        seed : int
        """
        if len(x) > MAX_ROWS:
            index = np.random.RandomState(seed).permutation(len(x))[:MAX_ROWS]
            x, weights = x[index], weights[index]
        if np.isnan(x).any():
            x = Gaussian.fit(x, weights).completed(x, seed)
        clusters = KMeans(n_components, n_init=3, random_state=seed)
        belongs = np.eye(n_components)[clusters.fit_predict(x, sample_weight=weights)]
        for _ in range(N_ROUNDS):
            mixture = cls._of(x, weights, belongs, shrinkage, levels)
            belongs = mixture.responsibilities(x)
        return mixture

    @classmethod
    def _of(cls, x, weights, belongs, shrinkage, levels):
        """Return the mixture of rows that belong to components."""
        own = belongs * weights[:, None]
        counts = own.sum(axis=0)
        means = (own.T @ x) / (counts + 1.0)[:, None]
        moments = []
        for mean, part in zip(means, own.T, strict=True):
            moments.append(((x - mean) * part[:, None]).T @ (x - mean))
        within = sum(moments) / counts.sum()
        prior = PRIOR_ROWS * x.shape[1]
        parts = [
            Gaussian.of_covariance(
                (moment + prior * within) / (count + prior),
                len(x),
                shrinkage,
                LEAST_NOISE,
                MAX_FACTORS,
            )
            for moment, count in zip(moments, counts, strict=True)
        ]
        return cls(parts, means, (counts + 1.0) / (counts + 1.0).sum(), levels)

    def responsibilities(self, x):
        """Return p(component | row), shape (n, n_components)."""
        x = torch.from_numpy(x)[None]
        visible = torch.ones(1, x.shape[2], dtype=torch.bool)
        return self._look(x, visible)[0][:, 0].T.numpy()

    @cached_property
    def _tensors(self):
        W = np.stack([part.loadings for part in self.parts])
        noise = np.stack([part.noise for part in self.parts])
        is_level, p, units = self.levels
        # The frequency of each level in each component.
        frequency = np.where(is_level, p + units * self.means, 1.0)
        log_p = np.log(
            np.maximum(frequency, LEAST_OF_PROPORTION * np.where(is_level, p, 1.0))
        )
        arrays = W, noise, self.means, log_p, np.log(self.proportions), is_level
        return [torch.from_numpy(array) for array in arrays]

    def _look(self, x, visible):
        """Return p(component | what is visible), and components' means and variances.

        Returns
        -------
        p : torch.Tensor of shape (n_components, n_patterns, n_each)
        means : torch.Tensor of shape (n_components, n_patterns, n_each, n_variables)
        variances : torch.Tensor of shape (n_components, n_patterns, 1, n_variables)
        """
        W, noise, centers, log_p, log_proportions, is_level = self._tensors
        shown, x = visible[:, None], x.to(W.dtype)
        scaled = torch.where(shown, x - centers[:, None, None], 0.0) / noise[:, None, None]
        factors, log_det = _factors_of(W, visible / noise[:, None])
        solved = W[:, None] @ factors  # (n_components, n_patterns, n_variables, n_factors)
        means = (scaled @ W[:, None]) @ solved.mT + centers[:, None, None]
        variances = (solved * W[:, None]).sum(3) + noise[:, None]
        # Woodbury's identity, of the numbers among them.
        if is_level.any():
            numbers = visible & ~is_level
            scaled = torch.where(is_level, 0.0, scaled)
            factors, log_det = _factors_of(W, numbers / noise[:, None])
        else:
            numbers = visible
        seen = scaled @ W[:, None]
        square = (scaled.square() * noise[:, None, None]).sum(3) - (
            (seen @ factors) * seen
        ).sum(3)
        size = (numbers * noise.log()[:, None]).sum(2) + log_det
        own = (shown & is_level & (x > 0)).to(W.dtype) @ log_p.T  # of the row's levels
        log_own = own.movedim(-1, 0) - 0.5 * (square + size[..., None])
        p = (log_own + log_proportions[:, None, None]).softmax(0)
        return p, means, variances[:, :, None]

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
        mean, spread : torch.Tensor of shape (n_patterns, n_each, n_variables)
        """
        p, means, variances = self._look(x, visible)
        p = p[..., None]
        mean = (p * means).sum(0)
        variance = (p * ((means - mean).square() + variances)).sum(0)
        return mean.to(x.dtype), variance.sqrt().to(x.dtype)

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_tensors"}


def _factors_of(W, precision):
    """Return the factors' covariances, and the logarithms of their determinants, negative.

    Parameters
    ----------
    W : torch.Tensor of shape (n_components, n_variables, n_factors)
    precision : torch.Tensor of shape (n_components, n_patterns, n_variables)
        Of the noise, 0 where nothing is visible.
    """
    inner = (W.mT[:, None] * precision[:, :, None]) @ W[:, None]
    roots = torch.linalg.cholesky(inner + torch.eye(W.shape[2], dtype=W.dtype))
    log_det = 2.0 * roots.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return torch.cholesky_inverse(roots), log_det
