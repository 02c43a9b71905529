"""Which kind of block takes which column."""

from collections.abc import Hashable
from numbers import Integral

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from skae.table.frame import Frame


def choose_kinds(X, names, categorical_features, ordinal_features):
    """Return the kind of every column, and which columns the user has asked for by name.

    Parameters
    ----------
    X : ndarray, csr matrix or Frame
    names : list of str
    categorical_features, ordinal_features : "from_dtype", None or array-like

    Returns
    -------
    kinds : list of str
        Keys of `skae.table.blocks.BLOCKS`.
    asked_for : set of int
        Columns whose kind is what the user says, whatever their dtype.
    """
    asked = {
        "category": positions_of("categorical_features", categorical_features, names),
        "ordered": positions_of("ordinal_features", ordinal_features, names),
    }
    _refuse_both(asked["category"] & asked["ordered"], names)
    wanted = {i: kind for kind, columns in asked.items() for i in columns}
    if issparse(X) and wanted:
        parameter = "categorical" if asked["category"] else "ordinal"
        raise ValueError(
            f"{parameter}_features names columns of a sparse matrix, which holds numbers "
            "only; pass an array or a data frame."
        )
    if not isinstance(X, Frame):
        return [wanted.get(i, "number") for i in range(X.shape[1])], set(wanted)
    kinds = []
    for i, name in enumerate(names):
        kind = wanted.get(i) or _kind_by_dtype(X.column(i), ordinal_features)
        if categorical_features is None and kind == "category":
            raise ValueError(
                f"Column {name!r} holds text or categories, and "
                "categorical_features=None allows none; use 'from_dtype'."
            )
        kinds.append(kind)
    return kinds, set(wanted)


def _kind_by_dtype(cells, ordinal_features):
    # An Enum of polars has an order, whether that means anything or not.
    in_order = cells.ordered and not cells.source.implementation.is_polars()
    if in_order and cells.kind == "category" and ordinal_features is not None:
        return "ordered"
    return cells.kind


def choose_absences(missing, names, has_missing, is_empty):
    """Return the columns whose missing cells are a level, ndarray of int.

    Parameters
    ----------
    missing : {"unknown", "level"}, dict or array-like
    names : list of str
    has_missing, is_empty : ndarray of bool of shape (n_features,)
        Columns with missing cells in fit, and without any other: these hold nothing.

    Raises
    ------
    ValueError
        If a column is named that there is none of, or a dict says something else.
    """
    if isinstance(missing, str):
        return np.flatnonzero(has_missing & ~is_empty & (missing == "level"))
    if isinstance(missing, dict):
        for name, value in missing.items():
            if not isinstance(value, str) or value not in ("level", "unknown"):
                raise ValueError(
                    f"missing={missing!r} says {value!r} of column {name!r}; say 'level' if a "
                    "missing cell is a value of its own, or 'unknown' if it is to be filled."
                )
        positions_of("missing", list(missing), names)
        missing = [name for name, value in missing.items() if value == "level"]
    asked = sorted(positions_of("missing", missing, names))
    return np.array([i for i in asked if not is_empty[i]], dtype=np.int64)


def _refuse_both(columns, names):
    if columns:
        name = names[min(columns)]
        raise ValueError(
            f"Column {name!r} is in both categorical_features and ordinal_features; leave it "
            "in one: ordinal_features if the order of its levels counts."
        )


def positions_of(parameter, asked, names):
    """Return the positions of the columns that a parameter names, a set.

    Parameters
    ----------
    parameter : str
        Its name, for messages.
    asked : None, str or array-like
        Labels, positions or a mask; none are named by None and by a string. A whole number
        is a position, also where labels are numbers.
    names : list of label
    """
    if asked is None or isinstance(asked, str):
        return set()
    # An array of tuples, which labels may be, would have two dimensions.
    items = list(asked) if isinstance(asked, _SEQUENCES) else np.asarray(asked).tolist()
    if items and all(isinstance(item, bool | np.bool_) for item in items):
        if len(items) != len(names):
            raise ValueError(
                f"{parameter} is a mask of {len(items)} columns, but X has {len(names)}."
            )
        return set(np.flatnonzero(items).tolist())
    places = {name: i for i, name in enumerate(names)}
    return {_position_of(parameter, item, places) for item in items}


# What is read item by item.
_SEQUENCES = list, tuple, pd.Index


def _position_of(parameter, item, places):
    if isinstance(item, Integral) and not isinstance(item, bool):
        if not -len(places) <= item < len(places):
            raise ValueError(f"{parameter} holds {item}, but X has {len(places)} columns.")
        return int(item) % len(places)
    if not isinstance(item, Hashable) or item not in places:
        raise ValueError(
            f"{parameter} names {item!r}, which is not a column of X; its columns are "
            f"{list(places)}."
        )
    return places[item]
