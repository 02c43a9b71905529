"""How a detector is fitted: columns, folds, networks, threshold."""

import warnings
from dataclasses import fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from skae._parameters import ColumnParameters
from skae._typing import Table
from skae.detector.calibration import ConformalScores, lower_fence, weighted_quantile
from skae.detector.clones import CloneEnsemble
from skae.detector.denoising import DenoisingEnsemble
from skae.detector.encoded_table import EncodedTable
from skae.detector.folds import ContentFolds
from skae.detector.inference import ScoresRows
from skae.detector.presets import choose_config
from skae.detector.tasks import FitTasks
from skae.table.encoder import TableEncoder
from skae.table.identifiers import warn_of_identifiers
from skae.table.validation import (
    check_fitted_table,
    check_table,
    check_weights,
    column_names,
    warn_of_empty,
)
from skae.training.devices import resolve_device
from skae.training.generators import MAX_SEED

# Fewer rows than this cannot be split so that both sides can train.
LEAST_SPLIT = 4
# Rows that settle the threshold, and whose scores are kept to compare with.
MAX_CALIBRATION = 20_000


class FitsEnsemble(ScoresRows):
    """The fit of the detector, as named steps."""

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Table, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Train the networks and set the threshold.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows to train on, at least two. Cells may be missing; numbers must be finite.
        y : Ignored
            Present for API consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, in training and for the threshold. A row of weight 0 is
            left out.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If X or `sample_weight` is malformed, or `device` is not available. Nothing
            has been trained then.

        Warns
        -----
        UserWarning
            If the rows are too few to leave any out, or fewer than `max_samples` asks
            for.
        ConvergenceWarning
            If training diverged or was interrupted (Ctrl-C); the detector is usable.
        """
        return self._fit(X, sample_weight, keep_rows=False)

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(
        self, X: Table, y: Any = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Learn from a chunk of rows.

        The first call is `fit`, but keeps the rows that the networks were trained on.
        Later calls replace some of these, so that they stay a random sample of all rows
        seen, train the networks a little more, and move the threshold: it comes from the
        latest rows (20,000 per fold), each scored before it was learned. Columns, levels
        and units stay those of the first chunk. A call after `fit` starts anew.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            A chunk of rows; in the first call, enough to learn the columns from.
        y : Ignored
            Present for API consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Rows of weight 0 are left out; after the first call, all other rows count the
            same.

        Returns
        -------
        self : object
            The detector.
        """
        if not getattr(self, "_n_chunks", 0):
            return self._fit(X, sample_weight, keep_rows=True)
        return self._update(X, sample_weight)

    def _fit(self, X, sample_weight, keep_rows):
        X = check_table(self, X, reset=True, min_samples=2)
        sample_weight = check_weights(sample_weight, X)
        resolve_device(self.device)  # refused before anything is learned
        config = choose_config(self)
        if sample_weight is not None:
            counts = np.flatnonzero(sample_weight > 0)
            X, sample_weight = X[counts], sample_weight[counts]
            if (sample_weight == sample_weight[0]).all():
                sample_weight = None
        rng = check_random_state(self.random_state)
        self._table = self._learn_columns(X)
        table, n_rows = EncodedTable(X, self._table), X.shape[0]
        hashes = table.hashes()
        n_folds = config.n_folds if n_rows >= LEAST_SPLIT else 1
        self._folds = ContentFolds(n_folds).fit(hashes)
        self.n_folds_ = self._folds.n_folds_
        folds = self._folds.assign(hashes)
        make_ensemble = DenoisingEnsemble if self.estimator is None else CloneEnsemble
        ensemble = make_ensemble(config, self.n_folds_)
        tasks = FitTasks(self, X, ensemble.n_tasks)
        ensemble.fit(table, folds, sample_weight, rng, tasks, keep_rows)
        tasks.finish()
        self._store(ensemble)
        self._warn_of_convergence()
        self._warn_of_few_rows(n_rows, len(np.unique(hashes)))
        kept = np.arange(n_rows)
        if n_rows > MAX_CALIBRATION:
            kept = np.sort(rng.choice(n_rows, MAX_CALIBRATION, replace=False))
        scores = self._score(table, kept, folds[kept])
        self._calibration = ConformalScores(self.n_folds_, MAX_CALIBRATION)
        self._calibration.add(scores, folds[kept])
        weight = None if sample_weight is None else sample_weight[kept]
        self.offset_ = self._threshold(scores, weight)
        self._n_chunks = int(keep_rows)
        return self

    def _update(self, X, sample_weight):
        X = check_fitted_table(self, X, self._table)
        sample_weight = check_weights(sample_weight, X)
        if sample_weight is not None:
            X = X[np.flatnonzero(sample_weight)]
        table = EncodedTable(X, self._table)
        folds = self._folds.assign(table.hashes())
        scores = self._score(table, np.arange(len(table)), folds)
        # Other draws for each chunk of a seeded stream.
        seed = check_random_state(self.random_state).randint(MAX_SEED) + self._n_chunks
        rng = np.random.RandomState(seed % MAX_SEED)
        self._n_chunks += 1
        self._ensemble.update(table, folds, scores < self.offset_, rng)
        self._warn_of_convergence()
        self._calibration.add(scores, folds)
        self.offset_ = self._threshold(self._calibration.all, None)
        return self

    def _learn_columns(self, X):
        """Learn what the columns of a frame hold; their levels are those of all rows."""
        source = self if self.estimator is None else self.estimator
        names = [spec.name for spec in fields(ColumnParameters)]
        encoder = TableEncoder(
            **{name: getattr(source, name) for name in names},
            handle_unknown="infrequent_if_exist",
            leave_out_identifiers=True,
        )
        encoder.fit(X, names=column_names(self, X.shape[1]))
        warn_of_empty(encoder)
        warn_of_identifiers(encoder)
        return encoder

    def _store(self, ensemble):
        self._ensemble = ensemble
        self.max_samples_ = ensemble.sizes
        self.n_estimators_ = ensemble.n_networks
        self.n_iter_ = ensemble.n_iter
        for name in ("network_", "estimators_"):
            self.__dict__.pop(name, None)
        setattr(self, ensemble.attribute, ensemble.networks)
        self.device_ = ensemble.device

    def _threshold(self, scores, sample_weight):
        """Return the score below which a row is an anomaly."""
        if not isinstance(self.contamination, str):
            proportion = self.contamination or self.false_alarm_rate
            return weighted_quantile(scores, proportion, sample_weight)
        least = weighted_quantile(scores, self.false_alarm_rate, sample_weight)
        return max(lower_fence(scores, sample_weight), least)

    def _warn_of_convergence(self):
        ensemble = self._ensemble
        if ensemble.interrupted:
            message = (
                f"Training was interrupted after {ensemble.n_iter} steps; further "
                "training might improve the detector."
            )
        elif ensemble.n_diverged:
            message = (
                f"{ensemble.n_diverged} of {ensemble.n_networks} networks diverged with "
                f"learning_rate_init={self.learning_rate_init:g} and reconstruct nothing "
                "now. Use a smaller learning_rate_init."
            )
        else:
            return
        warnings.warn(message, ConvergenceWarning, stacklevel=5)

    def _warn_of_few_rows(self, n_rows, n_distinct):
        if self.n_folds_ == 1:
            warnings.warn(
                f"{n_rows} rows, {n_distinct} of them distinct, are too few to hold any "
                "out: offset_ comes from scores of rows that the networks were trained on.",
                UserWarning,
                stacklevel=5,
            )
        if isinstance(self.max_samples, str):
            return
        most = int(self.max_samples_.max())
        if max((size for size in np.ravel(self.max_samples) if size > 1), default=0) > most:
            warnings.warn(
                f"max_samples={self.max_samples} asks for more rows than there are "
                f"outside a fold; networks were trained on {most} at most.",
                UserWarning,
                stacklevel=5,
            )
