"""How a detector is fitted: columns, folds, networks, threshold."""

from dataclasses import fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from skae._parameters import ColumnParameters
from skae._typing import Table
from skae._warnings import warn
from skae.detector.calibration import CrossConformal, lower_fence, weighted_quantile
from skae.detector.clones import CloneEnsemble
from skae.detector.copies import MAX_ROWS, warn_of_near_copies
from skae.detector.denoising import DenoisingEnsemble
from skae.detector.encoded_table import EncodedTable
from skae.detector.folds import assign_folds, separate_the_usual
from skae.detector.inference import ScoresRows
from skae.detector.presets import choose_config
from skae.detector.tasks import FitTasks
from skae.lazy.sampling import sample_of
from skae.table.encoder import BLOCK, TableEncoder
from skae.table.identifiers import warn_of_identifiers
from skae.table.row_metadata import check_groups, check_weights
from skae.table.validation import (
    check_table,
    column_names,
    warn_of_empty,
)
from skae.training.devices import resolve_device

# Fewer rows than this cannot be split so that both sides can train.
LEAST_SPLIT = 4
# Rows that a network is trained on, at least, where a fold is left out.
LEAST_OUTSIDE = 2
# Rows of a fold at least, beyond two folds: they settle the unit of its networks' errors.
LEAST_FOLD = 20
# Rows that settle the threshold, and whose scores are kept to compare with.
MAX_CALIBRATION = 20_000
# Of these, rows that tell whether all networks know the training rows by heart.
MAX_COMPARED = 1000
# The p-value at which a row of a stream counts as strange in `drift_`.
DRIFT_LEVEL = 0.05


