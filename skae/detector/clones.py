"""Clones of a transformer that the user chose, as the detector's networks."""

import warnings

import narwhals.stable.v2 as nw
import numpy as np
import torch
from sklearn.base import clone

from skae._estimator import MAX_SEED
from skae.table.validation import check_table

# Errors below this are rounding, and one as good as the other.
LEAST_ERROR = 1e-12


class CloneMembers:
    """Clones of an estimator, each trained on a part of the rows outside its fold.

    Parameters
    ----------
    detector : AEAnomalyDetector
        Whose columns these are.
    estimators : list of BaseAutoencoder
        Not fitted; number i leaves out fold ``i % n_folds``.
    table : TableEncoder
        Fitted.
    size : int or float
        Rows a network, or the share of the rows outside its fold.
    """

    def __init__(self, detector, estimators, table, size):
        self._detector, self.table, self.size = detector, table, size
        self.estimators = estimators

    @classmethod
    def of(cls, detector, table, n_members, size, rng):
        settings = {} if detector.device == "auto" else {"device": detector.device}
        estimators = [
            clone(detector.estimator).set_params(
                random_state=rng.randint(MAX_SEED), **settings
            )
            for _ in range(n_members)
        ]
        return cls(detector, estimators, table, size)

    def fit(self, X, folds, n_folds, sample_weight, rng, subtask):
        """Train every clone; `subtask(member)` is a context in which it is fitted."""
        self.n_folds, self.sizes_ = n_folds, []
        interrupted = False
        for number, member in enumerate(self.estimators):
            rows = self._outside(folds, number)
            rows = rng.permutation(rows)[: self._n_rows(len(rows))]
            self.sizes_.append(len(rows))
            weight = None if sample_weight is None else sample_weight[rows]
            if interrupted:
                # Ctrl-C ends the fit: the networks to come hardly leave their start.
                member.set_params(max_iter=1)
            with subtask(member), warnings.catch_warnings():
                # A part may well lack all cells of a column.
                warnings.filterwarnings("ignore", message="All cells of columns")
                member.fit(self._part(X, rows), sample_weight=weight)
            interrupted = interrupted or member.net_.stop_reason_ == "interrupted"
        self.levels, self._n_seen = np.ones(len(self.estimators)), 0
        self._settle_levels(X, folds)
        return self

    def update(self, X, folds):
        """Let every clone learn from the rows outside its fold."""
        for number, member in enumerate(self.estimators):
            rows = self._outside(folds, number)
            if len(rows):
                member.partial_fit(self._part(X, rows))
        self._settle_levels(X, folds)

    @property
    def n_iter(self):
        return max(member.n_iter_ for member in self.estimators)

    def _part(self, X, rows):
        part = self.table.declare(X[rows])
        return part.to_native() if isinstance(part, nw.DataFrame) else part

    def _outside(self, folds, number):
        if self.n_folds == 1:
            return np.arange(len(folds))
        return np.flatnonzero(folds != number % self.n_folds)

    def _n_rows(self, n_outside):
        if isinstance(self.size, int):
            return self.size
        return max(round(self.size * n_outside), 2)

    def _settle_levels(self, X, folds):
        """Learn each network's median error of rows that it has not seen.

        Networks differ in how well they restore; rows of different folds, which are
        scored by different ones, can be compared only in this unit.
        """
        # In a stream a chunk counts by its rows; a fold without rows keeps what it knew.
        share = len(folds) / (len(folds) + self._n_seen)
        self._n_seen += len(folds)
        for number, member in enumerate(self.estimators):
            rows = np.flatnonzero(folds == number % self.n_folds)
            if len(rows):
                median = float(np.median(member._errors(X[rows])))
                level = max(median, LEAST_ERROR)
                self.levels[number] = self.levels[number] ** (1.0 - share) * level**share

    def _of_fold(self, fold):
        return range(fold, len(self.estimators), self.n_folds)

    def read(self, X, dtype):
        """Return the rows as they are: clones read them themselves."""
        return X

    def anomaly(self, X, fold, dtype):
        """Return the anomaly of rows by the networks that have not seen their fold."""
        errors = [
            self.estimators[i]._errors(X) / self.levels[i] for i in self._of_fold(fold)
        ]
        return np.mean(np.log2(1.0 + np.array(errors)), axis=0)

    def explain(self, X, fold, dtype):
        """Return the cells' contributions, and a design matrix of what was expected."""
        members, layout = self._of_fold(fold), self.table.layout_
        contributions, expected = np.zeros((X.shape[0], layout.n_features)), []
        for number in members:
            member = self.estimators[number]
            errors, restored = member._explain(X)
            total = errors.sum(axis=1)
            score = np.log2(1.0 + total / self.levels[number]) / len(members)
            errors *= (score / np.maximum(total, np.finfo(float).tiny))[:, None]
            contributions += errors
            expected.append(self._own_design(member._table.decode(restored, np.float64)))
        expected, n_numbers = np.stack(expected), len(layout.numbers)
        numbers = np.median(expected[..., :n_numbers], axis=0)
        rows = np.hstack([numbers, expected[..., n_numbers:].mean(axis=0)])
        return contributions, layout.to_output(torch.from_numpy(rows)).numpy()

    def _own_design(self, table):
        """Return a member's table in the detector's design matrix."""
        table = check_table(self._detector, table, reset=False)
        return self.table.encode(table, np.float64)[0][:, : self.table.layout_.n_outputs]
