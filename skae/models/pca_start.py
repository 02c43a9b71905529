"""Where the decoder starts: at what PCA says of levels, shares and rates."""

import torch

from skae.models.losses import LevelSurprise
from skae.table.blocks import Layout

# Rows that the gains are chosen on, and what is tried.
N_ROWS = 4096
GAINS = tuple(2.0**power for power in range(-1, 7))
# Of what is right to first order: a curved link goes too far with the far rows.
DAMPED = tuple(2.0**power for power in range(-6, 1))


@torch.no_grad()
def level_start(layout: Layout, pca, x):
    """Return gains and offsets that make the decoder's output of PCA's restored rows.

    A number is PCA's. The logit of a level is ``log p + k (r - p)``, with p its share, r
    the indicator that PCA restores, and k the block's gain: of a few, the one that makes
    the levels of the rows most likely. Without principal axes the gain is 1.

    Parameters
    ----------
    layout : Layout
    pca : PrincipalAxes or None
    x : torch.Tensor of shape (n_samples, n_outputs)
        Encoded training rows.

    Returns
    -------
    gains, offsets : torch.Tensor of shape (n_outputs,)
    """
    n_numbers = len(layout.numbers)
    gains = torch.ones(layout.n_outputs, dtype=torch.float32)
    offsets = torch.zeros(layout.n_outputs, dtype=torch.float32)
    if layout.is_plain:
        return gains, offsets
    block = layout.block_of_level
    offsets[n_numbers:] = layout.shares.log()
    if pca is None:
        return gains, offsets
    x = x[:N_ROWS]
    levels = x[:, n_numbers:]
    # What is missing adds the same to every gain's cost.
    restored = (x @ pca.axes @ pca.axes.T)[:, n_numbers:]
    surprise = LevelSurprise(layout)
    costs = torch.stack(
        [surprise(offsets[n_numbers:] + gain * restored, levels).mean(0) for gain in GAINS]
    )
    best = torch.tensor(GAINS, dtype=torch.float32)[costs.argmin(0)]
    gains[n_numbers:] = best[block]
    return gains, offsets


@torch.no_grad()
def link_start(link, cost, layout, pca, x, gains, offsets):
    """Return gains and offsets whose numbers, through the link, are about PCA's.

    Parameters
    ----------
    link : Link
    cost : callable (output, x) -> costs of numbers, shape (n, n_numbers)
        Of a few gains the one that costs least is chosen, column by column.
    layout, pca, x
        As in `level_start`.
    gains, offsets : torch.Tensor of shape (n_outputs,)
        What `level_start` says.
    """
    n_numbers = len(layout.numbers)
    x = x[:N_ROWS]
    right = link.scale / link.slope()
    restored = (x @ pca.axes @ pca.axes.T)[:, :n_numbers] * right
    tried = torch.tensor(DAMPED, dtype=torch.float32)
    costs = [cost(link(damp * restored), x[:, :n_numbers]).mean(0) for damp in DAMPED]
    gains, offsets = gains.clone(), offsets.clone()
    gains[:n_numbers] = tried[torch.stack(costs).argmin(0)] * right
    offsets[:n_numbers] = 0.0
    return gains, offsets
