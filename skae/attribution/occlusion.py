"""Which cells make a row anomalous: those that the others contradict."""

import numpy as np
import torch

from skae.attribution.division import divide
from skae.table.blocks import MISSING, OBSERVED

# Times that a hidden cell is reconstructed from the row with what was put in its place.
N_ROUNDS = 3


@torch.no_grad()
def attribute(reconstruct, error, losses, x, observed, design, max_columns=None):
    """Divide the error of every row among its cells.

    A wrong cell misleads the code, and the loss of the other cells grows with it; the
    cell itself may even be reconstructed as it is. So each cell in turn is hidden and
    replaced by what the network makes of the others, and it bears the error in the
    proportion in which that makes the row's error fall.

    Parameters
    ----------
    reconstruct : callable (x) -> decoder output of shape (n, n_outputs)
    error : callable (x, observed) -> errors of shape (n,), not negative
        What is explained.
    losses : callable (x, observed) -> losses of the cells, shape (n, n_features)
        Divides the error where no replacement reduces it.
    x : torch.Tensor of shape (n, n_inputs)
    observed : torch.Tensor of uint8 of shape (n, n_features) or None
    design : Design
    max_columns : int, default=None
        Cells of a row that are hidden, those with the largest losses; None: all.

    Returns
    -------
    contributions : torch.Tensor of shape (n, n_columns)
        Not negative; 0 for cells that are unknown; a row sums to its error.
    expected : torch.Tensor of shape (n, n_outputs)
        The decoder's output for every cell where it was hidden; for others, its output
        for the row.

    References
    ----------
    Occlusion: Zeiler & Fergus, Visualizing and Understanding Convolutional Networks,
    2014, with what the other cells imply in place of a blank.
    """
    total, expected = error(x, observed), reconstruct(x).clone()
    bearing = torch.ones(len(x), design.n_columns, dtype=torch.bool, device=x.device)
    if observed is not None:
        bearing = design.sum_to_columns((observed != MISSING).to(x)) > 0
    hidden = torch.ones_like(bearing)

    def by_column(rows):
        return design.sum_to_columns(losses(x, observed))[rows]

    if max_columns is not None and max_columns < design.n_columns:
        known = by_column(slice(None)).masked_fill(~bearing, -torch.inf)
        worst = known.topk(max_columns, dim=1).indices
        bearing &= torch.zeros_like(bearing).scatter(1, worst, True)
        hidden = bearing
    falls = torch.zeros_like(bearing, dtype=x.dtype)
    for column, parts in enumerate(design.by_column):
        rows = hidden[:, column].nonzero().squeeze(1)
        if not len(rows):
            continue
        blocks = [block.to(x.device) for block in parts]
        # One column, or none.
        indicator = design.n_outputs + np.flatnonzero(design.missing_indicators == column)
        replaced = x[rows]
        for block in blocks:
            replaced[:, block.columns] = 0.0
        replaced[:, indicator] = 1.0
        for _ in range(N_ROUNDS):
            output = reconstruct(replaced)
            _put(replaced, output, blocks, "expected")
            replaced[:, indicator] = 0.0
        absent = _put(replaced, output, blocks, "to_design")
        for block in blocks:
            expected[rows, block.columns] = output[:, block.columns]
        states = None if observed is None else observed[rows]
        if states is None and absent.any():
            states = torch.full_like(bearing[rows], OBSERVED, dtype=torch.uint8)
            states = states[:, design.column_of_feature]
        if states is not None:
            states[:, [int(block.features[0]) for block in blocks]] = OBSERVED
            states[absent, column] = MISSING
        falls[rows, column] = total[rows] - error(replaced, states)
    falls = falls.clamp(min=0.0) * bearing

    def fallback(rows):
        return by_column(rows).clamp(min=0.0) * bearing[rows]

    return divide(total, falls, fallback, bearing), expected


def _put(rows, output, blocks, method):
    """Put what an output says into a column of rows; return which of its cells it leaves out.

    Parameters
    ----------
    rows, output : torch.Tensor of shape (n, n_outputs)
    blocks : list of Block
        That of the cells and, where missing ones are a level, that of their absence.
    method : {"expected", "to_design"}

    Returns
    -------
    absent : torch.Tensor of bool of shape (n,)
    """
    for block in blocks:
        rows[:, block.columns] = getattr(block, method)(output[:, block.columns])
    cells, *absence = blocks
    if not absence:
        return torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    absent = absence[0].absent(rows[:, absence[0].columns])[:, 0] > 0.5
    rows[absent, cells.columns] = 0.0
    return absent
