"""A generative adversarial network as an estimator."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skae import _defaults
from skae._documented import documented
from skae._parameters import (
    Activation,
    ComputeParameters,
    NetworkParameters,
    SampleParameters,
    TableParameters,
    TrainingParameters,
)
from skae._sampling import SamplingMixin
from skae._typing import Table
from skae._warnings import warn
from skae.lazy.sampling import sample_of
from skae.models.gan import Critic, Generator
from skae.models.gan_losses import LOSSES
from skae.models.gan_sampling import (
    RejectionSampler,
    coverage,
    find_clusters,
    sure_verdict,
)
from skae.table.encoder import TableEncoder
from skae.table.row_metadata import check_weights
from skae.table.rows import DenseRows, TrainingRows, encode_block, weighted_rows
from skae.table.validation import (
    check_fitted_table,
    check_layer_sizes,
    check_table,
    column_names,
    float_dtype,
    warn_of_empty,
)
from skae.training.callbacks import EpochTasks
from skae.training.devices import resolve_device, threads_for
from skae.training.gan import AdversarialConfig, AdversarialTraining
from skae.training.generators import MAX_SEED

BLOCK = 16_384
# Rows that the coverage is measured with.
N_COVERED = 1000
# A generator that covers less of the rows than this has left something out.
LEAST_COVERAGE = 0.5


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class GANSampler(
    CallbackSupportMixin, SamplingMixin, ComputeParameters, TableParameters, BaseEstimator
):
    """Generative adversarial network for tables: new rows that a critic cannot tell.

    A generator turns random numbers into rows; a critic learns to tell them from the rows
    of the table; the generator learns to deceive it. `sample` uses a moving average of the
    generator's weights, and rejects rows that the critic finds unlikely.

    Parameters
    ----------
    n_components : int, default=None
        Normal random numbers that a row is made from. None: as many as the encoded table
        has columns, from 4 to 32.
    n_classes : int, default=16
        Classes that a row is made from besides: tables come in clusters, and no continuous
        map leaves the space between them empty. They start at the centres, and have the
        sizes, of that many clusters (k-means; at least ten rows each). 1: none.
    loss : {"non_saturating", "wasserstein"}, default="non_saturating"
        The losses of generator and critic. "wasserstein" needs more steps of the critic
        (`n_critic_steps`). Its critic weighs differences by the distance between rows: it
        finds all clusters of a table, but is insensitive to how wide a narrow one is (see
        `coverage_`).
    gradient_penalty : float, default=None
        Weight of the penalty on the critic's gradient. Non-saturating: its squared norm at
        the table's rows (R1; fades to a tenth). Wasserstein: the squared distance of the
        norm from 1 between the table's rows and generated ones. None: 0.00125 times the
        square of the number of encoded columns (5 at most), and 1. 0: no penalty. Where no
        classes find the clusters (``n_classes=1``), 0.5 and a longer `max_iter` do.
    spectral_norm : bool, default=False
        Whether every layer of the critic is held 1-Lipschitz.
    instance_noise : float, default=0.25
        Standard deviation, at the start, of the noise on all rows that the critic sees, in
        standard units. It fades out over the first 40% of the steps, so that coarse
        structure is learned before fine.
    hidden_layer_sizes : int or tuple of int, default=(128, 128)
        Units of the hidden layers of both networks.
    activation : {"relu", "tanh", "logistic", "identity", "silu", "gelu", "elu"}, \
            default="relu"
        Activation of the generator's hidden layers. The critic's are leaky rectifiers.
    rejection : bool, default=True
        Whether rows that the critic finds unlikely are drawn again, so that accepted ones
        follow the table's distribution more closely. The critic must estimate a density
        ratio for that, which it does with the non-saturating loss only: with the
        Wasserstein loss nothing is rejected.
    batch_size : int, default=256
        Rows per step.
    learning_rate_init : float, default=0.003
        Peak of the generator's one-cycle schedule.
    critic_learning_rate_init : float, default=0.003
        Peak of the critic's.
    n_critic_steps : int, default=1
        Steps of the critic for each of the generator's.
    max_iter : int, default=None
        Number of epochs. None: 2,000 steps of the critic, at least 4 epochs.
    averaging : float, default=0.99
        Weight of the past in the moving average of the generator's weights. 0: the last
        weights are taken.

    Attributes
    ----------
    generator_, critic_ : torch.nn.Module
        The two networks, for rows in standard units. `generator_` is the moving average.
    n_components_, n_classes_ : int
        Normal random numbers, and classes, that a row is made from.
    coverage_ : float
        Fraction of the training rows (of 1,000) that have a generated row, of as many,
        within the distance of their fifth neighbour: about 0.97 where the two
        distributions are one, low where the generator leaves something out.
    loss_curve_, critic_loss_curve_ : list of float
        Losses of the generator and of the critic, one entry per epoch. They say whether
        the two are in balance, not how good the rows are.
    n_iter_ : int
        Number of epochs run.
    batch_size_, max_iter_, gradient_penalty_
        The values that were used for the parameters of those names.
    device_ : torch.device
        Where the networks are.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names.

    See Also
    --------
    VAETransformer : Generates too, and has a density.

    Notes
    -----
    On a few hundred rows the generator comes close to memorising them: generated rows then
    do not keep the table private.

    Columns with missing cells: the generator learns where cells are missing as well, and
    what stands behind them; `sample` returns complete rows, but for cells whose absence is a
    level (`missing`).

    References
    ----------
    Goodfellow et al., Generative Adversarial Networks, 2014. Two learning rates: Heusel et
    al., GANs Trained by a Two Time-Scale Update Rule, 2017. Rejection: Azadi et al.,
    Discriminator Rejection Sampling, 2019. Negative examples: Sinha et al., Negative Data
    Augmentation, 2021. Coverage: Naeem et al., Reliable Fidelity and Diversity Metrics for
    Generative Models, 2020, eq. 8.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import GANSampler
    >>> iris = load_iris(as_frame=True).frame
    >>> gan = GANSampler(max_iter=100, random_state=0).fit(iris)
    >>> gan.sample(3, random_state=0).shape
    (3, 5)
    """

    n_components: int | None = field(default=None, kw_only=False)
    n_classes: int = 16
    loss: Literal["non_saturating", "wasserstein"] = "non_saturating"
    gradient_penalty: float | None = None
    spectral_norm: bool = False
    instance_noise: float = 0.25
    hidden_layer_sizes: int | Sequence[int] = (128, 128)
    activation: Activation = "relu"
    rejection: bool = True
    batch_size: int = 256
    learning_rate_init: float = 0.003
    critic_learning_rate_init: float = 0.003
    n_critic_steps: int = 1
    max_iter: int | None = None
    averaging: float = 0.99

    _parameter_constraints: ClassVar[dict] = {
        **TableParameters._parameter_constraints,
        **ComputeParameters._parameter_constraints,
        **SampleParameters._parameter_constraints,
        **{
            name: TrainingParameters._parameter_constraints[name]
            for name in ("max_iter", "learning_rate_init")
        },
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "n_classes": [Interval(Integral, 1, None, closed="left")],
        "loss": [StrOptions(set(LOSSES))],
        "gradient_penalty": [Interval(Real, 0, None, closed="left"), None],
        "spectral_norm": ["boolean"],
        "instance_noise": [Interval(Real, 0, None, closed="left")],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": NetworkParameters._parameter_constraints["activation"],
        "rejection": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "critic_learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "n_critic_steps": [Interval(Integral, 1, None, closed="left")],
        "averaging": [Interval(Real, 0, 1, closed="left")],
    }

    # ------------------------------------------------------------------ fitting

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Table, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Train generator and critic on the rows of X.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows to learn, at least two. Cells may be missing; numbers must be finite.
            Of a table that is read in chunks and does not fit into `memory_limit`, a uniform
            sample of up to 100,000 rows is taken; see `AutoencoderTransformer.fit` for what
            such a table may be.
        y : Ignored
            Present for the API.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the critic's loss, and so among the generated rows. Only
            their ratios count; a row of weight 0 is left out.

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
        X = sample_of(self, X, sample_weight=sample_weight)
        given = X, y, sample_weight
        X = check_table(self, X, reset=True, min_samples=2)
        row_weights = check_weights(sample_weight, X, min_samples=2)
        hidden = check_layer_sizes("hidden_layer_sizes", self.hidden_layer_sizes)
        rng = check_random_state(self.random_state)
        rows = weighted_rows(X, row_weights)
        rng.shuffle(rows)
        self._table = TableEncoder(**self._table_parameters())
        self._table.fit(X, rows, row_weights, column_names(self, X.shape[1]))
        warn_of_empty(self._table)
        self._warn_of_identifiers()
        self.device_ = device
        real = torch.from_numpy(self._table.encode_rows(X, rows)[0]).to(device)
        weights = TrainingRows.of(DenseRows(real, None), rows, row_weights, 0).weights
        training = self._set_up(real, weights, hidden, rng)
        n_weights = sum(value.numel() for value in training.critic.parameters())
        with threads_for(self.batch_size_ * n_weights):
            self._train(training, given)
            self._after_fit(training)
        self._report()
        return self

    def _set_up(self, real, weights, hidden, rng):
        """Build the two networks and settle how they are trained."""
        design, loss = self._table.design_, LOSSES[self.loss]
        self.n_components_ = self.n_components or min(max(design.n_outputs, 4), 32)
        self.batch_size_ = min(self.batch_size, len(real))
        self.max_iter_ = self.max_iter or _defaults.choose_adversarial_max_iter(
            len(real), self.batch_size_
        )
        self.gradient_penalty_ = float(
            loss.penalty(design.n_inputs)
            if self.gradient_penalty is None
            else self.gradient_penalty
        )
        n_numbers = len(design.numeric.features)
        numbers = real[:, :n_numbers]
        varies = (numbers.amax(dim=0) > numbers.amin(dim=0)).float().cpu()
        weights_from = torch.Generator().manual_seed(rng.randint(MAX_SEED))
        centres, sizes = find_clusters(real.cpu(), weights, self.n_classes, rng)
        self.n_classes_ = len(centres)
        generator = Generator(
            self.n_components_,
            centres,
            sizes,
            design,
            hidden,
            self.activation,
            varies,
            weights_from,
        )
        critic = Critic(
            design.n_inputs, n_numbers, hidden, self.spectral_norm, weights_from
        )
        config = AdversarialConfig(
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
        networks = generator.to(self.device_), critic.to(self.device_)
        return AdversarialTraining(*networks, real, weights, config)

    def _train(self, training, given):
        self._stop_reason = "epochs"
        tasks = _TrainingTasks(self, training, self.max_iter_, given)
        try:
            for _ in range(self.max_iter_):
                tasks.begin()
                sound = training.run_epoch()
                asked = tasks.end()
                if not sound or asked:
                    self._stop_reason = "diverged" if not sound else "callback"
                    break
        except KeyboardInterrupt:
            self._stop_reason = "interrupted"
        tasks.finish()

    def _after_fit(self, training):
        """Keep what is used later, and measure what is generated."""
        self.generator_ = training.average
        self.critic_ = copy.deepcopy(training.critic).eval().requires_grad_(False)
        self.loss_curve_ = list(training.generator_losses)
        self.critic_loss_curve_ = list(training.critic_losses)
        self.n_iter_ = len(self.loss_curve_)
        draws = torch.Generator(self.device_).manual_seed(training.config.seed)
        self._sure = sure_verdict(self.generator_, self.critic_, draws)
        real = training.rows[:N_COVERED, : self._table.design_.n_outputs]
        generated = self._sampler().accepted(len(real), draws)[0][:, : real.shape[1]]
        self.coverage_ = coverage(real.cpu().numpy(), generated.cpu().numpy())

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
        warn(message, ConvergenceWarning)

    # ------------------------------------------------------------------ using

    def _sample(self, n_samples, rng):
        draws = torch.Generator(self.device_).manual_seed(rng.randint(MAX_SEED))
        logits = self._sampler().accepted(n_samples, draws)[1].cpu().numpy()
        return self._table.decode(logits, np.float64, rng=rng)

    def _sampler(self):
        """Return what draws from the generator, and rejects what the critic finds unlikely."""
        rejects = self.rejection and self.loss == "non_saturating"
        return RejectionSampler(self.generator_, self.critic_, self._sure, rejects)

    def score_samples(self, X: Table) -> NDArray[np.float64]:
        """Return the critic's output for every row.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype float64
            Higher: more like a row of the table. With the non-saturating loss an estimate
            of the log density ratio between the table and what the critic was shown beside
            it: generated rows, an eighth of them with noise of one standard deviation.
            About 0 where the generator is good, far below where there are no rows. Scores
            of two fits cannot be compared.
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

    def _move_to(self, device):
        self.generator_.to(device)
        self.critic_.to(device)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "critic_")


class _TrainingTasks(EpochTasks):
    """Epochs as tasks; a callback may look at the sampler between them."""

    def _snapshot(self):
        sampler = copy.copy(self._estimator)
        sampler._after_fit(self._data)
        sampler.generator_ = copy.deepcopy(sampler.generator_)
        return vars(sampler)
