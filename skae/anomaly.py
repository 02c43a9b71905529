"""The autoencoder as an anomaly detector."""

import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context, clone
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from skae._base import MAX_SEED
from skae._devices import resolve_device
from skae._folds import ContentFolds
from skae._validation import check_rows, check_weights
from skae.autoencoder import AutoencoderTransformer

# Fewer rows than this cannot be split so that both sides can train.
LEAST_SPLIT = 4


class AEAnomalyDetector(CallbackSupportMixin, OutlierMixin, BaseEstimator):
    """Anomalies are the rows that an autoencoder, trained without them, restores badly.

    The rows are split into `n_folds` folds, and a clone of `estimator` is trained for every
    fold on the rows outside it. A row is scored by the network of its own fold, which
    has not seen it. Which fold is a function of the row's cells (a hash), so that this
    holds for training rows and fresh rows alike: scores of training rows are not
    flattered, and a threshold taken from them means the same on fresh rows.

    Parameters
    ----------
    estimator : AutoencoderTransformer or VAETransformer, default=None
        What is trained; its `score_samples` is the score. None:
        ``AutoencoderTransformer(n_components=0.9)``. Its parameters can be searched as
        ``estimator__n_components`` and so on.
    contamination : "auto" or float, default="auto"
        What is known of the training rows.

        - A float in (0, 0.5]: the share of them that are anomalies. `offset_` is the
          quantile of their scores at it.
        - 0.0: none is. `offset_` is the quantile of their scores at `false_alarm_rate`.
        - "auto": unknown. Rows below Tukey's fence (the first quartile less 1.5
          interquartile ranges) of the scores, on a logarithmic scale for reconstruction
          errors, are anomalies, and at least a share of `false_alarm_rate`.
    false_alarm_rate : float, default=0.01
        Share of normal rows that may be flagged, for `contamination` "auto" and 0.0.
    n_folds : int, default=3
        Number of folds, and of networks.
    device : str or torch.device, default="auto"
        Where to train: "auto" leaves it to the estimator.
    random_state : int, RandomState instance or None, default=None
        Seeds the networks.

    Attributes
    ----------
    offset_ : float
        ``decision_function = score_samples - offset_``; rows below 0 are anomalies.
    estimators_ : list of estimators
        The fitted networks, one a fold.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X had names.

    See Also
    --------
    sklearn.ensemble.IsolationForest : The same methods.

    Notes
    -----
    Rows that differ in a digit can belong to different folds and are then scored by
    different networks: scores are as smooth as those networks agree. Equal rows always
    share a fold. Fewer than four rows, or rows that are all alike, cannot be split; they
    are scored by a network that has seen them, and a warning says so.

    References
    ----------
    Hawkins et al., Outlier Detection Using Replicator Neural Networks, 2002.
    Cross-fitting: Vovk, Cross-conformal predictors, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from skae import AEAnomalyDetector
    >>> rng = np.random.default_rng(0)
    >>> t = rng.uniform(0, 2 * np.pi, size=300)
    >>> X = np.column_stack([np.cos(t), np.sin(t)]) + 0.05 * rng.normal(size=(300, 2))
    >>> detector = AEAnomalyDetector(random_state=0).fit(X)
    >>> detector.predict([[1.0, 0.0], [4.0, -4.0]])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "score_samples"]), None],
        "contamination": [
            StrOptions({"auto"}),
            Options(Real, {0.0}),
            Interval(Real, 0, 0.5, closed="right"),
        ],
        "false_alarm_rate": [Interval(Real, 0, 0.5, closed="right")],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "device": [str, torch.device],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        contamination="auto",
        false_alarm_rate=0.01,
        n_folds=3,
        device="auto",
        random_state=None,
    ):
        self.estimator = estimator
        self.contamination = contamination
        self.false_alarm_rate = false_alarm_rate
        self.n_folds = n_folds
        self.device = device
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """Train the networks and set the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to train on: finite numbers, at least two rows.
        y : Ignored
            Present for the API.
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
        """
        resolve_device(self.device)
        X = check_rows(self, X, reset=True, min_samples=2)
        sample_weight = check_weights(sample_weight, X)
        if sample_weight is not None:
            counts = sample_weight > 0
            X, sample_weight = X[counts], sample_weight[counts]
        self._folds = ContentFolds(self.n_folds if len(X) >= LEAST_SPLIT else 1).fit(X)
        folds = self._folds.assign(X)
        members = self._members()
        context = self._init_callback_context(max_subtasks=len(members))
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        for fold, member in enumerate(members):
            rows = np.flatnonzero(folds != fold) if len(members) > 1 else np.arange(len(X))
            weight = None if sample_weight is None else sample_weight[rows]
            task = context.subcontext(task_name=f"fold {fold}")
            with task.propagate_callback_context(member):
                task.call_on_fit_task_begin(estimator=self, X=X, y=y)
                member.fit(X[rows], sample_weight=weight)
                task.call_on_fit_task_end(estimator=self, X=X, y=y)
        if len(members) == 1:
            warnings.warn(
                f"{len(X)} rows, {len(np.unique(X, axis=0))} of them distinct, are too few "
                "to hold any out: offset_ comes from scores of rows that the network was "
                "trained on.",
                UserWarning,
                stacklevel=2,
            )
        self.estimators_ = members
        self.offset_ = self._threshold(self._score_samples(X), sample_weight)
        context.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def _members(self):
        """Return an unfitted network for every fold."""
        rng = check_random_state(self.random_state)
        template = self.estimator
        if template is None:
            template = AutoencoderTransformer(n_components=0.9)
        members = []
        for _ in range(self._folds.n_folds_):
            member = clone(template)
            settings = {"random_state": rng.randint(MAX_SEED)}
            if self.device != "auto":
                settings["device"] = self.device
            members.append(member.set_params(**settings))
        return members

    def _threshold(self, scores, sample_weight):
        """Return the score below which a row is an anomaly."""
        if isinstance(self.contamination, str):
            alarm = _quantile(scores, self.false_alarm_rate, sample_weight)
            return max(alarm, self._fence(scores, sample_weight))
        share = self.contamination or self.false_alarm_rate
        return _quantile(scores, share, sample_weight)

    def _fence(self, scores, sample_weight):
        """Return Tukey's lower fence, where the scores are about symmetric."""
        errors = isinstance(self.estimators_[0], AutoencoderTransformer)
        tiny = np.finfo(np.float64).tiny
        level = -np.log(np.maximum(-scores, tiny)) if errors else scores
        low, high = (_quantile(level, q, sample_weight) for q in (0.25, 0.75))
        fence = low - 1.5 * (high - low)
        return -float(np.exp(-fence)) if errors else fence

    def score_samples(self, X):
        """Return the score of every row; the lower, the more anomalous.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype float64
            `score_samples` of the network of the row's fold: minus the mean squared
            error in standard units, or nats for a `VAETransformer`.
        """
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        return self._score_samples(X)

    def _score_samples(self, X):
        folds = self._folds.assign(X)
        scores = np.empty(len(X))
        for fold, member in enumerate(self.estimators_):
            rows = np.flatnonzero(folds == fold)
            if len(rows):
                scores[rows] = member._score_samples(X[rows])
        return scores

    def decision_function(self, X):
        """Return ``score_samples(X) - offset_``: below 0 are the anomalies.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        decision : ndarray of shape (n_samples,), dtype float64
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Tell the anomalies from the rest.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        is_inlier : ndarray of shape (n_samples,), dtype int
            -1 for an anomaly, 1 otherwise.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)


def _quantile(scores, share, sample_weight):
    if sample_weight is None:
        return float(np.quantile(scores, share))
    return float(np.quantile(scores, share, weights=sample_weight, method="inverted_cdf"))
