"""Encoded rows in files, in random order: more than memory holds, and as well mixed."""

import os
import shutil
import tempfile
from dataclasses import dataclass, replace

import numpy as np
import torch

from skae._prefetch import prefetched
from skae.table.rows import DenseRows, RowsOfPart
from skae.table.states import OBSERVED

# Parts of the memory limit that rows take at most where they are kept, in a sample for one.
N_PARTS = 8
# And that a file takes: of the one that is trained on and of the one that is read meanwhile
# there are copies, in another order and together.
N_PARTS_OF_FILE = 32
# Rows, in cells of the design matrix, that wait to be written.
WAITING_CELLS = 1_000_000


class Spill:
    """Files that encoded rows are thrown into at random.

    Every row goes to a file by chance, and the rows of a file are shuffled when it is read:
    together that is as random an order as that of all rows at once (Sanders 1998).

    Parameters
    ----------
    n_files : int
    n_inputs, n_features : int
        Columns of the design matrix and of the table.
    rng : numpy.random.Generator
    """

    def __init__(self, n_files, n_inputs, n_features, rng):
        self._folder = tempfile.TemporaryDirectory(prefix="skae-")
        self._rng, self.n_files = rng, n_files
        self.n_inputs, self.n_features = n_inputs, n_features
        self.sizes = np.zeros(n_files, dtype=np.int64)
        self._waiting, self._n_waiting = [], 0

    def add(self, design, observed):
        """Take encoded rows: float32, and uint8 of which cells are observed."""
        # One draw a row: how the rows are divided into chunks does not matter.
        files = (self._rng.random(len(design)) * self.n_files).astype(np.int64)
        self._waiting.append((files, design, observed))
        self._n_waiting += design.size
        if self._n_waiting > WAITING_CELLS:
            self.flush()

    def flush(self):
        """Write what waits."""
        if not self._waiting:
            return
        files, *parts = map(np.concatenate, zip(*self._waiting, strict=True))
        self._waiting, self._n_waiting = [], 0
        order = np.argsort(files, kind="stable")
        counts = np.bincount(files, minlength=self.n_files)
        for i, rows in enumerate(np.split(order, counts.cumsum()[:-1])):
            if len(rows):
                for suffix, part in zip("xo", parts, strict=True):
                    with open(self._path(i, suffix), "ab") as file:
                        part[rows].tofile(file)
        self.sizes += counts

    def _path(self, i, suffix):
        return os.path.join(self._folder.name, f"{i}.{suffix}")

    def read(self, i):
        """Return the rows of a file as `DenseRows` on the CPU."""
        if not self.sizes[i]:
            return DenseRows(*map(torch.from_numpy, self.nothing()))
        x, observed = (
            torch.from_numpy(np.fromfile(self._path(i, suffix), dtype).reshape(-1, width))
            for suffix, dtype, width in (
                ("x", np.float32, self.n_inputs),
                ("o", np.uint8, self.n_features),
            )
        )
        return DenseRows(x, observed)

    def nothing(self):
        """Return the design and the mask of no rows."""
        return _no_rows(self)

    def rows(self, held_out, device, masked):
        """Return the rows to train on, and then those that are held out."""
        return SpilledRows(self, held_out, device, masked)

    def close(self):
        """Delete the files."""
        self._folder.cleanup()


class Kept:
    """Encoded rows in memory, in place of a `Spill` where they are few."""

    def __init__(self, n_inputs, n_features):
        self.n_inputs, self.n_features = n_inputs, n_features
        self._parts = [self.nothing()]

    def add(self, design, observed):
        self._parts.append((design, observed))

    def flush(self):
        pass

    def nothing(self):
        return _no_rows(self)

    def rows(self, held_out, device, masked):
        x, observed = (
            torch.from_numpy(np.concatenate(part)).to(device)
            for part in zip(*self._parts, strict=True)
        )
        self._parts = []
        return DenseRows(x, observed if masked else None).followed_by(held_out)

    def close(self):
        pass


def _no_rows(rows):
    return (
        np.empty((0, rows.n_inputs), np.float32),
        np.empty((0, rows.n_features), np.uint8),
    )


