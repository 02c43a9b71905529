"""What unordered and ordered categories have in common."""

import numpy as np
import torch

from skae.table.blocks.base import LEAST_VARIANCE, Block
from skae.table.blocks.encoding import LevelEncoding
from skae.table.cells import Cells
from skae.table.frame import Frame
from skae.table.level_column import LevelColumn
from skae.table.reading import read_numbers
from skae.table.states import MISSING, OBSERVED, UNKNOWN

# What is tried as a gain of PCA's reconstruction.
GAINS = tuple(2.0**power for power in range(-1, 7))


class LevelBlock(Block):
    """Columns whose cells take one of several levels.

    A subclass says what stands for a level in the design matrix (`_indicators`), and what a
    decoder's output means: `log_odds` and the methods that `Block` leaves open.

    Attributes
    ----------
    n_levels : ndarray of int of shape (n_features,)
        Rare levels that share a place count once.
    proportions : torch.Tensor of shape (n_levels in all,)
        How frequent each level is in fit, a column's sum to 1.
    seen : torch.Tensor of bool of shape (n_levels in all,)
        Which levels any row of fit holds: no other is an answer, however likely it is.
    """

    column_class = LevelColumn
    of_table = (*Block.of_table, "_proportions", "_merged")

    def __init__(self, features, kinds, names, settings, is_frame):
        super().__init__(features, kinds, names, settings, is_frame)
        self._merged = False

    def make_readers(self, kinds, is_frame):
        return [
            self.column_class(name, kind)
            for name, kind in zip(self.names, kinds, strict=True)
        ]

    # ------------------------------------------------------- encoding (numpy)

    @property
    def identifiers(self):
        return np.array([reader.is_identifier for reader in self.readers], dtype=bool)

    def learn(self, X, rows, sample_weight):
        weight, taken = None if sample_weight is None else sample_weight[rows], X[rows]
        for j, (i, reader) in enumerate(zip(self.features, self.readers, strict=True)):
            cells = self._cells(taken, i, j)
            self.n_missing[j] += reader.learn(cells, weight, grow=not self._merged)

    def merge(self, other):
        super().merge(other)
        for reader, theirs in zip(self.readers, other.readers, strict=True):
            reader.merge(theirs)

    def _cells(self, X, i, j):
        """Return the `Cells` of column `i` of a table, the block's `j`."""
        return X.column(i) if isinstance(X, Frame) else read_numbers(X[:, i], self.names[j])

    def settle(self, X, rows):
        if not self._merged:
            settings = self.settings
            for reader in self.readers:
                reader.merge_rare(
                    settings.min_frequency, settings.max_categories, settings.least_rows
                )
            self._merged = True
        # Half a row more per level: to a score, a level that is declared but not seen is
        # rare, not impossible.
        counts = [reader.group_counts() + 0.5 for reader in self.readers]
        self._proportions = [count / count.sum() for count in counts]
        joined = np.concatenate([*self._proportions, []]).astype(np.float32)
        self.n_levels = np.array([len(count) for count in counts], dtype=np.int64)
        self.proportions = torch.from_numpy(joined)
        self._find_seen()
        self.sizes = self._choose_sizes()

    def _find_seen(self):
        seen = [reader.seen_groups() for reader in self.readers]
        self.seen = torch.from_numpy(np.concatenate([*seen, np.zeros(0, dtype=bool)]))

    def refine(self, X, rows):
        if self.settings.least_rows > 1:
            for reader in self.readers:
                reader.forget(self.settings.least_rows)
            self._find_seen()

    def _choose_sizes(self):
        """Return how many columns of the design matrix every column has."""
        raise NotImplementedError

    def _indicators(self, levels, proportions, dtype):
        """Return what stands for some levels of one column, of shape (n, size).

        Parameters
        ----------
        levels : ndarray of int of shape (n,)
            What stands for -1 does not matter.
        proportions : ndarray of float64 of shape (n_levels,)
        dtype : numpy dtype
        """
        raise NotImplementedError

    def encode(self, X, dtype):
        n_rows = X.shape[0]
        x = np.empty((n_rows, self.width), dtype=dtype)
        states = np.empty((n_rows, len(self.features)), dtype=np.uint8)
        start = 0
        for j in range(len(self.features)):
            levels, states[:, j] = self._read(X, j)
            own = x[:, start : start + self.sizes[j]]
            own[:] = self._indicators(levels, self._proportions[j], dtype)
            # Cells without a known level say nothing.
            own[levels < 0] = 0.0
            start += self.sizes[j]
        return x, None if (states == OBSERVED).all() else states

    def _read(self, X, j):
        """Return the levels of the block's column `j`, -1 where it has none, and the states."""
        if self.empty[j]:  # whatever it holds now
            return np.full(X.shape[0], -1), MISSING
        cells = self._cells(X, self.features[j], j)
        levels, states = self._states_of(cells, j)
        self._refuse_unknown(cells, j, states)
        return levels, states

    def _states_of(self, cells, j):
        """Return the levels of `Cells` of the block's column `j`, and the states."""
        if self.empty[j]:
            return np.full(len(cells), -1), np.full(len(cells), MISSING, dtype=np.uint8)
        unknown_is_rare = self.settings.handle_unknown == "infrequent_if_exist"
        return self.readers[j].read(cells, unknown_is_rare)

    def values(self, X):
        columns = [self._read(X, j)[0] for j in range(len(self.features))]
        levels = np.column_stack(columns).astype(np.float64)
        return np.where(levels < 0, np.nan, levels)

    def rare_place(self):
        """Return what stands for the level that rare levels share in every column.

        Returns
        -------
        columns : list of int
            The block's columns that have such a level.
        rows : torch.Tensor of shape (len(columns), width)
            Zero outside the column.
        """
        columns, rows = [], np.zeros((len(self.readers), self.width), dtype=np.float32)
        starts = np.cumsum(self.sizes) - self.sizes
        for j, (start, reader) in enumerate(zip(starts, self.readers, strict=True)):
            if reader.shared >= 0:
                level, own = np.array([reader.shared]), slice(start, start + self.sizes[j])
                rows[j, own] = self._indicators(level, self._proportions[j], rows.dtype)[0]
                columns.append(j)
        return columns, torch.from_numpy(rows[columns])

    def _refuse_unknown(self, cells, j, states):
        if self.settings.handle_unknown != "error":
            return
        unknown = np.flatnonzero(states == UNKNOWN)
        if len(unknown):
            cell = str(cells[unknown[:1]].objects()[0])
            raise ValueError(
                f"Column {self.names[j]!r} holds {cell!r} in row {unknown[0]}, a level not "
                "seen in fit. Set handle_unknown='ignore' to encode it as unknown."
            )

    # ------------------------------------------------------- formulas (torch)

    def encoding(self, given):
        rows, states, answers = [], [], []
        for j, column in enumerate(given):
            cells = _every_level(column.levels)
            levels, of_cells = self._states_of(cells, j)
            x = self._indicators(levels, self._proportions[j], np.float64)
            x[levels < 0] = 0.0
            rows.append(x)
            states.append(of_cells.astype(np.int64))
            answers.append(self.readers[j].answers(column.levels))
        return LevelEncoding(self, rows, states, answers)

    def level_numbers(self, output):
        """Return the levels that a decoder's output says are likeliest, (n, n_features)."""
        raise NotImplementedError

    def _pick(self, block, j):
        start = int(block.n_levels[:j].sum())
        self.n_levels = block.n_levels[j : j + 1]
        own = slice(start, start + int(self.n_levels[0]))
        self.proportions, self.seen = block.proportions[own], block.seen[own]

    def constants(self):
        return {"proportions": self.proportions, "seen": self.seen}

    def frequent(self, most):
        """Return the most frequent levels of a single column that rows hold, at most `most`."""
        n_seen = int(self.seen.sum())
        of_seen = torch.where(self.seen, self.proportions, -1.0)
        return of_seen.argsort(descending=True, stable=True)[: min(most, n_seen)]

    @property
    def column_of_level(self):
        """The block's column of every level, tensor of int of shape (n_levels in all,)."""
        return torch.repeat_interleave(torch.from_numpy(self.n_levels))

    def _sum_levels(self, values):
        return values.new_zeros(len(self.n_levels)).index_add_(
            0, self.column_of_level, values
        )

    def _entropies(self):
        return self._sum_levels(-self.proportions * self.proportions.log())

    def _weigh(self, variances):
        """Return the nats' weights with which guessing the proportions costs the variance."""
        weights = variances / self._entropies().clamp(min=LEAST_VARIANCE)
        return torch.where(variances > LEAST_VARIANCE, weights, 1.0)

    def _least_likely(self):
        """Return -log p of every column's rarest level, tensor of shape (n_features,)."""
        parts = self.proportions.split(self.n_levels.tolist())
        return -torch.stack([p.min() if len(p) else p.new_ones(()) for p in parts]).log()

    def _start_at(self, offsets, reconstruction, x):
        """Return the gains, one per column, that make the rows' levels likeliest."""
        if reconstruction is None:
            return torch.ones_like(offsets), offsets
        block = self.to("cpu")
        # What is missing adds the same to the cost of every gain.
        costs = [
            block.negative_log_likelihood(offsets + gain * reconstruction, x).mean(0)
            for gain in GAINS
        ]
        best = torch.tensor(GAINS, dtype=torch.float32)[torch.stack(costs).argmin(0)]
        return torch.repeat_interleave(best, torch.from_numpy(self.sizes)), offsets


def _every_level(levels):
    """Return `Cells` with each of the levels, an unknown one and a missing one."""
    codes = np.append(np.arange(len(levels) + 1), -1)
    values = np.empty(len(levels) + 1, dtype=object)
    values[:] = [*levels, object()]
    return Cells("category", codes, codes < 0, None, values)
