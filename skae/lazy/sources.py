"""What can be read chunk by chunk, again and again.

Packages are known by name: to read what comes from one it need not be imported here.
"""

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import count, islice
from os import PathLike
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from scipy.sparse import issparse

# Rows of a chunk, at most, and cells: fewer of wide tables.
CHUNK_ROWS, CHUNK_CELLS = 65_536, 250_000
FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".csv.bz2": "csv",
    ".csv.zst": "csv",
    ".tsv": "tsv",
    ".feather": "feather",
    ".arrow": "feather",
    ".orc": "orc",
}
GLOB = "*?["


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
    """

    kind: str
    read: Callable[[], Iterator[Any]]
    table: Any = None
    divide: Callable[[int, int], Callable[[], Iterator[Any]] | None] | None = None

    def chunks(self):
        """Yield the chunks that hold rows, of bounded size."""
        for part in self.parts():
            yield part.chunk

    def parts(self):
        """Yield the chunks that hold rows, of bounded size, as `Part`."""
        with closing(self.read()) as chunks:
            for chunk in chunks:
                part = chunk if isinstance(chunk, Part) else Part(chunk, None)
                with told_where(part.where):
                    for divided in _divided(part.chunk):
                        yield Part(divided, part.where)

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


def open_source(X):
    """Return the `Source` that X is, or None.

    Raises
    ------
    FileNotFoundError
        If X is a path at which there is nothing to read.
    ValueError
        If X stands for files of several formats.
    """
    if isinstance(X, np.memmap):
        return _of_memmap(X)
    if isinstance(X, (np.ndarray, pd.DataFrame)) or issparse(X):
        return None
    if isinstance(X, (str, PathLike)):
        return _of_path(os.fspath(X))
    for kind in type(X).__mro__:
        make = PACKAGES.get((kind.__module__.partition(".")[0], kind.__name__))
        if make is not None:
            return make(X)
    return _of_iterable(X)


def refuse_row_arguments(**of_rows):
    """Raise if anything is given that has an entry for every row."""
    for name, value in of_rows.items():
        if value is not None:
            raise ValueError(
                f"{name} has an entry for every row, which a table that is read in chunks "
                f"does not take; leave {name} out, or collect X first."
            )


# ---------------------------------------------------------------------- queries


def _of_polars(X):
    def read():
        n_rows = _rows_per_chunk(len(X.collect_schema()))
        if hasattr(X, "collect_batches"):
            yield from X.collect_batches(chunk_size=n_rows, maintain_order=True)
            return
        start, chunk = 0, None
        while chunk is None or len(chunk) == n_rows:
            chunk = X.slice(start, n_rows).collect()
            start += n_rows
            yield chunk

    return Source("LazyFrame", read)


def _of_narwhals(X):
    return open_source(X.to_native())


def _of_duckdb(X):
    def read():
        reader = getattr(X, "to_arrow_reader", None) or X.fetch_record_batch
        yield from map(_table_of, reader(_rows_per_chunk(len(X.columns))))

    return Source("DuckDBPyRelation", read)


# ---------------------------------------------------------------------- files


def _of_dataset(X):
    """Return the source of a dataset of pyarrow, which names the file that it cannot read."""
    # With threads pyarrow reads on while a chunk is used, and keeps what it has read.
    bounds = {
        "batch_size": _rows_per_chunk(len(X.schema)),
        "batch_readahead": 0,
        "fragment_readahead": 0,
        "use_threads": False,
    }

    def read():
        fragments = _fragments(X)
        if fragments is None:
            yield from map(_table_of, X.to_batches(**bounds))
            return
        pieces = (piece for fragment in fragments for piece, _ in _pieces([fragment]))
        yield from _of_fragments(pieces, X.schema, bounds)

    def divide(rank, size):
        pieces = _pieces(_fragments(X) or [])
        if len(pieces) < size:
            return None
        ends = [sum(n for _, n in pieces) * i // size for i in range(size + 1)]
        own, start = [], 0
        for piece, n_rows in pieces:
            # Of the worker whose part its middle is in.
            if ends[rank] <= start + n_rows // 2 < ends[rank + 1]:
                own.append(piece)
            start += n_rows
        return lambda: _of_fragments(own, X.schema, bounds)

    return Source("Dataset", read, divide=divide)


def _fragments(X):
    """Return the files of a dataset, None if it is filtered."""
    try:
        return list(X.get_fragments())
    except ValueError:
        return None


def _pieces(fragments):
    """Return parts of a dataset that can be read alone, and how long each takes to read.

    These are the row groups of Parquet files, and files of other formats.
    """
    pieces = []
    for fragment in fragments:
        if not hasattr(fragment, "split_by_row_group"):
            pieces.append((fragment, 1))
            continue
        with _named_file(fragment):
            groups = fragment.split_by_row_group()
        pieces += [(part, sum(g.num_rows for g in part.row_groups)) for part in groups]
    return pieces


def _of_fragments(fragments, schema, bounds):
    for fragment in fragments:
        with _named_file(fragment):
            options = {**bounds, **_frugal(fragment)}
            for batch in fragment.to_batches(schema=schema, **options):
                yield Part(_table_of(batch), _place_of(fragment))


def _frugal(fragment):
    """Return arguments with which a Parquet file is read without a whole row group at once."""
    if not hasattr(fragment, "split_by_row_group"):
        return {}
    from pyarrow.dataset import ParquetFragmentScanOptions

    options = ParquetFragmentScanOptions(use_buffered_stream=True, pre_buffer=False)
    return {"fragment_scan_options": options}


def _place_of(fragment):
    path = getattr(fragment, "path", None)
    return None if path is None else f"The file {path!r}"


@contextmanager
def _named_file(fragment):
    """Let errors of reading say which file it is."""
    try:
        yield
    except (OSError, ValueError, TypeError, NotImplementedError) as error:
        where = _place_of(fragment)
        if where is None:
            raise
        raise ValueError(f"{where} cannot be read like the others: {error}") from error


def _of_path(path):
    """Return the source of files at a path, in a folder, or that a pattern fits."""
    if "://" in path:
        return None  # what reads it is told elsewhere
    files = path
    if any(sign in path for sign in GLOB) and not os.path.exists(path):
        files = sorted(glob.glob(path, recursive=True)) or path
    named = _named(files)
    own = {FORMATS[ending] for name in named for ending in FORMATS if name.endswith(ending)}
    if not own:
        return None
    if files is path and not os.path.exists(path):
        raise FileNotFoundError(f"X={path!r}: there is no such file or folder.")
    if len(own) > 1:
        raise ValueError(
            f"X={path!r} stands for files of several formats, {sorted(own)}; give a pattern "
            f"of one, such as '*.{min(own)}'."
        )
    try:
        from pyarrow import csv, dataset
    except ImportError as error:
        raise ImportError(
            f"X={path!r}: files are read by pyarrow, which is not installed; install it, or "
            "read them first."
        ) from error
    form = own.pop()
    if form == "tsv":
        form = dataset.CsvFileFormat(csv.ParseOptions(delimiter="\t"))
    return _of_dataset(dataset.dataset(files, format=form))


def _named(files):
    """Return the lower-case names of files, or of those in a folder."""
    if not isinstance(files, str):
        return [name.lower() for name in files]
    if not os.path.isdir(files):
        return [files.lower()]
    return [name.lower() for _, _, names in os.walk(files) for name in names]


def _of_memmap(X):
    if X.ndim != 2 or X.dtype.kind not in "fiub":
        return None

    def read():
        n_rows = _rows_per_chunk(X.shape[1])
        for start in range(0, len(X), n_rows):
            yield np.array(X[start : start + n_rows])

    return Source("memory map", read, X)


# ---------------------------------------------------------------------- clusters


def _of_dask(X):
    def read(numbers=None):
        for i in range(X.npartitions) if numbers is None else numbers:
            yield Part(X.get_partition(i).compute(scheduler="sync"), f"Partition {i}")

    def divide(rank, size):
        return lambda: read(range(rank, X.npartitions, size))

    return Source("Dask DataFrame", read, divide=divide)


def _of_ray(X):
    def read():
        n_rows = _rows_per_chunk(len(X.schema().names))
        yield from X.iter_batches(batch_size=n_rows, batch_format="pyarrow")

    return Source("Ray Dataset", read)


def _of_ray_shards(X):
    return Source(
        "Ray Dataset",
        lambda: X.chunks(range(len(X))),
        divide=lambda rank, size: lambda: X.chunks([rank]),
    )


PACKAGES = {
    ("skae", "RayShards"): _of_ray_shards,
    ("polars", "LazyFrame"): _of_polars,
    ("narwhals", "LazyFrame"): _of_narwhals,
    ("duckdb", "DuckDBPyRelation"): _of_duckdb,
    ("_duckdb", "DuckDBPyRelation"): _of_duckdb,
    ("pyarrow", "Dataset"): _of_dataset,
    ("dask", "DataFrame"): _of_dask,
    ("ray", "Dataset"): _of_ray,
}


# ---------------------------------------------------------------------- chunks


def _of_iterable(X):
    """Return the source of chunks that an iterable of one's own gives anew each time.

    A list is one if it holds data frames: what else it may hold are rows.
    """
    if isinstance(X, (list, tuple)):
        is_chunked = bool(X) and all(map(_is_frame, X))
    else:
        package = type(X).__module__.partition(".")[0]
        is_chunked = (
            isinstance(X, Iterable)
            and not isinstance(X, Iterator)
            and package not in FOREIGN
            and not any(hasattr(X, name) for name in OF_ARRAYS)
        )
    if not is_chunked:
        return None

    def read():
        for number, chunk in zip(count(), X):
            yield Part(chunk, f"Chunk {number}")

    return Source(type(X).__name__, read)


# Packages whose objects can be iterated, but not for chunks of rows.
FOREIGN = {"builtins", "torch", "pandas", "polars", "pyarrow", "numpy", "scipy", "xarray"}
FOREIGN |= {"h5py", "ibis", "datasets", "sklearn", "collections"}
# What arrays and frames have.
OF_ARRAYS = "__getitem__", "__array__", "__dataframe__", "__arrow_c_stream__", "shape"


def _is_frame(chunk):
    return nw.from_native(chunk, eager_only=True, pass_through=True) is not chunk


def _divided(chunk):
    """Yield a chunk in parts of bounded size, none if it has no rows."""
    chunk = np.asarray(chunk) if isinstance(chunk, list) else chunk
    if len(getattr(chunk, "shape", ())) != 2:
        raise ValueError(
            f"A chunk of X is a {type(chunk).__name__}, not a table; the chunks of an "
            "iterable are data frames or arrays of shape (n_rows, n_features)."
        )
    n_rows, most = chunk.shape[0], _rows_per_chunk(chunk.shape[1])
    if n_rows <= most:
        if n_rows:
            yield chunk
        return
    for start in range(0, n_rows, most):
        yield take(chunk, slice(start, start + most))


def _rows_per_chunk(n_columns):
    return max(1, min(CHUNK_ROWS, CHUNK_CELLS // max(1, n_columns)))


def _table_of(batch):
    import pyarrow as pa

    return pa.Table.from_batches([batch])


def take(chunk, rows):
    """Return rows, a slice or row numbers, of a data frame or an array."""
    if isinstance(chunk, np.ndarray):
        return chunk[rows]
    if isinstance(chunk, pd.DataFrame):
        return chunk.iloc[rows]
    frame = nw.from_native(chunk, eager_only=True)
    return frame[rows if isinstance(rows, slice) else rows.tolist()].to_native()


def join(chunks):
    """Return chunks below each other."""
    if len(chunks) == 1:
        return chunks[0]
    if isinstance(chunks[0], np.ndarray):
        return np.concatenate(chunks)
    if isinstance(chunks[0], pd.DataFrame):
        return pd.concat(chunks)
    frames = [nw.from_native(chunk, eager_only=True) for chunk in chunks]
    return nw.concat(frames, how="vertical").to_native()
