"""The detector's own networks: small denoising autoencoders, trained as one model."""

import copy
import math
from functools import partial

import numpy as np
import torch
from sklearn.utils import gen_batches

from skae.attribution.counterfactual import attribute_by_search
from skae.detector.batched_mlp import BatchedMLP
from skae.detector.ensemble import Ensemble
from skae.detector.outcome import Outcome
from skae.detector.scoring import FoldScorer
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
CODE_WEIGHT = 1.0


class DenoisingEnsemble(Ensemble):
    """Networks that reconstruct noisy rows, each trained on a few rows outside its fold.

    Attributes
    ----------
    networks : BatchedMLP
    spaces : list of CellSpace, one per fold
    projections : list of (PCAProjection or None), one per fold
        What the networks see of a wide table.
    grid : torch.Tensor of shape (n_numbers, n_values)
        Usual values of the numeric columns in the design matrix, see `value_grid`.
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
        self._subsets = Subsets(config, self.device, self.n_folds, self.n_per_fold)
        self._subsets.draw(table, folds, sample_weight, rng)
        self.sizes, self.grid = self._subsets.sizes, self._subsets.grid
        self.spaces, self.projections = self._subsets.spaces, self._subsets.projections
        self.code_weight = config.code_weight
        if self.code_weight is None:
            # The code of a wide table knows nothing of what its projection leaves out.
            self.code_weight = 0.0 if self.projections[0] is not None else CODE_WEIGHT
        generator = torch.Generator().manual_seed(rng.randint(MAX_SEED))
        n_networks, _, width = self._subsets.x.shape
        self.networks = BatchedMLP.draw(
            n_networks, width, config.hidden_layer_sizes, generator
        ).to(self.device)
        self.error_scales = np.ones((n_networks, 2 if self.code_weight else 1))

        def trained(rng):
            ensemble = copy.copy(self)
            ensemble.networks = copy.deepcopy(self.networks)
            ensemble.loss_curve = self.loss_curve.copy()
            ensemble._follow_weights()
            ensemble.set_error_scales([(table, folds)], 1.0, rng)
            return ensemble

        def report():
            return tasks.report(self.loss_curve, config.max_iter, trained)

        self._train(config.max_iter, config.learning_rate_init, rng, report)
        if not keep_rows:
            del self._subsets  # a good part of the memory
        self.set_error_scales([(table, folds)], 1.0, rng)

    def update(self, table, folds, flagged, rng):
        rows, config = np.arange(len(folds)), self.config
        if config.max_trim:
            # What is flagged is not learned, where anomalies may hide.
            rows = np.flatnonzero(~flagged)
        self._subsets.replace(table, rows, folds[rows], rng, config.window_size)
        n_steps = max(round(UPDATE_STEPS * config.max_iter), 1)
        rate = UPDATE_RATE * config.learning_rate_init
        self._train(n_steps, rate, rng, lambda: False)

    def _train(self, n_steps, lr, rng, report):
        """Train the networks on their subsets."""
        subsets, networks = self._subsets, self.networks
        batch_size = min(self.config.batch_size, subsets.x.shape[1])
        generator = torch.Generator(self.device).manual_seed(rng.randint(MAX_SEED))
        networks.requires_grad_(True)
        n_weights = sum(weight.numel() for weight in networks.weights)
        noise = self._noise()
        self.loss_curve = []
        with threads_for(n_weights * batch_size):
            stop_reason = train_to_denoise(
                networks,
                subsets,
                noise,
                n_steps,
                batch_size,
                lr,
                generator,
                self.loss_curve,
                report,
            )
        n_diverged = self._follow_weights()
        outcome = Outcome(self.loss_curve, stop_reason, n_diverged)
        outcome.check(networks, subsets, noise)
        self._warning = outcome.warning(self.config, n_steps)

    def _follow_weights(self):
        """Learn what follows from the weights; return how many networks have diverged."""
        networks = self.networks.requires_grad_(False)
        n_diverged = networks.silence_diverged()
        self.codes = networks.encode(self._subsets.x) if self.code_weight else None
        self._scorers = {}
        return n_diverged

    @property
    def n_iter(self):
        return len(self.loss_curve)

    def how_it_ended(self):
        return self._warning

    def _noise(self):
        """Return the standard deviation of each network's noise, (n_networks, 1, 1)."""
        # All sizes of subsets meet with each noise.
        noise = np.repeat(self.config.noise, len(self.config.max_samples))
        noise = np.tile(np.resize(noise, self.n_per_fold), self.n_folds)
        return torch.tensor(noise, dtype=torch.float32, device=self.device)[:, None, None]

    def set_error_scales(self, parts, weight, rng):
        medians = self.error_scales.copy()
        for fold in range(self.n_folds):
            errors = [
                self._map("errors", fold, table, np.sort(rows))
                for table, rows in _some_of_fold(parts, fold, rng)
            ]
            if errors:
                errors = np.concatenate(errors)
                medians[self.networks_of(fold)] = np.apply_along_axis(_median, 0, errors)
        self.error_scales = self.error_scales ** (1.0 - weight) * medians**weight
        self._scorers = {}

    # ----------------------------------------------------------------- scoring

    def anomaly(self, table, rows, fold):
        return self._map("anomaly", fold, table, rows)

    def explain(self, table, rows):
        design, explained = table.encoder.design_, []
        scorers = [self._scorer(fold) for fold in range(self.n_folds)]

        def mean(method, rows, states):
            return sum(getattr(s, method)(rows, states) for s in scorers) / len(scorers)

        with torch.no_grad():
            for x, states in self._batches(table, rows, scorers[0].block_size):
                contributions, expected = attribute_by_search(
                    partial(mean, "anomaly"),
                    mean("cell_errors", x, states),
                    x,
                    states,
                    design,
                    self.grid,
                )
                output = design.to_output(expected)
                explained.append(torch.cat([contributions, output], dim=1).cpu().numpy())
        return np.concatenate(explained).astype(np.float64, copy=False)

    def _map(self, method, fold, table, rows):
        """Apply a method of a fold's scorer to rows, block by block."""
        scorer = self._scorer(fold)
        function = getattr(scorer, method)
        with torch.no_grad():
            results = [
                function(x, states).cpu().numpy()
                for x, states in self._batches(table, rows, scorer.block_size)
            ]
        return np.concatenate(results).astype(np.float64, copy=False)

    def _scorer(self, fold):
        if fold not in self._scorers:
            self._scorers[fold] = FoldScorer(self, fold, getattr(torch, self._dtype.name))
        return self._scorers[fold]

    @property
    def _dtype(self):
        """Of the rows that are scored: a row's score hardly depends on those beside it."""
        return np.dtype(np.float32 if self.device.type == "mps" else np.float64)

    def _batches(self, table, rows, size):
        for block in gen_batches(len(rows), size):
            yield table.tensors(rows[block], self._dtype, self.device)


def _some_of_fold(parts, fold, rng):
    """Yield tables and rows of a fold, about `MAX_SCALE_ROWS` in all."""
    n_rows = sum(int((folds == fold).sum()) for _, folds in parts)
    for table, folds in parts:
        rows = np.flatnonzero(folds == fold)
        if n_rows > MAX_SCALE_ROWS:
            rows = rng.permutation(rows)[: -(-MAX_SCALE_ROWS * len(rows) // n_rows)]
        if len(rows):
            yield table, rows


def _median(errors):
    """Return the median of the errors that are more than rounding; 1 if there are none."""
    errors = errors[errors > LEAST_ERROR]
    return float(np.median(errors)) if len(errors) else 1.0
