"""Folds: which rows a network has not seen, so that it may judge them.

Each fold has networks that were trained without it. Rows that say the same, or that were
told to belong together, stay in one fold: networks that have seen one have seen them all.
"""

from functools import lru_cache

import numpy as np
import pandas as pd

# Equal rows that are a larger part of a fold than this are no copies of each other but what
# rows usually look like; a fresh row may well be one more of them.
MOST_COPIES = 0.1
# Few distinct rows are kept together however many there are of each.
FEW = 10


def row_keys(cells):
    """Return a number per row, equal for equal rows and hardly ever for others.

    The hash is multilinear modulo 2^64 over the float32 bit patterns of the cells.

    Parameters
    ----------
    cells : ndarray of shape (n_samples, n_columns)

    Returns
    -------
    keys : ndarray of uint64 of shape (n_samples,)

    References
    ----------
    Lemire & Kaser, Strongly Universal String Hashing is Fast, 2014, section 2.
    """
    with np.errstate(over="ignore"):
        # Adding 0 makes -0 and 0, which are equal, alike in their bits too.
        cells = np.ascontiguousarray(cells, dtype=np.float32) + np.float32(0)
    cells[np.isnan(cells)] = np.nan
    hashes = cells.view(np.uint32).astype(np.uint64) @ _odd_factors(cells.shape[1])
    return hashes >> np.uint64(11)


@lru_cache(maxsize=16)
def _odd_factors(n_features):
    rng = np.random.RandomState(0)
    factors = rng.randint(0, 2**63 - 1, size=n_features, dtype=np.int64)
    return 2 * factors.astype(np.uint64) + 1


def assign_folds(keys, n_folds, rng):
    """Return random folds of about equal size; rows of one key share one.

    Parameters
    ----------
    keys : ndarray of shape (n_samples,)
    n_folds : int
        How many at most: there are no more folds than keys.
    rng : numpy.random.RandomState

    Returns
    -------
    folds : ndarray of int of shape (n_samples,)
    """
    # Imported here: half of scikit-learn comes with it.
    from sklearn.model_selection import GroupKFold

    # Numbered as they come: the order of hashes would change with a digit of the cells.
    keys = pd.factorize(keys)[0]
    n_folds = min(n_folds, keys.max() + 1)
    if n_folds < 2:
        return np.zeros(len(keys), dtype=np.int64)
    # The larger groups go first, to the smaller folds; among equals the order is random.
    keys = rng.permutation(keys.max() + 1)[keys]
    folds = np.empty(len(keys), dtype=np.int64)
    for fold, (_, rows) in enumerate(GroupKFold(n_folds).split(keys, groups=keys)):
        folds[rows] = fold
    return folds


def separate_the_usual(keys, n_folds):
    """Return the keys with rows apart that are equal because rows usually look like that."""
    _, keys, counts = np.unique(keys, return_inverse=True, return_counts=True)
    if len(counts) < FEW * n_folds:
        return keys
    most = max(MOST_COPIES * len(keys) / n_folds, FEW)
    usual = np.flatnonzero(counts[keys] > most)
    keys[usual] = len(counts) + np.arange(len(usual))
    return keys


def rows_outside(folds, fold, n_folds):
    """Return the numbers of the rows outside a fold; all, where there is only one."""
    return np.arange(len(folds)) if n_folds == 1 else np.flatnonzero(folds != fold)
