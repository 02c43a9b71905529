"""Constructor parameters that estimators share: type, default, constraint and text, once.

An estimator is a dataclass (``eq=False, repr=False``: scikit-learn has its own) whose bases
are the groups of this room. The dataclass writes the constructor, which therefore only
stores, and `skae._documented` puts the texts of the groups into the estimator's docstring.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from torch import nn

from skae.architectures import ACTIVATIONS, Network
from skae.corruption import Corruption

Activation: TypeAlias = Literal[
    "relu", "tanh", "logistic", "identity", "silu", "gelu", "elu"
]
RandomState: TypeAlias = int | np.random.RandomState | None

_COUNT = Interval(Integral, 1, None, closed="left")
_FRACTION = Interval(RealNotInt, 0, 1, closed="neither")
_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")


@dataclass(eq=False, repr=False, kw_only=True)
class ColumnParameters:
    """What the columns of a table hold.

    Parameters
    ----------
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Columns that hold categories whatever their dtype: names, positions or a mask.
        "from_dtype": text, categorical and boolean columns do. None: text and categories
        are refused.
    ordinal_features : "from_dtype", None or array-like, default="from_dtype"
        Columns that hold ordered categories: names, positions or a mask. "from_dtype":
        ordered categorical columns of pandas do. On request so do polars' `Enum` and
        unordered categorical columns, in the order in which their categories are declared,
        and numbers, in ascending order. None: no column does.
    min_frequency : int or float, default=None
        Number, or fraction, of the rows below which a category is rare. Rare categories
        are merged into one; of ordered ones, each into a neighbour. With weights, a row
        counts as many times as it weighs; as the scale of weights says nothing, those in
        the ratios of whole numbers (such as 1, 2, 3) are taken as these, others as 1 on
        average.
    max_categories : int, default=100
        Maximum number of categories per column; the rarest are merged. None: no limit.
    missing : {"unknown", "level"}, dict or array-like, default="unknown"
        What a missing cell is. "unknown": it has a value that is not known; it says nothing,
        costs nothing and can be filled. "level": where nothing is there to be known (no
        pool, never visited) it is a level of its own, in columns of any kind: predicted,
        scored and sampled as other values are, and not filled; in all columns that have
        missing cells in fit, or those of names, positions or a mask, or of a dict, such as
        ``{"pool": "level"}``. Of such a column the network has one more outcome, whether
        the cell is missing, and the value counts where there is one. A missing cell in a
        named column that has none in fit is a category that was not seen in fit.
    keep_training_values : bool, default=True
        False: values that fewer than five training rows hold are not kept, neither in
        memory nor in files. Such categories count as rare, and are not told apart; limits,
        quantiles and the values that samples are made of are means of five rows.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names.
    """

    categorical_features: Literal["from_dtype"] | ArrayLike | None = "from_dtype"
    ordinal_features: Literal["from_dtype"] | ArrayLike | None = "from_dtype"
    min_frequency: int | float | None = None
    max_categories: int | None = 100
    missing: Literal["unknown", "level"] | dict | ArrayLike = "unknown"
    keep_training_values: bool = True

    _parameter_constraints: ClassVar[dict] = {
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "ordinal_features": ["array-like", StrOptions({"from_dtype"}), None],
        "min_frequency": [_COUNT, _FRACTION, None],
        "max_categories": [_COUNT, None],
        "missing": [StrOptions({"unknown", "level"}), dict, "array-like"],
        "keep_training_values": ["boolean"],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags


@dataclass(eq=False, repr=False, kw_only=True)
class TableParameters(ColumnParameters):
    """How the columns of a table are encoded.

    Parameters
    ----------
    scale : bool, "robust" or "quantile", default=True
        True: numeric columns are standardised inside, so that each counts alike. False:
        they keep their proportions, and the loss is the squared error in raw units, as
        PCA's is. For columns with heavy tails: "robust", by median and interquartile
        range, or "quantile", by the normal quantile of the rank, in standard units.
    handle_unknown : {"ignore", "infrequent_if_exist", "error"}, default="ignore"
        What to do with a category that was not seen in fit: "ignore" takes the cell as
        unknown, which tells the network nothing and scores at least as badly as the rarest
        category. "infrequent_if_exist" takes it as one of the rare categories, where some
        of the column were merged, and else ignores it.
    """

    scale: bool | Literal["robust", "quantile"] = True
    handle_unknown: Literal["ignore", "infrequent_if_exist", "error"] = "ignore"

    _parameter_constraints: ClassVar[dict] = {
        **ColumnParameters._parameter_constraints,
        "scale": ["boolean", StrOptions({"robust", "quantile"})],
        "handle_unknown": [StrOptions({"ignore", "infrequent_if_exist", "error"})],
    }

    def _table_parameters(self) -> dict[str, Any]:
        return {spec.name: getattr(self, spec.name) for spec in fields(TableParameters)}


@dataclass(eq=False, repr=False, kw_only=True)
class LossParameters:
    """How much the columns of a table count.

    Parameters
    ----------
    column_weight : dict or array-like of shape (n_features,), default=None
        How much each column counts in the loss, of which only the ratios matter: a dict, or a
        series, from labels (or positions, where no label is a whole number) to weights, the
        others weighing 1; or a weight for every column, which a series is, too, whose index
        is 0, 1, ... as pandas gives it. A stored series is read as a dict or array.
        Principal axes are those of columns that are weighed so. A column of weight 0 is
        read, but not reconstructed beyond its mean. So are, unless weighed, columns that
        hold identifiers: categories of which nearly every cell is new, and, of a data frame,
        whole numbers, all different, that are named as keys are or follow each other and go
        with no other column; a warning names them.
    """

    column_weight: dict | ArrayLike | None = None

    _parameter_constraints: ClassVar[dict] = {"column_weight": [dict, "array-like", None]}


@dataclass(eq=False, repr=False, kw_only=True)
class SampleParameters:
    """What may be given out with sampled rows.

    Parameters
    ----------
    reveal : array-like, default=None
        Columns whose values `sample` may give out although nearly every row has one of its
        own, such as names, keys and addresses: names, positions or a mask. Of others it
        gives made-up values: "name_1", "name_2" and so on in a column "name".
    """

    reveal: ArrayLike | None = None

    _parameter_constraints: ClassVar[dict] = {"reveal": ["array-like", None]}


@dataclass(eq=False, repr=False, kw_only=True)
class NetworkParameters:
    """What encoder and decoder are made of.

    Parameters
    ----------
    n_components : int or float, default=2
        Number of codes. A float in (0, 1): the smallest number with which PCA explains
        more than that fraction of the variance.
    hidden_layer_sizes : int or tuple of int, default=None
        Units of the encoder's hidden layers; the decoder mirrors them. ``()`` is a linear
        autoencoder. None: (128, 64) below 10,000 rows, else (256, 128, 64); in
        `AutoencoderTransformer` (112, 112) from 1,000 to 10,000 rows.
    network : Network or tuple of torch.nn.Module, default=None
        The architecture: `Convolutional` or `Recurrent` of `skae.architectures`, for rows
        that are flattened images or sequences, or a pair (encoder, decoder) of torch
        modules (see `Modules`). None: an `MLP`.
    activation : {"relu", "tanh", "logistic", "identity", "silu", "gelu", "elu"}, \
            default="relu"
        Activation of the hidden layers.
    init : {"pca", "random"}, default="pca"
        Where training starts. "pca": at the principal components, probabilistic PCA in
        `VAETransformer`. "random": at random weights, and the linear maps are trained too.
    dropout : float, default=0.0
        Fraction of the hidden units left out of each training step.

    Attributes
    ----------
    n_components_ : int
        Number of codes.
    network_ : Network
        The architecture that was used.
    encoder_, decoder_ : torch.nn.Module
        The parts of the network. They take and return rows in standard units.
    """

    n_components: int | float = field(default=2, kw_only=False)
    hidden_layer_sizes: int | Sequence[int] | None = None
    network: Network | tuple[nn.Module, nn.Module] | None = None
    activation: Activation = "relu"
    init: Literal["pca", "random"] = "pca"
    dropout: float = 0.0

    _parameter_constraints: ClassVar[dict] = {
        "n_components": [_COUNT, _FRACTION],
        "hidden_layer_sizes": ["array-like", _COUNT, None],
        "network": [Network, tuple, None],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "init": [StrOptions({"pca", "random"})],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }


@dataclass(eq=False, repr=False, kw_only=True)
class MemoryParameters:
    """How much memory the rows of a large table may take.

    Parameters
    ----------
    memory_limit : int or str, default="1GB"
        How much memory the rows of a table may take that is read in chunks (a lazy frame,
        files, a query): bytes, or a number and a unit. A smaller table is collected and
        fitted as any other.
    """

    memory_limit: int | str = "1GB"

    _parameter_constraints: ClassVar[dict] = {
        "memory_limit": [Interval(Integral, 1, None, closed="left"), str],
    }


@dataclass(eq=False, repr=False, kw_only=True)
class ComputeParameters(MemoryParameters):
    """Where an estimator is fitted, and by which draws.

    Parameters
    ----------
    device : str or torch.device, default="auto"
        "auto" is the CUDA device where there is one, else the CPU. If it is set on a
        fitted estimator, the networks move there when they are next used; see `to`.
    random_state : int, RandomState instance or None, default=None
        Seeds all draws of a fit: rows held out, weights, batches, noise. The global
        generators are not touched when it is an int.

    Attributes
    ----------
    device_ : torch.device
        Where the networks are.
    """

    device: str | torch.device = "auto"
    random_state: RandomState = None

    _parameter_constraints: ClassVar[dict] = {
        **MemoryParameters._parameter_constraints,
        "device": [str, torch.device],
        "random_state": ["random_state"],
    }


@dataclass(eq=False, repr=False, kw_only=True)
class TrainingParameters(ComputeParameters):
    """How a network is trained.

    Parameters
    ----------
    corruption : Corruption, default=None
        Noise on the rows that the network sees in training; it learns to reconstruct the
        clean rows. One of `GaussianNoise`, `MaskingNoise`, `SwapNoise` and
        `SaltAndPepperNoise` of `skae.corruption`, or your own. Held-out rows are judged
        with noise as well.
    alpha : float, default=0.2
        Decoupled weight decay (AdamW) of the weights of the corrections f and g.
    batch_size : int, default=None
        Rows per step. None: a sixteenth of the rows, from 32 to 256; up to 1024 for more
        than 50,000 rows.
    learning_rate : {"one_cycle", "constant"}, default="one_cycle"
        Schedule of the learning rate.
    learning_rate_init : float, default=0.01
        Peak of the one-cycle schedule, or the constant rate.
    max_iter : int, default=None
        Maximum number of epochs. None: a budget of 300 to 1000 steps (one per row), and at
        least 8 epochs; up to three times as many with missing values, `corruption`,
        penalties or a `Recurrent` network.
    early_stopping : bool, default=True
        Whether to hold out rows, keep the state that is best on them, and stop when they
        no longer improve: random rows, or groups of rows, or rows of one's own (`groups`
        and `X_val` of `fit`). The last state is kept in place of the best if that is not
        better by a standard error. False: train on all rows to the last epoch.
    validation_fraction : float, default=None
        Fraction of the rows, or of their groups, that is held out. None: 0.1, or as much
        as gives 100 rows, but at most 0.3.
    refit : "auto" or bool, default="auto"
        Whether the network, once held-out rows have chosen the number of steps, is trained
        again from its start, on all rows, for as many steps with the same learning rates.
        That state is kept unless its loss is higher than the start's. Below 2,000 rows
        others are held out in turn, up to five times, and all of them choose the number
        together, if there are more than ten epochs, and neither `corruption` nor penalties.
        "auto": with fewer than 1,000 rows, of which more than a tenth is held out otherwise,
        and without `callbacks`, which would see the epochs of both. With `X_val`, and in
        `partial_fit`, all rows are trained on anyway.
    n_iter_no_change : int, default=None
        Epochs without an improvement by `tol` after which training stops. None: half of
        the epochs.
    tol : float, default=1e-4
        Smallest improvement of the held-out loss that counts, relative to its value before
        the first step.
    warm_start : bool, default=False
        Whether `fit` continues with the network of the last fit.
    callbacks : list or "disable", default=None
        Callbacks of skorch: instances, classes, or tuples of a name and one of them. They
        see rows of the encoded table, each of which is its own target, and `net_`, whose
        `predict` returns such rows. ``LRScheduler`` needs ``learning_rate="constant"``;
        what monitors held-out rows needs ``early_stopping=True``. "disable": none, nor
        skorch's own timer. In a detector's estimator every network has copies, whose
        checkpoints write files "network_1_..." and so on. Callbacks of scikit-learn are set
        by `set_callbacks`.
    verbose : int, default=0
        1 prints a line per epoch.

    Attributes
    ----------
    hidden_layer_sizes_, batch_size_, max_iter_, n_iter_no_change_, validation_fraction_
        The values that were used for the parameters of those names. `validation_fraction_`
        is None where no rows of X were held out.
    n_iter_ : int
        Number of epochs run.
    best_iter_ : int
        Epoch whose weights were kept, or as many as a refit took the steps of; 0 is the
        start.
    n_iter_refit_ : int
        Number of epochs, of all rows, of the refit whose weights were kept; else 0.
    loss_curve_ : list of float
        Mean training loss of every epoch; without those of a refit.
    validation_loss_curve_ : list of float
        Held-out loss before the first step and after every epoch; only with
        ``early_stopping=True``; of a refit, those of the rows that were held out first. The
        columns' statistics are those of all rows of X. So are the principal axes, unless a
        refit follows: they are those of the rows trained on then, as the held-out ones
        would have a part in the start that they judge.
    net_ : skorch.NeuralNet
        The net that was trained.
    """

    corruption: Corruption | None = None
    alpha: float = 0.2
    batch_size: int | None = None
    learning_rate: Literal["one_cycle", "constant"] = "one_cycle"
    learning_rate_init: float = 0.01
    max_iter: int | None = None
    early_stopping: bool = True
    validation_fraction: float | None = None
    refit: bool | Literal["auto"] = "auto"
    n_iter_no_change: int | None = None
    tol: float = 1e-4
    warm_start: bool = False
    callbacks: list | Literal["disable"] | None = None
    verbose: int = 0

    _parameter_constraints: ClassVar[dict] = {
        **ComputeParameters._parameter_constraints,
        "corruption": [Corruption, None],
        "alpha": [_NOT_NEGATIVE],
        "batch_size": [_COUNT, None],
        "learning_rate": [StrOptions({"one_cycle", "constant"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [_COUNT, None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "refit": ["boolean", StrOptions({"auto"})],
        "n_iter_no_change": [_COUNT, None],
        "tol": [_NOT_NEGATIVE],
        "warm_start": ["boolean"],
        "callbacks": [list, StrOptions({"disable"}), None],
        "verbose": ["verbose"],
    }
