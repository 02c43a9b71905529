"""Rows that come in near copies, such as repeated measurements: fewer than they look."""

import numpy as np
import pandas as pd
from scipy.special import digamma

from skae._processes import one_openmp_thread
from skae._warnings import warn

# Rows that are looked at, and whose neighbours are sought; columns with fewer values are
# discrete: rows agree in them without being copies.
MAX_ROWS, N_QUERIES, LEAST_VALUES = 50_000, 200, 20
# Neighbours between which the dimension is estimated, and the fewest distinct rows.
NEAR, FAR, LEAST_ROWS = 16, 64, 100
# Nearest neighbours are near copies if they are nearer than this fraction of the distance
# that is expected, and if they are set apart: the distances jump from one neighbour to the
# next more than they would on a curve, whose dimension is 1.
MUCH_NEARER, LEAST_JUMP = 0.5, 1.4


def warn_of_near_copies(numbers):
    """Warn if most rows have near copies among the others.

    Parameters
    ----------
    numbers : ndarray of shape (n_samples, n_numbers)
        Numbers in standard units.
    """
    if has_near_copies(numbers):
        warn(
            "Most rows have near copies: their nearest neighbours are much nearer than "
            "those further away lead one to expect, as in repeated measurements. Rows that "
            "are held out are then not new to the networks, and more fresh rows than "
            "promised will be flagged. Pass groups=, the subject of every row, to fit.",
        )


def has_near_copies(numbers):
    """Return whether most rows have near copies among the others.

    With rows of a density in d dimensions, the volume ``r^d`` of the ball up to the k-th
    neighbour is gamma distributed, and ``E log r_k = psi(k) / d + const``. The distances to
    neighbours further away than the copies give d, and with it the distance to the nearest
    neighbour that is to be expected.

    Parameters
    ----------
    numbers : ndarray of shape (n_samples, n_numbers)
        Numbers in standard units. Of many rows the first are looked at: copies often stand
        together. Rows that are equal count once, columns of few values do not.

    References
    ----------
    Levina & Bickel, Maximum Likelihood Estimation of Intrinsic Dimension, 2004.
    """
    rows = _distinct(numbers[:MAX_ROWS])
    if len(rows) < LEAST_ROWS:
        return False
    far = min(FAR, len(rows) // 4)
    near = far * NEAR // FAR
    queries = rows[np.linspace(0, len(rows) - 1, min(N_QUERIES, len(rows))).astype(int)]
    # Imported here: half of scikit-learn comes with it.
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=far + 1, algorithm="brute").fit(rows)
    # The first neighbour of a row is the row itself.
    with one_openmp_thread():
        distances = search.kneighbors(queries)[0][:, 1:]
    logs = np.log(np.maximum(distances, np.finfo(np.float32).eps))
    slope = np.median(logs[:, far - 1] - logs[:, near - 1]) / (digamma(far) - digamma(near))
    expected = logs[:, near - 1] - slope * (digamma(near) - digamma(1))
    # psi(k + 1) - psi(k) = 1 / k: a jump is 1 / d.
    jumps = np.arange(1, near) * np.diff(logs[:, :near], axis=1).mean(axis=0)
    is_nearer = np.median(logs[:, 0] - expected) < np.log(MUCH_NEARER)
    return bool(is_nearer and jumps.max() > LEAST_JUMP)


def _distinct(numbers):
    """Return the rows that differ, in the columns that hold many values."""
    some = np.sort(numbers[:: max(1, len(numbers) // 2000)], axis=0)
    n_values = 1 + (np.diff(some, axis=0) > 0).sum(axis=0)
    rows = np.asarray(numbers[:, n_values >= LEAST_VALUES], dtype=np.float64)
    if not rows.shape[1]:
        return rows[:0]
    return rows[~pd.DataFrame(rows).duplicated().to_numpy()]
