"""What comes beside the rows: their weights, and the groups that they belong to."""

import numpy as np
import pandas as pd
from sklearn.utils.validation import _check_sample_weight, column_or_1d

from skae.table.sources import as_array

# Weights in whole-number ratios are counts of rows: the largest count, the largest count of
# the lightest row, and what rounding may move a ratio by.
MOST_TIMES, MOST_TIMES_OF_LIGHTEST, SLACK = 1e9, 12, 1e-5
# Bits to which other weights are rounded: what scaling does to the last ones is lost.
WEIGHT_BITS = 24


def check_weights(sample_weight, X, min_samples=1):
    """Return the weights as float64, see `relative_weights`; None where rows count alike.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, all are zero, or fewer than `min_samples`
        are not.
    """
    if sample_weight is None:
        return None
    # Only the number of rows matters here.
    rows = np.broadcast_to(np.float64(0.0), (X.shape[0], 1))
    try:
        weights = _check_sample_weight(as_array(sample_weight), rows, dtype=np.float64)
    except (ValueError, TypeError) as error:
        if "sample_weight" in str(error):
            raise
        raise ValueError(
            f"sample_weight must be one number per row, {X.shape[0]} in all ({error})."
        ) from error
    negative = np.flatnonzero(weights < 0)
    if len(negative):
        raise ValueError(
            f"sample_weight[{negative[0]}] is {weights[negative[0]]:g}; weights must be "
            "0 (leave the row out) or more."
        )
    weights = relative_weights(weights)
    n_rows = X.shape[0] if weights is None else np.count_nonzero(weights)
    if n_rows < min_samples:
        raise ValueError(
            f"sample_weight leaves {n_rows} row in, all others have a weight of 0; at least "
            f"{min_samples} rows are needed."
        )
    return weights


def relative_weights(weights):
    """Return weights on a scale of their own: those of a multiple are the same.

    Weights in the ratios of whole numbers are how many times each row counts; others are 1
    on average.

    Parameters
    ----------
    weights : ndarray of float64 of shape (n_samples,)

    Returns
    -------
    weights : ndarray of float64 of shape (n_samples,) or None
        None: all rows count alike.
    """
    there = weights > 0
    if not there.any():
        return weights
    relative = np.zeros_like(weights)
    relative[there] = _times(weights[there])
    return None if (relative == 1.0).all() else relative


def _times(weights):
    """Return what rows of these weights, none of them 0, count."""
    with np.errstate(over="ignore", invalid="ignore"):
        ratios = weights / weights.min()
        for of_lightest in range(1, MOST_TIMES_OF_LIGHTEST + 1):
            times = np.rint(of_lightest * ratios)
            if times.max() > MOST_TIMES:
                break
            if np.abs(of_lightest * ratios - times).max() <= SLACK:
                return times
    weights = weights / weights.max()
    mantissas, exponents = np.frexp(weights / weights.mean())
    return np.ldexp(np.rint(np.ldexp(mantissas, WEIGHT_BITS)), exponents - WEIGHT_BITS)


def check_groups(groups, X, sample_weight, least=2):
    """Return the groups of rows as whole numbers, or None where there are none.

    Raises
    ------
    ValueError
        If there are not as many as rows, one is missing, or the rows of some weight make
        fewer than `least` groups.
    """
    if groups is None:
        return None
    groups = np.asarray(column_or_1d(groups, dtype=None))
    if len(groups) != X.shape[0]:
        raise ValueError(
            f"groups has {len(groups)} entries for {X.shape[0]} rows; give one per row."
        )
    missing = np.flatnonzero(pd.isna(groups))
    if len(missing):
        raise ValueError(
            f"groups[{missing[0]}] is missing; give every row a group, for example one of "
            "its own."
        )
    numbers, labels = pd.factorize(groups)
    n_groups = len(labels)
    if sample_weight is not None:
        n_groups = len(np.unique(numbers[sample_weight > 0]))
    if n_groups < least:
        raise ValueError(
            f"groups holds a single group, {labels[0]}; rows of one group cannot be told "
            f"from those of others unless there are at least {least}. Leave groups out if "
            "the rows do not belong together."
        )
    return numbers
