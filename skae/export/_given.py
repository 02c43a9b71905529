"""What the cells of rows are given as to an exported estimator."""

from dataclasses import replace

import numpy as np
import torch

from skae.table.frame import Frame
from skae.table.raw_columns import raw_columns


def given_columns(estimator):
    """Return a `RawColumn` for every column of the table that was fitted.

    Clones of another estimator may take a column for what the detector does not, and of
    levels each knows those of its part.
    """
    columns = raw_columns(estimator._table)
    tables = [raw_columns(e._table) for e in getattr(estimator, "estimators_", ())]
    if not tables:
        return columns
    given = []
    for column, *of_clones in zip(columns, *tables, strict=True):
        there = [c for c in of_clones if not c.is_empty] or [column]
        if there[0].levels is None and column.levels is None:
            given.append(column)
            continue
        own = column if column.levels is not None else there[0]
        levels = dict.fromkeys(level for c in (own, *there) for level in c.levels or ())
        given.append(replace(own, levels=list(levels), is_empty=False))
    return given


def level_numbers(column, cells):
    """Return the numbers of the levels of `Cells`: -1 where missing, beyond all if unknown."""
    places = {level: number for number, level in enumerate(column.levels)}
    n_levels = len(places)
    if cells.levels is not None and len(cells.levels):
        values = np.asarray(cells.levels, dtype=object)
        numbers = [places.get(level, n_levels) for level in values.tolist()]
        return np.append(np.array(numbers, dtype=np.int64), -1)[cells.data]
    numbers = [places.get(cell, n_levels) for cell in cells.objects().tolist()]
    return np.where(cells.is_missing(), -1, np.array(numbers, dtype=np.int64))


def numbers_of(column, cells):
    """Return `Cells` as they are, float64, NaN where missing: times in `column.unit`."""
    if cells.all_missing:
        return np.full(len(cells), np.nan)
    data = cells.data
    if column.unit is not None:
        data = data.astype(f"{'M' if column.kind == 'date' else 'm'}8[{column.unit}]")
        data = data.astype(np.int64)
    values = data.astype(np.float64)
    values[cells.is_missing()] = np.nan
    return values


def tensors_of(X, given, is_array):
    """Return the tensors that stand for rows of a checked table: see `EstimatorModule`."""
    if is_array:
        X = X.toarray() if hasattr(X, "toarray") else X
        return (torch.from_numpy(np.array(X, dtype=np.float64)),)
    frame = X if isinstance(X, Frame) else Frame.of(X)
    numbers, indices = [], []
    for i, column in enumerate(given):
        cells = frame.column(i)
        if column.levels is None:
            nothing = np.full(len(cells), np.nan)
            numbers.append(nothing if column.is_empty else numbers_of(column, cells))
        else:
            indices.append(level_numbers(column, cells))
    sizes = [(np.float64, numbers), (np.int64, indices)]
    tables = (
        np.column_stack(parts) if parts else np.empty((len(frame), 0), dtype)
        for dtype, parts in sizes
    )
    return tuple(torch.from_numpy(table) for table in tables)
