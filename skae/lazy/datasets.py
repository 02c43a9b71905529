"""Datasets of pyarrow: their files in turn, each in batches, in the types that all have."""

import re
from contextlib import contextmanager

from skae.lazy.chunks import Part, Source, rows_per_chunk, table_of
from skae.lazy.joining import unlike, wider
from skae.table.reading.arrow import with_wide_index

# Formats whose types are guessed from the first cells, which tell less of others' kinds.
TEXT = "csv", "tsv"
NUMBER = re.compile(r"\s*[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?\s*")


def of_dataset(X, unify=False, alike=False, read_from="dataset"):
    """Return the source of a dataset of pyarrow, which names the file that it cannot read.

    What pandas has written as the index of its rows is no column.

    Parameters
    ----------
    X : pyarrow.dataset.Dataset
    unify : bool, default=False
        Whether columns have the types of all files, not of the first one.
    alike : bool, default=False
        Whether all files are to have the columns of the first one. If not, what these
        have not is missing, and what others have beside them is left out.
    read_from : str, default="dataset"
        See `Source`.
    """
    fragments = _fragments(X)
    schema = X.schema if fragments is None else _schema_of(X.schema, fragments, unify)
    index = _index_columns(schema)
    columns = [name for name in schema.names if name not in index]
    needed = columns if alike else None
    types = schema if alike and read_from not in TEXT else None
    # With threads pyarrow reads on while a chunk is used, and keeps what it has read.
    bounds = {
        "columns": columns,
        "batch_size": rows_per_chunk(len(columns)),
        "batch_readahead": 0,
        "fragment_readahead": 0,
        "use_threads": False,
    }

    def read():
        if fragments is None:
            yield from map(table_of, X.to_batches(**bounds))
            return
        alone = ([fragment] for fragment in fragments)
        pieces = (
            piece for fragment in alone for piece, _ in _pieces(fragment, needed, types)
        )
        yield from _of_fragments(pieces, schema, bounds)

    def divide(rank, size):
        pieces = _pieces(fragments or [], needed, types)
        if len(pieces) < size:
            return None
        ends = [sum(n for _, n in pieces) * i // size for i in range(size + 1)]
        own, start = [], 0
        for piece, n_rows in pieces:
            # Of the worker whose part its middle is in.
            if ends[rank] <= start + n_rows // 2 < ends[rank + 1]:
                own.append(piece)
            start += n_rows
        return lambda: _of_fragments(own, schema, bounds)

    return Source("Dataset", read, divide=divide, read_from=read_from)


def _schema_of(schema, fragments, unify):
    """Return a schema in the types of all files, or only of columns without one in the first."""
    import pyarrow as pa

    for fragment in fragments:
        if not unify and pa.null() not in schema.types:
            break
        with _named_file(fragment):
            own = fragment.physical_schema
        for i, field in enumerate(schema):
            at = own.get_field_index(field.name)
            kind = field.type if at < 0 else own.field(at).type
            if kind != field.type and (unify or pa.types.is_null(field.type)):
                schema = schema.set(i, field.with_type(wider(field.type, kind)))
    if unify and len(fragments) > 1:
        types = map(with_wide_index, schema.types)
        fields = map(pa.Field.with_type, schema, types)
        schema = pa.schema(fields, schema.metadata)
    return schema


def _family(kind):
    """Return what cells of a type are, None if nothing: other files may have what is equal."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return _family(kind.value_type)
    if types.is_null(kind):
        return None
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "numbers"
    if types.is_date(kind) or types.is_timestamp(kind):
        return "times of a zone" if getattr(kind, "tz", None) else "times"
    if "string" in str(kind):
        return "text"
    return kind.id


def _index_columns(schema):
    """Return the columns of a schema that hold the index of a frame of pandas, set of str."""
    written = (schema.pandas_metadata or {}).get("index_columns", [])
    index = {name for name in written if isinstance(name, str)}
    return set() if index >= set(schema.names) else index


def _fragments(X):
    """Return the files of a dataset, None if it is filtered."""
    try:
        return list(X.get_fragments())
    except ValueError:
        return None


def _pieces(fragments, needed, types):
    """Return parts of a dataset that can be read alone, and how long each takes to read.

    These are the row groups of Parquet files, and files of other formats.

    Parameters
    ----------
    fragments : list of pyarrow.dataset.Fragment
    needed : list of str or None
        The columns that files must have, None: any.
    types : pyarrow.Schema or None
        Whose types these must be like, None: any that can be converted.
    """
    pieces = []
    for fragment in fragments:
        if needed is not None:
            _refuse_other_columns(fragment, needed, types)
        if not hasattr(fragment, "split_by_row_group"):
            pieces.append((fragment, 1))
            continue
        with _named_file(fragment):
            groups = fragment.split_by_row_group()
        pieces += [(part, sum(g.num_rows for g in part.row_groups)) for part in groups]
    return pieces


def _refuse_other_columns(fragment, needed, types):
    """Raise if a file does not have the columns that are needed, or has further ones.

    Or, unless `types`, a schema, is None, if a column of it is of another kind.
    """
    from pyarrow.dataset import get_partition_keys

    with _named_file(fragment):
        schema = fragment.physical_schema
        of_folders = get_partition_keys(fragment.partition_expression)
        ignored = _index_columns(schema) | set(of_folders)
        needed = [name for name in needed if name not in of_folders]
        own = [name for name in schema.names if name not in ignored]
        if set(own) != set(needed):
            raise ValueError(
                f"it {unlike(needed, own, 'the first one')}. Give all files the same columns; "
                "or, for missing cells in their place, pyarrow.dataset.dataset(paths, "
                "format=...), which takes the columns of the first file."
            )
        for name in needed if types is not None else ():
            kind, own = types.field(name).type, schema.field(name).type
            if None not in {_family(kind), _family(own)} and _family(kind) != _family(own):
                raise ValueError(
                    f"column {name!r} is of type {own} in it, and {kind} in the first one; "
                    "convert it in one of them."
                )


def _of_fragments(fragments, schema, bounds):
    for fragment in fragments:
        with _named_file(fragment, schema):
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
def _named_file(fragment, schema=None):
    """Let errors of reading say which file it is, and which columns are of other types."""
    try:
        yield
    except (OSError, ValueError, TypeError, NotImplementedError) as error:
        where = _place_of(fragment)
        if where is None:
            raise
        why = str(error)
        if schema is not None:  # what is wrong is in the cells
            own = fragment.physical_schema
            why = _of_text_cell(own.names, why) or why + _of_other_types(own, schema)
        raise ValueError(f"{where} cannot be read like the others: {why}") from error


def _of_other_types(own, schema):
    """Return what is to be told of the columns of a file that are not of the types of others."""
    others = [
        f"{field.name!r} ({field.type}, not {schema.field(field.name).type})"
        for field in own
        if field.name in schema.names and schema.field(field.name).type != field.type
    ]
    return (
        f"; of other types than in the first file are {', '.join(others)}" if others else ""
    )


def _of_text_cell(names, error):
    """Return what is to be told of a cell of text that cannot be of the type of others, or None."""
    parts = re.search(
        r"In CSV column #(\d+).* conversion error to (\w+).*: invalid value '(.*)'", error
    )
    if parts is None:
        return None
    name, kind, cell = names[int(parts[1])], parts[2], parts[3]
    made = "Float64" if kind.startswith("int") and NUMBER.fullmatch(cell) else "String"
    return (
        f"column {name!r} holds {cell!r}, but the first cells are of type {kind}; mend the "
        f"cell, or give pl.scan_csv(X, schema_overrides={{{name!r}: pl.{made}}})."
    )
