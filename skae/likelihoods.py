"""How numeric columns are distributed about what the decoder says of them.

A likelihood of your own is a subclass of `Likelihood`; see there.
"""

import math
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import nn

from skae._component import Setting, name_of
from skae.models.links import LINKS
from skae.models.losses import LEAST_PROPORTION, LOG_2PI
from skae.models.watched import Watched, is_own
from skae.table.support import COUNTS, PROPORTIONS, Support

__all__ = [
    "Bernoulli",
    "Gaussian",
    "Likelihood",
    "NegativeBinomial",
    "Poisson",
    "StudentT",
]

# An optimiser that normalises gradients moves every parameter by the same steps. The
# logarithm of a noise variance has farther to go than weights have, and is worth more.
NOISE_GAIN = 4.0
# Degrees of freedom at the start; they stay above 1, where there is a mean.
FIRST_FREEDOM = 10.0
# Noise variance at the start where PCA does not tell it, in standard units.
FIRST_VARIANCE = 0.5
# Bounds of a dispersion at the start.
DISPERSIONS = 0.1, 1e4
LEAST_RATE = 1e-6


class Units(NamedTuple):
    """The units of the numeric columns, and the floor of their noise.

    Attributes
    ----------
    center, scale : torch.Tensor of shape (n_columns,)
        Raw units, and raw units per standard unit.
    floor : float
        Smallest noise variance of a column, in squared standard units.
    """

    center: torch.Tensor
    scale: torch.Tensor
    floor: float


