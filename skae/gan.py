"""A generative adversarial network as an estimator."""

import copy
import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skae import _defaults
from skae._estimator import MAX_SEED, BaseAutoencoder, check_n_samples, warn_of_empty
from skae.architectures import ACTIVATIONS
from skae.models.gan import Critic, Generator
from skae.table.encoder import TableEncoder
from skae.table.rows import encode_block
from skae.table.validation import (
    check_fitted_table,
    check_layer_sizes,
    check_table,
    check_weights,
    column_names,
    float_dtype,
)
from skae.training.adversarial import LOSSES, Game, Rules
from skae.training.callbacks import EpochTasks
from skae.training.devices import resolve_device, threads_for

BLOCK = 16_384
# Rows, and neighbours, that the coverage is measured with.
N_COVERED, N_NEIGHBOURS = 1000, 5
# A generator that covers less of the rows than this has left something out.
LEAST_COVERAGE = 0.5
# Draws that say how sure of a row the critic can be, and the share of them that are sure.
N_CALIBRATION, SURE = 4096, 0.95
MAX_ROUNDS = 50
# Rows that the classes are found in, and those that each of them has on average at least.
N_CLUSTERED, LEAST_CLUSTER = 20_000, 10
TABLE_PARAMETERS = (
    "scale",
    "categorical_features",
    "handle_unknown",
    "min_frequency",
    "max_categories",
)


