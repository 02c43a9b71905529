"""What the networks say of rows."""

import torch

from skae.conditionals.relations.ruling import Ruling
from skae.conditionals.seen import given_by_row

# Rows that are worked on at a time, more or less: cells of the design.
BLOCK_CELLS = 500_000
# Patterns of visible variables that are worked on one by one.
MAX_LOOPS = 16


class View:
    """Rows as conditional networks see them.

    Parameters
    ----------
    variables : Variables
    base : Gaussian or Mixture
    networks : ConditionalNetworks
    asked : dict of int to tuple (low, high) or ndarray of bool, default=None
        What columns are to hold.

    Attributes
    ----------
    ruling : Ruling
        What relations leave of that.
    """

    def __init__(self, variables, base, networks, asked=None):
        self.variables, self.base, self.networks = variables, base, networks
        self.ruling = Ruling(variables, asked or {})

    @torch.no_grad()
    def look(self, state, rows):
        """Return the networks' hidden layer for some rows, and their normal distribution."""
        at = torch.from_numpy(rows)
        x, visible = state.x[at], state.visible[at]
        patterns, own = torch.unique(visible, dim=0, return_inverse=True)
        if len(patterns) > MAX_LOOPS:
            shown = patterns[:, self.networks.owner]
            mean, spread = given_by_row(self.base, x, shown, own)
        else:
            mean, spread = torch.empty_like(x), torch.empty_like(x)
            for k, pattern in enumerate(patterns):
                alike, shown = own == k, pattern[None, self.networks.owner]
                of_rows = self.base.given(x[alike][None], shown)
                mean[alike], spread[alike] = (part.squeeze(0) for part in of_rows)
        return self.networks.hidden(x, visible, mean, spread), mean, spread


def blocks_of(rows, width):
    size = max(1, BLOCK_CELLS // (4 * width + 256))
    for first in range(0, len(rows), size):
        yield rows[first : first + size]
