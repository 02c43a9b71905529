"""Noise with heavier tails than the normal one it was trained with, learned after training."""

import torch

from skae.likelihoods import StudentT
from skae.likelihoods.likelihood import NOISE_GAIN
from skae.models.fitted_likelihood import FittedLikelihood

# Degrees of freedom that are tried. With two or fewer there is no variance, and draws would
# be wild; a hundred is as good as normal.
FREEDOMS = 2.1, 2.5, 3.0, 4.0, 5.0, 6.5, 8.0, 10.0, 14.0, 20.0, 40.0, 100.0
# Steps of the squared scales with each of them, from where the ones before ended.
N_STEPS = 8
# What a column without an error is given in place of them, in units of the floor.
LEAST = 1e-3


@torch.no_grad()
def heavy_tailed(likelihood, errors, weights):
    """Return a Student t of each column, of the highest likelihood given the errors.

    Parameters
    ----------
    likelihood : FittedLikelihood
        Whose place it can take, with the same units.
    errors : torch.Tensor of shape (n, n_columns)
        Of cells, about means that the decoder gives draws of their posteriors.
    weights : torch.Tensor of shape (n, n_columns)
        How often a cell counts; 0 where it is missing.

    Returns
    -------
    tails : FittedLikelihood

    References
    ----------
    The steps: Kent, Tyler & Vardi, A Curious Likelihood Identity for the Multivariate
    t-Distribution, 1994, by which they end sooner than those of expectation and maximisation.
    """
    floor = likelihood.floor
    units = likelihood.exact_units
    errors, weights = errors.cpu().double(), weights.cpu().double()
    n_cells = weights.sum(0).clamp(min=torch.finfo(weights.dtype).tiny)
    squares = errors.square()
    scales = ((weights * squares).sum(0) / n_cells).clamp(min=floor)
    best = torch.full_like(scales, torch.inf)
    kept = {"log_freedom": best.clone(), "log_noise": best.clone()}
    for freedom in reversed(FREEDOMS):
        for _ in range(N_STEPS):
            pull = weights * (freedom + 1.0) / (freedom + squares / scales)
            scales = ((pull * squares).sum(0) / pull.sum(0).clamp(min=1e-12)).clamp(
                min=floor
            )
        found = _parameters(freedom, scales, floor)
        nll = StudentT().nll(errors, torch.zeros_like(errors), found, units)
        mean = (weights * nll).sum(0) / n_cells
        better = mean < best
        best = torch.where(better, mean, best)
        for name, values in found.items():
            kept[name] = torch.where(better, values, kept[name])
    center, scale = units.center.numpy(), units.scale.numpy()
    tails = FittedLikelihood(StudentT(), center, scale, floor, kept)
    return tails.to(likelihood.center)


def _parameters(freedom, scales, floor):
    """Return what `StudentT` knows of a freedom, and of squared scales above the floor."""
    above = (scales - floor).clamp(min=LEAST * floor)
    log_freedom = torch.full_like(scales, freedom - 1.0).log() / NOISE_GAIN
    return {"log_noise": above.log() / NOISE_GAIN, "log_freedom": log_freedom}
