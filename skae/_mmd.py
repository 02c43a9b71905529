"""How far codes are from draws of the prior: the maximum mean discrepancy."""

import torch

# Squared widths of the kernels, as shares of the number of codes.
WIDTHS = (0.25, 0.5, 1.0, 2.0)
# Rows that are compared at most: all pairs of them are.
MOST_ROWS = 512


def prior_mmd(codes):
    """Return the squared maximum mean discrepancy of codes and N(0, I), shape ().

    With sums of Gaussian kernels the expectations over the prior are known: none of it is
    drawn. It is without bias, and may be a little below 0. Of many codes the first count.

    Parameters
    ----------
    codes : torch.Tensor of shape (n, n_components), n at least 2

    References
    ----------
    Gretton et al., A Kernel Two-Sample Test, 2012, eq. 3; with the expectation over the
    normal distribution it is the statistic of Baringhaus & Henze, 1988.
    """
    codes = codes[:MOST_ROWS]
    n, width = codes.shape
    squares = codes.square().sum(dim=1)
    to_prior = _kernel(squares, 1.0, width).mean()
    prior = _kernel(codes.new_zeros(()), 2.0, width)
    distances = squares[:, None] + squares - 2.0 * codes @ codes.T
    pairs = _kernel(distances.clamp(min=0.0), 0.0, width)
    among = (pairs.sum() - pairs.diagonal().sum()) / max(n * (n - 1), 1)
    return among - 2.0 * to_prior + prior


def _kernel(squares, variance, width):
    """Return E k(a - b) for a - b normal in `width` dimensions, averaged over the kernels.

    Parameters
    ----------
    squares : torch.Tensor
        Squared lengths of the mean of a - b.
    variance : float
        The variance of a - b in every dimension.
    """
    total = 0.0
    for share in WIDTHS:
        wide = share * width
        spread = wide + variance
        total = total + (wide / spread) ** (0.5 * width) * (-0.5 * squares / spread).exp()
    return total / len(WIDTHS)


def prior_level(n_rows, n_components, level=0.95, n_draws=100, seed=0):
    """Return the quantile of `prior_mmd` of so many draws of the prior itself."""
    generator = torch.Generator().manual_seed(seed)
    shape = min(n_rows, MOST_ROWS), n_components
    draws = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(n_draws)
    )
    return float(torch.stack([prior_mmd(codes) for codes in draws]).quantile(level))
