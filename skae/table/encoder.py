"""The table's columns <-> a design matrix."""

import narwhals.stable.v2 as nw
import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.preprocessing import QuantileTransformer, RobustScaler, StandardScaler
from sklearn.utils import gen_batches

from skae.table import columns as _columns
from skae.table.blocks import MISSING, OBSERVED, UNKNOWN, Layout
from skae.table.columns import EmptyColumn, LevelColumn, NumberColumn, kind_of

COLUMNS = {
    "number": NumberColumn,
    "date": NumberColumn,
    "duration": NumberColumn,
    "boolean": LevelColumn,
    "category": LevelColumn,
    "empty": EmptyColumn,
}
# Rows that are encoded at a time: the float64 work space stays small beside the data.
BLOCK = 8192
# Rows, and cells, that medians and quantiles are learned from, more or less.
MAX_QUANTILE_ROWS, MAX_QUANTILE_CELLS = 100_000, 20_000_000
# Standardised cells are cut at this size, so that their squares stay finite in float32.
LARGEST = 1e15


class TableEncoder:
    """Turn rows of a table into rows of a design matrix, and back.

    A table is an array, a sparse matrix (both numbers only, unless
    `categorical_features` says otherwise) or a data frame.

    Parameters
    ----------
    scale : bool, "robust" or "quantile"
        True: a number is centred and divided by its column's standard deviation (1 for a
        constant column). False: all are divided by one number, the root mean variance,
        which keeps the loss proportional to the squared error in raw units. "robust":
        by median and interquartile range. "quantile": by the normal quantile of its rank.
    categorical_features : "from_dtype", None or array-like
        Which columns are categories whatever their dtype: names, numbers or a mask.
        "from_dtype": those whose dtype says so. None: none may.
    handle_unknown : {"ignore", "error"}
        What a level that was not seen in fit is.
    min_frequency, max_categories
        Which levels are rare, as in `OneHotEncoder`.

    Attributes
    ----------
    layout_ : Layout
    center_, scale_ : ndarray of shape (n_numbers,)
        Of the columns of numbers: raw units, and raw units per standard unit.
    columns_ : list of NumberColumn and LevelColumn, or None for arrays of numbers
    """

    def __init__(
        self,
        scale=True,
        categorical_features="from_dtype",
        handle_unknown="ignore",
        min_frequency=None,
        max_categories=None,
        ordinal_features=None,
    ):
        self.scale = scale
        self.categorical_features = categorical_features
        self.handle_unknown = handle_unknown
        self.min_frequency = min_frequency
        self.max_categories = max_categories

    # ------------------------------------------------------------------ learning

    def fit(self, X, rows=None, sample_weight=None, names=None):
        """Learn the columns from `X[rows]`.

        Parameters
        ----------
        X : ndarray, csr matrix or narwhals.DataFrame
        rows : ndarray of int, default=None
            None: all.
        sample_weight : ndarray of shape (n_samples,), default=None
        names : sequence of str, default=None
            Column names for messages.

        Raises
        ------
        ValueError
            If a column cannot be encoded, or its variance is beyond float64.
        """
        rows = np.arange(X.shape[0]) if rows is None else rows
        self.names = [f"x{i}" for i in range(X.shape[1])] if names is None else list(names)
        self._choose_columns(X)
        self._scaler = StandardScaler()
        self._n_rows = 0
        self._n_missing = np.zeros(X.shape[1], dtype=np.int64)
        self._learn(X, rows, sample_weight)
        for column in self._level_columns():
            column.merge_rare(self.min_frequency, self.max_categories)
        self.empty_ = self._n_missing == self._n_rows
        self.holed_ = np.flatnonzero((self._n_missing > 0) & ~self.empty_)
        self._settle(X, rows)
        if self.scale in ("robust", "quantile"):
            self._learn_quantiles(X, rows)
        return self

    def partial_fit(self, X, rows, sample_weight=None):
        """Go on learning means, variances and shares of levels from more rows."""
        self._learn(X, rows, sample_weight)
        if not isinstance(self.scale, str):
            self._settle(X, rows)
        return self

    design_ = property(lambda self: self.layout_)

    @property
    def missing_fraction_(self):
        """Share of the cells that are missing, columns without any cell left out."""
        there = ~self.empty_
        if not there.any():
            return 0.0
        return float(self._n_missing[there].mean() / self._n_rows)

    def _choose_columns(self, X):
        self.columns_, self.template_ = None, None
        chosen = self._chosen_categories(X.shape[1])
        if issparse(X) and chosen.any():
            raise ValueError(
                "categorical_features names columns of a sparse matrix, which holds numbers "
                "only; pass an array or a data frame."
            )
        if not isinstance(X, nw.DataFrame):
            self._level_numbers = np.flatnonzero(chosen)
            if chosen.any():
                self.columns_ = [
                    LevelColumn(name, "category") if chosen[i] else None
                    for i, name in enumerate(self.names)
                ]
            return
        self.template_ = X[:0]
        self.columns_ = []
        for i, name in enumerate(X.columns):
            kind = "category" if chosen[i] else kind_of(X[:, i], name)
            if self.categorical_features is None and kind == "category":
                raise ValueError(
                    f"Column {name!r} holds text or categories, and "
                    "categorical_features=None allows none; use 'from_dtype'."
                )
            self.columns_.append(COLUMNS[kind](name, kind))
        self._level_numbers = np.array(
            [i for i, c in enumerate(self.columns_) if isinstance(c, LevelColumn)],
            dtype=int,
        )

    def _chosen_categories(self, n_features):
        """Return which columns `categorical_features` names, a mask."""
        chosen, asked = np.zeros(n_features, dtype=bool), self.categorical_features
        if asked is None or isinstance(asked, str):
            return chosen
        asked = np.asarray(asked)
        if asked.dtype.kind == "b":
            if len(asked) != n_features:
                raise ValueError(
                    f"categorical_features is a mask of {len(asked)} columns, but X has "
                    f"{n_features}."
                )
            return asked.copy()
        for item in asked.tolist():
            if isinstance(item, str):
                if item not in self.names:
                    raise ValueError(
                        f"categorical_features names {item!r}, which is not a column of X; "
                        f"its columns are {self.names}."
                    )
                item = self.names.index(item)
            if not -n_features <= item < n_features:
                raise ValueError(
                    f"categorical_features holds {item}, but X has {n_features} columns."
                )
            chosen[item] = True
        return chosen

    def _level_columns(self):
        return [self.columns_[i] for i in self._level_numbers]

    def _learn(self, X, rows, sample_weight):
        """Add the rows to the counts, means and variances."""
        numbers = np.setdiff1d(np.arange(X.shape[1]), self._level_numbers)
        with np.errstate(over="ignore", invalid="ignore"):
            for block in gen_batches(len(rows), BLOCK):
                chunk = rows[block]
                weight = None if sample_weight is None else sample_weight[chunk]
                taken = X[chunk]
                for i in numbers if self.template_ is not None else ():
                    self.columns_[i].learn(self._series(taken, i))
                raw = self._read_numbers(taken, numbers)
                self._n_missing[numbers] += np.isnan(raw).sum(axis=0)
                if raw.shape[1]:
                    self._scaler.partial_fit(raw, sample_weight=weight)
        self._n_rows += len(rows)
        weight = None if sample_weight is None else sample_weight[rows]
        for i in self._level_numbers:
            series, column = self._series(X, i)[rows], self.columns_[i]
            column.learn(series, weight)
            self._n_missing[i] += (column.level_numbers(series) == _columns.MISSING).sum()

    def _settle(self, X, rows):
        """Turn what was counted into centres, scales and the layout."""
        numbers = np.setdiff1d(np.arange(len(self.names)), self._level_numbers)
        self._refuse_huge(X, rows, numbers)
        self._settle_scales(numbers)
        columns = self._level_columns()
        # Half a row more a level: a level that is declared but not seen is rare, not
        # impossible.
        counts = [np.bincount(c.group, c.counts, c.n_groups) + 0.5 for c in columns]
        shares = [count / count.sum() for count in counts]
        self._shares = shares
        self.layout_ = Layout(
            numbers=numbers,
            categories=self._level_numbers,
            sizes=tuple(len(share) for share in shares),
            shares=torch.from_numpy(np.concatenate([*shares, []]).astype(np.float32)),
            holed=self.holed_,
        )

    def _refuse_huge(self, X, rows, numbers):
        """Raise if the variance of a column is beyond float64."""
        if not len(numbers):
            return
        broken = ~self.empty_[numbers] & ~np.isfinite(self._scaler.var_)
        if not broken.any():
            return
        first, largest = np.flatnonzero(broken)[0], 0.0
        for block in gen_batches(len(rows), BLOCK):
            raw = self._read_numbers(X[rows[block]], numbers)
            largest = max(largest, np.nanmax(np.abs(raw[:, first]), initial=0.0))
        raise ValueError(
            f"Column {self.names[numbers[first]]!r} holds values up to {largest:.3g}, whose "
            "variance overflows float64; divide the column by a constant first."
        )

    def _settle_scales(self, numbers):
        scaler = self._scaler
        if not len(numbers):
            self.center_ = self.scale_ = np.zeros(0)
            return
        seen = ~self.empty_[numbers]
        self.center_ = np.where(seen, scaler.mean_, 0.0)
        # Differences below this share of the mean are rounding, not variation.
        scale = np.maximum(scaler.scale_, 1e-12 * np.abs(self.center_))
        self.scale_ = np.where(seen, scale, 1.0)
        if self.scale is False:
            unit = float(np.sqrt(scaler.var_[seen].mean())) if seen.any() else 1.0
            self.scale_ = np.full(len(numbers), unit if unit > 0 else 1.0)

    def _learn_quantiles(self, X, rows):
        numbers = self.layout_.numbers
        raw = self._read_numbers(X[self._thin(rows)], numbers)
        if not raw.shape[1]:
            return
        if self.scale == "robust":
            seen = ~self.empty_[numbers]
            scaler = RobustScaler(unit_variance=True).fit(np.where(seen, raw, 0.0))
            self.center_ = np.where(seen, scaler.center_, 0.0)
            # Where half of the cells are alike there is no interquartile range.
            spread = np.nanquantile(raw[:, seen], 0.75, axis=0) - np.nanquantile(
                raw[:, seen], 0.25, axis=0
            )
            usable = np.flatnonzero(seen)[spread > 0]
            self.scale_[usable] = scaler.scale_[usable]
        else:
            self._quantiles = (
                QuantileTransformer(
                    n_quantiles=min(1000, len(raw)),
                    output_distribution="normal",
                    subsample=None,
                )
                .set_output(transform="default")
                .fit(np.where(self.empty_[numbers], 0.0, raw))
            )

    # ------------------------------------------------------------------ encoding

    def _series(self, X, i):
        if isinstance(X, nw.DataFrame):
            return X[:, int(i)]
        return nw.new_series("", X[:, i], backend="pandas")

    def some_numbers(self, X, rows):
        """Return some of the rows, from all over, and their numbers in raw units.

        NaN where missing. Of a sparse matrix it is a block's worth of rows.
        """
        taken = self._thin(rows, BLOCK if issparse(X) else MAX_QUANTILE_ROWS)
        return taken, self._read_numbers(X[taken], self.layout_.numbers)

    def _thin(self, rows, n_rows=MAX_QUANTILE_ROWS):
        """Return rows from all over: their order may mean something."""
        n_rows = min(n_rows, max(MAX_QUANTILE_CELLS // len(self.names), 1000))
        return rows[:: max(1, len(rows) // n_rows)]

    def _read_numbers(self, X, numbers):
        """Return the columns of numbers as float64, NaN where missing."""
        if issparse(X):
            return np.asarray(X.toarray(), dtype=np.float64)
        if not isinstance(X, nw.DataFrame):
            raw = X if len(numbers) == X.shape[1] else X[:, numbers]
            return np.ascontiguousarray(raw, dtype=np.float64)
        raw = np.empty((len(X), len(numbers)))
        for j, i in enumerate(numbers):
            raw[:, j] = self.columns_[i].read(self._series(X, i))
        return raw

    def check(self, X):
        """Raise unless the columns of a frame are of the kinds seen in fit."""
        if not isinstance(X, nw.DataFrame):
            return
        for i, column in enumerate(self.columns_ if self.template_ is not None else ()):
            if i in self.forced or column.kind == "empty":
                continue
            kind = kind_of(X[:, i], column.name)
            if kind not in (column.kind, "empty"):
                raise ValueError(
                    f"Column {column.name!r} was of kind {column.kind!r} in fit and is of "
                    f"kind {kind!r} now (dtype {X[:, i].dtype}); convert it to "
                    f"dtype {self.template_[:, i].dtype} first."
                )

    @property
    def forced(self):
        return np.flatnonzero(self._chosen_categories(len(self.names)))

    def declare(self, X):
        """Return a frame whose columns of text say in their dtype what levels there are.

        Whoever learns from a part of the rows then knows the levels of all.
        """
        if self.template_ is None:
            return X
        series = [self._declared(X[:, i], column) for i, column in enumerate(self.columns_)]
        return nw.from_native(make_frame(series, X), eager_only=True)

    def _declared(self, series, column):
        text = isinstance(column, LevelColumn) and series.dtype in (
            nw.String,
            nw.Categorical,
        )
        if not text or _columns.is_pandas_category(series) or not len(column.levels):
            return series
        if series.implementation.is_pyarrow():  # has no such dtype
            return series
        return series.cast(nw.Enum(column.levels.to_list()))

    def encode(self, X, dtype=np.float32):
        """Return the design matrix of rows, and which of their cells are observed.

        Returns
        -------
        design : ndarray of shape (n_samples, layout_.n_inputs)
        cells : ndarray of uint8 of shape (n_samples, n_features) or None
            `MISSING`, `OBSERVED` or `UNKNOWN`. None: all are observed.
        """
        layout = self.layout_
        raw = self._read_numbers(X, layout.numbers)
        if self.scale == "quantile":
            hidden = np.isnan(raw)
            design = self._quantiles.transform(
                np.where(self.empty_[layout.numbers], 0.0, raw)
            )
            design[hidden] = np.nan
        else:
            design = raw - self.center_
            design /= self.scale_
        holes = np.isnan(design)
        if self.empty_.any():
            holes[:, self.empty_[layout.numbers]] = True
        some = bool(holes.any())
        if some:
            design[holes] = 0.0
        np.clip(design, -LARGEST, LARGEST, out=design)
        if layout.is_plain and not some and not len(layout.holed):
            return design.astype(dtype, copy=False), None
        return self._with_levels(X, design, holes, dtype)

    def _with_levels(self, X, numbers, holes, dtype):
        """Put the blocks of levels and the holes beside the numbers."""
        layout, n_rows = self.layout_, len(numbers)
        cells = np.full((n_rows, layout.n_features), OBSERVED, dtype=np.uint8)
        cells[:, layout.numbers] = np.where(holes, MISSING, OBSERVED)
        design = np.empty((n_rows, layout.n_inputs), dtype=dtype)
        design[:, : numbers.shape[1]] = numbers
        start = numbers.shape[1]
        for i, share in zip(layout.categories, self._shares, strict=True):
            groups = self.columns_[i].read(self._series(X, i))
            self._refuse_unknown(X, i, groups)
            known = groups >= 0
            table = np.eye(len(share) + 1, len(share)) - share
            table[-1] = 0.0  # what is not known says nothing
            design[:, start : start + len(share)] = table.astype(dtype)[
                np.where(known, groups, -1)
            ]
            cells[:, i] = np.where(groups == _columns.MISSING, MISSING, UNKNOWN)
            cells[known, i] = OBSERVED
            start += len(share)
        if self.empty_.any():
            cells[:, self.empty_] = MISSING
        design[:, start:] = cells[:, layout.holed] != OBSERVED
        return design, None if (cells == OBSERVED).all() else cells

    def _refuse_unknown(self, X, i, groups):
        if self.handle_unknown != "error":
            return
        unknown = np.flatnonzero(groups == _columns.UNKNOWN)
        if len(unknown):
            cell = str(self._series(X, i).to_numpy()[unknown[0]])
            raise ValueError(
                f"Column {self.names[i]!r} holds {cell!r} in row {unknown[0]}, a level not "
                "seen in fit. Set handle_unknown='ignore' to encode it as unknown."
            )

    def encode_rows(self, X, rows):
        """Return `encode(X[rows])` as float32, worked out block by block."""
        design = np.empty((len(rows), self.layout_.n_inputs), dtype=np.float32)
        cells = None
        for block in gen_batches(len(rows), BLOCK):
            design[block], some = self.encode(X[rows[block]])
            if some is not None and cells is None:
                cells = np.full((len(rows), self.layout_.n_features), OBSERVED, np.uint8)
            if some is not None:
                cells[block] = some
        return design, cells

    # ------------------------------------------------------------------ decoding

    def decode(self, design, dtype, cells=None, rng=None, numbers=None):
        """Return the table that a design matrix, or a decoder's output, stands for.

        Parameters
        ----------
        design : ndarray of shape (n_samples, n_columns)
            Numbers in standard units; of every block the largest entry tells the level.
        dtype : numpy dtype
            Of the array, where an array was fitted.
        cells : ndarray of shape (n_samples, n_features), default=None
            Cells that are not `OBSERVED` become missing.
        rng : numpy.random.RandomState, default=None
            Levels are drawn, with the blocks as logits, instead of the largest taken.
        numbers : ndarray of shape (n_samples, n_numbers), default=None
            Numbers in raw units, instead of those of `design`.

        Returns
        -------
        table : ndarray, or a native frame of the library that was fitted
        """
        layout = self.layout_
        hidden = np.zeros((len(design), layout.n_features), dtype=bool)
        hidden[:, self.empty_] = True
        if cells is not None:
            hidden |= cells != OBSERVED
        if numbers is None:
            numbers = self.decode_numbers(design[:, : len(layout.numbers)])
        groups, start = {}, len(layout.numbers)
        for i, size in zip(layout.categories, layout.sizes, strict=True):
            logits = np.asarray(design[:, start : start + size], dtype=np.float64)
            if rng is not None:
                logits = logits + rng.gumbel(size=logits.shape)
            groups[i] = logits.argmax(axis=1) if size else np.zeros(len(design), int)
            start += size
        if self.template_ is None:
            return self._array(numbers, groups, hidden, dtype, rng)
        return self._frame(numbers, groups, hidden, rng)

    def decode_numbers(self, design):
        design = np.asarray(design, dtype=np.float64)
        if self.scale == "quantile" and design.shape[1]:
            return self._quantiles.inverse_transform(design)
        raw = design * self.scale_
        raw += self.center_
        return raw

    def _array(self, numbers, groups, hidden, dtype, rng):
        largest = np.finfo(dtype).max
        np.clip(numbers, -largest, largest, out=numbers)
        if not groups and not hidden.any():
            return numbers.astype(dtype, copy=False)
        table = np.empty(hidden.shape, dtype=dtype)
        table[:, self.layout_.numbers] = numbers
        template = nw.new_series("", np.zeros(0, dtype), backend="pandas")
        for i, group in groups.items():
            table[:, i] = (
                self.columns_[i].write(group, hidden[:, i], template, rng).to_numpy()
            )
        table[hidden] = np.nan
        return table

    def _frame(self, numbers, groups, hidden, rng):
        series = []
        for i, column in enumerate(self.columns_):
            template = self.template_[:, int(i)]
            if i in groups:
                written = column.write(groups[i], hidden[:, i], template, rng)
            else:
                j = int(np.searchsorted(self.layout_.numbers, i))
                written = column.write(numbers[:, j], hidden[:, i], template)
            series.append(written)
        return make_frame(series, self.template_)

    def fill(self, X, restored):
        """Return a native copy of the table X, its missing cells taken from `restored`."""
        if self.template_ is None:
            dense = X.toarray() if issparse(X) else X
            return np.where(np.isnan(dense), restored, dense)
        restored, series = nw.from_native(restored, eager_only=True), []
        for i in range(X.shape[1]):
            own = X[:, i]
            missing = _columns.is_missing(own)
            if missing.any() and not self.empty_[i]:
                own = _columns.fill(own, missing, restored[:, i])
            series.append(own)
        return make_frame(series, X)

    @property
    def log_jacobian_(self):
        """Log |d standard / d raw| of every number: what a log density in raw units adds."""
        return -np.log(self.scale_)


def make_frame(series, template):
    """Return the series as a native frame with the column labels of `template`."""
    native = template.to_native()
    if template.implementation.is_pandas():
        import pandas as pd

        frame = pd.concat([s.to_native() for s in series], axis=1)
        frame.columns = native.columns
        return frame
    named = {n: s.to_native() for n, s in zip(template.columns, series, strict=True)}
    return nw.from_dict(named, backend=template.implementation).to_native()
