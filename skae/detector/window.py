"""The latest rows of a stream, which settle thresholds and p-values."""

import numpy as np

from skae.detector.encoded_table import EncodedTable

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
    """

    def __init__(self, size):
        self.size, self._chunks = size, []

    def add(self, X, folds):
        """Take a chunk in, and let go of the oldest rows."""
        n_left = self.size
        chunks = []
        for rows, of_rows in [(X, folds), *reversed(self._chunks)]:
            n_kept = min(n_left, len(of_rows))
            if n_kept:
                first = len(of_rows) - n_kept
                kept = rows[first:]
                # An array's slice would hold the whole of it in memory.
                kept = kept.copy() if hasattr(kept, "copy") else kept
                chunks.append((kept, of_rows[first:]))
            n_left -= n_kept
        self._chunks = chunks[::-1]

    def parts(self, encoder):
        """Return the rows as a list of (`EncodedTable`, folds)."""
        return [(EncodedTable(X, encoder), folds) for X, folds in self._chunks]


class PastScores:
    """Scores of the rows of a stream whose rows may not be kept; the older, the lighter.

    Parameters
    ----------
    scores, folds : ndarray of shape (n_samples,)
        Of the first chunk.
    """

    def __init__(self, scores, folds):
        self.scores, self.folds, self.weights = scores, folds, np.ones(len(scores))

    def add(self, scores, folds):
        """Take the scores of a chunk in; what has become too light is forgotten."""
        weights = self.weights * 0.5 ** (len(scores) / HALF_LIFE)
        kept = weights > LEAST_WEIGHT
        self.scores = np.concatenate([self.scores[kept], scores])
        self.folds = np.concatenate([self.folds[kept], folds])
        self.weights = np.concatenate([weights[kept], np.ones(len(scores))])
