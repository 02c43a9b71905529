"""What can be read chunk by chunk, again and again.

Packages are known by name: to read what comes from one it need not be imported here.
"""

import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence, ValuesView
from itertools import count
from os import PathLike

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from scipy.sparse import issparse

from skae.lazy.chunks import (
    Part,
    Source,
    is_batch,
    is_tensor,
    rows_per_chunk,
    told_where,
)
from skae.lazy.datasets import of_dataset
from skae.lazy.files import of_path, of_paths
from skae.lazy.relations import of_relation


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
        return of_path(os.fspath(X))
    if (
        isinstance(X, (list, tuple))
        and X
        and all(isinstance(x, (str, PathLike)) for x in X)
    ):
        return of_paths([os.fspath(x) for x in X])
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
        n_rows = rows_per_chunk(len(X.collect_schema()))
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


def _of_memmap(X):
    return _of_slices(X, "memory map", X)


def _of_hdf5(X):
    return _of_slices(X, "dataset of HDF5")


def _of_slices(X, kind, table=None):
    """Return the source of an array on disk, None unless it holds rows of numbers."""
    if len(X.shape) != 2 or X.dtype.kind not in "fiub":
        return None

    def read():
        n_rows = rows_per_chunk(X.shape[1])
        for start in range(0, len(X), n_rows):
            yield np.array(X[start : start + n_rows])

    return Source(kind, read, table)


# ---------------------------------------------------------------------- clusters


def _of_dask(X):
    def read(numbers=None):
        for i in range(X.npartitions) if numbers is None else numbers:
            where = f"Partition {i}"
            with told_where(where):
                part = X.get_partition(i).compute(scheduler="sync")
            yield Part(part, where)

    def divide(rank, size):
        return lambda: read(range(rank, X.npartitions, size))

    return Source("Dask DataFrame", read, divide=divide)


def _of_ray(X):
    def read():
        n_rows = rows_per_chunk(len(X.schema().names))
        for batch in X.iter_batches(batch_size=n_rows, batch_format="pyarrow"):
            yield _vectors_in(batch)

    return Source("Ray Dataset", read, read_from="ray")


def _of_ray_shards(X):
    def read(ranks):
        for block in X.chunks(ranks):
            yield _vectors_in(block)

    return Source(
        "Ray Dataset",
        lambda: read(range(len(X))),
        divide=lambda rank, size: lambda: read([rank]),
        read_from="ray",
    )


def _vectors_in(batch):
    """Return the array that the only column of a batch of Ray holds, else the batch.

    Raises
    ------
    ValueError
        If it holds arrays of several dimensions, such as images.
    """
    shape = (
        getattr(batch.schema.types[0], "shape", None) if batch.num_columns == 1 else None
    )
    if shape is None:
        return batch
    (name,) = batch.schema.names
    if len(shape) > 1:
        raise ValueError(
            f"Column {name!r} holds arrays of shape {tuple(shape)}, not rows of a table; flatten "
            f"them: X.map_batches(lambda X: {{{name!r}: X[{name!r}].reshape(len(X[{name!r}]), -1)}})."
        )
    chunks = [chunk.to_numpy(zero_copy_only=False) for chunk in batch.column(0).chunks]
    return np.concatenate(chunks) if chunks else np.empty((0, *shape))


PACKAGES = {
    ("skae", "RayShards"): _of_ray_shards,
    ("polars", "LazyFrame"): _of_polars,
    ("narwhals", "LazyFrame"): _of_narwhals,
    ("duckdb", "DuckDBPyRelation"): of_relation,
    ("_duckdb", "DuckDBPyRelation"): of_relation,
    ("pyarrow", "Dataset"): of_dataset,
    ("h5py", "Dataset"): _of_hdf5,
    ("dask", "DataFrame"): _of_dask,
    ("ray", "Dataset"): _of_ray,
}


# ---------------------------------------------------------------------- chunks


def _of_iterable(X):
    """Return the source of chunks that an iterable of one's own gives anew each time.

    A list is one if it holds data frames or matrices: what else it may hold are rows.
    """
    if isinstance(X, LISTS):
        is_chunked = len(X) > 0 and all(map(_is_table, X))
    elif _begins_anew(X):
        is_chunked = True
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


# What has a length and is iterated in an order.
LISTS = Sequence, deque, ValuesView
# Packages whose objects can be iterated, but not for chunks of rows.
FOREIGN = {"builtins", "torch", "pandas", "polars", "pyarrow", "numpy", "scipy", "xarray"}
FOREIGN |= {"h5py", "ibis", "datasets", "sklearn", "collections"}
# What arrays and frames have.
OF_ARRAYS = "__getitem__", "__array__", "__dataframe__", "__arrow_c_stream__", "shape"


def _begins_anew(X):
    """Return whether X is a dataset of torch that is iterated, of which a loader has none."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(X, torch.utils.data.IterableDataset)


def _is_table(chunk):
    if is_batch(chunk):
        return True
    if isinstance(chunk, np.ndarray) or issparse(chunk) or is_tensor(chunk):
        return len(chunk.shape) == 2
    return nw.from_native(chunk, eager_only=True, pass_through=True) is not chunk
