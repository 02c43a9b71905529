"""How well scores find anomalies, scikit-learn's included."""

from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import average_precision_score, make_scorer, roc_auc_score
from sklearn.utils import check_consistent_length, column_or_1d

from skae._warnings import warn


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