class FitsEnsemble(ScoresRows):
    """The fit of the detector, as named steps."""

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Table,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train the networks and set the threshold.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows to train on, at least two. Cells may be missing; numbers must be finite.
            Of a table that is read in chunks and does not fit into `memory_limit`, a uniform
            sample of up to 100,000 rows is taken; see `AutoencoderTransformer.fit` for what
            such a table may be.
        y : Ignored
            Present for API consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, in training and for the threshold. Only their ratios
            count; a row of weight 0 is left out.
        groups : array-like of shape (n_samples,), default=None
            Which rows belong together, such as the measurements of one subject, as in
            `GroupKFold`: networks that judge a row have seen none of its group, as they
            have seen nothing of the subjects to come. Clones of an `estimator` also hold
            out whole groups for their early stopping.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If X, `sample_weight` or `groups` is malformed, there is a single group, or
            `device` is not available. Nothing has been trained then.

        Warns
        -----
        UserWarning
            If the rows are too few to leave any out, or fewer than `max_samples` asks
            for.
        ConvergenceWarning
            If training diverged, was interrupted (Ctrl-C) or taught some networks next to
            nothing; the detector is usable.
        """
        self._fit(X, y, sample_weight, groups, keep_rows=False)
        return self

    def fit_predict(self, X: Table, y: Any = None, **kwargs: Any) -> NDArray[np.int_]:
        """Fit, and tell the anomalies among the training rows.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows to train on.
        y : Ignored
            Present for API consistency.
        **kwargs
            `sample_weight` and `groups` of `fit`.

        Returns
        -------
        is_inlier : ndarray of shape (n_samples,), dtype int
            -1 for an anomaly, 1 otherwise: what `predict` says of the training rows or,
            where it knows them much better than fresh rows, what `oof_scores_` say.
        """
        self.fit(X, **kwargs)
        if not self._by_heart:
            return self.predict(X)
        return np.where(self.oof_scores_ < self.offset_, -1, 1)

    def _fit(self, X, y, sample_weight, groups, keep_rows):
        """Fit, and return the training rows as an `EncodedTable`, and their folds."""
        X = sample_of(self, X, sample_weight=sample_weight, groups=groups)
        given = X, y, sample_weight
        prepared = self._workers.agreed(lambda: self._prepare(X, sample_weight, groups))
        (whole, counts, sample_weight), table, folds, ensemble, rng = prepared

        def conclude(detector, ensemble, rng):
            detector._store(ensemble)
            scores = detector._calibrate(table, folds, sample_weight, rng)
            detector._keep_own_scores(whole, counts, scores)

        tasks = FitTasks(self, given, ensemble.n_tasks, conclude)
        ensemble.fit(table, folds, sample_weight, rng, tasks, keep_rows)
        if not self._workers.is_first:
            return table, folds  # the first worker's detector is the one that counts
        conclude(self, ensemble, rng)
        self._n_chunks, self._past, self.drift_ = 0, None, DRIFT_LEVEL
        tasks.finish()
        self._warn_of_convergence()
        self._warn_of_few_rows(table)
        return table, folds

    def _prepare(self, X, sample_weight, groups):
        """Learn the columns; return what the networks are trained on, and these."""
        whole = X = check_table(self, X, reset=True, min_samples=2)
        sample_weight = check_weights(sample_weight, X)
        groups = check_groups(groups, X, sample_weight)
        resolve_device(self.device)  # refused before anything is learned
        config = choose_config(self)
        counts = np.arange(X.shape[0])
        if sample_weight is not None:
            counts = np.flatnonzero(sample_weight > 0)
            X, sample_weight = X[counts], sample_weight[counts]
            if (sample_weight == sample_weight[0]).all():
                sample_weight = None
        rng = check_random_state(self.random_state)
        self._table = self._learn_columns(X)
        groups = None if groups is None else groups[counts]
        table = EncodedTable(X, self._table, groups)
        if groups is None:
            self._warn_of_copies(table)
        folds = self._split(table, groups, config.n_folds, rng)
        make_ensemble = DenoisingEnsemble if self.estimator is None else CloneEnsemble
        ensemble = make_ensemble(config, self.n_folds_)
        return (whole, counts, sample_weight), table, folds, ensemble, rng

    def _split(self, table, groups, n_folds, rng):
        """Return the fold of each row, and say how many folds there are."""
        if self.n_folds is None:
            n_folds = min(n_folds, max(len(table) // LEAST_FOLD, 2))
        if len(table) < LEAST_SPLIT:
            n_folds = 1
        keys = groups
        if groups is None:
            keys = separate_the_usual(table.keys(), n_folds)
        folds = assign_folds(keys, n_folds, rng)
        if np.bincount(folds).max() > len(folds) - LEAST_OUTSIDE:
            folds = np.zeros_like(folds)
        self.n_folds_ = int(folds.max()) + 1
        return folds

    def _calibrate(self, table, folds, sample_weight, rng):
        """Learn the threshold, and what p-values compare with, from some training rows.

        Returns the out-of-fold scores of all, shape (n_samples,).
        """
        rows = np.arange(len(table))
        if len(rows) > MAX_CALIBRATION:
            rows = np.sort(rng.choice(rows, MAX_CALIBRATION, replace=False))
        scores = self._own_scores(table, np.arange(len(table)), folds)
        own = scores[rows]
        weight = None if sample_weight is None else sample_weight[rows]
        self._calibration = CrossConformal(own, folds[rows])
        self.offset_ = self._threshold(own, weight)
        some = slice(None)
        if not self._flags_a_proportion and len(rows) > MAX_COMPARED:
            some = rng.choice(len(rows), MAX_COMPARED, replace=False)
        by_all = -self._ensemble.fold_anomalies(table, rows[some]).mean(axis=1)
        self._meet_proportion(own[some], by_all, None if weight is None else weight[some])
        return scores

    @property
    def _flags_a_proportion(self):
        """Whether `contamination` is the proportion of training rows to flag."""
        return not isinstance(self.contamination, str) and self.contamination > 0

    def _own_scores(self, table, rows, folds):
        """Return the scores of some rows by the networks that left out their folds."""
        scores = np.empty(len(rows))
        for fold in np.unique(folds):
            own = np.flatnonzero(folds == fold)
            for start in range(0, len(own), BLOCK):
                some = own[start : start + BLOCK]
                scores[some] = -self._ensemble.anomaly(table, rows[some], fold)
        return scores

    def _keep_own_scores(self, whole, counts, scores):
        """Set `oof_scores_`; rows that do not count are scored as fresh ones."""
        self.oof_scores_ = np.empty(whole.shape[0])
        self.oof_scores_[counts] = scores
        if len(counts) < whole.shape[0]:
            others = np.setdiff1d(np.arange(whole.shape[0]), counts)
            self.oof_scores_[others] = self._fold_scores(whole[others]).mean(axis=1)

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
        self._read_history()
        for name in ("network_", "estimators_"):
            self.__dict__.pop(name, None)
        setattr(self, ensemble.attribute, ensemble.networks)
        self.device_ = ensemble.device

    def _read_history(self):
        self.n_iter_, self.loss_curve_ = self._ensemble.n_iter, self._ensemble.loss_curve

    def _meet_proportion(self, own, by_all, sample_weight):
        """Let `predict` flag the training rows in just the proportion that was asked for.

        `predict` asks all networks, some of which have seen the row. Where they do not know
        it so much better that half or twice as many rows are flagged, the threshold moves.
        """
        weight = np.ones(len(own)) if sample_weight is None else sample_weight
        offset = self.offset_
        if self._flags_a_proportion:
            offset = weighted_quantile(by_all, self.contamination, sample_weight)
        expected, found, moved = (
            float(np.average(scores < at, weights=weight))
            for scores, at in ((own, self.offset_), (by_all, offset), (own, offset))
        )
        least = 2.0 / len(own)
        known = min(expected, found, moved) + least < 0.5 * (expected + least)
        self._by_heart = known or max(found, moved) > 2.0 * (expected + least)
        if not self._by_heart:
            self.offset_ = offset

    def _threshold(self, scores, sample_weight):
        """Return the score below which a row is an anomaly."""
        if not isinstance(self.contamination, str):
            proportion = self.contamination or self.false_alarm_rate
            return weighted_quantile(scores, proportion, sample_weight)
        least = weighted_quantile(scores, self.false_alarm_rate, sample_weight)
        fence = lower_fence(scores, self.false_alarm_rate, sample_weight)
        return max(fence, least)

    def _warn_of_convergence(self):
        warning = self._ensemble.how_it_ended()
        if warning:
            warn(warning, ConvergenceWarning)

    def _warn_of_copies(self, table):
        rows = np.arange(min(len(table), MAX_ROWS))
        numbers = table.encode(rows, np.float64)[0][:, self._table.design_.numeric.columns]
        warn_of_near_copies(numbers)

    def _warn_of_few_rows(self, table):
        if self.n_folds_ == 1:
            n_distinct = len(np.unique(table.keys()))
            warn(
                f"{len(table)} rows, {n_distinct} of them distinct, are too few to hold any "
                "out: offset_ comes from scores of rows that the networks were trained on.",
            )
        if isinstance(self.max_samples, str):
            return
        most = int(self.max_samples_.max())
        if max((size for size in np.ravel(self.max_samples) if size > 1), default=0) > most:
            warn(
                f"max_samples={self.max_samples} asks for more rows than there are "
                f"outside a fold; networks were trained on {most} at most.",
            )
