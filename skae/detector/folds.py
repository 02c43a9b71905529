"""Folds by content: the fold of a row follows from its cells alone.

Cross-fitting needs to know which networks have not seen a row, also when the row comes
back after fit. A hash of the cells answers that without keeping the rows: training rows
are scored by networks that were trained without them, and fresh rows by the same networks
in the same way, so that the two kinds of score can be compared.
"""

from functools import lru_cache

import numpy as np


def row_hashes(X):
    """Return a number in [0, 1) per row, equal for equal rows.

    The hash is multilinear modulo 2^64 over the float32 bit patterns of the cells.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)

    Returns
    -------
    hashes : ndarray of shape (n_samples,), dtype float64

    References
    ----------
    Lemire & Kaser, Strongly Universal String Hashing is Fast, 2014, section 2.
    """
    with np.errstate(over="ignore"):
        # Adding 0 makes -0 and 0, which are equal, alike in their bits too.
        cells = np.ascontiguousarray(X, dtype=np.float32) + np.float32(0)
    cells[np.isnan(cells)] = np.nan
    cells = cells.view(np.uint32)
    hashes = cells.astype(np.uint64) @ _odd_factors(X.shape[1])
    return (hashes >> np.uint64(11)) * 2.0**-53


@lru_cache(maxsize=16)
def _odd_factors(n_features):
    rng = np.random.RandomState(0)
    factors = rng.randint(0, 2**63 - 1, size=n_features, dtype=np.int64)
    return 2 * factors.astype(np.uint64) + 1


class ContentFolds:
    """Split rows into folds of about equal size by their hashes.

    Parameters
    ----------
    n_folds : int
        Largest number of folds; equal rows are in the same fold, so that there can be
        fewer.

    Attributes
    ----------
    cuts_ : ndarray of shape (n_folds_ - 1,)
        Hashes at which a fold ends.
    n_folds_ : int
    """

    def __init__(self, n_folds):
        self.n_folds = n_folds

    def fit(self, hashes):
        """Choose the cuts so that the rows of these hashes are spread evenly."""
        hashes = np.sort(hashes)
        n_folds = min(self.n_folds, len(hashes))
        firsts = [len(hashes) * fold // n_folds for fold in range(1, n_folds)]
        self.cuts_ = np.unique(hashes[firsts])
        # Equal rows may leave the first fold empty.
        self.cuts_ = self.cuts_[self.cuts_ > hashes[0]]
        return self

    @property
    def n_folds_(self):
        return len(self.cuts_) + 1

    def assign(self, hashes):
        """Return the fold of each row, ndarray of int of shape (n_samples,)."""
        return np.searchsorted(self.cuts_, hashes, side="right")


def rows_outside(folds, fold, n_folds):
    """Return the numbers of the rows outside a fold; all, where there is only one."""
    return np.arange(len(folds)) if n_folds == 1 else np.flatnonzero(folds != fold)
