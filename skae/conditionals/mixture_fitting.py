"""Mixtures fitted to several parts of the same rows, all of them at once."""

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from skae._processes import one_openmp_thread, without_warnings
from skae.conditionals.gaussian import Gaussian, factorised
from skae.conditionals.mixture import Mixture, log_frequencies

# Rounds of expectation and maximisation, and rows that are learned from at most.
N_ROUNDS, MAX_ROWS = 20, 5000
# Every covariance counts as if it were the mean one in so many rows more per variable.
PRIOR_ROWS = 3.0
# Smallest variance of a score given all others, within a cluster.
LEAST_NOISE = 1e-3
# Latent dimensions of each component at most.
MAX_FACTORS = 32


class MixtureFits:
    """Mixtures of rows, one for each part of them that is learned from.

    All parts start from the same clusters of k-means, and every round of expectation and
    maximisation is one of all parts and components together.

    Parameters
    ----------
    x : ndarray of shape (n, n_variables)
        NaN where unknown.
    weights : ndarray of shape (n_parts, n)
        0 for rows that are not learned from.
    levels : Levels
    normal : Gaussian, default=None
        What unknown cells are drawn from.
    seed : int

    References
    ----------
    Covariances near their mean: Fraley & Raftery, Bayesian Regularization for Normal
    Mixture Estimation and Model-Based Clustering, 2007.
    """

    def __init__(self, x, weights, levels, normal=None, seed=0):
        if len(x) > MAX_ROWS:
            index = np.random.RandomState(seed).permutation(len(x))[:MAX_ROWS]
            x, weights = x[index], weights[:, index]
        if np.isnan(x).any():
            x = normal.completed(x, seed)
        self.levels, self.seed = levels, seed
        self._x, self._weights = torch.from_numpy(x), torch.from_numpy(weights)
        self._n_learned = (weights > 0).sum(axis=1)
        self._is_number = ~levels.is_level
        # Which levels rows have, (n, n_variables).
        self._own = (self._x > 0) & torch.from_numpy(levels.is_level)
        self._clusters: dict = {}

    def fit(self, n_components, shrinkage):
        """Return a `Mixture` for each part.

        Parameters
        ----------
        n_components : int
        shrinkage : float
            See `Gaussian.of_covariance`.
        """
        labels = self._clusters_of(n_components)
        belongs = torch.nn.functional.one_hot(labels, n_components).double().T
        for k in range(N_ROUNDS):
            found = self._maximise(belongs, shrinkage)
            if k < N_ROUNDS - 1:
                belongs = self._responsibilities(*found)
        loadings, noise, means, proportions = found
        return [
            Mixture(
                [Gaussian(*one) for one in zip(loadings[part], noise[part], strict=True)],
                means[part],
                proportions[part],
                self.levels,
            )
            for part in range(len(means))
        ]

    def _clusters_of(self, n_components):
        if n_components not in self._clusters:
            from sklearn.cluster import KMeans  # as in `skae.models.code_mixture`

            weights = self._weights.amax(0).numpy()
            kmeans = KMeans(n_components, n_init=1, random_state=self.seed)
            # There may be fewer different rows than components.
            with one_openmp_thread(), without_warnings(ConvergenceWarning):
                kmeans.fit(self._x.numpy(), sample_weight=weights)
            self._clusters[n_components] = torch.from_numpy(kmeans.labels_).long()
        return self._clusters[n_components]

    def _maximise(self, belongs, shrinkage):
        """Return loadings, noise, means and proportions of all parts' components.

        Parameters
        ----------
        belongs : torch.Tensor of shape (n_components, n) or (n_parts, n_components, n)
        shrinkage : float
        """
        own = belongs * self._weights[:, None]  # (n_parts, n_components, n)
        counts = own.sum(2)
        sums = own @ self._x
        means = sums / (counts + 1.0)[..., None]
        moments = (own[..., None] * self._x).mT @ self._x
        crossed = sums[..., None] * means[..., None, :]
        centred = means[..., None] * means[..., None, :] * counts[..., None, None]
        moments = moments - crossed - crossed.mT + centred
        within = moments.sum(1, keepdim=True) / counts.sum(1)[:, None, None, None]
        prior = PRIOR_ROWS * self._x.shape[1]
        covariances = (moments + prior * within) / (counts[..., None, None] + prior)
        loadings, noise = factorised(
            covariances.numpy(),
            self._n_learned[:, None, None, None],
            shrinkage,
            LEAST_NOISE,
            MAX_FACTORS,
        )
        proportions = (counts + 1.0) / (counts + 1.0).sum(1, keepdim=True)
        return loadings, noise, means.numpy(), proportions.numpy()

    def _responsibilities(self, loadings, noise, means, proportions):
        """Return p(component | row), shape (n_parts, n_components, n)."""
        numbers = self._is_number
        log_p = torch.from_numpy(log_frequencies(means, self.levels)) @ self._own.double().T
        log_p = log_p + torch.from_numpy(np.log(proportions))[..., None]
        if numbers.any():
            W = torch.from_numpy(loadings[..., numbers, :])
            spread = torch.from_numpy(noise[..., numbers])
            roots = torch.linalg.cholesky(W @ W.mT + torch.diag_embed(spread))
            eye = torch.eye(roots.shape[-1], dtype=roots.dtype)
            whitening = torch.linalg.solve_triangular(roots, eye, upper=False)
            centers = whitening @ torch.from_numpy(means[..., numbers, None])
            white = whitening @ self._x[:, numbers].T - centers
            log_p = log_p - 0.5 * white.square().sum(2)
            log_p = log_p - roots.diagonal(dim1=-2, dim2=-1).log().sum(-1)[..., None]
        return log_p.softmax(1)
