"""Weights of columns, as a user gives them."""

import sys
from numbers import Integral, Real

import numpy as np
import pandas as pd

from skae.table.choice import positions_of


def weights_of_columns(given, names):
    """Return a weight for every column, and which of them were given.

    Parameters
    ----------
    given : dict, array-like or None
        The index of a series names the columns as a dict's keys do; see `plain_weights`.
    names : list of label

    Returns
    -------
    weights : ndarray of float64 of shape (n_columns,)
    named : set of int

    Raises
    ------
    ValueError
        If a column is named that there is none of, or twice, there are not as many weights
        as columns, or a weight is no number from 0 on.
    """
    weights = np.ones(len(names))
    if given is None:
        return weights, set()
    if isinstance(given, pd.Series):
        _check_labels(given.index, names)
    given = plain_weights(given)
    if isinstance(given, dict):
        named = set()
        for name, weight in given.items():
            if isinstance(name, bool):
                raise ValueError(
                    f"column_weight has the key {name!r}; give names of columns, or positions."
                )
            i = _position_of(name, names)
            if i in named:
                raise ValueError(
                    f"column_weight names column {names[i]!r} twice, by name and by position; "
                    "leave one."
                )
            named.add(i)
            weights[i] = _checked(names[i], weight)
        return weights, named
    given = np.asarray(given, dtype=object)
    if given.shape != weights.shape:
        raise ValueError(
            f"column_weight has shape {given.shape}, but X has {len(names)} columns; give one "
            "weight per column, or a dict that names some."
        )
    pairs = zip(names, given.tolist(), strict=True)
    return np.array([_checked(*pair) for pair in pairs]), set(range(len(names)))


def plain_weights(given):
    """Return weights without the frame library that holds them: what can be stored.

    A series of pandas is a dict from its labels; with the index 0, 1, ... that pandas gives
    where nobody names anything, it is an array, as a series of polars is.
    """
    if isinstance(given, pd.Series):
        if not given.index.is_unique:
            return given  # which `fit` refuses
        return given.to_numpy() if _is_unnamed(given.index) else given.to_dict()
    if isinstance(given, dict | list | tuple | np.ndarray) or given is None:
        return given
    return np.asarray(given)


def _check_labels(index, names):
    """Raise a ValueError unless it is clear which columns the index of a series names."""
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        raise ValueError(
            f"column_weight is a series that names {twice!r} more than once; leave one weight "
            "of each column."
        )
    if _is_unnamed(index) and _has_numbers(names) and not set(index).isdisjoint(names):
        raise ValueError(
            f"column_weight is a series with the index {index.tolist()}, which may be the "
            f"labels {names} of X, or its positions; give a dict from labels to weights, or "
            "an array with one weight per column."
        )


def _is_unnamed(index):
    return index.equals(pd.RangeIndex(len(index)))


def _has_numbers(names):
    """Return whether columns have whole numbers as labels, others than their positions."""
    has_numbers = any(isinstance(label, Integral) for label in names)
    return has_numbers and names != list(range(len(names)))


def _position_of(name, names):
    """Return the position of a column; whole numbers are labels where X has such labels."""
    if isinstance(name, Integral) and _has_numbers(names):
        if name in names:
            return names.index(name)
        raise ValueError(
            f"column_weight names {name!r}, but the columns of X are labelled {names}; give "
            "these labels, or an array with one weight per column."
        )
    (i,) = positions_of("column_weight", [name], names)
    return i


def _checked(name, weight):
    is_number = isinstance(weight, Real) and not isinstance(weight, bool)
    if not is_number or not 0 <= weight <= sys.float_info.max:
        raise ValueError(
            f"column_weight of {name!r} is {weight!r}; give a finite number, 0 (the column is "
            "not reconstructed) or more."
        )
    return float(weight)
