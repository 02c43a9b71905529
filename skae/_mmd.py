"""How far two samples are from one distribution: the maximum mean discrepancy."""

import torch

SCALES = (0.1, 0.3, 1.0, 3.0, 10.0)


def kernel(x, y):
    """Return k(x_i, y_j), shape (len(x), len(y)): a mean of inverse multiquadrics.

    ``c / (c + |x - y|^2)``, with c from a tenth to ten times ``2 d``, the mean squared
    distance of two draws of N(0, I) in d dimensions: near and far differences both count.

    References
    ----------
    Tolstikhin et al., Wasserstein Auto-Encoders, 2018, section 4.
    """
    squares = torch.cdist(x, y, compute_mode="use_mm_for_euclid_dist").square()
    constants = [2.0 * x.shape[1] * scale for scale in SCALES]
    return sum(constant / (constant + squares) for constant in constants) / len(SCALES)


def squared_mmd(x, y):
    """Return an unbiased estimate of the squared maximum mean discrepancy, a tensor ().

    Parameters
    ----------
    x, y : torch.Tensor of shape (n, d) and (m, d), n and m at least 2

    References
    ----------
    Gretton et al., A Kernel Two-Sample Test, 2012, eq. 3.
    """
    n, m = len(x), len(y)
    within_x = (kernel(x, x).sum() - n) / (n * (n - 1))
    within_y = (kernel(y, y).sum() - m) / (m * (m - 1))
    return within_x + within_y - 2.0 * kernel(x, y).mean()


def normal_level(n, m, n_dimensions, level=0.95, n_draws=100, seed=0):
    """Return the quantile of `squared_mmd` of n and m draws, all of them from N(0, I)."""
    draws = torch.Generator().manual_seed(seed)
    values = [
        squared_mmd(
            torch.randn(n, n_dimensions, generator=draws, dtype=torch.float64),
            torch.randn(m, n_dimensions, generator=draws, dtype=torch.float64),
        )
        for _ in range(n_draws)
    ]
    return float(torch.stack(values).quantile(level))
