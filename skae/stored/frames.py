"""Columns and data frames of any library, as what `Writer` can write."""

import io
import sys

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skae.stored.values import zone_name, zone_of

# ------------------------------------------------------------------ cells of pandas


def write_cells(cells):
    """Return what there is to know of an array of pandas or numpy, dict."""
    if isinstance(cells, np.ndarray):
        return {"of": "numpy", "cells": cells}
    dtype = cells.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        codes = np.asarray(cells.codes)
        return {
            "of": "category",
            "cells": codes,
            "levels": dtype.categories,
            "ordered": bool(dtype.ordered),
        }
    if isinstance(dtype, pd.DatetimeTZDtype):
        times = pd.DatetimeIndex(cells).tz_convert("UTC").tz_localize(None)
        return {"of": "zone", "cells": times.to_numpy(), "zone": zone_name(dtype.tz)}
    if isinstance(dtype, pd.StringDtype):
        texts = [None if cell is dtype.na_value else cell for cell in cells]
        texts = [None if pd.isna(cell) else str(cell) for cell in texts]
        is_na = dtype.na_value is pd.NA
        return {"of": "text", "cells": texts, "storage": dtype.storage, "is_na": is_na}
    if isinstance(dtype, pd.ArrowDtype):
        return {"of": "arrow", "cells": _arrow_bytes(cells)}
    if isinstance(dtype, pd.PeriodDtype):
        return {"of": "period", "cells": cells.asi8, "frequency": dtype.freq}
    if isinstance(dtype, pd.IntervalDtype):
        ends = {"low": pd.Index(cells.left), "high": pd.Index(cells.right)}
        return {"of": "interval", **ends, "closed": dtype.closed}
    if isinstance(dtype, pd.SparseDtype):
        dense = np.asarray(cells.to_dense())
        return {"of": "sparse", "cells": dense, "fill": dtype.fill_value}
    if hasattr(dtype, "numpy_dtype"):
        missing = np.asarray(cells.isna())
        values = cells.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.type(0))
        return {"of": "masked", "cells": values, "missing": missing}
    # Times and durations without a zone; others are not of pandas.
    return {"of": "numpy", "cells": np.asarray(cells)}


def read_cells(state):
    """Undo `write_cells`."""
    return READERS[state["of"]](state)


def _read_text(state):
    # pandas 2.2 has no other missing text than NA.
    settings = {} if state["is_na"] else {"na_value": np.nan}
    dtype = pd.StringDtype(state["storage"], **settings)
    return pd.array(np.array([*state["cells"], None], dtype=object)[:-1], dtype=dtype)


def _read_zone(state):
    times = pd.DatetimeIndex(state["cells"]).tz_localize("UTC")
    return times.tz_convert(zone_of(state["zone"])).array


def _read_category(state):
    dtype = pd.CategoricalDtype(state["levels"], state["ordered"])
    return pd.Categorical.from_codes(state["cells"], dtype=dtype)


def _read_masked(state):
    values, missing = state["cells"], state["missing"]
    kind = pd.array(values[:0], dtype=_masked_name(values.dtype))
    return type(kind)(values, missing)


def _masked_name(dtype):
    name = dtype.name
    return (
        "boolean"
        if name == "bool"
        else name.replace("i", "I", 1).replace("f", "F", 1)
        if (name[0] in "if")
        else name.replace("uint", "UInt")
    )


def _arrow_bytes(cells):
    import pyarrow as pa

    sink = io.BytesIO()
    table = pa.table({"cells": cells.__arrow_array__()})
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return np.frombuffer(sink.getvalue(), dtype=np.uint8)


def _read_arrow(state):
    import pyarrow as pa

    column = pa.ipc.open_stream(state["cells"].tobytes()).read_all().column(0)
    return pd.arrays.ArrowExtensionArray(column)


READERS = {
    "numpy": lambda state: state["cells"],
    "category": _read_category,
    "zone": _read_zone,
    "text": _read_text,
    "arrow": _read_arrow,
    "period": lambda state: pd.arrays.PeriodArray(
        state["cells"], dtype=pd.PeriodDtype(state["frequency"])
    ),
    "interval": lambda state: pd.arrays.IntervalArray.from_arrays(
        state["low"], state["high"], state["closed"]
    ),
    "sparse": lambda state: pd.arrays.SparseArray(state["cells"], fill_value=state["fill"]),
    "masked": _read_masked,
}


# ------------------------------------------------------------------ indexes


def write_index(index):
    """Return what there is to know of an index of pandas, dict."""
    if isinstance(index, pd.MultiIndex):
        return {"of": "many", "cells": index.tolist(), "names": list(index.names)}
    if isinstance(index, pd.RangeIndex):
        return {
            "of": "range",
            "cells": [index.start, index.stop, index.step],
            "name": index.name,
        }
    cells = index.array
    plain = isinstance(index.dtype, np.dtype)
    return {**write_cells(index.to_numpy() if plain else cells), "name": index.name}


def read_index(state):
    """Undo `write_index`."""
    if state["of"] == "many":
        return pd.MultiIndex.from_tuples(state["cells"], names=state["names"])
    if state["of"] == "range":
        return pd.RangeIndex(*state["cells"], name=state["name"])
    cells = read_cells(state)
    return pd.Index(cells, dtype=cells.dtype, name=state["name"])


# ------------------------------------------------------------------ frames


def write_frame(frame):
    """Return what there is to know of a native frame, dict; None if nothing can be told."""
    if isinstance(frame, pd.DataFrame):
        labels, own = frame.columns, frame.copy(deep=False)
        own.columns = range(own.shape[1])
        columns = []
        for _, column in own.items():
            plain = isinstance(column.dtype, np.dtype)
            columns.append(write_cells(column.to_numpy() if plain else column.array))
        return {
            "of": "pandas",
            "labels": labels,
            "rows": len(frame),
            "columns": columns,
        }
    library = nw.from_native(frame, eager_only=True).implementation
    if library.is_polars():
        sink = io.BytesIO()
        frame.write_ipc(sink)
        return {"of": "polars", "bytes": np.frombuffer(sink.getvalue(), dtype=np.uint8)}
    if library.is_pyarrow():
        import pyarrow as pa

        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, frame.schema) as stream:
            stream.write_table(frame)
        return {"of": "pyarrow", "bytes": np.frombuffer(sink.getvalue(), dtype=np.uint8)}
    return None


def read_frame(state):
    """Undo `write_frame`; the rows are numbered anew.

    Raises
    ------
    ImportError
        If the library of the frame is not installed.
    """
    library = state["of"]
    if library == "pandas":
        rows = pd.RangeIndex(state["rows"])
        columns = [pd.Series(read_cells(own), index=rows) for own in state["columns"]]
        frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=rows)
        frame.columns = state["labels"]
        return frame
    if library not in sys.modules:
        try:
            __import__({"polars": "polars", "pyarrow": "pyarrow"}[library])
        except ImportError as error:
            raise ImportError(
                f"The estimator was fitted on a frame of {library}, which is not "
                f"installed here; install it, for example by pip install {library}."
            ) from error
    if library == "polars":
        return sys.modules["polars"].read_ipc(io.BytesIO(state["bytes"].tobytes()))
    import pyarrow as pa

    return pa.ipc.open_stream(state["bytes"].tobytes()).read_all()
