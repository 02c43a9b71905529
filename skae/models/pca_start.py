"""Where training starts at PCA: the scales of the codes, gains and offsets of the output.

The axes come from `skae.models.principal_axes`. Every model sets its weights from them in
`start_from_pca`, and its layers take them over in `start_from` (see `LinearPlus`).
"""

import torch

from skae.table.blocks import Design

# Codes of less than this fraction of the largest code's variance are not scaled up further.
LEAST_VARIANCE = 1e-4
# Rows that the gains are chosen on.
N_ROWS = 4096
# Damping that is tried: what is right to first order goes too far with the far rows.
DAMPED = tuple(2.0**power for power in range(-6, 1))


@torch.no_grad()
def output_start(design: Design, pca, x):
    """Return gains and offsets that make the decoder's output of PCA's reconstruction.

    ``output = gain * reconstruction + offset``. A number is PCA's: 1 and 0. What the other
    blocks do, see their `start`.

    Parameters
    ----------
    design : Design
    pca : PrincipalAxes or None
    x : torch.Tensor of shape (n_samples, n_outputs)
        Encoded training rows.

    Returns
    -------
    gains, offsets : torch.Tensor of shape (n_outputs,)
    """
    if design.is_numeric or pca is None:
        starts = [block.start(None, None) for block in design.blocks]
    else:
        x = x[:N_ROWS]
        reconstruction = pca.reconstruct(x)
        starts = [
            block.start(reconstruction[:, block.columns], x[:, block.columns])
            for block in design.blocks
        ]
    gains, offsets = zip(*starts, strict=True)
    return torch.cat(gains), torch.cat(offsets)


@torch.no_grad()
def link_start(link, cost, design, pca, x, gains, offsets):
    """Return gains and offsets whose numbers, through the link, are about PCA's.

    Parameters
    ----------
    link : Link
    cost : callable (output, x) -> costs of numbers, shape (n, n_numbers)
        Of a few gains the one that costs least is chosen, column by column.
    design, pca, x
        As in `output_start`.
    gains, offsets : torch.Tensor of shape (n_outputs,)
        What `output_start` says.
    """
    numbers = design.numeric.columns
    x = x[:N_ROWS]
    right = link.scale / link.slope()
    target = pca.reconstruct(x)[:, numbers] * right
    tried = torch.tensor(DAMPED, dtype=torch.float32)
    costs = [cost(link(damp * target), x[:, numbers]).mean(0) for damp in DAMPED]
    gains, offsets = gains.clone(), offsets.clone()
    gains[numbers] = tried[torch.stack(costs).argmin(0)] * right
    offsets[numbers] = 0.0
    return gains, offsets


def unit_axes(pca, n_components):
    """Return the principal axes, one column per code, and the scales of the codes."""
    least = float(LEAST_VARIANCE * pca.variances.max()) or 1.0
    variances = torch.full((n_components,), least, dtype=torch.float32)
    variances[: len(pca.variances)] = pca.variances.clamp(min=least)
    return pca.padded_axes(n_components), variances.sqrt()


def wide_axes(pca, n_components):
    """Return more directions than there are axes, all in use, and the codes' scales.

    With Q of shape (n_components, n_axes) and Q'Q = I the codes QU'x reconstruct
    U Q'Q U'x, which is what PCA does. A code without a direction would never find one.
    """
    n_axes = len(pca.variances)
    generator = torch.Generator().manual_seed(0)
    frame, _ = torch.linalg.qr(torch.randn(n_components, n_axes, generator=generator))
    scale = (pca.variances.sum() / n_components).sqrt()
    return pca.axes @ frame.T, (scale if scale > 0 else 1.0) * torch.ones(
        n_components, dtype=torch.float32
    )
