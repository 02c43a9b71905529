"""Which rows each network holds out."""

from typing import NamedTuple

import torch

# Parts of the rows that are learned from.
N_PARTS = 4
# Below so many rows every network holds out another of these parts; all rows are learned from
# there.
CROSSED_BELOW = 2000
# Networks of more rows, and the fraction of these that all of them hold out.
N_NETWORKS, HELD_OUT = 2, 0.15
# Rows in a step; fewer where more networks look at each.
BATCH_SIZE, CROSSED_BATCH_SIZE = 256, 128


def batch_size_for(n):
    """Return how many rows a step looks at, of n."""
    return CROSSED_BATCH_SIZE if n < CROSSED_BELOW else BATCH_SIZE


class Division(NamedTuple):
    """Parts of rows, and the networks that hold them out.

    Attributes
    ----------
    parts : list of torch.Tensor of int
        Indices of rows.
    held_by : torch.Tensor of bool of shape (n_parts, n_networks)
    """

    parts: list
    held_by: torch.Tensor

    @classmethod
    def of(cls, n, seed):
        order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
        if n >= CROSSED_BELOW:
            n_held_out = round(HELD_OUT * n)
            parts = [order[:n_held_out], *order[n_held_out:].tensor_split(N_PARTS)]
            held_by = torch.arange(len(parts))[:, None].expand(-1, N_NETWORKS) == 0
            return cls(parts, held_by)
        n_parts = min(N_PARTS, n // 2)
        if n_parts < 2:
            return cls([order], torch.zeros(1, N_NETWORKS, dtype=torch.bool))
        parts = order.tensor_split(n_parts)
        return cls(list(parts), torch.eye(n_parts, dtype=torch.bool))

    @property
    def is_crossed(self):
        """Whether every part is held out by networks that learn from the others."""
        return len(self.parts) > 1 and not bool(self.held_by.all(1).any())

    @property
    def n_held_out(self):
        """How many rows some network holds out."""
        held = self.held_by.any(1).tolist()
        return sum(len(p) for p, is_one in zip(self.parts, held, strict=True) if is_one)

    def learned_for(self, k):
        """Return the rows of other parts that some network is trained on."""
        return self._joined(i != k for i in range(len(self.parts)))

    @property
    def learned(self):
        """The rows that some network is trained on."""
        return self._joined(True for _ in self.parts)

    def _joined(self, chosen):
        learned = (~self.held_by).any(1).tolist()
        parts = zip(self.parts, learned, chosen, strict=True)
        return torch.cat([part for part, *is_one in parts if all(is_one)])
