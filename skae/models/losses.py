"""Per-cell losses: the formula whose mean trains is the formula that scores.

Each criterion takes the network's output, the design matrix and what is known of the
cells (see `skae.table.blocks.Layout`), and returns one number a row; its `cells` returns the
parts, one number a column of the table.
"""

import math

import torch
from torch import nn

from skae.models.discrepancy import RecentCodes
from skae.table.blocks import UNKNOWN, Layout

LOG_2PI = math.log(2.0 * math.pi)
# Logits beyond this size are as sure as can be; it keeps their exponentials finite.
SUREST = 40.0
# Nats for a squared discrepancy of 1, by the column, and in all at least; every column more
# makes the likelihood steeper. And the share of it for a nat of the critic's verdict.
MMD_GAIN, LEAST_MMD_GAIN, CRITIC_SHARE = 10.0, 200.0, 0.05
# Shares are kept this far from 0 and 1.
LEAST_SHARE = 1e-6


def squared_error(reconstruction, x):
    """Return the mean over the columns of (x' - x)^2, shape (n,)."""
    return (reconstruction - x).square().mean(dim=-1)


def absolute_error(output, x):
    """Return |x' - x|, a cell."""
    return (output - x).abs()


def huber_error(output, x):
    """Return e^2 up to |e| = 1, and its tangent, 2 |e| - 1, beyond, a cell.

    References
    ----------
    Huber, Robust Estimation of a Location Parameter, 1964.
    """
    size = (output - x).abs()
    return torch.where(size <= 1.0, size.square(), 2.0 * size - 1.0)


# What numbers cost, besides their squared errors, in units of their standard deviations.
ERRORS = {"absolute": absolute_error, "huber": huber_error}
NUMBER_LOSSES = ("squared", *ERRORS, "binary_cross_entropy")


class ShareDivergence(nn.Module):
    """The binary cross entropy less the least that it can be: 0 when restored exactly.

    ``t log(t / p) + (1 - t) log((1 - t) / (1 - p))`` in nats, with t the number and p what
    was restored, both in [0, 1].

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
        p = (self.center + self.scale * output).clamp(LEAST_SHARE, 1.0 - LEAST_SHARE)
        entropy = torch.xlogy(t, t) + torch.xlogy(1.0 - t, 1.0 - t)
        return entropy - t * p.log() - (1.0 - t) * torch.log1p(-p)


def gaussian_nll(x, mean, variance):
    """Return -log N(x; mean, diag variance) in nats, a cell."""
    squares = (x - mean).square() / variance
    return 0.5 * (squares + variance.log() + LOG_2PI)


def gaussian_kl(mean, log_variance):
    """Return KL(N(mean, diag v) || N(0, I)) in nats, shape (n,).

    References
    ----------
    Kingma & Welling, Auto-Encoding Variational Bayes, 2014, appendix B.
    """
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1.0).sum(dim=-1)


class LevelSurprise(nn.Module):
    """-log p(level) of every categorical cell, p the softmax of the block's logits.

    Parameters
    ----------
    layout : Layout
    """

    def __init__(self, layout: Layout):
        super().__init__()
        block = layout.block_of_level
        members = torch.zeros(len(block), len(layout.sizes), dtype=torch.float32)
        members[torch.arange(len(block)), block] = 1.0
        self.sizes = layout.sizes
        self.register_buffer("members", members)
        self.register_buffer("shares", layout.shares)
        rarest = [
            part.min() for part in layout.shares.split(list(layout.sizes)) if len(part)
        ]
        self.register_buffer("rarest", -torch.stack(rarest).log())

    def forward(self, logits, blocks, unknown=None):
        """Return the surprise in nats, shape (*, n_blocks).

        Parameters
        ----------
        logits : torch.Tensor of shape (*, n_levels in all)
        blocks : torch.Tensor of shape (*, n_levels in all)
            The blocks of the design matrix.
        unknown : torch.Tensor of bool of shape (*, n_blocks), default=None
            Cells of a level not seen in fit. They are as surprising as the level that
            the network expects least, and as the rarest at least.
        """
        logits = logits.clamp(-SUREST, SUREST)
        total = (logits.exp() @ self.members).log()
        is_level = blocks + self.shares
        surprise = total - (is_level * logits) @ self.members
        if unknown is None or not unknown.any():
            return surprise
        least = [part.amin(dim=-1) for part in logits.split(list(self.sizes), dim=-1)]
        stranger = torch.maximum(total - torch.stack(least, dim=-1), self.rarest)
        return torch.where(unknown, stranger.detach(), surprise)


class CellLoss(nn.Module):
    """Puts the losses of numbers and of levels together.

    Parameters
    ----------
    layout : Layout
    """

    def __init__(self, layout: Layout):
        super().__init__()
        self.n_numbers, self.n_outputs = len(layout.numbers), layout.n_outputs
        self.levels = None if layout.is_plain else LevelSurprise(layout)
        self.register_buffer("order", layout.cell_order)
        self.register_buffer("categories", torch.from_numpy(layout.categories))

    def join(self, numbers, levels):
        """Return the losses of all cells in the order of the table's columns."""
        if levels is None:
            return numbers
        return torch.cat([numbers, levels], dim=-1).index_select(-1, self.order)

    def level_cells(self, output, x, cells):
        """Return the surprise of the categorical cells; None where there are none."""
        if self.levels is None:
            return None
        unknown = None if cells is None else cells[..., self.categories] == UNKNOWN
        blocks = slice(self.n_numbers, self.n_outputs)
        return self.levels(output[..., blocks], x[..., blocks], unknown)


