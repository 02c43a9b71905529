"""A likelihood with what it has learned, as a part of a model."""

import torch
from torch import nn

from skae.likelihoods.likelihood import Units
from skae.models.links import LINKS
from skae.models.watched import Watched, is_own


class FittedLikelihood(nn.Module):
    """A likelihood with its learned parameters and the units of its columns, in a model.

    Parameters
    ----------
    likelihood : Likelihood
    center, scale : ndarray of shape (n_columns,)
        Raw units, and raw units per standard unit.
    floor : float
        Smallest noise variance of a column, in squared standard units.
    learned : dict of str to torch.Tensor, default=None
        The learned parameters, if nothing is to train them any more.

    Attributes
    ----------
    link : Link or None
        Of the decoder's numbers.
    """

    def __init__(self, likelihood, center, scale, floor, learned=None):
        super().__init__()
        self.likelihood, self.floor = likelihood, floor
        # What is learned after training is no part of the weights that callbacks save.
        is_trained = learned is None
        for name, values in (("center", center), ("scale", scale)):
            values = torch.zeros(len(values), dtype=torch.float32)
            self.register_buffer(name, values, persistent=is_trained)
        self.follow(center, scale)
        if is_trained:
            first = likelihood.first_parameters(None, self.units)
            self.learned = nn.ParameterDict(
                {name: nn.Parameter(value.float()) for name, value in first.items()}
            )
        else:
            self.learned = SettledValues(learned)
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
    def exact_units(self):
        """The units on the CPU, in float64."""
        center, scale = (unit.cpu().double() for unit in (self.center, self.scale))
        return Units(center, scale, self.floor)

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
            name: value.detach().cpu().double() for name, value in self.learned.items()
        }
        return self.likelihood.draw(mean, learned, self.exact_units, rng)


class SettledValues(nn.Module):
    """Values by name that no optimiser is to see."""

    def __init__(self, values):
        super().__init__()
        for name, value in values.items():
            self.register_buffer(name, value.float(), persistent=False)

    def __getitem__(self, name):
        return self._buffers[name]

    def keys(self):
        return self._buffers.keys()

    def values(self):
        return self._buffers.values()

    def items(self):
        return self._buffers.items()
