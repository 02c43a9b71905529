"""The rows of one of several workers, and what it knows of those of the others."""

from dataclasses import dataclass
from itertools import pairwise

import torch

from skae.table.rows import DenseRows, TrainingRows

# Rows that all workers have, at most: noise and discrepancies are measured by them.
MAX_COMMON = 4096


@dataclass(frozen=True)
class ShardRows(TrainingRows):
    """The rows of a worker that trains beside others.

    Every worker takes as many steps an epoch, however many rows it has: batches are as large
    as its part of the rows is, and may be empty.

    Attributes
    ----------
    n_train_of_all, n_valid_of_all : int
        Rows to train on, and held-out ones, of all workers.
    common : DenseRows
        Some rows of all workers, the same on each of them.
    """

    n_train_of_all: int = 0
    n_valid_of_all: int = 0
    common: DenseRows | None = None

    @classmethod
    def among(cls, data, workers):
        """Return `TrainingRows` of a worker, with the numbers of those of others."""
        if workers.size == 1:
            return data
        counts = zip(*workers.gathered((data.n_train, data.n_valid)), strict=True)
        return cls(data.source, None, data.n_valid, False, *map(sum, counts))

    @property
    def holds_out(self):
        return self.n_valid_of_all > 0

    def batches(self, batch_size, generator):
        n_steps = -(-self.n_train_of_all // batch_size)
        ends = [self.n_train * step // n_steps for step in range(n_steps + 1)]
        sizes = [end - start for start, end in pairwise(ends)]
        return self.source.batches(self.n_train, sizes, generator)

    @property
    def learned(self):
        return self.common

    def sample(self, most):
        return self.common.x[:most], None


def sample_of_shards(data, most, workers, device):
    """Return rows of all workers, in memory: some to train on, and all that are held out.

    Parameters
    ----------
    data : ShardRows
    most : int
        Rows to train on, at most.
    workers : Workers
    device : torch.device

    Returns
    -------
    rows : TrainingRows on the device, or None
        On the first worker; None on the others.
    """
    generator = torch.Generator().manual_seed(workers.rank)
    own = -(-most * data.n_train // max(data.n_train_of_all, 1))
    chosen = some_rows(data.source, data.n_train, own, generator)
    held_out = DenseRows(*data.source[data.n_train : len(data.source)])
    own = [tuple(_moved(rows, "cpu") for rows in (chosen, held_out))]
    parts = workers.merged(own, lambda mine, others: mine + others)
    if parts is None:
        return None
    chosen, held_out = (
        _moved(_joined(of_workers), device) for of_workers in zip(*parts, strict=True)
    )
    return TrainingRows(chosen.followed_by(held_out), None, len(held_out))


def some_rows(source, n_rows, most, generator):
    """Return a random sample of the first `n_rows` rows of a source, in memory."""
    if not isinstance(source, DenseRows):
        return source.some(most, generator)
    chosen = torch.randperm(n_rows, generator=generator)[:most]
    return DenseRows(*source[chosen.to(source.device)])


def _joined(parts):
    rows = parts[0]
    for part in parts[1:]:
        rows = rows.followed_by(part)
    return rows


def _moved(rows, device):
    observed = None if rows.observed is None else rows.observed.to(device)
    return DenseRows(rows.x.to(device), observed)
