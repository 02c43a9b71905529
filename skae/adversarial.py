"""The adversarial autoencoder as a transformer."""

# Weight of the squared discrepancy between codes and prior beside that of the critic.
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from skae._estimator import BaseAutoencoder, check_n_samples
from skae.models._errors import ScoresErrors
from skae.models.adversarial import AdversarialAutoencoder
from skae.models.discrepancy import (
    MOST_ROWS,
    RecentCodes,
    judge_codes,
    prior_level,
    prior_mmd,
)
from skae.models.losses import SquaredError
from skae.table.validation import check_layer_sizes

MMD_GAIN = 6.0


class AdversarialError(SquaredError):
    """`SquaredError`, and how well the codes pass for draws of the prior.

    In training that is for the critic to say, and for the maximum mean discrepancy. Held-out
    rows are judged by `skae.models.discrepancy.judge_codes`.

    Parameters
    ----------
    layout : Layout
    adversarial_weight : float
    """

    compares = True

    def __init__(self, layout, adversarial_weight):
        super().__init__(layout)
        self.adversarial_weight = adversarial_weight
        self.pull = RecentCodes()

    def forward(self, output, x, cells=None, weights=None):
        reconstruction, codes, of_encoder, of_critic = output
        errors = self.errors(reconstruction, x, cells)
        if not self.training:
            return errors
        if self.adversarial_weight:
            of_encoder = of_encoder + MMD_GAIN * self.pull(codes, weights)
        return errors + self.adversarial_weight * of_encoder + of_critic


