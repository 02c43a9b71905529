"""The autoencoder as an anomaly detector."""

import warnings
from numbers import Integral, Real

import narwhals.stable.v2 as nw
import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context, clone
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import (
    Interval,
    Options,
    RealNotInt,
    StrOptions,
)
from sklearn.utils.validation import check_is_fitted

from skae._base import MAX_SEED, BaseAutoencoder, warn_of_empty
from skae._devices import resolve_device
from skae._folds import ContentFolds, row_hashes
from skae._layout import OBSERVED
from skae._table import BLOCK, TableEncoder
from skae._validation import (
    as_frame_like,
    check_fitted_table,
    check_table,
    check_weights,
    column_names,
    with_index_of,
)
from skae.autoencoder import AutoencoderTransformer
from skae.vae import VAETransformer

# Fewer rows than this cannot be split so that both sides can train.
LEAST_SPLIT = 4
# Rows a network, where the training rows may hold anomalies and where they do not.
MIXED_SAMPLES, CLEAN_SAMPLES = 256, 1024
# Codes of the default network, and draws a row when it scores: several networks are
# averaged, so that each may be rough.
N_CODES, N_DRAWS = 2, 8
RESTORED_SHARE = 0.7
# Errors below this are rounding, and one as good as the other.
LEAST_ERROR = 1e-12


class _DensityMember(VAETransformer):
    """The default network. A collapsed code is no news here: the density still holds."""

    # Many are averaged, so that each may be trained briefly.
    _patience = 1.0

    def _report(self):
        pass


