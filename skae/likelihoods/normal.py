"""Numbers about their mean: normal, or with heavy tails."""

import math

import torch

from skae.likelihoods.likelihood import NOISE_GAIN, Likelihood
from skae.models.losses import LOG_2PI

# Degrees of freedom at the start; they stay above 1, where there is a mean.
FIRST_FREEDOM = 10.0
# Noise variance at the start where PCA does not tell it, in standard units.
FIRST_VARIANCE = 0.5


class Gaussian(Likelihood):
    """N(x; m, s), with a noise variance s per column."""

    name = "gaussian"

    def first_parameters(self, noise_variance, units):
        start = FIRST_VARIANCE if noise_variance is None else noise_variance - units.floor
        return {"log_noise": torch.full_like(units.center, math.log(start) / NOISE_GAIN)}

    def nll(self, x, mean, parameters, units):
        variance = self.variance(parameters, units)
        squares = (x - mean).square() / variance
        return 0.5 * (squares + variance.log() + LOG_2PI)

    def mode_nll(self, parameters, units):
        return 0.5 * (self.variance(parameters, units).log() + LOG_2PI)

    def variance(self, parameters, units):
        return units.floor + (NOISE_GAIN * parameters["log_noise"]).exp()

    def pooled(self, parameters, units, held_out, fraction):
        # The maximum-likelihood variance of all errors, given the decoder.
        variance = (1.0 - fraction) * self.variance(parameters, units) + fraction * held_out
        above_floor = (variance - units.floor).clamp(min=1e-3 * units.floor)
        return {"log_noise": above_floor.log() / NOISE_GAIN}

    def draw(self, mean, parameters, units, rng):
        spread = self._spread(parameters, units)
        return mean + spread * rng.standard_normal(mean.shape)

    def _spread(self, parameters, units):
        return self.variance(parameters, units).sqrt().numpy()


class StudentT(Gaussian):
    """A Student t of location m, squared scale s and n degrees of freedom per column.

    Its tails are heavy: a far cell does not pull the code as hard, and is not as
    improbable. The `variance` is s; that of the cell is n / (n - 2) times as large.

    References
    ----------
    Takahashi et al., Student-t Variational Autoencoder for Robust Density Estimation, 2018.
    """

    name = "student_t"

    def first_parameters(self, noise_variance, units):
        first = math.log(FIRST_FREEDOM - 1.0) / NOISE_GAIN
        freedom = {"log_freedom": torch.full_like(units.center, first)}
        return super().first_parameters(noise_variance, units) | freedom

    def nll(self, x, mean, parameters, units):
        squared_scale, freedom = self._noise(parameters, units)
        squares = (x - mean).square() / (freedom * squared_scale)
        peak = self.mode_nll(parameters, units)
        return peak + 0.5 * (freedom + 1.0) * torch.log1p(squares)

    def mode_nll(self, parameters, units):
        squared_scale, freedom = self._noise(parameters, units)
        half = 0.5 * freedom
        ratio = torch.lgamma(half) - torch.lgamma(half + 0.5)
        return ratio + 0.5 * (freedom * math.pi * squared_scale).log()

    def pooled(self, parameters, units, held_out, fraction):
        return {}  # of which the squared errors of far cells tell little

    def _noise(self, parameters, units):
        freedom = 1.0 + (NOISE_GAIN * parameters["log_freedom"]).exp()
        return self.variance(parameters, units), freedom

    def draw(self, mean, parameters, units, rng):
        freedom = self._noise(parameters, units)[1].numpy()
        return mean + self._spread(parameters, units) * rng.standard_t(
            freedom, size=mean.shape
        )
