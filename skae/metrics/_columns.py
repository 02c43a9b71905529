"""Columns that several tables share, their cells as plain numbers."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from skae.table.validation import as_frame

DAY = np.timedelta64(1, "D")
# What a column holds, by the kinds of cells that readers know; "empty" goes with either.
NUMBERS, LEVELS = {"number", "date", "duration"}, {"category", "boolean"}


@dataclass(frozen=True)
class Column:
    """One column of several tables.

    Attributes
    ----------
    name : label
        The first table's.
    is_number : bool
        Numbers, dates or durations; else levels.
    parts : dict of str to ndarray of float64 of shape (n_samples,)
        Of every table, by its name: numbers (dates and durations in days), or the positions
        of the levels. NaN where missing.
    levels : pandas.Index or None
        The levels that any of the tables holds, as text.
    is_date : bool
        Whether numbers are days since 1970.
    is_duration : bool
        Whether they are days.
    """

    name: object
    is_number: bool
    parts: dict[str, np.ndarray]
    levels: pd.Index | None = None
    is_date: bool = False
    is_duration: bool = False

    def __getitem__(self, table):
        return self.parts[table]

    @property
    def joined(self):
        """The cells of all tables, one after the other."""
        return np.concatenate(list(self.parts.values()))

    def codes(self):
        """Return the levels' positions by table, ndarrays of int; missing is one more."""
        n_levels = len(self.levels)
        return {
            name: np.where(np.isnan(part), n_levels, part).astype(np.int64)
            for name, part in self.parts.items()
        }


def read_columns(min_samples=1, **tables):
    """Return the columns that tables have in common, which must be all.

    Parameters
    ----------
    min_samples : int, default=1
        Rows that every table must have.
    **tables : data frame, array-like or sparse matrix of shape (n_samples, n_features)
        By the names of the parameters that they are. Columns of frames are matched by
        their labels, in any order; those of arrays by their positions.

    Returns
    -------
    columns : list of Column
        In the order of the first table.

    Raises
    ------
    ValueError
        If the tables' columns, or what they hold, differ, a table has too few rows, or a
        number is infinite.
    """
    frames = {name: _as_frame(table, name) for name, table in tables.items()}
    for name, frame in frames.items():
        if len(frame) < min_samples:
            raise ValueError(
                f"{name} has {len(frame)} rows, but at least {min_samples} are needed; "
                "give more rows."
            )
    by_label = all(as_frame(table) is not None for table in tables.values())
    first_name, first = next(iter(frames.items()))
    match = _by_label if by_label else _by_position
    places = [match(first, first_name, frame, name) for name, frame in frames.items()]
    columns = []
    for i, label in enumerate(first.labels):
        cells = {
            name: frame.column(place[i])
            for (name, frame), place in zip(frames.items(), places, strict=True)
        }
        columns.append(_join(label, cells))
    return columns


def _as_frame(table, name):
    """Return a `Frame`; columns of arrays are called x0, x1, ..."""
    frame = as_frame(table)
    if frame is not None:
        return frame
    array = table.toarray() if issparse(table) else np.asarray(table)
    if array.dtype.kind == "b":  # of an array what is drawn are numbers
        array = array.astype(np.float64)
    if array.ndim != 2:
        raise ValueError(
            f"{name} has shape {array.shape}, but a table has two dimensions; reshape it to "
            "(n_samples, n_features)."
        )
    labels = [f"x{i}" for i in range(array.shape[1])]
    return as_frame(pd.DataFrame(array, columns=labels).infer_objects())


def _by_label(first, first_name, frame, name):
    """Return the positions of the first table's columns in another one."""
    # An index takes NaN, which a label may be, for itself.
    first_labels, labels = (
        pd.Index(table.labels, dtype=object, tupleize_cols=False)
        for table in (first, frame)
    )
    places = labels.get_indexer(first_labels)
    missing = first_labels[places < 0].tolist()
    more = labels[first_labels.get_indexer(labels) < 0].tolist()
    if missing or more:
        raise ValueError(
            f"The columns of {name} and {first_name} differ: {name} lacks {missing} and "
            f"has {more} besides; give the same columns in both."
        )
    return places.tolist()


def _by_position(first, first_name, frame, name):
    if first.shape[1] != frame.shape[1]:
        raise ValueError(
            f"{name} has {frame.shape[1]} columns, but {first_name} has "
            f"{first.shape[1]}; give the same columns in both."
        )
    return range(first.shape[1])


def _join(label, cells):
    """Return a `Column` of the cells of every table, dict of `Cells`."""
    kinds = {name: part.kind for name, part in cells.items() if not part.all_missing}
    found = set(kinds.values())
    if found <= NUMBERS and len(found) <= 1:
        parts = {name: _floats(part, label, name) for name, part in cells.items()}
        if any(part.data.dtype == np.float32 for part in cells.values()):
            # 0.1 is another number in float64, by which tables would be told.
            largest = np.finfo(np.float32).max
            parts = {
                name: part.clip(-largest, largest).astype(np.float32).astype(np.float64)
                for name, part in parts.items()
            }
        kind = {"is_date": "date" in found, "is_duration": "duration" in found}
        return Column(label, True, parts, **kind)
    if not found <= LEVELS:
        raise ValueError(
            f"Column {label!r} holds different things in the tables: {kinds}; convert it "
            "to one dtype in all of them, for example with astype."
        )
    return _join_levels(label, cells)


def _floats(cells, label, table):
    if cells.all_missing:
        return np.full(len(cells), np.nan)
    values = cells.data
    if values.dtype.kind in "mM":
        values = (values - values.dtype.type(0, "D")) / DAY
    else:
        values = cells.floats().astype(np.float64)
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        raise ValueError(
            f"{table} holds an infinite number in row {infinite[0]} of column {label!r}; "
            "replace it by a number or a missing value."
        )
    values = np.array(values, dtype=np.float64)
    if cells.missing is not None:
        values[cells.missing] = np.nan
    return values


def _join_levels(label, cells):
    # As text: a boolean is the same level in a column of booleans and in one of objects.
    texts = {name: _texts(part) for name, part in cells.items()}
    levels = pd.Index(
        np.unique(np.concatenate([text[~missing] for text, missing in texts.values()]))
    )
    parts = {}
    for name, (text, missing) in texts.items():
        codes = levels.get_indexer(text).astype(np.float64)
        codes[missing] = np.nan
        parts[name] = codes
    return Column(label, False, parts, levels)


def _texts(cells):
    """Return levels as text, ndarray of object, and which are missing."""
    missing = cells.is_missing()
    if cells.all_missing:
        return np.full(len(cells), "", dtype=object), np.ones(len(cells), dtype=bool)
    text = np.array([_as_text(cell) for cell in cells.objects()], dtype=object)
    return text, missing


def _as_text(cell):
    """Return a level as text; 1.0 is the same as 1."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
