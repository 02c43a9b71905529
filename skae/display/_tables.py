"""Tables as the displays read them: pandas frames of any table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from skae.table.cells import Cells
from skae.table.validation import as_frame

# A data frame of any library that narwhals reads, an array-like or a sparse matrix.
Table: TypeAlias = Any

DAY = np.timedelta64(1, "D")
# Letters that are drawn of a name or a cell.
LONGEST = 20
# What would be drawn as a box, or begin a line that has no room.
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def read_table(table: Table, names: list[str] | None = None) -> pd.DataFrame:
    """Return a table as a pandas frame whose column names are strings.

    Numbers, dates and durations have such a dtype; all other columns are categorical.

    Parameters
    ----------
    table : data frame, array-like or sparse matrix of shape (n_samples, n_features)
    names : list of str, default=None
        Column names of an array. If None, or of another length, x0, x1, ...
    """
    frame = as_frame(table)
    if frame is not None:
        pairs = zip(frame.labels, frame.columns(), strict=True)
        columns = {str(label): _read_cells(cells) for label, cells in pairs}
        index = frame.native.index if frame.implementation.is_pandas() else None
        return pd.DataFrame(columns, index)
    array = dense(table)
    if array.ndim != 2:
        raise ValueError(
            f"A table has two dimensions, but this one has shape {array.shape}; reshape it "
            "to (n_samples, n_features)."
        )
    if names is None or len(names) != array.shape[1]:
        names = [f"x{i}" for i in range(array.shape[1])]
    if array.dtype.kind in "fiumM":
        return pd.DataFrame(array, columns=names)
    return pd.DataFrame({name: _parse_cells(array[:, i]) for i, name in enumerate(names)})


def read_like(
    table: Table, name: str, template: pd.DataFrame, template_name: str
) -> pd.DataFrame:
    """Return a table as a pandas frame; the names are those of the two parameters.

    Raises
    ------
    ValueError
        If its shape is not that of the template.
    """
    frame = read_table(table, list(template))
    if frame.shape != template.shape:
        raise ValueError(
            f"{name} has shape {frame.shape}, but {template_name} has {template.shape}; "
            "give the same rows and columns in both."
        )
    return frame


def positions_of(columns: Any, names: list[Any]) -> list[int]:
    """Return the positions of columns that are given by their labels or positions.

    Raises
    ------
    ValueError
        If they are no list of one or more of the columns.
    """
    if isinstance(columns, (str, Integral)) or not len(columns):
        raise ValueError(
            f"columns={columns!r}; give a list of one or more columns, such as [{names[0]!r}]."
        )
    positions = []
    for column in columns:
        if column in names:
            positions.append(names.index(column))
        elif isinstance(column, (int, np.integer)) and 0 <= column < len(names):
            positions.append(int(column))
        elif str(column) in names:  # which are text, where labels may be tuples
            positions.append(names.index(str(column)))
        else:
            raise ValueError(
                f"columns holds {column!r}, which is neither a column nor a position of one; "
                f"the columns are {names}."
            )
    return positions


def is_numeric(column: pd.Series) -> bool:
    """Return whether a column holds numbers, dates or durations."""
    return column.dtype.kind in "fiumM"


def as_floats(column: pd.Series) -> np.ndarray:
    """Return a column as float64, NaN where missing; dates are days since 1970."""
    cells = column.to_numpy()
    if cells.dtype.kind in "mM":
        return (cells - cells.dtype.type(0, "D")) / DAY
    return cells.astype(np.float64)


def numeric_part(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of numbers, dates and durations as float64."""
    columns = {name: as_floats(cells) for name, cells in table.items() if is_numeric(cells)}
    return pd.DataFrame(columns, table.index)


def as_texts(column: pd.Series) -> np.ndarray:
    """Return the cells of a column as short strings."""
    return np.where(column.isna(), "missing", [short(cell) for cell in column.to_numpy()])


def as_levels(column: pd.Series) -> np.ndarray:
    """Return the cells of a column as whole strings, None where missing."""
    texts = np.array([str(cell) for cell in column.to_numpy()], dtype=object)
    texts[column.isna().to_numpy()] = None
    return texts


