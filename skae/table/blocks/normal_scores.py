"""Numbers by the normal quantiles of their ranks."""

import numpy as np
from scipy.special import ndtr, ndtri

from skae.table.anonymity import blur

# Numbers of a column that are kept: others lie between two of them.
MAX_LANDMARKS = 1000


class NormalScores:
    """x = (q(r) - m) / s, with q the normal quantile and r the rank of a number in fit.

    The i-th of n numbers has the rank (i - 1/2) / n, equal ones the mean of theirs. With m and
    s a column has mean 0 and variance 1, however often it repeats a number.

    Parameters
    ----------
    raw : ndarray of shape (n, n_features)
        NaN where missing; no column may be empty.
    least_rows : int
        Rows that a number that is kept tells of, at least.

    Attributes
    ----------
    landmarks, places : ndarray of shape (n_landmarks, n_features)
        Numbers that are kept, rising, and their ranks.
    center, scale : ndarray of shape (n_features,)
        m and s.

    References
    ----------
    Hazen, Storage to Be Provided in Impounding Reservoirs, 1914; Blom, Statistical
    Estimates and Transformed Beta-Variables, 1958, on the ranks.
    """

    def __init__(self, raw, least_rows):
        n_landmarks = min(MAX_LANDMARKS, len(raw))
        ends = np.linspace(0.0, 1.0, n_landmarks)
        # Rounded, quantiles of equal numbers may fall.
        landmarks = np.maximum.accumulate(np.nanquantile(raw, ends, axis=0))
        self.landmarks = np.apply_along_axis(blur, 0, landmarks, least_rows)
        n = (~np.isnan(raw)).sum(axis=0)
        self.places = (0.5 + ends[:, None] * (n - 1.0)) / n
        self.center, self.scale = np.zeros(len(n)), np.ones(len(n))
        scores = self.transform(raw)
        spread = np.nanstd(scores, axis=0)
        self.center, self.scale = (
            np.nanmean(scores, axis=0),
            np.where(spread > 0, spread, 1),
        )

    def transform(self, raw):
        """Return the scores of numbers, ndarrays of shape (n, n_features)."""
        ranks = np.empty_like(raw)
        for j, (points, places) in enumerate(
            zip(self.landmarks.T, self.places.T, strict=True)
        ):
            # The last and the first of those that are equal.
            last = np.interp(raw[:, j], points, places)
            first = -np.interp(-raw[:, j], -points[::-1], -places[::-1])
            ranks[:, j] = 0.5 * (first + last)
        return (ndtri(ranks) - self.center) / self.scale

    def inverse_transform(self, scores):
        """Return the numbers with these scores, ndarrays of shape (n, n_features)."""
        ranks = ndtr(scores * self.scale + self.center)
        raw = np.empty_like(ranks)
        for j, (points, places) in enumerate(
            zip(self.landmarks.T, self.places.T, strict=True)
        ):
            raw[:, j] = np.interp(ranks[:, j], places, points)
        return raw
