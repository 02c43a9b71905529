"""The codes over which the bound on a row's density is averaged."""

import math

import torch

# Fraction of a complete row's draws that are of the prior where the noise has heavy tails.
DEFENCE = 0.25


def draw_codes(mean, log_variance, draws, has_holes, defence):
    """Return codes that rows may have, and the logarithms of p(z) / q(z).

    Those of a complete row are of its posterior, but for the fraction `defence`, which are
    of the prior; of a row with missing cells there are as many again of the prior. q is the
    density of them all.

    Parameters
    ----------
    mean, log_variance : torch.Tensor of shape (n, n_components)
        Of the rows' posteriors.
    draws : torch.Tensor of shape (2 n_draws, n_components)
        Of N(0, I): half of them for the posterior, half of the prior.
    has_holes : torch.Tensor of bool of shape (n, 1) or None
        Whether cells of a row are missing; None: of no row.
    defence : float

    Returns
    -------
    codes : torch.Tensor of shape (n, n_codes, n_components)
    log_ratio : torch.Tensor of shape (n, n_codes)
        Such that the sum over the codes, divided by n_draws, is the mean that is meant.

    References
    ----------
    Hesterberg, Weighted Average Importance Sampling and Defensive Mixture Distributions,
    1995.
    """
    n_draws = len(draws) // 2
    n_others = int(defence * n_draws)
    own, others = draws.split(n_draws)
    if has_holes is None:
        own, others = own[: n_draws - n_others], others[:n_others]
    mean, log_variance = mean[:, None], log_variance[:, None]
    # (n, 1, n_components) and (n_draws, n_components) to (n, n_draws, n_components)
    codes = mean + (0.5 * log_variance).exp() * own
    # The constants of the two normal densities cancel.
    log_ratio = 0.5 * (own.square() + log_variance - codes.square()).sum(-1)
    if not len(others):
        return codes, log_ratio
    away = (others - mean) * (-0.5 * log_variance).exp()
    of_others = 0.5 * (away.square() + log_variance - others.square()).sum(-1)
    codes = torch.cat([codes, others.expand(mean.shape[0], -1, -1)], dim=1)
    both = torch.cat([log_ratio, of_others], dim=1)
    complete = both
    if n_others:
        complete = _mixed(both, 1.0 - n_others / n_draws, n_others / n_draws)
    if has_holes is None:
        return codes, complete
    number = torch.arange(n_draws, device=mean.device)
    counts = torch.cat([number < n_draws - n_others, number < n_others])
    complete = torch.where(counts, complete, -math.inf)
    return codes, torch.where(has_holes, _mixed(both, 1.0, 1.0), complete)


def _mixed(log_ratio, own, others):
    """Return log p - log(own q + others p), given log p - log q."""
    of_own, of_others = math.log(own) - log_ratio, math.log(others)
    apart = (of_own - of_others).abs()
    return -(of_own.clamp(min=of_others) + torch.log1p(torch.exp(-apart)))


def sobol_normal(n_draws, n_dimensions):
    """Return draws of N(0, I) from a scrambled Sobol sequence, always the same ones."""
    sobol = torch.quasirandom.SobolEngine(n_dimensions, scramble=True, seed=0)
    uniform = sobol.draw(n_draws, dtype=torch.float64)
    return torch.special.ndtri(uniform.clamp(1e-9, 1.0 - 1e-9))
