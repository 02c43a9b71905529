"""The distribution of a variational autoencoder's codes, learned after training."""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from skae._processes import one_blas_thread, one_openmp_thread, without_warnings

# Numbers of components that are tried, while there are more codes than parameters of means.
SIZES = 2, 4, 8, 16, 32
# After so many sizes in sequence without a gain, larger ones are not tried.
MAX_VAIN = 2
# Maximum number of codes that a mixture is fitted to, and of its steps: from clusters, and
# from what was fitted to most of the codes.
N_CODES, MAX_ITER, MAX_MORE = 5000, 30, 10
# Codes are about one wide.
REGULARISATION = 1e-4
# Rows per dimension for which the covariance of all codes counts in that of a component.
STRENGTHS = 0.1, 1.0
# Weight of one more component, N(0, I): whatever the row, a mixture costs it no more than
# the logarithm of this. Hesterberg, Weighted Average Importance Sampling and Defensive
# Mixture Distributions, 1995.
DEFENCE = 0.01
# Weight below which a mixture is left out of the average: all cost time in every score.
LEAST_WEIGHT = 0.1
# Steps of the weights, each of which raises a concave likelihood.
N_WEIGHTINGS = 100
# Standard errors by which a mixture must be better on held-out rows.
N_ERRORS = 2.0


class MixturePrior(nn.Module):
    """p(z) = sum_k w_k N(z; m_k, S_k).

    Parameters
    ----------
    weights : ndarray of shape (n_mixed,)
    means : ndarray of shape (n_mixed, n_components)
    factors : ndarray of shape (n_mixed, n_components, n_components)
        L with ``L' L = S^-1``, lower triangular, the diagonal positive.
    """

    def __init__(self, weights, means, factors):
        super().__init__()
        values = {"weights": weights, "means": means, "factors": factors}
        for name, array in values.items():
            # No part of the weights that callbacks save.
            self.register_buffer(name, torch.from_numpy(array).float(), persistent=False)

    def log_ratio(self, z):
        """Return log p(z) - log N(z; 0, I) in nats, of codes of shape (*, n_components)."""
        n_mixed, width = self.means.shape
        offsets = (self.factors @ self.means[:, :, None]).reshape(-1)
        # One product for all components: (*, n_mixed * n_components)
        scaled = z @ self.factors.reshape(-1, width).T - offsets
        squares = scaled.square().unflatten(-1, (n_mixed, width)).sum(-1)
        peaks = self.weights.log() + self.factors.diagonal(dim1=1, dim2=2).log().sum(1)
        return (peaks - 0.5 * squares).logsumexp(-1) + 0.5 * z.square().sum(-1)

    def sample(self, n_samples, rng):
        """Return codes drawn with `rng`, an ndarray of shape (n_samples, n_components)."""
        weights, means, factors = (
            part.cpu().double().numpy() for part in (self.weights, self.means, self.factors)
        )
        mixed = rng.choice(len(weights), n_samples, p=weights / weights.sum())
        draws = rng.standard_normal((n_samples, means.shape[1]))
        spreads = np.linalg.inv(factors)
        codes = np.empty_like(draws)
        for k, mean in enumerate(means):
            of_k = mixed == k
            codes[of_k] = mean + draws[of_k] @ spreads[k].T
        return codes


class Candidate(NamedTuple):
    """A mixture fitted to codes, and what each held-out code gains by it, in nats."""

    mixture: Any
    strength: float
    gains: torch.Tensor


@torch.no_grad()
def fit_prior(codes, held_out, *, learn_both=True):
    """Return a mixture that describes held-out codes clearly better than N(0, I), or None.

    It is an average of mixtures of several sizes, in the proportions for which held-out
    codes are likeliest: each errs elsewhere.

    Parameters
    ----------
    codes, held_out : torch.Tensor of shape (n, n_components)
        Draws from the posteriors of rows that were trained on, and of others.
    learn_both : bool, default=True
        Whether the mixtures are in the end fitted to the held-out codes as well.

    Returns
    -------
    prior : MixturePrior or None

    References
    ----------
    The bound is highest for the prior that is the aggregated posterior: Tomczak & Welling,
    VAE with a VampPrior, 2018, eq. 5. Its density is estimated after training: Ghosh et
    al., From Variational to Deterministic Autoencoders, 2020, section 4. The average: Smyth
    & Wolpert, Linearly Combining Density Estimators via Stacking, 1999.
    """
    if len(held_out) < 2:  # too few to tell
        return None
    candidates = _fit_candidates(codes, held_out)
    if not candidates:
        return None
    proportions = _average(torch.stack([c.gains for c in candidates], dim=1))
    kept = [c for c, part in zip(candidates, proportions, strict=True) if part > 0]
    proportions = proportions[proportions > 0]
    gain = (torch.stack([c.gains for c in kept], dim=1) + proportions.log()).logsumexp(1)
    sure = N_ERRORS * gain.std().item() / math.sqrt(len(gain))
    if not gain.mean().item() > sure:
        return None
    learned = torch.cat([codes, held_out]) if learn_both else codes
    fitted: dict = {}
    priors = []
    for mixture, strength, _ in kept:
        if learn_both and id(mixture) not in fitted:
            again = _fit_mixture(learned, mixture.n_components, mixture)
            fitted[id(mixture)] = again or mixture
        priors.append(_make_prior(fitted.get(id(mixture), mixture), learned, strength))
    return _joined(priors, proportions).to(codes)


