"""A detector from an ONNX file, by onnxruntime: no torch, no scikit-learn, no skae."""

import json

import numpy as np
import onnxruntime
from cells import Column

DTYPES = {"double": np.float64, "int64": np.int64, "string": object}


class OnnxScorer:
    """Scores rows of JSON by a file that `skae.export.onnx` wrote.

    Parameters
    ----------
    path : str or os.PathLike

    Attributes
    ----------
    columns : list of cells.Column
    about : dict
        What `GET /model` says of the file.
    """

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        # Clients are served side by side: each on a thread of its own.
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        found = self._session.get_modelmeta().custom_metadata_map.get("skae")
        if found is None:
            raise ValueError(
                f"{path}: no file of skae.export.onnx: it has no metadata 'skae'."
            )
        said = json.loads(found)
        self._outputs = _outputs_of(said, path)
        self._described = said["columns"]
        self.is_array = self._described[0].get("input") == "X" and (
            "place" in self._described[0]
        )
        self.columns = [_column_of(column) for column in self._described]
        versions = {name: said[name] for name in ("skae", "torch", "scikit-learn")}
        versions["onnxruntime"] = onnxruntime.__version__
        self.about = {
            "estimator": said["estimator"],
            "file": "onnx",
            "versions": versions,
            "threshold": said["offset"],
        }

    def score(self, rows):
        """Return score, label and p-value of checked rows, each a list.

        Parameters
        ----------
        rows : list of list
            As `cells.parse` returns them.
        """
        results = self._session.run(self._outputs, self._inputs(rows))
        return tuple(result.tolist() for result in results)

    def explain(self, rows, n_cells):
        """Return None: which cells are guilty the graph does not say."""
        return None

    def _inputs(self, rows):
        columns = list(zip(*rows, strict=True))
        if self.is_array:
            # None is NaN as a float.
            return {"X": np.array(rows, dtype=np.float64).reshape(len(rows), -1)}
        return {
            described["input"]: self._input(column, described, cells)
            for column, described, cells in zip(
                self.columns, self._described, columns, strict=True
            )
            if described["input"] is not None
        }

    def _input(self, column, described, cells):
        """Return the cells of a column as the graph takes them, of shape (n, 1)."""
        kind = described["type"]
        missing = float("nan") if kind == "double" else described["missing"]
        if column.levels is not None:
            unknown = _unlike(column.levels, missing, kind)
            cells = [unknown if column.is_unknown(cell) else cell for cell in cells]
        cells = [missing if cell is None else cell for cell in cells]
        return np.array(cells, dtype=DTYPES[kind])[:, None]


def _outputs_of(said, path):
    """Return the names of the outputs: score, label, p-value."""
    names = {output["method"]: output["name"] for output in said["outputs"]}
    wanted = ["score_samples", "predict", "pvalues"]
    lacking = [method for method in wanted if method not in names]
    if lacking:
        raise ValueError(
            f"{path}: the file lacks {', '.join(lacking)}. Write it by "
            "skae.export.onnx(detector, path), of an AEAnomalyDetector."
        )
    return [names[method] for method in wanted]


def _column_of(described):
    """Return the `Column` that a file describes."""
    name = str(described["name"])
    if described["input"] is None or described["kind"] == "empty":
        return Column(name, "ignored")
    kind, levels = described.get("type", "double"), described.get("levels")
    if levels is not None:
        is_boolean = all(isinstance(level, bool) for level in levels)
        kind = "boolean" if is_boolean else "text" if kind == "string" else "code"
        return Column(name, kind, tuple(levels))
    if "unit" in described:
        return Column(name, described["kind"], None, described["unit"], described["zone"])
    return Column(name, "whole number" if kind == "int64" else "number")


def _unlike(levels, missing, kind):
    """Return a value that is neither a level nor a missing cell."""
    if kind == "string":
        value = "<unknown>"
        while value in levels or value == missing:
            value += "<unknown>"
        return value
    value = 2
    while value in levels or value == missing:
        value += 1
    return value
