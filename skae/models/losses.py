"""Per-cell losses: the formula whose mean trains is the formula that scores."""

import math

import torch
from torch import nn

from skae.table.blocks import UNKNOWN, Layout

LOG_2PI = math.log(2.0 * math.pi)
# Logits beyond this size are as sure as can be; it keeps their exponentials finite.
SUREST = 40.0
# Shares are kept this far from 0 and 1.
LEAST_PROPORTION = 1e-6


def squared_error(output, x):
    """Return (x' - x)^2 of every cell."""
    return (output - x).square()


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
ERRORS = {"squared": squared_error, "absolute": absolute_error, "huber": huber_error}
NUMBER_LOSSES = (*ERRORS, "binary_cross_entropy")


class BinaryDivergence(nn.Module):
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
        p = (self.center + self.scale * output).clamp(
            LEAST_PROPORTION, 1.0 - LEAST_PROPORTION
        )
        entropy = torch.xlogy(t, t) + torch.xlogy(1.0 - t, 1.0 - t)
        return entropy - t * p.log() - (1.0 - t) * torch.log1p(-p)


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
        logits = logits.clamp(-SUREST, SUREST)
        total = (logits.exp() @ self.members).log()
        is_level = blocks + self.shares
        surprise = total - (is_level * logits) @ self.members
        if unknown is None or not unknown.any():
            return surprise
        least = [part.amin(dim=-1) for part in logits.split(list(self.sizes), dim=-1)]
        stranger = torch.maximum(total - torch.stack(least, dim=-1), self.rarest)
        return torch.where(unknown, stranger.detach(), surprise)


class ColumnLosses(nn.Module):
    """What every cell of a row costs."""

    def __init__(self, layout: Layout, number_loss, *, weighted):
        super().__init__()
        self.number_loss = number_loss
        self.n_numbers, self.n_outputs = len(layout.numbers), layout.n_outputs
        self.n_features = layout.n_features
        self.levels = None if layout.is_plain else LevelSurprise(layout)
        self.register_buffer("numeric", torch.from_numpy(layout.numbers))
        self.register_buffer("order", layout.cell_order)
        self.register_buffer("categories", torch.from_numpy(layout.categories))
        weights = None if layout.is_plain or not weighted else layout.level_weights()
        self.register_buffer("weights", weights)

    def per_cell(self, output, x, observed=None):
        n = self.n_numbers
        numbers = self.number_loss(output[..., :n], x[..., :n])
        losses = numbers
        if self.levels is not None:
            unknown = (
                None if observed is None else observed[..., self.categories] == UNKNOWN
            )
            blocks = slice(n, self.n_outputs)
            levels = self.levels(output[..., blocks], x[..., blocks], unknown)
            if self.weights is not None:
                levels = levels * self.weights
            losses = torch.cat([numbers, levels], dim=-1).index_select(-1, self.order)
        return losses if observed is None else losses * (observed > 0)

    def total(self, output, x, observed=None):
        return self.per_cell(output, x, observed).sum(dim=-1)

    def mean(self, output, x, observed=None):
        losses = self.per_cell(output, x, observed)
        if observed is None:
            return losses.mean(dim=-1)
        return losses.sum(dim=-1) / (observed > 0).sum(dim=-1).clamp(min=1)
