"""Clones of a transformer that the user chose, as the detector's networks."""

import warnings

import narwhals.stable.v2 as nw
import numpy as np
import torch
from sklearn.base import clone

from skae.detector.ensemble import Ensemble, n_drawn
from skae.detector.folds import rows_outside
from skae.table.declaring import declare
from skae.table.validation import as_frame
from skae.training.generators import MAX_SEED

# Errors below this are rounding, and one as good as the other.
LEAST_ERROR = 1e-12


class CloneEnsemble(Ensemble):
    """Clones of an estimator, each trained on a part of the rows outside its fold.

    The table is encoded for its hashes only: a clone learns its own columns, from its own
    rows, and encodes what it is given itself.

    Attributes
    ----------
    networks : list of BaseAutoencoder
    """

    attribute = "estimators_"

    def __init__(self, config, n_folds):
        super().__init__(config, config.n_estimators, n_folds, config.n_estimators)

    @property
    def device(self):
        return self.networks[0].device_

    @property
    def n_iter(self):
        return max(estimator.n_iter_ for estimator in self.networks)

    # ---------------------------------------------------------------- learning

    def fit(self, table, folds, sample_weight, rng, tasks, keep_rows):
        config, turns = self.config, self._by_turns()
        params = {} if config.device == "auto" else {"device": config.device}
        seeds = np.empty(self.n_networks, dtype=int)
        seeds[turns] = rng.randint(MAX_SEED, size=self.n_networks)
        self.networks = [
            clone(config.estimator).set_params(random_state=seed, **params)
            for seed in seeds.tolist()
        ]
        self.sizes, (size,) = np.zeros(self.n_networks, dtype=int), config.max_samples
        interrupted = False
        for network in turns:
            estimator = self.networks[network]
            rows = rows_outside(folds, self.left_out[network], self.n_folds)
            rows = rng.permutation(rows)[: n_drawn(size, len(rows))]
            self.sizes[network] = len(rows)
            weight = None if sample_weight is None else sample_weight[rows]
            if interrupted:
                # Ctrl-C ends the fit: the networks to come hardly leave their start.
                estimator.set_params(max_iter=1)
            with tasks.network(estimator), warnings.catch_warnings():
                # A part may well lack all cells of a column, or hold its levels once.
                warnings.filterwarnings("ignore", message="All cells of columns")
                warnings.filterwarnings("ignore", message="Columns .* hold identifiers")
                estimator.fit(_part(table, rows), sample_weight=weight)
            interrupted = interrupted or estimator.net_.stop_reason_ == "interrupted"
        self.error_scales, self._n_seen = np.ones(self.n_networks), 0
        self._update_error_scales(table, folds)

    def update(self, table, folds, flagged, rng):
        for fold, estimator in zip(self.left_out, self.networks, strict=True):
            rows = rows_outside(folds, fold, self.n_folds)
            if len(rows):
                estimator.partial_fit(_part(table, rows))
        self._update_error_scales(table, folds)

    def _by_turns(self):
        """Return the numbers of the networks, one of each fold by turns.

        So a fit that is interrupted leaves trained networks for every fold.
        """
        order = np.argsort(np.arange(self.n_networks) % self.n_folds, kind="stable")
        return np.argsort(order)

    def _update_error_scales(self, table, folds):
        # In a stream a chunk counts by its rows; a fold without rows keeps what it knew.
        weight = len(folds) / (len(folds) + self._n_seen)
        self._n_seen += len(folds)
        for network, estimator in enumerate(self.networks):
            rows = np.flatnonzero(folds == self.left_out[network])
            if len(rows):
                errors = estimator._errors(table.cells(rows))
                scale = max(float(np.median(errors)), LEAST_ERROR)
                known = self.error_scales[network]
                self.error_scales[network] = known ** (1.0 - weight) * scale**weight

    # ----------------------------------------------------------------- scoring

    def _fold_anomaly(self, table, rows, fold):
        cells, of_fold = table.cells(rows), self.networks_of(fold)
        errors = np.array(
            [estimator._errors(cells) for estimator in self.networks[of_fold]]
        )
        return np.log2(1.0 + errors / self.error_scales[of_fold, None]).mean(axis=0)

    def _fold_explanation(self, table, rows, fold):
        cells, design = table.cells(rows), table.encoder.design_
        networks = self.networks[self.networks_of(fold)]
        scales = self.error_scales[self.networks_of(fold)]
        contributions, expected = np.zeros((len(rows), design.n_features)), []
        for estimator, scale in zip(networks, scales, strict=True):
            errors, output = estimator._explain(cells)
            total = errors.sum(axis=1)
            score = np.log2(1.0 + total / scale) / len(networks)
            errors *= (score / np.maximum(total, np.finfo(float).tiny))[:, None]
            contributions += errors
            decoded = estimator._table.decode(output, np.float64)
            frame = as_frame(decoded)
            decoded = decoded if frame is None else frame
            expected.append(table.encoder.encode(decoded, np.float64)[0])
        expected, n_numbers = np.stack(expected), design.numeric.width
        numbers = np.median(expected[..., :n_numbers], axis=0)
        levels = expected[..., n_numbers : design.n_outputs].mean(axis=0)
        output = design.to_output(torch.from_numpy(np.hstack([numbers, levels])))
        return np.hstack([contributions, output.numpy()])


def _part(table, rows):
    """Return some rows, as the user would give them to an estimator."""
    part = declare(table.encoder, table.cells(rows))
    return part.to_native() if isinstance(part, nw.DataFrame) else part
