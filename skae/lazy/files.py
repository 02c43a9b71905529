"""Files that are read chunk by chunk: Parquet, CSV and others, by pyarrow."""

import glob
import os
from contextlib import contextmanager

from skae.lazy.chunks import Part, Source, rows_per_chunk, table_of

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


def of_dataset(X):
    """Return the source of a dataset of pyarrow, which names the file that it cannot read."""
    # With threads pyarrow reads on while a chunk is used, and keeps what it has read.
    bounds = {
        "batch_size": rows_per_chunk(len(X.schema)),
        "batch_readahead": 0,
        "fragment_readahead": 0,
        "use_threads": False,
    }

    def read():
        fragments = _fragments(X)
        if fragments is None:
            yield from map(table_of, X.to_batches(**bounds))
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
                yield Part(table_of(batch), _place_of(fragment))


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


def of_path(path):
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
    return of_dataset(dataset.dataset(files, format=form))


def _named(files):
    """Return the lower-case names of files, or of those in a folder."""
    if not isinstance(files, str):
        return [name.lower() for name in files]
    if not os.path.isdir(files):
        return [files.lower()]
    return [name.lower() for _, _, names in os.walk(files) for name in names]
