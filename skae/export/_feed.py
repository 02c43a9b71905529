"""Rows of a table as what an ONNX graph takes."""

import json
import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skae.export._onnx import KEY
from skae.table.validation import as_frame


def feed(session, X) -> dict[str, NDArray[Any]]:
    """Return rows of a table as what a graph written by `onnx` takes.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        Of such a file.
    X : data frame or array-like of shape (n_samples, n_features)
        Rows with the columns seen in fit.

    Returns
    -------
    inputs : dict of str to ndarray
        For ``session.run(None, inputs)``.

    Raises
    ------
    ValueError
        If the file was not written by `onnx`, X lacks a column, or a column is of another
        kind than in fit.
    """
    found = session.get_modelmeta().custom_metadata_map.get(KEY)
    if found is None:
        raise ValueError(
            f"The file has no metadata {KEY!r}: it was not written by skae.export.onnx. "
            "Feed it the inputs that session.get_inputs() lists."
        )
    columns = json.loads(found)["columns"]
    frame = as_frame(X)
    if columns[0].get("input") == "X" and "place" in columns[0]:
        values = X if frame is None else frame.narwhals.to_numpy()
        return {"X": np.asarray(values, dtype=np.float64)}
    if frame is None:
        raise ValueError(
            f"X is a {type(X).__name__}, but a data frame was fitted; pass a data frame."
        )
    places = {str(label): i for i, label in enumerate(frame.labels)}
    missing = [c["name"] for c in columns if str(c["name"]) not in places]
    if missing:
        raise ValueError(f"X lacks the columns {missing}, which were there in fit.")
    return {
        column["input"]: _cells(column, frame.column(places[str(column["name"])]))[:, None]
        for column in columns
        if column["input"] is not None
    }


def _check_kind(column, cells):
    """Raise where the graph would take cells for what they are not."""
    expected = column["kind"]
    if expected in ("category", "ordered"):
        # Levels that are numbers stand for themselves; all else is text.
        if column["type"] == "string" or cells.kind != "category":
            return
        if all(isinstance(level, numbers.Number) for level in cells.levels):
            return
    elif cells.kind == expected:
        return
    raise ValueError(
        f"Column {column['name']!r} was of kind {expected!r} in fit, which the graph takes as "
        f"{column['type']}, and is of kind {cells.kind!r} now (dtype {cells.source.dtype}); "
        "convert it first to the dtype that it had."
    )


def _cells(column, cells):
    """Return `Cells` in the type of an input, ndarray of shape (n,)."""
    hidden = cells.is_missing()
    if cells.all_missing:
        kind = {"double": np.float64, "int64": np.int64, "string": object}[column["type"]]
        nothing = np.nan if column["type"] == "double" else column["missing"]
        return np.full(len(cells), nothing, dtype=kind)
    _check_kind(column, cells)
    if column["type"] == "double":
        return np.where(hidden, np.nan, cells.floats().astype(np.float64))
    if column["type"] == "string":
        values = cells.objects()
        texts = [column["missing"] if v is None else str(v) for v in values.tolist()]
        return np.array(texts, dtype=object)
    data = cells.data
    if "unit" in column:
        data = data.astype(f"{'M' if column['kind'] == 'date' else 'm'}8[{column['unit']}]")
    elif cells.levels is not None:
        levels = np.array([int(level) for level in cells.levels], dtype=np.int64)
        data = np.append(levels, 0)[data]
    elif data.dtype.kind == "f":
        data = np.where(hidden, 0.0, data)
    return np.where(hidden, column["missing"], data.astype(np.int64))
