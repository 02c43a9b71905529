"""The rows that each of the detector's networks is trained on."""

import numpy as np
import torch

from skae.attribution.counterfactual import value_grid
from skae.detector.ensemble import n_drawn
from skae.detector.folds import rows_outside
from skae.detector.projection import MAX_WIDTH, PCAProjection
from skae.detector.trimming import typical_rows

# Rows per fold, and design cells, that the subsets are drawn from.
MAX_CANDIDATES, MAX_CELLS = 20_000, 20_000_000


class Subsets:
    """A random subset of the rows outside a fold for every network.

    Parameters
    ----------
    config : SimpleNamespace
        Of `choose_config`.
    space : CellSpace
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
    projections : list of (PCAProjection or None), one per fold
        None where the table is narrow enough for the networks.
    grid : torch.Tensor of shape (n_numbers, n_values)
        Usual values of the numeric columns, see `value_grid`.
    """

    def __init__(self, config, space, n_folds, n_per_fold):
        self.config, self.space = config, space
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
        self.projections = []
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
        x, mask = self._read(table, self._choose_rows(outside, sample_weight, rng))
        if fold == 0:
            self.grid = value_grid(x, mask, self.space.design)
        projection = PCAProjection(x, rng) if x.shape[1] > MAX_WIDTH else None
        self.projections.append(projection)
        if projection is not None:
            # What is missing in one column is missing, in part, in all components.
            x, mask = projection.transform(x), None
        return x, mask, typical_rows(x.cpu().numpy(), self.config.max_trim)

    def _choose_rows(self, rows, sample_weight, rng):
        n_rows = min(MAX_CANDIDATES, max(MAX_CELLS // self.space.design.n_outputs, 1000))
        if sample_weight is not None:
            # A row of twice the weight is drawn twice as often.
            p = sample_weight[rows] / sample_weight[rows].sum()
            rows = rng.choice(rows, size=min(n_rows, max(len(rows), 1000)), p=p)
        elif len(rows) > n_rows:
            rows = rng.choice(rows, size=n_rows, replace=False)
        return np.sort(rows)

    def _read(self, table, rows):
        """Return rows in the cell space, and which of their entries are observed."""
        design, observed = table.tensors(rows, np.float32, self.space.owner.device)
        mask = None if observed is None else self.space.observed(observed)
        return self.space.enter(design), mask

    # --------------------------------------------------------------- replacing

    def replace(self, table, rows, folds, rng):
        """Replace some of the rows by new ones.

        The subsets stay random samples of all rows outside their folds so far: the i-th
        of these rows takes a place with probability ``size / i``.

        Parameters
        ----------
        table : EncodedTable
        rows : ndarray of int of shape (n,)
            The rows of `table` that may enter.
        folds : ndarray of int of shape (n,)
        rng : numpy.random.RandomState

        References
        ----------
        Vitter, Random Sampling with a Reservoir, 1985, algorithm R.
        """
        x, mask = self._read(table, rows)
        if self.projections[0] is not None:
            mask = None
        if mask is not None and self.mask is None:
            self.mask = torch.ones_like(self.x, dtype=torch.bool)
        for network, size in enumerate(self.sizes):
            fold = network // self.n_per_fold
            outside = rows_outside(folds, fold, self.n_folds)
            places = rng.randint(0, self.n_seen[network] + 1 + np.arange(len(outside)))
            self.n_seen[network] += len(outside)
            enters = places < size
            new, places = torch.from_numpy(np.stack([outside, places])[:, enters])
            projection = self.projections[fold]
            z = x[new] if projection is None else projection.transform(x[new])
            self._put(self.x, network, places, z)
            if self.mask is not None:
                self._put(self.mask, network, places, True if mask is None else mask[new])

    def _put(self, tensor, network, places, values):
        """Put values into a subset, and repeat it where it is smaller than others."""
        tensor[network, places] = values
        again = np.resize(np.arange(self.sizes[network]), tensor.shape[1])
        tensor[network] = tensor[network, torch.from_numpy(again)]
