"""Per-row losses: the formula whose mean trains is the formula that scores.

Each criterion takes the network's output and the rows, in standard units, and returns
one number a row.
"""

import math

import torch
from torch import nn

LOG_2PI = math.log(2.0 * math.pi)


def squared_error(reconstruction, x):
    """Return the mean over the columns of (x' - x)^2, shape (n,)."""
    return (reconstruction - x).square().mean(dim=-1)


def gaussian_nll(x, mean, variance):
    """Return -log N(x; mean, diag variance) in nats, summed over the last axis."""
    squares = (x - mean).square() / variance
    return 0.5 * (squares + variance.log() + LOG_2PI).sum(dim=-1)


def gaussian_kl(mean, log_variance):
    """Return KL(N(mean, diag v) || N(0, I)) in nats, shape (n,).

    References
    ----------
    Kingma & Welling, Auto-Encoding Variational Bayes, 2014, appendix B.
    """
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1.0).sum(dim=-1)


class SquaredError(nn.Module):
    """The mean squared error of a row over its columns."""

    def forward(self, output, x):
        return squared_error(output, x)


class NegativeELBO(nn.Module):
    """Minus the evidence lower bound of a row, in nats of the standardised columns.

    Parameters
    ----------
    beta : float
        Weight of the divergence from the posterior to the prior.

    Attributes
    ----------
    warmth : float
        Factor on `beta` while training, raised from 0 to 1 by the warm-up. Evaluation
        always takes the whole of `beta`.

    References
    ----------
    Higgins et al., beta-VAE, 2017, eq. 4; warm-up: Sonderby et al., Ladder VAE, 2016.
    """

    def __init__(self, beta):
        super().__init__()
        self.beta = beta
        self.warmth = 1.0

    def forward(self, output, x):
        reconstruction, noise_variance, mean, log_variance = output
        weight = self.beta * (self.warmth if self.training else 1.0)
        kl = gaussian_kl(mean, log_variance)
        return torch.add(gaussian_nll(x, reconstruction, noise_variance), kl, alpha=weight)
