"""The rows that each of the detector's networks is trained on."""

import numpy as np
import torch

from skae.attribution.counterfactual import value_grid
from skae.detector.folds import rows_outside
from skae.detector.projection import MAX_WIDTH, PCAProjection
from skae.detector.trimming import typical_rows

# Rows per fold, and design cells, that the subsets are drawn from.
MAX_CANDIDATES, MAX_CELLS = 20_000, 20_000_000


class Subsets:
    """A random subset of the rows outside a fold for every network.

    Parameters
    ----------
    config : DetectorConfig
    space : CellSpace
    n_folds, n_per_fold : int
        Networks ``fold * n_per_fold`` to ``(fold + 1) * n_per_fold - 1`` leave out
        `fold`.
    device : torch.device

    Attributes
    ----------
    x : torch.Tensor of shape (n_networks, max(sizes), width)
        The rows as the networks see them; smaller subsets are repeated.
    mask : torch.Tensor of bool of the shape of `x`, or None
        Which entries are observed; None if all are.
    sizes : ndarray of int of shape (n_networks,)
        Rows of each subset.
    projections : list of (PCAProjection or None), one per fold
        None where the table is narrow enough for the networks.
    grid : torch.Tensor of shape (n_numbers, n_values)
        Usual values of the numeric columns, see `value_grid`.
    """

    def __init__(self, config, space, n_folds, n_per_fold, device):
        self.config, self.space, self.device = config, space, device
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
        sizes = self._choose_sizes(min(len(typical) for *_, typical in candidates))
        self.sizes = np.tile(sizes, self.n_folds)
        x, masks = [], []
        for z, mask, typical in candidates:
            drawn = [rng.permutation(typical)[:size] for size in sizes]
            drawn = np.stack([np.resize(rows, max(sizes)) for rows in drawn])
            drawn = torch.from_numpy(drawn).to(self.device)
            x.append(z[drawn])
            masks.append(None if mask is None else mask[drawn])
        self.x = torch.cat(x)
        self.mask = _join_masks(masks, self.x)
        n_outside = len(table)
        if self.n_folds > 1:
            n_outside -= len(table) // self.n_folds
        self._n_seen = np.full(len(self.x), n_outside)
        return self

    def _candidates(self, table, folds, fold, sample_weight, rng):
        """Return rows outside a fold, their mask, and which of them look typical."""
        rows = self._choose_rows(
            rows_outside(folds, fold, self.n_folds), sample_weight, rng
        )
        x, mask = self._read(table, rows)
        if fold == 0:
            self.grid = value_grid(x, mask, self.space.design)
        projection = PCAProjection(x, rng) if x.shape[1] > MAX_WIDTH else None
        self.projections.append(projection)
        if projection is not None:
            # What is missing in one column is missing, in part, in all components.
            x, mask = projection.transform(x), None
        return x, mask, typical_rows(x.cpu().numpy(), self.config.max_trim)

    def _choose_rows(self, rows, sample_weight, rng):
        n_rows = min(MAX_CANDIDATES, max(MAX_CELLS // self.space.width, 1000))
        if sample_weight is not None:
            # A row of twice the weight is drawn twice as often.
            p = sample_weight[rows] / sample_weight[rows].sum()
            rows = rng.choice(rows, size=min(n_rows, max(len(rows), 1000)), p=p)
        elif len(rows) > n_rows:
            rows = rng.choice(rows, size=n_rows, replace=False)
        return np.sort(rows)

    def _read(self, table, rows):
        """Return rows in the cell space, and which of their entries are observed."""
        design, observed = table.tensors(rows, np.float32, self.device)
        mask = None if observed is None else self.space.observed(observed)
        return self.space.enter(design), mask

    def _choose_sizes(self, n_rows):
        """Return the sizes of the subsets of a fold, of `n_rows` rows at most."""
        sizes = self.config.max_samples
        counts = [s if isinstance(s, int) else max(round(s * n_rows), 2) for s in sizes]
        return [min(counts[i % len(counts)], n_rows) for i in range(self.n_per_fold)]

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
            places = rng.randint(0, self._n_seen[network] + 1 + np.arange(len(outside)))
            self._n_seen[network] += len(outside)
            enters = places < size
            new, places = (
                torch.from_numpy(outside[enters]),
                torch.from_numpy(places[enters]),
            )
            projection = self.projections[fold]
            z = x[new] if projection is None else projection.transform(x[new])
            self._put(self.x, network, places, z)
            if self.mask is not None:
                self._put(self.mask, network, places, True if mask is None else mask[new])

    def _put(self, tensor, network, places, values):
        tensor[network, places] = values
        n_rows = tensor.shape[1]
        again = torch.from_numpy(np.resize(np.arange(self.sizes[network]), n_rows))
        tensor[network] = tensor[network, again]

    @property
    def n_seen(self):
        """Rows that a subset is a sample of, the mean over the networks."""
        return self._n_seen.mean()


def _join_masks(masks, x):
    """Return the masks of all folds as one tensor, or None if all of them are None."""
    if all(mask is None for mask in masks):
        return None
    whole = torch.ones_like(x, dtype=torch.bool)
    for part, mask in zip(whole.chunk(len(masks)), masks, strict=True):
        if mask is not None:
            part.copy_(mask)
    return whole
