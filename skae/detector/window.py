"""The latest rows of a stream, which settle thresholds and p-values."""

import numpy as np

# Rows after which a score that cannot be taken again counts half, and what is forgotten.
HALF_LIFE, LEAST_WEIGHT = 500, 1e-3


class Window:
    """The latest rows of a stream and their folds.

    Networks change from chunk to chunk. So thresholds and p-values come from rows that are
    scored anew, by the networks of today; a row's fold stays what it was, so that they
    still have not seen it.

    Parameters
    ----------
    size : int
        Rows that are kept.

    Attributes
    ----------
    parts : list of (EncodedTable, ndarray of int)
        Rows and their folds, the latest last.
    """

    def __init__(self, size):
        self.size, self.parts = size, []

    def add(self, table, folds):
        """Take a chunk in, and let go of the oldest rows."""
        n_left, parts = self.size, []
        for rows, of_rows in [(table, folds), *reversed(self.parts)]:
            n_kept = min(n_left, len(of_rows))
            n_left -= n_kept
            if n_kept:
                first = len(of_rows) - n_kept
                parts.append((rows.from_row(first), of_rows[first:]))
        self.parts = parts[::-1]


class PastScores:
    """Scores of the rows of a stream whose rows may not be kept; the older, the lighter.

    Attributes
    ----------
    scores, weights : ndarray of shape (n_samples,)
    folds : ndarray of int of shape (n_samples,)
    """

    def __init__(self):
        self.scores, self.folds = np.empty(0), np.empty(0, dtype=np.int64)
        self.weights = np.empty(0)

    def add(self, scores, folds):
        """Take the scores of a chunk in; what has become too light is forgotten."""
        weights = self.weights * 0.5 ** (len(scores) / HALF_LIFE)
        kept = weights > LEAST_WEIGHT
        self.scores = np.concatenate([self.scores[kept], scores])
        self.folds = np.concatenate([self.folds[kept], folds])
        self.weights = np.concatenate([weights[kept], np.ones(len(scores))])
