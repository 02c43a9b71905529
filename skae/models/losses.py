"""Losses per cell: the formula whose mean trains is the formula that scores.

They take the network's output, rows of the design matrix (see `skae.table.blocks.Design`)
and their observation mask.
"""

import math

import numpy as np
import torch
from torch import nn

from skae.table.blocks import MISSING, UNKNOWN, BlockModule

LOG_2PI = math.log(2.0 * math.pi)
# Proportions are kept this far from 0 and 1.
LEAST_PROPORTION = 1e-6


def squared_error(output, x):
    """Return (x' - x)^2 per cell."""
    return (output - x).square()


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


# Errors of numeric cells in units of their columns' standard deviations.
ERRORS = {"squared": squared_error, "absolute": absolute_error, "huber": huber_error}
NUMBER_LOSSES = (*ERRORS, "binary_cross_entropy")


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
        # Rounded, the difference may be a little below 0.
        return (entropy - t * p.log() - (1.0 - t) * torch.log1p(-p)).clamp(min=0.0)


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
    watched : Watched, default=None
        Of a formula of the user's own.
    column_weight : ndarray of shape (n_columns,), default=None
        How much the table's columns count in `mean` and `weigh`, 1 on average of those that
        count; None: alike.

    Attributes
    ----------
    counts_alike : bool
        Whether all columns that count do so alike.
    """

    def __init__(self, design, number_loss, *, weighted, watched=None, column_weight=None):
        super().__init__()
        self.number_loss, self.watched = number_loss, watched
        self.n_numbers = design.numeric.width
        others = design.blocks[1:]
        self.blocks = nn.ModuleList(BlockLoss(block, weighted) for block in others)
        self.register_buffer("order", design.feature_order)
        self.counts_alike = column_weight is None
        if column_weight is not None:
            self.counts_alike = np.ptp(column_weight[column_weight > 0]) == 0
            column_weight = torch.from_numpy(column_weight).float()
            column_weight = column_weight[design.column_of_feature]
        self.register_buffer("column_weight", column_weight)

    def per_cell(self, output, x, observed=None, number_loss=None):
        """Return the loss of every cell, 0 where it is missing.

        Parameters
        ----------
        output : torch.Tensor of shape (..., n_outputs)
        x : torch.Tensor of shape (..., n_outputs) or more columns
        observed : torch.Tensor of uint8 of shape (..., n_features), default=None
            `MISSING`, `OBSERVED` or `UNKNOWN`; None: all are observed.
        number_loss : callable (output, x), default=None
            In place of the one that is trained with.

        Returns
        -------
        losses : torch.Tensor of shape (..., n_features)
        """
        n = self.n_numbers
        given = output[..., :n], x[..., :n]
        if number_loss is not None:
            losses = number_loss(*given)
        elif self.watched is None:
            losses = self.number_loss(*given)
        else:
            losses = self.watched.call(self.number_loss, *given)
        if len(self.blocks):
            parts = [losses, *(block(output, x, observed) for block in self.blocks)]
            losses = torch.cat(parts, dim=-1).index_select(-1, self.order)
        return losses if observed is None else losses * (observed != MISSING)

    def mean(self, output, x, observed=None):
        """Return the weighted mean loss of each row's observed cells, shape (...)."""
        losses = self.weigh(self.per_cell(output, x, observed))
        weights = self.column_weight
        if observed is None:
            return losses.mean(-1) if weights is None else losses.sum(-1) / weights.sum()
        there = observed != MISSING
        if weights is None:
            return losses.sum(dim=-1) / there.sum(dim=-1).clamp(min=1)
        # Without a cell that counts the losses are 0 as well.
        total = (there * weights).sum(dim=-1)
        return losses.sum(dim=-1) / torch.where(total > 0, total, 1.0)

    def weigh(self, losses):
        """Return losses of cells, shape (..., n_features), times their columns' weights."""
        return losses if self.column_weight is None else losses * self.column_weight

    def total(self, output, x, observed=None, number_loss=None):
        """Return the sum of each row's losses, shape (...)."""
        return self.per_cell(output, x, observed, number_loss).sum(dim=-1)


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
        # A level's probability is 1 at most; rounded, it may seem to be a little more.
        losses = losses.clamp(min=0.0)
        return losses if self.weights is None else losses * self.weights
