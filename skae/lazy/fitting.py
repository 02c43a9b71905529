"""A fit to a table that memory need not hold: summed up, encoded into files, trained on."""

from contextlib import contextmanager

import numpy as np
import torch
from sklearn.utils import check_random_state

from skae import _defaults
from skae._entry import EntryPoints
from skae.lazy.memory import bytes_of
from skae.lazy.prefetch import prefetched
from skae.lazy.sources import join, open_source, refuse_row_arguments
from skae.lazy.spilled import N_PARTS, Spill, SpilledRows, refuse_full_disk
from skae.lazy.summary import Reservoir, read_head
from skae.table.encoder import TableEncoder
from skae.table.rows import DenseRows, TrainingRows
from skae.table.states import OBSERVED
from skae.table.validation import check_fitted_table, check_table, column_names
from skae.training.devices import resolve_device, threads_for

# Rows that are held out at most: each epoch looks at them.
MAX_HELD_OUT = 50_000
# Rows that principal axes, quantiles and the columns' networks are learned from, at most.
MAX_SAMPLE, LEAST_SAMPLE = 100_000, 1000
# Bytes that a cell takes in a frame, its place in the design matrix and on the way, about.
CELL = 24


def rows_in_memory(source, memory_limit):
    """Return the whole table, if it fits into the limit, else its first chunks and the rest."""
    limit = bytes_of(memory_limit) // N_PARTS
    return read_head(source, limit, lambda chunk: CELL * chunk.shape[0] * chunk.shape[1])


def sample_of(estimator, X, **of_rows):
    """Return X; of a table that is read in chunks a uniform sample, or all rows if few.

    Parameters
    ----------
    estimator : estimator
        Whose `memory_limit` and `random_state` count.
    X : table
    **of_rows
        Arguments with an entry for every row, None where not given.
    """
    source = open_source(X)
    if source is None or source.table is not None:
        return X
    refuse_row_arguments(**of_rows)
    head, rest = rows_in_memory(source, estimator.memory_limit)
    if rest is None:
        return join(head)
    seed = check_random_state(estimator.random_state).randint(np.iinfo(np.int32).max)
    size = _sample_size(head[0].shape[1], estimator.memory_limit)
    reservoir = Reservoir(size, np.random.default_rng(seed))
    for chunk in head:
        reservoir.add(chunk)
    for chunk in prefetched(rest):
        reservoir.add(chunk)
    return reservoir.rows()


def _sample_size(n_columns, memory_limit):
    """Return how many rows of a table, or of its design matrix, a sample has."""
    fitting = bytes_of(memory_limit) // N_PARTS // (CELL * n_columns)
    return min(MAX_SAMPLE, max(LEAST_SAMPLE, fitting))