def _fit_candidates(codes, held_out):
    """Return mixtures of more and more components, as long as held-out codes gain."""
    candidates: list[Candidate] = []
    best, n_vain = 0.0, 0
    for size in SIZES:
        if len(codes) < size * (codes.shape[1] + 1) or n_vain == MAX_VAIN:
            break
        n_vain += 1
        mixture = _fit_mixture(codes, size)
        for strength in STRENGTHS if mixture else ():
            prior = _make_prior(mixture, codes, strength).to(codes)
            gains = prior.log_ratio(held_out).cpu().double()
            candidates.append(Candidate(mixture, strength, gains))
            if gains.mean().item() > best:
                best, n_vain = gains.mean().item(), 0
    return candidates


def _average(gains):
    """Return the proportions of mixtures by expectation and maximisation; few are not 0.

    Parameters
    ----------
    gains : torch.Tensor of shape (n, n_mixtures)
        Log densities of held-out codes.
    """
    proportions = torch.full_like(gains[0], 1.0 / gains.shape[1])
    for least in (0.0, min(LEAST_WEIGHT, 1.0 / gains.shape[1])):
        proportions = torch.where(proportions >= least, proportions, 0.0)
        for _ in range(N_WEIGHTINGS):
            proportions = (gains + proportions.log()).softmax(dim=1).mean(dim=0)
    return proportions


def _fit_mixture(codes, size, start=None):
    """Return a scikit-learn mixture, which starts where another, if given, ended.

    None where far outliers leave a component without a covariance.
    """
    # Imported here: half of scikit-learn comes with it.
    from sklearn.mixture import GaussianMixture

    codes = codes[-N_CODES:].cpu().double().numpy()
    settings = {"reg_covar": REGULARISATION, "max_iter": MAX_ITER, "random_state": 0}
    if start is not None:
        settings["max_iter"] = MAX_MORE
        settings["weights_init"] = start.weights_ / start.weights_.sum()
        settings["means_init"], settings["precisions_init"] = (
            start.means_,
            start.precisions_,
        )
    # The held-out rows judge it, converged or not.
    with one_openmp_thread(), one_blas_thread(), without_warnings(ConvergenceWarning):
        try:
            return GaussianMixture(size, **settings).fit(codes)
        except ValueError:
            return None


def _make_prior(mixture, codes, strength):
    codes = codes[-N_CODES:].cpu().double().numpy()
    total, width = np.atleast_2d(np.cov(codes.T)), codes.shape[1]
    # The covariance of a component with few rows is shrunk towards that of all codes.
    n_lent = strength * (width + 1.0)
    lean = (n_lent / (n_lent + mixture.weights_ * len(codes)))[:, None, None]
    covariances = mixture.covariances_ + lean * (total - mixture.covariances_)
    return MixturePrior(
        np.append((1.0 - DEFENCE) * mixture.weights_, DEFENCE),
        np.vstack([mixture.means_, np.zeros(width)]),
        # S = C C' with C lower: L = C^-1 has L' L = S^-1 and is lower as well.
        np.concatenate(
            [np.linalg.inv(np.linalg.cholesky(covariances)), np.eye(width)[None]]
        ),
    )


def _joined(priors, proportions):
    """Return the mixture of mixtures; their last components, N(0, I), become one."""
    parts = [
        [part.cpu().double().numpy() for part in (p.weights, p.means, p.factors)]
        for p in priors
    ]
    weights, means, factors = (
        np.concatenate([part[:-1] for part in of_all])
        for of_all in zip(*parts, strict=True)
    )
    shares = np.repeat(proportions.cpu().numpy(), [len(p.weights) - 1 for p in priors])
    return MixturePrior(
        np.append(weights * shares, DEFENCE),
        np.vstack([means, np.zeros(means.shape[1])]),
        np.concatenate([factors, np.eye(means.shape[1])[None]]),
    )
