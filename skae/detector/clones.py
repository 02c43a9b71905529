"""Clones of a transformer that the user chose, as the detector's networks."""

import warnings

import narwhals.stable.v2 as nw
import numpy as np
import torch
from sklearn.base import clone

from skae.detector.ensemble import COLUMN_PARAMETERS, Ensemble
from skae.detector.folds import rows_outside
from skae.table.validation import as_frame
from skae.training.generators import MAX_SEED

# Errors below this are rounding, and one as good as the other.
LEAST_ERROR = 1e-12


class CloneEnsemble(Ensemble):
    """Clones of an estimator, each trained on a part of the rows outside its fold.

    The table is encoded for its hashes only: a clone learns its own columns, from its own
    rows, and encodes what it is given itself.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Not fitted.
    encoder : TableEncoder
        Fitted.
    size : int or float
        Rows that a clone is trained on, or the proportion of the rows outside its fold.
    n_networks, n_folds : int
    rng : numpy.random.RandomState
        Source of the clones' seeds.

    Attributes
    ----------
    estimators : list of BaseAutoencoder
    """

    def __init__(self, estimator, encoder, size, n_networks, n_folds, rng):
        super().__init__(encoder, n_networks, n_folds)
        self.size = size
        seeds = dict.fromkeys(range(n_networks))
        for network in self._by_turns():
            seeds[network] = rng.randint(MAX_SEED)
        self.estimators = [
            clone(estimator).set_params(random_state=seed) for seed in seeds.values()
        ]

    @classmethod
    def for_detector(cls, detector, config, encoder, n_samples, n_folds, device, rng):
        estimator, (size,) = detector.estimator, config.max_samples
        if detector.device != "auto":
            estimator = clone(estimator).set_params(device=detector.device)
        return cls(estimator, encoder, size, config.n_estimators, n_folds, rng)

    @classmethod
    def column_parameters(cls, detector):
        return {name: getattr(detector.estimator, name) for name in COLUMN_PARAMETERS}

    def fitted_attributes(self):
        return {"estimators_": self.estimators, "device_": self.estimators[0].device_}

    # ---------------------------------------------------------------- learning

    @property
    def n_tasks(self):
        return self.n_networks

    @property
    def n_iter(self):
        return max(estimator.n_iter_ for estimator in self.estimators)

    def fit(self, table, folds, sample_weight, rng, tasks, keep_rows=False):
        self.sizes = np.zeros(self.n_networks, dtype=int)
        interrupted = False
        for network in self._by_turns():
            estimator = self.estimators[network]
            rows = rows_outside(folds, self.left_out[network], self.n_folds)
            rows = rng.permutation(rows)[: self._n_rows(len(rows))]
            self.sizes[network] = len(rows)
            weight = None if sample_weight is None else sample_weight[rows]
            if interrupted:
                # Ctrl-C ends the fit: the networks to come hardly leave their start.
                estimator.set_params(max_iter=1)
            with tasks.network(estimator), warnings.catch_warnings():
                # A part may well lack all cells of a column.
                warnings.filterwarnings("ignore", message="All cells of columns")
                estimator.fit(self._part(table, rows), sample_weight=weight)
            interrupted = interrupted or estimator.net_.stop_reason_ == "interrupted"
        self.error_scales, self._n_seen = np.ones(self.n_networks), 0
        self._update_error_scales(table, folds)
        return self

    def update(self, table, folds, flagged, rng):
        for network, estimator in enumerate(self.estimators):
            rows = rows_outside(folds, self.left_out[network], self.n_folds)
            if len(rows):
                estimator.partial_fit(self._part(table, rows))
        self._update_error_scales(table, folds)

    def _by_turns(self):
        """Return the numbers of the networks, one of each fold by turns.

        So a fit that is interrupted leaves trained networks for every fold.
        """
        turns = [i - self.networks_of(fold)[0] for i, fold in enumerate(self.left_out)]
        return np.argsort(turns, kind="stable")

    def _n_rows(self, n_outside):
        if isinstance(self.size, int):
            return self.size
        return max(round(self.size * n_outside), 2)

    def _part(self, table, rows):
        """Return some rows, as the user would give them to an estimator."""
        part = self.encoder.declare(table.cells(rows))
        return part.to_native() if isinstance(part, nw.DataFrame) else part

    def _update_error_scales(self, table, folds):
        # In a stream a chunk counts by its rows; a fold without rows keeps what it knew.
        weight = len(folds) / (len(folds) + self._n_seen)
        self._n_seen += len(folds)
        for network, estimator in enumerate(self.estimators):
            rows = np.flatnonzero(folds == self.left_out[network])
            if len(rows):
                errors = estimator._errors(table.cells(rows))
                scale = max(float(np.median(errors)), LEAST_ERROR)
                known = self.error_scales[network]
                self.error_scales[network] = known ** (1.0 - weight) * scale**weight

    # ----------------------------------------------------------------- scoring

    def _fold_anomaly(self, table, rows, fold):
        cells = table.cells(rows)
        errors = [
            self.estimators[network]._errors(cells) / self.error_scales[network]
            for network in self.networks_of(fold)
        ]
        return np.mean(np.log2(1.0 + np.array(errors)), axis=0)

    def _fold_explanation(self, table, rows, fold):
        cells, design = table.cells(rows), self.encoder.design_
        networks = self.networks_of(fold)
        contributions, expected = np.zeros((len(rows), design.n_features)), []
        for network in networks:
            estimator = self.estimators[network]
            errors, output = estimator._explain(cells)
            total = errors.sum(axis=1)
            score = np.log2(1.0 + total / self.error_scales[network]) / len(networks)
            errors *= (score / np.maximum(total, np.finfo(float).tiny))[:, None]
            contributions += errors
            expected.append(self._design(estimator._table.decode(output, np.float64)))
        expected, n_numbers = np.stack(expected), design.numeric.width
        numbers = np.median(expected[..., :n_numbers], axis=0)
        rows = np.hstack([numbers, expected[..., n_numbers:].mean(axis=0)])
        return contributions, design.to_output(torch.from_numpy(rows)).numpy()

    def _design(self, rows):
        """Return decoded rows of a clone in the detector's design matrix."""
        frame = as_frame(rows)
        design, _ = self.encoder.encode(rows if frame is None else frame, np.float64)
        return design[:, : self.encoder.design_.n_outputs]
