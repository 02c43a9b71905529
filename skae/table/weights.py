"""Weights of columns, as a user gives them."""

import sys
from numbers import Real

import numpy as np
import pandas as pd

from skae.table.choice import positions_of


def weights_of_columns(given, names):
    """Return a weight for every column, and which of them were given.

    Parameters
    ----------
    given : dict, array-like or None
        Of a series whose index is not of whole numbers, that names the columns as a dict's
        keys do.
    names : list of str

    Returns
    -------
    weights : ndarray of float64 of shape (n_columns,)
    named : set of int

    Raises
    ------
    ValueError
        If a column is named that there is none of, there are not as many weights as columns,
        or a weight is no number from 0 on.
    """
    weights = np.ones(len(names))
    if given is None:
        return weights, set()
    if isinstance(given, pd.Series) and given.index.inferred_type != "integer":
        given = given.to_dict()
    if isinstance(given, dict):
        named = set()
        for name, weight in given.items():
            if isinstance(name, bool):
                raise ValueError(
                    f"column_weight has the key {name!r}; give names of columns, or positions."
                )
            (i,) = positions_of("column_weight", [name], names)
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


def _checked(name, weight):
    is_number = isinstance(weight, Real) and not isinstance(weight, bool)
    if not is_number or not 0 <= weight <= sys.float_info.max:
        raise ValueError(
            f"column_weight of {name!r} is {weight!r}; give a finite number, 0 (the column is "
            "not reconstructed) or more."
        )
    return float(weight)
