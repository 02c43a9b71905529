"""What a network in training gets to see of its rows, which it shall restore."""

import torch

from skae._layout import MISSING, Layout


class BorrowedHoles:
    """Rows borrow the holes of other rows: it teaches the network to fill holes.

    A cell that is hidden in this way is known, so that the loss can tell how well it was
    filled, and cells are hidden where, and as often as, they are missing.

    Parameters
    ----------
    layout : Layout
    """

    def __init__(self, layout: Layout):
        self._feature_of_output = layout.feature_of_output
        self._holed = torch.from_numpy(layout.holed)

    def __call__(self, x, cells, generator):
        if cells is None:
            return x
        order = torch.randperm(len(x), generator=generator, device=x.device)
        hidden = cells[order] == MISSING
        hidden_outputs = hidden[:, self._feature_of_output.to(x.device)]
        hidden_holes = hidden[:, self._holed.to(x.device)]
        n_outputs = hidden_outputs.shape[1]
        return torch.cat(
            [
                x[:, :n_outputs].masked_fill(hidden_outputs, 0.0),
                x[:, n_outputs:].masked_fill(hidden_holes, 1.0),
            ],
            dim=1,
        )
