"""Clones of a transformer that the user chose, as the detector's networks."""

import copy
from functools import partial

import numpy as np
import torch
from sklearn.base import clone

from skae.attribution.division import keep_largest
from skae.detector.ensemble import Ensemble, n_drawn
from skae.detector.folds import rows_outside
from skae.table.blocks import MISSING
from skae.table.declaring import declare
from skae.table.frame import Frame
from skae.training.callback_copies import with_own_files
from skae.training.generators import MAX_SEED
from skae.training.skorch_callbacks import refuse_initial_state

# Errors below this are rounding, and one as good as the other.
LEAST_ERROR = 1e-12


class CloneEnsemble(Ensemble):
    """Clones of an estimator, each trained on a part of the rows outside its fold.

    The table is encoded to tell equal rows only: a clone learns its own columns, from its
    own rows, and encodes what it is given itself.

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

    @property
    def loss_curve(self):
        curves = [e.loss_curve_ for e in self.networks if e.loss_curve_]
        n_epochs = max(map(len, curves), default=0)
        # A clone that has stopped counts by its last loss.
        padded = [curve + curve[-1:] * (n_epochs - len(curve)) for curve in curves]
        return np.mean(padded, axis=0).tolist() if curves else []

    # ---------------------------------------------------------------- learning

    def fit(self, table, folds, sample_weight, rng, tasks, keep_rows):
        config, turns = self.config, self._by_turns()
        refuse_initial_state(config.estimator.callbacks)
        params = {} if config.device == "auto" else {"device": config.device}
        seeds = np.empty(self.n_networks, dtype=int)
        seeds[turns] = rng.randint(MAX_SEED, size=self.n_networks)
        self.networks = [
            clone(config.estimator).set_params(random_state=seed, **params)
            for seed in seeds.tolist()
        ]
        for number, network in enumerate(self.networks, start=1):
            network.callbacks = with_own_files(network.callbacks, f"network_{number}_")
            if hasattr(network, "sampler"):
                # A detector draws no rows; to learn how takes longer than the scores do.
                network.set_params(sampler="codes", match_marginals=False)
        self.sizes, (size,) = np.zeros(self.n_networks, dtype=int), config.max_samples
        self.error_scales, workers = np.ones(self.n_networks), tasks.workers
        given = table, folds, sample_weight
        n_fitted = workers.agreed(lambda: self._fit_clones(turns, size, given, rng, tasks))
        own = {network: self.networks[network] for network in turns[self._own(workers)]}
        for fitted in workers.gathered(own):
            for network, estimator in fitted.items():
                self.networks[network] = estimator
        self._keep(turns[:n_fitted])
        self.set_error_scales([(table, folds)], 1.0, rng)

    @staticmethod
    def _own(workers):
        """Return which turns are a worker's, a slice."""
        return slice(workers.rank, None, workers.size)

    def _fit_clones(self, turns, size, given, rng, tasks):
        """Fit this worker's clones; return how many have had their turn, others' included."""
        table, folds, sample_weight = given
        own, stop, interrupted = set(turns[self._own(tasks.workers)]), False, False
        for n_fitted, network in enumerate(turns.tolist(), start=1):
            estimator = self.networks[network]
            rows = rows_outside(folds, self.left_out[network], self.n_folds)
            rows = rng.permutation(rows)[: n_drawn(size, len(rows))]
            self.sizes[network] = len(rows)
            if network not in own:
                continue
            metadata = {
                "sample_weight": None if sample_weight is None else sample_weight[rows]
            }
            if table.groups is not None and len(np.unique(table.groups[rows])) > 1:
                metadata["groups"] = table.groups[rows]
            if interrupted:
                # Ctrl-C ends the fit: a fold's only network hardly leaves its start.
                estimator.set_params(max_iter=1)
            trained = partial(self._trained, turns[:n_fitted], table, folds)
            with tasks.network(estimator, trained) as task:
                # A part may well lack all cells of a column, or hold its levels once.
                estimator._warns_of_columns = False
                estimator.set_params(missing=_absences(table, rows, estimator))
                estimator.fit(_part(table, rows, estimator), **metadata)
            interrupted = interrupted or estimator.net_.stop_reason_ == "interrupted"
            stop = stop or interrupted or task.stop
            if stop and n_fitted >= self.n_folds:
                break
        return n_fitted

    def _keep(self, networks):
        """Keep some of the networks only."""
        networks = np.sort(networks)
        self.networks = [self.networks[network] for network in networks]
        self.left_out, self.sizes = self.left_out[networks], self.sizes[networks]
        self.error_scales = self.error_scales[networks]
        self.n_networks = len(networks)

    def _trained(self, networks, table, folds, rng):
        """Return an ensemble of some networks, or None if a fold has none of them."""
        if len(networks) < self.n_folds:
            return None
        ensemble = copy.copy(self)
        ensemble._keep(networks)
        ensemble.set_error_scales([(table, folds)], 1.0, rng)
        return ensemble

    def branch(self):
        ensemble = copy.copy(self)
        ensemble.networks = [copy.copy(estimator) for estimator in self.networks]
        ensemble.error_scales = self.error_scales.copy()
        return ensemble

    def move_to(self, device):
        for estimator in self.networks:
            estimator.to(device)

    def update(self, table, folds, flagged, rng):
        for fold, estimator in zip(self.left_out, self.networks, strict=True):
            rows = rows_outside(folds, fold, self.n_folds)
            if len(rows):
                estimator.partial_fit(_part(table, rows, estimator))

    def _by_turns(self):
        """Return the numbers of the networks, one of each fold by turns.

        So a fit that is interrupted leaves trained networks for every fold.
        """
        order = np.argsort(np.arange(self.n_networks) % self.n_folds, kind="stable")
        return np.argsort(order)

    def set_error_scales(self, parts, weight, rng):
        for network, estimator in enumerate(self.networks):
            left_out = self.left_out[network]
            rows = [(table, np.flatnonzero(folds == left_out)) for table, folds in parts]
            errors = [estimator._errors(table.cells(of)) for table, of in rows if len(of)]
            if errors:
                scale = max(float(np.median(np.concatenate(errors))), LEAST_ERROR)
                known = self.error_scales[network]
                self.error_scales[network] = known ** (1.0 - weight) * scale**weight

    # ----------------------------------------------------------------- scoring

    def anomaly(self, table, rows, fold):
        cells, of_fold = table.cells(rows), self.networks_of(fold)
        errors = np.array(
            [estimator._errors(cells) for estimator in self.networks[of_fold]]
        )
        return np.log2(1.0 + errors / self.error_scales[of_fold, None]).mean(axis=0)

    def explain(self, table, rows, max_columns):
        cells, design = table.cells(rows), table.encoder.design_
        contributions, expected, hidden = np.zeros((len(rows), design.n_columns)), [], []
        for fold, estimator, scale in zip(
            self.left_out, self.networks, self.error_scales, strict=True
        ):
            errors, output = estimator._explain(cells, max_columns)
            total = errors.sum(axis=1)
            n_same = self.n_folds * np.count_nonzero(self.left_out == fold)
            score = np.log2(1.0 + total / scale) / n_same
            errors *= (score / np.maximum(total, np.finfo(float).tiny))[:, None]
            contributions += errors
            decoded = estimator._table.decode(output, np.float64)
            frame = Frame.of(decoded)
            decoded = decoded if frame is None else frame
            encoded, states = table.encoder.encode(decoded, np.float64)
            missing = np.zeros((len(rows), design.n_features), dtype=bool)
            expected.append(encoded)
            hidden.append(missing if states is None else states == MISSING)
        expected, n_numbers = np.stack(expected), design.numeric.width
        # Of what is there: a clone may expect that there is no such cell.
        missing = np.stack(hidden)[..., design.numeric.features]
        numbers = np.ma.array(expected[..., :n_numbers], mask=missing)
        numbers = np.ma.median(numbers, axis=0).filled(0.0)
        levels = expected[..., n_numbers : design.n_outputs].mean(axis=0)
        output = design.to_output(torch.from_numpy(np.hstack([numbers, levels])))
        # Clones differ in which cells they reconstruct worst.
        contributions = keep_largest(contributions, max_columns)
        return np.hstack([contributions, output.numpy()])


def _absences(table, rows, estimator):
    """Return in which columns missing cells are a level to an estimator, as all rows say.

    A column of a part in which none is missing has an unknown level where one is, unless the
    estimator would refuse it.
    """
    design = table.encoder.design_
    columns = design.absent_columns
    if not len(columns):
        return estimator.missing
    if estimator.handle_unknown == "error":
        values = table.encoder.values(table.cells(rows))
        columns = columns[(values[:, design.n_columns :] == 1).any(axis=0)]
    return columns.tolist()


def _part(table, rows, estimator):
    """Return some rows, as the user would give them to an estimator.

    A clone knows the levels of its part, and others are as new to it as those of fresh
    rows, unless it would refuse them.
    """
    refuses = estimator.handle_unknown == "error"
    part = declare(table.encoder, table.cells(rows), levels=refuses)
    return part.native if isinstance(part, Frame) else part
