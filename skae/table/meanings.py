"""What a decoder's output says of every column, as people read it: numbers and probabilities."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Said:
    """What outputs say of a column.

    Attributes
    ----------
    name : str
    levels : list or None
        The levels of categories, rare ones together; None: it holds numbers.
    amounts : ndarray of shape (n, 1) or (n, n_levels)
        Numbers in raw units (times: steps), or the levels' probabilities.
    """

    name: str
    levels: list[Any] | None
    amounts: np.ndarray


def what_is_said(table, output):
    """Return what outputs of a decoder say of the columns of a table, list of Said.

    Columns without any cell in fit are left out. Where missing cells are a level, whether
    cells are missing follows as a column of its own.

    Parameters
    ----------
    table : TableEncoder
    output : ndarray of shape (n, n_outputs)
    """
    first, *others = table.design_.blocks
    numbers = table.decode_numbers(output[:, first.columns])
    said = {
        int(i): Said(table.names[i], None, numbers[:, [j]])
        for j, i in enumerate(first.features)
    }
    output = torch.from_numpy(np.asarray(output, dtype=np.float64))
    for block in others:
        parts = block.to("cpu").probabilities(output[:, block.columns])
        for j, (feature, owner) in enumerate(
            zip(block.features, block.owners, strict=True)
        ):
            name, p = table.names[owner], parts[j].numpy()
            if feature != owner:
                said[int(feature)] = Said(name, ["missing"], p[:, 1:2])
            elif p.shape[1]:
                said[int(feature)] = Said(name, block.readers[j].group_names(), p)
    hidden = np.flatnonzero(table.empty_)
    return [said[i] for i in sorted(said) if i not in hidden]


def spreads_of(table, X):
    """Return the standard deviations of the columns of numbers of X, dict of name to float."""
    first = table.design_.numeric
    values = first.values(X)
    spreads = {}
    for j, i in enumerate(first.features):
        there = values[np.isfinite(values[:, j]), j]
        spreads[table.names[i]] = float(there.std()) if len(there) else 0.0
    return spreads
