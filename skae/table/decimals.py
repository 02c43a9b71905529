"""The decimals with which the numbers of a column can be written."""

import numpy as np

MOST_DECIMALS = 6
TOO_MANY = MOST_DECIMALS + 1
# Rows that tell most columns of real numbers from those of few decimals.
N_FIRST = 64


def decimals_of(raw):
    """Return the decimals with which all numbers of every column can be written.

    Parameters
    ----------
    raw : ndarray of float64 of shape (n_samples, n_columns)
        NaN where missing.

    Returns
    -------
    decimals : ndarray of int of shape (n_columns,)
        At most `MOST_DECIMALS`; `TOO_MANY` where that is not enough.
    """
    least = _decimals(raw[:N_FIRST], np.zeros(raw.shape[1], dtype=np.int64))
    return _decimals(raw, least) if len(raw) > N_FIRST else least


def _decimals(raw, least):
    """Return the decimals, at least `least`."""
    result = np.full(raw.shape[1], TOO_MANY)
    columns = np.flatnonzero(least < TOO_MANY)
    # Of float32 as of float64: 5.2 in float32 is 5.19999981 in float64.
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = np.all((raw.astype(np.float32) == raw) | np.isnan(raw), axis=0)
        for decimals in range(TOO_MANY):
            now = columns[least[columns] <= decimals]
            values = raw[:, now]
            rounded = values.round(decimals)
            same = np.where(
                narrow[now], rounded.astype(np.float32) == values, rounded == values
            )
            fits = np.all(same | np.isnan(values), axis=0)
            result[now[fits]] = decimals
            columns = np.setdiff1d(columns, now[fits])
    return result
