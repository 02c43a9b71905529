"""How the anomaly of a row is divided among its cells."""

from numbers import Integral

import numpy as np
import torch


def check_max_columns(max_columns):
    """Raise unless `max_columns` is a number of columns, or None."""
    is_number = isinstance(max_columns, Integral) and not isinstance(max_columns, bool)
    if max_columns is not None and not (is_number and max_columns >= 1):
        raise ValueError(
            f"max_columns={max_columns!r}; ask for a whole number of columns, 1 or more, or "
            "None for as many as it takes."
        )


def divide(total, falls, fallback, there):
    """Divide each row's total among its cells, in proportion to `falls`.

    Parameters
    ----------
    total : torch.Tensor of shape (n,)
    falls : torch.Tensor of shape (n, n_features)
        Not negative, 0 for missing cells; overwritten.
    fallback : callable (rows, a mask of shape (n,)) -> weights of their cells
        For rows in which nothing falls. Where these are 0 as well, the cells that are
        there bear the total alike.
    there : torch.Tensor of bool of shape (n, n_features) or None
        Cells that are not missing; None: all.

    Returns
    -------
    contributions : torch.Tensor of shape (n, n_features)
    """
    without = falls.sum(1) <= 0
    if without.any():
        falls[without] = fallback(without)
        even = without & (falls.sum(1) <= 0)
        falls[even] = 1.0 if there is None else there[even].to(falls)
    least = torch.finfo(falls.dtype).tiny
    return falls / falls.sum(1, keepdim=True).clamp(min=least) * total[:, None]


def keep_largest(contributions, max_columns):
    """Return contributions of which each row has at most `max_columns`, its sum the same.

    Parameters
    ----------
    contributions : ndarray of shape (n, n_features)
        Not negative.
    max_columns : int or None
    """
    if max_columns is None or max_columns >= contributions.shape[1]:
        return contributions
    small = np.argpartition(-contributions, max_columns - 1, axis=1)[:, max_columns:]
    kept = contributions.copy()
    np.put_along_axis(kept, small, 0.0, axis=1)
    least = np.finfo(kept.dtype).tiny
    factor = contributions.sum(axis=1) / np.maximum(kept.sum(axis=1), least)
    return kept * factor[:, None]
