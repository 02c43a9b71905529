"""Columns written in the types of Arrow, for pyarrow and for pandas."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skae.table.bounds import into, into_decimal, into_unit, with_none

is_type = pa.types


def arrow_column(values, missing, kind):
    """Return `arrow_array` as a table's column."""
    return pa.chunked_array([arrow_array(values, missing, kind)])


def arrow_array(values, missing, kind):
    """Return an array of an Arrow type.

    Parameters
    ----------
    values : ndarray of shape (n,)
    missing : ndarray of bool of shape (n,)
    kind : pyarrow.DataType
    """
    if is_type.is_dictionary(kind):
        cells = arrow_array(values, missing, kind.value_type)
        return _as_dictionary(cells, kind)
    if missing.all():
        return pa.nulls(len(values), kind)
    if values.dtype.kind in "mM":
        return _times(values, missing, kind)
    if values.dtype.kind in "iuf" and is_type.is_decimal(kind):
        values = into_decimal(values, kind.precision, kind.scale)
        # Floats become narrow decimals by way of wide ones only.
        wide = pa.decimal256(kind.precision, kind.scale)
        return pa.array(values, mask=missing).cast(wide).cast(kind)
    if values.dtype.kind in "iuf" and (
        is_type.is_integer(kind) or is_type.is_floating(kind)
    ):
        values = into(values, np.dtype(kind.to_pandas_dtype()))
        return pa.array(values, kind, mask=missing)
    cells = with_none(values, missing)
    try:
        return pa.array(cells, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return pa.array(cells).cast(kind)


def _times(values, missing, kind):
    """Return times as counts of the type's unit, which need no time zone."""
    if is_type.is_date32(kind):
        unit, width = "D", pa.int32()
    else:
        unit, width = "ms" if is_type.is_date64(kind) else kind.unit, pa.int64()
    counts = into_unit(values, unit).view(np.int64)
    counts = np.where(missing, 0, counts)
    return pa.array(counts, mask=missing).cast(width).cast(kind)


def _as_dictionary(cells, kind):
    """Return the cells as a dictionary of the type, and of its index if that has the numbers."""
    encoded = cells.cast(kind.value_type).dictionary_encode()
    most = np.iinfo(kind.index_type.to_pandas_dtype()).max
    is_enough = len(encoded.dictionary) <= most + 1
    indices = encoded.indices.cast(kind.index_type if is_enough else pa.int32())
    return pa.DictionaryArray.from_arrays(indices, encoded.dictionary, ordered=kind.ordered)


def as_chunks(cells):
    """Return an array of Arrow as a chunked one."""
    return cells if isinstance(cells, pa.ChunkedArray) else pa.chunked_array([cells])


def fill_arrow(column, missing, filled):
    """Return a chunked array with its missing cells taken from another of any type."""
    kind, there = filled.type, pa.array(~missing)
    plain = _plain(kind)
    pair = (cells.cast(plain).combine_chunks() for cells in (column, filled))
    cells = pc.if_else(there, *pair)
    is_dictionary = is_type.is_dictionary(kind)
    return pa.chunked_array(
        [_as_dictionary(cells, kind) if is_dictionary else cells.cast(kind)]
    )


def _plain(kind):
    """Return the type of the same cells that Arrow can choose among."""
    if is_type.is_dictionary(kind):
        return _plain(kind.value_type)
    # By its name: not all versions have it.
    return pa.large_string() if str(kind) == "string_view" else kind
