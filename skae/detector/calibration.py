"""What a score means: thresholds and p-values from rows that the networks have not seen."""

import numpy as np


def weighted_quantile(scores, share, sample_weight):
    """Return the quantile of the scores; each counts by its weight, if there are any."""
    if sample_weight is None:
        return float(np.quantile(scores, share))
    return float(np.quantile(scores, share, weights=sample_weight, method="inverted_cdf"))


def lower_fence(scores, sample_weight):
    """Return the first quartile less 1.5 interquartile ranges (Tukey, 1977)."""
    low, high = (weighted_quantile(scores, q, sample_weight) for q in (0.25, 0.75))
    return low - 1.5 * (high - low)


class ConformalScores:
    """Scores of rows that were left out, by fold, newest last.

    A row's p-value is its rank among the left-out rows of its own fold: all of them were
    scored by the same networks, which have seen none of them.

    Parameters
    ----------
    n_folds : int
    window : int
        Scores that are kept a fold; the oldest go first.

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
        """Return the share of rows, the row itself included, that score as low."""
        p = np.ones(len(scores))
        for fold, known in enumerate(self._scores):
            rows = folds == fold
            lower = np.searchsorted(np.sort(known), scores[rows], side="right")
            p[rows] = (1 + lower) / (1 + len(known))
        return p


def benjamini_hochberg(pvalues, fdr):
    """Return which hypotheses are rejected at a false discovery rate.

    References
    ----------
    Benjamini & Hochberg, Controlling the False Discovery Rate, 1995.
    """
    n = len(pvalues)
    order = np.argsort(pvalues, kind="stable")
    passed = np.flatnonzero(pvalues[order] <= fdr * np.arange(1, n + 1) / n)
    if not len(passed):
        return np.zeros(n, dtype=bool)
    return pvalues <= pvalues[order[passed[-1]]]
