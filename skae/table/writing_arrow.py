"""Columns written in the types of Arrow, for pyarrow and for pandas."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skae.table.bounds import into, into_decimal, with_none

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
        return pa.array(values, mask=missing).cast(kind)
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
    counts = values.astype(f"{values.dtype.kind}8[{unit}]").view(np.int64)
    counts = np.where(missing, 0, counts)
    return pa.array(counts, mask=missing).cast(width).cast(kind)


def _as_dictionary(cells, kind):
    """Return the cells as a dictionary of the type, the numbers of the levels included."""
    encoded = cells.dictionary_encode()
    indices = encoded.indices.cast(kind.index_type)
    return pa.DictionaryArray.from_arrays(indices, encoded.dictionary, ordered=kind.ordered)


def fill_arrow(column, missing, filled):
    """Return a chunked array with its missing cells taken from another of any type."""
    kind = filled.type
    if is_type.is_dictionary(kind):
        plain = (c.cast(kind.value_type).combine_chunks() for c in (column, filled))
        cells = _as_dictionary(pc.if_else(pa.array(~missing), *plain), kind)
        return pa.chunked_array([cells])
    cells = pc.if_else(pa.array(~missing), column.cast(kind), filled)
    return cells if isinstance(cells, pa.ChunkedArray) else pa.chunked_array([cells])
