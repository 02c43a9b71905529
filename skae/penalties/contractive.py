"""Codes that change little when a row does."""

import torch

from skae.penalties.moments import centred
from skae.penalties.penalty import Penalty

# Fraction of its variance that a code has at least of its own.
RIDGE = 1e-4


class Contractive(Penalty):
    """tr(J' C^-1 J): the encoder's squared Jacobian, of codes made uncorrelated, variance 1.

    Codes change little when a row does, except along the surface on which the rows lie. J is
    exact, for any network: one backward pass for all codes at once. C is the batch's
    covariance, its diagonal where a batch has fewer than two rows per code. Without it codes
    would merely shrink, or all follow the first, since the decoder is free to undo that;
    Rifai et al. tie the decoder to the encoder instead.

    Parameters
    ----------
    weight : float, default=0.1
        Factor on the costs in the loss.

    References
    ----------
    Rifai et al., Contractive Auto-Encoders, 2011, eq. 1 and 2.
    """

    by_inputs = True
    scale_free = True

    def __init__(self, weight=0.1):
        self.weight = weight

    def penalise(self, codes, x, weights):
        n, k = codes.shape
        deviations, scale = centred(codes, weights)
        if n <= 3:  # too few for a variance
            return codes.new_zeros(())
        slopes = jacobian(codes, x) * scale[:, None, None]
        if n < 2 * (k + 2):
            # The mean of 1 / variance over batches is (n - 1) / (n - 3) of what it should be.
            return (n - 3) / n * slopes.square().sum(dim=(0, 2))
        correlations = (deviations * scale).T @ (deviations * scale) / n
        ridge = RIDGE * torch.eye(k, dtype=codes.dtype, device=codes.device)
        root = torch.linalg.cholesky(correlations + ridge)
        white = torch.linalg.solve_triangular(root, slopes.flatten(1), upper=False)
        # As above, for the inverse of a matrix: Muirhead, 1982, theorem 3.2.12.
        return (n - k - 2) / n * white.unflatten(1, (n, -1)).square().sum(dim=(0, 2))


def jacobian(codes, x):
    """Return dz_k / dx_j of every row, shape (n_components, n, n_inputs).

    `codes` must have been computed from `x`, row by row, with gradients enabled. The
    result can be differentiated again.
    """
    n_codes = codes.shape[1]
    seeds = torch.eye(n_codes, dtype=codes.dtype, device=codes.device)
    seeds = seeds[:, None, :].expand(n_codes, len(codes), n_codes)
    return torch.autograd.grad(codes, x, seeds, create_graph=True, is_grads_batched=True)[0]
