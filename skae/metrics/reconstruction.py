"""How much of a table's variance comes back."""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array
from sklearn.utils._param_validation import StrOptions, validate_params

from skae.table.row_metadata import check_weights
from skae.table.validation import as_frame


@validate_params(
    {"multioutput": [StrOptions({"variance_weighted", "uniform_average", "raw_values"})]},
    prefer_skip_nested_validation=True,
)
def reconstruction_r2(
    estimator, X, y=None, *, sample_weight=None, multioutput="variance_weighted"
):
    """Return the fraction of the variance of X that `inverse_transform(transform(X))` keeps.

    ``1 - sum((X - X')**2) / sum((X - mean)**2)``, with X' the
    reconstruction.

    Parameters
    ----------
    estimator : fitted estimator
        Anything with `transform` and `inverse_transform`: `PCA`, `KernelPCA`, a
        `Pipeline`, skae's transformers.
    X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
        Rows, preferably not those of the fit; at least two. In a frame only numeric columns
        count, and in these only the cells that are there. Where one of these is
        reconstructed as missing (`missing="level"`), its column's mean stands for it.
    y : Ignored
        Present so that the function serves as `scoring=` in a search.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.
    multioutput : {"variance_weighted", "uniform_average", "raw_values"}, \
            default="variance_weighted"
        "variance_weighted" counts columns by their variance in the units of X, as PCA's
        explained variance does. "uniform_average" counts them alike, whatever their
        units. "raw_values" returns one number per column.

    Returns
    -------
    r2 : float or ndarray of shape (n_features,)
        1 is perfect, 0 is as good as the mean, below 0 is worse.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae.metrics import reconstruction_r2
    >>> X = load_iris().data
    >>> round(reconstruction_r2(PCA(2).fit(X), X), 3)
    0.978
    """
    if as_frame(estimator) is not None or not hasattr(estimator, "inverse_transform"):
        raise TypeError(
            "reconstruction_r2 needs a fitted estimator with inverse_transform, and rows, in "
            f"this order, but estimator is of type {type(estimator).__name__}."
        )
    table, back = _read(X), _read(estimator.inverse_transform(estimator.transform(X)))
    if back.shape != table.shape:
        raise ValueError(
            f"inverse_transform returned a table of shape {back.shape}, but X has shape "
            f"{table.shape}; give an estimator that goes back to the columns of X."
        )
    columns = _numeric_columns(table)
    truth, reconstruction = _numbers(table, columns), _numbers(back, columns)
    weights, missing = check_weights(sample_weight, truth), np.isnan(truth)
    # A missing cell has no weight.
    weights = ~missing * (1.0 if weights is None else weights[:, None])
    truth, n_known = np.where(missing, 0.0, truth), weights.sum(axis=0)
    means = (weights * truth).sum(axis=0) / np.where(n_known > 0, n_known, 1.0)
    # "Nothing is there" about a cell that is: no better than its column's mean.
    reconstruction = np.where(np.isnan(reconstruction), means, reconstruction)
    left = np.where(missing, 0.0, truth - reconstruction)
    left = (weights * np.square(left)).sum(axis=0)
    total = (weights * np.square(truth - means)).sum(axis=0)
    if isinstance(multioutput, str) and multioutput == "variance_weighted":
        left, total = left.sum(keepdims=True), total.sum(keepdims=True)
    # A constant column, as r2_score has it: reconstructed or not.
    by_column = 1.0 - np.divide(left, total, out=(left > 0) * 1.0, where=total > 0)
    return by_column if multioutput == "raw_values" else float(by_column.mean())


def _read(X):
    """Return a table as a `Frame`, or as an array of numbers."""
    frame = as_frame(X)
    if frame is not None:
        return frame
    X = X.toarray() if issparse(X) else X
    return check_array(X, dtype=np.float64, ensure_all_finite="allow-nan")


def _numeric_columns(table):
    """Return the positions of the columns of numbers."""
    if isinstance(table, np.ndarray):
        return list(range(table.shape[1]))
    columns = [i for i, cells in enumerate(table.columns()) if cells.kind == "number"]
    if not columns:
        raise ValueError(
            "X has no numeric column, so that there is no variance to reconstruct."
        )
    return columns


def _numbers(table, columns):
    """Return some columns as float64, NaN where missing.

    Also of an array that stands for a frame, with all of its columns.
    """
    if isinstance(table, np.ndarray):
        return table[:, columns]
    cells = [table.column(i).floats() for i in columns]
    return np.column_stack(cells).astype(np.float64, copy=False)
