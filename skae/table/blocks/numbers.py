"""Numbers, dates and durations: one column of the design matrix each, in standard units."""

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.preprocessing import RobustScaler, StandardScaler
from sklearn.utils import gen_batches

from skae.table.anonymity import extreme_means
from skae.table.blocks.base import Block
from skae.table.blocks.encoding import NumberEncoding
from skae.table.blocks.moments import merge_moments
from skae.table.blocks.normal_scores import NormalScores
from skae.table.decimals import TOO_MANY, decimals_of
from skae.table.frame import Frame
from skae.table.number_column import EmptyColumn, NumberColumn
from skae.table.states import MISSING, OBSERVED

# Rows that are encoded at a time: the float64 work space stays small beside the data.
BLOCK = 8192
# Rows, and cells, that medians and quantiles are learned from, more or less.
MAX_QUANTILE_ROWS, MAX_QUANTILE_CELLS = 100_000, 20_000_000
# Standardised cells are clipped to this size, so that their squares are finite in float32.
LARGEST = 1e15


class NumberBlock(Block):
    """Columns of numbers, x = (raw - center) / scale, or the normal quantile of the rank.

    A decoder's output is in the same units; what it costs, the estimator's loss or
    likelihood says.

    Attributes
    ----------
    center, scale : ndarray of shape (n_features,)
        Raw units, and raw units per standard unit.
    lowest, highest : ndarray of shape (2, n_features)
        The two smallest and the two largest cells in fit, the outermost first, in raw
        units; infinite where there are not as many.
    decimals : ndarray of int of shape (n_features,)
        With which its cells can be written, at most `MOST_DECIMALS`; more: `TOO_MANY`.
    """

    of_table = (
        *Block.of_table,
        *("center", "scale", "lowest", "highest", "decimals", "_scaler", "_quantiles"),
    )

    def __init__(self, features, kinds, names, settings, is_frame):
        super().__init__(features, kinds, names, settings, is_frame)
        self._scaler, self._quantiles = StandardScaler(), None
        self.sizes = np.ones(len(self.features), dtype=np.int64)
        self.lowest = np.full((2, len(self.features)), np.inf)
        self.highest = -self.lowest
        self.decimals = np.zeros(len(self.features), dtype=np.int64)

    def make_readers(self, kinds, is_frame):
        if not is_frame:
            return None
        readers = [
            (EmptyColumn if kind == "empty" else NumberColumn)(name, kind)
            for name, kind in zip(self.names, kinds, strict=True)
        ]
        for reader in readers:
            reader.keeps_first = self.settings.least_rows == 1
        return readers

    def learn(self, X, rows, sample_weight):
        if not len(self.features):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            for block in gen_batches(len(rows), BLOCK):
                chunk = rows[block]
                weight = None if sample_weight is None else sample_weight[chunk]
                taken = X[chunk]
                for i, reader in zip(self.features, self.readers or (), strict=False):
                    reader.learn(taken.column(i))
                raw = self.read(taken)
                self.n_missing += np.isnan(raw).sum(axis=0)
                self._learn_moments(raw, weight)
                self._learn_values(raw)

    def _learn_moments(self, raw, weight):
        """Update means and variances; `StandardScaler` would make NaN of columns of NaN."""
        scaler, nothing = self._scaler, np.isnan(raw).all(axis=0)
        start = {"mean_": 0.0, "var_": 0.0, "scale_": 1.0}
        before = {name: getattr(scaler, name, value) for name, value in start.items()}
        scaler.partial_fit(raw, sample_weight=weight)
        for name, values in before.items():
            setattr(scaler, name, np.where(nothing, values, getattr(scaler, name)))

    def _learn_values(self, raw):
        least_rows = self.settings.least_rows
        if least_rows > 1:
            low, high = extreme_means(raw, least_rows)
            self.lowest = np.minimum(self.lowest, low)
            self.highest = np.maximum(self.highest, high)
        else:
            self.lowest = _two_smallest(self.lowest, raw)
            self.highest = -_two_smallest(-self.highest, -raw)
        self.decimals = decimals_of(raw, self.decimals)

    def merge(self, other):
        if not len(self.features) or not hasattr(other._scaler, "n_samples_seen_"):
            return
        super().merge(other)
        if self.readers is not None:
            pairs = zip(self.readers, other.readers, strict=True)
            shifts = np.array([reader.merge(theirs) for reader, theirs in pairs])
        else:
            shifts = np.zeros(len(self.features))
        self._scaler = merge_moments(self._scaler, other._scaler, shifts)
        # Of two means of few extreme cells the further one stands for both.
        join = np.minimum if self.settings.least_rows > 1 else _two_smallest
        self.lowest = join(self.lowest, other.lowest + shifts)
        self.highest = -join(-self.highest, -(other.highest + shifts))
        self.decimals = np.maximum(self.decimals, other.decimals)

    def settle(self, X, rows):
        if not len(self.features):
            self.center = self.scale = np.zeros(0)
            return
        scaler, seen = self._scaler, ~self.empty
        self._refuse_huge(X, rows)
        self.center = np.where(seen, scaler.mean_, 0.0)
        # Differences below this fraction of the mean are rounding, not variation.
        scale = np.maximum(scaler.scale_, 1e-12 * np.abs(self.center))
        self.scale = np.where(seen, scale, 1.0)
        if self.settings.scale is False:
            unit = float(np.sqrt(scaler.var_[seen].mean())) if seen.any() else 1.0
            self.scale = np.full(len(seen), unit if unit > 0 else 1.0)

    def _refuse_huge(self, X, rows):
        """Raise if the variance of a column is beyond float64."""
        broken = ~self.empty & ~np.isfinite(self._scaler.var_)
        if not broken.any():
            return
        first, largest = np.flatnonzero(broken)[0], 0.0
        for block in gen_batches(len(rows), BLOCK):
            raw = self.read(X[rows[block]])
            largest = max(largest, np.nanmax(np.abs(raw[:, first]), initial=0.0))
        raise ValueError(
            f"Column {self.names[first]!r} holds values up to {largest:.3g}, whose "
            "variance overflows float64; divide the column by a constant first."
        )

    def refine(self, X, rows):
        if not isinstance(self.settings.scale, str) or not len(self.features):
            return
        raw = self.some(X, rows)[1]
        if self.settings.scale == "robust":
            self._use_quartiles(raw)
        else:
            cells = self._for_quantiles(raw)
            self._quantiles = NormalScores(cells, self.settings.least_rows)

    def _for_quantiles(self, raw):
        """Return the cells, 0 where a column is empty, or a cell too small to divide by."""
        small = np.abs(raw) < np.finfo(np.float64).tiny
        return np.where(self.empty | small, 0.0, raw)

    def _use_quartiles(self, raw):
        seen = ~self.empty
        scaler = RobustScaler(unit_variance=True).fit(np.where(seen, raw, 0.0))
        self.center = np.where(seen, scaler.center_, 0.0)
        # Where half of the cells are alike there is no interquartile range.
        high = np.nanquantile(raw[:, seen], 0.75, axis=0)
        spread = high - np.nanquantile(raw[:, seen], 0.25, axis=0)
        usable = np.flatnonzero(seen)[spread > 0]
        self.scale[usable] = scaler.scale_[usable]

    def some(self, X, rows):
        """Return some of the rows, from all over, and their numbers in raw units.

        Of a sparse matrix it is few enough to be made dense.
        """
        most = BLOCK if issparse(X) else MAX_QUANTILE_ROWS
        most = min(most, max(MAX_QUANTILE_CELLS // X.shape[1], 1000))
        # From all over, because the order of the rows may mean something.
        taken = rows[:: max(1, len(rows) // most)]
        return taken, self.read(X[taken])

    def read(self, X):
        """Return the cells as float64, NaN where missing, shape (n, n_features).

        What was empty in fit is not read, whatever it holds now.
        """
        X = X.toarray() if issparse(X) else X
        if not isinstance(X, Frame):
            raw = X if len(self.features) == X.shape[1] else X[:, self.features]
            raw = np.ascontiguousarray(raw, dtype=np.float64)
            if self.empty.any():
                raw = np.where(self.empty, np.nan, raw)
            return raw
        raw = np.full((len(X), len(self.features)), np.nan)
        left = ~self.empty
        columns, values = X.matrix()
        if len(columns):
            own, places = self._plain(columns)
            raw[:, places] = values[:, own]
            left[places] = False
        for j in np.flatnonzero(left):
            raw[:, j] = self.readers[j].read(X.column(self.features[j]))
        return raw

    def _plain(self, columns):
        """Return which of the table's columns are read as they are, and the block's of them."""
        places = np.searchsorted(self.features, columns)
        places[places == len(self.features)] = 0
        own = self.features[places] == columns
        plain = [self.readers[j].is_plain and not self.empty[j] for j in places]
        own &= np.array(plain, dtype=bool)
        return own, places[own]

    def values(self, X):
        return self.read(X)

    def check(self, cells, j):
        self.readers[j].check(cells)

    def encode(self, X, dtype):
        raw = self.read(X)
        if self._quantiles is not None:
            x = self._quantiles.transform(self._for_quantiles(raw))
            x[np.isnan(raw)] = np.nan
        else:
            x = raw - self.center
            x /= self.scale
        missing = np.isnan(x)
        if self.empty.any():
            missing[:, self.empty] = True
        states = None
        if missing.any():
            x[missing] = 0.0
            states = np.where(missing, MISSING, OBSERVED).astype(np.uint8)
        np.clip(x, -LARGEST, LARGEST, out=x)
        return x.astype(dtype, copy=False), states

    def decode(self, output, rng=None):
        output = np.asarray(output, dtype=np.float64)
        if self._quantiles is not None:
            return self._quantiles.inverse_transform(output)
        raw = output * self.scale
        raw += self.center
        return raw

    def to_possible(self, numbers):
        """Return numbers in raw units moved into their column's range and to its decimals."""
        return self._to_possible(numbers, ~self.empty)

    def to_whole(self, numbers):
        """Return `to_possible`, but of columns of whole numbers in a frame only.

        Dates and durations are made whole where they are written: to whole days, for
        example.
        """
        if self.readers is None:
            return numbers
        return self._to_possible(numbers, self._whole)

    @property
    def _whole(self):
        """Which columns of a frame hold whole numbers."""
        if self.readers is None:
            return np.zeros(len(self.features), dtype=bool)
        of_numbers = np.array(
            [reader.kind == "number" for reader in self.readers], dtype=bool
        )
        return of_numbers & ~self.empty & (self.decimals == 0)

    def holds(self, numbers, j):
        """Return which numbers column `j` can hold as they are, ndarray of bool."""
        if self.readers is None:
            return np.ones(len(numbers), dtype=bool)
        held = self.readers[j].holds(numbers)
        return held & (numbers == numbers.round()) if self._whole[j] else held

    def to_drawn(self, numbers):
        """Return `to_whole` of drawn numbers, none of which is at a single cell's limit.

        Where only one cell is at a limit of its column, draws that would be moved there are
        moved to a quarter of the distance to the next cell before it.
        """
        clipped = self._whole if self._quantiles is None else ~self.empty
        with np.errstate(invalid="ignore"):
            ends = np.stack([self.lowest[0], self.highest[0]])
            gaps = np.stack([self.lowest[1], self.highest[1]]) - ends
            low, high = ends + np.where(np.isfinite(gaps), gaps / 4, 0.0)
        numbers = np.where(clipped, np.clip(numbers, low, high), numbers)
        return self.to_whole(numbers)

    def _to_possible(self, numbers, which):
        numbers = np.where(
            which, np.clip(numbers, self.lowest[0], self.highest[0]), numbers
        )
        for decimals in np.unique(self.decimals[which & (self.decimals < TOO_MANY)]):
            columns = which & (self.decimals == decimals)
            # Not -0.
            numbers[:, columns] = numbers[:, columns].round(decimals) + 0.0
        return numbers

    def write(self, values, j, missing, template, rng=None):
        return self.readers[j].write(values, missing, template)

    def encoding(self, given):
        bases = [getattr(reader, "base", None) for reader in self.readers or ()]
        shifts = [
            0 if base is None else column.distance(base)
            for base, column in zip(bases, given, strict=False)
        ]
        shifts = np.array(shifts or np.zeros(len(self.features)), dtype=np.float64)
        return NumberEncoding(self, shifts, LARGEST)

    def extremes(self, x, generator, lows, highs):
        coins = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        return torch.where(coins < 0.5, lows, highs)


def _two_smallest(known, raw):
    """Return the two smallest of known cells and others, NaN left out, (2, n_features)."""
    # Of most columns a block of rows holds none that is smaller than those known.
    new = np.flatnonzero(~(np.fmin.reduce(raw, axis=0) >= known[1]))
    cells = np.concatenate([known[:, new], raw[:, new]])
    first = np.fmin.reduce(cells, axis=0)
    is_first = cells == first
    next_one = np.fmin.reduce(np.where(is_first, np.inf, cells), axis=0)
    smallest = known.copy()
    smallest[:, new] = first, np.where(is_first.sum(axis=0) > 1, first, next_one)
    return smallest
