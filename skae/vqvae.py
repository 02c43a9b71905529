"""The vector-quantised autoencoder as a transformer."""

import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skae import _defaults
from skae._estimator import BaseAutoencoder, check_n_samples
from skae.models._errors import ScoresErrors
from skae.models.chow_liu import ChowLiuTree
from skae.models.losses import SquaredError
from skae.models.quantized import QuantizedAutoencoder

# Rows that the codebook is started from.
N_CLUSTERED = 20_000
# A codebook of which less than this share is in use is larger than it need be.
LEAST_USAGE = 0.5


class CommittedError(SquaredError):
    """`SquaredError`; training adds what draws the codes to their entries.

    Parameters
    ----------
    layout : Layout
    commitment : float
        Weight of the squared distance, as a mean over the columns like the error itself.
    """

    def __init__(self, layout, commitment):
        super().__init__(layout)
        self.commitment = commitment / max(layout.n_outputs, 1)

    def forward(self, output, x, cells=None):
        reconstruction, distances = output
        errors = self.errors(reconstruction, x, cells)
        return errors + self.commitment * distances if self.training else errors


class VQVAETransformer(ScoresErrors, BaseAutoencoder):
    """Autoencoder with discrete codes: entries of a learned codebook.

    A code is made of `n_blocks` blocks, and each block is one of `codebook_size` vectors.
    Training starts at product quantisation of the principal components (k-means in every
    block) and leaves it only for something that restores held-out rows clearly better.
    Entries follow the codes that they stand for by moving averages; an entry that stands
    for none starts anew.

    Parameters
    ----------
    n_components : int, default=8
        Numbers of a code, all blocks together.
    n_blocks : int, default=None
        Blocks of a code; must divide `n_components`. None: blocks of two numbers, of one
        if `n_components` is odd. A row is stored in ``n_blocks * log2(codebook_size)`` bits.
    codebook_size : int, default=None
        Entries for each block. None: a tenth of the rows, from 1 to 64.
    encoding : {"vectors", "indices"}, default="vectors"
        What `transform` returns and `inverse_transform` takes: the vectors of the
        entries, or their numbers.
    commitment : float, default=0.25
        Weight of the term that draws codes to their entries.
    hidden_layer_sizes : int or tuple of int, default=None
        Units of the encoder's hidden layers; the decoder mirrors them. ``()`` is a
        linear autoencoder. None: (128, 64) below 10,000 rows, else (256, 128, 64).
    network : Network or tuple of torch.nn.Module, default=None
        The architecture: `Convolutional` or `Recurrent` of `skae.architectures`, for rows that
        are flattened images or sequences, or a pair (encoder, decoder) of torch modules
        (see `Modules`). None: an `MLP`.
    activation : {"relu", "tanh", "logistic", "identity", "silu", "gelu", "elu"}, \
            default="silu"
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
    learning_rate_init : float, default=0.01
        Peak of the one-cycle schedule, or the constant rate.
    max_iter : int, default=None
        Epochs at most. None: a budget of 900 to 3000 steps (three a row), at least 8
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
        Numbers of a code.
    codebook_ : ndarray of shape (n_blocks, codebook_size_, n_components_ / n_blocks)
        The entries.
    codebook_size_ : int
        Entries for each block.
    codebook_usage_ : float
        Share of the entries that stand for at least one training row.
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
    AutoencoderTransformer : Continuous codes restore better, and take more room.
    sklearn.cluster.KMeans : The same with one block and no network.

    Notes
    -----
    `score_samples` is minus the mean over the row's observed cells of what they cost, as
    for `AutoencoderTransformer`. Row weights count in the loss, but not in the averages
    of the codebook.

    References
    ----------
    van den Oord, Vinyals & Kavukcuoglu, Neural Discrete Representation Learning, 2017. The
    start: Jegou, Douze & Schmid, Product Quantization for Nearest Neighbor Search, 2011.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import VQVAETransformer
    >>> X = load_digits().data
    >>> vqvae = VQVAETransformer(encoding="indices", max_iter=10, random_state=0).fit(X)
    >>> vqvae.transform(X).shape
    (1797, 4)
    >>> vqvae.sample(3, random_state=0).shape
    (3, 64)
    """

    _parameter_constraints: dict = {
        **BaseAutoencoder._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_blocks": [Interval(Integral, 1, None, closed="left"), None],
        "codebook_size": [Interval(Integral, 1, None, closed="left"), None],
        "encoding": [StrOptions({"vectors", "indices"})],
        "commitment": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components=8,
        *,
        n_blocks=None,
        codebook_size=None,
        encoding="vectors",
        commitment=0.25,
        hidden_layer_sizes=None,
        network=None,
        activation="silu",
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
        self.n_blocks = n_blocks
        self.codebook_size = codebook_size
        self.encoding = encoding
        self.commitment = commitment
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

    # ------------------------------------------------------------------ fitting

    # Codes that jump from entry to entry settle slowly.
    _patience = 3.0

    def _check_training_input(self, X, sample_weight, reset, min_samples=2):
        if self.n_blocks is not None and self.n_components % self.n_blocks:
            raise ValueError(
                f"n_components={self.n_components} is no multiple of n_blocks="
                f"{self.n_blocks}; all blocks of a code are equally wide."
            )
        return super()._check_training_input(X, sample_weight, reset, min_samples)

    def _start(self, source, rows, sample_weight, rng):
        n_train = len(rows) - self._n_validation_rows(len(rows))
        size = self.codebook_size
        if size is None:
            size = _defaults.choose_codebook_size(n_train)
        elif size > n_train:
            raise ValueError(
                f"codebook_size={size} is more than the {n_train} rows to train on "
                f"({len(rows) - n_train} are held out); use a codebook_size of at most "
                f"{n_train}, better a tenth of it, or None."
            )
        self.codebook_size_ = int(size)
        super()._start(source, rows, sample_weight, rng)
        self._start_codebook(source[: min(n_train, N_CLUSTERED)][0], rng)

    @torch.no_grad()
    def _start_codebook(self, x, rng):
        """Start the entries at the clusters of the codes, block by block."""
        from sklearn.cluster import KMeans  # as in `skae.models.code_mixture`

        network, size = self.net_.module_, self.codebook_size_
        blocks = network.quantizer.split(network.encoder(x)).cpu().numpy()
        entries = np.zeros(network.quantizer.entries.shape, dtype=np.float32)
        shares = np.zeros(entries.shape[:2])
        for number, codes in enumerate(blocks):
            with warnings.catch_warnings():
                # There may be fewer different codes than entries.
                warnings.simplefilter("ignore", ConvergenceWarning)
                clusters = KMeans(size, random_state=rng).fit(codes)
            entries[number] = clusters.cluster_centers_
            shares[number] = np.bincount(clusters.labels_, minlength=size) / len(codes)
        shares = torch.from_numpy(np.maximum(shares, 0.5 / size))
        network.quantizer.start_from(torch.from_numpy(entries), shares)

    def _check_same_network(self):
        super()._check_same_network()
        blocks, size, _ = self.net_.module_.quantizer.entries.shape
        wanted = {"n_blocks": blocks, "codebook_size": size}
        for name, fitted in wanted.items():
            now = getattr(self, name)
            if now is not None and now != fitted:
                raise ValueError(
                    f"Training goes on with the fitted network, which has {name}="
                    f"{fitted!r}, but {name}={now!r} now; set it back or warm_start=False."
                )

    def _build_network(self, layout, generator):
        return QuantizedAutoencoder(
            layout.n_inputs,
            layout.n_outputs,
            self.n_components_,
            self.n_blocks or self.n_components_ // (1 + (self.n_components_ % 2 == 0)),
            self.codebook_size_,
            self.hidden_layer_sizes_,
            self.activation,
            self.dropout,
            self._reach,
            generator,
            network=self.network_,
        )

    def _build_criterion(self, layout):
        return CommittedError(layout, self.commitment)

    def _finish(self, data):
        with self._network(np.float32) as lent:
            blocks = data.blocks(0, data.n_train)
            indices = torch.cat([lent.network.indices(x) for x, _ in blocks])
            self.codebook_ = lent.network.quantizer.entries.cpu().numpy().copy()
        indices = indices.cpu().numpy()
        used = sum(len(np.unique(column)) for column in indices.T)
        self.codebook_usage_ = used / (indices.shape[1] * self.codebook_size_)
        self._tree = ChowLiuTree().fit(indices, self.codebook_size_)

    def _report(self):
        if self.codebook_usage_ < LEAST_USAGE:
            warnings.warn(
                f"Only {self.codebook_usage_:.0%} of the codebook is in use "
                "(codebook_usage_). Use a smaller codebook_size or n_blocks, or, with few "
                "columns, a smaller n_components.",
                ConvergenceWarning,
                stacklevel=3,
            )

    # ------------------------------------------------------------------ using

    def _transform(self, X):
        if self.encoding == "vectors":
            return super()._transform(X)
        return self._map_rows(_indices, X, len(self.codebook_)).astype(np.int64)

    @property
    def _n_features_out(self):
        return self.n_components_ if self.encoding == "vectors" else len(self.codebook_)

    def inverse_transform(self, X):
        """Return the rows that the codes X stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components_) or (n_samples, n_blocks)
            Vectors, or numbers of entries, as `encoding` says. Vectors need not be entries.

        Returns
        -------
        rows : ndarray or data frame of shape (n_samples, n_features_in_)
            In the original columns and units; a frame of the library that was fitted, if
            one was, with its dtypes. A category is the most probable one.
        """
        if self.encoding == "vectors":
            return super().inverse_transform(X)
        check_is_fitted(self)
        indices = check_array(X, dtype=[np.float64, np.float32])
        n_blocks, size = self.codebook_.shape[:2]
        if indices.shape[1] != n_blocks:
            raise ValueError(
                f"X has {indices.shape[1]} columns, but inverse_transform takes the numbers "
                f"of n_blocks={n_blocks} entries, as transform returns them."
            )
        strange = indices[(indices != np.rint(indices)) | (indices < 0) | (indices >= size)]
        if len(strange):
            raise ValueError(
                f"X holds {strange[0]:g}, but entries are numbered from 0 to {size - 1}; "
                "with encoding='vectors' inverse_transform takes vectors."
            )
        return self._decode(self._look_up(indices.astype(np.int64)))

    def _look_up(self, indices):
        return np.hstack(
            [
                entries[column]
                for entries, column in zip(self.codebook_, indices.T, strict=True)
            ]
        ).astype(np.float64)

    def sample(self, n_samples=1, random_state=None):
        """Draw new rows: entries from the distribution of the codes, decoded.

        The distribution is a tree of pairs of blocks, learned from the training rows. The
        rows are points that the decoder can make: they vary less than data do.

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
        codes = self._look_up(self._tree.sample(n_samples, rng))
        return self._table.decode(self._decode_design(codes), codes.dtype, rng=rng)


def _indices(lent, x, cells):
    return lent.network.indices(x)
