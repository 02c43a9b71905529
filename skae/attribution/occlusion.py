"""Which cells make a row anomalous: those that the others contradict."""

import numpy as np
import torch

from skae.table.blocks import MISSING, OBSERVED

# Times that a hidden cell is reconstructed from the row with what was put in its place.
N_ROUNDS = 3


@torch.no_grad()
def attribute(reconstruct, error, losses, x, observed, design):
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

    Returns
    -------
    contributions : torch.Tensor of shape (n, n_features)
        Not negative; 0 for missing cells; a row sums to its error.
    expected : torch.Tensor of shape (n, n_outputs)
        The decoder's output for every cell where it was hidden.

    References
    ----------
    Occlusion: Zeiler & Fergus, Visualizing and Understanding Convolutional Networks,
    2014, with what the other cells imply in place of a blank.
    """
    total = error(x, observed)
    falls = torch.zeros(len(x), design.n_features, dtype=x.dtype, device=x.device)
    expected = torch.empty(len(x), design.n_outputs, dtype=x.dtype, device=x.device)
    for feature, block in enumerate(design.by_feature):
        block, columns, states = block.to(x.device), block.columns, observed
        # One column, or none.
        indicator = design.n_outputs + np.flatnonzero(design.missing_indicators == feature)
        replaced = x.clone()
        replaced[:, columns], replaced[:, indicator] = 0.0, 1.0
        for _ in range(N_ROUNDS):
            output = reconstruct(replaced)[:, columns]
            replaced[:, columns], replaced[:, indicator] = block.expected(output), 0.0
        replaced[:, columns] = block.to_design(output)
        expected[:, columns] = output
        if observed is not None:
            states = observed.clone()
            states[:, feature] = OBSERVED
        falls[:, feature] = total - error(replaced, states)
    falls.clamp_(min=0.0)
    there = None if observed is None else observed != MISSING
    if there is not None:
        falls *= there.to(x)

    def fallback(rows):
        return losses(x, observed)[rows].clamp(min=0.0)

    return divide(total, falls, fallback, there), expected


def divide(total, falls, fallback, there):
    """Divide each row's total among its cells, in proportion to `falls`.

    Parameters
    ----------
    total : torch.Tensor of shape (n,)
    falls : torch.Tensor of shape (n, n_features)
        Not negative, 0 for missing cells; overwritten.
    fallback : callable (rows, a mask of shape (n,)) -> weights of their cells
        For rows in which nothing falls. Where these are 0 as well, the cells that are
        there bear the total alike.
    there : torch.Tensor of bool of shape (n, n_features) or None
        Cells that are not missing; None: all.

    Returns
    -------
    contributions : torch.Tensor of shape (n, n_features)
    """
    without = falls.sum(1) <= 0
    if without.any():
        falls[without] = fallback(without)
        even = without & (falls.sum(1) <= 0)
        falls[even] = 1.0 if there is None else there[even].to(falls)
    least = torch.finfo(falls.dtype).tiny
    return falls / falls.sum(1, keepdim=True).clamp(min=least) * total[:, None]
