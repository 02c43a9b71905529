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
    contributions : torch.Tensor of shape (n, n_features)
        Not negative; 0 for missing cells; a row sums to its error.
    expected : torch.Tensor of shape (n, n_outputs)
        The decoder's output for every cell where it was hidden; for others, its output
        for the row.

    References
    ----------
    Occlusion: Zeiler & Fergus, Visualizing and Understanding Convolutional Networks,
    2014, with what the other cells imply in place of a blank.
    """
    total, expected = error(x, observed), reconstruct(x).clone()
    bearing = torch.ones(len(x), design.n_features, dtype=torch.bool, device=x.device)
    if observed is not None:
        bearing = observed != MISSING
    hidden = torch.ones_like(bearing)
    if max_columns is not None and max_columns < design.n_features:
        known = losses(x, observed).masked_fill(~bearing, -torch.inf)
        worst = known.topk(max_columns, dim=1).indices
        bearing &= torch.zeros_like(bearing).scatter(1, worst, True)
        hidden = bearing
    falls = torch.zeros_like(bearing, dtype=x.dtype)
    for feature, block in enumerate(design.by_feature):
        rows = hidden[:, feature].nonzero().squeeze(1)
        if not len(rows):
            continue
        block, columns, states = block.to(x.device), block.columns, None
        # One column, or none.
        indicator = design.n_outputs + np.flatnonzero(design.missing_indicators == feature)
        replaced = x[rows]
        replaced[:, columns], replaced[:, indicator] = 0.0, 1.0
        for _ in range(N_ROUNDS):
            output = reconstruct(replaced)[:, columns]
            replaced[:, columns], replaced[:, indicator] = block.expected(output), 0.0
        replaced[:, columns] = block.to_design(output)
        expected[rows, columns] = output
        if observed is not None:
            states = observed[rows]
            states[:, feature] = OBSERVED
        falls[rows, feature] = total[rows] - error(replaced, states)
    falls = falls.clamp(min=0.0) * bearing

    def fallback(rows):
        return losses(x, observed)[rows].clamp(min=0.0) * bearing[rows]

    return divide(total, falls, fallback, bearing), expected
