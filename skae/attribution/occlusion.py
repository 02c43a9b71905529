"""Which cells make a row anomalous: those whose repair makes it ordinary."""

import torch

from skae.table.blocks import MISSING, OBSERVED

# Times that a hidden cell is restored from the row with what was restored before.
N_ROUNDS = 3


@torch.no_grad()
def attribute(reconstruct, error, losses, x, cells, layout):
    """Share the error of every row out among its cells.

    A wrong cell misleads the code, and the loss of the other cells grows with it; the
    cell itself may even be restored as it is. So each cell in turn is hidden and replaced
    by what the network makes of the others, and it bears the error in the proportion in
    which that makes the row's error fall.

    Parameters
    ----------
    reconstruct : callable (x) -> decoder output of shape (n, n_outputs)
    error : callable (x, cells) -> errors of shape (n,), not negative
        What is explained.
    losses : callable (x, cells) -> losses of the cells, shape (n, n_features)
        Shares the error out where no repair helps.
    x : torch.Tensor of shape (n, n_inputs)
    cells : torch.Tensor of uint8 of shape (n, n_features) or None
    layout : Layout

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
    total = error(x, cells)
    falls = torch.zeros(len(x), layout.n_features, dtype=x.dtype, device=x.device)
    expected = torch.empty(len(x), layout.n_outputs, dtype=x.dtype, device=x.device)
    holes = {int(feature): layout.n_outputs + i for i, feature in enumerate(layout.holed)}
    for feature, columns in enumerate(layout.outputs_of_features()):
        repaired = x.clone()
        repaired[:, columns] = 0.0
        if feature in holes:
            repaired[:, holes[feature]] = 1.0
        for _ in range(N_ROUNDS):
            output = reconstruct(repaired)[:, columns]
            repaired[:, columns] = layout.as_design(output, columns)
            if feature in holes:
                repaired[:, holes[feature]] = 0.0
        expected[:, columns] = output
        states = cells
        if cells is not None:
            states = cells.clone()
            states[:, feature] = OBSERVED
        falls[:, feature] = total - error(repaired, states)
    falls.clamp_(min=0.0)
    there = 1.0 if cells is None else (cells != MISSING).to(x)
    falls *= there
    helpless = falls.sum(1) <= 0
    if helpless.any():
        falls[helpless] = losses(x, cells)[helpless].clamp(min=0.0)
        # Nothing is wrong with any cell, and yet there is an error: they share it alike.
        even = helpless & (falls.sum(1) <= 0)
        falls[even] = torch.ones_like(falls)[even] * (1.0 if cells is None else there[even])
    share = falls / falls.sum(1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
    return share * total[:, None], expected
