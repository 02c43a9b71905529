"""What a likelihood is."""

import math
from typing import ClassVar, NamedTuple

import torch

from skae._component import Setting
from skae.table.support import Support

# An optimiser that normalises gradients moves every parameter by the same steps. The
# logarithm of a noise variance has farther to go than weights have, and is worth more.
NOISE_GAIN = 4.0


class Units(NamedTuple):
    """The units of the numeric columns, and the floor of their noise.

    A number of a row is ``raw = center + scale * standard``.

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

    A subclass has `nll`, and further methods by need:

    ====================  ==============================================================
    `first_parameters`    where parameters, such as a scale, are learned with the network
    `draw`                for ``VAETransformer(sampler="codes")``, which draws already in
                          `fit`, and ``match_marginals=True``, the default, then gives the
                          draws the distribution of the column; the other samplers never
                          call it
    `mode_nll`            where the density is highest elsewhere than at the mean
    `variance`            for `noise_variance_`, which is NaN without it
    `pooled`              where held-out rows can make a learned parameter more exact
    ====================  ==============================================================

    Numbers and means are in standard units in all of them, and ``-log p`` is that of the
    number in standard units. What is easier said in raw units is computed with `units`; a
    density of raw numbers is multiplied by ``units.scale`` then.

    Attributes
    ----------
    is_density : bool
        Whether it is a density of the numbers in standard units (the score is then given
        in raw units), or a probability.
    support : Support or None
        The numbers that it is for: others are refused in fit and score, by the name of
        their column. None: any.
    link : {"logistic", "exponential"} or None
        What the decoder's numbers pass before they are means: raw means are between 0 and
        1, or above 0. They are handed over in standard units all the same.
    name : str
        Only of those that a parameter may ask for by name; not inherited.

    Examples
    --------
    The Laplace distribution, with a scale per column, which works in standard units:

    >>> import math
    >>> import torch
    >>> from skae import VAETransformer
    >>> from skae.likelihoods import Likelihood, Support
    >>> class Laplace(Likelihood):
    ...     def first_parameters(self, noise_variance, units):
    ...         start = 0.5 * math.log((noise_variance or 0.5) / 2)
    ...         return {"log_scale": torch.full_like(units.center, start)}
    ...
    ...     def nll(self, x, mean, parameters, units):
    ...         log_scale = parameters["log_scale"]
    ...         return (x - mean).abs() / log_scale.exp() + log_scale + math.log(2)
    ...
    ...     def variance(self, parameters, units):
    ...         return 2 * (2 * parameters["log_scale"]).exp()
    ...
    ...     def draw(self, mean, parameters, units, rng):
    ...         return rng.laplace(mean, parameters["log_scale"].exp().numpy())
    >>> vae = VAETransformer(2, likelihood=Laplace())

    A log-normal distribution of positive numbers, which works in raw ones: `link` keeps the
    median above 0, and `support` refuses what is not.

    >>> class LogNormal(Likelihood):
    ...     link = "exponential"
    ...     support = Support("positive numbers", "shift them", positive=True)
    ...
    ...     def first_parameters(self, noise_variance, units):
    ...         return {"log_s": torch.full_like(units.center, -1.0)}
    ...
    ...     def nll(self, x, mean, parameters, units):
    ...         log_x = (units.center + units.scale * x).clamp(min=1e-9).log()
    ...         log_median = (units.center + units.scale * mean).clamp(min=1e-9).log()
    ...         log_s = parameters["log_s"]
    ...         squares = ((log_x - log_median) / log_s.exp()).square()
    ...         of_raw = 0.5 * squares + log_s + log_x + 0.5 * math.log(2 * math.pi)
    ...         return of_raw - units.scale.log()
    >>> vae = VAETransformer(2, likelihood=LogNormal())
    """

    is_density: ClassVar[bool] = True
    support: ClassVar[Support | None] = None
    link: ClassVar[str | None] = None

    def first_parameters(self, noise_variance, units):
        """Return the learned parameters at the start.

        It is called when the model is built, for their names and shapes, and again once the
        noise variance is known.

        Parameters
        ----------
        noise_variance : float or None
            Of probabilistic PCA, one for all columns, in squared standard units; None: not
            known yet, or training starts somewhere else.
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

        `explain` measures from there. Here it is -log p of the column's mean, for a decoder
        that says just that. Where a cell can be more probable, as where the density depends
        on the mean, cells that are contribute nothing, and contributions no longer sum to a
        constant minus the score.
        """
        zeros = torch.zeros_like(units.center)
        return self.nll(zeros, zeros, parameters, units)

    def variance(self, parameters, units):
        """Return the noise variance, shape (n_columns,), in squared standard units.

        NaN, as here, where the mean determines it or nobody has said.
        """
        return torch.full_like(units.center, math.nan)

    def pooled(self, parameters, units, held_out, fraction):
        """Return parameters made more exact by the errors of held-out rows.

        A noise that was learned together with the network is a little small: training rows
        are fitted better than others. Called once, after training; {}, as here, leaves all
        parameters as they are.

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
