"""The detector's own networks: small denoising autoencoders, trained as one model."""

import copy
import math

import numpy as np
import torch
from sklearn.utils import gen_batches

from skae.attribution.counterfactual import N_SUSPECTS, attribute_by_search
from skae.detector.batched_mlp import BatchedMLP
from skae.detector.ensemble import Ensemble
from skae.detector.joint_scoring import JointScorer
from skae.detector.outcome import Outcome
from skae.detector.scoring import FoldScorer, Judges
from skae.detector.subsets import Subsets
from skae.detector.training import N_REPORTS, train_to_denoise
from skae.table.row_blocks import row_blocks
from skae.training.devices import resolve_device, threads_for
from skae.training.generators import MAX_SEED
from skae.training.workers import ALONE

# Rows that settle the error scale of a network.
MAX_SCALE_ROWS = 5000
# Errors below this are rounding.
LEAST_ERROR = 1e-10
# Design cells of the rows that are tried at a time, to explain others.
MAX_TRIED_CELLS = 2_000_000
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
        self.sizes = self._subsets.sizes
        self.spaces, self.projections = self._subsets.spaces, self._subsets.projections
        self.code_weight = config.code_weight
        if self.code_weight is None and not config.keep_training_values:
            self.code_weight = 0.0
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

        rate = config.learning_rate_init
        self._train(config.max_iter, rate, rng, report, tasks.workers)
        if not keep_rows:
            del self._subsets  # a good part of the memory
        self.set_error_scales([(table, folds)], 1.0, rng)

    def branch(self):
        ensemble = copy.copy(self)
        ensemble.networks = copy.deepcopy(self.networks)
        ensemble._subsets = self._subsets.copy()
        return ensemble

    def move_to(self, device):
        self.device, self._scorers = device, {}
        self.networks.to(device)
        self.codes = None if self.codes is None else self.codes.to(device)
        for part in (*self.spaces, *self.projections):
            if part is not None:
                part.move_to(device)
        if "_subsets" in vars(self):  # it shares spaces and projections
            self._subsets.move_to(device)

    def update(self, table, folds, flagged, rng):
        rows, config = np.arange(len(folds)), self.config
        if config.max_trim:
            # What is flagged is not learned, where anomalies may hide.
            rows = np.flatnonzero(~flagged)
        self._subsets.replace(table, rows, folds[rows], rng, config.window_size)
        n_steps = max(round(UPDATE_STEPS * config.max_iter), 1)
        rate = UPDATE_RATE * config.learning_rate_init
        self._train(n_steps, rate, rng, lambda: False)

    def _train(self, n_steps, lr, rng, report, workers=ALONE):
        """Train the networks on their subsets; every worker trains some of them."""
        subsets, noise = self._subsets, self._noise()
        batch_size = min(self.config.batch_size, subsets.x.shape[1])
        seed = rng.randint(MAX_SEED) + workers.rank
        generator = torch.Generator(self.device).manual_seed(seed)
        own = workers.part(self.networks.n_networks)
        networks = self.networks.select(own, torch.float32).requires_grad_(True)
        n_weights = sum(weight.numel() for weight in networks.weights)
        self.loss_curve = []
        with threads_for(n_weights * batch_size):
            stop_reason = train_to_denoise(
                networks,
                subsets.part(own),
                noise[own],
                n_steps,
                batch_size,
                lr,
                generator,
                self.loss_curve,
                report,
            )
        stop_reason = self._take(networks, stop_reason, workers)
        n_diverged = self._follow_weights()
        outcome = Outcome(self.loss_curve, stop_reason, n_diverged)
        outcome.check(self.networks, subsets, noise)
        self._warning = outcome.warning(self.config, n_steps)

    def _take(self, networks, stop_reason, workers):
        """Take over the networks that the workers have trained; return why they stopped."""
        if workers.size == 1:
            return stop_reason
        tensors = [tensor.detach().cpu() for tensor in networks.parameters()]
        trained = workers.gathered((tensors, self.loss_curve, stop_reason))
        of_workers, curves, reasons = zip(*trained, strict=True)
        sizes = [len(tensors[0]) for tensors in of_workers]
        with torch.no_grad():
            for own, parts in zip(
                self.networks.parameters(), zip(*of_workers, strict=True), strict=True
            ):
                own.copy_(torch.cat(parts))
        curves = [c for c, size in zip(curves, sizes, strict=True) if size]
        weights = [size for size in sizes if size]
        self.loss_curve = np.average(curves, axis=0, weights=weights).tolist()
        return next((reason for reason in reasons if reason != "steps"), "steps")

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
                self._map("errors", [fold], table, np.sort(rows))[:, 0]
                for table, rows in _some_of_fold(parts, fold, rng)
            ]
            if errors:
                errors = np.concatenate(errors)
                medians[self.networks_of(fold)] = np.apply_along_axis(_median, 0, errors)
        self.error_scales = self.error_scales ** (1.0 - weight) * medians**weight
        self._scorers = {}

    # ----------------------------------------------------------------- scoring

    def anomaly(self, table, rows, fold):
        return self._map("anomaly", [fold], table, rows)[:, 0]

    def fold_anomalies(self, table, rows):
        return self._map("anomaly", range(self.n_folds), table, rows, self._joint_scorer)

    def explain(self, table, rows, max_columns):
        design, explained = table.encoder.design_, []
        # In half the precision, hence time; the anomaly itself is that of the scores.
        scorers = [self._scorer(fold, np.dtype(np.float32)) for fold in range(self.n_folds)]

        def judge(x, states):
            by_fold = [scorer.judge(x, states) for scorer in scorers]
            return [sum(parts) / len(scorers) for parts in zip(*by_fold, strict=True)]

        n_tried = min(max_columns or N_SUSPECTS, design.n_features)
        n_rows = max(MAX_TRIED_CELLS // (n_tried * max(design.n_outputs, 1)), 1)
        with torch.no_grad():
            for block in gen_batches(len(rows), n_rows):
                anomaly = self.fold_anomalies(table, rows[block]).mean(axis=1)
                x, states = table.tensors(rows[block], self._dtype, self.device)
                x = x[:, : design.n_outputs]
                errors = sum(s.cell_errors(x.float(), states) for s in scorers)
                contributions, expected = attribute_by_search(
                    judge, x.new_tensor(anomaly), errors, x, states, design, max_columns
                )
                contributions = design.sum_to_columns(contributions)
                output = design.to_output(expected).cpu().double()
                explained.append(torch.cat([contributions.cpu(), output], dim=1).numpy())
        return np.concatenate(explained)

    def _map(self, method, folds, table, rows, joint=None):
        """Return what a method of the folds' scorers says of rows, (n, n_folds, ...).

        `joint` says it in their place where all cells are observed.
        """
        scorers = [self._scorer(fold, self._dtype) for fold in folds]
        size, results = min(scorer.block_size for scorer in scorers), []
        with torch.no_grad():
            # Bare: a single row is all that some services ask for at a time.
            for block in row_blocks(len(rows), size):
                x, states = table.tensors(rows[block], self._dtype, self.device)
                if joint is not None and states is None:
                    results.append(joint.anomaly(x).cpu().numpy())
                    continue
                of_folds = [getattr(scorer, method)(x, states) for scorer in scorers]
                results.append(torch.stack(of_folds, dim=1).cpu().numpy())
        return np.concatenate(results).astype(np.float64, copy=False)

    def _judges(self, dtype):
        return self._cached(dtype, lambda: Judges(self, getattr(torch, dtype.name)))

    def _scorer(self, fold, dtype):
        def make():
            judges = self._judges(dtype).of(self.networks_of(fold))
            return FoldScorer(judges, self.spaces[fold], self.projections[fold])

        return self._cached((fold, dtype), make)

    @property
    def _joint_scorer(self):
        """The folds' scorers as one, or None where they do not differ in units alone."""
        projected = self.projections[0] is not None
        if projected or not all(space.knows_all_levels for space in self.spaces):
            return None
        return self._cached(
            "joint", lambda: JointScorer(self._judges(self._dtype), self.spaces)
        )

    def _cached(self, key, make):
        """Return what was made of the weights under a key, made at first use."""
        if key not in self._scorers:
            self._scorers[key] = make()
        return self._scorers[key]

    @property
    def _dtype(self):
        """Of the rows that are scored: a row's score hardly depends on those beside it."""
        return np.dtype(np.float32 if self.device.type == "mps" else np.float64)


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
