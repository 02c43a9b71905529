"""The fit that the transformers share, as named steps."""

import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import torch
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state

from skae._column_weight import ColumnWeightMixin
from skae._component import ListsOfSettings
from skae._held_out import HeldOutMixin
from skae._inference import InferenceMixin
from skae._parameters import (
    LossParameters,
    NetworkParameters,
    SampleParameters,
    TableParameters,
    TrainingParameters,
)
from skae._sampling import SamplingMixin
from skae._starting import StartingMixin
from skae._streaming import StreamingMixin
from skae._training import TrainingMixin
from skae._typing import Table
from skae._warm_start import refuse_other_network
from skae.architectures import choose_network
from skae.lazy.fitting import LazyFitMixin
from skae.lazy.memory import bytes_of
from skae.lazy.sources import open_source
from skae.table.encoder import TableEncoder
from skae.table.row_metadata import check_weights
from skae.table.rows import DenseRows, SparseRows, TrainingRows, weighted_rows
from skae.table.validation import (
    check_fitted_table,
    check_layer_sizes,
    check_table,
    column_names,
    warn_of_empty,
)
from skae.training.callback_copies import clone_callbacks
from skae.training.devices import resolve_device, threads_for
from skae.training.skorch_callbacks import check_callbacks


@dataclass(eq=False, repr=False, kw_only=True)
class BaseAutoencoder(
    CallbackSupportMixin,
    InferenceMixin,
    SamplingMixin,
    LazyFitMixin,
    HeldOutMixin,
    StartingMixin,
    StreamingMixin,
    TrainingMixin,
    ColumnWeightMixin,
    NetworkParameters,
    TrainingParameters,
    LossParameters,
    TableParameters,
    ListsOfSettings,
    BaseEstimator,
):
    """What the transformers share.

    The steps of a fit, of which a subclass overrides these:

    - `_check_parameters`, `_number_support`: what is refused before anything is learned.
    - `_structural`: parameters that a fitted network cannot be trained further without.
    - `_build_model`: the `Model` that is trained.
    - `_configure_model`: what in it may change from fit to fit.
    - `_pretrain`, and `_pretrains`: what is trained before the whole, and whether anything is.
    - what `TrainingMixin` lets it.
    - `_after_fit`: what is learned from the trained model.
    - `_sample_codes`, and `_sample`: the codes that `sample` decodes, and the rows.
    - `_encode_rows` (of `InferenceMixin`): what `transform` returns.
    """

    _parameter_constraints: ClassVar[dict] = {
        **NetworkParameters._parameter_constraints,
        **TrainingParameters._parameter_constraints,
        **LossParameters._parameter_constraints,
        **TableParameters._parameter_constraints,
        **SampleParameters._parameter_constraints,
    }

    # Where fit chooses the value of a parameter it is that value which must not change.
    _structural: ClassVar[tuple[str, ...]] = (
        "n_components",
        "hidden_layer_sizes",
        "scale",
        "missing",
        "activation",
        "dropout",
    )

    # False in a part of a table, of which another estimator knows the whole.
    _warns_of_columns = True

    # ------------------------------------------------------------------ to override

    def _build_model(self, design, layers, n_train):
        """Return the `Model` for `n_train` rows of `design`, not yet started."""
        raise NotImplementedError

    def _configure_model(self, model):
        """Set what may change from fit to fit: the losses, and weights of their parts."""
        raise NotImplementedError

    def _check_parameters(self):
        """Raise if a setting, alone or beside others, is out of bounds."""
        bytes_of(self.memory_limit)
        if self.hidden_layer_sizes is not None:
            check_layer_sizes("hidden_layer_sizes", self.hidden_layer_sizes)
        choose_network(self.network).check()
        if self.corruption is not None:
            self.corruption.check()

    def _pretrain(self, data, seed):
        """Train parts of the new model before all of it is trained."""

    def _after_fit(self, data, given=None):
        """Learn from the trained model, and warn of what a user should know about it.

        Parameters
        ----------
        data : TrainingRows
        given : tuple (X, rows, sample_weight), default=None
            The table, the positions of its rows that count, and their weights; None where
            training is not over yet or these are not all rows, as in a stream.
        """

    def _sample(self, n_samples, rng):
        """Return rows drawn with `rng`: codes, decoded."""
        return self._decode(self._sample_codes(n_samples, rng), rng)

    def _sample_codes(self, n_samples, rng):
        """Return codes drawn with `rng`: here from the prior N(0, I)."""
        return rng.standard_normal((n_samples, self.n_components_))

    # ------------------------------------------------------------------ fitting

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Table,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        *,
        X_val: Table | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Learn the network from the rows of X.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows to train on, at least two. Cells may be missing; numbers must be finite.
            Or a table that is read in chunks, which memory need not hold: a polars
            LazyFrame, a dataset of pyarrow, a relation of DuckDB, a DataFrame of Dask, a
            Dataset of Ray, a path, folder or pattern of Parquet or CSV files, a numpy
            memory map, or an iterable of frames or arrays that begins anew each time.
            Where it does not fit into `memory_limit`, the columns' statistics are of all
            rows and all rows are trained on; axes and quantiles are of a uniform sample.
        y : Ignored
            Present for the API.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss and in the columns' statistics, of which only
            the ratios count. A row of weight 0 is left out.
        groups : array-like of shape (n_samples,), default=None
            Which rows belong together, such as the measurements of one subject. Early
            stopping then holds out whole groups, a `validation_fraction` of them, as
            `GroupShuffleSplit` does. Where no rows of X are held out they do not matter.
        X_val : data frame, array-like or sparse matrix of shape (n_val, n_features), \
                default=None
            Rows for early stopping, with the columns of X. All rows of X are trained on
            then, and nothing else is learned from X_val: not the columns' statistics, no
            category, no principal axis. In a `Pipeline` it is transformed as X is with
            ``transform_input=["X_val"]``.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the rows of X_val.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X, X_val, `groups` or weights are malformed, there is a single group, X_val is
            given with ``early_stopping=False``, or `device` is not available. Nothing has
            been trained then.

        Warns
        -----
        ConvergenceWarning
            If training diverged, only raised the loss or was interrupted (Ctrl-C). The
            best state so far is kept, and the estimator is usable.
        """
        source = open_source(X)
        if source is not None:
            of_rows = {"sample_weight": sample_weight, "groups": groups}
            X = self._fit_chunks(source, of_rows, X_val, sample_weight_val)
            if X is None:
                return self
        resume = self.warm_start and self.__sklearn_is_fitted__()
        device = resolve_device(self.device)
        self._check_callbacks()
        given = X, y, sample_weight
        X, sample_weight = self._check_training_input(X, sample_weight, reset=not resume)
        held_out = X_val, sample_weight_val
        groups = self._check_held_out(X, sample_weight, groups, *held_out)
        rng = check_random_state(self.random_state)
        rows = weighted_rows(X, sample_weight)
        rng.shuffle(rows)
        rows, n_valid = self._hold_out(rows, groups, X_val, rng)
        if resume:
            refuse_other_network(self)
            self._weigh_columns()
        else:
            self._learn_table(X, rows, sample_weight)
            self.device_ = device
        held_out = self._check_validation_rows(*held_out)
        source = self._encode(X, rows)
        data = TrainingRows.of(source, rows, sample_weight, n_valid)
        if not resume:
            self._start(source, rows, sample_weight, data.n_train, rng)
        data = self._with_validation_rows(data, *held_out)
        schedule = self._schedule(data, rng)
        # Rows of a group would be told apart, and rows that were trained on before judge.
        schedule.confirm = groups is None and not resume and self._confirms(data)
        if not resume and self._starts_apart(schedule):
            schedule.start_again = partial(self._start_again, seed=schedule.seed)
        if resume:
            self.net_ = self.net_.branch()
            self._configure()
            self.net_.restart(self.callbacks, int(self.verbose))
        with threads_for(self._n_multiplications(schedule.batch_size)):
            if not resume:
                self._pretrain(data, schedule.seed)
            data = self._train(data, schedule, given)
            self._after_fit(data, (X, rows, sample_weight))
        return self

    def _check_training_input(self, X, sample_weight, reset, min_samples=2):
        if reset:
            X = check_table(self, X, reset=True, min_samples=min_samples)
        else:
            X = check_fitted_table(self, X, self._table, min_samples)
        self._check_parameters()
        return X, check_weights(sample_weight, X)

    def _check_callbacks(self):
        check_callbacks(
            self.callbacks,
            held_out=None if self.early_stopping else "use early_stopping=True",
            learning_rate=(
                None
                if self.learning_rate == "constant"
                else f"learning_rate={self.learning_rate!r} sets the rate of every step; use "
                "learning_rate='constant'"
            ),
        )

    def _learn_table(self, X, rows, sample_weight, is_chunk=False):
        self._table = TableEncoder(**self._table_parameters())
        self._table.fit(X, rows, sample_weight, column_names(self, X.shape[1]))
        self._weigh_columns(X, rows, is_chunk)
        self._warn_of_table()
        self._check_support(X, rows)

    def _warn_of_table(self):
        if self._warns_of_columns:
            warn_of_empty(self._table)
            self._warn_of_identifiers()

    def _encode(self, X, rows):
        """Return the rows to learn from, encoded, or ready to be."""
        if issparse(X):
            return SparseRows(X, rows, self._table, self.device_)
        design, observed = self._table.encode_rows(X, rows)
        if observed is not None:
            observed = torch.from_numpy(observed).to(self.device_)
        return DenseRows(torch.from_numpy(design).to(self.device_), observed)

    def _move_to(self, device):
        self.net_.move_to(device)

    def _n_multiplications(self, n_rows):
        n_weights = sum(p.numel() for p in self.net_.module_.parameters())
        return n_rows * n_weights * self.network_.n_weight_uses

    # ------------------------------------------------------------------ scikit-learn

    def __sklearn_is_fitted__(self):
        return hasattr(self, "net_")

    def __sklearn_clone__(self):
        without = copy.copy(self)
        without.callbacks = None
        # The class: `super()` of a copy.
        cloned = super(BaseAutoencoder, without).__sklearn_clone__()
        cloned.callbacks = clone_callbacks(self.callbacks)
        return cloned

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
