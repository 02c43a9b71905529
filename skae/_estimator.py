"""The fit that the transformers share, as named steps."""

import math
import warnings
from contextlib import contextmanager, nullcontext
from numbers import Integral, Real

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions

from skae import _defaults
from skae._inference import AppliesNetwork
from skae.architectures import ACTIVATIONS, Modules, Network, choose_network
from skae.corruption import Corrupter, Corruption
from skae.models.pca_start import level_start, link_start
from skae.table.encoder import TableEncoder
from skae.table.rows import DenseRows, SparseRows, TrainingRows
from skae.table.support import check_kind
from skae.table.validation import (
    check_fitted_table,
    check_layer_sizes,
    check_table,
    check_weights,
    column_names,
)
from skae.training.callbacks import EpochTasks
from skae.training.devices import resolve_device, seeded_globally, threads_for
from skae.training.loop import Net, Plan
from skae.training.pca import principal_axes

# partial_fit runs a small one-cycle schedule over every chunk: the network is fit for use
# after each. A chunk of few steps is too short for one and learns at a constant rate.
STREAM_PEAK, STREAM_RATE, STREAM_STEPS = 0.3, 0.1, 10
MAX_SEED = np.iinfo(np.int32).max


class BaseAutoencoder(CallbackSupportMixin, AppliesNetwork, BaseEstimator):
    """What the transformers share.

    A subclass stores the parameters and says which network (`_build_network`) is
    trained by which loss (`_build_criterion`) and what is learned from the trained network
    (`_finish`); for the rest see `AppliesNetwork`.
    """

    _parameter_constraints: dict = {
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
        ],
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "network": [Network, tuple, None],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "init": [StrOptions({"pca", "random"})],
        "scale": ["boolean", StrOptions({"robust", "quantile"})],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "handle_unknown": [StrOptions({"ignore", "error"})],
        "min_frequency": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
            None,
        ],
        "max_categories": [Interval(Integral, 1, None, closed="left"), None],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "corruption": [Corruption, None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "learning_rate": [StrOptions({"one_cycle", "constant"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "callbacks": [list, None],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # Share of the steps over which a criterion that knows warmth is warmed up.
    _warm_up = 0.0
    # Parameters that the network and its units are built with.
    _built_in: tuple = ("scale", "activation", "dropout")
    # Multiple of the usual budget of steps that None means for `max_iter`.
    _patience = 1.0

    # ------------------------------------------------------------------ fitting

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Learn the network from the rows of X.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows to train on, at least two. Cells may be missing; numbers must be finite.
        y : Ignored
            Present for the API.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss and in the columns' statistics. A row of
            weight 0 is left out.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X or `sample_weight` is malformed, or `device` is not available. Nothing
            has been trained then.

        Warns
        -----
        ConvergenceWarning
            If training diverged or was interrupted (Ctrl-C). The best state so far is
            kept, and the estimator is usable.
        """
        resume = self.warm_start and self.__sklearn_is_fitted__()
        device = resolve_device(self.device)
        given = X, y, sample_weight
        with self._intact_if_refused():
            X, sample_weight = self._check_training_input(
                X, sample_weight, reset=not resume
            )
            rng = check_random_state(self.random_state)
            rows = _weighted_rows(X, sample_weight)
            n_valid = self._n_validation_rows(len(rows))
            rng.shuffle(rows)
            if resume:
                self._check_same_network()
            else:
                self._learn_table(X, rows, sample_weight)
                self.device_ = device
            source = self._encode(X, rows)
            if not resume:
                self._start(source, rows, sample_weight, rng)
        self._learn_marginals(X, rows, sample_weight)
        data = _training_rows(source, rows, sample_weight, n_valid)
        plan = self._plan(data, rng)
        if resume:
            criterion = self._build_criterion(self._table.layout_)
            self.net_.criterion_ = criterion.to(self.device_)
            self.net_.restart(self.callbacks, int(self.verbose))
        with threads_for(self._n_multiplications(plan.batch_size)):
            if not resume:
                self._prepare(data, plan)
            self._train(data, plan, given)
            self._finish(data)
            self._complete(data)
        self._report()
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Take one pass over a chunk of rows.

        The first call learns the columns, their categories and the principal axes from
        its chunk, and builds the network; every call then takes one epoch, under a
        small one-cycle schedule with three tenths of `learning_rate_init` as its peak (a
        chunk of fewer than ten steps: at a constant tenth). No rows are held out. Later calls go on learning
        the means, the standard deviations and the shares of the levels, but no new
        columns: a level that neither the first chunk holds nor its dtype declares stays
        unknown.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            A chunk of rows; at least two in the first.
        y : Ignored
            Present for the API.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : object
            The estimator.
        """
        first = not self.__sklearn_is_fitted__()
        device = resolve_device(self.device)
        given = X, y, sample_weight
        X, sample_weight = self._check_training_input(
            X, sample_weight, reset=first, min_samples=2 if first else 1
        )
        rng = check_random_state(self.random_state)
        rows = _weighted_rows(X, sample_weight)
        if first:
            self._learn_table(X, rows, sample_weight)
            self.device_ = device
        else:
            self._check_same_network()
            self._check_kind(X, rows)
            if self.handle_unknown == "error":
                self._encode(X, rows)  # refuses them, before anything is learned
            self._table.partial_fit(X, rows, sample_weight)
            self._follow_table()
            # The shares of the levels have moved, which the losses are measured by.
            criterion = self._build_criterion(self._table.layout_)
            self.net_.criterion_ = criterion.to(self.device_)
        source = self._encode(X, rows)
        if first:
            self._start(source, rows, sample_weight, rng)
        data = _training_rows(source, rows, sample_weight, 0)
        batch_size = self.batch_size or _defaults.choose_batch_size(len(rows))
        cycle = len(rows) >= STREAM_STEPS * batch_size
        plan = Plan(
            n_epochs=1,
            batch_size=batch_size,
            learning_rate=(STREAM_PEAK if cycle else STREAM_RATE) * self.learning_rate_init,
            one_cycle=cycle,
            n_iter_no_change=1,
            tol=0.0,
            # Another order of rows and other draws for every chunk of a seeded stream.
            seed=(rng.randint(MAX_SEED) + getattr(self, "n_iter_", 0)) % MAX_SEED,
            corrupt=Corrupter(self.corruption, self._table.layout_, source, holes=False)
            or None,
            penalise=self._penalise(),
            toll=self._toll(data),
        )
        with threads_for(self._n_multiplications(plan.batch_size)):
            self._train(data, plan, given)
            self._finish(data)
        return self

    def _check_training_input(self, X, sample_weight, reset, min_samples=2):
        X = self._check_table(X, reset=reset, min_samples=min_samples)
        self._check_hidden_layer_sizes()
        self._check_settings()
        return X, check_weights(sample_weight, X)

    def _check_table(self, X, reset, min_samples=1):
        if reset:
            return check_table(self, X, reset=True, min_samples=min_samples)
        return check_fitted_table(self, X, self._table, min_samples)

    def _check_hidden_layer_sizes(self):
        if self.hidden_layer_sizes is not None:
            check_layer_sizes("hidden_layer_sizes", self.hidden_layer_sizes)

    def _check_settings(self):
        """Raise if a setting inside one of the parameters is out of bounds."""
        choose_network(self.network).check()
        if self.corruption is not None:
            self.corruption.check()

    def _n_validation_rows(self, n_rows):
        if not self.early_stopping:
            return 0
        fraction = self.validation_fraction
        if fraction is None:
            fraction = _defaults.choose_validation_fraction(n_rows)
        self.validation_fraction_ = fraction
        return min(max(1, round(fraction * n_rows)), n_rows - 1)

    def _learn_table(self, X, rows, sample_weight):
        self._table = TableEncoder(
            self.scale,
            self.categorical_features,
            self.handle_unknown,
            self.min_frequency,
            self.max_categories,
        ).fit(X, rows, sample_weight, column_names(self, X.shape[1]))
        warn_of_empty(self._table)
        self._check_kind(X, rows)

    # The kind of numbers that the loss or the likelihood is for; None: any.
    _kind = None

    def _check_kind(self, X, rows=None):
        """Raise unless the numbers are of the kind that can be scored."""
        if self._kind is not None:
            rows = np.arange(X.shape[0]) if rows is None else rows
            check_kind(self._kind, self._table, X, rows, self._kind_parameter())

    def _units(self):
        """Return center and scale of the numbers: raw units per standard unit."""
        return self._table.center_, self._table.scale_

    def _encode(self, X, rows):
        """Return the rows to learn from, encoded, or ready to be."""
        if issparse(X):
            return SparseRows(X, rows, self._table, self.device_)
        design, cells = self._table.encode_rows(X, rows)
        cells = None if cells is None else torch.from_numpy(cells).to(self.device_)
        return DenseRows(torch.from_numpy(design).to(self.device_), cells)

    def _start(self, source, rows, sample_weight, rng):
        """Find the principal axes and build the net that starts there."""
        self.__dict__.pop("validation_loss_curve_", None)
        layout = self._table.layout_
        x = source.design(layout.n_outputs)
        pca, n_components = None, self.n_components
        weights = None if sample_weight is None else torch.from_numpy(sample_weight[rows])
        if not isinstance(n_components, Integral):
            n_components = float(n_components)
        if self.init == "pca" or isinstance(n_components, float):
            with threads_for(math.prod(x.shape) * min(x.shape)):
                pca = principal_axes(x, weights, n_components, rng)
        self.n_components_ = self._choose_n_components(pca)
        self.hidden_layer_sizes_ = self._choose_hidden_layer_sizes(len(rows))
        self.network_ = choose_network(self.network)
        self._reach = _defaults.choose_reach(len(rows))
        generator = torch.Generator().manual_seed(rng.randint(MAX_SEED))
        self.network_.check_layout(layout)
        self._built_with = {name: getattr(self, name) for name in self._built_in}
        network = self._build_network(layout, generator)
        if self.init == "pca" and self.network_.starts_at_pca:
            start = level_start(layout, pca, x)
            link = getattr(network.decoder, "link", None)
            if link is not None:
                cost = self._number_cost(network, layout)
                start = link_start(link, cost, layout, pca, x, *start)
            network.start_from_pca(pca, *start)
        self.net_ = self._build_net(network, layout)

    def _follow_table(self):
        """Take over the units that the table has moved to."""
        link = getattr(self.net_.module_.decoder, "link", None)
        if link is not None:
            link.follow(*self._units())

    def _choose_n_components(self, pca):
        if isinstance(self.n_components, Integral):
            return int(self.n_components)
        return pca.axes.shape[1]

    def _choose_hidden_layer_sizes(self, n_rows):
        if self.hidden_layer_sizes is None:
            return _defaults.choose_hidden_layer_sizes(n_rows)
        return tuple(int(size) for size in np.atleast_1d(self.hidden_layer_sizes))

    def _check_same_network(self):
        """Training goes on with the network that is there: raise if another is asked for."""
        network = choose_network(self.network)
        if not isinstance(network, Modules) and repr(network) != repr(self.network_):
            raise ValueError(
                f"Training goes on with the fitted network, {self.network_!r}, but "
                f"network={self.network!r} now; set it back or warm_start=False."
            )
        wanted = {
            "n_components": (self.n_components, self.n_components_),
            "hidden_layer_sizes": (self.hidden_layer_sizes, self.hidden_layer_sizes_),
        }
        for name, fitted in self._built_with.items():
            now = getattr(self, name)
            if repr(now) != repr(fitted):
                raise ValueError(
                    f"Training goes on with the fitted network, which was built with {name}="
                    f"{fitted!r}, but {name}={now!r} now; set it back, or fit anew with "
                    "warm_start=False."
                )
        for name, (now, fitted) in wanted.items():
            chosen = now is None or isinstance(now, float)
            if not chosen and tuple(np.atleast_1d(now)) != tuple(np.atleast_1d(fitted)):
                raise ValueError(
                    f"Training goes on with the fitted network, which has {name}="
                    f"{fitted!r}, but {name}={now!r} now; set it back, or fit anew with "
                    "warm_start=False."
                )

    def _build_net(self, network, layout):
        fused = {"fused": True} if self.device_.type in ("cpu", "cuda") else {}
        net = Net(
            network,
            criterion=self._build_criterion(layout),
            optimizer=torch.optim.AdamW,
            lr=self.learning_rate_init,
            # Only the correction decays: the linear part stays at what the data say.
            optimizer__weight_decay=0.0,
            optimizer__param_groups=[("*correction*.weight", {"weight_decay": self.alpha})],
            **{f"optimizer__{key}": value for key, value in fused.items()},
            callbacks=self.callbacks,
            verbose=int(self.verbose),
            device=self.device_,
        ).initialize()
        # The blueprint would be a second copy of the network in every pickle.
        net.module, net.criterion = type(net.module_), type(net.criterion_)
        return net

    def _plan(self, data, rng):
        """Settle how to train on `data`, and say so in attributes."""
        n_train = data.n_train
        layout = self._table.layout_
        harder = self.corruption is not None or self._penalise() is not None
        patience = max(
            _defaults.choose_patience(self._table.share_missing_, harder),
            self.network_.patience,
        )
        self.batch_size_ = min(
            self.batch_size or _defaults.choose_batch_size(n_train), n_train
        )
        self.max_iter_ = self.max_iter or _defaults.choose_max_iter(
            n_train, self.batch_size_, self._patience * patience
        )
        self.n_iter_no_change_ = self.n_iter_no_change or _defaults.choose_n_iter_no_change(
            self.max_iter_
        )
        return Plan(
            n_epochs=self.max_iter_,
            batch_size=self.batch_size_,
            learning_rate=self.learning_rate_init,
            one_cycle=self.learning_rate == "one_cycle",
            n_iter_no_change=self.n_iter_no_change_,
            tol=self.tol,
            seed=rng.randint(MAX_SEED),
            warm_up=self._warm_up,
            corrupt=Corrupter(self.corruption, layout, data.source) or None,
            penalise=self._penalise(),
            toll=self._toll(data),
        )

    def _train(self, data, plan, given):
        net = self.net_
        net.set_lr(plan.learning_rate)
        tasks = EpochTasks(self, data, plan.n_epochs, given)
        plan.begin_epoch, plan.end_epoch = tasks.begin, tasks.end
        draws = self.network_.draws_globally
        with seeded_globally(plan.seed, self.device_) if draws else nullcontext():
            net.partial_fit(data, plan=plan)
        tasks.finish()
        self._read_history()
        if net.stop_reason_ in ("diverged", "interrupted"):
            warnings.warn(self._warning(net), ConvergenceWarning, stacklevel=3)

    def _read_history(self):
        net = self.net_
        epochs = [epoch for epoch in net.history if "train_loss" in epoch]
        self.n_iter_ = len(epochs)
        self.best_iter_ = net.best_epoch_
        self.loss_curve_ = [epoch["train_loss"] for epoch in epochs]
        if epochs and "valid_loss" in epochs[-1]:
            self.validation_loss_curve_ = [net.start_loss_] + [
                epoch["valid_loss"] for epoch in epochs
            ]

    def _warning(self, net):
        kept = (
            f"the state after epoch {net.best_epoch_}"
            if net.best_epoch_
            else "the state before the first step"
        )
        if net.stop_reason_ == "interrupted":
            return (
                f"fit was interrupted after {self.n_iter_} epochs; {kept} is kept, and "
                "further training might improve it."
            )
        return (
            f"Training diverged in epoch {max(self.n_iter_, 1)} with learning_rate_init="
            f"{self.learning_rate_init:g}; {kept} is kept. Use a smaller "
            "learning_rate_init."
        )

    @contextmanager
    def _intact_if_refused(self):
        """Leave a fitted estimator as it was where the data are refused."""
        before = dict(self.__dict__)
        try:
            yield
        except Exception:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _learn_marginals(self, X, rows, sample_weight):
        """Learn what `sample` wants to know of the columns themselves."""

    def _prepare(self, data, plan):
        """Make the new network ready for training."""

    def _complete(self, data):
        """Learn what it takes all rows to know: `partial_fit` does without."""

    def _penalise(self):
        """Return what is added to the losses in training, as `Plan` has it."""

    def _toll(self, data):
        """Return what all rows together add to the held-out loss, as `Plan` has it."""

    def _report(self):
        """Warn of what a user should know about the fitted model."""

    def _n_multiplications(self, n_rows):
        n_weights = sum(p.numel() for p in self.net_.module_.parameters())
        return n_rows * n_weights * self.network_.n_uses

    def __sklearn_is_fitted__(self):
        return hasattr(self, "net_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    def __setstate__(self, state):
        super().__setstate__(state)
        if "net_" in state:  # skorch has moved it if its device is not on this machine
            self.device_ = next(self.net_.module_.parameters()).device


def _weighted_rows(X, sample_weight):
    """Return the numbers of the rows that count."""
    if sample_weight is None:
        return np.arange(X.shape[0])
    return np.flatnonzero(sample_weight)


def _training_rows(source, rows, sample_weight, n_valid):
    weights = None
    if sample_weight is not None:
        weights = sample_weight[rows]
        weights /= weights[: len(rows) - n_valid].mean()
        weights = torch.from_numpy(weights.astype(np.float32)).to(source.device)
    return TrainingRows(source, weights, n_valid)


def warn_of_empty(table):
    """Warn of columns that were wholly missing in fit."""
    empty = [table.names[i] for i in np.flatnonzero(table.empty_)]
    if empty:
        warnings.warn(
            f"All cells of columns {empty} are missing; they are carried through as "
            "missing. Drop them to be rid of this warning.",
            UserWarning,
            stacklevel=4,
        )


def check_n_samples(n_samples):
    """Raise unless `n_samples` is a whole number, 1 or more."""
    if not isinstance(n_samples, Integral) or n_samples < 1:
        raise ValueError(
            f"n_samples={n_samples!r}; ask for a whole number of rows, 1 or more."
        )
