"""What the user asks of sampled rows, read: cells that are given, and ranges of others."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from skae.conditionals.reading import SEVERAL, ConditionReader, as_list
from skae.table.validation import as_frame

# Rows that meet the conditions are too improbable to be drawn below this.
LEAST_PROBABILITY = 1e-6


class Conditions(NamedTuple):
    """What is asked of rows.

    Attributes
    ----------
    n_rows : int
    fixed : ndarray of float64 of shape (n_rows, n_columns)
        Cells that are given, NaN where none is; also whether they are missing, where that is
        a level.
    allowed : dict of int to tuple (low, high) of numbers, or ndarray of bool of levels
        By column; whether a cell is missing before the cell.
    alike : bool
        Whether the same is asked of all rows.
    """

    n_rows: int
    fixed: Any
    allowed: dict
    alike: bool


def read_conditions(given, n_samples, table, variables):
    """Return the `Conditions`.

    Parameters
    ----------
    given : None, mapping of column to condition, or data frame
    n_samples : int or None
        None: as many as a frame has rows, else 1.
    table : TableEncoder
    variables : Variables

    Raises
    ------
    ValueError
        If a column is unknown or empty, a level was never seen, a range is impossible, or a
        frame has another number of rows.
    TypeError
        If a value is not of the kind of its column.
    """
    if given is None or isinstance(given, Mapping):
        return _of_dict(given, 1 if n_samples is None else n_samples, table, variables)
    frame = None if isinstance(given, (list, tuple)) else as_frame(given)
    if frame is None:
        raise TypeError(
            f"given is a {type(given).__name__}; give a dict of columns and what they hold, "
            "such as {'age': (18, 30)}, or a data frame with one row per row to draw."
        )
    if not len(frame):
        raise ValueError(
            "given is a frame without rows, of which each would stand for one row to draw; "
            "leave it out, or give at least one row."
        )
    if n_samples not in (None, len(frame)):
        raise ValueError(
            f"n_samples={n_samples}, but given has {len(frame)} rows, of which each stands for "
            "one row to draw; leave n_samples out, or repeat the rows of given."
        )
    fixed = np.full((len(frame), table.design_.n_features), np.nan)
    for i, name in enumerate(frame.labels):
        cells, is_column = frame.column(i), name in table.names
        is_value = is_column and table.names.index(name) in variables.absence_of
        if is_column and cells.all_missing and not is_value:
            continue
        reader = ConditionReader(table, variables, name)
        fixed[:, reader.column] = reader.cells(cells)
        if is_value:
            fixed[:, reader.absence] = reader.absences(cells.is_missing())
    return Conditions(len(frame), fixed, {}, alike=False)


def _of_dict(given, n_rows, table, variables):
    """Return the `Conditions` of a dict, or of None, which are the same for all rows."""
    n_columns = table.design_.n_features
    fixed, allowed = np.full((n_rows, n_columns), np.nan), {}
    for name, condition in (given or {}).items():
        condition = as_list(condition)
        reader = ConditionReader(table, variables, name)
        if reader.absence is not None:
            condition, allowed[reader.absence] = reader.split(condition)
            if condition is None:
                continue
        if reader.is_range(condition):
            allowed[reader.column] = reader.range(condition)
        elif isinstance(condition, SEVERAL):
            allowed[reader.column] = reader.levels(condition)
        elif reader.is_ranked or reader.is_alone:
            fixed[:, reader.column] = reader.values([condition])[0]
            if allowed.pop(reader.absence, None) is not None:
                fixed[:, reader.absence] = 0.0
        else:  # so that it is known how probable the level is
            allowed[reader.column] = reader.levels([condition])
    return Conditions(n_rows, fixed, allowed, alike=given is not None)
