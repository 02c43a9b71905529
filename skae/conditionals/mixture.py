"""A mixture of normal distributions of scores, where one is too few."""

import math
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch

from skae.conditionals.network import LEAST_OF_PROPORTION


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
    Given a part of the variables: Ghahramani & Jordan, Supervised Learning from Incomplete
    Data via an EM Approach, 1994.
    """

    def __init__(self, parts, means, proportions, levels):
        self.parts, self.means, self.proportions = parts, means, proportions
        self.levels = levels

    @cached_property
    def _tensors(self):
        W = np.stack([part.loadings for part in self.parts])
        noise = np.stack([part.noise for part in self.parts])
        log_p = log_frequencies(self.means, self.levels)
        log_proportions, is_level = np.log(self.proportions), self.levels.is_level
        # Of the loadings of each variable, (n_components, n_variables, n_factors ** 2).
        products = (W[..., :, None] * W[..., None, :]).reshape(*W.shape[:2], -1)
        arrays = W, noise, self.means, log_p, log_proportions, is_level, products
        return [torch.from_numpy(array) for array in arrays]

    def _look(self, x, visible, own=None):
        """Return p(component | what is visible), and components' means and variances.

        Parameters are those of `given`.

        Returns
        -------
        p : torch.Tensor of shape (n_components, n_patterns, n_each)
        means : torch.Tensor of shape (n_components, n_patterns, n_each, n_variables)
        variances : torch.Tensor of shape (n_components, n_patterns, 1, n_variables)
        """
        W, noise, centers, log_p, log_proportions, is_level, products = self._tensors
        precision = visible / noise[:, None]
        roots, log_det = _roots_of(products, precision)
        halves = torch.linalg.solve_triangular(roots, W.mT[:, None], upper=False)
        variances = halves.square().sum(2) + noise[:, None]
        own_roots, numbers = roots, visible
        if is_level.any():
            numbers = visible & ~is_level
            own_roots, log_det = _roots_of(products, precision * ~is_level)
        size = (numbers * noise.log()[:, None]).sum(2) + log_det
        if own is not None:
            roots, own_roots, halves, variances, size = (
                part[:, own] for part in (roots, own_roots, halves, variances, size)
            )
            visible, precision = visible[own], precision[:, own]
        shown, x = visible[:, None], x.to(W.dtype)
        away = torch.where(shown, x - centers[:, None, None], 0.0)
        seen = _seen(away * precision[:, :, None], W, roots)
        means = seen.mT @ halves + centers[:, None, None]
        # Woodbury's identity, of the numbers among them.
        if is_level.any():
            away = torch.where(is_level, 0.0, away)
            seen = _seen(away * precision[:, :, None], W, own_roots)
        square = (away.square() * precision[:, :, None]).sum(3) - seen.square().sum(2)
        of_levels = (shown & is_level & (x > 0)).to(W.dtype) @ log_p.T
        log_own = of_levels.movedim(-1, 0) - 0.5 * (square + size[..., None])
        p = (log_own + log_proportions[:, None, None]).softmax(0)
        return p, means, variances[:, :, None]

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
        mean, spread : torch.Tensor of shape (n_patterns, n_each, n_variables)
        """
        p, means, variances = self._look(x, visible, own)
        p = p[..., None]
        mean = (p * means).sum(0)
        variance = (p * (means.square() + variances)).sum(0) - mean.square()
        return mean.to(x.dtype), variance.sqrt().to(x.dtype)

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_tensors"}


def _roots_of(products, precision):
    """Return roots of the factors' precisions, and the logarithms of their determinants.

    Parameters
    ----------
    products : torch.Tensor of shape (n_components, n_variables, n_factors ** 2)
    precision : torch.Tensor of shape (n_components, n_patterns, n_variables)
        Of the noise, 0 where nothing is visible.
    """
    n_factors = math.isqrt(products.shape[2])
    inner = (precision @ products).unflatten(2, (n_factors, n_factors))
    inner.diagonal(dim1=-2, dim2=-1).add_(1.0)
    roots = torch.linalg.cholesky(inner)
    return roots, 2.0 * roots.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _seen(x, W, roots):
    """Return the factors' means times their roots.

    Parameters
    ----------
    x : torch.Tensor of shape (n_components, n_patterns, n_each, n_variables)
        In units of the noise's precision.

    Returns
    -------
    seen : torch.Tensor of shape (n_components, n_patterns, n_factors, n_each)
    """
    # One product for all patterns: many small ones take longer.
    seen = (x.flatten(1, 2) @ W).unflatten(1, x.shape[1:3])
    return torch.linalg.solve_triangular(roots, seen.mT, upper=False)


def log_frequencies(means, levels):
    """Return the logarithms of the frequency of each level in components; 0 for numbers."""
    is_level, p, units = levels
    frequency = np.where(is_level, p + units * means, 1.0)
    return np.log(np.maximum(frequency, LEAST_OF_PROPORTION * np.where(is_level, p, 1.0)))