class Likelihood(Setting):
    """p(x | z) of the numeric columns, cell by cell.

    A subclass gives `nll`, and `draw` for `sample`; where it has parameters that are
    learned with the network, `first_parameters` too. Numbers and means are in standard
    units, unless the method turns them into raw ones by `units`.

    Attributes
    ----------
    is_density : bool
        Whether it is a density of the numbers in standard units (the score is then given
        in raw units), or a probability.
    support : Support or None
        The numbers that it is for; None: any.
    link : {"logistic", "exponential"} or None
        What the decoder's numbers pass before they are means.

    Examples
    --------
    The Laplace distribution, with a scale per column:

    >>> import math
    >>> import torch
    >>> from skae import VAETransformer
    >>> from skae.likelihoods import Likelihood
    >>> class Laplace(Likelihood):
    ...     def first_parameters(self, noise_variance, units):
    ...         start = 0.5 * math.log((noise_variance or 0.5) / 2)
    ...         return {"log_scale": torch.full_like(units.center, start)}
    ...
    ...     def nll(self, x, mean, parameters, units):
    ...         log_scale = parameters["log_scale"]
    ...         return (x - mean).abs() / log_scale.exp() + log_scale + math.log(2)
    ...
    ...     def draw(self, mean, parameters, units, rng):
    ...         return rng.laplace(mean, parameters["log_scale"].exp().numpy())
    >>> vae = VAETransformer(2, likelihood=Laplace())
    """

    is_density: ClassVar[bool] = True
    support: ClassVar[Support | None] = None
    link: ClassVar[str | None] = None

    def structure(self):
        return name_of(self, LIKELIHOODS) or repr(self)

    def first_parameters(self, noise_variance, units):
        """Return the learned parameters at the start.

        Parameters
        ----------
        noise_variance : float or None
            Of probabilistic PCA, in squared standard units; None: training starts
            somewhere else.
        units : Units

        Returns
        -------
        parameters : dict of str to torch.Tensor of shape (n_columns,)
        """
        return {}

    def nll(self, x, mean, parameters, units):
        """Return ``-log p(x | z)`` of every cell in nats, shape ``(*, n_columns)``."""
        raise NotImplementedError(f"{type(self).__name__} needs a method nll.")

    def mode_nll(self, parameters, units):
        """Return the lowest -log p(x | z) that a cell can have, shape (n_columns,).

        Where it is not known, `explain` measures from -log p of the mean.
        """
        zeros = torch.zeros_like(units.center)
        return self.nll(zeros, zeros, parameters, units)

    def variance(self, parameters, units):
        """Return the noise variance, shape (n_columns,); NaN where the mean determines it."""
        return torch.full_like(units.center, math.nan)

    def pooled(self, parameters, units, held_out, fraction):
        """Return those of the parameters that held-out rows, too, can tell something of.

        Parameters
        ----------
        parameters, units
            As elsewhere.
        held_out : torch.Tensor of shape (n_columns,)
            Mean squared errors of held-out cells in standard units.
        fraction : torch.Tensor of shape (n_columns,)
            How many of all cells are held out.

        Returns
        -------
        parameters : dict of str to torch.Tensor of shape (n_columns,)
        """
        return {}

    def draw(self, mean, parameters, units, rng):
        """Return numbers drawn about `mean`, as ndarrays of shape (n, n_columns).

        Parameters
        ----------
        mean : ndarray of shape (n, n_columns)
        parameters : dict of str to torch.Tensor of shape (n_columns,)
            On the CPU, in float64.
        units : Units
        rng : numpy.random.RandomState
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method draw.")


class Gaussian(Likelihood):
    """N(x; m, s), with a noise variance s per column."""

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


LIKELIHOODS = {
    "gaussian": Gaussian,
    "student_t": StudentT,
    "bernoulli": Bernoulli,
    "poisson": Poisson,
    "negative_binomial": NegativeBinomial,
}


def choose_likelihood(likelihood):
    """Return the `Likelihood` that a name or an object stands for."""
    return LIKELIHOODS[likelihood]() if isinstance(likelihood, str) else likelihood


class FittedLikelihood(nn.Module):
    """A likelihood with its learned parameters and the units of its columns, in a model.

    Parameters
    ----------
    likelihood : Likelihood
    center, scale : ndarray of shape (n_columns,)
        Raw units, and raw units per standard unit.
    floor : float
        Smallest noise variance of a column, in squared standard units.

    Attributes
    ----------
    link : Link or None
        Of the decoder's numbers.
    """

    def __init__(self, likelihood, center, scale, floor):
        super().__init__()
        self.likelihood, self.floor = likelihood, floor
        self.register_buffer("center", torch.zeros(len(center), dtype=torch.float32))
        self.register_buffer("scale", torch.ones(len(scale), dtype=torch.float32))
        self.follow(center, scale)
        first = likelihood.first_parameters(None, self.units)
        self.learned = nn.ParameterDict(
            {name: nn.Parameter(value.float()) for name, value in first.items()}
        )
        self.watched = Watched(f"nll of {likelihood!r}") if is_own(likelihood) else None
        name = likelihood.link
        self.link = None if name is None else LINKS[name](center, scale)

    @torch.no_grad()
    def follow(self, center, scale):
        """Take over the units of a table."""
        self.center.copy_(torch.from_numpy(center))
        self.scale.copy_(torch.from_numpy(scale))

    @torch.no_grad()
    def start(self, noise_variance):
        """Take over the noise variance of probabilistic PCA."""
        first = self.likelihood.first_parameters(noise_variance, self.units)
        for name, value in first.items():
            self.learned[name].copy_(value)

    @torch.no_grad()
    def pool(self, held_out, fraction):
        """Take the errors of held-out rows into account; see `Likelihood.pooled`."""
        pooled = self.likelihood.pooled(self.learned, self.units, held_out, fraction)
        for name, value in pooled.items():
            self.learned[name].copy_(value)

    @property
    def units(self):
        return Units(self.center, self.scale, self.floor)

    @property
    def is_density(self):
        return self.likelihood.is_density

    def forward(self, output, x):
        """Return ``-log p(x | z)`` of every cell in nats, shape ``(*, n_columns)``."""
        given = x, output, *self.learned.values()
        if self.watched is None:
            losses = self._nll(*given)
        else:
            losses = self.watched.call(self._nll, *given)
        if losses.shape not in (output.shape, x.shape):
            raise ValueError(
                f"nll of {self.likelihood!r} returns shape {tuple(losses.shape)} for cells "
                f"of shape {tuple(output.shape)}; give -log p of every cell."
            )
        return losses

    def _nll(self, x, output, *learned):
        parameters = dict(zip(self.learned.keys(), learned, strict=True))
        return self.likelihood.nll(x, output, parameters, self.units)

    def mode_nll(self):
        """Return the lowest -log p(x | z) that a cell can have, shape (n_columns,)."""
        return self.likelihood.mode_nll(self.learned, self.units)

    def variance(self):
        """Return the noise variance, shape (n_columns,); NaN where the mean determines it."""
        return self.likelihood.variance(self.learned, self.units)

    def draw(self, mean, rng):
        """Return numbers drawn about `mean`, ndarrays of shape (n, n_columns)."""
        learned = {
            name: value.detach().double().cpu() for name, value in self.learned.items()
        }
        center, scale = (unit.double().cpu() for unit in (self.center, self.scale))
        units = Units(center, scale, self.floor)
        return self.likelihood.draw(mean, learned, units, rng)
