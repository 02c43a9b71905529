"""Noise with heavier tails than the normal one it was trained with, learned after training."""

import torch

from skae.likelihoods import StudentT
from skae.likelihoods.likelihood import NOISE_GAIN
from skae.models.fitted_likelihood import FittedLikelihood

# Degrees of freedom that are tried. With two or fewer there is no variance, and draws would
# be wild; a hundred is as good as normal.
FREEDOMS = 2.1, 2.5, 3.0, 4.0, 5.0, 6.5, 8.0, 10.0, 14.0, 20.0, 40.0, 100.0
# Steps of the squared scales with each of them.
N_STEPS = 12
# Freedoms and steps where it is not to take long.
ROUGHLY = (2.5, 4.0, 8.0, 20.0, 100.0), 8
# Cells, times freedoms, that are worked on at a time.
MAX_CELLS = 500_000
# What a column without an error is given in place of them, in units of the floor.
LEAST = 1e-3


@torch.no_grad()
def heavy_tailed(likelihood, errors, weights, freedoms=FREEDOMS, n_steps=N_STEPS):
    """Return a Student t of each column, of the highest likelihood given the errors.

    Parameters
    ----------
    likelihood : FittedLikelihood
        Whose place it can take, with the same units.
    errors : torch.Tensor of shape (n, n_columns)
        Of cells, about means that the decoder gives draws of their posteriors.
    weights : torch.Tensor of shape (n, n_columns)
        How often a cell counts; 0 where it is missing.
    freedoms : sequence of float
        Degrees of freedom that are tried.
    n_steps : int
        Steps of the scales with each.

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
    start = ((weights * squares).sum(0) / n_cells).clamp(min=floor)
    parts = []
    n_at_once = max(1, MAX_CELLS // max(errors.numel(), 1))
    for freedom in torch.tensor(freedoms, dtype=errors.dtype)[:, None].split(n_at_once):
        # (n_freedoms, n, n_columns), or without the rows.
        scales = start.expand(len(freedom), -1)
        for _ in range(n_steps):
            pull = freedom[..., None] + squares / scales[:, None]
            pull = weights * (freedom + 1.0)[..., None] / pull
            scales = (pull * squares).sum(1) / pull.sum(1).clamp(min=1e-12)
            scales = scales.clamp(min=floor)
        found = _parameters(freedom, scales, floor)
        of_cells = {name: values[:, None] for name, values in found.items()}
        nll = StudentT().nll(errors, torch.zeros_like(errors), of_cells, units)
        parts.append({**found, "nll": (weights * nll).sum(1)})
    found = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    best = found.pop("nll").argmin(0, keepdim=True)
    kept = {name: values.gather(0, best)[0] for name, values in found.items()}
    center, scale = units.center.numpy(), units.scale.numpy()
    tails = FittedLikelihood(StudentT(), center, scale, floor, kept)
    return tails.to(likelihood.center)


def _parameters(freedom, scales, floor):
    """Return what `StudentT` knows of a freedom, and of squared scales above the floor."""
    above = (scales - floor).clamp(min=LEAST * floor)
    log_freedom = (freedom - 1.0).log().expand_as(scales) / NOISE_GAIN
    return {"log_noise": above.log() / NOISE_GAIN, "log_freedom": log_freedom}
