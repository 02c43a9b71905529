"""The autoencoder as an anomaly detector."""

import warnings
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import (
    Interval,
    Options,
    RealNotInt,
    StrOptions,
)
from sklearn.utils.validation import check_is_fitted

from skae._estimator import MAX_SEED, BaseAutoencoder, warn_of_empty
from skae.detector.calibration import (
    ConformalScores,
    benjamini_hochberg,
    lower_fence,
    weighted_quantile,
)
from skae.detector.clones import CloneMembers
from skae.detector.ensemble import DenoisingMembers
from skae.detector.folds import ContentFolds, row_hashes
from skae.detector.presets import choose_make_up
from skae.table.blocks import OBSERVED
from skae.table.encoder import BLOCK, TableEncoder
from skae.table.rows import EncodedRows
from skae.table.validation import (
    as_frame_like,
    check_fitted_table,
    check_table,
    check_weights,
    column_names,
    float_dtype,
    with_index_of,
)
from skae.training.devices import resolve_device

# Fewer rows than this cannot be split so that both sides can train.
LEAST_SPLIT = 4
# Left-out rows that settle the threshold, and that are kept to compare with.
MAX_CALIBRATION = 20_000


class AEAnomalyDetector(CallbackSupportMixin, OutlierMixin, BaseEstimator):
    """Anomalies are the rows that autoencoders, trained without them, restore badly.

    Many small denoising autoencoders are trained as one batched model, each on a few
    rows: as in an isolation forest, a small subset holds too few of the anomalies for a
    network to learn them. The rows are split into `n_folds` folds, every network leaves
    one out, and a row is scored by the networks that left its fold out: none of them has
    seen it. Which fold is a function of the row's cells (a hash), so that this holds for
    training rows and fresh rows alike: scores of training rows are not flattered, and a
    threshold taken from them means the same on fresh rows.

    What is known of the training rows (`contamination`) decides what the networks are
    made of, where a parameter does not say otherwise:

    ==================  =====================  ==============
    parameter           "auto", or a share     0.0 (clean)
    ==================  =====================  ==============
    n_estimators        36                     16
    max_samples         16, 32, 64 [*]_        1024
    hidden_layer_sizes  (64,)                  (128,)
    noise               0.1                    0.2
    code_weight         0.0                    0.5 [*]_
    max_trim            0.2, or the share      0.0
    max_iter            150                    450
    batch_size          32                     64
    n_folds             2                      4
    ==================  =====================  ==============

    .. [*] Of a share c: 2 / c, but 32 to 1024, and a half and a quarter of it, so that the
       largest holds two anomalies on average.
    .. [*] 0.0 for tables of more than 128 columns.

    Parameters
    ----------
    estimator : AutoencoderTransformer or VAETransformer, default=None
        Clones of it are trained in place of the networks above; its parameters can be
        searched as ``estimator__n_components`` and so on.
    n_estimators : int, default=None
        Number of networks, at least `n_folds`. None: see above; 10 clones.
    max_samples : "auto", int, float or sequence of them, default="auto"
        Rows that a network is trained on: a number, or a share of the rows outside its
        fold; of a sequence, the networks take one by turns. "auto": see above; 256 for
        clones, 1024 where the rows are clean.
    hidden_layer_sizes : int or tuple of int, default=None
        Units of the hidden layers; the first is the code.
    noise : float or sequence of float, default=None
        Standard deviation of the noise in training, in standard units of the columns; of
        a sequence, the networks take one by turns.
    code_weight : float, default=None
        Weight of the distance to the nearest known code, beside the error's 1.
    max_trim : float, default=None
        Largest share of the rows that the networks are kept from seeing because they lie
        far out (modified z-score of the Mahalanobis distance above 3.5).
    max_iter : int, default=None
        Training steps.
    batch_size : int, default=None
        Rows a step and network.
    learning_rate_init : float, default=0.01
        Peak of the one-cycle schedule.
    n_folds : int, default=None
        Number of folds; a row is scored by ``n_estimators / n_folds`` networks. None: see
        above; 2 for clones.
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
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Columns that hold categories whatever their dtype: names, numbers or a mask.
        "from_dtype": text, categorical and boolean columns do. With an `estimator`, its
        own setting counts.
    device : str or torch.device, default="auto"
        Where to train: "auto" is the CUDA device where there is one, else the CPU; with
        an `estimator` it leaves that to it.
    random_state : int, RandomState instance or None, default=None
        Seeds the subsets and the networks.

    Attributes
    ----------
    offset_ : float
        ``decision_function = score_samples - offset_``; rows below 0 are anomalies.
    network_ : torch.nn.Module
        The networks, stacked; those that left out the first fold first. Without an
        `estimator` only.
    estimators_ : list of estimators
        The fitted clones; number i has left out fold ``i % n_folds_``. With an
        `estimator` only.
    n_folds_ : int
        Number of folds; fewer than `n_folds` where equal rows leave no choice.
    n_estimators_ : int
        Number of networks.
    n_iter_ : int
        Training steps taken; with an `estimator`, the most epochs of a clone.
    max_samples_ : ndarray of int of shape (n_estimators_,)
        Rows that each network was trained on.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X had names.

    See Also
    --------
    sklearn.ensemble.IsolationForest : The same methods.

    Notes
    -----
    Columns are in standard units, in which numbers beyond 5 count by their logarithm and
    a category varies as much as a number. Of network k with restoration r(x), code c(x)
    (its first hidden layer) and known codes C (of the rows it was trained on), let

    - e(x) be the mean over the observed cells of ``(r(x) - x)^2``, and
    - d(x) the squared distance from c(x) to the nearest of C,

    and m_e and m_d their medians over training rows that the network has not seen. With
    the weight w = `code_weight`, the row's anomaly is the mean over the networks that
    have not seen its fold of ``(log2(1 + e / m_e) + w log2(1 + d / m_d)) / (1 + w)``, and
    `score_samples` is minus that: about -1 is an ordinary row. With ``code_weight > 0``
    the detector holds the codes of training rows. Of a table of more than 128 columns (a
    column a level of a category) the networks see the first 128 principal axes; e still
    is the error in all columns. With an `estimator`, e is its error (what its `explain`
    sums to), and w is 0.

    Rows that differ in a digit can belong to different folds and are then scored by
    different networks: scores are as smooth as those networks agree. Equal rows always
    share a fold. Fewer than four rows, or rows that are all alike, cannot be split; they
    are scored by networks that have seen them, and a warning says so. Beyond 20,000
    training rows a random 20,000 of them settle the threshold.

    References
    ----------
    Vincent et al., Extracting and Composing Robust Features with Denoising Autoencoders,
    2008; the error as a slope of the log density: Alain & Bengio, What Regularized
    Auto-Encoders Learn from the Data-Generating Distribution, 2014. Subsets: Liu, Ting &
    Zhou, Isolation Forest, 2008; Chen et al., Outlier Detection with Autoencoder
    Ensembles, 2017. Conformal p-values: Bates et al., 2023.

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
        "n_estimators": [Interval(Integral, 1, None, closed="left"), None],
        "max_samples": [
            StrOptions({"auto"}),
            Interval(Integral, 2, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="right"),
            "array-like",
        ],
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "noise": [Interval(Real, 0, None, closed="left"), "array-like", None],
        "code_weight": [Interval(Real, 0, None, closed="left"), None],
        "max_trim": [Interval(Real, 0, 0.5, closed="both"), None],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "n_folds": [Interval(Integral, 2, None, closed="left"), None],
        "contamination": [
            StrOptions({"auto"}),
            Options(Real, {0.0}),
            Interval(Real, 0, 0.5, closed="right"),
        ],
        "false_alarm_rate": [Interval(Real, 0, 0.5, closed="right")],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "device": [str, torch.device],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        n_estimators=None,
        max_samples="auto",
        hidden_layer_sizes=None,
        noise=None,
        code_weight=None,
        max_trim=None,
        max_iter=None,
        batch_size=None,
        learning_rate_init=0.01,
        n_folds=None,
        contamination="auto",
        false_alarm_rate=0.01,
        categorical_features="from_dtype",
        device="auto",
        random_state=None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.hidden_layer_sizes = hidden_layer_sizes
        self.noise = noise
        self.code_weight = code_weight
        self.max_trim = max_trim
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.n_folds = n_folds
        self.contamination = contamination
        self.false_alarm_rate = false_alarm_rate
        self.categorical_features = categorical_features
        self.device = device
        self.random_state = random_state

    # ------------------------------------------------------------------ fitting

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

        Warns
        -----
        UserWarning
            If the rows are too few to leave any out, or fewer than `max_samples` asks
            for.
        ConvergenceWarning
            If training diverged or was interrupted (Ctrl-C); the detector is usable.
        """
        X = check_table(self, X, reset=True, min_samples=2)
        return self._fit(X, check_weights(sample_weight, X), keep_rows=False)

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Learn from a chunk of rows.

        The first call is `fit`, but keeps the rows that the networks were trained on.
        Later calls replace some of these, so that they stay a random sample of all rows
        seen, train the networks a little more, and move the threshold: it comes from the
        latest rows (20,000 a fold), each scored before it was learned from. Columns,
        levels and units stay those of the first chunk. After `fit` a call begins anew.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            A chunk of rows; in the first, enough to learn the columns from.
        y : Ignored
            Present for the API.
        sample_weight : array-like of shape (n_samples,), default=None
            Rows of weight 0 are left out; after the first call other weights count
            alike.

        Returns
        -------
        self : object
            The detector.
        """
        if not getattr(self, "_n_chunks", 0):
            X = check_table(self, X, reset=True, min_samples=2)
            return self._fit(X, check_weights(sample_weight, X), keep_rows=True)
        X = check_fitted_table(self, X, self._table)
        sample_weight = check_weights(sample_weight, X)
        if sample_weight is not None:
            X = X[np.flatnonzero(sample_weight)]
        scores, folds = self._scores_and_folds(X)
        # Other draws for every chunk of a seeded stream.
        seed = check_random_state(self.random_state).randint(MAX_SEED) + self._n_chunks
        rng = np.random.RandomState(seed % MAX_SEED)
        self._n_chunks += 1
        if self.estimator is None:
            # What is flagged is not learned, where anomalies may hide.
            trusted = np.arange(len(scores))
            if self._make_up.most_trimmed:
                trusted = np.flatnonzero(scores >= self.offset_)
            if len(trusted):
                self._members.update(X[trusted], folds[trusted], rng, lambda share: False)
            self._warn_of_training()
        else:
            self._members.update(X, folds)
        self._calibration.add(scores, folds)
        self.offset_ = self._threshold(self._calibration.all, None)
        return self

    def _fit(self, X, sample_weight, keep_rows):
        device = resolve_device(self.device)
        self._make_up = choose_make_up(self)
        if sample_weight is not None:
            counts = np.flatnonzero(sample_weight > 0)
            X, sample_weight = X[counts], sample_weight[counts]
            if (sample_weight == sample_weight[0]).all():
                sample_weight = None
        rng = check_random_state(self.random_state)
        n_rows = X.shape[0]
        self._table = self._learn_table(X)
        hashes = np.concatenate(
            [self._hashes(X[block]) for block in gen_batches(n_rows, BLOCK)]
        )
        n_folds = self._make_up.n_folds
        self._folds = ContentFolds(n_folds if n_rows >= LEAST_SPLIT else 1).fit(hashes)
        self.n_folds_ = self._folds.n_folds_
        folds = self._folds.assign(hashes)
        fit_members = self._fit_denoising if self.estimator is None else self._fit_clones
        fit_members(X, folds, sample_weight, rng, device, keep_rows)
        self.max_samples_ = np.array(self._members.sizes_)
        self.n_estimators_ = len(self.max_samples_)
        self.n_iter_ = self._members.n_iter
        self._warn_of_few_rows(n_rows, len(np.unique(hashes)))
        kept = np.arange(n_rows)
        if n_rows > MAX_CALIBRATION:
            kept = np.sort(rng.choice(n_rows, MAX_CALIBRATION, replace=False))
        scores, folds = self._scores_and_folds(X[kept])
        self._calibration = ConformalScores(self.n_folds_, MAX_CALIBRATION)
        self._calibration.add(scores, folds)
        weight = None if sample_weight is None else sample_weight[kept]
        self.offset_ = self._threshold(scores, weight)
        self._n_chunks = int(keep_rows)
        return self

    def _warn_of_few_rows(self, n_rows, n_distinct):
        if self.n_folds_ == 1:
            warnings.warn(
                f"{n_rows} rows, {n_distinct} of them distinct, are too few "
                "to hold any out: offset_ comes from scores of rows that the networks were "
                "trained on.",
                UserWarning,
                stacklevel=4,
            )
        most = int(self.max_samples_.max())
        asked = self.max_samples
        if isinstance(asked, str):
            return
        asked = max((a for a in np.ravel(asked) if a > 1), default=0)
        if asked > most:
            warnings.warn(
                f"max_samples={self.max_samples} asks for more rows than there are "
                f"outside a fold; networks were trained on {most} at most.",
                UserWarning,
                stacklevel=4,
            )

    def _learn_table(self, X):
        """Learn what the columns of a frame hold; its levels are those of all rows."""
        chooser = self if self.estimator is None else self.estimator
        table = TableEncoder(categorical_features=chooser.categorical_features)
        table.fit(X, names=column_names(self, X.shape[1]))
        warn_of_empty(table)
        return table

    def _fit_denoising(self, X, folds, sample_weight, rng, device, keep_rows):
        tasks = self._init_callback_context(max_subtasks=10)
        tasks.call_on_fit_task_begin(estimator=self, X=X)

        def progress(share):
            task = tasks.subcontext(task_name="training")
            task.call_on_fit_task_begin(estimator=self, X=X)
            return task.call_on_fit_task_end(estimator=self, X=X)

        members = DenoisingMembers(self._make_up, self._table, X.shape[0], device)
        members.fit(X, folds, self.n_folds_, sample_weight, rng, progress, keep_rows)
        tasks.call_on_fit_task_end(estimator=self, X=X)
        self._members, self.network_ = members, members.networks
        self.__dict__.pop("estimators_", None)
        self._warn_of_training()

    def _fit_clones(self, X, folds, sample_weight, rng, device, keep_rows):
        n_members, (size,) = self._make_up.n_members, self._make_up.sizes
        members = CloneMembers.of(self, self._table, n_members, size, rng)
        tasks = self._init_callback_context(max_subtasks=n_members)
        tasks.call_on_fit_task_begin(estimator=self, X=X)

        @contextmanager
        def subtask(member):
            task = tasks.subcontext(task_name="network")
            with task.propagate_callback_context(member):
                task.call_on_fit_task_begin(estimator=self, X=X)
                yield
                task.call_on_fit_task_end(estimator=self, X=X)

        members.fit(X, folds, self.n_folds_, sample_weight, rng, subtask)
        tasks.call_on_fit_task_end(estimator=self, X=X)
        self._members, self.estimators_ = members, members.estimators
        self.__dict__.pop("network_", None)

    def _warn_of_training(self):
        """Say how training ended, where that is news. Clones have said it themselves."""
        if self._members.stop_reason == "interrupted":
            message = (
                f"Training was interrupted after {self._members.n_iter} steps; further "
                "training might improve the detector."
            )
        elif self._members.n_diverged:
            message = (
                f"{self._members.n_diverged} of {len(self._members.sizes_)} networks "
                f"diverged with learning_rate_init={self.learning_rate_init:g} and restore "
                "nothing now. Use a smaller learning_rate_init."
            )
        else:
            return
        warnings.warn(message, ConvergenceWarning, stacklevel=5)

    def _threshold(self, scores, sample_weight):
        """Return the score below which a row is an anomaly."""
        if not isinstance(self.contamination, str):
            share = self.contamination or self.false_alarm_rate
            return weighted_quantile(scores, share, sample_weight)
        least = weighted_quantile(scores, self.false_alarm_rate, sample_weight)
        return max(lower_fence(scores, sample_weight), least)

    # ------------------------------------------------------------------ scoring

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
        return self._scores_and_folds(check_fitted_table(self, X, self._table))[0]

    def _scores_and_folds(self, X):
        scores, folds = np.empty(X.shape[0]), np.empty(X.shape[0], dtype=int)
        for rows, part, fold in self._by_fold(X):
            scores[rows] = -self._members.anomaly(part, fold, float_dtype(X))
            folds[rows] = fold
        return scores, folds

    def _by_fold(self, X):
        """Yield numbers of rows, these rows and their fold, block by block."""
        for block in gen_batches(X.shape[0], BLOCK):
            part = self._members.read(X[block], float_dtype(X))
            folds = self._folds.assign(self._hashes(part))
            for fold in np.unique(folds):
                rows = np.flatnonzero(folds == fold)
                whole = len(rows) == len(folds)
                yield block.start + rows, part if whole else part[rows], fold

    def _hashes(self, X):
        """Return `row_hashes` of the cells."""
        if issparse(X):
            return row_hashes(X.toarray())
        if isinstance(X, np.ndarray):
            return row_hashes(X)
        if not isinstance(X, EncodedRows):
            X = EncodedRows(*self._table.encode(X))
        cells = X.cells
        if cells is None:
            cells = np.full((len(X.design), self.n_features_in_), OBSERVED)
        return row_hashes(np.hstack([X.design, cells]))

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

    def pvalues(self, X):
        """Return how likely a row like the training rows scores as low by chance.

        The conformal p-value of a row is its rank among the training rows of its fold,
        which were scored by the same networks, and like it were not seen by them. Of rows
        that come as the training rows came, a share of at most `a` has a p-value of at
        most `a`, for every `a`. Anomalies among the training rows make p-values larger:
        they err on the safe side. Weights of training rows do not count here.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        pvalues : ndarray of shape (n_samples,), dtype float64
            Above 0: the smallest is ``1 / (n + 1)`` with n the training rows of a fold.
        """
        check_is_fitted(self)
        X = check_fitted_table(self, X, self._table)
        return self._calibration.pvalues(*self._scores_and_folds(X))

    def select(self, X, *, fdr=0.05):
        """Choose the rows that are anomalies, at a bounded share of mistakes.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Fresh rows, which are judged together.
        fdr : float, default=0.05
            False discovery rate: the expected share of normal rows among those that are
            chosen.

        Returns
        -------
        is_anomaly : ndarray of shape (n_samples,), dtype bool

        Notes
        -----
        k rows can be chosen out of m only where the smallest p-value, ``1 / (n + 1)``
        with n the training rows of a fold, is at most ``fdr * k / m``: few anomalies
        among many rows take many training rows, or fewer folds.

        References
        ----------
        Benjamini & Hochberg, Controlling the False Discovery Rate, 1995, on conformal
        p-values: Bates et al., Testing for Outliers with Conformal p-values, 2023.
        """
        if not isinstance(fdr, Real) or not 0.0 < fdr < 1.0:
            raise ValueError(f"fdr={fdr!r}; ask for a share between 0 and 1, such as 0.05.")
        return benjamini_hochberg(self.pvalues(X), fdr)

    def explain(self, X, *, expected=False):
        """Say which cells make a row anomalous.

        The cells of a row that are restored worst are given other values in turn, and
        bear its anomaly in the proportion in which the best of these makes it fall.

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
            Only with ``expected=True``: for every cell the value that makes the row most
            ordinary; its own, where no other is better.
        """
        check_is_fitted(self)
        X = check_fitted_table(self, X, self._table)
        contributions = np.zeros((X.shape[0], self.n_features_in_))
        design = np.empty((X.shape[0], self._table.layout_.n_outputs))
        for rows, part, fold in self._by_fold(X):
            contributions[rows], design[rows] = self._members.explain(
                part, fold, float_dtype(X)
            )
        contributions = as_frame_like(self, X, contributions)
        if not expected:
            return contributions
        return contributions, with_index_of(X, self._table.decode(design, np.float64))

    def __sklearn_is_fitted__(self):
        return hasattr(self, "offset_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags
