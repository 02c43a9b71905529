"""The rows that each of the detector's networks is trained on."""

import copy

import numpy as np
import torch

from skae.detector.ensemble import n_drawn
from skae.detector.folds import rows_outside
from skae.detector.projection import MAX_WIDTH, PCAProjection
from skae.detector.space import CellSpace
from skae.detector.trimming import typical_rows

# Rows per fold, and design cells, that the subsets are drawn from.
MAX_CANDIDATES, MAX_CELLS = 20_000, 20_000_000


class Subsets:
    """A random subset of the rows outside a fold for every network.

    Parameters
    ----------
    config : SimpleNamespace
        Of `choose_config`.
    device : torch.device
    n_folds, n_per_fold : int
        Networks ``fold * n_per_fold`` to ``(fold + 1) * n_per_fold - 1`` leave out
        `fold`.

    Attributes
    ----------
    x : torch.Tensor of shape (n_networks, max(sizes), width)
        The rows as the networks see them; smaller subsets are repeated.
    mask : torch.Tensor of bool of the shape of `x`, or None
        Which entries are observed; None if all are.
    sizes : ndarray of int of shape (n_networks,)
        Rows of each subset.
    n_seen : ndarray of int of shape (n_networks,)
        Rows that each subset is a sample of.
    spaces : list of CellSpace, one per fold
        In the units of rows outside the fold.
    projections : list of (PCAProjection or None), one per fold
        None where the table is narrow enough for the networks.
    """

    def __init__(self, config, device, n_folds, n_per_fold):
        self.config, self.device = config, device
        self.n_folds, self.n_per_fold = n_folds, n_per_fold

    # ----------------------------------------------------------------- drawing

    def draw(self, table, folds, sample_weight, rng):
        """Draw the subsets.

        Parameters
        ----------
        table : EncodedTable
        folds : ndarray of int of shape (n_samples,)
        sample_weight : ndarray of shape (n_samples,) or None
        rng : numpy.random.RandomState
        """
        self.spaces, self.projections = [], []
        candidates = [
            self._candidates(table, folds, fold, sample_weight, rng)
            for fold in range(self.n_folds)
        ]
        n_rows = min(len(typical) for *_, typical in candidates)
        counts = [n_drawn(size, n_rows) for size in self.config.max_samples]
        sizes = np.minimum(np.resize(counts, self.n_per_fold), n_rows)
        self.sizes = np.tile(sizes, self.n_folds)
        x, masks = [], []
        for z, mask, typical in candidates:
            rows = [
                np.resize(rng.permutation(typical)[:size], max(sizes)) for size in sizes
            ]
            drawn = torch.from_numpy(np.stack(rows)).to(z.device)
            x.append(z[drawn])
            masks.append(
                torch.ones_like(x[-1], dtype=torch.bool) if mask is None else mask[drawn]
            )
        self.x, mask = torch.cat(x), torch.cat(masks)
        self.mask = None if mask.all() else mask
        n_left_out = len(table) // self.n_folds if self.n_folds > 1 else 0
        self.n_seen = np.full(len(self.x), len(table) - n_left_out)

    def _candidates(self, table, folds, fold, sample_weight, rng):
        """Return rows outside a fold, their mask, and which of them look typical."""
        outside = rows_outside(folds, fold, self.n_folds)
        design = table.encoder.design_
        chosen = self._choose_rows(outside, design, sample_weight, rng)
        rows, states = table.tensors(chosen, np.float32, self.device)
        space = CellSpace(design, rows, states)
        self.spaces.append(space)
        x, mask = _seen(space, rows, states)
        projection = PCAProjection(x, rng) if x.shape[1] > MAX_WIDTH else None
        self.projections.append(projection)
        if projection is not None:
            # What is missing in one column is missing, in part, in all components.
            x, mask = projection.transform(x), None
        return x, mask, typical_rows(x.cpu().numpy(), self.config.max_trim)

    def _choose_rows(self, rows, design, sample_weight, rng):
        n_rows = min(MAX_CANDIDATES, max(MAX_CELLS // max(design.n_outputs, 1), 1000))
        if sample_weight is not None:
            # A row of twice the weight is drawn twice as often.
            p = sample_weight[rows] / sample_weight[rows].sum()
            rows = rng.choice(rows, size=min(n_rows, max(len(rows), 1000)), p=p)
        elif len(rows) > n_rows:
            rows = rng.choice(rows, size=n_rows, replace=False)
        return np.sort(rows)

    # --------------------------------------------------------------- replacing

    def replace(self, table, rows, folds, rng, horizon):
        """Replace some of the rows by new ones.

        The i-th of the rows outside a fold takes a place with probability ``size / i``, so
        that a subset is a random sample of them all; beyond `horizon` rows the probability
        stays what it is, and the sample forgets: the age of its rows is geometric.

        Parameters
        ----------
        table : EncodedTable
        rows : ndarray of int of shape (n,)
            The rows of `table` that may enter.
        folds : ndarray of int of shape (n,)
        rng : numpy.random.RandomState

        horizon : int

        References
        ----------
        Vitter, Random Sampling with a Reservoir, 1985, algorithm R; with forgetting:
        Aggarwal, On Biased Reservoir Sampling in the Presence of Stream Evolution, 2006.
        """
        rows, states = table.tensors(rows, np.float32, self.device)
        seen = []
        for space, projection in zip(self.spaces, self.projections, strict=True):
            x, mask = _seen(space, rows, states)
            seen.append(
                (x, mask) if projection is None else (projection.transform(x), None)
            )
        if self.mask is None and any(mask is not None for _, mask in seen):
            self.mask = torch.ones_like(self.x, dtype=torch.bool)
        for network, size in enumerate(self.sizes):
            fold = network // self.n_per_fold
            outside = rows_outside(folds, fold, self.n_folds)
            known = self.n_seen[network] + 1 + np.arange(len(outside))
            places = rng.randint(0, np.minimum(known, max(horizon, size)))
            self.n_seen[network] += len(outside)
            enters = places < size
            new, places = torch.from_numpy(np.stack([outside, places])[:, enters])
            x, mask = seen[fold]
            self._put(self.x, network, places, x[new])
            if self.mask is not None:
                self._put(self.mask, network, places, True if mask is None else mask[new])

    def part(self, networks):
        """Return the subsets of some networks, a slice."""
        part = copy.copy(self)
        part.x = self.x[networks]
        part.mask = None if self.mask is None else self.mask[networks]
        return part

    def copy(self):
        """Return subsets whose rows can be replaced; these stay as they are."""
        subsets = copy.copy(self)
        subsets.x, subsets.n_seen = self.x.clone(), self.n_seen.copy()
        subsets.mask = None if self.mask is None else self.mask.clone()
        return subsets

    def move_to(self, device):
        """Move the rows to a device; spaces and projections are moved by themselves."""
        self.device, self.x = device, self.x.to(device)
        self.mask = None if self.mask is None else self.mask.to(device)

    def _put(self, tensor, network, places, values):
        """Put values into a subset, and repeat it where it is smaller than others."""
        tensor[network, places] = values
        again = np.resize(np.arange(self.sizes[network]), tensor.shape[1])
        tensor[network] = tensor[network, torch.from_numpy(again)]


def _seen(space, rows, states):
    """Return rows as the networks see them, and which of their entries are observed."""
    x, states = space.enter(rows, states)
    return x, None if states is None else space.observed(states)
