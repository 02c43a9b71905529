"""Normal noise that columns of numbers share, learned after training."""

import torch
from torch import nn


class CorrelatedNoise(nn.Module):
    """N(0, R) of the numeric cells of a row, each in units of its noise's deviation.

    Parameters
    ----------
    correlations : torch.Tensor of shape (n_numbers, n_numbers)
        R, positive definite.

    Attributes
    ----------
    in_steps : bool
        Whether rows with unknown cells are worked out column by column, which takes longer,
        but needs no factorisation, of which ONNX has none.
    """

    in_steps = False

    def __init__(self, correlations):
        super().__init__()
        lower = torch.linalg.cholesky(correlations)
        eye = torch.eye(len(lower), dtype=lower.dtype, device=lower.device)
        whitening = torch.linalg.solve_triangular(lower, eye, upper=False)
        # No part of the weights that callbacks save.
        self.register_buffer("correlations", correlations, persistent=False)
        # C with R = C C', and its inverse.
        self.register_buffer("spread", lower, persistent=False)
        self.register_buffer("whitening", whitening, persistent=False)

    def cost(self, noise, known=None):
        """Return by how much -log p of noise exceeds that of independent noise, in nats.

        ``0.5 (u' R^-1 u - u' u + log det R)``, of the known cells of u and R.

        Parameters
        ----------
        noise : torch.Tensor of shape (n, n_draws, n_numbers)
        known : torch.Tensor of bool of shape (n, n_numbers), default=None
            None: all.

        Returns
        -------
        cost : torch.Tensor of shape (n, n_draws)
        """
        if known is None:
            squares = (noise @ self.whitening.T).square().sum(-1)
            half_log_det = self.half_log_det()
        else:
            noise = noise * known[:, None]
            squares, half_log_det = self._whitened(noise, known)
        squares = squares - noise.square().sum(-1)
        return 0.5 * squares + half_log_det.unsqueeze(-1)

    def half_log_det(self, known=None):
        """Return half the logarithm of det R, of the known cells: shape () or (n,)."""
        if known is None:
            return self.spread.diagonal().log().sum()
        return self._whitened(
            self.correlations.new_zeros(len(known), 1, known.shape[1]), known
        )[1]

    def _whitened(self, noise, known):
        """Return u' R^-1 u of known cells, (n, n_draws), and half log det R, (n,)."""
        if self.in_steps:
            return self._eliminated(noise, known)
        lower = self._lower_of(known)
        white = torch.linalg.solve_triangular(lower, noise.mT, upper=False)
        return white.square().sum(-2), lower.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def _eliminated(self, noise, known):
        """Return what `_whitened` does, by R = L D L', in sums and products only."""
        rest, squares = self._of_known(known), 0.0
        half_log_det = 0.0
        for j in range(rest.shape[-1]):
            row = rest[:, j]
            pivot = row[:, j, None]
            squares = squares + noise[..., j].square() / pivot
            half_log_det = half_log_det + 0.5 * pivot.squeeze(-1).log()
            noise = noise - noise[..., j, None] * (row / pivot)[:, None]
            rest = rest - row[:, :, None] * (row / pivot)[:, None]
        return squares, half_log_det

    def expected(self, noise, known):
        """Return the mean of all cells' noise given the known ones', (n, n_numbers)."""
        noise = (noise * known)[:, :, None]
        weights = torch.cholesky_solve(noise, self._lower_of(known)).squeeze(-1)
        return (weights * known) @ self.correlations

    def draw(self, n_rows, rng):
        """Return noise drawn with `rng`, an ndarray of shape (n_rows, n_numbers)."""
        spread = self.spread.cpu().double().numpy()
        return rng.standard_normal((n_rows, len(spread))) @ spread.T

    def _lower_of(self, known):
        """Return the Cholesky factors of R with unknown cells independent, one per row."""
        return torch.linalg.cholesky(self._of_known(known))

    def _of_known(self, known):
        """Return R with unknown cells independent, of every row."""
        known = known.to(self.correlations)
        both = known[:, :, None] * known[:, None, :]
        return self.correlations * both + torch.diag_embed(1.0 - known)


def moments_of(errors, deviations):
    """Return the sums of products of rows' standardised errors, and the pairs' weights.

    Parameters
    ----------
    errors : iterable of tuple (errors, weights)
        Of the numeric cells of rows, block by block.
    deviations : torch.Tensor of shape (n_numbers,)
        Of their noise.

    Returns
    -------
    products, counts : torch.Tensor of float64 of shape (n_numbers, n_numbers)
    """
    products = counts = 0.0
    for of_block, of_cells in errors:
        weights = of_cells.cpu().double()
        known = (weights > 0).double()
        noise = known * (of_block / deviations).cpu().double()
        products = products + noise.T @ (weights * noise)
        counts = counts + known.T @ weights
    return products, counts


def correlated(moments, shrinkage):
    """Return the noise of shrunk correlations; None where pairs of cells contradict.

    That the maximum-likelihood noise given the posteriors has the covariance of the
    decoder's errors is a step of expectation and maximisation: it can only raise the bound
    of the rows that it is learned from, so others judge it.

    Parameters
    ----------
    moments : tuple (products, counts)
        As `moments_of` returns them.
    shrinkage : float
        How much of the correlations is given up for those of independent noise.

    References
    ----------
    Rubin & Thayer, EM Algorithms for ML Factor Analysis, 1982. Shrinkage: Ledoit & Wolf, A
    Well-Conditioned Estimator for Large-Dimensional Covariance Matrices, 2004.
    """
    products, counts = moments
    covariances = products / counts.clamp(min=1.0)
    deviations = covariances.diagonal().clamp(min=torch.finfo(products.dtype).tiny).sqrt()
    correlations = covariances / (deviations[:, None] * deviations)
    correlations = (1.0 - shrinkage) * correlations.clamp(-1.0, 1.0)
    correlations.fill_diagonal_(1.0)
    if torch.linalg.cholesky_ex(correlations).info:
        return None
    return CorrelatedNoise(correlations.float())