class GANSampler(CallbackSupportMixin, BaseEstimator):
    """Generative adversarial network for tables: new rows that a critic cannot tell.

    A generator turns random numbers into rows; a critic learns to tell them from the rows
    of the table; the generator learns to deceive it. What `sample` returns comes from a
    moving average of the generator's weights, and passes the critic first.

    Parameters
    ----------
    n_components : int, default=None
        Normal numbers that a row is made from. None: as many as the encoded table has
        columns, from 4 to 32.
    n_classes : int, default=16
        Classes that a row is made from besides: tables come in clumps, and no continuous
        map leaves the space between them empty. They start at the centres, and have the
        sizes, of that many clusters (k-means; at least ten rows each). 1: none.
    loss : {"non_saturating", "wasserstein"}, default="non_saturating"
        The game. "wasserstein" wants more steps of the critic (`n_critic_steps`). Its
        critic weighs differences by the way from one to the other: it finds all clumps of
        a table, but hardly sees how wide a narrow one is (see `coverage_`).
    gradient_penalty : float, default=None
        Weight of the penalty on the critic's steepness. Non-saturating: its squared
        gradient at the table's rows (R1; fades to a tenth). Wasserstein: the squared
        distance of the gradient's length from 1 between the table's rows and generated
        ones. None: 0.00125 times the square of the number of encoded columns (5 at most),
        and 1. 0: no penalty. Where no classes find the clumps (``n_classes=1``), 0.5 and a
        longer `max_iter` do.
    spectral_norm : bool, default=False
        Whether every layer of the critic is held 1-Lipschitz.
    instance_noise : float, default=0.25
        Standard deviation, at the start, of the noise on all rows that the critic sees, in
        units of the columns' own. It fades out over the first 40% of the steps, so that
        what is alike from afar is learned before what is alike from near.
    hidden_layer_sizes : int or tuple of int, default=(128, 128)
        Units of the hidden layers of both players.
    activation : {"relu", "tanh", "logistic", "identity", "silu", "gelu", "elu"}, \
            default="relu"
        Activation of the generator's hidden layers. The critic's are leaky rectifiers.
    rejection : bool, default=True
        Whether rows that the critic finds unlikely are drawn again, so that accepted ones
        follow the table's distribution more closely. It takes the critic's word for a
        density ratio, which it is with the non-saturating loss only: with the Wasserstein
        loss nothing is rejected.
    scale : bool, "robust" or "quantile", default=True
        How numbers are standardised inside; see `AutoencoderTransformer`.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Columns that hold categories whatever their dtype: names, numbers or a mask.
        "from_dtype": text, categorical and boolean columns do. None: no text or
        categories are allowed.
    handle_unknown : {"ignore", "error"}, default="ignore"
        What `score_samples` does with a category that was not in fit.
    min_frequency : int or float, default=None
        Number, or share, of the rows below which categories are rare. Rare ones share one
        level.
    max_categories : int or None, default=100
        Levels of a column at most; the rarest categories share the last one. None: no
        limit.
    batch_size : int, default=256
        Rows a step.
    learning_rate_init : float, default=0.003
        Peak of the generator's one-cycle schedule.
    critic_learning_rate_init : float, default=0.003
        Peak of the critic's.
    n_critic_steps : int, default=1
        Steps of the critic for each of the generator's.
    max_iter : int, default=None
        Epochs. None: 2,000 steps of the critic, at least 4 epochs.
    averaging : float, default=0.99
        Weight of the past in the moving average of the generator's weights. 0: the last
        weights are taken.
    device : str or torch.device, default="auto"
        "auto" is the CUDA device where there is one, else the CPU.
    random_state : int, RandomState instance or None, default=None
        Seeds the weights, the batches and the draws of training.

    Attributes
    ----------
    generator_, critic_ : torch.nn.Module
        The players, for rows in standard units. `generator_` is the moving average.
    n_components_, n_classes_ : int
        Normal numbers, and classes, that a row is made from.
    coverage_ : float
        Share of the training rows (of 1,000) that have a generated row among as many
        within the distance of their fifth neighbour: about 0.97 where the two
        distributions are one, low where the generator leaves something out.
    loss_curve_, critic_loss_curve_ : list of float
        Losses of the generator and of the critic, an entry an epoch. They say whether
        the players are in balance, not how good the rows are.
    n_iter_ : int
        Epochs run.
    batch_size_, max_iter_, gradient_penalty_
        What was used for the parameters of those names.
    device_ : torch.device
        Where the networks are.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X had names.

    See Also
    --------
    VAETransformer : Generates too, and knows the density of a row.

    Notes
    -----
    On a few hundred rows the generator comes close to learning them by heart: its rows are
    then no way to keep the table's private.

    Columns with missing cells: the generator learns where cells are missing as well, and
    what stands behind the holes; `sample` returns complete rows.

    References
    ----------
    Goodfellow et al., Generative Adversarial Networks, 2014. Two learning rates: Heusel et
    al., GANs Trained by a Two Time-Scale Update Rule, 2017. Rejection: Azadi et al.,
    Discriminator Rejection Sampling, 2019. Strewn rows: Sinha et al., Negative Data
    Augmentation, 2021. Coverage: Naeem et al., Reliable Fidelity and
    Diversity Metrics for Generative Models, 2020, eq. 8.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import GANSampler
    >>> iris = load_iris(as_frame=True).frame
    >>> gan = GANSampler(max_iter=200, random_state=0).fit(iris)
    >>> gan.sample(3, random_state=0).shape
    (3, 5)
    """

    _parameter_constraints: dict = {
        **{
            name: BaseAutoencoder._parameter_constraints[name]
            for name in (*TABLE_PARAMETERS, "device", "random_state", "max_iter")
        },
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "n_classes": [Interval(Integral, 1, None, closed="left")],
        "loss": [StrOptions(set(LOSSES))],
        "gradient_penalty": [Interval(Real, 0, None, closed="left"), None],
        "spectral_norm": ["boolean"],
        "instance_noise": [Interval(Real, 0, None, closed="left")],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "rejection": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "critic_learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "n_critic_steps": [Interval(Integral, 1, None, closed="left")],
        "averaging": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        n_components=None,
        *,
        n_classes=16,
        loss="non_saturating",
        gradient_penalty=None,
        spectral_norm=False,
        instance_noise=0.25,
        hidden_layer_sizes=(128, 128),
        activation="relu",
        rejection=True,
        scale=True,
        categorical_features="from_dtype",
        handle_unknown="ignore",
        min_frequency=None,
        max_categories=100,
        batch_size=256,
        learning_rate_init=0.003,
        critic_learning_rate_init=0.003,
        n_critic_steps=1,
        max_iter=None,
        averaging=0.99,
        device="auto",
        random_state=None,
    ):
        self.n_components = n_components
        self.n_classes = n_classes
        self.loss = loss
        self.gradient_penalty = gradient_penalty
        self.spectral_norm = spectral_norm
        self.instance_noise = instance_noise
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.rejection = rejection
        self.scale = scale
        self.categorical_features = categorical_features
        self.handle_unknown = handle_unknown
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.critic_learning_rate_init = critic_learning_rate_init
        self.n_critic_steps = n_critic_steps
        self.max_iter = max_iter
        self.averaging = averaging
        self.device = device
        self.random_state = random_state

    # ------------------------------------------------------------------ fitting

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Let the two players learn from the rows of X.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows to learn, at least two. Cells may be missing; numbers must be finite.
        y : Ignored
            Present for the API.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the critic's loss, and thereby among the generated
            rows. A row of weight 0 is left out.

        Returns
        -------
        self : object
            The fitted sampler.

        Raises
        ------
        ValueError
            If X or `sample_weight` is malformed, or `device` is not available. Nothing
            has been trained then.

        Warns
        -----
        ConvergenceWarning
            If training diverged or was interrupted (Ctrl-C), which leaves the generator of
            the last sound epoch, or if the generator has collapsed onto a part of the
            table.
        """
        device = resolve_device(self.device)
        given = X, y, sample_weight
        X = check_table(self, X, reset=True, min_samples=2)
        sample_weight = check_weights(sample_weight, X, min_samples=2)
        hidden = self._check_hidden_layer_sizes()
        rng = check_random_state(self.random_state)
        rows = np.arange(X.shape[0])
        if sample_weight is not None:
            rows = np.flatnonzero(sample_weight)
        rng.shuffle(rows)
        self._table = TableEncoder(*(getattr(self, name) for name in TABLE_PARAMETERS))
        self._table.fit(X, rows, sample_weight, column_names(self, X.shape[1]))
        warn_of_empty(self._table)
        self.device_ = device
        real = torch.from_numpy(self._table.encode_rows(X, rows)[0]).to(device)
        weights = _relative(sample_weight, rows, device)
        game = self._set_up(real, weights, hidden, rng)
        n_weights = sum(value.numel() for value in game.critic.parameters())
        with threads_for(self.batch_size_ * n_weights):
            self._play(game, given)
            self._finish(game)
        self._report()
        return self

    def _check_hidden_layer_sizes(self):
        return check_layer_sizes("hidden_layer_sizes", self.hidden_layer_sizes)

    def _set_up(self, real, weights, hidden, rng):
        """Settle the rules and seat the players."""
        layout, loss = self._table.layout_, LOSSES[self.loss]
        self.n_components_ = self.n_components or min(max(layout.n_outputs, 4), 32)
        self.batch_size_ = min(self.batch_size, len(real))
        self.max_iter_ = self.max_iter or _defaults.choose_game_length(
            len(real), self.batch_size_
        )
        self.gradient_penalty_ = float(
            loss.penalty(layout.n_inputs)
            if self.gradient_penalty is None
            else self.gradient_penalty
        )
        n_numbers = len(layout.numbers)
        varies = (real[:, :n_numbers].std(dim=0, correction=0) > 0).float().cpu()
        weights_from = torch.Generator().manual_seed(rng.randint(MAX_SEED))
        centres, sizes = _clusters(real.cpu(), weights, self.n_classes, rng)
        self.n_classes_ = len(centres)
        generator = Generator(
            self.n_components_,
            centres,
            sizes,
            layout,
            hidden,
            self.activation,
            varies,
            weights_from,
        )
        critic = Critic(
            layout.n_inputs, n_numbers, hidden, self.spectral_norm, weights_from
        )
        rules = Rules(
            loss=loss,
            n_epochs=self.max_iter_,
            batch_size=self.batch_size_,
            generator_rate=self.learning_rate_init,
            critic_rate=self.critic_learning_rate_init,
            penalty=self.gradient_penalty_,
            noise=float(self.instance_noise),
            averaging=self.averaging,
            n_critic_steps=self.n_critic_steps,
            seed=rng.randint(MAX_SEED),
        )
        players = generator.to(self.device_), critic.to(self.device_)
        return Game(*players, real, weights, rules)

    def _play(self, game, given):
        self._stop_reason = "epochs"
        tasks = _GameTasks(self, game, self.max_iter_, given)
        try:
            for _ in range(self.max_iter_):
                tasks.begin()
                sound = game.play_epoch()
                asked = tasks.end()
                if not sound or asked:
                    self._stop_reason = "diverged" if not sound else "callback"
                    break
        except KeyboardInterrupt:
            self._stop_reason = "interrupted"
        tasks.finish()

    def _finish(self, game):
        """Take from the game what is kept, and look at what is generated."""
        self.generator_ = game.average
        self.critic_ = copy.deepcopy(game.critic).eval().requires_grad_(False)
        self.loss_curve_ = list(game.generator_losses)
        self.critic_loss_curve_ = list(game.critic_losses)
        self.n_iter_ = len(self.loss_curve_)
        draws = torch.Generator(self.device_).manual_seed(game.rules.seed)
        verdicts = self._candidates(N_CALIBRATION, draws)[2]
        self._sure = float(verdicts.quantile(SURE))
        self.coverage_ = self._coverage(game.rows[:N_COVERED], draws)

    @torch.no_grad()
    def _coverage(self, real, draws):
        from sklearn.neighbors import NearestNeighbors  # as in `skae.models.code_mixture`

        n_outputs = self._table.layout_.n_outputs
        n_rows = len(real)
        n_neighbours = min(N_NEIGHBOURS, n_rows - 1)
        generated = self._accepted(n_rows, draws)[0]
        real, generated = (
            rows[:, :n_outputs].cpu().numpy().astype(np.float64)
            for rows in (real, generated)
        )
        reach = NearestNeighbors(n_neighbors=n_neighbours).fit(real).kneighbors()[0][:, -1]
        nearest = NearestNeighbors(n_neighbors=1).fit(generated).kneighbors(real)[0][:, 0]
        return float((nearest <= reach).mean())

    def _report(self):
        if self._stop_reason == "interrupted":
            message = (
                f"fit was interrupted after {self.n_iter_} epochs; the generator is kept as "
                "it is, and further training might improve it."
            )
        elif self._stop_reason == "diverged":
            message = (
                f"Training diverged in epoch {self.n_iter_ + 1} with learning_rate_init="
                f"{self.learning_rate_init:g} and critic_learning_rate_init="
                f"{self.critic_learning_rate_init:g}; the state before it is kept. Use "
                "smaller ones, a larger gradient_penalty or spectral_norm=True."
            )
        elif self.coverage_ < LEAST_COVERAGE:
            message = (
                f"The generated rows are near {self.coverage_:.0%} of the table's rows only "
                "(coverage_): the generator has collapsed onto a part of them, or not yet "
                "learned the rest. Use a larger max_iter, another gradient_penalty or "
                "n_components, or fewer columns."
            )
        else:
            return
        warnings.warn(message, ConvergenceWarning, stacklevel=3)

    # ------------------------------------------------------------------ using

    def sample(self, n_samples=1, random_state=None):
        """Draw new rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance or None, default=None
            Seeds the draws.

        Returns
        -------
        rows : ndarray or data frame of shape (n_samples, n_features_in_)
            In the original columns and units; a frame of the library that was fitted, if
            one was, with its dtypes.
        """
        check_is_fitted(self)
        check_n_samples(n_samples)
        rng = check_random_state(random_state)
        draws = torch.Generator(self.device_).manual_seed(rng.randint(MAX_SEED))
        design = self._accepted(n_samples, draws)[1].cpu().numpy()
        return self._table.decode(design, np.float64, rng=rng)

    @torch.no_grad()
    def _candidates(self, n_rows, draws):
        """Return generated rows, their logits, and what the critic says of them."""
        latent = self.generator_.draw(n_rows, draws)
        rows, logits = self.generator_.realise(self.generator_(latent), draws)
        return rows, logits, self.critic_(rows)

    def _accepted(self, n_rows, draws):
        """Return generated rows and their logits, those that the critic lets pass."""
        kept, n_left, n_rounds = [], n_rows, 0
        rejects = self.rejection and self.loss == "non_saturating"
        # In the end rows are taken as they come: a critic that is sure of too few shall
        # not keep the user waiting.
        patience = MAX_ROUNDS * (1 + n_rows // BLOCK)
        while n_left:
            rows, logits, verdicts = self._candidates(min(2 * n_left, BLOCK), draws)
            if rejects and n_rounds < patience:
                chance = torch.empty_like(verdicts).uniform_(generator=draws)
                passes = chance.log() < verdicts - self._sure
                rows, logits = rows[passes], logits[passes]
            kept.append((rows[:n_left], logits[:n_left]))
            n_left -= len(kept[-1][0])
            n_rounds += 1
        return tuple(torch.cat(parts) for parts in zip(*kept, strict=True))

    def score_samples(self, X):
        """Return what the critic says of every row.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype float64
            Higher: more like a row of the table. With the non-saturating loss an estimate
            of how much likelier, as a logarithm, the row is in the table than among what
            the critic was shown beside it: generated rows, an eighth of them strewn with
            noise of one standard deviation. About 0 where the generator is good, far below
            where there are no rows. Scores of two fits cannot be compared.
        """
        check_is_fitted(self)
        X = check_fitted_table(self, X, self._table)
        scores = np.empty(X.shape[0])
        dtype = np.float32 if self.device_.type == "mps" else float_dtype(X)
        critic = copy.deepcopy(self.critic_)
        critic = critic.double() if dtype == np.float64 else critic
        with torch.no_grad():
            for block in gen_batches(X.shape[0], BLOCK):
                rows, _ = encode_block(self._table, X[block], self.device_, dtype)
                scores[block] = critic(rows).cpu().numpy()
        return scores

    def __sklearn_is_fitted__(self):
        return hasattr(self, "critic_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    def __getstate__(self):
        state = super().__getstate__()
        # On the CPU, so that a machine without the device can read them.
        for name in {"generator_", "critic_"} & set(state):
            state[name] = copy.deepcopy(state[name]).cpu()
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "device_" not in state:
            return
        try:
            self.device_ = resolve_device(str(self.device_))
        except ValueError:
            self.device_ = torch.device("cpu")
        for name in {"generator_", "critic_"} & set(state):
            setattr(self, name, getattr(self, name).to(self.device_))


class _GameTasks(EpochTasks):
    """Epochs as tasks; a callback may look at the sampler between them."""

    def _snapshot(self):
        sampler = copy.copy(self._estimator)
        sampler._finish(self._data)
        sampler.generator_ = copy.deepcopy(sampler.generator_)
        return vars(sampler)


def _clusters(real, weights, n_classes, rng):
    """Return the centres and the sizes of at most `n_classes` clusters of the rows."""
    from sklearn.cluster import KMeans  # as in `skae.models.code_mixture`

    rows = real[:N_CLUSTERED].numpy()
    weights = None if weights is None else weights[:N_CLUSTERED].cpu().numpy()
    n_classes = min(n_classes, len(rows) // LEAST_CLUSTER, len(np.unique(rows, axis=0)))
    clusters = KMeans(max(n_classes, 1), random_state=rng).fit(rows, sample_weight=weights)
    sizes = np.bincount(clusters.labels_, weights, minlength=len(clusters.cluster_centers_))
    return (
        torch.from_numpy(clusters.cluster_centers_.astype(np.float32)),
        torch.from_numpy(sizes.astype(np.float32)),
    )


def _relative(sample_weight, rows, device):
    """Return the rows' weights, 1 on average; None where there are none."""
    if sample_weight is None:
        return None
    weights = sample_weight[rows]
    return torch.from_numpy((weights / weights.mean()).astype(np.float32)).to(device)