class AEAnomalyDetector(CallbackSupportMixin, OutlierMixin, BaseEstimator):
    """Anomalies are the rows that autoencoders, trained without them, restore badly.

    Several clones of `estimator` are trained, each on a small random subset of the rows:
    as in an isolation forest, a small subset holds too few of the anomalies for a network
    to learn them. The rows are split into `n_folds` folds, every network leaves one out,
    and a row is scored by the networks that left its fold out: none of them has seen it.
    Which fold is a function of the row's cells (a hash), so that this holds for training
    rows and fresh rows alike: scores of training rows are not flattered, and a threshold
    taken from them means the same on fresh rows.

    Parameters
    ----------
    estimator : AutoencoderTransformer or VAETransformer, default=None
        What is trained; its parameters can be searched as ``estimator__n_components``
        and so on. None: by turns ``VAETransformer(2, n_importance_samples=8)``, whose
        density judges how far a row and its code lie from the others, and
        ``AutoencoderTransformer(0.7)``, which judges how badly a row is restored (with
        one code less than columns for two and three columns, and left out for one).
    n_estimators : int, default=10
        Number of networks; at least `n_folds`.
    max_samples : "auto", int or float, default="auto"
        Rows that a network is trained on: a number, or a share of the rows outside its
        fold. "auto": 256, or 1024 where `contamination` is 0.0, because rows known to be
        clean need no protection from being learned.
    n_folds : int, default=2
        Number of folds; a row is scored by ``n_estimators / n_folds`` networks.
    contamination : "auto" or float, default="auto"
        What is known of the training rows.

        - A float in (0, 0.5]: the share of them that are anomalies. `offset_` is the
          quantile of their scores at it.
        - 0.0: none is. `offset_` is the quantile of their scores at `false_alarm_rate`.
        - "auto": unknown. Rows below Tukey's fence of the scores (the first quartile
          less 1.5 interquartile ranges) are anomalies, and at least a share of
          `false_alarm_rate`.
    false_alarm_rate : float, default=0.01
        Share of normal rows that may be flagged, for `contamination` "auto" and 0.0.
    device : str or torch.device, default="auto"
        Where to train: "auto" leaves it to the estimator.
    random_state : int, RandomState instance or None, default=None
        Seeds the subsets and the networks.

    Attributes
    ----------
    offset_ : float
        ``decision_function = score_samples - offset_``; rows below 0 are anomalies.
    estimators_ : list of estimators
        The fitted networks; number i has left out fold ``i % n_folds_``.
    n_folds_ : int
        Number of folds; fewer than `n_folds` where equal rows leave no choice.
    max_samples_ : int
        Rows that a network was trained on, at most.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X had names.

    See Also
    --------
    sklearn.ensemble.IsolationForest : The same methods.

    Notes
    -----
    A network's error e of a row is the sum of what its `explain` gives: the mean squared
    error of an `AutoencoderTransformer`, the distance in nats to the highest density of a
    `VAETransformer`. With m the median of the errors of the training rows that the
    network has not seen, the row's anomaly score is the mean of ``log2(1 + e / m)`` over
    the networks that have not seen it, and `score_samples` is minus that: -1 is an
    ordinary row. `explain` shares it out as the networks share out their errors.

    Rows that differ in a digit can belong to different folds and are then scored by
    different networks: scores are as smooth as those networks agree. Equal rows always
    share a fold. Fewer than four rows, or rows that are all alike, cannot be split; they
    are scored by networks that have seen them, and a warning says so.

    References
    ----------
    Hawkins et al., Outlier Detection Using Replicator Neural Networks, 2002. Subsets:
    Liu, Ting & Zhou, Isolation Forest, 2008; Chen et al., Outlier Detection with
    Autoencoder Ensembles, 2017. Cross-fitting: Vovk, Cross-conformal predictors, 2015.

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
        "estimator": [BaseAutoencoder, None],
        "contamination": [
            StrOptions({"auto"}),
            Options(Real, {0.0}),
            Interval(Real, 0, 0.5, closed="right"),
        ],
        "false_alarm_rate": [Interval(Real, 0, 0.5, closed="right")],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "max_samples": [
            StrOptions({"auto"}),
            Interval(Integral, 2, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="right"),
        ],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "device": [str, torch.device],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        n_estimators=10,
        max_samples="auto",
        n_folds=2,
        contamination="auto",
        false_alarm_rate=0.01,
        device="auto",
        random_state=None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.n_folds = n_folds
        self.contamination = contamination
        self.false_alarm_rate = false_alarm_rate
        self.device = device
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """Train the networks and set the threshold.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows to train on, at least two. Cells may be missing; numbers must be finite.
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
        if self.n_estimators < self.n_folds:
            raise ValueError(
                f"n_estimators={self.n_estimators} is less than n_folds={self.n_folds}; "
                "every fold needs a network that left it out."
            )
        X = check_table(self, X, reset=True, min_samples=2)
        sample_weight = check_weights(sample_weight, X)
        if sample_weight is not None:
            counts = np.flatnonzero(sample_weight > 0)
            X, sample_weight = X[counts], sample_weight[counts]
        rng = check_random_state(self.random_state)
        n_rows = X.shape[0]
        self._table = self._learn_table(X)
        hashes = self._hashes(X)
        self._folds = ContentFolds(self.n_folds if n_rows >= LEAST_SPLIT else 1).fit(hashes)
        self.n_folds_ = self._folds.n_folds_
        folds = self._folds.assign(hashes)
        self.estimators_ = self._fit_members(X, sample_weight, folds, rng)
        if self.n_folds_ == 1:
            warnings.warn(
                f"{n_rows} rows, {len(np.unique(hashes))} of them distinct, are too few "
                "to hold any out: offset_ comes from scores of rows that the networks were "
                "trained on.",
                UserWarning,
                stacklevel=2,
            )
        self._levels = [
            self._level(number, X, folds) for number in range(self.n_estimators)
        ]
        self.offset_ = self._threshold(self._score_samples(X), sample_weight)
        return self

    def _learn_table(self, X):
        """Learn what the columns of a frame hold; its levels are those of all rows."""
        asked = getattr(self.estimator, "categorical_features", "from_dtype")
        table = TableEncoder(categorical_features=asked)
        table.fit(X, names=column_names(self, X.shape[1]))
        warn_of_empty(table)
        return table

    def _hashes(self, X):
        """Return `row_hashes` of the cells, worked out block by block."""
        hashes = np.empty(X.shape[0])
        for block in gen_batches(X.shape[0], BLOCK):
            cells = X[block]
            if issparse(cells):
                cells = cells.toarray()
            elif not isinstance(cells, np.ndarray):
                design, states = self._table.encode(cells)
                if states is None:
                    states = np.full((len(design), self.n_features_in_), OBSERVED)
                cells = np.hstack([design, states])
            hashes[block] = row_hashes(cells)
        return hashes

    def __sklearn_is_fitted__(self):
        return hasattr(self, "offset_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    def _fit_members(self, X, sample_weight, folds, rng):
        """Train every network on its subset of the rows outside its fold."""
        task_of_all = self._init_callback_context(max_subtasks=self.n_estimators)
        task_of_all.call_on_fit_task_begin(estimator=self, X=X)
        members, interrupted = [], False
        self.max_samples_ = 0
        for number in range(self.n_estimators):
            rows = np.arange(X.shape[0])
            if self.n_folds_ > 1:
                rows = np.flatnonzero(folds != number % self.n_folds_)
            rows = rng.permutation(rows)[: self._n_rows(len(rows))]
            self.max_samples_ = max(self.max_samples_, len(rows))
            weight = None if sample_weight is None else sample_weight[rows]
            member = self._new_member(number, rng)
            interrupted = interrupted or _was_interrupted(members)
            if interrupted:
                # Ctrl-C ends the fit: the networks to come hardly leave their start.
                member.set_params(max_iter=1)
            task = task_of_all.subcontext(task_name="network")
            with task.propagate_callback_context(member):
                task.call_on_fit_task_begin(estimator=self, X=X)
                part = _native(self._table.declare(X[rows]))
                with warnings.catch_warnings():
                    # A part may well lack all cells of a column.
                    warnings.filterwarnings("ignore", message="All cells of columns")
                    member.fit(part, sample_weight=weight)
                task.call_on_fit_task_end(estimator=self, X=X)
            members.append(member)
        task_of_all.call_on_fit_task_end(estimator=self, X=X)
        return members

    def _level(self, number, X, folds):
        """Return the median of a network's errors of rows that it has not seen.

        Networks differ in how well they restore; rows of different folds, which are
        scored by different ones, can be compared only in this unit.
        """
        if self.n_folds_ > 1:
            X = X[np.flatnonzero(folds == number % self.n_folds_)]
        errors = self.estimators_[number]._errors(X)
        return max(float(np.median(errors)), LEAST_ERROR)

    def _n_rows(self, n_outside):
        """Return how many of the rows outside its fold a network is trained on."""
        wanted = self.max_samples
        if isinstance(wanted, str):
            wanted = CLEAN_SAMPLES if self.contamination == 0.0 else MIXED_SAMPLES
        elif not isinstance(wanted, Integral):
            wanted = round(wanted * n_outside)
        return max(wanted, 2)

    def _new_member(self, number, rng):
        estimator = self.estimator
        if estimator is None:
            by_turns = number // self.n_folds_ % 2
            estimator = (
                self._default_restorer()
                if by_turns
                else _DensityMember(
                    min(N_CODES, self.n_features_in_), n_importance_samples=N_DRAWS
                )
            )
        settings = {"random_state": rng.randint(MAX_SEED)}
        if self.device != "auto":
            settings["device"] = self.device
        return clone(estimator).set_params(**settings)

    def _default_restorer(self):
        n_features = self.n_features_in_
        if n_features == 1:
            return _DensityMember(1, n_importance_samples=N_DRAWS)
        # Fewer codes than columns, or every row would be restored. From four columns on
        # a share of 0.7 sees to it.
        few = n_features < 4
        return AutoencoderTransformer(n_features - 1 if few else RESTORED_SHARE)

    def _threshold(self, scores, sample_weight):
        """Return the score below which a row is an anomaly."""
        if not isinstance(self.contamination, str):
            share = self.contamination or self.false_alarm_rate
            return _quantile(scores, share, sample_weight)
        low, high = (_quantile(scores, share, sample_weight) for share in (0.25, 0.75))
        fence = low - 1.5 * (high - low)
        return max(fence, _quantile(scores, self.false_alarm_rate, sample_weight))

    def score_samples(self, X):
        """Return the score of every row; the lower, the more anomalous.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype float64
            At most 0; about -1 is an ordinary row, and one less a row whose errors are
            twice as large.
        """
        check_is_fitted(self)
        return self._score_samples(check_fitted_table(self, X, self._table))

    def _score_samples(self, X):
        scores = np.empty(X.shape[0])
        for rows, members in self._unseen(X):
            part = X[rows]
            errors = [self.estimators_[m]._errors(part) / self._levels[m] for m in members]
            scores[rows] = -np.mean(np.log2(1.0 + np.array(errors)), axis=0)
        return scores

    def explain(self, X, *, expected=False):
        """Say which cells make a row anomalous.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.
        expected : bool, default=False
            Whether to return as well what each cell should have been.

        Returns
        -------
        contributions : data frame of shape (n_samples, n_features_in_)
            How much each cell adds to the row's anomaly score, which is minus
            `score_samples`: none is negative, a missing cell adds 0.
        expected : data frame or ndarray of shape (n_samples, n_features_in_)
            Only with ``expected=True``: every cell as it is restored from the others by
            networks that have not seen the row (the median of the numbers, the level most
            often named).
        """
        check_is_fitted(self)
        X = check_fitted_table(self, X, self._table)
        contributions, design = self._explain(X)
        contributions = as_frame_like(self, X, contributions)
        if not expected:
            return contributions
        return contributions, with_index_of(X, self._table.decode(design, np.float64))

    def _explain(self, X):
        """Return the cells' contributions, and what the networks expect in their place."""
        layout = self._table.layout_
        n_numbers = len(layout.numbers)
        contributions = np.zeros((X.shape[0], self.n_features_in_))
        design = np.empty((X.shape[0], layout.n_outputs))
        for rows, members in self._unseen(X):
            part, expected = X[rows], []
            for number in members:
                member = self.estimators_[number]
                errors, restored = member._explain(part)
                total = errors.sum(axis=1)
                score = np.log2(1.0 + total / self._levels[number]) / len(members)
                errors *= (score / np.maximum(total, np.finfo(float).tiny))[:, None]
                contributions[rows] += errors
                expected.append(
                    self._own_design(member._table.decode(restored, np.float64))
                )
            expected = np.stack(expected)
            design[rows, :n_numbers] = np.median(expected[..., :n_numbers], axis=0)
            design[rows, n_numbers:] = expected[..., n_numbers:].mean(axis=0)
        return contributions, design

    def _own_design(self, table):
        """Return a member's table in the detector's design matrix."""
        table = check_table(self, table, reset=False)
        return self._table.encode(table, np.float64)[0][:, : self._table.layout_.n_outputs]

    def _unseen(self, X):
        """Yield row numbers, and the numbers of the networks that have not seen them."""
        folds = self._folds.assign(self._hashes(X))
        for fold in range(self.n_folds_):
            rows = np.flatnonzero(folds == fold)
            if len(rows):
                yield rows, range(fold, self.n_estimators, self.n_folds_)

    def decision_function(self, X):
        """Return ``score_samples(X) - offset_``: below 0 are the anomalies.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
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
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
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


def _native(X):
    return X.to_native() if isinstance(X, nw.DataFrame) else X


def _was_interrupted(members):
    return bool(members) and members[-1].net_.stop_reason_ == "interrupted"