class AdversarialAutoencoderTransformer(ScoresErrors, BaseAutoencoder):
    """Autoencoder whose codes look like draws from a normal distribution.

    A critic learns to tell the codes from draws of the prior N(0, I), and the encoder learns
    to deceive it, while both encoder and decoder learn to restore the rows. Where the codes
    fill the prior, any draw of it decodes to a row. The encoder also lowers the maximum mean
    discrepancy of the last 512 codes: means and variances, about which the players circle,
    it settles at once.

    Parameters
    ----------
    n_components : int or float, default=2
        Number of codes. A float in (0, 1): the smallest number with which PCA explains
        more than that share of the variance.
    adversarial_weight : float, default=1.0
        Weight of deceiving the critic, in units of the reconstruction error. 0: a plain
        autoencoder.
    gradient_penalty : float, default=0.05
        Weight of the penalty on the critic's squared gradient at draws of the prior (R1).
    critic_hidden_layer_sizes : tuple of int, default=(128, 128)
        Units of the critic's hidden layers.
    hidden_layer_sizes : int or tuple of int, default=None
        Units of the encoder's hidden layers; the decoder mirrors them. ``()`` is a
        linear autoencoder. None: (128, 64) below 10,000 rows, else (256, 128, 64).
    network : Network or tuple of torch.nn.Module, default=None
        The architecture: `Convolutional` or `Recurrent` of `skae.architectures`, for rows that
        are flattened images or sequences, or a pair (encoder, decoder) of torch modules
        (see `Modules`). None: an `MLP`.
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
    alpha : float, default=0.2
        Decoupled weight decay (AdamW) of the weights of f and g.
    batch_size : int, default=None
        Rows a step. None: a sixteenth of the rows, from 32 to 256; up to 1024 for more
        than 50,000.
    learning_rate : {"one_cycle", "constant"}, default="one_cycle"
        Schedule of the learning rate.
    learning_rate_init : float, default=0.003
        Peak of the one-cycle schedule, or the constant rate.
    max_iter : int, default=None
        Epochs at most. None: a budget of 1200 to 4000 steps (four a row), at least 8
        epochs; more with missing cells or `corruption`.
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
    code_mmd_, code_mmd_level_ : float
        Squared maximum mean discrepancy between codes (of at most 512 rows, held-out ones
        where there are enough) and the prior, unbiased; and what as many draws of the prior
        itself stay below 95 times of 100. Codes below that level are not told from it.
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
        Mean training loss of every epoch, the players' losses included.
    validation_loss_curve_ : list of float
        Held-out error, and `adversarial_weight` times six times the squared discrepancy of
        prior and codes (of at most 1,024 rows, held-out ones first), before the first step
        and after every epoch. With ``early_stopping=True`` only. The start
        has seen the held-out rows: the columns' statistics and the principal axes come
        from all rows.
    net_ : skorch.NeuralNet
        The net that was trained.
    encoder_, decoder_ : torch.nn.Module
        Its parts. They take and give rows in standard units.

    See Also
    --------
    VAETransformer : The same end by a bound of the likelihood; has a density.
    GANSampler : New rows without codes.

    Notes
    -----
    `score_samples` is minus the mean over the row's observed cells of what they cost, as
    for `AutoencoderTransformer`; it does not ask how likely the code is.

    References
    ----------
    Makhzani et al., Adversarial Autoencoders, 2016. The discrepancy: Gretton et al., A Kernel
    Two-Sample Test, 2012; as a training loss, Tolstikhin et al., Wasserstein Auto-Encoders,
    2018.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import AdversarialAutoencoderTransformer
    >>> X = load_iris().data
    >>> aae = AdversarialAutoencoderTransformer(2, max_iter=20, random_state=0).fit(X)
    >>> aae.transform(X).shape
    (150, 2)
    >>> aae.sample(3, random_state=0).shape
    (3, 4)
    """

    _parameter_constraints: dict = {
        **BaseAutoencoder._parameter_constraints,
        "adversarial_weight": [Interval(Real, 0, None, closed="left")],
        "gradient_penalty": [Interval(Real, 0, None, closed="left")],
        "critic_hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
    }

    _built_in = (
        *BaseAutoencoder._built_in,
        "gradient_penalty",
        "critic_hidden_layer_sizes",
    )

    def __init__(
        self,
        n_components=2,
        *,
        adversarial_weight=1.0,
        gradient_penalty=0.05,
        critic_hidden_layer_sizes=(128, 128),
        hidden_layer_sizes=None,
        network=None,
        activation="relu",
        init="pca",
        scale=True,
        categorical_features="from_dtype",
        handle_unknown="ignore",
        min_frequency=None,
        max_categories=100,
        dropout=0.0,
        corruption=None,
        alpha=0.2,
        batch_size=None,
        learning_rate="one_cycle",
        learning_rate_init=0.003,
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
        self.adversarial_weight = adversarial_weight
        self.gradient_penalty = gradient_penalty
        self.critic_hidden_layer_sizes = critic_hidden_layer_sizes
        self.hidden_layer_sizes = hidden_layer_sizes
        self.network = network
        self.activation = activation
        self.init = init
        self.scale = scale
        self.categorical_features = categorical_features
        self.handle_unknown = handle_unknown
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        self.dropout = dropout
        self.corruption = corruption
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

    # The game goes on long after the rows are restored well.
    _patience = 4.0

    def sample(self, n_samples=1, random_state=None):
        """Draw new rows: codes from the prior, decoded.

        The rows are points on the decoder's surface: they vary less than data do.

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
        codes = rng.standard_normal((n_samples, self.n_components_))
        return self._table.decode(self._decode_design(codes), codes.dtype, rng=rng)

    def _check_settings(self):
        super()._check_settings()
        check_layer_sizes("critic_hidden_layer_sizes", self.critic_hidden_layer_sizes)

    def _build_network(self, layout, generator):
        return AdversarialAutoencoder(
            layout.n_inputs,
            layout.n_outputs,
            self.n_components_,
            self.hidden_layer_sizes_,
            self.activation,
            self.dropout,
            self._reach,
            check_layer_sizes("critic_hidden_layer_sizes", self.critic_hidden_layer_sizes),
            float(self.gradient_penalty),
            generator,
            network=self.network_,
        )

    def _build_criterion(self, layout):
        return AdversarialError(layout, self.adversarial_weight)

    def _toll(self, data):
        weight = self.adversarial_weight
        return judge_codes(data, weight * MMD_GAIN) if weight else None

    def _finish(self, data):
        held_out = data.n_valid >= MOST_ROWS // 10
        start = data.n_train if held_out else 0
        stop = min(len(data.source), start + MOST_ROWS)
        with self._network(np.float32) as lent:
            codes = lent.network.encode(data.source[start:stop][0]).cpu().double()
        self.code_mmd_, self._n_compared = np.nan, len(codes)
        if len(codes) > 1:
            weights = None if data.weights is None else data.weights[start:stop]
            self.code_mmd_ = float(prior_mmd(codes, weights))

    @property
    def code_mmd_level_(self):
        """What `code_mmd_` stays below 95 times of 100 where the codes are the prior's."""
        # Worked out when asked for: it takes as long as a short fit.
        if self._n_compared < 2:
            return np.nan
        return prior_level(self._n_compared, self.n_components_)
