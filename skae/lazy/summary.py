"""What one pass over a table leaves: its first rows, its columns, a sample of its rows."""

import numpy as np

from skae.lazy.chunks import take
from skae.lazy.joining import join


class Reservoir:
    """A uniform sample of the rows of chunks, in random order.

    Every row draws a key, and those with the lowest keys are kept (Vitter 1985 calls a
    sample of one pass a reservoir; by keys, it does not matter how the rows are divided).

    Parameters
    ----------
    size : int
        Rows that are kept, at most.
    rng : numpy.random.Generator
    """

    def __init__(self, size, rng):
        self.size, self._rng = size, rng
        self.n_seen, self._threshold = 0, np.inf
        self._chunks, self._keys = [], []

    def add(self, chunk):
        """Take rows of a native chunk into the sample, by chance."""
        keys = self._rng.random(chunk.shape[0])
        self.n_seen += len(keys)
        chosen = np.flatnonzero(keys < self._threshold)
        if not len(chosen):
            return
        self._chunks.append(take(chunk, chosen))
        self._keys.append(keys[chosen])
        if sum(map(len, self._keys)) > 2 * self.size:
            self._shrink()

    def merge(self, other):
        """Take the rows of another sample of its size, of other rows, into the sample."""
        self.n_seen += other.n_seen
        self._threshold = min(self._threshold, other._threshold)
        self._chunks += other._chunks
        self._keys += other._keys
        if self._chunks:
            self._shrink()
        return self

    def _shrink(self):
        keys = np.concatenate(self._keys)
        kept = np.argsort(keys)[: self.size]
        self._chunks, self._keys = [take(join(self._chunks), kept)], [keys[kept]]
        if len(kept) == self.size:
            self._threshold = keys[kept[-1]]

    def rows(self):
        """Return the sample as one native table."""
        self._shrink()
        return self._chunks[0]


def read_head(source, limit, size_of):
    """Return the first chunks of a source, up to a size, and an iterator of the rest.

    Parameters
    ----------
    source : Source
    limit : int
        Bytes.
    size_of : callable (chunk) -> int
        Bytes that a chunk takes.

    Returns
    -------
    head : list of `Part`
    rest : generator of `Part`, or None
        None: the head is the whole table.
    """
    parts, head, size = source.parts(), [], 0
    for part in parts:
        chunk = part.chunk
        if size + size_of(chunk) > limit and head:
            return head, _continued(part, parts)
        head.append(part)
        size += size_of(chunk)
    return head, None


def _continued(part, parts):
    yield part
    yield from parts
