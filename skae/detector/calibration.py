"""Thresholds and p-values from scores of rows that the networks have not seen."""

import numpy as np


def weighted_quantile(scores, q, sample_weight):
    """Return the `q`-quantile of the scores; weights may be None."""
    method = "linear" if sample_weight is None else "inverted_cdf"
    return float(np.quantile(scores, q, weights=sample_weight, method=method))


def lower_fence(scores, sample_weight):
    """Return the first quartile minus 1.5 interquartile ranges (Tukey, 1977)."""
    low, high = (weighted_quantile(scores, q, sample_weight) for q in (0.25, 0.75))
    return low - 1.5 * (high - low)


class ConformalScores:
    """Scores of rows that their networks have not seen, by fold, the latest last.

    The p-value of a row is its rank among these rows of its own fold: all of them were
    scored by the same networks, which have seen none of them.

    Parameters
    ----------
    n_folds : int
    window : int
        Scores that are kept per fold, the latest.

    References
    ----------
    Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World, 2005; Bates et al.,
    Testing for Outliers with Conformal p-values, 2023.
    """

    def __init__(self, n_folds, window):
        self.window = window
        self._scores = [np.empty(0) for _ in range(n_folds)]

    def add(self, scores, folds):
        for fold, old in enumerate(self._scores):
            kept = np.concatenate([old, scores[folds == fold]])[-self.window :]
            self._scores[fold] = kept

    @property
    def all(self):
        return np.concatenate(self._scores)

    def pvalues(self, scores, folds):
        """Return the proportion of rows, the row itself included, that score as low."""
        p = np.ones(len(scores))
        for fold, known in enumerate(self._scores):
            rows = folds == fold
            lower = np.searchsorted(np.sort(known), scores[rows], side="right")
            p[rows] = (1 + lower) / (1 + len(known))
        return p
