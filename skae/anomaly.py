"""The autoencoder as an anomaly detector."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import ClassVar, Literal

from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils._param_validation import Interval, Options, RealNotInt, StrOptions

from skae._documented import documented
from skae._estimator import BaseAutoencoder
from skae._parameters import (
    ColumnParameters,
    ComputeParameters,
    NetworkParameters,
    TrainingParameters,
)
from skae.detector.streaming import FollowsStream


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class AEAnomalyDetector(
    CallbackSupportMixin, FollowsStream, ComputeParameters, ColumnParameters, BaseEstimator
):
    """Anomaly detection with an ensemble of autoencoders.

    Anomalies are the rows that autoencoders, trained without them, reconstruct badly.

    Many small denoising autoencoders are trained as one batched model, each on a few
    rows: as in an isolation forest, a small subset holds too few of the anomalies for a
    network to learn them. The rows are split at random into `n_folds` folds, and each
    network leaves one out. A fresh row is scored by all networks. Thresholds and p-values
    compare it with the training rows as they are scored by the networks that left out
    their fold: these have not seen them, so that they do not look too good, and what is
    taken from them means the same on fresh rows.

    What is known about the training rows (`contamination`) decides what the networks are
    like, unless a parameter says otherwise:

    ==================  =========================  ==============
    parameter           "auto", or a proportion    0.0 (clean)
    ==================  =========================  ==============
    n_estimators        36                         8
    max_samples         16, 32, 64 [*]_            1024
    hidden_layer_sizes  (64,)                      (128,)
    noise               0.1                        0.2
    code_weight         0.0                        1.0 [*]_
    max_trim            0.2, or the proportion     0.0
    max_iter            150                        300
    batch_size          32                         64
    n_folds             2                          4 [*]_
    ==================  =========================  ==============

    .. [*] With a proportion c: 2 / c, but at least 32 and at most 1024, and a half and a
       quarter of it, so that the largest subset holds two anomalies on average.
    .. [*] 0.0 for tables of more than 128 columns.
    .. [*] Fewer, but at least 2, where a fold would have less than 20 rows, or no network.

    Parameters
    ----------
    estimator : AutoencoderTransformer or VAETransformer, default=None
        Clones of it are trained in place of the networks above; its parameters can be
        searched as ``estimator__n_components`` and so on.
    n_estimators : int, default=None
        Number of networks, at least `n_folds`. None: see above; 10 clones.
    max_samples : "auto", int, float or sequence of them, default="auto"
        Rows that each network is trained on: a number, or a proportion of the rows
        outside its fold; the networks take the items of a sequence by turns. "auto": see
        above; 256 for clones, 1024 where the rows are clean.
    hidden_layer_sizes : int or sequence of int, default=None
        Units of the hidden layers; the first is the code.
    noise : float or sequence of float, default=None
        Standard deviation of the noise in training, in standard units of the columns; the
        networks take the items of a sequence by turns.
    code_weight : float, default=None
        Weight of the distance to the nearest known code, beside the error's 1.
    max_trim : float, default=None
        Largest proportion of the rows that the networks are not trained on because they
        are far from the others (modified z-score of the Mahalanobis distance above 3.5).
    max_iter : int, default=None
        Training steps.
    batch_size : int, default=None
        Rows per step and network.
    learning_rate_init : float, default=0.01
        Peak of the one-cycle schedule.
    n_folds : int, default=None
        Number of folds; a training row is compared with by ``n_estimators / n_folds``
        networks. None: see above; 2 for clones.
    contamination : "auto" or float, default="auto"
        What is known about the training rows.

        - A float in (0, 0.5]: the proportion of anomalies. `offset_` is the quantile of
          the training scores at this proportion.
        - 0.0: there are none. `offset_` is the quantile at `false_alarm_rate`.
        - "auto": unknown. Rows below a fence of the scores are anomalies, and at least a
          proportion of `false_alarm_rate`. An exponential tail from the median through the
          first quartile leaves this proportion below the fence. Where more than a tenth of
          the rows lie below it, these are taken for another kind of ordinary rows, with a
          fence of their own.
    false_alarm_rate : float, default=0.01
        Proportion of ordinary rows that may be flagged, for `contamination` "auto" and
        0.0.
    window_size : int, default=2000
        Rows that `partial_fit` keeps, the latest, to take threshold and p-values from; the
        rows that the networks are trained on are replaced about as fast. 0: no others than
        these are kept, and past scores count the less the older they are.
    verbose : int, default=0
        1 prints the training loss ten times in a fit; with an `estimator`, after each
        clone.
    device : str or torch.device, default="auto"
        Where to train: "auto" is the CUDA device where there is one, else the CPU; with
        an `estimator` it leaves that to the estimator.

    Attributes
    ----------
    offset_ : float
        ``decision_function = score_samples - offset_``; rows below 0 are anomalies.
    oof_scores_ : ndarray of shape (n_samples,)
        The score of each training row by the networks that left out its fold. Rows of
        weight 0 are scored as fresh ones.
    drift_ : float
        Proportion of the latest chunk of `partial_fit` whose p-value was at most 0.05
        before it was learned: about 0.05 while the stream stays what it was, and after
        `fit`.
    network_ : torch.nn.Module
        The networks, stacked; those that leave out the first fold come first. Only
        without an `estimator`.
    estimators_ : list of estimators
        The fitted clones; those that leave out the first fold come first. Only with an
        `estimator`. A clone of a `VAETransformer` has ``sampler="codes"``: a detector draws
        no rows, and does not wait until it is learned how.
    n_folds_ : int
        Number of folds; fewer than `n_folds` where equal rows or groups leave no choice.
    n_estimators_ : int
        Number of networks.
    n_iter_ : int
        Training steps taken; with an `estimator`, the most epochs of a clone.
    loss_curve_ : list of float
        Training loss of every step, the mean over the networks: the squared error in
        standard units. With an `estimator`, of every epoch, the mean over the clones; one
        that stopped earlier counts by its last loss.
    max_samples_ : ndarray of int of shape (n_estimators_,)
        Rows that each network was trained on.

    See Also
    --------
    sklearn.ensemble.IsolationForest : The same methods.

    Notes
    -----
    With an `estimator`, its own `categorical_features` and `ordinal_features` count.

    Columns are in standard units, in which numbers beyond 5 count by their logarithm and
    a category varies as much as a number. Let r(x) be the reconstruction by one network,
    c(x) the code (its first hidden layer) and C the codes of the rows that the network
    was trained on, and

    - e(x) the mean over the observed cells of ``(r(x) - x)^2``,
    - d(x) the squared distance from c(x) to the nearest of C,

    and m_e and m_d their medians over training rows that the network has not seen. With
    the weight w = `code_weight`, the anomaly of a row is the mean over the networks of
    ``(log2(1 + e / m_e) + w log2(1 + d / m_d)) / (1 + w)``, and `score_samples` is minus
    that: about -1 for an ordinary row. With ``code_weight > 0``
    the detector holds the codes of training rows. If the table has more than 128 columns
    (one per number and one per level of a category), the networks see its first 128
    principal components; e still is the error in all columns. With an `estimator`, e is
    its error (the sum of its `explain`), and w is 0.

    Each fold has units of its own, those of the rows outside it, and knows the levels of
    these: a level that a held-out row alone has is as strange as a level that was never
    seen, which counts as a flag set in a proportion (s + 1) / (n + 1) of n rows, s of
    which hold a level that no other has (Good, 1953). A missing cell is filled with what
    the networks expect, and does not count. Equal rows are in the same fold, unless rows
    usually look like that. Fewer than four rows, or rows that are all equal but for one,
    cannot be split; they are scored by networks that have seen them, with a warning. Of
    more than 20,000 training rows, a random 20,000 settle the threshold.

    References
    ----------
    Vincent et al., Extracting and Composing Robust Features with Denoising Autoencoders,
    2008; the error as a slope of the log density: Alain & Bengio, What Regularized
    Auto-Encoders Learn from the Data-Generating Distribution, 2014. Subsets: Liu, Ting &
    Zhou, Isolation Forest, 2008; Chen et al., Outlier Detection with Autoencoder
    Ensembles, 2017. Cross-conformal p-values: Vovk, Cross-Conformal Predictors, 2015;
    Barber et al., Predictive Inference with the Jackknife+, 2021. New levels: Good, The
    Population Frequencies of Species and the Estimation of Population Parameters, 1953.

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

    estimator: BaseAutoencoder | None = field(default=None, kw_only=False)
    n_estimators: int | None = None
    max_samples: Literal["auto"] | float | Sequence[float] = "auto"
    hidden_layer_sizes: int | Sequence[int] | None = None
    noise: float | Sequence[float] | None = None
    code_weight: float | None = None
    max_trim: float | None = None
    max_iter: int | None = None
    batch_size: int | None = None
    learning_rate_init: float = 0.01
    n_folds: int | None = None
    contamination: Literal["auto"] | float = "auto"
    false_alarm_rate: float = 0.01
    window_size: int = 2000
    verbose: int = 0

    _parameter_constraints: ClassVar[dict] = {
        **ComputeParameters._parameter_constraints,
        **ColumnParameters._parameter_constraints,
        **{
            name: TrainingParameters._parameter_constraints[name]
            for name in ("max_iter", "batch_size", "learning_rate_init", "verbose")
        },
        "hidden_layer_sizes": NetworkParameters._parameter_constraints[
            "hidden_layer_sizes"
        ],
        "estimator": [BaseAutoencoder, None],
        "n_estimators": [Interval(Integral, 1, None, closed="left"), None],
        "max_samples": [
            StrOptions({"auto"}),
            Interval(Integral, 2, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="right"),
            "array-like",
        ],
        "noise": [Interval(Real, 0, None, closed="left"), "array-like", None],
        "code_weight": [Interval(Real, 0, None, closed="left"), None],
        "max_trim": [Interval(Real, 0, 0.5, closed="both"), None],
        "n_folds": [Interval(Integral, 2, None, closed="left"), None],
        "contamination": [
            StrOptions({"auto"}),
            Options(Real, {0.0}),
            Interval(Real, 0, 0.5, closed="right"),
        ],
        "false_alarm_rate": [Interval(Real, 0, 0.5, closed="right")],
        "window_size": [Interval(Integral, 0, None, closed="left")],
    }

    _trains_in_parallel = True

    def __sklearn_is_fitted__(self):
        return hasattr(self, "offset_")