def refuse_full_disk(n_bytes):
    """Raise if the folder for temporary files has no room for so many bytes."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise OSError(
            f"Encoded, the rows of X take {n_bytes / 1e9:.1f} GB, but {folder!r}, where "
            f"temporary files go, has {free / 1e9:.1f} GB left. Set the environment variable "
            "TMPDIR to a folder with more, or use fewer columns or a larger min_frequency."
        )


@dataclass(frozen=True)
class SpilledRows:
    """Rows to train on in files, followed by rows that are held out, in memory.

    It stands where `DenseRows` stand: rows are numbered file by file.

    Attributes
    ----------
    spill : Spill
    held_out : DenseRows
        On the device.
    device : torch.device
    masked : bool
        Whether any cell is not observed.
    """

    spill: Spill
    held_out: DenseRows
    device: torch.device
    masked: bool

    @property
    def n_spilled(self):
        return int(self.spill.sizes.sum())

    def __len__(self):
        return self.n_spilled + len(self.held_out)

    def batches(self, n_rows, sizes, generator):
        """Yield row numbers, design and mask of batches, in random order, of training rows."""
        rest, sizes = None, batch_sizes(n_rows, sizes)
        size = next(sizes, None)
        for rows in prefetched(self._files(generator)):
            first = 0
            while size is not None:
                end = first + size - (0 if rest is None else len(rest))
                if end > len(rows):
                    break
                batch = DenseRows(*rows[first:end])
                batch = batch if rest is None else rest.followed_by(batch)
                yield None, *self._on_device(batch, slice(None))
                rest, first, size = None, end, next(sizes, None)
            # As a copy: a slice would keep the rows of the whole file.
            left = DenseRows(*(part.clone() for part in rows[first:]))
            rest = left if rest is None else rest.followed_by(left)
            del rows

    def _files(self, generator):
        """Yield the files' rows in random order; draws happen in the thread that asks."""
        device = generator.device
        order = torch.randperm(self.spill.n_files, generator=generator, device=device)
        seeds = torch.randint(2**62, (len(order),), generator=generator, device=device)
        for i, seed in zip(order.tolist(), seeds.tolist(), strict=True):
            yield self._mixed(i, seed)

    def _mixed(self, i, seed):
        """Return the rows of a file, in another order."""
        rows = self.spill.read(i)
        mixed = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
        return DenseRows(*rows[mixed])

    def _on_device(self, rows, part):
        x, observed = rows[part]
        observed = observed.to(self.device) if self.masked else None
        return x.to(self.device), observed

    def __getitem__(self, index):
        """Return the design and the mask of a slice, or of a tensor of row numbers."""
        if not isinstance(index, slice):
            parts = [self[i : i + 1] for i in index.tolist()]
            return _joined(parts)
        start, stop, _ = index.indices(len(self))
        parts, first = [], 0
        for i, size in enumerate(self.spill.sizes.tolist()):
            low, high = max(start - first, 0), min(stop - first, size)
            if low < high:
                parts.append(self._on_device(self.spill.read(i), slice(low, high)))
            first += size
        low, high = max(start - first, 0), min(stop - first, len(self.held_out))
        if low < high or not parts:
            x, observed = self.held_out[low : max(low, high)]
            parts.append((x, observed if self.masked else None))
        return _joined(parts)

    def first(self, n_rows):
        """Return the first of the rows: those to train on stay in their files."""
        if n_rows < self.n_spilled:
            return DenseRows(*self[:n_rows])
        return replace(self, held_out=self.held_out.first(n_rows - self.n_spilled))

    def some(self, most, generator):
        """Return a random sample of the rows to train on, in memory on the device."""
        n_spilled, parts = self.n_spilled, []
        for i, size in enumerate(self.spill.sizes.tolist()):
            n_taken = min(size, -(-most * size // max(n_spilled, 1)))
            chosen = torch.randperm(size, generator=generator)[:n_taken]
            parts.append(self._on_device(self.spill.read(i), chosen))
        return DenseRows(*_joined(parts))

    def followed_by(self, other):
        """Return the rows to train on, and then those of `other`, which are held out."""
        masked = self.masked or other.observed is not None
        if masked and other.observed is None:
            shape = len(other), self.spill.n_features
            seen = torch.full(shape, OBSERVED, dtype=torch.uint8)
            other = DenseRows(other.x, seen.to(self.device))
        return replace(self, held_out=other, masked=masked)

    def part(self, start, stop, width):
        """Return something to slice the first columns of some rows from."""
        return RowsOfPart(self, start, stop, width)


def batch_sizes(n_rows, sizes):
    """Return an iterator of the sizes of batches, one for all of them or a list."""
    if isinstance(sizes, list):
        return iter(sizes)
    return (min(sizes, n_rows - first) for first in range(0, n_rows, sizes))


def _joined(parts):
    """Return designs, and masks or None, below each other."""
    x, observed = zip(*parts, strict=True)
    return torch.cat(x), None if observed[0] is None else torch.cat(observed)
