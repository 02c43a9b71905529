"""A uniform sample of the rows of a table that is read in chunks, or all of them if few."""

from itertools import chain

import numpy as np
from sklearn.utils import check_random_state

from skae._prefetch import prefetched
from skae.lazy.joining import joined
from skae.lazy.memory import bytes_of
from skae.lazy.sources import open_source, refuse_row_arguments
from skae.lazy.spilled import N_PARTS
from skae.lazy.summary import Reservoir, read_head
from skae.table.remedies import set_remedies_for

# Rows that principal axes, quantiles and the columns' networks are learned from, at most.
MAX_SAMPLE, LEAST_SAMPLE = 100_000, 1000
# Bytes that a cell takes in a frame, its place in the design matrix and on the way, about.
CELL = 24


def rows_in_memory(source, memory_limit):
    """Return the first chunks of a table, and the rest: None if the limit allows for all."""
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
    source, workers = open_source(X), estimator._workers
    if source is None or (source.table is not None and workers.size == 1):
        return X
    set_remedies_for(source.read_from)
    refuse_row_arguments(**of_rows)
    head, rest = workers.agreed(lambda: _open(source, workers, estimator.memory_limit))
    if workers.size == 1 and rest is None and head:
        return joined(head)
    seed = check_random_state(estimator.random_state).randint(np.iinfo(np.int32).max)

    def draw():
        reservoir = None
        for chunk, _ in chain(head, rest_of(rest)):
            if reservoir is None:
                size = sample_size(chunk.shape[1], estimator.memory_limit)
                reservoir = Reservoir(size, generator_of(seed, workers))
            reservoir.add(chunk)
        return reservoir

    reservoir = workers.merged(workers.agreed(draw), _merge_samples)
    rows = None if reservoir is None else reservoir.rows()
    rows = workers.shared(rows)
    if rows is None:
        raise ValueError(f"X is a {source.kind} without rows; at least two are needed.")
    return rows


def _open(source, workers, memory_limit):
    """Return `rows_in_memory` of a worker's part of a source."""
    return rows_in_memory(source.shard(workers.rank, workers.size), memory_limit)


def rest_of(rest):
    """Return an iterator of what is left of a source; None: nothing is."""
    return iter(()) if rest is None else prefetched(rest)


def _merge_samples(sample, other):
    """Return two samples as one; None is a sample of no rows."""
    return (sample or other) if sample is None or other is None else sample.merge(other)


def generator_of(seed, workers):
    """Return a generator of draws that are other ones on every worker."""
    return np.random.default_rng([seed, workers.rank] if workers.rank else seed)


def sample_size(n_columns, memory_limit):
    """Return how many rows of a table, or of its design matrix, a sample has."""
    fitting = bytes_of(memory_limit) // N_PARTS // (CELL * n_columns)
    return min(MAX_SAMPLE, max(LEAST_SAMPLE, fitting))
