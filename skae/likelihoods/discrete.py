"""Proportions and counts."""

import numpy as np
import torch

from skae.likelihoods.likelihood import NOISE_GAIN, Likelihood
from skae.models.losses import LEAST_PROPORTION
from skae.table.support import COUNTS, PROPORTIONS

# Bounds of a dispersion at the start.
DISPERSIONS = 0.1, 1e4
LEAST_RATE = 1e-6


class Discrete(Likelihood):
    """What likelihoods of probabilities, not densities, share."""

    is_density = False

    def mode_nll(self, parameters, units):
        return torch.zeros_like(units.center)

    def draw(self, mean, parameters, units, rng):
        # In float32 the units lead a whole number back to almost a whole one; `sample`
        # rounds it.
        center, scale = units.center.numpy(), units.scale.numpy()
        raw = np.maximum(center + scale * mean, 0.0)
        return (self.draw_raw(raw, parameters, rng) - center) / scale

    def draw_raw(self, mean, parameters, rng):
        """Return whole numbers drawn about means, both in raw units."""
        raise NotImplementedError


class Bernoulli(Discrete):
    """x is 1 with probability m, else 0.

    Numbers between 0 and 1 are taken as such probabilities: their loss is the mean of what
    1 and 0 cost.
    """

    name = "bernoulli"
    support = PROPORTIONS
    link = "logistic"

    def nll(self, x, mean, parameters, units):
        t = (units.center + units.scale * x).clamp(0.0, 1.0)
        p = (units.center + units.scale * mean).clamp(
            LEAST_PROPORTION, 1.0 - LEAST_PROPORTION
        )
        return -t * p.log() - (1.0 - t) * torch.log1p(-p)

    def draw_raw(self, mean, parameters, rng):
        return (rng.uniform(size=mean.shape) < mean) * 1.0


class Poisson(Discrete):
    """Counts of rate m: p(k) = m^k exp(-m) / k!."""

    name = "poisson"
    support = COUNTS
    link = "exponential"

    def nll(self, x, mean, parameters, units):
        count, rate = _counts(x, mean, units)
        return rate - count * rate.log() + torch.lgamma(count + 1.0)

    def draw_raw(self, mean, parameters, rng):
        return rng.poisson(mean) * 1.0


class NegativeBinomial(Discrete):
    """Counts of mean m that vary more than Poisson's: variance m + m^2 / r, an r per column.

    References
    ----------
    Lopez et al., Deep Generative Modeling for Single-Cell Transcriptomics, 2018.
    """

    name = "negative_binomial"
    support = COUNTS
    link = "exponential"

    def first_parameters(self, noise_variance, units):
        if noise_variance is None:
            return {"log_dispersion": torch.zeros_like(units.center)}
        more = (noise_variance * units.scale.square() - units.center).clamp(min=1e-6)
        dispersion = (units.center.square() / more).clamp(*DISPERSIONS)
        return {"log_dispersion": dispersion.log() / NOISE_GAIN}

    def nll(self, x, mean, parameters, units):
        r = self._dispersion(parameters)
        count, rate = _counts(x, mean, units)
        ways = torch.lgamma(count + r) - torch.lgamma(r) - torch.lgamma(count + 1.0)
        total = (r + rate).log()
        return -ways - r * (r.log() - total) - count * (rate.log() - total)

    def draw_raw(self, mean, parameters, rng):
        r = self._dispersion(parameters).numpy()
        return rng.poisson(rng.gamma(r, 1.0 / r, size=mean.shape) * mean) * 1.0

    @staticmethod
    def _dispersion(parameters):
        return (NOISE_GAIN * parameters["log_dispersion"]).exp()


def _counts(x, mean, units):
    count = (units.center + units.scale * x).round().clamp(min=0.0)
    return count, (units.center + units.scale * mean).clamp(min=LEAST_RATE)
