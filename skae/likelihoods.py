"""How numbers are distributed about what the decoder says of them.

A likelihood of one's own is a subclass of `Likelihood`, and an entry in `LIKELIHOODS`.
"""

import math

import numpy as np
import torch
from torch import nn

from skae.models.links import LINKS
from skae.models.losses import LEAST_SHARE, LOG_2PI, gaussian_nll
from skae.table.support import COUNTS, SHARES

# An optimiser that normalises gradients moves every parameter by the same steps. The
# logarithm of a noise variance has farther to go than weights have, and is worth more.
NOISE_GAIN = 4.0
# Degrees of freedom at the start; they stay above 1, where there is a mean.
FIRST_FREEDOM = 10.0
# Bounds of a dispersion at the start.
DISPERSIONS = 0.1, 1e4
LEAST_RATE = 1e-6


class Likelihood(nn.Module):
    """p(x | z) of the numbers, cell by cell.

    Parameters
    ----------
    center, scale : ndarray of shape (n_numbers,)
        Raw units, and raw units per standard unit.
    floor : float
        Smallest noise variance of a column, in squared standard units.

    Attributes
    ----------
    is_density : bool
        Whether it is a density, of the numbers in standard units, or a probability.
    kind : Kind or None
        The kind of numbers it is for; None: any.
    link : Link or None
        What the decoder's numbers pass before they are the means.
    """

    is_density = True
    kind = None
    link_name: str | None = None

    def __init__(self, center, scale, floor):
        super().__init__()
        name = self.link_name
        self.link = None if name is None else LINKS[name](center, scale)
        self.floor = floor
        self.n_numbers = len(center)

    def start(self, noise_variance):
        """Take over the noise variance of probabilistic PCA."""

    def noise(self):
        """Return what `nll` needs to know besides the means."""
        raise NotImplementedError

    @staticmethod
    def nll(x, mean, noise):
        """Return -log p(x | z) of every cell, in nats, for means in standard units."""
        raise NotImplementedError

    def least(self, noise):
        """Return the lowest -log p(x | z) that a cell can have, shape (n_numbers,)."""
        return torch.zeros_like(self.units[0])

    def variance(self):
        """Return the noise variance, shape (n_numbers,); NaN if the mean determines it."""
        return torch.full_like(self.units[0], math.nan)

    def draw(self, mean, spread, rng):
        """Return numbers drawn about `mean`, ndarrays of shape (n, n_numbers).

        Parameters
        ----------
        mean : ndarray of shape (n, n_numbers)
            In standard units, as are the numbers drawn.
        spread : ndarray of shape (n_numbers,)
            The root of the noise variance, in standard units.
        rng : numpy.random.RandomState
        """
        raise NotImplementedError

    @property
    def units(self):
        """Return center and scale, tensors of shape (n_numbers,)."""
        return self.link.center, self.link.scale

    def _raw_draws(self, mean, draw):
        center, scale = (unit.double().cpu().numpy() for unit in self.units)
        # In float32 the units lead a whole number back to almost a whole one; see `sample`.
        return (draw(np.maximum(center + scale * mean, 0.0)) - center) / scale


class Gaussian(Likelihood):
    """N(x; m, s), with a noise variance s a column."""

    def __init__(self, center, scale, floor):
        super().__init__(center, scale, floor)
        self.raw_noise = nn.Parameter(
            torch.full((self.n_numbers,), math.log(0.5) / NOISE_GAIN, dtype=torch.float32)
        )

    def start(self, noise_variance):
        self.raw_noise.fill_(math.log(noise_variance - self.floor) / NOISE_GAIN)

    def noise(self):
        return self.floor + (NOISE_GAIN * self.raw_noise).exp()

    variance = noise
    nll = staticmethod(gaussian_nll)

    def least(self, noise):
        return 0.5 * (noise.log() + LOG_2PI)

    def draw(self, mean, spread, rng):
        return mean + spread * rng.standard_normal(mean.shape)


