"""The autoencoder as a transformer."""

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from skae._estimator import BaseAutoencoder, check_n_samples
from skae.architectures import MLP, choose_network
from skae.models._errors import ScoresErrors
from skae.models.code_mixture import fit_code_mixture
from skae.models.deterministic import Autoencoder
from skae.models.links import LINKS
from skae.models.losses import (
    ERRORS,
    NUMBER_LOSSES,
    OtherError,
    ShareDivergence,
    SquaredError,
)
from skae.penalties import Penalties, Penalty, shared_unit
from skae.table.support import SHARES
from skae.training.pretraining import N_ROWS as N_PRETRAINED
from skae.training.pretraining import pretrain_layers

# Training codes that are kept for `sample`: codes, never rows.
N_KEPT_CODES = 2000


class AutoencoderTransformer(ScoresErrors, BaseAutoencoder):
    """Nonlinear dimensionality reduction that starts at PCA.

    Encoder and decoder are each a linear map plus a multi-layer perceptron,
    ``z = A x + f(x)`` and ``x' = B z + g(z)``. A and B are the principal axes; f and g
    start at zero, so that before the first step the network is PCA, and see no further
    than the rows reach, so that far rows are treated as PCA would. Training minimises the
    mean squared error of the rows; held-out rows decide which state is kept, and the
    start must be beaten clearly (by two standard errors). It is therefore not worse than
    PCA on new rows but by the luck of the draw.

    Parameters
    ----------
    n_components : int or float, default=2
        Number of codes. A float in (0, 1): the smallest number with which PCA explains
        more than that share of the variance.
    loss : {"squared", "absolute", "huber", "binary_cross_entropy"}, default="squared"
        What a number costs. "huber" is the squared error up to one standard deviation and
        grows like the absolute error beyond. "binary_cross_entropy" is for numbers in
        [0, 1], which the restored ones keep to as well.
    hidden_layer_sizes : int or tuple of int, default=None
        Units of the encoder's hidden layers; the decoder mirrors them. ``()`` is a
        linear autoencoder. None: (128, 64) below 10,000 rows, else (256, 128, 64).
    network : Network or tuple of torch.nn.Module, default=None
        The architecture: `Convolutional` or `Recurrent` of `skae.architectures`, for rows that
        are flattened images or sequences, or a pair (encoder, decoder) of torch modules
        (see `Modules`). None: an `MLP`.
    tied_weights : bool, default=False
        Whether the decoder uses the encoder's weights, transposed: half as many.
    pretraining : {"layerwise"}, default=None
        "layerwise": every hidden layer and its mirror image learn, one pair after the
        other, to restore the layer before, and only then all of them together. It helps
        deep networks whose gradients vanish, as those of many logistic layers do.
    activation : {"relu", "tanh", "logistic", "identity", "silu", "gelu", "elu"}, \
            default="relu"
        Activation of the hidden layers.
    init : {"pca", "random"}, default="pca"
        Where training starts. "random": A and B are trained as well.
    scale : bool, "robust" or "quantile", default=True
        True: numbers are standardised inside, so that each column counts alike. False:
        the loss is the squared error in raw units, as PCA's is. For columns with heavy
        tails: "robust", by median and interquartile range, or "quantile", by the normal
        quantile of the rank.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Columns that hold categories whatever their dtype: names, numbers or a mask.
        "from_dtype": text, categorical and boolean columns do. None: no text or
        categories are allowed.
    handle_unknown : {"ignore", "error"}, default="ignore"
        What to do with a category that was not in fit: "ignore" takes the cell as
        unknown, which says nothing of the row's code and scores at least as badly as the
        rarest category.
    min_frequency : int or float, default=None
        Number, or share, of the rows below which categories are rare. Rare ones share one
        level.
    max_categories : int or None, default=100
        Levels of a column at most; the rarest categories share the last one. None: no
        limit.
    dropout : float, default=0.0
        Share of the hidden units left out of each training step.
    corruption : Corruption, default=None
        Noise on the rows that the network sees in training, whose clean state it learns
        to restore: a `GaussianNoise`, `MaskingNoise`, `SwapNoise` or `SaltAndPepperNoise`
        of `skae.corruption`, or one's own. Held-out rows are judged with noise as well.
    penalties : Penalty or list of Penalty, default=None
        What is asked of the codes besides: `L1Activity`, `KLSparsity`, `Contractive`,
        `Orthogonal` of `skae.penalties`, or one's own. A single one is searched through
        the estimator (``penalties__weight``). They are added to the loss of
        training and held-out rows, but not to scores. A and B are trained as well then,
        and sparse codes may be wider than the table.
    alpha : float, default=0.2
        Decoupled weight decay (AdamW) of the weights of f and g.
    batch_size : int, default=None
        Rows a step. None: a sixteenth of the rows, from 32 to 256; up to 1024 for more
        than 50,000.
    learning_rate : {"one_cycle", "constant"}, default="one_cycle"
        Schedule of the learning rate.
    learning_rate_init : float, default=0.01
        Peak of the one-cycle schedule, or the constant rate.
    max_iter : int, default=None
        Epochs at most. None: a budget of 300 to 1000 steps (one a row), at least 8
        epochs; three times that with `corruption`, `penalties` or a `Recurrent` network.
    early_stopping : bool, default=True
        Whether to hold out rows, keep the state that is best on them, and stop when
        they no longer improve. False: train on all rows to the last epoch.
    validation_fraction : float, default=None
        Share of the rows that is held out. None: 0.1, or as much as gives 100 rows,
        but at most 0.3.
    n_iter_no_change : int, default=None
        Epochs without improvement by `tol` after which training stops. None: half of
        the epochs.
    tol : float, default=1e-4
        Smallest improvement of the held-out loss that counts, as a share of its value
        before the first step.
    warm_start : bool, default=False
        Whether `fit` goes on with the network of the last fit.
    callbacks : list of skorch callbacks, default=None
        Passed to the skorch net. scikit-learn's callbacks are set by `set_callbacks`.
    device : str or torch.device, default="auto"
        "auto" is the CUDA device where there is one, else the CPU.
    random_state : int, RandomState instance or None, default=None
        Seeds the held-out rows, the weights and the order of the batches. The global
        generators are not touched when it is an int.
    verbose : int, default=0
        1 prints a line an epoch.

    Attributes
    ----------
    n_components_ : int
        Number of codes.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X had names.
    network_ : Network
        What was used for the parameter.
    hidden_layer_sizes_, batch_size_, max_iter_, n_iter_no_change_, validation_fraction_
        What was used for the parameters of those names.
    device_ : torch.device
        Where the network is.
    n_iter_ : int
        Epochs run.
    best_iter_ : int
        Epoch whose weights were kept; 0 is the start.
    loss_curve_ : list of float
        Mean training loss of every epoch.
    validation_loss_curve_ : list of float
        Held-out loss before the first step and after every epoch. With
        ``early_stopping=True`` only. The start has seen the held-out rows: the columns'
        statistics and the principal axes come from all rows.
    net_ : skorch.NeuralNet
        The net that was trained.
    encoder_, decoder_ : torch.nn.Module
        Its parts. They take and give rows in standard units.

    See Also
    --------
    VAETransformer : The same with a density.
    sklearn.decomposition.PCA : The linear special case.

    Notes
    -----
    `score_samples` is minus the mean over the row's observed cells of what they cost: 0 is
    a perfect reconstruction. A number costs the squared error in units of its column's
    standard deviation, so that guessing the mean costs 1 on average; with ``scale=False``
    all numbers share one unit, the root of their mean variance. A category costs its
    surprise, -log p, in the unit in which guessing its column's shares costs the chance
    that two rows differ. With another `loss` a number costs that, absolute errors in the
    same unit, and cross entropies in nats above the least that they can be. `explain` shares the row's cost out among its cells.

    References
    ----------
    Hinton & Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks,
    2006. The linear start: Baldi & Hornik, Neural Networks and Principal Component
    Analysis, 1989.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import train_test_split
    >>> from skae import AutoencoderTransformer
    >>> from skae.metrics import reconstruction_r2
    >>> train, test = train_test_split(load_digits().data, random_state=0)
    >>> autoencoder = AutoencoderTransformer(8, random_state=0).fit(train)
    >>> autoencoder.transform(test).shape
    (450, 8)
    >>> bool(reconstruction_r2(autoencoder, test) > reconstruction_r2(PCA(8).fit(train), test))
    True
    """

    _parameter_constraints: dict = {
        **BaseAutoencoder._parameter_constraints,
        "loss": [StrOptions(set(NUMBER_LOSSES))],
        "penalties": [Penalty, list, tuple, None],
        "tied_weights": ["boolean"],
        "pretraining": [StrOptions({"layerwise"}), None],
    }

    _built_in = (*BaseAutoencoder._built_in, "loss", "tied_weights")

    def __init__(
        self,
        n_components=2,
        *,
        loss="squared",
        hidden_layer_sizes=None,
        network=None,
        tied_weights=False,
        pretraining=None,
        activation="relu",
        init="pca",
        scale=True,
        categorical_features="from_dtype",
        handle_unknown="ignore",
        min_frequency=None,
        max_categories=100,
        dropout=0.0,
        corruption=None,
        penalties=None,
        alpha=0.2,
        batch_size=None,
        learning_rate="one_cycle",
        learning_rate_init=0.01,
        max_iter=None,
        early_stopping=True,
        validation_fraction=None,
        n_iter_no_change=None,
        tol=1e-4,
        warm_start=False,
        callbacks=None,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.network = network
        self.tied_weights = tied_weights
        self.pretraining = pretraining
        self.activation = activation
        self.init = init
        self.scale = scale
        self.categorical_features = categorical_features
        self.handle_unknown = handle_unknown
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        self.dropout = dropout
        self.corruption = corruption
        self.penalties = penalties
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def sample(self, n_samples=1, random_state=None):
        """Draw new rows: codes from a Gaussian mixture, decoded.

        The mixture is fitted to training codes (at most 2,000, which the estimator
        keeps) with the number of components of least BIC. The rows are points on the
        decoder's surface: they vary less than data do.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance or None, default=None
            Seeds the draws.

        Returns
        -------
        rows : ndarray or data frame of shape (n_samples, n_features_in_)
            In the original columns and units.
        """
        check_is_fitted(self)
        check_n_samples(n_samples)
        rng = check_random_state(random_state)
        mixture = fit_code_mixture(self._codes)
        mixture.random_state = rng
        # The mixture draws component by component; the first rows are to be a sample too.
        codes = rng.permutation(mixture.sample(n_samples)[0])
        return self._table.decode(self._decode_design(codes), codes.dtype, rng=rng)

    def _check_settings(self):
        super()._check_settings()
        for penalty in self._penalties:
            if not isinstance(penalty, Penalty):
                raise ValueError(
                    f"penalties={self.penalties!r} holds {penalty!r}; give a list of "
                    "objects of skae.penalties, such as [L1Activity()]."
                )
            penalty.check()
        for name in ("tied_weights", "pretraining"):
            if getattr(self, name) and not isinstance(choose_network(self.network), MLP):
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is for perceptrons, but network="
                    f"{self.network!r}; use network=None, or leave {name} out."
                )
        shared_unit(self._penalties)
        if self.pretraining and self.tied_weights and self.init == "pca":
            raise ValueError(
                f"pretraining={self.pretraining!r} with tied_weights=True has no start at "
                "PCA: the layer that would be zero is the one that was trained; use "
                "init='random', or one of the two."
            )

    def _prepare(self, data, plan):
        if self.pretraining is None or not self.hidden_layer_sizes_:
            return
        x, _ = data.source[: min(data.n_train, N_PRETRAINED)]
        generator = torch.Generator(self.device_).manual_seed(plan.seed)
        network = self.net_.module_.train()
        pretrain_layers(network, x, generator, from_pca=self.init == "pca")

    def _penalise(self):
        return Penalties(self._penalties) if self._penalties else None

    @property
    def _penalties(self):
        given = self.penalties or ()
        return [given] if isinstance(given, Penalty) else list(given)

    def _build_network(self, layout, generator):
        return Autoencoder(
            layout.n_inputs,
            layout.n_outputs,
            self.n_components_,
            self.hidden_layer_sizes_,
            self.activation,
            self.dropout,
            self._reach,
            generator,
            unit=shared_unit(self._penalties),
            free=bool(self._penalties),
            network=self.network_,
            tied=self.tied_weights,
            link=None if self._kind is None else LINKS["logistic"](*self._units()),
        )

    def _build_criterion(self, layout):
        if self.loss == "squared":
            return SquaredError(layout)
        if self._kind is not None:
            return OtherError(layout, ShareDivergence(*self._units()))
        return OtherError(layout, ERRORS[self.loss])

    def _number_cost(self, network, layout):
        return self._build_criterion(layout).number_cells

    @property
    def _kind(self):
        return SHARES if self.loss == "binary_cross_entropy" else None

    def _kind_parameter(self):
        return f"loss={self.loss!r}"

    def _finish(self, data):
        x, _ = data.source[: min(data.n_train, N_KEPT_CODES)]
        if self._penalties and all(penalty.scale_free for penalty in self._penalties):
            self.net_.module_.restore_scale(x)
        with self._network(np.float32) as lent:
            self._codes = lent.network.encode(x).cpu().numpy()
