"""The detector's own networks: small denoising autoencoders, trained as one model."""

import math

import numpy as np
import torch
from sklearn.utils import gen_batches

from skae.detector.batched_mlp import BatchedMLP
from skae.detector.ensemble import Ensemble
from skae.detector.scoring import FoldScorer
from skae.detector.space import CellSpace
from skae.detector.subsets import Subsets
from skae.detector.training import N_REPORTS, train_to_denoise
from skae.training.devices import resolve_device, threads_for
from skae.training.generators import MAX_SEED

# Rows that settle the error scale of a network.
MAX_SCALE_ROWS = 5000
# Errors below this are rounding.
LEAST_ERROR = 1e-10
# Of the steps and of the learning rate in fit, what `update` takes.
UPDATE_STEPS, UPDATE_RATE = 0.3, 0.3
# Weight of the code distance beside the error's 1.
CODE_WEIGHT = 0.5


class DenoisingEnsemble(Ensemble):
    """Networks that reconstruct noisy rows, each trained on a few rows outside its fold.

    Attributes
    ----------
    networks : BatchedMLP
    space : CellSpace
    projections : list of (PCAProjection or None), one per fold
        What the networks see of a wide table.
    grid : torch.Tensor of shape (n_numbers, n_values)
        Usual values of the numeric columns, see `value_grid`.
    codes : torch.Tensor of shape (n_networks, n_rows, n_hidden) or None
        Codes of the rows that each network was trained on, if they count.
    code_weight : float
        Weight of the distance to the nearest of these codes, beside the error's 1.
    error_scales : ndarray of shape (n_networks, 1 or 2)
        Of the error and, if codes count, of the code distance.
    """

    attribute = "network_"

    def __init__(self, config, n_folds):
        # As many for each fold: they score its rows in one batched product.
        self.n_per_fold = math.ceil(config.n_estimators / n_folds)
        super().__init__(config, self.n_per_fold * n_folds, n_folds, N_REPORTS)
        self.device = resolve_device(config.device)

    def __getstate__(self):
        return self.__dict__ | {"_scorers": {}}

    # ---------------------------------------------------------------- learning

    def fit(self, table, folds, sample_weight, rng, tasks, keep_rows):
        config = self.config
        self.space = CellSpace(table.encoder.design_, len(table), self.device)
        self._subsets = Subsets(config, self.space, self.n_folds, self.n_per_fold)
        self._subsets.draw(table, folds, sample_weight, rng)
        self.sizes, self.grid = self._subsets.sizes, self._subsets.grid
        self.projections = self._subsets.projections
        self.code_weight = config.code_weight
        if self.code_weight is None:
            # The code of a wide table knows nothing of what its projection leaves out.
            self.code_weight = 0.0 if self.projections[0] is not None else CODE_WEIGHT
        generator = torch.Generator().manual_seed(rng.randint(MAX_SEED))
        n_networks, _, width = self._subsets.x.shape
        self.networks = BatchedMLP.draw(
            n_networks, width, config.hidden_layer_sizes, generator
        ).to(self.device)
        self._train(config.max_iter, config.learning_rate_init, rng, tasks.report)
        if not keep_rows:
            del self._subsets  # a good part of the memory
        self.error_scales = np.ones((n_networks, 1 if self.codes is None else 2))
        self._set_error_scales(table, np.arange(len(table)), folds, 1.0, rng)

    def update(self, table, folds, flagged, rng):
        rows, config = np.arange(len(folds)), self.config
        if config.max_trim:
            # What is flagged is not learned, where anomalies may hide.
            rows = np.flatnonzero(~flagged)
        if not len(rows):
            return
        folds = folds[rows]
        self._subsets.replace(table, rows, folds, rng)
        n_steps = max(round(UPDATE_STEPS * config.max_iter), 1)
        self._train(n_steps, UPDATE_RATE * config.learning_rate_init, rng, lambda: False)
        # In a stream a chunk counts by its rows.
        weight = len(rows) / (len(rows) + self._subsets.n_seen.mean())
        self._set_error_scales(table, rows, folds, weight, rng)

    def _train(self, n_steps, lr, rng, report):
        """Train the networks on their subsets, and keep the codes of these if they count."""
        subsets, networks = self._subsets, self.networks
        batch_size = min(self.config.batch_size, subsets.x.shape[1])
        generator = torch.Generator(self.device).manual_seed(rng.randint(MAX_SEED))
        networks.requires_grad_(True)
        n_weights = sum(weight.numel() for weight in networks.weights)
        noise = self._noise()
        with threads_for(n_weights * batch_size):
            self.n_iter, stop_reason = train_to_denoise(
                networks, subsets, noise, n_steps, batch_size, lr, generator, report
            )
        networks.requires_grad_(False)
        self.interrupted = stop_reason == "interrupted"
        self.n_diverged = networks.silence_diverged()
        self.codes = networks.encode(subsets.x) if self.code_weight else None
        self._scorers = {}

    def _noise(self):
        """Return the standard deviation of each network's noise, (n_networks, 1, 1)."""
        # All sizes of subsets meet with each noise.
        noise = np.repeat(self.config.noise, len(self.config.max_samples))
        noise = np.tile(np.resize(noise, self.n_per_fold), self.n_folds)
        return torch.tensor(noise, dtype=torch.float32, device=self.device)[:, None, None]

    def _set_error_scales(self, table, rows, folds, weight, rng):
        """Learn the median errors of rows that a network has not seen.

        They count by `weight`, and what is known so far by the rest. A fold without rows
        keeps its error scales, 1 at first.
        """
        medians = self.error_scales.copy()
        for fold in np.unique(folds):
            here = np.sort(rng.permutation(rows[folds == fold])[:MAX_SCALE_ROWS])
            errors = self._map(FoldScorer.errors, table, here, fold, np.float64)
            medians[self.networks_of(fold)] = np.apply_along_axis(_median, 0, errors)
        self.error_scales = self.error_scales ** (1.0 - weight) * medians**weight
        self._scorers = {}

    # ----------------------------------------------------------------- scoring

    def _fold_anomaly(self, table, rows, fold):
        return self._map(FoldScorer.anomaly, table, rows, fold, table.dtype)

    def _fold_explanation(self, table, rows, fold):
        return self._map(FoldScorer.explain, table, rows, fold, table.dtype)

    def _map(self, function, table, rows, fold, dtype):
        """Apply `function(scorer, x, observed)` to rows of one fold, block by block."""
        dtype = np.dtype(np.float32 if self.device.type == "mps" else dtype)
        if (fold, dtype) not in self._scorers:
            self._scorers[fold, dtype] = FoldScorer(self, fold, dtype)
        scorer, results = self._scorers[fold, dtype], []
        with torch.no_grad():
            for block in gen_batches(len(rows), scorer.block_size):
                design, observed = table.tensors(rows[block], dtype, self.device)
                result = function(scorer, self.space.enter(design), observed)
                results.append(result.cpu().numpy())
        return np.concatenate(results).astype(np.float64, copy=False)


def _median(errors):
    """Return the median of the errors that are more than rounding; 1 if there are none."""
    errors = errors[errors > LEAST_ERROR]
    return float(np.median(errors)) if len(errors) else 1.0
