"""Rows that are made up within public bounds, where real ones may not be looked at."""

from numbers import Real
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

# Rows that are made up, and how often each level is among them, at least.
N_ROWS, N_EACH = 1000, 20


def check_bounds(X, bounds):
    """Return the bounds of the columns of X in their order: (low, high), or a list of levels.

    Raises
    ------
    TypeError
        If X is neither a data frame nor an array of numbers, or `bounds` no dict.
    ValueError
        If a column has no bounds, a name or a bound does not fit, or cells of X are missing
        or of a level that is not among the bounds.
    """
    if not isinstance(bounds, dict):
        raise TypeError(
            f"bounds={bounds!r}; give a dict with (low, high), or a list of levels, for "
            "every column."
        )
    columns = _columns_of(X)
    unknown = [name for name in bounds if name not in columns]
    if unknown:
        raise ValueError(f"bounds has columns {unknown}, which X has not; leave them out.")
    return {
        name: _check_column(name, cells, bounds.get(name))
        for name, cells in columns.items()
    }


def stand_in_rows(X, bounds):
    """Return rows like X, each cell drawn uniformly within its bounds, always the same."""
    rng = np.random.default_rng(0)
    levels = [len(own) for own in bounds.values() if isinstance(own, list)]
    n_rows = max([N_ROWS, *(N_EACH * n for n in levels)])
    columns = _columns_of(X)
    drawn: dict[Any, Any] = {}
    for name, own in bounds.items():
        if isinstance(own, list):
            drawn[name] = [own[k] for k in rng.permutation(np.arange(n_rows) % len(own))]
        elif _is_whole(columns[name]):
            low, high = np.ceil(own[0]), np.floor(own[1])
            drawn[name] = rng.integers(int(low), int(high), n_rows, endpoint=True)
        else:
            drawn[name] = rng.uniform(*own, n_rows)
    if isinstance(X, np.ndarray):
        return np.column_stack(list(drawn.values())).astype(X.dtype)
    frame = nw.from_native(X, eager_only=True)
    schema = nw.Schema({name: frame.schema[name] for name in drawn})
    made = nw.from_dict(drawn, schema, backend=frame.implementation).to_native()
    if not isinstance(X, pd.DataFrame):
        return made
    # narwhals does not tell dtypes of pandas that have missing values from those without;
    # categories are those of the bounds, not those that X declares.
    own = {n: d for n, d in X.dtypes.items() if not isinstance(d, pd.CategoricalDtype)}
    return made.astype(own)


def bounded(X, bounds):
    """Return X with numbers beyond their bounds moved to the nearer one."""
    limits = {name: own for name, own in bounds.items() if not isinstance(own, list)}
    if isinstance(X, np.ndarray):
        low, high = np.array([limits[i] for i in range(X.shape[1])], dtype=float).T
        return np.clip(X, low, high).astype(X.dtype)
    frame = nw.from_native(X, eager_only=True)
    return frame.with_columns(nw.col(n).clip(*own) for n, own in limits.items()).to_native()


def _columns_of(X):
    if isinstance(X, np.ndarray):
        if X.ndim != 2 or X.dtype.kind not in "fiu":
            raise TypeError(
                f"X is an array of {X.dtype} with {X.ndim} dimensions; give a data frame, or "
                "a two-dimensional array of numbers."
            )
        return dict(enumerate(X.T))
    try:
        frame = nw.from_native(X, eager_only=True)
    except TypeError as error:
        raise TypeError(
            f"X is a {type(X).__name__}; give a data frame in memory, or an array of numbers."
        ) from error
    return {name: frame[name] for name in frame.columns}


def _is_whole(cells):
    if isinstance(cells, np.ndarray):
        return cells.dtype.kind in "iu"
    return cells.dtype.is_integer()


def _check_column(name, cells, own):
    if not isinstance(cells, np.ndarray) and cells.dtype.is_temporal():
        raise ValueError(
            f"Column {name!r} holds dates, times or durations, which fit_privately does not "
            "take; convert it to a number, such as days since a public date, or leave it "
            "out."
        )
    is_number = isinstance(cells, np.ndarray) or cells.dtype.is_numeric()
    wanted = "(low, high)" if is_number else "a list of its levels"
    if own is None:
        raise ValueError(
            f"Column {name!r} has no bounds, without which the influence of a row has none "
            f"either; add bounds[{name!r}], {wanted}, from what is public."
        )
    if isinstance(cells, np.ndarray):
        is_missing = np.isnan(cells).any() if cells.dtype.kind == "f" else False
    else:
        is_missing = cells.is_null().any() or (
            cells.dtype.is_float() and cells.is_nan().any()
        )
    if is_missing:
        raise ValueError(
            f"Column {name!r} has missing cells; leave out their rows, or the column."
        )
    if isinstance(own, tuple) and is_number:
        return _check_range(name, own)
    if isinstance(own, list) and own and not is_number:
        unknown = sorted(set(cells.unique().to_list()) - set(own), key=str)
        if unknown:
            raise ValueError(
                f"Column {name!r} holds {unknown[0]!r}, which is not among its bounds; add "
                "it to them, if it is public, or replace it."
            )
        return own
    raise ValueError(f"bounds[{name!r}]={own!r}; give {wanted}.")


def _check_range(name, own):
    is_range = len(own) == 2 and all(isinstance(end, Real) for end in own)
    if not is_range or not np.isfinite(own).all() or not own[0] < own[1]:
        raise ValueError(
            f"bounds[{name!r}]={own!r}; give two finite numbers, the lower one first."
        )
    return tuple(own)
