"""The table's columns <-> a design matrix."""

import numpy as np

from skae.table.decoder import TableDecoder
from skae.table.frame import Frame
from skae.table.learning import TableLearner
from skae.table.remedies import conversion
from skae.table.row_blocks import row_blocks
from skae.table.states import OBSERVED

# Rows that are encoded at a time.
BLOCK = 8192


class TableEncoder(TableLearner, TableDecoder):
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

    @property
    def missing_fraction_(self):
        """Fraction of the cells that are unknown, columns without any cell left out."""
        if self.empty_.all():
            return 0.0
        n_missing = self._by_feature("n_missing")[self._unknown].sum()
        return float(n_missing / (~self.empty_).sum() / self._n_rows)

    @property
    def holed_(self):
        """Positions of the columns with unknown cells in fit, or without any cell."""
        return np.union1d(self._indicated, np.flatnonzero(self.empty_)).astype(np.int64)

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
