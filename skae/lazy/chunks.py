"""Tables in chunks of bounded size, which can be read from the first to the last again."""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from itertools import islice
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from scipy.sparse import issparse, vstack

from skae.table.frame import Frame
from skae.table.reading.arrow import with_wide_index
from skae.table.sources import as_array, labels_of

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


def join(chunks):
    """Return chunks of the same columns below each other, numbers in the wider dtype."""
    if len(chunks) == 1:
        return chunks[0]
    packages = {type(chunk).__module__.partition(".")[0] for chunk in chunks}
    if len(packages) > 1:
        raise TypeError(
            f"The chunks of X are tables of {sorted(packages)}; give all of them as tables of "
            "one library."
        )
    (package,) = packages
    if package == "scipy":
        return vstack(chunks, format="csr")
    if package == "numpy":
        return np.concatenate(chunks)
    if package == "pandas":
        return pd.concat(_in_one_order(chunks))
    if package == "polars":
        return sys.modules["polars"].concat(_as_text(chunks), how="vertical_relaxed")
    if package == "pyarrow":
        pa = sys.modules["pyarrow"]
        types = [
            reduce(wider, kinds)
            for kinds in zip(*(c.schema.types for c in chunks), strict=True)
        ]
        fields = map(pa.Field.with_type, chunks[0].schema, map(with_wide_index, types))
        schema = pa.schema(fields, chunks[0].schema.metadata)
        return pa.concat_tables([chunk.cast(schema) for chunk in chunks])
    frames = [nw.from_native(chunk, eager_only=True) for chunk in chunks]
    return nw.concat(frames, how="vertical").to_native()


def wider(kind, other):
    """Return a type of Arrow that holds the cells of two; the first one, if there is none."""
    import pyarrow as pa

    types, pair = pa.types, (kind, other)
    if kind == other:
        return kind
    if types.is_dictionary(kind) != types.is_dictionary(other):
        # Of text that is none there may be more levels than a dictionary numbers.
        return wider(*(getattr(each, "value_type", each) for each in pair))
    if any(map(types.is_date32, pair)) and any(map(types.is_timestamp, pair)):
        return max(pair, key=types.is_timestamp)
    schemas = [pa.schema([("", each)]) for each in pair]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return kind  # what does not fit is told when it is read


def _as_text(frames):
    """Return frames of polars, with text in place of an `Enum` that is not the same in all."""
    pl = sys.modules["polars"]
    enums = [
        name
        for name in frames[0].columns
        if len(kinds := {frame.schema[name] for frame in frames}) > 1
        and any(isinstance(kind, pl.Enum) for kind in kinds)
    ]
    return [frame.with_columns(pl.col(enums).cast(pl.String)) for frame in frames]


def _in_one_order(frames):
    """Return frames of pandas, of which an ordered category has the same levels in all.

    Raises
    ------
    ValueError
        If these are ordered otherwise in one of them.
    """
    of_columns = zip(*(frame.dtypes for frame in frames), strict=True)
    for label, dtypes in zip(frames[0].columns, map(set, of_columns), strict=True):
        if len(dtypes) == 1 or not all(getattr(kind, "ordered", False) for kind in dtypes):
            continue
        widest = max(dtypes, key=lambda kind: len(kind.categories))
        for kind in dtypes:
            places = widest.categories.get_indexer(kind.categories)
            if np.any(places < 0) or np.any(np.diff(places) < 0):
                orders = (" < ".join(map(str, each.categories)) for each in (widest, kind))
                raise ValueError(
                    f"Column {label!r} is ordered {' in one chunk of X and '.join(orders)} in "
                    f"another; give all of them one order: X[{label!r}].astype("
                    "pd.CategoricalDtype([...], ordered=True))."
                )
        frames = [frame.assign(**{label: frame[label].astype(widest)}) for frame in frames]
    return frames


def joined(parts):
    """Return the chunks of parts below each other.

    Raises
    ------
    ValueError
        If they do not have the same columns, or columns of the same kinds.
    """
    first, *others = parts
    for chunk, where in others:
        with told_where(where):
            _refuse_unlike(first.chunk, chunk)
    return join([part.chunk for part in parts])


def _refuse_unlike(first, chunk):
    """Raise if a chunk does not have the columns of the first one."""
    if type(first) is not type(chunk):
        return  # told when they are joined
    labels, own = labels_of(first), labels_of(chunk)
    if labels != own:
        raise ValueError(f"X {unlike(labels, own, 'the first chunk')}.")
    if not labels:
        if first.shape[1] != chunk.shape[1]:
            raise ValueError(
                f"X has {chunk.shape[1]} columns here and {first.shape[1]} in the first chunk."
            )
        return
    if _dtypes(first) == _dtypes(chunk):
        return
    pairs = zip(labels, Frame(first).columns(), Frame(chunk).columns(), strict=True)
    for label, before, now in pairs:
        kinds = [(cells.kind, cells.zone is not None) for cells in (before, now)]
        if kinds[0] != kinds[1] and not {"empty"} & {before.kind, now.kind}:
            raise ValueError(
                f"Column {label!r} is of dtype {now.source.dtype} here ({now.kind!r}) and of "
                f"{before.source.dtype} in the first chunk ({before.kind!r}); convert it to one "
                "of them."
            )


def _dtypes(frame):
    """Return the dtypes of the columns of a frame."""
    if isinstance(frame, pd.DataFrame):
        return list(frame.dtypes)
    schema = nw.from_native(frame, eager_only=True).schema
    return list(schema.values())


def unlike(labels, own, whose):
    """Return what a table's `own` columns are other than `labels` in, for messages.

    Parameters
    ----------
    labels, own : list
    whose : str
        What has `labels`.
    """
    known, found = set(labels), set(own)
    missing = [label for label in labels if label not in found]
    other = [label for label in own if label not in known]
    if not missing and not other:
        return f"has its columns in another order, {own}, than {whose}, {labels}"
    parts = [f"lacks columns {missing}"] if missing else []
    parts += [f"has columns {other}"] if other else []
    return f"{' and '.join(parts)}, unlike {whose}"
