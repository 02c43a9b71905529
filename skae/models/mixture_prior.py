"""The distribution of a variational autoencoder's codes, learned after training."""

import math

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from skae._processes import one_openmp_thread, without_warnings

# Numbers of components that are tried, while there are more codes than parameters of means.
SIZES = 2, 4, 8, 16
# After so many sizes in sequence without a gain, larger ones are not tried.
MAX_VAIN = 2
# Maximum number of codes that a mixture is fitted to, and of its steps.
N_CODES, MAX_ITER = 5000, 50
# Codes are about one wide.
REGULARISATION = 1e-4
# Rows per dimension for which the covariance of all codes counts in that of a component.
STRENGTHS = 0.1, 1.0
# Weight of one more component, N(0, I): whatever the row, a mixture costs it no more than
# the logarithm of this. Hesterberg, Weighted Average Importance Sampling and Defensive
# Mixture Distributions, 1995.
DEFENCE = 0.01
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
        self.register_buffer("weights", torch.from_numpy(weights).float())
        self.register_buffer("means", torch.from_numpy(means).float())
        self.register_buffer("factors", torch.from_numpy(factors).float())

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


@torch.no_grad()
def fit_prior(codes, held_out, *, learn_both=True):
    """Return a mixture that describes held-out codes clearly better than N(0, I), or None.

    Its size is the best on held-out codes.

    Parameters
    ----------
    codes, held_out : torch.Tensor of shape (n, n_components)
        Draws from the posteriors of rows that were trained on, and of others.
    learn_both : bool, default=True
        Whether the mixture is in the end fitted to the held-out codes as well.

    Returns
    -------
    prior : MixturePrior or None

    References
    ----------
    The bound is highest for the prior that is the aggregated posterior: Tomczak & Welling,
    VAE with a VampPrior, 2018, eq. 5. Its density is estimated after training: Ghosh et
    al., From Variational to Deterministic Autoencoders, 2020, section 4.
    """
    if len(held_out) < 2:  # too few to tell
        return None
    best, best_gain, settings, n_vain = None, 0.0, None, 0
    for size in SIZES:
        if len(codes) < size * (codes.shape[1] + 1) or n_vain == MAX_VAIN:
            break
        n_vain += 1
        fitted = _fit_mixture(codes, size)
        for strength in STRENGTHS if fitted else ():
            prior = _make_prior(*fitted, strength).to(codes)
            gains = prior.log_ratio(held_out)
            gain = gains.mean().item()
            sure = N_ERRORS * gains.std().item() / math.sqrt(len(gains))
            if gain > max(best_gain, 0.0 if best else sure):
                best, best_gain, settings, n_vain = prior, gain, (size, strength), 0
    if best is None or not learn_both:
        return best
    size, strength = settings
    fitted = _fit_mixture(torch.cat([codes, held_out]), size)
    return _make_prior(*fitted, strength).to(codes) if fitted else best


def _fit_mixture(codes, size):
    """Return a scikit-learn mixture, the covariance of all codes, and their number.

    None where far outliers leave a component without a covariance.
    """
    # Imported here: half of scikit-learn comes with it.
    from sklearn.mixture import GaussianMixture

    codes = codes[-N_CODES:].cpu().double().numpy()
    settings = {"reg_covar": REGULARISATION, "max_iter": MAX_ITER, "random_state": 0}
    # The held-out rows judge it, converged or not.
    with one_openmp_thread(), without_warnings(ConvergenceWarning):
        try:
            mixture = GaussianMixture(size, **settings).fit(codes)
        except ValueError:
            return None
    return mixture, np.atleast_2d(np.cov(codes.T)), len(codes)


def _make_prior(mixture, total, n_codes, strength):
    width = len(total)
    # The covariance of a component with few rows is shrunk towards that of all codes.
    n_lent = strength * (width + 1.0)
    lean = (n_lent / (n_lent + mixture.weights_ * n_codes))[:, None, None]
    covariances = mixture.covariances_ + lean * (total - mixture.covariances_)
    return MixturePrior(
        np.append((1.0 - DEFENCE) * mixture.weights_, DEFENCE),
        np.vstack([mixture.means_, np.zeros(width)]),
        # S = C C' with C lower: L = C^-1 has L' L = S^-1 and is lower as well.
        np.concatenate(
            [np.linalg.inv(np.linalg.cholesky(covariances)), np.eye(width)[None]]
        ),
    )
