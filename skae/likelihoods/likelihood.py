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
    name : str
        Only of those that a parameter may ask for by name; not inherited.

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
        return vars(type(self)).get("name", repr(self))

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
