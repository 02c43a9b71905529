"""Numbers in the units of their columns, standardised, in place of normal scores."""

from functools import cached_property

import numpy as np
import torch

# Points of each column that are kept, evenly spaced among its values.
N_POINTS = 256
# Places, in standard deviations, at which a normal distribution is turned into scores.
PLACES = np.linspace(-3.0, 3.0, 9)
# Width over which a column's density is smoothed, in standard deviations, and how far its
# logarithm is taken to lie from a normal one's at most.
SMOOTHING, MAX_LOG_RATIO = 0.5, 3.0
# Smallest standard deviation of a score.
LEAST_SPREAD = 1e-2
TINY = 1e-12


class Units:
    """Numbers of some ranked variables in units of their own: of mean 0 and variance 1.

    Parameters
    ----------
    variables : ndarray of int of shape (n_numbers,)
        Which variables.
    scores, amounts : ndarray of shape (n_numbers, n_points)
        Normal scores, rising, and the numbers that they stand for. The last are repeated
        where a column has fewer.
    """

    def __init__(self, variables, scores, amounts):
        self.variables, self.scores, self.amounts = variables, scores, amounts

    @classmethod
    def of(cls, variables, ranks, x, weights):
        """Return the units of some variables of rows.

        Parameters
        ----------
        variables : ndarray of int
        ranks : list of Ranks
            Of all ranked variables.
        x : ndarray of shape (n, width)
            Normal scores, NaN where unknown.
        weights : ndarray of shape (n,)
        """
        scores, amounts = np.empty((2, len(variables), N_POINTS))
        for row, variable in enumerate(variables):
            points = ranks[variable].points
            n_points = min(N_POINTS, len(points))
            kept = np.linspace(0, len(points) - 1, n_points).round().astype(int)
            points = np.pad(points[kept], (0, N_POINTS - n_points), mode="edge")
            scores[row] = ranks[variable].score(points)
            # Squares of what is very small or large are not told from 0 or infinity.
            points /= np.abs(points).max()
            there = ~np.isnan(x[:, variable])
            cells = np.interp(x[there, variable], scores[row], points)
            own = weights[there] / weights[there].sum()
            mean = own @ cells
            variance = own @ np.square(cells - mean)
            amounts[row] = (points - mean) / np.sqrt(max(variance, TINY))
        return cls(variables, scores, amounts)

    def apply(self, x):
        """Return rows with numbers in place of the variables' scores.

        Parameters
        ----------
        x : torch.Tensor of shape (*, n_variables)
        """
        scores, amounts, _ = self._tensors
        x = x.clone()
        own = _interpolated(x[..., self.variables], scores, amounts)[0]
        x[..., self.variables] = own.to(x.dtype)
        return x

    def in_scores(self, mean, spread, chosen=slice(None)):
        """Return the mean and standard deviation of scores of normally distributed numbers.

        Normal with mean 0 and variance 1, a number is distributed as its column is: its
        density is that of the column, times how much likelier a normal distribution makes it
        than the standard one.

        Parameters
        ----------
        mean, spread : torch.Tensor of shape (*, n_chosen)
        chosen : torch.Tensor of bool of shape (n_numbers,), default=slice(None)
            The variables that these are of.
        """
        scores, amounts, log_ratios = (part[chosen] for part in self._tensors)
        places = torch.from_numpy(PLACES).view(-1, *[1] * mean.ndim)
        numbers = mean + places * spread
        own, log_ratios = _interpolated(numbers, amounts, scores, log_ratios)
        weights = (log_ratios - 0.5 * places.square()).softmax(0)
        mean = (weights * own).sum(0)
        variance = (weights * (own - mean).square()).sum(0)
        return mean, variance.sqrt().clamp(min=LEAST_SPREAD)

    @cached_property
    def _tensors(self):
        scores, amounts = torch.from_numpy(self.scores), torch.from_numpy(self.amounts)
        ends = (
            _interpolated((amounts + side).T, amounts, scores)[0].T
            for side in (-0.5 * SMOOTHING, 0.5 * SMOOTHING)
        )
        low, high = ends
        # How many scores there are to a unit: the column's density over the scores'.
        log_density = ((high - low) / SMOOTHING).log() - 0.5 * scores.square()
        log_ratios = log_density + 0.5 * amounts.square()
        return scores, amounts, log_ratios.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_tensors"}


def _interpolated(x, points, values, *others):
    """Return what lies between values where x lies between points.

    Beyond the last points `values` go on as x does, `others` stay.

    Parameters
    ----------
    x : torch.Tensor of shape (*, n)
    points, values, *others : torch.Tensor of shape (n, n_points)
    """
    flat = x.double().flatten(0, -2).T.contiguous()
    above = torch.searchsorted(points, flat).clamp(1, points.shape[1] - 1)
    low, high = points.gather(1, above - 1), points.gather(1, above)
    fraction = ((flat - low) / (high - low).clamp(min=1e-9)).clamp(0.0, 1.0)
    found = [
        torch.lerp(part.gather(1, above - 1), part.gather(1, above), fraction)
        for part in (values, *others)
    ]
    found[0] = found[0] + (flat - flat.clamp(points[:, :1], points[:, -1:]))
    return [part.T.reshape(x.shape) for part in found]


class Pooled:
    """Two distributions of the same variables together: one of scores, one in own units.

    Normal scores have the shape of every column right, but bend what is linear in its own
    unit, and lose a sum of columns that varies little. The pool is the normalised geometric
    mean of both densities, of those numbers that it is better for; of others, and of levels,
    it says what the first one says.

    Parameters
    ----------
    of_scores : Gaussian or Mixture
    of_numbers : Gaussian or Mixture
        Of rows in `units`.
    units : Units
    pooled : ndarray of bool of shape (n_numbers,)
        Which of the units' variables it is better for.

    References
    ----------
    Genest & Zidek, Combining Probability Distributions: A Critique and an Annotated
    Bibliography, 1986, section 3: the logarithmic opinion pool.
    """

    def __init__(self, of_scores, of_numbers, units, pooled):
        self.of_scores, self.of_numbers = of_scores, of_numbers
        self.units, self.pooled = units, pooled

    def given(self, x, visible, own=None):
        """Return mean and standard deviation of all variables, given those that are visible.

        Parameters are those of `Gaussian.given`.

        Returns
        -------
        mean, spread : torch.Tensor of shape (n_patterns, n_each, n_variables)
        """
        mean, spread = self.of_scores.given(x, visible, own)
        spread = spread.expand(mean.shape).clone()
        others = self.of_numbers.given(self.units.apply(x), visible, own)
        pooled = torch.from_numpy(self.pooled)
        chosen = torch.from_numpy(self.units.variables)[pooled]
        others = (part.expand(mean.shape)[..., chosen].double() for part in others)
        other_mean, other_spread = self.units.in_scores(*others, pooled)
        first, second = spread[..., chosen].double() ** -2, other_spread**-2
        own_mean = (first * mean[..., chosen] + second * other_mean) / (first + second)
        mean[..., chosen] = own_mean.to(mean.dtype)
        spread[..., chosen] = (0.5 * (first + second)).rsqrt().to(spread.dtype)
        return mean, spread