class SquaredError(CellLoss):
    """The mean over a row's observed cells of what they cost.

    A number: the squared error, in units of the column's variance; guessing the mean
    costs 1. A level: its surprise, -log p, in the unit of `Layout.level_weights`;
    guessing the shares costs ``1 - sum(p^2)``.
    """

    def __init__(self, layout: Layout):
        super().__init__(layout)
        self.register_buffer("weights", None if layout.is_plain else layout.level_weights())

    def number_cells(self, output, x):
        """Return what the numbers cost, shape (n, n_numbers)."""
        return (output - x).square()

    def cells(self, output, x, cells=None):
        """Return the loss of every cell, 0 where it is missing, shape (n, n_features)."""
        n = self.n_numbers
        levels = self.level_cells(output, x, cells)
        if levels is not None:
            levels = levels * self.weights
        losses = self.join(self.number_cells(output[..., :n], x[..., :n]), levels)
        return losses if cells is None else losses * (cells > 0)

    def errors(self, output, x, cells=None):
        """Return the mean of a row's observed cells, shape (n,)."""
        losses = self.cells(output, x, cells)
        if cells is None:
            return losses.mean(dim=-1)
        return losses.sum(dim=-1) / (cells > 0).sum(dim=-1).clamp(min=1)

    def forward(self, output, x, cells=None):
        return self.errors(output, x, cells)


class OtherError(SquaredError):
    """The same with another cost of numbers.

    Parameters
    ----------
    layout : Layout
    cost : callable (output, x) -> costs of the cells
    """

    def __init__(self, layout: Layout, cost):
        super().__init__(layout)
        self.cost = cost

    def number_cells(self, output, x):
        return self.cost(output, x)


class NegativeELBO(CellLoss):
    """Minus the evidence lower bound of a row, in nats of the standardised columns.

    Parameters
    ----------
    layout : Layout
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

    def __init__(self, layout: Layout, beta, nll=gaussian_nll, free_bits=0.0):
        super().__init__(layout)
        self.beta, self.nll, self.free_bits = beta, nll, free_bits
        self.warmth = 1.0

    def cells(self, output, x, noise, cells=None):
        """Return -log p(cell | z) in nats, 0 where it is missing."""
        n = self.n_numbers
        numbers = self.nll(x[..., :n], output[..., :n], noise)
        losses = self.join(numbers, self.level_cells(output, x, cells))
        return losses if cells is None else losses * (cells > 0)

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

    def __init__(self, layout, *args):
        super().__init__(layout, *args)
        self.gain = max(LEAST_MMD_GAIN, MMD_GAIN * len(layout.cell_order))
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
