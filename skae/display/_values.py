"""What colours stand for: whole numbers that are few, or others."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skae.display._legend import MAX_ENTRIES


def few_numbers(y: np.ndarray) -> np.ndarray | None:
    """Return the values of y if they are at most ten whole numbers."""
    if y.dtype.kind not in "iuf":
        return None
    values = np.unique(y[~np.isnan(y)])
    is_whole = bool((values == np.rint(values)).all()) and np.isfinite(values).all()
    return values.astype(float) if is_whole and len(values) <= MAX_ENTRIES else None


def as_values(y: ArrayLike) -> np.ndarray:
    """Return labels or values as an array; numbers and dates have such a dtype."""
    array = np.asarray(y)
    if array.dtype.kind != "O" or array.ndim != 1:
        return array
    inferred = pd.Series(array).infer_objects()
    if inferred.dtype.kind == "O" and not pd.isna(array).all():
        kinds = {type(value) for value in array[~pd.isna(array)]}
        if all(
            issubclass(kind, (int, float, np.number)) and kind is not bool for kind in kinds
        ):
            inferred = pd.to_numeric(inferred.where(~pd.isna(array), np.nan))
    return inferred.to_numpy() if inferred.dtype.kind in "iufM" else array
