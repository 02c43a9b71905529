"""Losses per cell: the formula whose mean trains is the formula that scores.

They take the network's output, rows of the design matrix (see `skae.table.blocks.Design`)
and their observation mask.
"""

import math

import torch
from torch import nn

from skae.models.discrepancy import RecentCodes
from skae.table.blocks import MISSING, UNKNOWN, BlockModule

LOG_2PI = math.log(2.0 * math.pi)
# Nats for a squared discrepancy of 1, per column, and in all at least; every column more
# makes the likelihood steeper. And the fraction of it for a nat of the critic's verdict.
MMD_GAIN, LEAST_MMD_GAIN, CRITIC_SHARE = 10.0, 200.0, 0.05
# Proportions are kept this far from 0 and 1.
LEAST_PROPORTION = 1e-6


def squared_error(reconstruction, x):
    """Return the mean over the columns of (x' - x)^2, shape (n,)."""
    return (reconstruction - x).square().mean(dim=-1)


def absolute_error(output, x):
    """Return |x' - x| per cell."""
    return (output - x).abs()


def huber_error(output, x):
    """Return e^2 up to |e| = 1, and its tangent, 2 |e| - 1, beyond, per cell.

    References
    ----------
    Huber, Robust Estimation of a Location Parameter, 1964.
    """
    size = (output - x).abs()
    return torch.where(size <= 1.0, size.square(), 2.0 * size - 1.0)


def squared_loss(output, x):
    """Return (x' - x)^2 per cell."""
    return (output - x).square()


# Losses of numbers, besides the squared error, in units of their standard deviations.
ERRORS = {"absolute": absolute_error, "huber": huber_error}
NUMBER_LOSSES = ("squared", *ERRORS, "binary_cross_entropy")


class BinaryDivergence(nn.Module):
    """The binary cross entropy less the least that it can be: 0 when reconstructed exactly.

    ``t log(t / p) + (1 - t) log((1 - t) / (1 - p))`` in nats, with t the number and p its
    reconstruction, both in [0, 1].

    Parameters
    ----------
    center, scale : ndarray of shape (n_numbers,)
        Raw units, and raw units per standard unit.
    """

    def __init__(self, center, scale):
        super().__init__()
        self.register_buffer("center", torch.from_numpy(center).float())
        self.register_buffer("scale", torch.from_numpy(scale).float())

    def forward(self, output, x):
        t = (self.center + self.scale * x).clamp(0.0, 1.0)
        p = (self.center + self.scale * output).clamp(
            LEAST_PROPORTION, 1.0 - LEAST_PROPORTION
        )
        entropy = torch.xlogy(t, t) + torch.xlogy(1.0 - t, 1.0 - t)
        return entropy - t * p.log() - (1.0 - t) * torch.log1p(-p)


def gaussian_nll(x, mean, variance):
    """Return -log N(x; mean, diag variance) in nats per cell."""
    squares = (x - mean).square() / variance
    return 0.5 * (squares + variance.log() + LOG_2PI)


def gaussian_kl(mean, log_variance):
    """Return KL(N(mean, diag v) || N(0, I)) in nats, shape (n,).

    References
    ----------
    Kingma & Welling, Auto-Encoding Variational Bayes, 2014, appendix B.
    """
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1.0).sum(dim=-1)


class ColumnLosses(nn.Module):
    """The losses of all cells: numbers by a given formula, the others by their blocks'.

    Parameters
    ----------
    design : Design
    number_loss : callable (output, x) -> losses of shape (..., n_numbers)
        A function or a module.
    weighted : bool
        Whether the negative log-likelihoods of the other blocks are in the unit of their
        columns' variance (`Block.loss_weights`), as squared errors of standardised numbers
        are; False: in nats.
    """

    def __init__(self, design, number_loss, *, weighted):
        super().__init__()
        self.number_loss = number_loss
        self.n_numbers = design.numeric.width
        others = design.blocks[1:]
        self.blocks = nn.ModuleList(BlockLoss(block, weighted) for block in others)
        self.register_buffer("order", design.feature_order)

    def per_cell(self, output, x, observed=None):
        """Return the loss of every cell, 0 where it is missing.

        Parameters
        ----------
        output : torch.Tensor of shape (..., n_outputs)
        x : torch.Tensor of shape (..., n_outputs) or more columns
        observed : torch.Tensor of uint8 of shape (..., n_features), default=None
            `MISSING`, `OBSERVED` or `UNKNOWN`; None: all are observed.

        Returns
        -------
        losses : torch.Tensor of shape (..., n_features)
        """
        n = self.n_numbers
        return self._with_blocks(
            self.number_loss(output[..., :n], x[..., :n]), output, x, observed
        )

    def _with_blocks(self, losses, output, x, observed):
        """Put the other blocks' losses beside those of the numbers."""
        if len(self.blocks):
            parts = [losses, *(block(output, x, observed) for block in self.blocks)]
            losses = torch.cat(parts, dim=-1).index_select(-1, self.order)
        return losses if observed is None else losses * (observed != MISSING)

    def mean(self, output, x, observed=None):
        """Return the mean loss of each row's observed cells, shape (...)."""
        losses = self.per_cell(output, x, observed)
        if observed is None:
            return losses.mean(dim=-1)
        return losses.sum(dim=-1) / (observed != MISSING).sum(dim=-1).clamp(min=1)

    def total(self, output, x, observed=None):
        """Return the sum of each row's losses, shape (...)."""
        return self.per_cell(output, x, observed).sum(dim=-1)