def as_pixels(table: pd.DataFrame) -> np.ndarray:
    """Return a table as a float64 array; all columns must be numeric."""
    strange = [name for name, column in table.items() if not is_numeric(column)]
    if strange:
        raise ValueError(
            f"Columns {strange} are not numeric, as the pixels of an image must be; drop "
            "image_shape."
        )
    return numeric_part(table).to_numpy()


def dense(array: Any) -> np.ndarray:
    """Return an array-like or a sparse matrix as an ndarray."""
    return array.toarray() if issparse(array) else np.asarray(array)


def short(cell: Any) -> str:
    """Return a cell as a string of at most 20 characters, to be drawn as it is."""
    return verbatim(_cut(as_text(cell), LONGEST))


def narrower(text: str, longest: int) -> str:
    """Return what `short` returned with fewer letters."""
    return verbatim(_cut(text.replace(r"\$", "$"), longest))


def shorten(cells: Iterable[Any], longest: int = LONGEST) -> list[str]:
    """Return cells as short strings; long ones with the letters in which they differ."""
    whole = [as_text(cell) for cell in cells]
    texts = [_cut(text, longest) for text in whole]
    alike: dict[str, list[str]] = {}
    for text, full in zip(texts, whole, strict=True):
        alike.setdefault(text, []).append(full)
    parts = {
        text: _where_they_differ(of_text)
        for text, of_text in alike.items()
        if len(set(of_text)) > 1
    }
    return [
        verbatim(_window(full, *parts[text], longest - 2) if text in parts else text)
        for text, full in zip(texts, whole, strict=True)
    ]


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _where_they_differ(texts: list[str]) -> tuple[int, int]:
    """Return how many letters at the start, and at the end, are the same in all texts."""
    n_first, n_last = _count_same(texts), _count_same([text[::-1] for text in texts])
    return n_first, min(n_last, min(map(len, texts)) - n_first)


def _count_same(texts: list[str]) -> int:
    """Return how many letters at the start are the same in all texts."""
    first, last = min(texts), max(texts)
    pairs = enumerate(zip(first, last, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(last)))


def _window(text: str, n_first: int, n_last: int, room: int) -> str:
    """Return the part of a text between its first and last letters, with what precedes it."""
    stop = min(len(text) - n_last, n_first + room)
    start = max(stop - room, 0)
    stop = min(start + room, len(text))
    return "…" * (start > 0) + text[start:stop] + "…" * (stop < len(text))


def as_text(cell: Any) -> str:
    """Return a cell as a whole string in one line; one without a letter in quotes."""
    text = CONTROLS.sub(" ", _written(cell))
    return text if text.strip() else f'"{text}"'


def _written(cell: Any) -> str:
    if isinstance(cell, (float, np.floating)):
        number = float(cell)  # 11600, not 1.16e+04
        return f"{number:.0f}" if 1e3 <= abs(number) < 1e9 else f"{number:.4g}"
    if isinstance(cell, np.datetime64):
        return str(cell.astype("datetime64[m]")).replace("T", " ").removesuffix(" 00:00")
    if isinstance(cell, np.timedelta64):
        return str(pd.Timedelta(cell)).removeprefix("0 days ")
    return str(cell)


def verbatim(text: str) -> str:
    """Return text that matplotlib draws as it is: between two dollars it reads formulas."""
    return text.replace("$", r"\$")


def in_legend(text: str) -> str:
    """Return an entry of a legend: matplotlib leaves out what begins with an underscore."""
    return f" {text}" if text.startswith("_") else text


def _read_cells(cells: Cells) -> np.ndarray:
    """Return cells as an array; only numbers and times have such a dtype.

    Dates are those of the clocks of their place, as the table shows them.
    """
    if cells.kind in ("date", "duration"):
        return cells.local()
    return cells.floats() if cells.kind == "number" else cells.objects()


def _parse_cells(cells: np.ndarray) -> np.ndarray:
    """Return the cells of an array that may hold text; numbers have a numeric dtype."""
    try:
        return cells.astype(np.float64)
    except (ValueError, TypeError):
        return cells
