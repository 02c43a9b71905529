"""Chunks of a table below each other: they have the same columns, of the same kinds."""

import sys
from functools import reduce

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from scipy.sparse import vstack

from skae.lazy.chunks import told_where
from skae.table.frame import Frame
from skae.table.reading.arrow import with_wide_index
from skae.table.sources import labels_of


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
