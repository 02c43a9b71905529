"""Tables as the displays read them: a name and an array a column."""

import numpy as np
from scipy.sparse import issparse

from skae.table.series import is_missing, kind_of
from skae.table.validation import as_frame

DAY = np.timedelta64(1, "D")


class Columns:
    """The columns of a frame, an array or a sparse matrix.

    Attributes
    ----------
    names : list of str
    n_rows : int
    """

    def __init__(self, table, names=None):
        frame = as_frame(table)
        self._frame = frame
        if frame is None:
            self._array = table.toarray() if issparse(table) else np.asarray(table)
            if self._array.ndim != 2:
                raise ValueError(
                    f"A table has two dimensions, but this one has shape "
                    f"{self._array.shape}; reshape it to (n_samples, n_features)."
                )
            n_columns = self._array.shape[1]
            if names is None or len(names) != n_columns:
                names = [f"x{i}" for i in range(n_columns)]
            self.names = names
        else:
            self.names = [str(name) for name in frame.columns]
        self.names = [str(name) for name in self.names]
        self.n_rows = len(self._array if frame is None else frame)

    def __len__(self):
        return len(self.names)

    def is_number(self, i):
        """Tell numbers, dates and durations from categories."""
        if self._frame is None:
            return self._array.dtype.kind in "fiu" or _all_numbers(self._array[:, i])
        return kind_of(self._frame[:, i], self.names[i]) in ("number", "date", "duration")

    def is_date(self, i):
        """Tell dates from the rest."""
        if self._frame is None:
            return False
        return kind_of(self._frame[:, i], self.names[i]) == "date"

    def numbers(self, i):
        """Return column i as float64, NaN where missing; dates are days since 1970."""
        if self._frame is None:
            return np.asarray(self._array[:, i], dtype=np.float64)
        cells = self._frame[:, i].to_numpy()
        if cells.dtype.kind in "mM":
            origin = np.datetime64(0, "D") if cells.dtype.kind == "M" else np.timedelta64(0)
            days = (cells - origin) / DAY
            return np.where(np.isnat(cells), np.nan, days)
        series = self._frame[:, i]
        missing = is_missing(series)
        values = np.full(len(cells), np.nan)
        values[~missing] = cells[~missing].astype(np.float64)
        return values

    def texts(self, i):
        """Return the cells of column i as short texts."""
        if self._frame is None:
            cells = self._array[:, i]
            missing = np.array([c != c for c in cells])
        else:
            cells = self._frame[:, i].to_numpy()
            missing = is_missing(self._frame[:, i])
        return np.array(
            [
                "missing" if gone else short(cell)
                for cell, gone in zip(cells, missing, strict=True)
            ],
            dtype=object,
        )

    def matrix(self):
        """Return all columns as float64, which must be numbers."""
        if self._frame is None:
            return np.asarray(self._array, dtype=np.float64)
        strange = [name for i, name in enumerate(self.names) if not self.is_number(i)]
        if strange:
            raise ValueError(
                f"Columns {strange} hold no numbers, which the pixels of an image are; "
                "drop image_shape."
            )
        return np.column_stack([self.numbers(i) for i in range(len(self))])

    def index(self):
        """Return the row labels: a pandas frame's index, else 0, 1, ..."""
        if self._frame is not None and self._frame.implementation.is_pandas():
            return [str(label) for label in self._frame.to_native().index]
        return [str(i) for i in range(self.n_rows)]

    def position(self, column):
        """Return the number of a column that is given by its name or number."""
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


def short(cell):
    """Return a cell as a text of few letters."""
    if isinstance(cell, (bool, np.bool_)):
        return str(bool(cell))
    if isinstance(cell, (float, np.floating)):
        return f"{cell:.4g}"
    if isinstance(cell, np.datetime64):
        return str(cell.astype("datetime64[m]")).replace("T", " ").removesuffix(" 00:00")
    text = str(cell)
    return text if len(text) <= 20 else text[:19] + "…"


def _all_numbers(cells):
    try:
        np.asarray(cells, dtype=np.float64)
    except (ValueError, TypeError):
        return False
    return True
