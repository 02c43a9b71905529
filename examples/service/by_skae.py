"""A detector from a file of `skae.save`, by skae itself, which also says what is guilty."""

import numpy as np
import pandas as pd
import sklearn
import torch
from cells import Column

import skae
import skae.export


class SkaeScorer:
    """Scores rows of JSON by a fitted `AEAnomalyDetector`.

    Parameters
    ----------
    path : str or os.PathLike
        Written by `skae.save`.

    Attributes
    ----------
    columns : list of cells.Column
    about : dict
        What `GET /model` says of the file.
    """

    def __init__(self, path):
        self.detector = skae.load(path)
        if not hasattr(self.detector, "pvalues"):
            raise ValueError(
                f"{path}: the file holds {type(self.detector).__name__}, which has no "
                "p-values; save a fitted AEAnomalyDetector."
            )
        module = skae.export.module(self.detector)
        self.is_array, self._raw = module.is_array, module.columns
        self.columns = [_column_of(column, place) for place, column in enumerate(self._raw)]
        self.about = {
            "estimator": type(self.detector).__name__,
            "file": "skops",
            "versions": {
                "skae": skae.__version__,
                "torch": torch.__version__,
                "scikit-learn": sklearn.__version__,
            },
            "threshold": float(self.detector.offset_),
        }
        # What is made when it is first used is made before there are threads.
        self.score([[None] * len(self.columns)])

    def score(self, rows):
        """Return score, label and p-value of checked rows, each a list.

        Parameters
        ----------
        rows : list of list
            As `cells.parse` returns them.
        """
        X = self.table(rows)
        scores = self.detector.score_samples(X)
        # As `predict`, which would score the rows again.
        labels = np.where(scores < self.detector.offset_, -1, 1)
        return scores.tolist(), labels.tolist(), self.detector.pvalues(X).tolist()

    def explain(self, rows, n_cells):
        """Return for each row its guilty cells, the guiltiest first: (place, contribution)."""
        found = np.asarray(self.detector.explain(self.table(rows)), dtype=np.float64)
        order = np.argsort(-found, axis=1, kind="stable")[:, :n_cells]
        return [
            [(int(i), float(row[i])) for i in places if row[i] > 0.0]
            for row, places in zip(found, order, strict=True)
        ]

    def table(self, rows):
        """Return checked rows as what was fitted: a data frame or an array."""
        if self.is_array:
            return np.array(rows, dtype=np.float64).reshape(len(rows), -1)
        columns = zip(self._raw, self.columns, zip(*rows, strict=True), strict=True)
        made = [_series(raw, column, list(cells)) for raw, column, cells in columns]
        frame = pd.concat(made, axis=1)
        frame.columns = [raw.name for raw in self._raw]
        return frame


def _column_of(raw, place):
    """Return the `Column` of a column of the fit."""
    name = f"x{place}" if raw.name is None else str(raw.name)
    if raw.is_empty:
        return Column(name, "ignored")
    if raw.levels is None:
        if raw.unit is not None:
            return Column(name, raw.kind, None, raw.unit, raw.zone)
        return Column(name, "number" if raw.is_plain else "whole number")
    kinds = {bool if isinstance(v, (bool, np.bool_)) else type(v) for v in raw.levels}
    if kinds <= {bool}:
        return Column(name, "boolean", tuple(bool(v) for v in raw.levels))
    if kinds <= {int, float}:
        return Column(name, "code", tuple(raw.levels))
    return Column(name, "text", tuple(str(level) for level in raw.levels))


def _series(raw, column, cells):
    """Return cells in the dtype that a column of the kind had in fit."""
    if column.kind in ("number", "ignored"):
        return pd.Series(cells, dtype="float64")
    if column.kind == "whole number":
        return pd.Series(cells, dtype="UInt64" if raw.is_unsigned else "Int64")
    if column.kind == "boolean":
        return pd.Series(cells, dtype="boolean")
    if column.kind in ("date", "duration"):
        letter = "M" if column.kind == "date" else "m"
        ticks = ["NaT" if cell is None else cell for cell in cells]
        times = pd.Series(np.array(ticks, dtype=f"{letter}8[{column.unit}]"))
        if column.zone is not None:
            times = times.dt.tz_localize("UTC").dt.tz_convert(column.zone)
        return times
    levels = dict(zip(column.levels, raw.levels, strict=True))
    values = [None if cell is None else levels.get(cell, cell) for cell in cells]
    return pd.Series(values, dtype="object").astype("category")
