"""The table's columns <-> a design matrix in standard units."""

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches

# Rows that are encoded at a time: the float64 work space stays small beside the data.
BLOCK = 8192
# Standardised cells are cut at this size, so that their squares stay finite in float32.
LARGEST = 1e15


class TableEncoder:
    """Centre and scale columns, in float64, and put them back.

    Parameters
    ----------
    scale : bool
        True: each column is divided by its standard deviation (1 for a constant one).
        False: all are divided by one number, the root mean variance, which keeps the
        loss proportional to the squared error in raw units.

    Attributes
    ----------
    center_ : ndarray of shape (n_features,)
        Column means, in raw units.
    scale_ : ndarray of shape (n_features,)
        Raw units per standard unit.
    """

    def __init__(self, scale):
        self.scale = scale

    def fit(self, X, rows, sample_weight, names):
        """Learn the columns' means and scales from `X[rows]`.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        rows : ndarray of int
        sample_weight : ndarray of shape (n_samples,) or None
        names : sequence of str
            Column names for messages.

        Raises
        ------
        ValueError
            If a column's variance is beyond float64.
        """
        scaler = StandardScaler()
        with np.errstate(over="ignore", invalid="ignore"):
            for block in gen_batches(len(rows), BLOCK):
                chunk = rows[block]
                weight = None if sample_weight is None else sample_weight[chunk]
                raw = np.ascontiguousarray(X[chunk], dtype=np.float64)
                scaler.partial_fit(raw, sample_weight=weight)
        broken = np.flatnonzero(~np.isfinite(scaler.var_))
        if len(broken):
            largest = np.abs(X[rows, broken[0]]).max()
            raise ValueError(
                f"Column {names[broken[0]]!r} holds values up to {largest:.3g}, whose "
                "variance overflows float64; divide the column by a constant first."
            )
        self.center_ = scaler.mean_
        # Differences below this share of the mean are rounding, not variation.
        self.scale_ = np.maximum(scaler.scale_, 1e-12 * np.abs(scaler.mean_))
        if not self.scale:
            unit = float(np.sqrt(scaler.var_.mean()))
            self.scale_ = np.full(len(self.center_), unit if unit > 0 else 1.0)
        return self

    def encode(self, X, dtype=np.float32):
        """Return raw rows in standard units."""
        design = np.subtract(X, self.center_, dtype=np.float64, order="C")
        design /= self.scale_
        return np.clip(design, -LARGEST, LARGEST, out=design).astype(dtype, copy=False)

    def encode_rows(self, X, rows):
        """Return `X[rows]` in standard units as float32, block by block."""
        design = np.empty((len(rows), X.shape[1]), dtype=np.float32)
        for block in gen_batches(len(rows), BLOCK):
            design[block] = self.encode(X[rows[block]])
        return design

    def decode(self, design, dtype):
        """Return rows in standard units as raw rows."""
        X = np.asarray(design, dtype=np.float64) * self.scale_
        X += self.center_
        largest = np.finfo(dtype).max
        return np.clip(X, -largest, largest, out=X).astype(dtype, copy=False)

    @property
    def log_jacobian(self):
        """Log |d standard / d raw| of a row: what a log density in raw units adds."""
        return -float(np.log(self.scale_).sum())
