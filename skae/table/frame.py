"""A data frame of any library, each of whose columns is read once."""

import sys

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skae.table.cells import Cells
from skae.table.reading import read_cells
from skae.table.reading.arrow import with_wide_index
from skae.table.reading.library import PANDAS
from skae.table.reading.wide import FEW, WIDE, read_matrix


class Frame:
    """Rows of a data frame.

    A column is read when its cells are first asked for, and rows taken from the frame take
    theirs from what has been read: of a slice, views.

    Parameters
    ----------
    native : data frame
        Of pandas, polars, pyarrow or another library that narwhals reads eagerly.

    Attributes
    ----------
    labels : list
        The columns' labels, as the library has them.
    shape : tuple (n_samples, n_features)
    implementation : narwhals.Implementation
        The library.
    """

    def __init__(self, native):
        native = self._whole = _without_objects(native)
        if isinstance(native, pd.DataFrame):
            self.implementation, self.labels = PANDAS, native.columns.tolist()
            self.shape = native.shape
        else:
            frame = nw.from_native(native, eager_only=True)
            self.implementation = frame.implementation
            self.labels, self.shape = list(frame.columns), frame.shape
        self._parent, self._rows = None, None
        self._cells: list[Cells | None] = [None] * len(self.labels)
        self._columns, self._matrix = None, None

    @classmethod
    def of(cls, X):
        """Return X as a `Frame` if it is a data frame of any library, else None."""
        if isinstance(X, (cls, pd.DataFrame)):
            return X if isinstance(X, cls) else cls(X)
        if isinstance(X, np.ndarray):
            return None
        pa = sys.modules.get("pyarrow")
        if pa is not None and isinstance(X, pa.RecordBatch):
            return cls(pa.Table.from_batches([X]))
        frame = nw.from_native(X, eager_only=True, pass_through=True)
        return cls(frame.to_native()) if isinstance(frame, nw.DataFrame) else None

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Return some rows, a slice or an array of row numbers."""
        if isinstance(rows, slice) and rows.indices(len(self)) == (0, len(self), 1):
            return self
        part = object.__new__(Frame)
        part.implementation, part.labels = self.implementation, self.labels
        part._whole, part._columns, part._matrix = None, None, None
        part._parent, part._rows = self, rows
        if self._parent is not None:
            part._parent = self._parent
            part._rows = _compose(self._rows, len(self._parent), rows)
        n_rows = len(range(len(self))[rows]) if isinstance(rows, slice) else len(rows)
        part.shape = n_rows, self.shape[1]
        part._cells = [None] * len(self.labels)
        return part

    def __reduce__(self):
        # Not the rows that these were taken from.
        return Frame, (self.native,)

    def __getstate__(self):
        return {"native": self.native}

    def __setstate__(self, state):
        Frame.__init__(self, state["native"])

    def copy(self):
        """Return a frame that does not hold the rows that these were taken from."""
        return self if self._parent is None else Frame(self.native)

    def column(self, i):
        """Return the `Cells` of a column.

        Raises
        ------
        ValueError
            If the column is of a dtype, or holds cells, of no kind that there is.
        """
        cells = self._cells[i]
        if cells is None:
            if self._parent is not None:
                cells = self._parent.column(i)[self._rows]
            else:
                cells = self._read(int(i))
            self._cells[i] = cells
        return cells

    def _read(self, i):
        column = self._native_columns()[i]
        return read_cells(column, self.labels[i], i, self.implementation)

    def columns(self):
        """Yield the `Cells` of every column."""
        return (self.column(i) for i in range(self.shape[1]))

    def matrix(self):
        """Return numbers that need not be read column by column, see `read_matrix`.

        Returns
        -------
        columns : ndarray of int of shape (n_columns,)
            Column numbers; none but of wide frames of few rows.
        values : ndarray of shape (n_samples, n_columns)
        """
        if self._matrix is None:
            if self._parent is not None:
                columns, values = self._parent.matrix()
                self._matrix = columns, values[self._rows]
            elif self.shape[1] >= WIDE and len(self) <= FEW:
                self._matrix = read_matrix(self._whole)
            else:
                self._matrix = np.empty(0, dtype=np.int64), np.empty((len(self), 0))
        return self._matrix

    def _native_columns(self):
        if self._columns is None:
            native = self._whole
            if isinstance(native, pd.DataFrame):
                # pandas is slow to make labels of text one by one.
                native = native.copy(deep=False)
                native.columns = range(native.shape[1])
                self._columns = [column for _, column in native.items()]
            elif self.implementation.is_polars():
                self._columns = native.get_columns()
            elif self.implementation.is_pyarrow():
                self._columns = native.columns
            else:
                frame = self.narwhals
                self._columns = [column.to_native() for column in frame.iter_columns()]
        return self._columns

    @property
    def narwhals(self):
        """The rows as a narwhals.DataFrame."""
        if self._parent is None:
            return nw.from_native(self._whole, eager_only=True)
        whole = self._parent.native
        if not isinstance(self._rows, slice):
            whole = _takeable(whole)
        return nw.from_native(whole, eager_only=True)[self._rows]

    @property
    def template(self):
        """No rows, in the dtypes of the frame that these were taken from."""
        whole = self._whole if self._parent is None else self._parent.native
        return nw.from_native(whole, eager_only=True).head(0)

    @property
    def native(self):
        """The rows as a frame of their library."""
        return self._whole if self._parent is None else self.narwhals.to_native()

    def first_infinite(self):
        """Return the row and the column of an infinite number, or None.

        All columns are read, or refused.
        """
        columns, values = self.matrix()
        found = _infinite(values)
        if len(found):
            return found[0, 0], columns[found[0, 1]]
        for i in np.setdiff1d(np.arange(self.shape[1]), columns).tolist():
            found = _infinite(self.column(i).data)
            if len(found):
                return found[0, 0], i
        return None

    def is_float32(self):
        """Whether all columns hold numbers in float32."""
        columns, values = self.matrix()
        if len(columns):
            return len(columns) == self.shape[1] and values.dtype == np.float32
        return all(cells.data.dtype == np.float32 for cells in self.columns())


def _infinite(values):
    """Return the places of infinite numbers, ndarray of int of shape (n, n_dim)."""
    infinite = np.isinf(values) if values.dtype.kind == "f" else np.zeros(0, bool)
    return np.argwhere(infinite) if infinite.any() else ()


def _without_objects(native):
    """Return a frame whose objects of polars that are all missing are of its dtype Null.

    Nothing can be written into columns of objects, nor are they pickled.
    """
    pl = sys.modules.get("polars")
    if pl is None or not isinstance(native, pl.DataFrame) or pl.Object not in native.dtypes:
        return native
    return native.with_columns(
        column.cast(pl.Null)
        for column in native.get_columns()
        if column.dtype == pl.Object and column.null_count() == len(column)
    )


def _takeable(frame):
    """Return a frame in dtypes of which rows can be taken one by one, in any order.

    pandas cannot take from columns of the other byte order, pyarrow not from views, nor from
    dictionaries that have more levels in all chunks than their index numbers.
    """
    pa = sys.modules.get("pyarrow")
    if isinstance(frame, pd.DataFrame):
        other = {
            i: made
            for i, (_, column) in enumerate(frame.items())
            if (made := _takeable_column(column)) is not None
        }
        frame = frame.copy(deep=False) if other else frame
        for i, column in other.items():
            frame.isetitem(i, column)
        return frame
    if pa is None or not isinstance(frame, pa.Table):
        return frame
    types = [
        pa.string() if _is_view(kind) else with_wide_index(kind)
        for kind in frame.schema.types
    ]
    if types == frame.schema.types:
        return frame
    fields = map(pa.Field.with_type, frame.schema, types)
    return frame.cast(pa.schema(fields))


def _takeable_column(column):
    """Return an array in place of a column of pandas; None: it is takeable itself."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and not dtype.isnative:
        return column.to_numpy().astype(dtype.newbyteorder("="))
    if isinstance(dtype, pd.ArrowDtype) and _is_view(dtype.pyarrow_dtype):
        text = column.array.__arrow_array__().cast(sys.modules["pyarrow"].string())
        return pd.arrays.ArrowExtensionArray(text)
    return None


def _is_view(dtype):
    return str(dtype) == "string_view"


def _compose(outer, n_rows, rows):
    """Return the rows that `rows` are of those that `outer` takes of `n_rows`."""
    if isinstance(outer, slice) and isinstance(rows, slice):
        taken = range(n_rows)[outer][rows]
        return slice(taken.start, taken.stop, taken.step)
    if isinstance(outer, slice):
        outer = np.arange(*outer.indices(n_rows))
    return outer[rows]
