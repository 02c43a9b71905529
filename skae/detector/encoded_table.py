"""The rows of a table in one call of the detector: read and encoded once."""

from functools import cached_property

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.utils import gen_batches

from skae.detector.folds import row_keys
from skae.table.blocks import OBSERVED
from skae.table.encoder import BLOCK
from skae.table.frame import Frame

# Design cells that are kept, 40 MB.
MAX_KEPT_CELLS = 5_000_000


class EncodedTable:
    """Rows of a table, in the columns of the user and encoded.

    The whole table is encoded when its first row is asked for, and kept: folds, training
    rows, error scales and scores all come from this one encoding. Of a table of more than
    `MAX_KEPT_CELLS` encoded cells only the rows in use are in memory. Reading them again
    costs little then: fit draws 20,000 rows at a time, whatever the size of the table.

    Parameters
    ----------
    X : ndarray, csr matrix or Frame
    encoder : TableEncoder
        Fitted.
    groups : ndarray of int of shape (n_samples,), default=None
        Which rows belong together, where the user has said it.
    """

    def __init__(self, X, encoder, groups=None):
        self._X, self.encoder, self.groups = X, encoder, groups

    def __len__(self):
        return self._X.shape[0]

    def from_row(self, first):
        """Return the rows from one on, without what only the others need."""
        if first == 0:
            return self
        part = EncodedTable(_copied(self._X[first:]), self.encoder)
        if "_kept" in self.__dict__:
            design, observed = self._kept
            observed = None if observed is None else observed[first:].copy()
            part._kept = design[first:].copy(), observed
        return part

    def cells(self, rows):
        """Return rows in the columns of the user."""
        return self._X[rows]

    def encode(self, rows, dtype):
        """Return the design matrix of some rows, and which of their cells are observed.

        Parameters
        ----------
        rows : slice or ndarray of int
        dtype : numpy dtype

        Returns
        -------
        design : ndarray of shape (n, n_inputs)
        observed : ndarray of uint8 of shape (n, n_features) or None
            `MISSING`, `OBSERVED` or `UNKNOWN`; None if all are observed.
        """
        if len(self) > max_kept_rows(self.encoder):
            return self.encoder.encode(self._X[rows], dtype)
        design, observed = self._kept
        if observed is not None:
            observed = observed[rows]
            observed = None if (observed == OBSERVED).all() else observed
        return design[rows].astype(dtype, copy=False), observed

    def tensors(self, rows, dtype, device):
        """Return `encode(rows, dtype)` as tensors on the device."""
        design, observed = self.encode(rows, dtype)
        if observed is not None:
            observed = torch.from_numpy(observed).to(device)
        return torch.from_numpy(design).to(device), observed

    @cached_property
    def _kept(self):
        # In the widest dtype that any step asks for; a cast gives the narrower ones.
        return self.encoder.encode_rows(self._X, np.arange(len(self)), np.float64)

    def keys(self):
        """Return a number per row, equal for equal rows, shape (n,)."""
        return np.concatenate([self._keys(b) for b in gen_batches(len(self), BLOCK)])

    def _keys(self, block):
        if not isinstance(self._X, Frame):
            cells = self._X[block]
            return row_keys(cells.toarray() if issparse(cells) else cells)
        design, observed = self.encode(block, np.float32)
        if observed is None:
            observed = np.full((len(design), self.encoder.design_.n_features), OBSERVED)
        return row_keys(np.hstack([design, observed]))


def _copied(rows):
    """Return rows of their own: a slice of a table holds all of it in memory."""
    return rows if issparse(rows) else rows.copy()


def max_kept_rows(encoder):
    """Return how many rows of a table are encoded and kept at once."""
    return max(MAX_KEPT_CELLS // max(encoder.design_.n_inputs, 1), 1)
