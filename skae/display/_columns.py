"""Tables as the displays read them: one name and one array per column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from scipy.sparse import issparse

from skae.table.series import is_missing, kind_of
from skae.table.validation import as_frame

# A data frame of any library that narwhals reads, an array-like or a sparse matrix.
Table: TypeAlias = Any

DAY = np.timedelta64(1, "D")


class Columns:
    """The columns of a data frame, an array or a sparse matrix.

    Parameters
    ----------
    table : data frame, array-like or sparse matrix of shape (n_samples, n_features)
    names : sequence of str, default=None
        Column names of an array. If None, or of another length, x0, x1, ...

    Attributes
    ----------
    names : list of str
    n_rows : int
    """

    def __init__(self, table: Table, names: Sequence[str] | None = None) -> None:
        self._frame = as_frame(table)
        if self._frame is not None:
            names = self._frame.columns
            self.n_rows = len(self._frame)
        else:
            self._array = dense(table)
            if self._array.ndim != 2:
                raise ValueError(
                    f"A table has two dimensions, but this one has shape "
                    f"{self._array.shape}; reshape it to (n_samples, n_features)."
                )
            self.n_rows, n_columns = self._array.shape
            if names is None or len(names) != n_columns:
                names = [f"x{i}" for i in range(n_columns)]
        self.names = [str(name) for name in names]

    def __len__(self) -> int:
        return len(self.names)

    def is_numeric(self, i: int) -> bool:
        """Return whether column i holds numbers, dates or durations."""
        return self._kind(i) in ("number", "date", "duration")

    def is_date(self, i: int) -> bool:
        """Return whether column i holds dates."""
        return self._kind(i) == "date"

    def as_floats(self, i: int) -> np.ndarray:
        """Return column i as float64, NaN where missing; dates are days since 1970."""
        if self._frame is None:
            return np.asarray(self._array[:, i], dtype=np.float64)
        cells, missing = self._cells(i)
        if cells.dtype.kind in "mM":
            origin = np.datetime64(0, "D") if cells.dtype.kind == "M" else np.timedelta64(0)
            return np.where(np.isnat(cells), np.nan, (cells - origin) / DAY)
        values = np.full(len(cells), np.nan)
        values[~missing] = cells[~missing].astype(np.float64)
        return values

    def as_texts(self, i: int) -> np.ndarray:
        """Return the cells of column i as short strings."""
        cells, missing = self._cells(i)
        return np.array(
            [
                "missing" if gone else short(cell)
                for cell, gone in zip(cells, missing, strict=True)
            ],
            dtype=object,
        )

    def matrix(self) -> np.ndarray:
        """Return the table as a float64 array; all columns must be numeric."""
        if self._frame is None:
            return np.asarray(self._array, dtype=np.float64)
        strange = [name for i, name in enumerate(self.names) if not self.is_numeric(i)]
        if strange:
            raise ValueError(
                f"Columns {strange} are not numeric, as the pixels of an image must be; "
                "drop image_shape."
            )
        return np.column_stack([self.as_floats(i) for i in range(len(self))])

    def index(self) -> list[str]:
        """Return the row labels: the index of a pandas frame, otherwise 0, 1, ..."""
        if self._frame is not None and self._frame.implementation.is_pandas():
            return [str(label) for label in self._frame.to_native().index]
        return [str(i) for i in range(self.n_rows)]

    def position(self, column: str | int) -> int:
        """Return the position of a column given by its name or position."""
        if isinstance(column, str):
            if column not in self.names:
                raise ValueError(
                    f"columns holds {column!r}, which is not a column of X; its columns "
                    f"are {self.names}."
                )
            return self.names.index(column)
        if not 0 <= column < len(self):
            raise ValueError(f"columns holds {column}, but X has {len(self)} columns.")
        return int(column)

    def _kind(self, i: int) -> str:
        """Return the kind of column i, such as "number", "date" or "category"."""
        if self._frame is None:
            column = self._array[:, i]
            is_number = column.dtype.kind in "fiu" or _all_numbers(column)
            return "number" if is_number else "category"
        return kind_of(self._frame[:, i], self.names[i])

    def _cells(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the cells of column i, and which of them are missing."""
        if self._frame is None:
            cells = self._array[:, i]
            return cells, np.array([cell != cell for cell in cells], dtype=bool)
        series = self._frame[:, i]
        return series.to_numpy(), is_missing(series)


def dense(array: Any) -> np.ndarray:
    """Return an array-like or a sparse matrix as an ndarray."""
    return array.toarray() if issparse(array) else np.asarray(array)


def short(cell: Any) -> str:
    """Return a cell as a string of at most 20 characters."""
    if isinstance(cell, (bool, np.bool_)):
        return str(bool(cell))
    if isinstance(cell, (float, np.floating)):
        return f"{cell:.4g}"
    if isinstance(cell, np.datetime64):
        return str(cell.astype("datetime64[m]")).replace("T", " ").removesuffix(" 00:00")
    text = str(cell)
    return text if len(text) <= 20 else text[:19] + "…"


def _all_numbers(cells: np.ndarray) -> bool:
    try:
        np.asarray(cells, dtype=np.float64)
    except (ValueError, TypeError):
        return False
    return True