class LazyFitMixin(EntryPoints):
    """The fit of a transformer to a table that comes in chunks, on `BaseAutoencoder`'s steps.

    Statistics of the columns are of all rows; principal axes, quantiles and whatever else
    is learned but by gradients, of a uniform sample.
    """

    def _fit_chunks(self, source, of_rows, X_val, sample_weight_val):
        """Fit to a `Source` if it is too large for memory, else return it as one table."""
        if source.table is None:
            refuse_row_arguments(**of_rows)
        head, rest = rows_in_memory(source, self.memory_limit)
        if rest is None:
            return join(head) if source.table is None else source.table
        refuse_row_arguments(**of_rows)
        self._check_lazily()
        self._check_held_out(None, None, None, X_val, sample_weight_val)
        device = resolve_device(self.device)
        rng = check_random_state(self.random_state)
        seed = rng.randint(np.iinfo(np.int32).max)
        sample, n_rows = self._summarise(join(head), rest, seed)
        del head
        self.device_ = device
        with self._spilled(source, n_rows, seed, X_val is None) as data:
            start = self._sample_rows(data)
            self._start(start.source, range(n_rows), None, start.n_train, rng)
            held_out = self._check_validation_rows(X_val, sample_weight_val)
            data = self._with_validation_rows(data, *held_out)
            schedule = self._schedule(data, rng)
            with threads_for(self._n_multiplications(schedule.batch_size)):
                self._pretrain(start, schedule.seed)
                self._train(data, schedule, (sample, None, None))
            rows = np.arange(sample.shape[0])
            checked = check_fitted_table(self, sample, self._table)
            with threads_for(self._n_multiplications(schedule.batch_size)):
                self._after_fit(start, (checked, rows, None))
        return None

    def _check_lazily(self):
        self._check_callbacks()
        self._check_parameters()
        if self.warm_start and self.__sklearn_is_fitted__():
            raise ValueError(
                "warm_start=True goes on from a fit to rows in memory; for a table that is "
                "read in chunks use partial_fit, or warm_start=False."
            )
        if self.refit is True:
            raise ValueError(
                "refit=True trains on the held-out rows as well, of which a table that is "
                "read in chunks has few beside the others; use refit='auto'."
            )

    # ------------------------------------------------------------------ passes

    def _summarise(self, head, rest, seed):
        """Learn the columns in one pass; return a native sample, and the number of rows."""
        first = check_table(self, head, reset=True)
        n_columns = first.shape[1]
        size = _sample_size(n_columns, self.memory_limit)
        reservoir = Reservoir(size, np.random.default_rng(seed))
        reservoir.add(head)
        table = TableEncoder(**self._table_parameters())
        table.fit_chunks(
            first,
            self._checked(rest, reservoir),
            lambda: check_table(self, reservoir.rows(), reset=False),
            column_names(self, n_columns),
        )
        self._table = table
        self._warn_of_table()
        return reservoir.rows(), reservoir.n_seen

    def _checked(self, rest, reservoir):
        for chunk in prefetched(rest):
            reservoir.add(chunk)
            yield check_table(self, chunk, reset=False)

    @contextmanager
    def _spilled(self, source, n_rows, seed, own_held_out):
        """Encode all rows, into files and those that are held out; delete the files in the end."""
        design, n_features = self._table.design_, self._table.design_.n_features
        n_bytes = n_rows * (4 * design.n_inputs + n_features)
        refuse_full_disk(n_bytes)
        n_files = max(2, -(-n_bytes * N_PARTS // bytes_of(self.memory_limit)))
        rngs = np.random.default_rng(seed).spawn(2)
        is_held_out = self._hold_out_of(n_rows, rngs[0]) if own_held_out else None
        spill = Spill(n_files, design.n_inputs, n_features, rngs[1])
        try:
            yield self._encode_chunks(source, spill, n_rows, is_held_out)
        finally:
            spill.close()

    def _hold_out_of(self, n_rows, rng):
        """Return a function that says of some rows which are held out, or None."""
        self.validation_fraction_ = None
        if not self.early_stopping:
            return None
        fraction = self.validation_fraction
        if fraction is None:
            fraction = _defaults.choose_validation_fraction(n_rows)
        most = min(
            MAX_HELD_OUT, _sample_size(self._table.design_.n_inputs, self.memory_limit)
        )
        fraction = self.validation_fraction_ = min(fraction, most / n_rows)
        return lambda n: rng.random(n) < fraction

    def _encode_chunks(self, source, spill, n_rows, is_held_out):
        """Return `TrainingRows` of a source, those to train on in files."""
        held_out, masked, n_seen = [], False, 0
        for chunk in prefetched(source.chunks()):
            X = check_fitted_table(self, chunk, self._table)
            rows = np.arange(X.shape[0])
            n_seen += len(rows)
            self._check_support(X, rows)
            design, observed = self._table.encode_rows(X, rows)
            if observed is None:
                observed = np.full((len(rows), spill.n_features), OBSERVED, np.uint8)
            masked = masked or (observed != OBSERVED).any()
            if is_held_out is not None:
                chosen = is_held_out(len(rows))
                held_out.append((design[chosen], observed[chosen]))
                design, observed = design[~chosen], observed[~chosen]
            spill.add(design, observed)
        spill.flush()
        if n_seen != n_rows:
            raise ValueError(
                f"X is a {source.kind} that gave {n_rows} rows when it was read first, and "
                f"{n_seen} when it was read again; give a table that stays as it is."
            )
        held_out = held_out or [spill.nothing()]
        x, observed = (
            torch.from_numpy(np.concatenate(part)).to(self.device_)
            for part in zip(*held_out, strict=True)
        )
        rows = SpilledRows(
            spill, DenseRows(x, observed if masked else None), self.device_, masked
        )
        return TrainingRows(rows, None, len(x))

    def _sample_rows(self, data):
        """Return `TrainingRows` in memory: some to train on, from all files, and the held-out."""
        source, n_inputs = data.source, self._table.design_.n_inputs
        rows = source.some(
            _sample_size(n_inputs, self.memory_limit), torch.Generator().manual_seed(0)
        )
        return TrainingRows(rows.followed_by(source.held_out), None, data.n_valid)
