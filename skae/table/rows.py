"""The rows that a fit learns from, batch by batch."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.sparse import vstack

from skae.table.encoder import TableEncoder
from skae.table.states import OBSERVED


class _Rows:
    """Rows that can be taken by their numbers."""

    def batches(self, n_rows, sizes, generator):
        """Yield row numbers, design and mask of batches of the first rows, in random order.

        Parameters
        ----------
        n_rows : int
        sizes : int or list of int
            Rows of every batch; of each of them.
        generator : torch.Generator
        """
        order = torch.randperm(n_rows, generator=generator, device=generator.device)
        for rows in order.split(sizes):
            yield rows, *self[rows]


@dataclass(frozen=True)
class DenseRows(_Rows):
    """Encoded rows in memory, on the device.

    Attributes
    ----------
    x : torch.Tensor of shape (n, n_inputs)
    observed : torch.Tensor of uint8 of shape (n, n_features) or None
        Which cells are observed; None: all.
    """

    x: torch.Tensor
    observed: torch.Tensor | None

    def __len__(self):
        return len(self.x)

    @property
    def device(self):
        return self.x.device

    def design(self, n_outputs):
        """Return the first columns of the design matrix, on the CPU."""
        return self.x[:, :n_outputs].cpu()

    def part(self, start, stop, width):
        """Return the first columns of some rows: what a skorch callback gets to see."""
        return self.x[start:stop, :width]

    def first(self, n_rows):
        """Return the first of the rows."""
        return DenseRows(*self[:n_rows])

    def taken(self, order):
        """Return the rows in another order, a tensor of row numbers."""
        return DenseRows(*self[order.to(self.device)])

    def followed_by(self, other):
        """Return these rows and then those of `other`."""
        observed = None
        if self.observed is not None or other.observed is not None:
            observed = torch.cat([self._mask_beside(other), other._mask_beside(self)])
        return DenseRows(torch.cat([self.x, other.x]), observed)

    def _mask_beside(self, other):
        """Return which cells are observed, though all may be, and not all of `other`."""
        if self.observed is not None:
            return self.observed
        return other.observed.new_full((len(self), other.observed.shape[1]), OBSERVED)

    def __getitem__(self, index):
        """Return the design and the observation mask of a slice, or of a tensor of row numbers."""
        if isinstance(index, slice):
            return self.x[index], None if self.observed is None else self.observed[index]
        x = self.x.index_select(0, index)
        return x, None if self.observed is None else self.observed.index_select(0, index)


@dataclass(frozen=True)
class SparseRows(_Rows):
    """Rows of a sparse matrix, encoded when they are asked for: never dense as a whole.

    Attributes
    ----------
    matrix : csr matrix
    rows : ndarray of int
        The rows of `matrix` that count, in the order of the fit.
    table : TableEncoder
    device : torch.device
    """

    matrix: object
    rows: np.ndarray
    table: TableEncoder
    device: torch.device

    def __len__(self):
        return len(self.rows)

    def design(self, n_outputs):
        """Return something to slice the design matrix from, as tensors on the CPU."""
        return self.part(0, len(self), n_outputs)

    def part(self, start, stop, width):
        """Return something to slice the first columns of some rows from."""
        return RowsOfPart(self, start, stop, width)

    def first(self, n_rows):
        """Return the first of the rows."""
        return replace(self, rows=self.rows[:n_rows])

    def taken(self, order):
        """Return the rows in another order, a tensor of row numbers."""
        return replace(self, rows=self.rows[order.numpy()])

    def followed_by(self, other):
        """Return these rows and then those of `other`."""
        matrix = vstack([self.matrix, other.matrix], format="csr")
        rows = np.concatenate([self.rows, self.matrix.shape[0] + other.rows])
        return replace(self, matrix=matrix, rows=rows)

    def __getitem__(self, index):
        index = index if isinstance(index, slice) else index.cpu().numpy()
        return encode_block(self.table, self.matrix[self.rows[index]], self.device)


class RowsOfPart:
    """Rows of the design matrix that are encoded or read when they are asked for, on the CPU."""

    def __init__(self, source, start, stop, width):
        self._source, self._start = source, start
        self.shape = stop - start, width

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, index):
        if isinstance(index, slice) and index.step in (None, 1):
            first, last, _ = index.indices(len(self))
            rows = slice(self._start + first, self._start + max(first, last))
            return self._source[rows][0][:, : self.shape[1]].cpu()
        numbers = np.arange(len(self))[index]
        rows = torch.from_numpy(self._start + np.atleast_1d(numbers))
        x = self._source[rows][0][:, : self.shape[1]].cpu()
        return x if np.ndim(numbers) else x[0]


def encode_block(table, X, device, dtype=np.float32):
    """Return the design and the observation mask of the rows of X as tensors on the device."""
    design, observed = table.encode(X, dtype)
    observed = None if observed is None else torch.from_numpy(observed).to(device)
    return torch.from_numpy(design).to(device), observed


@dataclass(frozen=True)
class TrainingRows:
    """Rows to learn from; the last `n_valid` are held out.

    Attributes
    ----------
    source : DenseRows or SparseRows
    weights : torch.Tensor of shape (n,) or None
        Row weights, 1 on average over the rows that train.
    n_valid : int
    is_separate : bool
        Whether the held-out rows are none of the fitted table's: they say which state is
        kept, and nothing else.
    """

    source: DenseRows | SparseRows
    weights: torch.Tensor | None
    n_valid: int
    is_separate: bool = False

    @classmethod
    def of(cls, source, rows, sample_weight, n_valid):
        """Return the rows with their weights, given those of all rows of the table."""
        weights = None
        if sample_weight is not None:
            weights = sample_weight[rows]
            weights /= weights[: len(rows) - n_valid].mean()
            weights = torch.from_numpy(weights.astype(np.float32)).to(source.device)
        return cls(source, weights, n_valid)

    def with_held_out(self, source, weights):
        """Return these rows, to train on, and separate ones that are held out.

        Parameters
        ----------
        source : DenseRows or SparseRows
            As the source of these.
        weights : ndarray of float64 of shape (n,) or None
            Of the others.
        """
        both = None
        if weights is not None or self.weights is not None:
            own = np.ones(len(self.source)) if self.weights is None else self.weights.cpu()
            others = np.ones(len(source)) if weights is None else weights / weights.mean()
            both = torch.from_numpy(np.concatenate([own, others]).astype(np.float32))
            both = both.to(source.device)
        return TrainingRows(self.source.followed_by(source), both, len(source), True)

    def all_to_train(self):
        """Return these rows, none of them held out."""
        weights = None if self.weights is None else self.weights / self.weights.mean()
        return replace(self, n_valid=0, weights=weights)

    def rotated(self, n_rows):
        """Return these rows with the last `n_rows` first: others are held out."""
        order = torch.arange(len(self.source)).roll(n_rows)
        weights = None
        if self.weights is not None:
            weights = self.weights[order.to(self.weights.device)]
            weights = weights / weights[: self.n_train].mean()
        return replace(self, source=self.source.taken(order), weights=weights)

    @property
    def learned(self):
        """The rows that may be learned from: all but separate ones."""
        return self.source.first(self.n_train) if self.is_separate else self.source

    @property
    def n_train(self):
        return len(self.source) - self.n_valid

    @property
    def n_train_of_all(self):
        """Rows to train on, those of other workers included."""
        return self.n_train

    @property
    def holds_out(self):
        """Whether any rows are held out, here or by other workers."""
        return self.n_valid > 0

    def batches(self, batch_size, generator):
        """Yield row numbers, design and mask of the batches of an epoch, in random order."""
        return self.source.batches(self.n_train, batch_size, generator)

    @property
    def train_weights(self):
        return None if self.weights is None else self.weights[: self.n_train]

    @property
    def valid_weights(self):
        return None if self.weights is None else self.weights[self.n_train :]

    def blocks(self, start, stop, size=2048):
        """Yield the design and the observation mask of rows `start` to `stop`, some at a time."""
        for first in range(start, stop, size):
            yield self.source[first : min(first + size, stop)]

    def sample(self, most):
        """Return the design of some rows, held-out ones first, and their weights."""
        n_rows = len(self.source)
        first = max(0, n_rows - self.n_valid)
        parts = slice(first, min(n_rows, first + most)), slice(0, min(first, most))
        # What encodes sparse rows may refuse none.
        parts = [part for part in parts if part.start < part.stop]
        x = torch.cat([self.source[part][0] for part in parts])[:most]
        weights = self.weights
        if weights is not None:
            weights = torch.cat([weights[part] for part in parts])[:most]
        return x, weights


def weighted_rows(X, sample_weight):
    """Return the positions of the rows that count: those of weight 0 are left out."""
    if sample_weight is None:
        return np.arange(X.shape[0])
    return np.flatnonzero(sample_weight)
