"""How a detector follows a stream of chunks."""

import copy
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import _fit_context
from sklearn.utils import check_random_state

from skae._typing import Table
from skae._warnings import warn
from skae.detector.calibration import CrossConformal
from skae.detector.encoded_table import EncodedTable
from skae.detector.fitting import DRIFT_LEVEL, FitsEnsemble
from skae.detector.folds import assign_folds
from skae.detector.window import HALF_LIFE, PastScores, Window
from skae.table.row_metadata import check_groups, check_weights
from skae.table.validation import check_fitted_table
from skae.training.generators import MAX_SEED

# Rows of a chunk of which it can be said that most are strange.
LEAST_DRIFT = 8


class FollowsStream(FitsEnsemble):
    """Learning chunk by chunk; thresholds and p-values come from the latest rows."""

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(
        self,
        X: Table,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Learn from a chunk of rows.

        The first call is `fit`, but keeps the rows that the networks were trained on, and
        the latest `window_size` rows. Later calls replace some of the former, train the
        networks a little more, and move the threshold and what p-values compare with: both
        come from the latest rows, scored anew by the networks of today, which have not seen
        them. Columns, levels and units stay those of the first chunk. A call after `fit`
        starts anew.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            A chunk of rows; in the first call, enough to learn the columns from.
        y : Ignored
            Present for API consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Rows of weight 0 are left out; after the first call, all other rows count the
            same.
        groups : array-like of shape (n_samples,), default=None
            Which rows of the chunk belong together, see `fit`.

        Returns
        -------
        self : object
            The detector.

        Raises
        ------
        ValueError
            If ``keep_training_values=False``.

        Warns
        -----
        UserWarning
            If most rows of the chunk look strange, see `drift_`.
        """
        if not self.keep_training_values:
            raise ValueError(
                "partial_fit keeps training rows, of which networks learn again, but "
                "keep_training_values=False; use fit, or keep_training_values=True."
            )
        if getattr(self, "_n_chunks", 0):
            self._update(X, sample_weight, groups)
        else:
            table, folds = self._fit(X, y, sample_weight, groups, keep_rows=True)
            if self.window_size:
                self._past = Window(self.window_size)
                self._past.add(table, folds)
            else:
                self._past = PastScores()
                self._past.add(self._scores_of([(table, folds)]), folds)
        self._n_chunks += 1
        return self

    def _update(self, X, sample_weight, groups):
        X = check_fitted_table(self, X, self._table)
        sample_weight = check_weights(sample_weight, X)
        groups = check_groups(groups, X, sample_weight, least=1)
        if sample_weight is not None:
            counts = np.flatnonzero(sample_weight)
            X, groups = X[counts], None if groups is None else groups[counts]
        # Other draws for each chunk of a seeded stream.
        seed = check_random_state(self.random_state).randint(MAX_SEED) + self._n_chunks
        rng = np.random.RandomState(seed % MAX_SEED)
        table = EncodedTable(X, self._table)
        keys = table.keys() if groups is None else groups
        # A chunk of few rows goes to random folds, not always to the first ones.
        places = rng.permutation(self.n_folds_)
        folds = places[assign_folds(keys, self.n_folds_, rng)]
        fold_scores = -self._ensemble.fold_anomalies(table, np.arange(len(table)))
        self._notice_drift(self._calibration.pvalues(fold_scores))
        flagged = self._strange(fold_scores.mean(axis=1))
        self._ensemble, self._past = self._ensemble.branch(), copy.copy(self._past)
        setattr(self, self._ensemble.attribute, self._ensemble.networks)
        self._ensemble.update(table, folds, flagged, rng)
        self._read_history()
        self._warn_of_convergence()
        self._follow(table, folds, rng)

    def _follow(self, table, folds, rng):
        """Let error scales, threshold and p-values follow the stream."""
        past, weights = self._past, None
        parts, weight = [(table, folds)], len(folds) / (len(folds) + HALF_LIFE)
        if isinstance(past, Window):
            past.add(table, folds)
            parts, weight = past.parts, 1.0
        self._ensemble.set_error_scales(parts, weight, rng)
        scores = self._scores_of(parts)
        folds = np.concatenate([of_part for _, of_part in parts])
        if isinstance(past, PastScores):
            past.add(scores, folds)
            scores, folds, weights = past.scores, past.folds, past.weights
        self._calibration = CrossConformal(scores, folds, weights)
        self.offset_ = self._threshold(scores, weights)

    def _scores_of(self, parts):
        return np.concatenate(
            [self._own_scores(t, np.arange(len(folds)), folds) for t, folds in parts]
        )

    def _strange(self, scores):
        """Return which rows of a chunk are too strange to be learned, if any are.

        Of a chunk in which many rows look strange only the worst: it is the stream that
        has changed.
        """
        most = max(int(self._ensemble.config.max_trim * len(scores)), 1)
        worst = np.argsort(np.argsort(scores, kind="stable"), kind="stable") < most
        return worst & (scores < self.offset_)

    def _notice_drift(self, pvalues):
        """Set `drift_`, and warn if most rows of a chunk are unlike the latest."""
        strange = pvalues <= DRIFT_LEVEL
        self.drift_ = float(strange.mean())
        if self.drift_ > 0.5 and len(strange) >= LEAST_DRIFT:
            warn(
                f"{self.drift_:.0%} of the {len(strange)} rows of this chunk are as strange "
                f"as {DRIFT_LEVEL:.0%} of the rows before (drift_): the stream has changed. "
                "The detector follows in some chunks; if the change is a fault, mend it "
                "and fit again.",
            )
