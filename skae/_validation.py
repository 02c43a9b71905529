"""Checks whose messages name the column or parameter, the value and the remedy."""

import numpy as np
from sklearn.utils import gen_batches
from sklearn.utils.validation import _check_sample_weight, validate_data

BLOCK = 65_536


def column_names(estimator, n_features):
    """Return the names seen in fit, or x0, x1, ... as scikit-learn calls them."""
    names = getattr(estimator, "feature_names_in_", None)
    return [f"x{i}" for i in range(n_features)] if names is None else list(names)


def check_rows(estimator, X, *, reset, min_samples=1):
    """Return X as a float32 or float64 array of finite cells.

    Raises
    ------
    ValueError
        If X is not two-dimensional, holds too few rows, text, NaN or infinity, or does
        not have the columns seen in fit.
    """
    try:
        array = validate_data(
            estimator,
            X,
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,
            ensure_min_samples=min_samples,
            reset=reset,
        )
    except (ValueError, TypeError) as error:
        _raise_if_text(estimator, X, error)
        raise
    _check_finite(estimator, array)
    return array


def check_weights(sample_weight, X):
    """Return the weights as float64, or None where there are none.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, or all are zero.
    """
    if sample_weight is None:
        return None
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
    negative = np.flatnonzero(weights < 0)
    if len(negative):
        raise ValueError(
            f"sample_weight[{negative[0]}] is {weights[negative[0]]:g}; weights must be "
            "0 (leave the row out) or more."
        )
    return weights


def _check_finite(estimator, X):
    names = column_names(estimator, X.shape[1])
    for block in gen_batches(len(X), BLOCK):
        finite = np.isfinite(X[block])
        if finite.all():
            continue
        row, column = np.argwhere(~finite)[0]
        value = X[block][row, column]
        # scikit-learn's own checks look for these two words.
        kind = "NaN" if np.isnan(value) else "infinity"
        raise ValueError(
            f"Input X contains {kind}: column {names[column]!r}, row "
            f"{block.start + row}. {type(estimator).__name__} needs finite numbers; drop "
            "such rows or fill them first, for example with SimpleImputer in a Pipeline."
        )


def _raise_if_text(estimator, X, error):
    """Name the column and the cell that is no number, if that is what went wrong."""
    for name, column in _columns(X):
        try:
            np.asarray(column, dtype=np.float64)
        except (ValueError, TypeError):
            if not any(map(_is_no_number, column)):
                continue
            bad = str(next(value for value in column if _is_no_number(value)))
            raise ValueError(
                f"Column {name!r} holds {bad!r}, which is not a number. "
                f"{type(estimator).__name__} needs numeric columns; encode the column "
                "first, for example with OneHotEncoder in a ColumnTransformer."
            ) from error


def _columns(X):
    if hasattr(X, "columns"):
        return [(name, X[name].to_numpy()) for name in X.columns]
    array = np.asarray(X)
    if array.ndim != 2 or array.dtype.kind not in "OUS":
        return []
    return [(f"x{i}", column) for i, column in enumerate(array.T)]


def _is_no_number(value):
    try:
        float(value)
    except (ValueError, TypeError):
        return isinstance(value, str)
    return False
