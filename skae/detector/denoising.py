"""The detector's own networks: small denoising autoencoders, trained as one model."""

import math

import numpy as np
import torch
from sklearn.utils import gen_batches

from skae.detector.batched_mlp import BatchedMLP
from skae.detector.ensemble import COLUMN_PARAMETERS, Ensemble
from skae.detector.scoring import FoldScorer
from skae.detector.space import CellSpace
from skae.detector.subsets import Subsets
from skae.detector.training import N_REPORTS, train_to_denoise
from skae.training.devices import threads_for

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

    Parameters
    ----------
    config : DetectorConfig
    encoder : TableEncoder
        Fitted.
    n_samples : int
        Rows in fit.
    n_folds : int
    device : torch.device

    Attributes
    ----------
    networks : BatchedMLP
    codes : torch.Tensor of shape (n_networks, n_rows, n_hidden) or None
        Codes of the rows that each network was trained on, if they count.
    error_scales : torch.Tensor of shape (n_networks, 1 or 2)
        Of the error and, if codes count, of the code distance.
    """

    def __init__(self, config, encoder, n_samples, n_folds, device):
        # As many for each fold: they score its rows in one batched product.
        self.n_per_fold = math.ceil(config.n_estimators / n_folds)
        super().__init__(encoder, self.n_per_fold * n_folds, n_folds)
        self.config, self.device = config, device
        self.space = CellSpace(encoder.design_, n_samples, device)
        self.error_scales, self._scorers = None, {}

    @classmethod
    def for_detector(cls, detector, config, encoder, n_samples, n_folds, device, rng):
        return cls(config, encoder, n_samples, n_folds, device)

    @classmethod
    def column_parameters(cls, detector):
        return {name: getattr(detector, name) for name in COLUMN_PARAMETERS}

    def fitted_attributes(self):
        return {"network_": self.networks, "device_": self.device}

    def __getstate__(self):
        return self.__dict__ | {"_scorers": {}}

    # ---------------------------------------------------------------- learning

    n_tasks = N_REPORTS

    def fit(self, table, folds, sample_weight, rng, tasks, keep_rows=False):
        config = self.config
        subsets = Subsets(config, self.space, self.n_folds, self.n_per_fold, self.device)
        subsets.draw(table, folds, sample_weight, rng)
        self.sizes, self.grid = subsets.sizes, subsets.grid
        self.projections = subsets.projections
        self.code_weight = config.code_weight
        if self.code_weight is None:
            # The code of a wide table knows nothing of what its projection leaves out.
            self.code_weight = 0.0 if self.projections[0] is not None else CODE_WEIGHT
        generator = torch.Generator().manual_seed(rng.randint(2**31 - 1))
        n_networks, _, width = subsets.x.shape
        self.networks = BatchedMLP.draw(
            n_networks, width, config.hidden_layer_sizes, generator
        ).to(self.device)
        self._train(subsets, config.max_iter, config.learning_rate_init, rng, tasks.report)
        self._learn_codes(subsets)
        self._subsets = subsets if keep_rows else None
        del subsets  # its rows are a good part of the memory
        self.error_scales = self._median_errors(table, np.arange(len(table)), folds, rng)
        self._scorers = {}
        return self

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
        learning_rate = UPDATE_RATE * config.learning_rate_init
        self._train(self._subsets, n_steps, learning_rate, rng, lambda: False)
        self._learn_codes(self._subsets)
        # In a stream a chunk counts by its rows.
        weight = len(rows) / (len(rows) + self._subsets.n_seen)
        scales = self._median_errors(table, rows, folds, rng)
        self.error_scales = self.error_scales ** (1.0 - weight) * scales**weight
        self._scorers = {}

    def _train(self, subsets, n_steps, learning_rate, rng, report):
        n_networks, n_rows, _ = subsets.x.shape
        batch_size = min(self.config.batch_size, n_rows)
        generator = torch.Generator(self.device).manual_seed(rng.randint(2**31 - 1))
        self.networks.requires_grad_(True)
        n_weights = sum(weight.numel() for weight in self.networks.weights) // n_networks
        with threads_for(n_weights * n_networks * batch_size):
            self.n_iter, stop_reason = train_to_denoise(
                self.networks,
                subsets.x,
                subsets.mask,
                self._noise(),
                n_steps,
                batch_size,
                learning_rate,
                generator,
                report,
            )
        self.networks.requires_grad_(False)
        self.interrupted = stop_reason == "interrupted"
        self.n_diverged = self.networks.silence_diverged()
        self._scorers = {}

    def _noise(self):
        """Return the standard deviation of each network's noise, (n_networks, 1, 1)."""
        noise, n_sizes = self.config.noise, len(self.config.max_samples)
        per_fold = [noise[i // n_sizes % len(noise)] for i in range(self.n_per_fold)]
        per_fold = torch.tensor(per_fold, dtype=torch.float32, device=self.device)
        return per_fold.repeat(self.n_folds)[:, None, None]

    def _learn_codes(self, subsets):
        """Keep the codes of the training rows, if they count."""
        self.codes = self.networks.encode(subsets.x) if self.code_weight else None

    def _median_errors(self, table, rows, folds, rng):
        """Return the median errors of rows that a network has not seen.

        For a fold without rows, the error scales that it has, 1 at first.

        Returns
        -------
        medians : torch.Tensor of shape (n_networks, 1 or 2)
        """
        n_errors = 1 + (self.codes is not None)
        medians = np.ones((self.n_networks, n_errors))
        if self.error_scales is not None:
            medians = self.error_scales.cpu().numpy().copy()
        for fold in range(self.n_folds):
            here = rows[folds == fold]
            if not len(here):
                continue
            here = np.sort(rng.permutation(here)[:MAX_SCALE_ROWS])
            errors = self._map(FoldScorer.errors, table, here, fold, np.float64)
            for i, network in enumerate(self.networks_of(fold)):
                for k in range(n_errors):
                    medians[network, k] = _median(errors[:, i, k])
        return torch.from_numpy(medians).to(self.device)

    # ----------------------------------------------------------------- scoring

    def _fold_anomaly(self, table, rows, fold):
        return self._map(FoldScorer.anomaly, table, rows, fold, table.dtype)

    def _fold_explanation(self, table, rows, fold):
        n_features = self.encoder.design_.n_features

        def explain(scorer, x, observed):
            return scorer.explain(x, observed, self.grid)

        explained = self._map(explain, table, rows, fold, table.dtype)
        return explained[:, :n_features], explained[:, n_features:]

    def _map(self, function, table, rows, fold, dtype):
        """Apply `function(scorer, x, observed)` to rows of one fold, block by block."""
        if self.device.type == "mps":
            dtype = np.float32
        scorer, results = self._scorer(fold, np.dtype(dtype)), []
        with torch.no_grad():
            for block in gen_batches(len(rows), scorer.block_size):
                design, observed = table.tensors(rows[block], dtype, self.device)
                result = function(scorer, self.space.enter(design), observed)
                results.append(result.cpu().numpy())
        return np.concatenate(results).astype(np.float64, copy=False)

    def _scorer(self, fold, dtype):
        if (fold, dtype) not in self._scorers:
            networks = slice(fold * self.n_per_fold, (fold + 1) * self.n_per_fold)
            precision = torch.float64 if dtype == np.float64 else torch.float32
            codes, scales = (
                None if tensor is None else tensor[networks].to(precision)
                for tensor in (self.codes, self.error_scales)
            )
            self._scorers[fold, dtype] = FoldScorer(
                self.networks.select(networks, precision),
                self.projections[fold],
                self.space,
                codes,
                self.code_weight,
                scales,
            )
        return self._scorers[fold, dtype]


def _median(errors):
    """Return the median of the errors that are more than rounding; 1 if there are none."""
    errors = errors[errors > LEAST_ERROR]
    return float(np.median(errors)) if len(errors) else 1.0
