"""A fit to a table that memory need not hold: summed up, encoded into files, trained on."""

import math
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import chain

import numpy as np
import torch
from sklearn.utils import check_random_state

from skae import _defaults
from skae._entry import EntryPoints
from skae._prefetch import prefetched
from skae.lazy.chunks import take, told_where
from skae.lazy.joining import join, joined
from skae.lazy.memory import bytes_of
from skae.lazy.sampling import generator_of, rest_of, rows_in_memory, sample_size
from skae.lazy.shards import MAX_COMMON, ShardRows, sample_of_shards
from skae.lazy.sources import refuse_row_arguments
from skae.lazy.spilled import N_PARTS, N_PARTS_OF_FILE, Kept, Spill, refuse_full_disk
from skae.lazy.summary import Reservoir
from skae.table.encoder import TableEncoder
from skae.table.frame import Frame
from skae.table.remedies import set_remedies_for
from skae.table.rows import DenseRows, TrainingRows
from skae.table.states import OBSERVED
from skae.table.validation import as_frame, check_fitted_table, check_table, column_names
from skae.training.devices import resolve_device, threads_for

# Rows that are held out at most: each epoch looks at them.
MAX_HELD_OUT = 50_000
# What scikit-learn notes of the columns of a table.
IN_FIT = {"n_features_in_", "feature_names_in_"}