class StudentT(Gaussian):
    """A Student t of location m, squared scale s and n degrees of freedom, a column each.

    Its tails are heavy: a far cell does not pull the code as hard, and is not as
    improbable. The `variance` is s, of which that of the cell is n / (n - 2) times.

    References
    ----------
    Takahashi et al., Student-t Variational Autoencoder for Robust Density Estimation, 2018.
    """

    def __init__(self, center, scale, floor):
        super().__init__(center, scale, floor)
        first = math.log(FIRST_FREEDOM - 1.0) / NOISE_GAIN
        self.raw_freedom = nn.Parameter(torch.full((self.n_numbers,), first))

    def noise(self):
        return self.variance(), 1.0 + (NOISE_GAIN * self.raw_freedom).exp()

    def variance(self):
        return self.floor + (NOISE_GAIN * self.raw_noise).exp()

    @staticmethod
    def nll(x, mean, noise):
        squared_scale, freedom = noise
        squares = (x - mean).square() / (freedom * squared_scale)
        return StudentT._peak(noise) + 0.5 * (freedom + 1.0) * torch.log1p(squares)

    @staticmethod
    def _peak(noise):
        squared_scale, freedom = noise
        half = 0.5 * freedom
        ratio = torch.lgamma(half) - torch.lgamma(half + 0.5)
        return ratio + 0.5 * (freedom * math.pi * squared_scale).log()

    def least(self, noise):
        return self._peak(noise)

    def draw(self, mean, spread, rng):
        freedom = self.noise()[1].detach().double().cpu().numpy()
        return mean + spread * rng.standard_t(freedom, size=mean.shape)


class Bernoulli(Likelihood):
    """x is 1 with probability m, else 0.

    Numbers between 0 and 1 are taken as such probabilities: their loss is the mean of what
    1 and 0 cost.
    """

    is_density = False
    kind = SHARES
    link_name = "logistic"

    def noise(self):
        return self.units

    @staticmethod
    def nll(x, mean, noise):
        center, scale = noise
        t = (center + scale * x).clamp(0.0, 1.0)
        p = (center + scale * mean).clamp(LEAST_SHARE, 1.0 - LEAST_SHARE)
        return -t * p.log() - (1.0 - t) * torch.log1p(-p)

    def draw(self, mean, spread, rng):
        return self._raw_draws(mean, lambda p: (rng.uniform(size=p.shape) < p) * 1.0)


class Poisson(Likelihood):
    """Counts of rate m: p(k) = m^k exp(-m) / k!."""

    is_density = False
    kind = COUNTS
    link_name = "exponential"

    def noise(self):
        return self.units

    @staticmethod
    def nll(x, mean, noise):
        count, rate = _counts(x, mean, noise)
        return rate - count * rate.log() + torch.lgamma(count + 1.0)

    def draw(self, mean, spread, rng):
        return self._raw_draws(mean, lambda rate: rng.poisson(rate) * 1.0)


class NegativeBinomial(Likelihood):
    """Counts of mean m that vary more than Poisson's: variance m + m^2 / r, an r a column.

    References
    ----------
    Lopez et al., Deep Generative Modeling for Single-Cell Transcriptomics, 2018.
    """

    is_density = False
    kind = COUNTS
    link_name = "exponential"

    def __init__(self, center, scale, floor):
        super().__init__(center, scale, floor)
        self.raw_dispersion = nn.Parameter(torch.zeros(self.n_numbers))

    def start(self, noise_variance):
        center, scale = self.units
        more = (noise_variance * scale.square() - center).clamp(min=1e-6)
        dispersion = (center.square() / more).clamp(*DISPERSIONS)
        self.raw_dispersion.copy_(dispersion.log() / NOISE_GAIN)

    def noise(self):
        return *self.units, (NOISE_GAIN * self.raw_dispersion).exp()

    @staticmethod
    def nll(x, mean, noise):
        *units, r = noise
        count, rate = _counts(x, mean, units)
        ways = torch.lgamma(count + r) - torch.lgamma(r) - torch.lgamma(count + 1.0)
        total = (r + rate).log()
        return -ways - r * (r.log() - total) - count * (rate.log() - total)

    def draw(self, mean, spread, rng):
        r = self.noise()[2].detach().double().cpu().numpy()
        return self._raw_draws(
            mean,
            lambda rate: rng.poisson(rng.gamma(r, 1.0 / r, size=rate.shape) * rate) * 1.0,
        )


def _counts(x, mean, units):
    center, scale = units
    count = (center + scale * x).round().clamp(min=0.0)
    return count, (center + scale * mean).clamp(min=LEAST_RATE)


LIKELIHOODS = {
    "gaussian": Gaussian,
    "student_t": StudentT,
    "bernoulli": Bernoulli,
    "poisson": Poisson,
    "negative_binomial": NegativeBinomial,
}
