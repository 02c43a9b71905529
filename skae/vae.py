"""The variational autoencoder as a transformer."""

from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import ClassVar, Literal

from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions

from skae._code_description import CodeDescriptionMixin
from skae._code_order import OrderedCodesMixin
from skae._documented import documented
from skae._estimator import BaseAutoencoder
from skae._posteriors import PosteriorsMixin
from skae._variational_sampling import VariationalSamplingMixin
from skae._warnings import warn
from skae.divergences import DIVERGENCES, Divergence, Unit, choose_divergence
from skae.likelihoods import Likelihood
from skae.likelihoods.choice import LIKELIHOODS, choose_likelihood
from skae.models.fitted_likelihood import FittedLikelihood
from skae.models.losses import ColumnLosses
from skae.models.variational import VariationalModel

# What `skae.privacy.fit_privately` says of its fit.
PRIVATE = "epsilon_", "delta_", "noise_multiplier_", "_is_bounded"


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class VAETransformer(
    CodeDescriptionMixin,
    OrderedCodesMixin,
    PosteriorsMixin,
    VariationalSamplingMixin,
    BaseAutoencoder,
):
    """Variational autoencoder: codes, a density and new rows.

    The model is ``p(z) = N(0, I)`` and ``p(x|z) = N(d(z), diag s)`` (or another
    `likelihood`), with the posterior approximated by ``q(z|x) = N(m(x), diag v(x))``.
    Encoder and decoder are linear maps plus multi-layer perceptrons that start at
    probabilistic PCA, whose posterior is known in closed form: the bound is tight from the
    first step and no dimension starts collapsed. The noise variance s of every column is
    learned. After training p(z) is replaced by a mixture of normal distributions where
    that describes the codes of held-out rows better.

    Parameters
    ----------
    likelihood : {"auto", "gaussian", "student_t", "bernoulli", "poisson", \
            "negative_binomial"} or Likelihood, default="auto"
        How numbers are distributed about what the decoder says. "auto": they are learned as
        normal; after training a Student t, with the scale and the degrees of freedom of
        every column's errors, takes the place of that noise in `score_samples` and what
        follows from it, where held-out rows clearly prefer it. Codes and reconstructions
        are those of "gaussian", which stays normal; "student_t" is learned with from the
        first step, and pays less heed to far cells. "bernoulli" is for zeros and ones (or
        proportions between them), "poisson" for counts and "negative_binomial" for counts
        that vary more. Or an object of `skae.likelihoods`, or your own.
    sampler : {"columns", "codes"}, default="columns"
        What draws rows and fills missing cells. "columns": networks that are trained besides
        and say how every column is distributed given any others. They take longer to train
        than encoder and decoder, and can meet conditions. "codes", as in a stream (`partial_fit`), for
        sparse matrices and for tables of more than 300 numbers and categories: the decoder,
        from codes of the prior.
    prior : {"mixture", "normal"}, default="mixture"
        The distribution of the codes that `score_samples` uses, and `sample` with
        ``sampler="codes"``.
        "mixture": it is estimated after training, and taken where held-out rows clearly
        prefer it. "normal": N(0, I) stays, as it does in a stream (`partial_fit`). The
        codes are the same.
    noise_covariance : {"auto", "full", "diagonal"}, default="auto"
        The covariance of a normal likelihood, in `score_samples` and what follows from it.
        "full": correlations of the columns' noise are estimated after training, and
        taken where held-out rows clearly prefer them: columns that are tied to each other
        beyond what few codes can say; the noise stays normal. "diagonal": every column has
        a noise of its own, as in training, in a stream (`partial_fit`) and beyond 300
        columns of numbers. "auto": "full" where `n_components` is a fraction, or as many as
        columns of numbers.
        A smaller number is judged by what so many codes explain: noise that explains the
        rest would score alike with any number of them, and a search would find none.
    match_marginals : bool, default=True
        Whether `sample` with ``sampler="codes"`` gives every numeric column the distribution that it has in the
        training rows: limits, whole numbers and decimals, values that repeat. False, and
        in a stream (`partial_fit`): as in the model, whose density `score_samples` gives.
    divergence : {"kl", "mmd", "adversary"} or Divergence, default="kl"
        What keeps codes near the prior. "kl": the divergence of every row's posterior, as
        in the evidence lower bound. "mmd": the maximum mean discrepancy of all rows'
        codes, as in a Wasserstein autoencoder. "adversary": besides, a critic that learns
        to tell the codes from draws of the prior, as in
        `AdversarialAutoencoderTransformer`. Or an object of `skae.divergences` with its
        settings, such as ``KL(free_bits=0.5, warmup=0.2)``, or your own. With "mmd" and
        "adversary" the posterior means are distributed like the prior over the rows, but
        the posterior of a row is not trained to be one: scores are still lower bounds,
        looser ones.
    beta : float, default=1.0
        Weight of the divergence. 1 is the evidence lower bound; more presses the codes
        towards independence. The start is the best linear model for 1: with another weight
        it is a state like others, which the lowest held-out loss replaces.
    min_noise_variance : float, default=1e-4
        Floor of a column's noise variance, as a fraction of the column's variance (of the
        mean variance with ``scale=False``). It bounds the density of columns that repeat
        values or are functions of others.
    n_importance_samples : int, default=64
        Draws per row in `score_samples`, twice as many of rows with missing cells. More make
        the bound tighter and scoring slower.
    scale : bool or "robust", default=True
        Whether numeric columns are standardised inside. "robust": by median and
        interquartile range, for columns with heavy tails. The score is in raw units in any
        case.
    max_iter : int, default=None
        Maximum number of epochs. None: a budget of 600 to 2000 steps (two per row), and at
        least 8 epochs; up to three times as many with missing values, `corruption` or a
        `Recurrent` network; twice as many with "mmd" and "adversary".

    Attributes
    ----------
    active_components_ : ndarray of bool of shape (n_components_,)
        Dimensions that the encoder uses: their posterior mean has a variance above 0.01
        over the training rows.
    n_active_components_ : int
        How many those are.
    noise_variance_ : ndarray of shape (n_features_in_,)
        Noise variance of every column as learned in training, in squared raw units (the
        squared scale with ``likelihood="student_t"``); NaN for categories, and where the
        mean determines the variance.
    prior_ : {"mixture", "normal"}
        What was chosen for p(z).
    likelihood_ : {"gaussian", "student_t"} or `likelihood`
        What was chosen for p(x|z) of numbers with "auto"; else the parameter.
    noise_covariance_ : {"full", "diagonal"}
        What was chosen for the noise of numeric columns.
    sampler_ : {"columns", "codes"}
        What draws rows and fills missing cells.
    loss_curve_, validation_loss_curve_ : list of float
        Minus the evidence lower bound with the normal prior, in nats of the standardised
        columns: of every epoch's training rows; of the held-out rows, before the first
        step and after every epoch.
    encoder_, decoder_ : torch.nn.Module
        The parts of the network, for rows in standard units. The encoder returns the
        posterior means and log variances side by side.

    See Also
    --------
    AutoencoderTransformer : Without a density; reconstructs better.
    sklearn.decomposition.PCA : Its `score_samples` is in the same unit.

    Notes
    -----
    A row's nats have no bound where the noise variance is learned, and a few held-out rows
    could make their mean. States are therefore compared by the winsorised mean of the rows'
    falls since the start (a twentieth of them moved in at either end), and what is chosen
    last is the noise: the variance of all errors, those of held-out rows included.

    The codes are those of the density. Columns that nearly determine each other can have very
    little noise, and gain the most nats by a code of their own, as in factor analysis; columns
    that are half explained by others gain little, and are left to their noise. As features
    for another model such codes are often worse than those of `AutoencoderTransformer`, for
    which all columns count alike.

    `transform` returns the posterior mean m(x). `score_samples` is the importance-weighted
    lower bound of log p(x), in nats and in the original units (the scaling's Jacobian is
    included), so that it can be laid beside those of `PCA` and `GaussianMixture`. The
    draws are a fixed quasi-random set: equal rows score alike, call after call. Categories
    have probabilities instead of densities, and missing cells are left out: the score is
    that of the cells that are there.

    The mixture has 2 to 16 components with full covariances, and one more, N(0, I), with a
    weight of 0.01: no row loses more than 4.6 nats by it. It is fitted to draws from the
    posteriors of the training rows, its size chosen on the held-out ones.

    The mixture is estimated after training and taken where held-out rows clearly prefer it
    to N(0, I), towards which training presses the codes without getting all the way.

    `sample` draws one column after the other, each given those that are there, in random
    orders; so it can go on from any cells that are given. Numbers are normal scores to the
    networks, ranks of the training rows, which they start by taking for jointly normal, but
    for what values that repeat go with, and leave that where held-out rows are better for
    it. What holds in every row is found and kept to: sums and differences (a drop-off is
    the pickup and a ride), columns that follow from others by a formula, but for rounding
    (an amount is the price of so many pieces, a mean that of its parts), columns that are
    never above others, those that can be looked up by an interval of another one or by the
    year, month, ... of a date, categories within categories (a zone in its borough), numbers
    that one category has always. Values
    that repeat in the training rows are given as they are; between others, new ones are
    interpolated, with as many decimals as theirs, up to a quarter of the last distance from
    the outermost one, if it is a single row's. To that end the fitted estimator holds up to
    2,000 values of every column. Missing cells are filled by the same networks.

    With ``sampler="codes"`` `sample` draws codes, decodes them, adds the noise, and then maps
    every column of numbers, rank by rank, from the model's distribution to that of the
    training rows. Counts, zeros and ones of the discrete likelihoods are drawn as they are.

    For proportions strictly between 0 and 1 the Bernoulli likelihood is no density: the
    score is a lower bound of the expected log probability of the row after drawing zeros and
    ones with those probabilities.

    What `explain` attributes to the cells is how far, in nats, the score lies below the
    highest that such a row could have, which is where every number sits at the mode of
    its noise and every category is certain. Without missing cells that is a constant
    minus the score.

    References
    ----------
    Kingma & Welling, Auto-Encoding Variational Bayes, 2014. MMD: Tolstikhin et al.,
    Wasserstein Auto-Encoders, 2018, eq. 4; adversary: Makhzani et al., Adversarial
    Autoencoders, 2016, section 2. Importance-weighted bound:
    Burda et al., Importance Weighted Autoencoders, 2016, eq. 8. The start: Tipping &
    Bishop, Probabilistic Principal Component Analysis, 1999. Why the start matters:
    Lucas et al., Don't Blame the ELBO!, 2019. The bound is highest for the prior that is
    the aggregated posterior: Tomczak & Welling, VAE with a VampPrior, 2018, eq. 5; its
    density estimated after training: Ghosh et al., From Variational to Deterministic
    Autoencoders, 2020, section 4. Columns in any order: Uria, Murray & Larochelle, A Deep and
    Tractable Density Estimator, 2014.

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

    likelihood: (
        Literal[
            "auto", "gaussian", "student_t", "bernoulli", "poisson", "negative_binomial"
        ]
        | Likelihood
    ) = "auto"
    sampler: Literal["columns", "codes"] = "columns"
    prior: Literal["mixture", "normal"] = "mixture"
    noise_covariance: Literal["auto", "full", "diagonal"] = "auto"
    match_marginals: bool = True
    divergence: Literal["kl", "mmd", "adversary"] | Divergence = "kl"
    beta: float = 1.0
    min_noise_variance: float = 1e-4
    n_importance_samples: int = 64
    learning_rate_init: float = 0.005

    _parameter_constraints: ClassVar[dict] = {
        **BaseAutoencoder._parameter_constraints,
        "likelihood": [StrOptions({"auto", *LIKELIHOODS}), Likelihood],
        "sampler": [StrOptions({"columns", "codes"})],
        "prior": [StrOptions({"normal", "mixture"})],
        "noise_covariance": [StrOptions({"auto", "full", "diagonal"})],
        "match_marginals": ["boolean"],
        "divergence": [StrOptions(set(DIVERGENCES)), Divergence],
        "beta": [Interval(Real, 0, None, closed="left")],
        "min_noise_variance": [Interval(Real, 0, None, closed="neither")],
        "n_importance_samples": [Interval(Integral, 1, None, closed="left")],
    }

    _trains_in_parallel = True
    # Whether the columns' limits are public bounds, within which drawn numbers stay.
    _is_bounded = False

    _structural = (
        *BaseAutoencoder._structural,
        "likelihood",
        "divergence",
        "min_noise_variance",
    )

    def _check_parameters(self):
        super()._check_parameters()
        choose_divergence(self.divergence).check()
        choose_likelihood(self.likelihood).check()
        if self.scale == "quantile":
            raise ValueError(
                "scale='quantile' has no density in the original units, which "
                "score_samples gives; use scale='robust', or AutoencoderTransformer."
            )

    def _number_support(self):
        return choose_likelihood(self.likelihood).support, f"likelihood={self.likelihood!r}"

    def _budget(self):
        # The noise variances go on falling long after the means have settled.
        chosen = choose_divergence(self.divergence)
        usual = super()._budget()
        return usual._replace(factor=chosen.budget_factor, warmup=chosen.warmup)

    # ------------------------------------------------------------------ fitting

    def _train(self, data, schedule, given):
        # What `fit_privately` says of its fit is true of no other.
        for name in PRIVATE:
            self.__dict__.pop(name, None)
        return super()._train(data, schedule, given)

    def _build_model(self, design, layers, n_train):
        table, unit = self._table, Unit.nats(design.n_features)
        likelihood = FittedLikelihood(
            clone(choose_likelihood(self.likelihood)),
            table.center_,
            table.scale_,
            self.min_noise_variance,
        )
        divergence = choose_divergence(self.divergence)
        return VariationalModel(
            design,
            self.n_components_,
            layers,
            likelihood,
            partial(divergence.build, self.n_components_, unit),
            self.network_,
        )

    def _configure_model(self, model):
        table, likelihood = self._table, model.likelihood
        likelihood.follow(table.center_, table.scale_)
        if likelihood.link is not None:
            likelihood.link.follow(table.center_, table.scale_)
        model.log_jacobian = table.log_jacobian_
        model.columns = ColumnLosses(
            table.design_, likelihood, weighted=False, column_weight=self._column_weight
        )
        model.divergence.configure(choose_divergence(self.divergence))
        model.divergence_weight = self.beta

    def _after_fit(self, data, given=None):
        if given is not None and self.best_iter_ and data.n_valid and not data.is_separate:
            blocks = data.blocks(data.n_train, len(data.source))
            self.net_.module_.pool_noise(blocks, data.valid_weights, data.n_train)
        self._learn_activity(data)
        self._learn_to_sample(data, given)
        if given is None:
            return
        if self.n_active_components_ < self.n_components_:
            self._warn_of_collapse()
        elif self._stayed_at_start():
            self._warn_of_start(data.n_valid)

    def _stayed_at_start(self):
        """Return whether held-out rows found no epoch clearly better than PCA."""
        return (
            self.best_iter_ == 0
            and self.early_stopping
            and self.init == "pca"
            and not self.warm_start
            and self._warns_of_columns  # not one of many, as in a detector
            and self.net_.stop_reason_ in ("epochs", "no_change")
        )

    def _warn_of_start(self, n_valid):
        warn(
            f"The fit stays at its start, probabilistic PCA (best_iter_=0): of {self.n_iter_} "
            f"epochs none was clearly better on the {n_valid} held-out rows. Where there is "
            "nothing else to learn, PCA has the same density; else use more rows, a larger "
            "max_iter, or early_stopping=False, which keeps the last epoch.",
            ConvergenceWarning,
        )
