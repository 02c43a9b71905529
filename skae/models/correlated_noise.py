"""Normal noise that columns of numbers share, learned after training."""

import math

import torch
from torch import nn

# How much of the correlations is given up for those of independent noise.
SHRINKAGES = 0.05, 0.2, 0.5
# Standard errors by which held-out rows must be better described.
N_ERRORS = 2.0


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
        self.register_buffer("correlations", correlations)
        # C with R = C C', and its inverse.
        self.register_buffer("spread", lower)
        self.register_buffer(
            "whitening", torch.linalg.solve_triangular(lower, eye, upper=False)
        )

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
        spread = self.spread.double().cpu().numpy()
        return rng.standard_normal((n_rows, len(spread))) @ spread.T

    def _lower_of(self, known):
        """Return the Cholesky factors of R with unknown cells independent, one per row."""
        return torch.linalg.cholesky(self._of_known(known))

    def _of_known(self, known):
        """Return R with unknown cells independent, of every row."""
        known = known.to(self.correlations)
        both = known[:, :, None] * known[:, None, :]
        return self.correlations * both + torch.diag_embed(1.0 - known)


@torch.no_grad()
def choose_noise(scores, moments, held_out, weights=None):
    """Return the correlated noise that held-out rows clearly prefer to none, or None.

    That the maximum-likelihood noise given the posteriors has the covariance of the
    decoder's errors is a step of expectation and maximisation: it can only raise the bound
    of the rows that it is learned from, so others judge it.

    Parameters
    ----------
    scores : callable (list of CorrelatedNoise or None) -> list of torch.Tensor of shape (n,)
        Log densities of held-out rows with each.
    moments : tuple (products, counts) of torch.Tensor of shape (n_numbers, n_numbers)
        Of the standardised errors of rows that were trained on: the sums of their
        products, and how many pairs of known cells were summed.
    held_out : tuple (products, counts) or None
        The same of the rows that judge, if they are learned from in the end.
    weights : torch.Tensor of shape (n,), default=None
        Of the rows that judge.

    References
    ----------
    Rubin & Thayer, EM Algorithms for ML Factor Analysis, 1982. Shrinkage: Ledoit & Wolf, A
    Well-Conditioned Estimator for Large-Dimensional Covariance Matrices, 2004.
    """
    noises = {shrinkage: _noise_of(moments, shrinkage) for shrinkage in SHRINKAGES}
    noises = {shrinkage: noise for shrinkage, noise in noises.items() if noise is not None}
    without, *of_noises = (part.double() for part in scores([None, *noises.values()]))
    if len(without) < 2:  # too few to tell
        return None
    best_gain, best = 0.0, None
    for shrinkage, with_noise in zip(noises, of_noises, strict=True):
        gain, error = _weighted_mean(with_noise - without, weights)
        if gain > max(best_gain, N_ERRORS * error):
            best_gain, best = gain, shrinkage
    if best is None:
        return None
    if held_out is not None:
        both = [one + other for one, other in zip(moments, held_out, strict=True)]
        return _noise_of(both, best) or _noise_of(moments, best)
    return _noise_of(moments, best)


def _weighted_mean(values, weights):
    """Return the mean of the rows' values, and its standard error."""
    weights = torch.ones_like(values) if weights is None else weights.to(values)
    fractions = weights / weights.sum()
    mean = torch.dot(fractions, values)
    spread = (fractions.square() * (values - mean).square()).sum()
    return mean.item(), math.sqrt(spread.item() * len(values) / (len(values) - 1))


def _noise_of(moments, shrinkage):
    """Return the noise of shrunk correlations; None where pairs of cells contradict."""
    products, counts = moments
    covariances = products / counts.clamp(min=1.0)
    deviations = covariances.diagonal().clamp(min=torch.finfo(products.dtype).tiny).sqrt()
    correlations = covariances / (deviations[:, None] * deviations)
    correlations = (1.0 - shrinkage) * correlations.clamp(-1.0, 1.0)
    correlations.fill_diagonal_(1.0)
    if torch.linalg.cholesky_ex(correlations).info:
        return None
    return CorrelatedNoise(correlations.float())
