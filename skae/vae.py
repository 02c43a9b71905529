"""The variational autoencoder as a transformer."""

import warnings
from functools import partial
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skae._estimator import BaseAutoencoder, check_n_samples
from skae.likelihoods import LIKELIHOODS
from skae.models._density import ScoresDensity
from skae.models.aggregate import AggregateAutoencoder
from skae.models.discrepancy import judge_codes
from skae.models.losses import AggregateBound, NegativeELBO
from skae.models.mixture_prior import fit_prior
from skae.models.variational import VariationalAutoencoder
from skae.table.marginals import Marginals

# A latent dimension is active where the posterior mean varies by more than this over the
# rows (Burda et al., Importance Weighted Autoencoders, 2016, section 5.2).
ACTIVE_VARIANCE = 0.01
# Draws, and cells of them, that show how the model's columns are distributed.
MAX_DRAWS, MAX_DRAWN_CELLS = 10_000, 10_000_000


class VAETransformer(ScoresDensity, BaseAutoencoder):
    """Variational autoencoder: codes, a density and new rows.

    The model is ``p(z) = N(0, I)``, ``p(x|z) = N(d(z), diag s)`` (or another
    `likelihood`), with the posterior approximated by ``q(z|x) = N(m(x), diag v(x))``. Encoder and decoder are linear maps
    plus multi-layer perceptrons that start at probabilistic PCA, whose posterior is known
    in closed form: the bound is tight from the first step and no dimension starts
    collapsed. The noise variance s of every column is learned. After training p(z) is
    replaced by a mixture of normal distributions where that describes the codes of
    held-out rows better.

    Parameters
    ----------
    n_components : int or float, default=2
        Number of latent dimensions. A float in (0, 1): the smallest number with which
        PCA explains more than that share of the variance.
    likelihood : {"gaussian", "student_t", "bernoulli", "poisson", "negative_binomial"}, \
            default="gaussian"
        How numbers are distributed about what the decoder says: "student_t" for heavy
        tails, "bernoulli" for zeros and ones (or shares between them), "poisson" for
        counts and "negative_binomial" for counts that vary more.
    prior : {"mixture", "normal"}, default="mixture"
        The distribution of the codes that `sample` draws from and `score_samples` counts
        on. Training presses the codes towards N(0, I) and does not get all the way.
        "mixture": their distribution is estimated after it, and taken where held-out rows
        clearly prefer it. "normal": N(0, I) stays, as it does in a stream (`partial_fit`).
        The codes are the same.
    match_marginals : bool, default=True
        Whether `sample` gives every column of numbers the distribution that it has in the
        training rows: limits, whole numbers and decimals, values that repeat. False, and
        in a stream (`partial_fit`): as the model has it, whose density `score_samples`
        tells.
    divergence : {"kl", "mmd", "adversary"}, default="kl"
        What keeps codes near the prior. "kl": the divergence of every row's posterior, the
        evidence lower bound. "mmd": the maximum mean discrepancy of all rows' codes, a
        Wasserstein autoencoder. "adversary": besides, a critic that learns to tell the
        codes from draws of the prior, as in `AdversarialAutoencoderTransformer`. With the
        last two what `transform` returns, the posterior means, is distributed like the
        prior over the rows, but the posterior of a row is not trained to be one: scores are
        still lower bounds, looser ones. Where rows are restored badly, a longer `kl_warmup`
        (0.6) lets them be restored first and matched then.
    beta : float, default=1.0
        Weight of the divergence from the posterior to the prior. 1 is the evidence
        lower bound; more presses the codes towards independence.
    free_bits : float, default=0.0
        Nats of divergence that every latent dimension may spend without a charge while
        training, which keeps dimensions in use; for ``divergence="kl"``.
    kl_warmup : float, default=0.1
        Share of the training steps over which the divergence's weight rises to `beta`.
    min_noise_variance : float, default=1e-4
        Floor of a column's noise variance, as a share of the column's variance (of the
        mean variance with ``scale=False``). It bounds the density of columns that repeat
        values or are functions of others.
    n_importance_samples : int, default=64
        Draws a row in `score_samples`. More make the bound tighter and scoring slower.
    hidden_layer_sizes : int or tuple of int, default=None
        Units of the encoder's hidden layers; the decoder mirrors them. None: (128, 64)
        below 10,000 rows, else (256, 128, 64).
    network : Network or tuple of torch.nn.Module, default=None
        The architecture: `Convolutional` or `Recurrent` of `skae.architectures`, for rows that
        are flattened images or sequences, or a pair (encoder, decoder) of torch modules
        (see `Modules`). None: an `MLP`.
    activation : {"relu", "tanh", "logistic", "identity", "silu", "gelu", "elu"}, \
            default="relu"
        Activation of the hidden layers.
    init : {"pca", "random"}, default="pca"
        Where training starts; "pca" is probabilistic PCA.
    scale : bool or "robust", default=True
        Whether numbers are standardised inside. "robust": by median and interquartile
        range, for columns with heavy tails. The score is in raw units in any case.
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
        Decoupled weight decay (AdamW) of the weights of the perceptrons.
    batch_size : int, default=None
        Rows a step. None: a sixteenth of the rows, from 32 to 256; up to 1024 for more
        than 50,000.
    learning_rate : {"one_cycle", "constant"}, default="one_cycle"
        Schedule of the learning rate.
    learning_rate_init : float, default=0.005
        Peak of the one-cycle schedule, or the constant rate.
    max_iter : int, default=None
        Epochs at most. None: a budget of 600 to 2000 steps (two a row), at least 8
        epochs; three times that with `corruption`.
    early_stopping : bool, default=True
        Whether to hold out rows, keep the state that is best on them, and stop when
        they no longer improve.
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
        Seeds the held-out rows, the weights, the batches and the draws.
    verbose : int, default=0
        1 prints a line an epoch.

    Attributes
    ----------
    n_components_ : int
        Number of latent dimensions.
    active_components_ : ndarray of bool of shape (n_components_,)
        Dimensions that the encoder uses: their posterior mean has a variance above 0.01
        over the training rows.
    n_active_components_ : int
        How many those are.
    noise_variance_ : ndarray of shape (n_features_in_,)
        Learned noise variance of every column, in squared raw units (the squared scale for
        "student_t"); NaN for categories, and where the mean determines the variance.
    prior_ : {"mixture", "normal"}
        What was chosen for p(z).
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
    n_iter_, best_iter_ : int
        Epochs run, and the epoch whose weights were kept (0 is the start).
    loss_curve_, validation_loss_curve_ : list of float
        Minus the evidence lower bound with the normal prior, in nats of the standardised
        columns: of every epoch's training rows; of the held-out rows, before the first step and after
        every epoch.
    net_ : skorch.NeuralNet
        The net that was trained.
    encoder_, decoder_ : torch.nn.Module
        Its parts, for rows in standard units. The encoder returns the posterior means
        and log variances side by side.

    See Also
    --------
    AutoencoderTransformer : Without a density; reconstructs better.
    sklearn.decomposition.PCA : Its `score_samples` is in the same unit.

    Notes
    -----
    `transform` returns the posterior mean m(x). `score_samples` is the importance-weighted
    lower bound of log p(x), in nats and in the original units (the scaling's Jacobian is
    included), so that it can be laid beside those of `PCA` and `GaussianMixture`. The
    draws are a fixed quasi-random set: equal rows score alike, call after call. Categories
    have probabilities instead of densities, and missing cells are left out: the score is
    that of the cells that are there.

    The mixture has 2 to 16 components with full covariances, and one more, N(0, I), with a
    weight of 0.01: no row loses more than 4.6 nats by it. It is fitted to draws from the
    posteriors of the training rows, its size chosen on the held-out ones.

    `sample` draws codes, decodes them, adds the noise, and then maps every column of
    numbers, rank by rank, from the model's distribution to that of the training rows: the
    model says how columns depend on each other, the table what values they can take. Values
    that repeat in the training rows are given as they are; between others, new ones are
    interpolated, with as many decimals as theirs. To that end the fitted estimator holds up
    to 1,000 quantiles of every column. Counts, zeros and ones of the discrete likelihoods
    are drawn as they are.

    For shares strictly between 0 and 1 the Bernoulli likelihood is no density: the score is a
    lower bound of the expected log probability of the row after drawing zeros and ones with
    those shares.

    What `explain` shares out among the cells is how far, in nats, the score lies below the
    highest that such a row could have, which is where every number sits at the peak of
    its noise and every category is certain. Without missing cells that is a constant less
    the score.

    References
    ----------
    Kingma & Welling, Auto-Encoding Variational Bayes, 2014. "mmd": Tolstikhin et al.,
    Wasserstein Auto-Encoders, 2018, eq. 4; "adversary": Makhzani et al., Adversarial
    Autoencoders, 2016, section 2. Importance-weighted bound:
    Burda et al., Importance Weighted Autoencoders, 2016, eq. 8. The start: Tipping &
    Bishop, Probabilistic Principal Component Analysis, 1999. Why the start matters:
    Lucas et al., Don't Blame the ELBO!, 2019. The bound is highest for the prior that is
    the aggregated posterior: Tomczak & Welling, VAE with a VampPrior, 2018, eq. 5; its
    density estimated after training: Ghosh et al., From Variational to Deterministic
    Autoencoders, 2020, section 4.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import VAETransformer
    >>> X = load_iris().data
    >>> vae = VAETransformer(2, random_state=0).fit(X)
    >>> vae.transform(X).shape
    (150, 2)
    >>> vae.sample(3, random_state=0).shape
    (3, 4)
    """

    _parameter_constraints: dict = {
        **BaseAutoencoder._parameter_constraints,
        "likelihood": [StrOptions(set(LIKELIHOODS))],
        "prior": [StrOptions({"normal", "mixture"})],
        "match_marginals": ["boolean"],
        "divergence": [StrOptions({"kl", "mmd", "adversary"})],
        "free_bits": [Interval(Real, 0, None, closed="left")],
        "beta": [Interval(Real, 0, None, closed="left")],
        "kl_warmup": [Interval(Real, 0, 1, closed="both")],
        "min_noise_variance": [Interval(Real, 0, None, closed="neither")],
        "n_importance_samples": [Interval(Integral, 1, None, closed="left")],
    }

    _built_in = (
        *BaseAutoencoder._built_in,
        "likelihood",
        "divergence",
        "min_noise_variance",
    )

    def __init__(
        self,
        n_components=2,
        *,
        likelihood="gaussian",
        prior="mixture",
        match_marginals=True,
        divergence="kl",
        beta=1.0,
        free_bits=0.0,
        kl_warmup=0.1,
        min_noise_variance=1e-4,
        n_importance_samples=64,
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
        learning_rate_init=0.005,
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
        self.likelihood = likelihood
        self.prior = prior
        self.match_marginals = match_marginals
        self.divergence = divergence
        self.beta = beta
        self.free_bits = free_bits
        self.kl_warmup = kl_warmup
        self.min_noise_variance = min_noise_variance
        self.n_importance_samples = n_importance_samples
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

    def sample(self, n_samples=1, random_state=None):
        """Draw new rows: codes from the prior, rows from the decoder with its noise.

        Numbers keep to the values that their columns have in the training rows, unless
        ``match_marginals=False``.

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
        design = self._draw_design(n_samples, rng)
        numbers, raw = self._table.layout_.numbers, None
        if self._marginals is not None and self._marginals.own is not None:
            raw = self._marginals.map(design[:, : len(numbers)])
        elif not self.net_.module_.likelihood.is_density:
            # Not 2.9999999 counts, nor -0.
            raw = self._table.decode_numbers(design[:, : len(numbers)]).round() + 0.0
        return self._table.decode(design, np.float64, rng=rng, numbers=raw)

    def _draw_design(self, n_samples, rng):
        """Return decoded draws of the prior, with noise, shape (n_samples, n_outputs)."""
        prior = self.net_.module_.prior
        if prior is None:
            codes = rng.standard_normal((n_samples, self.n_components_))
        else:
            codes = prior.sample(n_samples, rng)
        design = self._decode_design(codes)
        n = len(self._table.scale_)
        spread = (
            self.noise_variance_[self._table.layout_.numbers] ** 0.5 / self._table.scale_
        )
        likelihood = self.net_.module_.likelihood
        design[:, :n] = likelihood.draw(design[:, :n], spread, rng)
        return design

    # Learned by `fit` alone.
    _marginals = None

    # The noise variances go on falling long after the means have settled.
    @property
    def _patience(self):
        return 2.0 if self.divergence == "kl" else 4.0

    @property
    def _warm_up(self):
        return self.kl_warmup

    def _learn_table(self, X, rows, sample_weight):
        if self.scale == "quantile":
            raise ValueError(
                "scale='quantile' has no density in the original units, which "
                "score_samples gives; use scale='robust', or AutoencoderTransformer."
            )
        super()._learn_table(X, rows, sample_weight)

    def _learn_marginals(self, X, rows, sample_weight):
        self._marginals = None
        is_density = LIKELIHOODS[self.likelihood].is_density
        if self.match_marginals and is_density and len(self._table.layout_.numbers):
            taken, raw = self._table.some_numbers(X, rows)
            weights = None if sample_weight is None else sample_weight[taken]
            self._marginals = Marginals(raw, weights)

    def _build_network(self, layout, generator):
        likelihood = LIKELIHOODS[self.likelihood]
        build = VariationalAutoencoder
        if self.divergence != "kl":
            build = partial(AggregateAutoencoder, adversary=self.divergence == "adversary")
        return build(
            layout.n_inputs,
            layout.n_outputs,
            len(layout.numbers),
            self.n_components_,
            self.hidden_layer_sizes_,
            self.activation,
            self.dropout,
            self._reach,
            generator=generator,
            min_noise_variance=self.min_noise_variance,
            network=self.network_,
            likelihood=likelihood(*self._units(), self.min_noise_variance),
        )

    def _build_criterion(self, layout):
        nll = LIKELIHOODS[self.likelihood].nll
        build = NegativeELBO if self.divergence == "kl" else AggregateBound
        return build(layout, self.beta, nll, self.free_bits)

    def _toll(self, data):
        if self.divergence == "kl" or not self.beta:
            return None
        return judge_codes(data, self.beta * self.net_.criterion_.gain)

    def _number_cost(self, network, layout):
        likelihood = network.likelihood
        return lambda output, x: likelihood.nll(x, output, likelihood.noise())

    @property
    def _kind(self):
        return LIKELIHOODS[self.likelihood].kind

    def _kind_parameter(self):
        return f"likelihood={self.likelihood!r}"

    def _finish(self, data):
        with self._network(np.float32) as lent:
            blocks = data.blocks(0, len(data.source))
            means = torch.cat([lent.network.encode(x) for x, _ in blocks])
            variances = means.double().var(dim=0, correction=0).cpu().numpy()
            noise = lent.network.likelihood.variance().double().cpu().numpy()
        self.active_components_ = variances > ACTIVE_VARIANCE
        self.n_active_components_ = int(self.active_components_.sum())
        self.noise_variance_ = np.full(self.n_features_in_, np.nan)
        self.noise_variance_[self._table.layout_.numbers] = noise * self._table.scale_**2

        self.net_.module_.prior, self.prior_ = None, "normal"

    def _complete(self, data):
        if self.prior == "mixture":
            codes = self._draw_codes(data)
            # Without held-out rows a fifth is set aside to choose by.
            n_held_out = data.n_valid or max(1, len(codes) // 5)
            prior = fit_prior(codes[:-n_held_out], codes[-n_held_out:])
            self.net_.module_.prior = prior
            self.prior_ = "normal" if prior is None else "mixture"
        if self._marginals is not None:
            n_draws = max(1000, MAX_DRAWN_CELLS // self._table.layout_.n_outputs)
            rng = np.random.RandomState(0)
            drawn = self._draw_design(min(MAX_DRAWS, n_draws), rng)
            self._marginals.learn_own(drawn[:, : len(self._table.scale_)])

    def _draw_codes(self, data):
        """Return a draw of the posterior of every row, in float32, in the rows' order."""
        generator = torch.Generator(self.device_).manual_seed(0)
        codes = []
        with self._network(np.float32) as lent:
            for x, _ in data.blocks(0, len(data.source)):
                mean, log_variance = lent.network.posterior(x)
                draws = torch.empty_like(mean).normal_(generator=generator)
                codes.append(torch.addcmul(mean, (0.5 * log_variance).exp(), draws))
        codes = torch.cat(codes)
        if data.weights is not None:
            codes = _in_proportion(codes, data)
        return codes

    def _follow_table(self):
        super()._follow_table()
        # What an earlier fit learned of its columns no longer holds.
        if self._marginals is not None:
            self._marginals.own = None

    def _report(self):
        n_collapsed = self.n_components_ - self.n_active_components_
        if n_collapsed:
            warnings.warn(
                f"{n_collapsed} of {self.n_components_} latent dimensions have collapsed: "
                "their posterior is the prior, whatever the row (see "
                "active_components_). Use a smaller n_components or a smaller beta.",
                ConvergenceWarning,
                stacklevel=3,
            )


def _in_proportion(codes, data):
    """Return as many codes, each as often as its row weighs; held-out ones stay last."""
    parts = []
    for part, weights in (
        (codes[: data.n_train], data.train_weights),
        (codes[data.n_train :], data.valid_weights),
    ):
        shares = weights.double().cumsum(0)
        levels = (torch.arange(len(part), device=shares.device) + 0.5) / max(len(part), 1)
        at = torch.searchsorted(shares, levels * shares[-1:]).clamp(max=len(part) - 1)
        parts.append(part[at])
    return torch.cat(parts)