class BlockLoss(BlockModule):
    """The negative log-likelihoods of a block's cells, shape (..., n_features of the block).

    Parameters
    ----------
    block : Block
    weighted : bool
        As in `ColumnLosses`.
    """

    def __init__(self, block, weighted):
        super().__init__(block)
        # Where the block stands in the design matrix, and its columns in the table.
        self.columns = block.columns
        self.register_buffer("features", torch.from_numpy(block.features))
        self.register_buffer("weights", block.loss_weights() if weighted else None)

    def forward(self, output, x, observed=None):
        unknown = None
        if observed is not None:
            unknown = observed.index_select(-1, self.features) == UNKNOWN
        losses = self.block.negative_log_likelihood(
            output[..., self.columns], x[..., self.columns], unknown
        )
        return losses if self.weights is None else losses * self.weights


# ---------------------------------------------------------------------------------------
# DEPRECATED: criteria of the estimators, on top of `ColumnLosses`, until these bring their
# own; delete what follows when nothing uses it.

ShareDivergence, LEAST_SHARE = BinaryDivergence, LEAST_PROPORTION


class SquaredError(ColumnLosses):
    """The mean over a row's observed cells of what they cost."""

    def __init__(self, design, cost=squared_loss):
        super().__init__(design, cost, weighted=True)

    def number_cells(self, output, x):
        return self.number_loss(output, x)

    def cells(self, output, x, cells=None):
        return self.per_cell(output, x, cells)

    def errors(self, output, x, cells=None):
        return self.mean(output, x, cells)

    def forward(self, output, x, cells=None):
        return self.mean(output, x, cells)


class OtherError(SquaredError):
    """The same with another cost of numbers."""


class NegativeELBO(ColumnLosses):
    """Minus the evidence lower bound of a row, in nats of the standardised columns.

    Parameters
    ----------
    design : Design
    beta : float
        Weight of the divergence from the posterior to the prior.
    nll : callable (x, mean, noise) -> nats of the cells, default=gaussian_nll
    free_bits : float, default=0.0
        Nats of divergence that a latent dimension has for nothing while training.

    Attributes
    ----------
    warmth : float
        Factor on `beta` while training, raised from 0 to 1 by the warm-up. Evaluation
        always takes the whole of `beta`, and gives no bits away.

    References
    ----------
    Higgins et al., beta-VAE, 2017, eq. 4; warm-up: Sonderby et al., Ladder VAE, 2016; free
    bits: Kingma et al., Inverse Autoregressive Flow, 2016, appendix C.8.
    """

    def __init__(self, design, beta, nll=gaussian_nll, free_bits=0.0):
        super().__init__(design, None, weighted=False)
        self.beta, self.nll, self.free_bits = beta, nll, free_bits
        self.warmth = 1.0

    def cells(self, output, x, noise, cells=None):
        """Return -log p(cell | z) in nats, 0 where it is missing."""
        n = self.n_numbers
        losses = self.nll(x[..., :n], output[..., :n], noise)
        return self._with_blocks(losses, output, x, cells)

    def divergence(self, mean, log_variance):
        """Return the divergence from the prior, shape (n,) or, with free bits, ()."""
        if not self.free_bits or not self.training:
            return gaussian_kl(mean, log_variance)
        of_dimensions = gaussian_kl(mean[..., None], log_variance[..., None]).mean(dim=0)
        return of_dimensions.clamp(min=self.free_bits).sum()

    def forward(self, output, x, cells=None):
        reconstruction, noise, mean, log_variance = output
        weight = self.beta * (self.warmth if self.training else 1.0)
        losses = self.cells(reconstruction, x, noise, cells).sum(dim=-1)
        return torch.add(losses, self.divergence(mean, log_variance), alpha=weight)


class AggregateBound(NegativeELBO):
    """The same with a divergence of all rows' codes together, q(z), from the prior.

    ``-log p(x|z) + beta * gain * MMD^2(q(z), p(z))``; with an adversary, the encoder's part
    of the game besides. Held-out rows are judged by `skae.models.discrepancy.judge_codes`.

    References
    ----------
    Tolstikhin et al., Wasserstein Auto-Encoders, 2018, eq. 4.
    """

    compares = True

    def __init__(self, design, *args):
        super().__init__(design, *args)
        self.gain = max(LEAST_MMD_GAIN, MMD_GAIN * design.n_features)
        self.pull = RecentCodes()

    def forward(self, output, x, cells=None, weights=None):
        reconstruction, noise, codes, _, *played = output
        losses = self.cells(reconstruction, x, noise, cells).sum(dim=-1)
        if not self.training:
            return losses
        weight = self.beta * self.warmth
        losses = losses + weight * self.gain * self.pull(codes, weights)
        if not played:
            return losses
        of_encoder, of_critic = played
        return losses + weight * CRITIC_SHARE * self.gain * of_encoder + of_critic
