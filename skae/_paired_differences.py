"""How far rows' differences are above 0, and how clearly: means, and winsorised ones.

References
----------
The winsorised mean and its standard error: Tukey & McLaughlin, Less Vulnerable Confidence
and Significance Procedures for Location, 1963; Dixon & Tukey, Approximate Behavior of the
Distribution of Winsorized t, 1968.
"""

import math

import torch

# Fraction of the rows, at either end, that counts no more than the next ones do.
WINSORISED = 0.05


def mean_of(differences, weights):
    """Return the mean of rows' differences, of which weights may be None."""
    return torch.dot(_fractions(differences, weights), differences)


def robust_mean(differences, weights):
    """Return the winsorised mean of rows' differences."""
    fractions = _fractions(differences, weights)
    return torch.dot(fractions, winsorised(differences, fractions))


def strengths(differences, weights):
    """Return how many standard errors the mean is above 0, and the winsorised one."""
    fractions = _fractions(differences, weights)
    mean, error = mean_and_error(differences, fractions)
    moved = winsorised(differences, fractions)
    robust, robust_error = mean_and_error(moved, fractions)
    robust_error = robust_error / (1.0 - 2.0 * WINSORISED)
    tiny = torch.finfo(differences.dtype).tiny
    found = mean / error.clamp(min=tiny), robust / robust_error.clamp(min=tiny)
    return [strength.item() for strength in found]


def strength_of_most(differences, weights):
    """Return the standard errors by which the mean is above 0 without a few that are huge.

    The highest differences are moved to the next: a row that gains a thousand nats makes a
    standard error as large as the mean. The lowest stay: harm to a few rows counts.
    """
    fractions = _fractions(differences, weights)
    high = winsorised(differences, fractions).max()
    mean, error = mean_and_error(differences.clamp(max=high), fractions)
    return (mean / error.clamp(min=torch.finfo(differences.dtype).tiny)).item()


def winsorised(values, fractions):
    """Return the values, the lowest and the highest ones moved to the next.

    Of these there is one at least at either end.
    """
    values_in_order, order = values.sort()
    reached = fractions[order].cumsum(0)
    last = len(values) - 1
    tails = torch.tensor([WINSORISED, 1.0 - WINSORISED], device=values.device)
    low, high = torch.searchsorted(reached, tails.to(reached))
    low, high = low.clamp(min=min(1, last // 2)), high.clamp(max=max(last - 1, last // 2))
    ends = values_in_order[torch.stack([low, high])]
    return values.clamp(ends[0], ends[1])


def mean_and_error(values, fractions):
    """Return the weighted mean of the rows' values, and its standard error."""
    mean = torch.dot(fractions, values)
    spread = (fractions.square() * (values - mean).square()).sum()
    # One row has no standard error, and proves nothing.
    n_rows = len(values)
    inflate = n_rows / (n_rows - 1) if n_rows > 1 else math.inf
    return mean, (spread * inflate).sqrt()


def _fractions(values, weights):
    weights = torch.ones_like(values) if weights is None else weights.to(values)
    return weights / weights.sum()
