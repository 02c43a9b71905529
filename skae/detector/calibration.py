"""Thresholds and p-values from scores of rows that the networks have not seen."""

import numpy as np
from sklearn.utils.stats import _weighted_percentile

# The largest proportion of the rows that may be anomalies where nobody knows.
MOST_ANOMALIES = 0.1
# Scores that differ by less are equal, whatever the rounding: a row ties with itself.
ROUNDING = 1e-6
# Rows among which the proportion of ordinary ones can be estimated.
LEAST_BATCH = 20


def weighted_quantile(scores, q, sample_weight):
    """Return the `q`-quantile of the scores; weights may be None.

    With weights it is the smallest score that a proportion q of the weight does not exceed.
    """
    if sample_weight is None:
        return float(np.quantile(scores, q))
    return float(_weighted_percentile(scores, sample_weight, 100.0 * q))


def lower_fence(scores, rate, sample_weight):
    """Return the score below which rows are unlike the bulk of the others.

    An exponential tail from the median through the first quartile leaves the proportion
    `rate` below it, whatever lies there. Scores of ordinary rows, the logarithms of errors,
    rarely have a longer tail. Where more than `MOST_ANOMALIES` of the rows lie below, these
    are another kind of ordinary rows, as likely as not, and their own fence counts.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
    rate : float
        Proportion of ordinary rows that may lie below; at most 1/4.
    sample_weight : ndarray of shape (n_samples,) or None

    References
    ----------
    Fences from quartiles: Tukey, Exploratory Data Analysis, 1977; from the half in which the
    tail is: Kimber, Exploratory Data Analysis for Possibly Censored Data from Skewed
    Distributions, 1990.
    """
    weight = np.ones(len(scores)) if sample_weight is None else sample_weight
    least = MOST_ANOMALIES * weight.sum()
    # From a survival of 1/2 to 1/4 it takes the logarithm of 2; from there to `rate`:
    n_steps = max(np.log(0.25 / rate), 0.0) / np.log(2.0)
    while True:
        low, middle = (weighted_quantile(scores, q, sample_weight) for q in (0.25, 0.5))
        fence = low - n_steps * (middle - low)
        below = scores < fence
        if weight[below].sum() <= least:
            return fence
        scores, weight = scores[below], weight[below]
        sample_weight = None if sample_weight is None else weight


def ordinary_proportion(pvalues):
    """Return an estimate of the proportion of ordinary rows, 1 where they are few.

    (1 + #{p > 1/2}) / (m / 2): half of the p-values of ordinary rows are above 1/2. It is
    not cut off at 1, which would let too many rows be selected where none is an anomaly.

    Parameters
    ----------
    pvalues : ndarray of shape (m,)

    References
    ----------
    Storey, Taylor & Siegmund, Strong Control, Conservative Point Estimation and
    Simultaneous Conservative Consistency of False Discovery Rates, 2004, equation 6.
    """
    if len(pvalues) < LEAST_BATCH:
        return 1.0
    return float((1 + (pvalues > 0.5).sum()) / (0.5 * len(pvalues)))


class CrossConformal:
    """Out-of-fold scores of known rows, to compare the scores of others with.

    A fresh row has a score by the networks of every fold. It is compared with each known
    row by the networks of that row's fold, which have seen neither; its p-value is the
    proportion of comparisons that it does not win, itself included.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Of the known rows, each by the networks of its own fold.
    folds : ndarray of int of shape (n_samples,)
    weights : ndarray of shape (n_samples,), default=None
        What the known rows count.

    References
    ----------
    Vovk, Cross-Conformal Predictors, 2015; a bound of twice the nominal level for any
    networks: Barber, Candes, Ramdas & Tibshirani, Predictive Inference with the
    Jackknife+, 2021, theorem 4.
    """

    def __init__(self, scores, folds, weights=None):
        self.total = float(len(scores) if weights is None else weights.sum())
        self._scores, self._sums = [], None if weights is None else []
        for fold in range(folds.max(initial=0) + 1):
            own = np.flatnonzero(folds == fold)
            own = own[np.argsort(scores[own], kind="stable")]
            self._scores.append(scores[own])
            if self._sums is not None:
                self._sums.append(np.append(0.0, np.cumsum(weights[own])))

    def pvalues(self, fold_scores):
        """Return the p-value of every row, from its scores of shape (n, n_folds)."""
        lower = np.ones(len(fold_scores))
        for fold, known in enumerate(self._scores):
            reached = fold_scores[:, fold] + ROUNDING
            n_lower = np.searchsorted(known, reached, side="right")
            lower += n_lower if self._sums is None else self._sums[fold][n_lower]
        return lower / (1.0 + self.total)
