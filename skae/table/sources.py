"""What tables come in: arrays of other libraries, and what is no table yet."""

import sys

import numpy as np
import pandas as pd
from scipy.sparse import issparse


def labels_of(X):
    """Return the labels of the columns of a data frame, or an empty list."""
    labels = getattr(X, "column_names", None)
    if labels is None:  # of pyarrow; its batches have them in their schema
        schema = getattr(X, "schema", None)
        labels = getattr(schema, "names", None)
    if labels is None or callable(labels):
        labels = getattr(X, "columns", None)
    return [] if labels is None or callable(labels) else list(labels)


def as_array(X):
    """Return what scikit-learn can check: an array of numpy, a sparse matrix, or X itself.

    Of tensors the values, and NaN where a mask or a cell says that nothing is there.
    """
    if issparse(X) or (type(X) is np.ndarray and X.dtype.kind != "O"):
        return X
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(X, torch.Tensor):
        return _from_tensor(torch, X)
    if isinstance(X, np.ma.MaskedArray):
        dtype = X.dtype if X.dtype.kind in "fO" else np.float64
        X = X.astype(dtype).filled(np.nan)
    if isinstance(X, np.ndarray) and X.dtype.kind == "O" and X.ndim == 2:
        return np.where(pd.isna(X), np.nan, X)
    return X


def _from_tensor(torch, X):
    X = X.detach().to_dense() if X.layout is not torch.strided else X.detach()
    if X.dtype in (torch.float16, torch.bfloat16):
        X = X.float()
    return X.cpu().numpy()


def refuse_source(X):
    """Raise if X is a table that has to be collected or read first."""
    if hasattr(X, "collect") and not hasattr(X, "__array__"):
        raise TypeError(f"X is lazy, a {type(X).__name__}; give X.collect() instead.")
