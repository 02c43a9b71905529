"""Tables in chunks of bounded size, which can be read from the first to the last again."""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from scipy.sparse import issparse

from skae.table.sources import as_array

# Rows of a chunk, at most, and cells: fewer of wide tables.
CHUNK_ROWS, CHUNK_CELLS = 65_536, 250_000


class Part(NamedTuple):
    """A chunk, and where it comes from, for messages: None if that is not known."""

    chunk: Any
    where: str | None


@dataclass(frozen=True)
class Source:
    """A table whose chunks can be read from the first to the last as often as needed.

    Attributes
    ----------
    kind : str
        What it is, for messages.
    read : callable () -> iterator of data frames or ndarrays, or of `Part`
        Starts anew.
    table : ndarray or None
        The table itself, where it is on disk but can be used like one in memory.
    divide : callable (rank, size) -> callable like `read`, or None
        What reads the part of one of several workers, without reading the others'. None:
        every worker reads all chunks, and uses its own.
    read_from : str or None
        What remedies in messages are written for, see `skae.table.remedies`. None: the
        chunks' library.
    """

    kind: str
    read: Callable[[], Iterator[Any]]
    table: Any = None
    divide: Callable[[int, int], Callable[[], Iterator[Any]] | None] | None = None
    read_from: str | None = None

    def chunks(self):
        """Yield the chunks that hold rows, of bounded size."""
        for part in self.parts():
            yield part.chunk

    def parts(self):
        """Yield the chunks that hold rows, of bounded size, as `Part`."""
        n_rows, place = 0, None
        with closing(self.read()) as chunks:
            for chunk in chunks:
                part = chunk if isinstance(chunk, Part) else Part(chunk, None)
                if part.where != place:
                    n_rows, place = 0, part.where
                with told_where(place):
                    for divided in divided_chunk(part.chunk):
                        yield Part(divided, _from_row(n_rows, place))
                        n_rows += divided.shape[0]

    def shard(self, rank, size):
        """Return the part of a worker: rows that no other of `size` workers has."""
        if size == 1:
            return self
        read = None if self.divide is None else self.divide(rank, size)
        if read is None:

            def read():
                with closing(self.parts()) as parts:
                    yield from islice(parts, rank, None, size)

        return replace(self, read=read, table=None, divide=None)


def _from_row(first, place):
    """Return where rows come from that are not the first ones of a file or a table."""
    if not first:
        return place
    return f"From row {first} on" if place is None else f"{place}, from row {first} on"


@contextmanager
def told_where(where):
    """Let errors say which file or partition they are about, if that is known."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if where is None:
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{where}: {error}") from error


def is_batch(chunk):
    """Return whether a chunk is a batch of pyarrow, which is no table yet."""
    return type(chunk).__name__ == "RecordBatch"


def is_tensor(chunk):
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(chunk, torch.Tensor)


def divided_chunk(chunk):
    """Yield a chunk in parts of bounded size, none if it has no rows."""
    if is_batch(chunk):
        chunk = table_of(chunk)
    elif issparse(chunk):
        chunk = chunk.tocsr()
    elif isinstance(chunk, list) or is_tensor(chunk):
        chunk = np.asarray(as_array(chunk))
    if len(getattr(chunk, "shape", ())) != 2:
        raise ValueError(
            f"A chunk of X is a {type(chunk).__name__}, not a table; the chunks of an "
            "iterable are data frames or arrays of shape (n_rows, n_features)."
        )
    n_rows, most = chunk.shape[0], rows_per_chunk(chunk.shape[1])
    if n_rows <= most:
        if n_rows:
            yield chunk
        return
    for start in range(0, n_rows, most):
        yield take(chunk, slice(start, start + most))


def rows_per_chunk(n_columns):
    return max(1, min(CHUNK_ROWS, CHUNK_CELLS // max(1, n_columns)))


def table_of(batch):
    import pyarrow as pa

    return pa.Table.from_batches([batch])


def take(chunk, rows):
    """Return rows, a slice or row numbers, of a data frame, an array or a sparse matrix."""
    if isinstance(chunk, np.ndarray) or issparse(chunk):
        return chunk[rows]
    if isinstance(chunk, pd.DataFrame):
        return chunk.iloc[rows]
    frame = nw.from_native(chunk, eager_only=True)
    return frame[rows if isinstance(rows, slice) else rows.tolist()].to_native()
