"""`partial_fit`: learning from a table chunk by chunk."""

import copy
from typing import Any, TypeVar

from numpy.typing import ArrayLike
from sklearn.base import _fit_context
from sklearn.utils import check_random_state

from skae import _defaults
from skae._entry import EntryPoints
from skae._typing import Table
from skae._warm_start import refuse_other_network
from skae.corruption import Corrupter
from skae.table.rows import TrainingRows, weighted_rows
from skae.training.devices import resolve_device, threads_for
from skae.training.generators import MAX_SEED
from skae.training.schedule import Schedule
from skae.training.skorch_callbacks import check_callbacks

# Every chunk has a small one-cycle schedule: the network is fit for use after each. A chunk
# of few steps is too short for one and learns at a constant rate.
PEAK, CONSTANT, LEAST_STEPS = 0.3, 0.1, 10


# An estimator with the steps of `BaseAutoencoder`.
Stream = TypeVar("Stream", bound=Any)


class StreamingMixin(EntryPoints):
    """`partial_fit` of the transformers, on the steps of `BaseAutoencoder`."""

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self: Stream, X: Table, y: Any = None, sample_weight: ArrayLike | None = None
    ) -> Stream:
        """Take one pass over a chunk of rows.

        The first call learns the columns, their categories and the principal axes from
        its chunk, and builds the network; every call then takes one epoch, under a
        small one-cycle schedule with three tenths of `learning_rate_init` as its peak (a
        chunk of fewer than ten steps: at a constant tenth). No rows are held out. Later
        calls go on learning the means, the standard deviations and the proportions of the
        categories, but no new columns: a category that neither the first chunk holds nor
        its dtype declares stays unknown.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            A chunk of rows; at least two in the first.
        y : Ignored
            Present for the API.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, relative to others of the chunk.

        Returns
        -------
        self : object
            The estimator.
        """
        first = not self.__sklearn_is_fitted__()
        device = resolve_device(self.device)
        check_callbacks(
            self.callbacks,
            held_out="partial_fit holds none out, fit does",
            learning_rate="partial_fit sets the rate of every chunk; use fit",
        )
        given = X, y, sample_weight
        X, sample_weight = self._check_training_input(
            X, sample_weight, reset=first, min_samples=2 if first else 1
        )
        rng = check_random_state(self.random_state)
        rows = weighted_rows(X, sample_weight)
        if first:
            self._learn_table(X, rows, sample_weight, is_chunk=True)
            self.device_ = device
        else:
            refuse_other_network(self)
            self._weigh_columns()
            self._check_support(X, rows)
            if self.handle_unknown == "error":
                self._encode(X, rows)  # refuses them, before anything is learned
            self._table = copy.deepcopy(self._table)
            self._table.partial_fit(X, rows, sample_weight)
            self.net_ = self.net_.branch()
        source = self._encode(X, rows)
        if first:
            self._start(source, rows, sample_weight, len(rows), rng)
        self.net_.goes_on = True
        data = TrainingRows.of(source, rows, sample_weight, 0)
        schedule = self._stream_schedule(data, rng)
        # The statistics of the columns have moved, by which the losses are measured.
        self._configure()
        with threads_for(self._n_multiplications(schedule.batch_size)):
            self._train(data, schedule, given)
            self._after_fit(data)
        return self

    def _stream_schedule(self, data, rng):
        """Settle how to take one pass over a chunk of a stream."""
        n_rows = data.n_train
        batch_size = self.batch_size or _defaults.choose_batch_size(n_rows)
        cycle = n_rows >= LEAST_STEPS * batch_size
        rate = PEAK if cycle else CONSTANT
        corrupt = Corrupter(
            self.corruption, self._table.design_, data.source, missing_values=False
        )
        return Schedule(
            n_epochs=1,
            batch_size=batch_size,
            learning_rate=rate * self.learning_rate_init,
            one_cycle=cycle,
            n_iter_no_change=1,
            tol=0.0,
            # Another order of rows and other draws for every chunk of a seeded stream.
            seed=(rng.randint(MAX_SEED) + getattr(self, "n_iter_", 0)) % MAX_SEED,
            corrupt=corrupt or None,
        )
