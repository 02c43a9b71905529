"""A fitted table encoder as a part of a network: raw cells to the design matrix and back."""

from typing import NamedTuple

import torch
from torch import nn

from skae.table.states import OBSERVED


class _Source(NamedTuple):
    """Where a block's cells come from: how many columns, and which of those given."""

    width: int
    is_numeric: bool
    is_all: bool
    has_nothing: bool


class TableGraph(nn.Module):
    """What `TableEncoder.encode` and `decode` do, of tensors and in torch alone.

    Parameters
    ----------
    encoder : TableEncoder
        Fitted.
    given : list of RawColumn
        What the table's columns are given as. Those that are not of levels stand side by
        side in `numbers`, the others in `indices`, in the order of the table.
    """

    def __init__(self, encoder, given):
        super().__init__()
        design = encoder.design_
        places, widths = places_of(given)
        self.n_features = design.n_features
        self.blocks, self._sources = nn.ModuleList(), []
        self.columns = [block.columns for block in design.blocks]
        for number, block in enumerate(design.blocks):
            columns = [given[i] for i in block.features.tolist()]
            self.blocks.append(block.encoding(columns))
            is_numeric = block is design.numeric
            # A column of levels of which this table has seen nothing is one of no numbers.
            nothing = [is_numeric and column.levels is not None for column in columns]
            own = [
                widths[0] if no else places[i]
                for no, i in zip(nothing, block.features.tolist(), strict=True)
            ]
            all_there = own == list(range(widths[not is_numeric]))
            self.register_buffer(f"source_{number}", torch.tensor(own, dtype=torch.int64))
            self._sources.append(_Source(len(own), is_numeric, all_there, any(nothing)))
        # The blocks' columns in the table's order, and those of a kind among them.
        self.register_buffer("order", design.feature_order)
        self.register_buffer("indicated", torch.from_numpy(design.missing_indicators))

    def forward(self, numbers, indices):
        """Return rows of the design matrix, and the states of their cells.

        Parameters
        ----------
        numbers : torch.Tensor of shape (n, n_numbers)
            NaN where missing.
        indices : torch.Tensor of int of shape (n, n_levels)
            -1 where missing, the number of levels or more where unknown.

        Returns
        -------
        x : torch.Tensor of shape (n, n_inputs)
        states : torch.Tensor of int of shape (n, n_features)
        """
        parts, states = [], []
        for number, (block, own) in enumerate(zip(self.blocks, self._sources, strict=True)):
            if not own.width:
                continue
            source = numbers if own.is_numeric else indices
            if own.has_nothing:
                nothing = numbers.new_full((indices.shape[0], 1), torch.nan)
                source = torch.cat([source, nothing], dim=1)
            if not own.is_all:
                source = source.index_select(1, self._buffers[f"source_{number}"])
            x, of_block = block.encode(source)
            parts.append(x)
            states.append(of_block)
        joined = _side_by_side(states)
        if len(parts) > 1:
            joined = joined.index_select(1, self.order)
        if len(self.indicated):
            hidden = joined.index_select(1, self.indicated) != OBSERVED
            parts.append(hidden.to(parts[0]))
        return _side_by_side(parts), joined

    def decode(self, output):
        """Return the numbers and the indices that a decoder's output stands for.

        Parameters
        ----------
        output : torch.Tensor of shape (n, n_outputs)

        Returns
        -------
        numbers : torch.Tensor of shape (n, n_numbers)
        indices : torch.Tensor of int of shape (n, n_levels)
        """
        decoded = [
            block.decode(output[:, columns])
            for block, columns in zip(self.blocks, self.columns, strict=True)
        ]
        first, *others = decoded
        if not others:
            return first, first.new_zeros((first.shape[0], 0), dtype=torch.int64)
        numbered = range(1, len(self.blocks))
        places = torch.cat([self._buffers[f"source_{number}"] for number in numbered])
        return first, _side_by_side(others).index_select(1, places.argsort())


def places_of(given):
    """Return where columns stand among those of numbers or of levels, and how many are such."""
    counts, places = [0, 0], []
    for column in given:
        of_levels = column.levels is not None
        places.append(counts[of_levels])
        counts[of_levels] += 1
    return places, counts


def _side_by_side(parts):
    return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
