"""The table's columns <-> a design matrix."""

import narwhals.stable.v2 as nw
import numpy as np
from scipy.sparse import issparse

from skae.table.anonymity import LEAST_ROWS
from skae.table.blocks import BLOCKS, AbsenceBlock, Design, NumberBlock, Settings
from skae.table.choice import choose_absences, choose_kinds
from skae.table.frame import Frame
from skae.table.identifiers import refuse_identifiers_only
from skae.table.remedies import conversion
from skae.table.row_blocks import row_blocks
from skae.table.states import OBSERVED
from skae.table.writing import (
    as_objects,
    classes_of_objects,
    columns_of,
    fill,
    make_frame,
    template_for,
    template_of_levels,
)

# Rows that are encoded at a time.
BLOCK = 8192


class TableEncoder:
    """Turn rows of a table into rows of a design matrix, and back.

    A table is an array, a sparse matrix (both numbers only, unless `categorical_features`
    or `ordinal_features` say otherwise) or a data frame. What is learned, encoded and
    decoded, the blocks of its columns say; see `skae.table.blocks`.

    Parameters
    ----------
    scale : bool, "robust" or "quantile"
        True: a number is centred and divided by its column's standard deviation (1 for a
        constant column). False: all are divided by one number, the root mean variance,
        which keeps the loss proportional to the squared error in raw units. "robust":
        by median and interquartile range. "quantile": by the normal quantile of its rank.
    categorical_features : "from_dtype", None or array-like
        Which columns are categories whatever their dtype: names, positions or a mask.
        "from_dtype": those whose dtype says so. None: none may.
    handle_unknown : {"ignore", "infrequent_if_exist", "error"}
        What a level that was not seen in fit is.
    min_frequency, max_categories
        Which levels are rare, as in `OneHotEncoder`. Rare levels share one place; a rare
        level that is ordered joins its less frequent neighbour.
    ordinal_features : "from_dtype", None or array-like
        Which columns are ordered categories. "from_dtype": ordered categories of pandas.
        Names, positions or a mask: these columns as well, in the order that their dtype
        declares (categories of pandas, Enums of polars), else sorted (numbers, dates,
        booleans). None: none; ordered categories are like others.
    missing : {"unknown", "level"}, dict or array-like
        Whether a missing cell is unknown, or a level of its own; see `AbsenceBlock`.
    leave_out_identifiers : bool
        Whether columns of levels that nearly always are new (see
        `skae.table.identifiers`) are treated as empty.
    keep_training_values : bool
        False: what fewer than `LEAST_ROWS` rows hold is neither kept nor given out.

    Attributes
    ----------
    design_ : Design
    columns_ : list, or None for arrays of numbers
        What reads each column, with its `name` and `kind`.
    names : list of str
    template_ : narwhals.DataFrame without rows, or None for arrays
    empty_ : ndarray of bool of shape (n_features,)
        Columns without any cell in fit, or left out.
    identifiers_ : ndarray of bool of shape (n_features,)
        Columns of levels that nearly always are new.
    """

    def __init__(
        self,
        scale=True,
        categorical_features="from_dtype",
        handle_unknown="ignore",
        min_frequency=None,
        max_categories=None,
        ordinal_features="from_dtype",
        leave_out_identifiers=False,
        missing="unknown",
        keep_training_values=True,
    ):
        self.scale = scale
        self.categorical_features = categorical_features
        self.ordinal_features = ordinal_features
        self.handle_unknown = handle_unknown
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        self.missing = missing
        self.leave_out_identifiers = leave_out_identifiers
        self.keep_training_values = keep_training_values

    # ------------------------------------------------------------------ learning

    def fit(self, X, rows=None, sample_weight=None, names=None):
        """Learn the columns from `X[rows]`.

        Parameters
        ----------
        X : ndarray, csr matrix or Frame
        rows : ndarray of int, default=None
            None: all.
        sample_weight : ndarray of shape (n_samples,), default=None
        names : sequence of str, default=None
            Column names for messages.

        Raises
        ------
        ValueError
            If a column cannot be encoded, its variance is beyond float64, or all columns
            are left out.
        """
        rows = np.arange(X.shape[0]) if rows is None else rows
        kinds = self._begin(X, names)
        self._start_anew(kinds, X, rows, sample_weight)
        self.identifiers_, self.empty_ = map(self._by_feature, ("identifiers", "empty"))
        if self.leave_out_identifiers and self.identifiers_.any():
            refuse_identifiers_only(self)
            pairs = zip(kinds, self.identifiers_, strict=True)
            kinds = ["empty" if left_out else kind for kind, left_out in pairs]
            self._start_anew(kinds, X, rows, sample_weight)
            for block in self._blocks:
                block.empty |= self.identifiers_[block.features]
        self._learn_absences(X, rows, sample_weight)
        return self._finish(X, rows)

    def fit_chunks(self, first, others, sample, names=None):
        """Learn the columns from a table that comes in chunks.

        Parameters
        ----------
        first : ndarray or Frame
            The first rows, which say of what kind the columns are.
        others : iterable of ndarray or Frame
        sample : callable () -> ndarray or Frame
            Rows from all over, asked for in the end, for medians and quantiles.
        names : sequence of str, default=None

        Raises
        ------
        ValueError
            As in `fit`, and if the kind of a column changes.
        """
        self._start_anew(self._begin(first, names), first, np.arange(first.shape[0]), None)
        for chunk in others:
            self._learn_chunk(chunk)
        self._find_empty()
        self.identifiers_ = self._by_feature("identifiers")
        sample = sample()
        rows = np.arange(sample.shape[0])
        self._learn_absences(sample, rows, None)
        if self._absence is not None:
            self._absence.recount(self._by_feature("n_missing"), self._n_rows)
        return self._finish(sample, rows)

    def _begin(self, X, names):
        """Return the kinds of the columns of X, whose names and dtypes are noted."""
        self.names = [f"x{i}" for i in range(X.shape[1])] if names is None else list(names)
        self.template_, self._objects = None, {}
        if isinstance(X, Frame):
            self.names, self.template_ = X.labels, X.template
            self._objects = classes_of_objects(X.native)
        kinds, self._asked_for = choose_kinds(
            X, self.names, self.categorical_features, self.ordinal_features
        )
        return kinds

    def _learn_chunk(self, chunk):
        """Go on learning, levels as well, from rows of a table that comes in chunks."""
        for block in self._blocks:
            block.empty[:] = False  # so far
        self.check(chunk)
        for column, i in zip(self.columns_ or (), range(len(self.names)), strict=False):
            if column.kind == "empty" and not chunk.column(i).all_missing:
                raise ValueError(
                    f"Column {column.name!r} has no cell in the first {self._n_rows} rows, "
                    "but some later; give it a dtype that says what they are, or put rows "
                    "with cells in the column first."
                )
        self._learn(chunk, np.arange(chunk.shape[0]), None)

    def _finish(self, X, rows):
        """Settle what was learned; `X[rows]` tells medians and quantiles."""
        self._settle(X, rows)
        if not self.design_.n_outputs:
            raise ValueError(
                f"Columns {self.names} are ordered and hold a single level each, or all of "
                "their levels are rare: nothing is left to learn. Use "
                "ordinal_features=None, which leaves their order out, a lower "
                "min_frequency, or leave in a column that varies."
            )
        for block in self._blocks:
            block.refine(X, rows)
        if self.template_ is not None and not self.keep_training_values:
            self.template_ = template_of_levels(self.template_, self.columns_)
        return self

    def _learn_absences(self, X, rows, sample_weight):
        """Settle what missing cells are, and learn of those that are levels."""
        self.empty_, n_missing = map(self._by_feature, ("empty", "n_missing"))
        asked = self.missing, self.names, n_missing > 0, self.empty_
        owners = choose_absences(*asked)
        self._unknown = ~self.empty_
        self._unknown[owners] = False
        self._indicated = np.flatnonzero((n_missing > 0) & self._unknown)
        if len(owners):
            names = [self.names[i] for i in owners]
            absence = AbsenceBlock(owners, names, len(self.names), self.handle_unknown)
            absence.learn(X, rows, sample_weight)
            self._absence = absence

    @property
    def least_rows(self):
        """Rows that a value tells of which is kept."""
        return 1 if self.keep_training_values else LEAST_ROWS

    def _start_anew(self, kinds, X, rows, sample_weight):
        """Learn from the rows what columns of these kinds hold."""
        self._blocks, self._absence = self._make_blocks(kinds), None
        self.columns_ = None
        if self.template_ is not None:
            self._place = {
                int(feature): (block, j)
                for block in self._blocks
                for j, feature in enumerate(block.features)
            }
            places = (self._place[i] for i in range(len(kinds)))
            self.columns_ = [block.readers[j] for block, j in places]
        self._n_rows = 0
        self._learn(X, rows, sample_weight)
        self._find_empty()

    def _find_empty(self):
        for block in self._blocks:
            block.empty = block.n_missing == self._n_rows

    def partial_fit(self, X, rows, sample_weight=None):
        """Go on learning means, variances and proportions of levels from more rows."""
        self._learn(X, rows, sample_weight)
        if not isinstance(self.scale, str):
            self._settle(X, rows)
        return self

    def _make_blocks(self, kinds):
        settings = Settings(
            self.scale,
            self.handle_unknown,
            self.min_frequency,
            self.max_categories,
            self.least_rows,
        )
        blocks = []
        for make in dict.fromkeys(BLOCKS.values()):
            own = [i for i, kind in enumerate(kinds) if BLOCKS[kind] is make]
            if own or make is NumberBlock:
                of_own = [kinds[i] for i in own], [self.names[i] for i in own]
                blocks.append(make(own, *of_own, settings, self.template_ is not None))
        return blocks

    def _by_feature(self, attribute):
        """Return what the blocks know of their columns, in the order of the table's."""
        of_blocks = np.concatenate([getattr(block, attribute) for block in self._blocks])
        features = np.concatenate([block.features for block in self._blocks])
        return of_blocks[np.argsort(features)]

    @property
    def _all_blocks(self):
        return [*self._blocks, *([] if self._absence is None else [self._absence])]

    def _learn(self, X, rows, sample_weight):
        for block in self._all_blocks:
            block.learn(X, rows, sample_weight)
        self._n_rows += len(rows)

    def _settle(self, X, rows):
        for block in self._all_blocks:
            block.settle(X, rows)
        self.design_ = Design(self._blocks, self._indicated, self._absence)

    @property
    def missing_fraction_(self):
        """Fraction of the cells that are unknown, columns without any cell left out."""
        if self.empty_.all():
            return 0.0
        n_missing = self._by_feature("n_missing")[self._unknown].sum()
        return float(n_missing / (~self.empty_).sum() / self._n_rows)

    @property
    def center_(self):
        """What is 0 in standard units, in raw ones, ndarray of shape (n_numbers,)."""
        return self.design_.numeric.center

    @property
    def scale_(self):
        """Raw units per standard unit, ndarray of shape (n_numbers,)."""
        return self.design_.numeric.scale

    @property
    def log_jacobian_(self):
        """Log |d standard / d raw| of every number: what a log density in raw units adds."""
        return -np.log(self.scale_)

    def some_numbers(self, X, rows):
        """Return some of the rows, from all over, and their numbers in raw units."""
        return self.design_.numeric.some(X, rows)

    # ------------------------------------------------------------------ encoding

    def check(self, X):
        """Raise unless the columns of a frame are of the kinds seen in fit."""
        if not isinstance(X, Frame) or self.template_ is None:
            return
        known = set(X.matrix()[0].tolist())
        for i, column in enumerate(self.columns_):
            if column.kind == "number" and i in known:
                continue
            block, j = self._place[i]
            if block.empty[j]:
                continue
            cells = X.column(i)
            expected = "category" if column.kind == "ordered" else column.kind
            if cells.kind == expected or i in self._asked_for or cells.all_missing:
                block.check(cells, j)
                continue
            remedy = conversion(cells.source, column.name, expected, now=cells.kind)
            raise ValueError(
                f"Column {column.name!r} was of kind {expected!r} in fit and is of "
                f"kind {cells.kind!r} now (dtype {cells.source.dtype}); convert it first, "
                f"for example with {remedy}."
            )

    def encode(self, X, dtype=np.float32):
        """Return the design matrix of rows, and which of their cells are observed.

        Returns
        -------
        design : ndarray of shape (n_samples, design_.n_inputs)
        observed : ndarray of uint8 of shape (n_samples, n_features) or None
            `MISSING`, `OBSERVED` or `UNKNOWN`. None: all are observed.
        """
        blocks, indicated = self.design_.blocks, self.design_.missing_indicators
        encoded = [block.encode(X, dtype) for block in blocks]
        parts = [x for x, _ in encoded]
        if all(states is None for _, states in encoded):
            if len(indicated):
                parts.append(np.zeros((X.shape[0], len(indicated)), dtype=dtype))
            return np.hstack(parts) if len(parts) > 1 else parts[0], None
        observed = np.full((X.shape[0], self.design_.n_features), OBSERVED, dtype=np.uint8)
        for block, (_, states) in zip(blocks, encoded, strict=True):
            if states is not None:
                observed[:, block.features] = states
        if len(indicated):
            parts.append((observed[:, indicated] != OBSERVED).astype(dtype))
        return np.hstack(parts) if len(parts) > 1 else parts[0], observed

    def encode_rows(self, X, rows, dtype=np.float32):
        """Return `encode(X[rows], dtype)`, worked out some rows at a time."""
        design = np.empty((len(rows), self.design_.n_inputs), dtype)
        observed = None
        for block in row_blocks(len(rows), BLOCK):
            design[block], some = self.encode(X[rows[block]], dtype)
            if some is not None and observed is None:
                observed = np.full((len(rows), some.shape[1]), OBSERVED, np.uint8)
            if some is not None:
                observed[block] = some
        return design, observed

    # ------------------------------------------------------------------ cells as numbers

    def values(self, X):
        """Return all cells as numbers, ndarray of float64 of shape (n, design_.n_features).

        Levels are numbered; NaN stands where a cell is missing or of an unknown level. The
        last columns say whether cells are missing, where that is a level: 0 or 1.
        """
        values = np.full((X.shape[0], self.design_.n_features), np.nan)
        for block in self.design_.blocks:
            if len(block.features):
                values[:, block.features] = block.values(X)
        values[:, np.flatnonzero(self.empty_)] = np.nan
        return values

    def place_of(self, i):
        """Return the block of column `i` of the table, and its place in the block."""
        for block in self.design_.blocks:
            at = np.flatnonzero(block.features == i)
            if len(at):
                return block, int(at[0])
        raise IndexError(i)

    def tabulate(self, values, rng=None):
        """Return the table whose cells are numbered so; `values` undone."""
        hidden = np.isnan(values[:, : len(self.names)])
        parts = self._parts(values)
        if self.template_ is None:
            return self._array(parts, hidden, np.float64, rng)
        return self._frame(parts, hidden, rng)

    def _parts(self, values):
        """Return the numbers of each block's cells; what stands for missing does not matter."""
        numbers, *others = (
            np.nan_to_num(values[:, block.features]) for block in self._blocks
        )
        levels = [part.round().astype(np.int64) for part in others]
        return [self.design_.numeric.to_whole(numbers), *levels]

    # ------------------------------------------------------------------ decoding

    def decode(self, output, dtype, observed=None, rng=None, numbers=None, possible=False):
        """Return the table that a decoder's output stands for.

        Parameters
        ----------
        output : ndarray of shape (n_samples, n_outputs) or more columns
            See `Design.to_output` for rows of the design matrix.
        dtype : numpy dtype
            Of the array, where an array was fitted.
        observed : ndarray of shape (n_samples, n_columns), default=None
            Cells that are not `OBSERVED` become missing.
        rng : numpy.random.RandomState, default=None
            Of draws: levels are drawn from their distribution, instead of the likeliest
            or, of ordered ones, the median taken, and numbers keep away from limits that
            only one cell of fit has.
        numbers : ndarray of shape (n_samples, n_numbers), default=None
            Numbers in raw units, instead of those of `output`.
        possible : bool, default=False
            Whether numbers are moved into the range of their column, and to the decimals
            that it had in fit. In frames columns of whole numbers always are.

        Returns
        -------
        table : ndarray, or a native frame of the library that was fitted
        """
        hidden = np.zeros((len(output), len(self.names)), dtype=bool)
        hidden[:, self.empty_] = True
        if observed is not None:
            hidden |= observed != OBSERVED
        if self._absence is not None:
            own = output[:, self._absence.columns]
            hidden[:, self._absence.owners] |= self._absence.decode(own, rng) == 1
        values = self._values(output, rng, numbers, possible)
        if self.template_ is None:
            return self._array(values, hidden, dtype, rng)
        return self._frame(values, hidden, rng)

    def _values(self, output, rng=None, numbers=None, possible=False):
        """Return what each block makes of its columns of the output, see `decode`."""
        first, *others = self._blocks
        if numbers is None:
            numbers = self.decode_numbers(output[:, first.columns])
        if rng is not None:
            numbers = first.to_drawn(numbers)
        else:
            numbers = first.to_possible(numbers) if possible else first.to_whole(numbers)
        return [numbers, *(block.decode(output[:, block.columns], rng) for block in others)]

    def decode_numbers(self, output):
        """Return the numbers of an output in raw units."""
        return self.design_.numeric.decode(output)

    def _array(self, values, hidden, dtype, rng):
        numbers, *others = values
        largest = np.finfo(dtype).max
        np.clip(numbers, -largest, largest, out=numbers)
        if not others and not hidden.any():
            return numbers.astype(dtype, copy=False)
        first, *blocks = self._blocks
        table = np.empty(hidden.shape, dtype=dtype)
        table[:, first.features] = numbers
        template = nw.new_series("", np.zeros(0, dtype), backend="pandas")
        for block, levels in zip(blocks, others, strict=True):
            for j, i in enumerate(block.features):
                cells = block.write(levels[:, j], j, hidden[:, i], template, rng)
                table[:, i] = cells.to_numpy()
        table[hidden] = np.nan
        return table

    def _frame(self, values, hidden, rng):
        series, cells = [], self._cells_by_column(values)
        for i, template in enumerate(columns_of(self.template_)):
            block, j = self._place[i]
            column = block.write(cells[i], j, hidden[:, i], template, rng)
            series.append(as_objects(column, self._objects.get(i)))
        return make_frame(series, self.template_)

    def _cells_by_column(self, values):
        """Return what the blocks make of every column of the table, list of ndarray."""
        cells = [None] * len(self.names)
        for block, of_block in zip(self._blocks, values, strict=True):
            for i, column in zip(block.features.tolist(), of_block.T, strict=True):
                cells[i] = column
        return cells

    def fill(self, X, output):
        """Return a native copy of the table X, its unknown cells as a decoder's output says.

        Every column keeps its own dtype. One without any cell gets that of the fit, if its
        own does not suit.
        """
        return self._fill(X, self._values(output, possible=True))

    def fill_values(self, X, values):
        """Return `fill`, with cells as `values` numbers them."""
        numbers, *levels = self._parts(values)
        return self._fill(X, [self.design_.numeric.to_possible(numbers), *levels])

    def _fill(self, X, parts):
        if self.template_ is None:
            dense = X.toarray() if issparse(X) else X
            hidden = np.zeros((len(dense), len(self.names)), dtype=bool)
            hidden[:, ~self._unknown] = True
            values = self._array(parts, hidden, dense.dtype, None)
            return np.where(np.isnan(dense), values, dense)
        values = self._cells_by_column(parts)
        series, frame, templates = [], X.narwhals, columns_of(self.template_)
        objects = {**self._objects, **classes_of_objects(X.native)}
        nowhere = np.zeros(len(X), dtype=bool)
        for i, (cells, own) in enumerate(zip(X.columns(), columns_of(frame), strict=True)):
            block, j = self._place[i]
            if cells.missing is not None and self._unknown[i]:
                template = template_for(own, cells, templates[i], self.columns_[i])
                filled = block.write(values[i], j, nowhere, template)
                own = fill(own, cells.missing, as_objects(filled, objects.get(i)))
            series.append(own)
        return make_frame(series, frame)
