"""Scores of reconstructions and of anomaly detectors, scikit-learn's included."""

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import average_precision_score, make_scorer, roc_auc_score
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils._param_validation import StrOptions, validate_params

from skae._warnings import warn
from skae.table.row_metadata import check_weights
from skae.table.validation import as_frame

__all__ = [
    "anomaly_average_precision",
    "anomaly_average_precision_score",
    "anomaly_roc_auc",
    "anomaly_roc_auc_score",
    "reconstruction_r2",
]

# ------------------------------------------------------------------ reconstructions


@validate_params(
    {"multioutput": [StrOptions({"variance_weighted", "uniform_average", "raw_values"})]},
    prefer_skip_nested_validation=True,
)
def reconstruction_r2(
    estimator, X, y=None, *, sample_weight=None, multioutput="variance_weighted"
):
    """Return the fraction of the variance of X that `inverse_transform(transform(X))` keeps.

    ``1 - sum((X - X')**2) / sum((X - mean)**2)``, with X' the
    reconstruction.

    Parameters
    ----------
    estimator : fitted estimator
        Anything with `transform` and `inverse_transform`: `PCA`, `KernelPCA`, a
        `Pipeline`, skae's transformers.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows, preferably not those of the fit; at least two. In a frame only numeric columns
        count, and in these only the cells that are there.
    y : Ignored
        Present so that the function serves as `scoring=` in a search.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.
    multioutput : {"variance_weighted", "uniform_average", "raw_values"}, \
            default="variance_weighted"
        "variance_weighted" counts columns by their variance in the units of X, as PCA's
        explained variance does. "uniform_average" counts them alike, whatever their
        units. "raw_values" returns one number per column.

    Returns
    -------
    r2 : float or ndarray of shape (n_features,)
        1 is perfect, 0 is as good as the mean, below 0 is worse.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae.metrics import reconstruction_r2
    >>> X = load_iris().data
    >>> round(reconstruction_r2(PCA(2).fit(X), X), 3)
    0.978
    """
    truth = _numbers(X)
    reconstruction = _numbers(estimator.inverse_transform(estimator.transform(X)))
    weights, missing = check_weights(sample_weight, truth), np.isnan(truth)
    # A missing cell has no weight.
    weights = ~missing * (1.0 if weights is None else weights[:, None])
    truth, n_known = np.where(missing, 0.0, truth), weights.sum(axis=0)
    means = (weights * truth).sum(axis=0) / np.where(n_known > 0, n_known, 1.0)
    left = np.where(missing, 0.0, truth - reconstruction)
    left = (weights * np.square(left)).sum(axis=0)
    total = (weights * np.square(truth - means)).sum(axis=0)
    if isinstance(multioutput, str) and multioutput == "variance_weighted":
        left, total = left.sum(keepdims=True), total.sum(keepdims=True)
    # A constant column, as r2_score has it: reconstructed or not.
    by_column = 1.0 - np.divide(left, total, out=(left > 0) * 1.0, where=total > 0)
    return by_column if multioutput == "raw_values" else float(by_column.mean())


def _numbers(X):
    """Return the numeric columns of a table as float64, NaN where missing."""
    frame = as_frame(X)
    if frame is None:
        X = X.toarray() if issparse(X) else X
        return check_array(X, dtype=np.float64, ensure_all_finite="allow-nan")
    numbers = [cells.floats() for cells in frame.columns() if cells.kind == "number"]
    if not numbers:
        raise ValueError(
            "X has no numeric column, so that there is no variance to reconstruct."
        )
    return np.column_stack(numbers).astype(np.float64, copy=False)


# ------------------------------------------------------------------ anomalies


def anomaly_average_precision_score(y_true, y_score, *, sample_weight=None):
    """Return the average precision with which scores find the anomalies.

    scikit-learn's `average_precision_score`, and ``scoring="average_precision"``, take the
    larger label and the larger score for the positive class. With the labels and scores of
    outlier detectors that is the average precision of the inliers, which is close to 1
    where anomalies are rare, however they are ranked.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Which rows are anomalies: -1 for an anomaly and 1 for an inlier, as scikit-learn's
        outlier detectors have it, or 1 (True) for an anomaly and 0 (False) otherwise.
    y_score : array-like of shape (n_samples,)
        Scores that are lower for anomalies, as those of `score_samples` and
        `decision_function` are.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.

    Returns
    -------
    average_precision : float
        1.0 if all anomalies score lower than all other rows; about the proportion of
        anomalies if the scores say nothing. NaN if y_true does not hold both.

    Raises
    ------
    ValueError
        If y_true holds other labels.

    Warns
    -----
    UndefinedMetricWarning
        If y_true does not hold both anomalies and other rows.

    See Also
    --------
    anomaly_average_precision : The same as a scorer.

    Examples
    --------
    >>> from skae.metrics import anomaly_average_precision_score
    >>> anomaly_average_precision_score([1, 1, -1, 1], [-1.0, -1.1, -3.0, -0.9])
    1.0
    """
    return _score_anomalies(average_precision_score, y_true, y_score, sample_weight)


def anomaly_roc_auc_score(y_true, y_score, *, sample_weight=None):
    """Return the area under the ROC curve with which scores find the anomalies.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Which rows are anomalies: -1 for an anomaly and 1 for an inlier, as scikit-learn's
        outlier detectors have it, or 1 (True) for an anomaly and 0 (False) otherwise.
    y_score : array-like of shape (n_samples,)
        Scores that are lower for anomalies, as those of `score_samples` and
        `decision_function` are.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.

    Returns
    -------
    auc : float
        The probability that an anomaly scores lower than another row. NaN if y_true does
        not hold both.

    Raises
    ------
    ValueError
        If y_true holds other labels.

    Warns
    -----
    UndefinedMetricWarning
        If y_true does not hold both anomalies and other rows.

    See Also
    --------
    anomaly_roc_auc : The same as a scorer.
    """
    return _score_anomalies(roc_auc_score, y_true, y_score, sample_weight)


def _score_anomalies(metric, y_true, y_score, sample_weight):
    y_true, y_score = column_or_1d(y_true), column_or_1d(y_score)
    check_consistent_length(y_true, y_score, sample_weight)
    labels = set(y_true.tolist())
    if not (labels <= {-1, 1} or labels <= {0, 1}):
        raise ValueError(
            f"y_true holds the labels {sorted(labels, key=str)[:10]}; anomalies are "
            "labelled -1 and inliers 1, or anomalies 1 (True) and other rows 0 (False)."
        )
    if len(labels) == 1:
        warn(
            f"y_true holds the label {labels.pop()} only, so that {metric.__name__} is "
            "undefined. With cv=StratifiedKFold() every part has anomalies and others.",
            UndefinedMetricWarning,
        )
        return float("nan")
    is_anomaly = y_true == (-1 if -1 in labels else 1)
    return float(metric(is_anomaly, -y_score, sample_weight=sample_weight))


anomaly_average_precision = make_scorer(
    anomaly_average_precision_score, response_method=("score_samples",)
)
anomaly_roc_auc = make_scorer(anomaly_roc_auc_score, response_method=("score_samples",))