class LazyFitMixin(EntryPoints):
    """The fit of a transformer to a table that comes in chunks, on `BaseAutoencoder`'s steps.

    Statistics of the columns are of all rows; principal axes, quantiles and whatever else
    is learned but by gradients, of a uniform sample.
    """

    def _fit_chunks(self, source, of_rows, X_val, sample_weight_val):
        """Fit to a `Source` if it is too large for memory, else return it as one table.

        Of several workers each fits to its part, however large.
        """
        set_remedies_for(source.read_from)
        workers, alone = self._workers, self._workers.size == 1
        if source.table is None:
            refuse_row_arguments(**of_rows)
        source = workers.agreed(lambda: source.shard(workers.rank, workers.size))
        head, rest = workers.agreed(lambda: rows_in_memory(source, self.memory_limit))
        if alone and rest is None and head:
            return joined(head) if source.table is None else source.table
        refuse_row_arguments(**of_rows)
        workers.agreed(self._check_lazily)
        self._check_held_out(None, None, None, X_val, sample_weight_val)
        device = workers.agreed(lambda: resolve_device(self.device))
        rng = check_random_state(self.random_state)
        seed = rng.randint(np.iinfo(np.int32).max)
        sample, n_rows, n_own = self._summarise(source, head, rest, seed)
        del head
        self.device_ = device
        with self._spilled(source, n_rows, n_own, seed, X_val is None) as data:
            start = self._sample_rows(data)
            workers.agreed(lambda: self._start_first(start, n_rows, rng))
            rng = self._take_start(rng)
            held_out = self._check_validation_rows(X_val, sample_weight_val)
            data = self._with_validation_rows(self._with_common(data, start), *held_out)
            schedule = self._schedule(data, rng)
            with threads_for(self._n_multiplications(schedule.batch_size)):
                if workers.is_first:
                    self._pretrain(start, schedule.seed)
                workers.synchronise(self.net_.module_)
                self._train(data, schedule, (sample, None, None))
            if workers.is_first:
                checked = check_fitted_table(self, sample, self._table)
                given = checked, np.arange(sample.shape[0]), None
                with threads_for(self._n_multiplications(schedule.batch_size)):
                    self._after_fit(start, given)

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

    def _summarise(self, source, head, rest, seed):
        """Learn the columns in one pass.

        Returns
        -------
        sample : native table, or None
            Of rows of all workers; on the first one.
        n_rows, n_own : int
            Rows of all workers, and of this one.
        """
        workers = self._workers
        has_rows = workers.gathered(bool(head))
        if not any(has_rows):
            raise ValueError(f"X is a {source.kind} without rows; at least two are needed.")
        root = has_rows.index(True)
        begun, parts = workers.agreed(
            lambda: (
                self._begin(head, rest, source)
                if workers.rank == root
                else (None, chain(head, rest_of(rest)))
            )
        )
        self._table, names = workers.shared(begun, root)
        vars(self).update(names)
        n_columns = len(self._table.names)
        size = sample_size(n_columns, self.memory_limit)
        reservoir = Reservoir(size, generator_of(seed, workers))
        workers.agreed(lambda: self._learn_chunks(parts, reservoir))
        n_own = reservoir.n_seen
        learned = workers.merged((self._table, reservoir), _merge_summaries)
        settled = workers.agreed(lambda: self._settle(*learned) if learned else None)
        self._table, n_rows = workers.shared(settled)
        return reservoir.rows() if workers.is_first else None, n_rows, n_own

    def _begin(self, head, rest, source):
        """Return an encoder that knows the kinds of the columns, with their names; and all parts."""
        first, parts = _first_rows(head, rest, source)
        first = check_table(self, first, reset=True)
        table = TableEncoder(**self._table_parameters())
        table.begin(first, column_names(self, first.shape[1]))
        names = {name: vars(self)[name] for name in IN_FIT & set(vars(self))}
        return (table, names), parts

    def _learn_chunks(self, parts, reservoir):
        for chunk, where in parts:
            with told_where(where):
                self._table.learn_chunk(check_table(self, chunk, reset=False))
            reservoir.add(chunk)

    def _settle(self, table, reservoir):
        """Return what was learned of all rows, settled, and how many these are."""
        sample = check_table(self, reservoir.rows(), reset=False)
        table.finish_chunks(sample)
        self._table = table
        self._weigh_columns(sample, np.arange(sample.shape[0]))
        self._warn_of_table()
        return table, reservoir.n_seen

    @contextmanager
    def _spilled(self, source, n_rows, n_own, seed, own_held_out):
        """Encode all rows, into files and those that are held out; delete the files in the end."""
        design, n_features = self._table.design_, self._table.design_.n_features
        n_bytes = n_own * (4 * design.n_inputs + n_features)
        n_limits = n_bytes / bytes_of(self.memory_limit)
        rngs = generator_of(seed, self._workers).spawn(2)
        is_held_out = self._hold_out_of(n_rows, rngs[0]) if own_held_out else None
        if self._workers.size > 1 and n_limits * N_PARTS <= 1:
            spill = Kept(design.n_inputs, n_features)
        else:
            refuse_full_disk(n_bytes)
            n_files = max(2, math.ceil(n_limits * N_PARTS_OF_FILE))
            spill = Spill(n_files, design.n_inputs, n_features, rngs[1])
        try:
            data = self._workers.agreed(
                lambda: self._encode_chunks(source, spill, n_own, is_held_out)
            )
            yield ShardRows.among(data, self._workers)
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
            MAX_HELD_OUT, sample_size(self._table.design_.n_inputs, self.memory_limit)
        )
        fraction = self.validation_fraction_ = min(fraction, most / n_rows)
        return lambda n: rng.random(n) < fraction

    def _encode_chunks(self, source, spill, n_rows, is_held_out):
        """Return `TrainingRows` of a source, those to train on in files."""
        held_out, masked, n_seen = [], False, 0
        for chunk, where in prefetched(source.parts()):
            with told_where(where):
                design, observed = self._encode_chunk(chunk)
            n_seen += len(design)
            if observed is None:
                observed = np.full((len(design), spill.n_features), OBSERVED, np.uint8)
            masked = masked or (observed != OBSERVED).any()
            if is_held_out is not None:
                chosen = is_held_out(len(design))
                held_out.append((design[chosen], observed[chosen]))
                design, observed = design[~chosen], observed[~chosen]
            spill.add(design, observed)
        spill.flush()
        if n_seen != n_rows:
            raise ValueError(
                f"X is a {source.kind} that gave {n_rows} rows when it was read first, and "
                f"{n_seen} when it was read again; give a table that stays as it is, and chunks "
                "that begin anew each time they are iterated."
            )
        held_out = held_out or [spill.nothing()]
        x, observed = (
            torch.from_numpy(np.concatenate(part)).to(self.device_)
            for part in zip(*held_out, strict=True)
        )
        held_out = DenseRows(x, observed if masked else None)
        return TrainingRows(spill.rows(held_out, self.device_, masked), None, len(x))

    def _encode_chunk(self, chunk):
        X = check_fitted_table(self, chunk, self._table)
        rows = np.arange(X.shape[0])
        self._check_support(X, rows)
        return self._table.encode_rows(X, rows)

    # ------------------------------------------------------------------ the start

    def _sample_rows(self, data):
        """Return `TrainingRows` in memory: some to train on, from all files, and the held-out.

        Of several workers the first has those of all; the others have None.
        """
        source, n_inputs = data.source, self._table.design_.n_inputs
        most = sample_size(n_inputs, self.memory_limit)
        if self._workers.size > 1:
            return sample_of_shards(data, most, self._workers, self.device_)
        rows = source.some(most, torch.Generator().manual_seed(0))
        return TrainingRows(rows.followed_by(source.held_out), None, data.n_valid)

    def _start_first(self, start, n_rows, rng):
        """Build the net on the first worker."""
        if start is not None:
            self._start(start.source, range(n_rows), None, start.n_train, rng)

    def _take_start(self, rng):
        """Take over what the first worker has learned so far; return its `rng`."""
        workers = self._workers
        if workers.size == 1:
            return rng
        own = {"device_", "_workers", *self.get_params(deep=False)}
        learned = {name: value for name, value in vars(self).items() if name not in own}
        learned, rng = workers.shared((learned, rng))
        if not workers.is_first:
            vars(self).update(learned)
            self.net_.move_to(self.device_)
        return rng

    def _with_common(self, data, start):
        """Return the rows of this worker, with some that all workers have."""
        if self._workers.size == 1:
            return data
        common = None if start is None else start.sample(MAX_COMMON)[0].cpu()
        common = self._workers.shared(common).to(self.device_)
        return replace(data, common=DenseRows(common, None))


def _first_rows(head, rest, source):
    """Return the first rows of a source as a table, and an iterator of all of its parts.

    Of columns without a cell in the first rows there are later ones with cells.
    """
    first = joined(head)
    frame = as_frame(first)
    columns = () if frame is None or rest is None else enumerate(frame.columns())
    empty = [i for i, cells in columns if cells.kind == "empty"]
    if not empty:
        return first, chain(head, rest_of(rest))
    rest.close()  # a connection may have one result open at a time
    found = [first]
    with closing(source.chunks()) as chunks:
        while empty and (chunk := next(chunks, None)) is not None:
            own = Frame.of(chunk)
            if own is None or own.labels != frame.labels:  # told when it is learned from
                break
            for i in [i for i in empty if own.column(i).kind != "empty"]:
                there = np.flatnonzero(~own.column(i).is_missing())
                found.append(take(chunk, there[:1]))
                empty.remove(i)
    return join(found), prefetched(source.parts())


def _merge_summaries(summary, other):
    return tuple(part.merge(theirs) for part, theirs in zip(summary, other, strict=True))
