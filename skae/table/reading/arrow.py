"""Columns of pyarrow."""

import sys

import numpy as np
import pandas as pd

from skae.table.cells import booleans, categories, empty, floats, numbers, times
from skae.table.reading.refusal import refuse


def read_arrow(column, source):
    """Return the cells of an Array or a ChunkedArray."""
    pa, kind = sys.modules["pyarrow"], column.type
    if not isinstance(column, pa.ChunkedArray):
        column = pa.chunked_array([column])
    types = pa.types
    if types.is_floating(kind):
        return floats(column.to_numpy(), source)
    if types.is_integer(kind):
        return numbers(*_filled(column, 0), source)
    if types.is_boolean(kind):
        return booleans(*_filled(column, False), source)
    if types.is_string(kind) or types.is_large_string(kind):
        return _read_dictionary(pa, column.dictionary_encode(), source)
    if types.is_dictionary(kind):
        return _read_dictionary(pa, column, source)
    if types.is_timestamp(kind) or types.is_duration(kind) or types.is_date(kind):
        return _read_times(pa, column, source)
    if types.is_decimal(kind):
        return floats(column.cast(pa.float64()).to_numpy(), source)
    if str(kind) == "string_view":
        return read_arrow(column.cast(pa.string()), source)
    if types.is_run_end_encoded(kind):
        return read_arrow(pa.compute.run_end_decode(column), source)
    nothing = column.null_count == len(column)
    return empty(len(column), source) if nothing else refuse(source)


def with_wide_index(kind):
    """Return a type of Arrow; of a dictionary, one whose levels may be any number."""
    pa = sys.modules["pyarrow"]
    if not pa.types.is_dictionary(kind) or kind.index_type.bit_width >= 32:
        return kind
    return pa.dictionary(pa.int32(), kind.value_type, kind.ordered)


def _filled(column, value):
    """Return the cells as an array, with `value` where they are missing, and where."""
    if not column.null_count:
        return column.to_numpy(), None
    return column.fill_null(value).to_numpy(), column.is_null().to_numpy()


def _read_times(pa, column, source):
    kind = column.type
    letter = "m8" if pa.types.is_duration(kind) else "M8"
    unit = getattr(kind, "unit", "D" if pa.types.is_date32(kind) else "ms")
    steps = column.cast(pa.int32()) if unit == "D" else column
    steps, missing = _filled(steps.cast(pa.int64()), 0)
    values = steps.view(f"{letter}[{unit}]")
    if missing is not None:
        values = np.where(missing, values.dtype.type("NaT"), values)
    return times(values, source, getattr(kind, "tz", None))


def _read_dictionary(pa, column, source):
    """Return the cells of a dictionary, whose values may be text, numbers or dates."""
    kind = column.type.value_type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        return refuse(source)
    # The levels of all chunks together may be more than a narrow index numbers.
    chunks = column.cast(with_wide_index(column.type)).unify_dictionaries().chunks
    if not chunks:
        return empty(0, source)
    values = chunks[0].dictionary.to_pandas()
    # Their own type may have no -1.
    indices = (chunk.indices.cast(pa.int32()) for chunk in chunks)
    codes = [_filled(pa.chunked_array([part]), -1)[0] for part in indices]
    codes = np.concatenate(codes)
    levels = values.to_numpy(dtype=object)
    # A dictionary may hold null, and a value twice.
    places, levels = pd.factorize(levels)
    return categories(np.append(places, -1)[codes], levels, source)
