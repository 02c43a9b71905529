"""Files that are read chunk by chunk: Parquet, CSV and others, by pyarrow."""

import glob
import os

from skae.lazy.datasets import of_dataset

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
DELIMITERS = {"csv": ",", "tsv": "\t"}
SEPARATORS = ";\t|,"
BINARY = {
    "parquet": "ParquetFileFormat",
    "feather": "FeatherFileFormat",
    "orc": "OrcFileFormat",
}
# First letters of what engines write beside their tables.
HIDDEN = "._"


def of_path(path):
    """Return the source of files at a path, in a folder, or that a pattern fits."""
    if "://" in path:
        return None  # what reads it is told elsewhere
    path = os.path.expanduser(path)
    if os.path.isdir(path):
        files = _files_in(path)
    elif any(sign in path for sign in GLOB) and not os.path.exists(path):
        files = sorted(glob.glob(path, recursive=True)) or [path]
    else:
        return of_paths([path], path)
    source = of_paths(files, path)
    if source is None:
        raise FileNotFoundError(
            f"X={path!r}: there are no files whose names end in one of "
            f"{', '.join(FORMATS)}; if others hold a table, give "
            "pyarrow.dataset.dataset(paths, format=...)."
        )
    return source


def of_paths(files, path=None):
    """Return the source of several files, which `path` stands for."""
    files = [os.path.expanduser(file) for file in files]
    given = path or files
    endings = {file: _format_of(file) for file in files}
    own = {form for form in endings.values() if form is not None}
    if not own:
        return None
    missing = [file for file in files if not os.path.exists(file)]
    if missing:
        which = "" if path else f" as {missing[0]!r}"
        raise FileNotFoundError(f"X={given!r}: there is no such file or folder{which}.")
    if len(own) > 1:
        raise ValueError(
            f"X={given!r} stands for files of several formats, {sorted(own)}; give a pattern "
            f"of one, such as '*.{min(own)}'."
        )
    try:
        from pyarrow import dataset, fs
    except ImportError as error:
        raise ImportError(
            f"X={given!r}: files are read by pyarrow, which is not installed; install it, or "
            "read them first."
        ) from error
    (form,) = own
    options = dataset.FileSystemFactoryOptions(
        partition_base_dir=_base_of(files, path),
        partitioning=dataset.HivePartitioning.discover(),
    )
    # What else lies in a folder, such as a README, is no part of the table.
    named = [file for file in files if endings[file] is not None]
    factory = dataset.FileSystemDatasetFactory(
        fs.LocalFileSystem(), named, _reader_of(form), options
    )
    if form not in DELIMITERS:
        return of_dataset(factory.finish(), unify=True, alike=True, read_from=form)
    return _of_text(factory, form, named, given)


def _of_text(factory, form, files, given):
    """Return the source of files of text, unless these are written otherwise than thought."""
    import pyarrow as pa

    delimiter = DELIMITERS[form]
    remedy = "read it with pl.scan_csv(path, separator=..., encoding=...), and give that"
    try:
        table = factory.finish()
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"X={given!r} cannot be read: {error}; if need be, {remedy}."
        ) from error
    (name, *others), types = table.schema.names, table.schema.types
    found = [sign for sign in SEPARATORS if sign in name and sign != delimiter]
    if found and not others:
        raise ValueError(
            f"X={given!r}: {files[0]!r} has a single column {name!r}, whose cells seem to be "
            f"separated by {found[0]!r}; {remedy}."
        )
    strange = [
        n for n, t in zip(table.schema.names, types, strict=True) if pa.types.is_binary(t)
    ]
    if strange:
        raise ValueError(
            f"X={given!r}: columns {strange} of {files[0]!r} are not encoded in UTF-8; {remedy}."
        )
    return of_dataset(table, unify=True, alike=True, read_from=form)


def _reader_of(form):
    """Return the format of pyarrow; empty cells of text are missing, as in pandas."""
    from pyarrow import csv, dataset

    if form in DELIMITERS:
        return dataset.CsvFileFormat(
            csv.ParseOptions(delimiter=DELIMITERS[form]),
            convert_options=csv.ConvertOptions(strings_can_be_null=True),
        )
    return getattr(dataset, BINARY[form])()


def _files_in(folder):
    """Return the files in a folder, but for those that engines hide by their first letter."""
    files = []
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] not in HIDDEN)
        files += [
            os.path.join(path, name) for name in sorted(names) if name[0] not in HIDDEN
        ]
    return files


def _base_of(files, path):
    """Return the folder below which names such as "year=2024" are columns."""
    if path is not None and os.path.isdir(path):
        return path
    return os.path.commonpath([os.path.dirname(file) or "." for file in files])


def _format_of(file):
    """Return the format that the ending of a file's name says, None if it says none."""
    name = os.path.basename(file).lower()
    return next((form for ending, form in FORMATS.items() if name.endswith(ending)), None)
