"""The decimals with which the numbers of a column can be written."""

import numpy as np

MOST_DECIMALS = 6
TOO_MANY = MOST_DECIMALS + 1
# Rows that tell most columns of real numbers from those of few decimals.
N_FIRST = 64


def decimals_of(raw, least=0):
    """Return the decimals with which all numbers of every column can be written.

    Parameters
    ----------
    raw : ndarray of float64 of shape (n_samples, n_columns)
        NaN where missing.
    least : int or ndarray of int of shape (n_columns,)
        Known from other rows.

    Returns
    -------
    decimals : ndarray of int of shape (n_columns,)
        At least `least` and at most `MOST_DECIMALS`; `TOO_MANY` where that is not enough.
    """
    decimals = np.broadcast_to(least, raw.shape[1])
    for rows in (raw[:N_FIRST], raw[N_FIRST:]):
        decimals = _at_least(rows, decimals.copy())
    return decimals


def _at_least(raw, decimals):
    """Raise the decimals, in place, to what the rows need."""
    for tried in range(TOO_MANY):
        columns = np.flatnonzero(decimals == tried)
        values = raw[:, columns]
        with np.errstate(over="ignore", invalid="ignore"):
            rounded, narrow = values.round(tried), values.astype(np.float32)
            missing = np.isnan(values)
            # Of float32 as of float64: 5.2 in float32 is 5.19999981 in float64.
            of_float32 = np.all((narrow == values) | missing, axis=0)
            same = (rounded == values) | (
                of_float32 & (rounded.astype(np.float32) == narrow)
            )
        decimals[columns[~np.all(same | missing, axis=0)]] += 1
    return decimals
