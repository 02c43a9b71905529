"""What colours stand for: whole numbers that are few, or others."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skae.display._display import Groups, Kwargs
from skae.display._legend import MAX_ENTRIES
from skae.display._style import LABEL_COLORS, MISSING_COLOR
from skae.display._tables import as_floats, as_text

# What pandas calls objects that are numbers, and dates.
NUMBERS = "integer", "floating", "mixed-integer-float", "decimal"
DATES = "date", "datetime", "datetime64", "period"
QUARTILES = 0.25, 0.5, 0.75


def few_numbers(y: np.ndarray) -> np.ndarray | None:
    """Return the values of y if they are at most ten whole numbers."""
    if y.dtype.kind not in "iuf":
        return None
    values = np.unique(y[~np.isnan(y)])
    is_whole = bool((values == np.rint(values)).all()) and np.isfinite(values).all()
    return values.astype(float) if is_whole and len(values) <= MAX_ENTRIES else None


def colour_steps(y: np.ndarray) -> tuple[Kwargs, dict[float, str]]:
    """Return colours of few whole numbers, as `scatter` takes them, and ticks of their bar.

    Both are empty where a bar without steps does.
    """
    few = few_numbers(y)
    if few is None or not len(few):
        return {}, {}
    from matplotlib.colors import BoundaryNorm, ListedColormap

    edges = [few[0] - 0.5, *(few[1:] + few[:-1]) / 2, few[-1] + 0.5]
    colors = ListedColormap(list(LABEL_COLORS[: len(few)]))
    steps = {"cmap": colors, "norm": BoundaryNorm(edges, len(few))}
    ticks = [(low + high) / 2 for low, high in pairwise(edges)]
    return steps, dict(zip(ticks, [f"{value:g}" for value in few], strict=True))


def group_values(y: np.ndarray) -> tuple[Groups, list[Any]]:
    """Return the rows of every quarter of numbers or dates, and colours from dark to light."""
    import matplotlib as mpl

    values = as_floats(pd.Series(y))
    there = np.isfinite(values)
    groups: list[tuple[Any, np.ndarray]] = []
    colors: list[Any] = []
    if not there.all():
        groups.append(("missing", np.flatnonzero(~there)))
        colors.append(MISSING_COLOR)
    quarters = np.searchsorted(np.quantile(values[there], QUARTILES), values)
    for quarter in np.unique(quarters[there]):
        rows = np.flatnonzero(there & (quarters == quarter))
        ends = y[rows[np.argmin(values[rows])]], y[rows[np.argmax(values[rows])]]
        # Of dates that are few, a quarter may be one of them.
        groups.append((" to ".join(dict.fromkeys(map(as_text, ends))), rows))
        colors.append(mpl.colormaps["viridis"](0.05 + 0.3 * quarter))
    return groups, colors


def read_labels(y: ArrayLike, n_rows: int, of: str) -> np.ndarray | pd.Categorical:
    """Return labels or values as an array; numbers and dates have such a dtype.

    Categories stay such, as their order is that of a legend.

    Raises
    ------
    ValueError
        If there is not one for each of the `n_rows` rows, which are those `of` something.
    """
    if isinstance(y, str):
        raise ValueError(
            f"y={y!r} is a text; give the labels themselves, such as X[{y!r}]."
        )
    # A missing label among text would become the text "nan".
    array = np.array(y, dtype=object) if isinstance(y, (list, tuple)) else np.asarray(y)
    if array.shape != (n_rows,):
        raise ValueError(
            f"y has shape {array.shape}, but there are {n_rows} rows of {of}; give an array of "
            "one dimension with one label or value per row."
        )
    categories = _categories_of(y)
    if categories is not None:
        return pd.Categorical(array.astype(object), categories)
    if array.dtype.kind != "O":
        return array
    kind = pd.api.types.infer_dtype(array, skipna=True)
    cells = pd.Series(array).where(~pd.isna(array), np.nan)
    if kind in NUMBERS:
        return pd.to_numeric(cells).to_numpy()
    if kind == "period":
        cells = cells.map(lambda period: period.start_time, na_action="ignore")
    if kind in DATES:
        cells = cells.map(_without_zone, na_action="ignore")
        return pd.to_datetime(cells).to_numpy()
    return array


def _categories_of(y: Any) -> pd.Index | None:
    """Return the categories of pandas, or of an Enum of polars, in their order."""
    categories: Any = getattr(getattr(y, "dtype", None), "categories", None)
    if isinstance(categories, pd.Index):
        return categories
    return pd.Index(categories.to_list()) if hasattr(categories, "to_list") else None


def _without_zone(date: Any) -> pd.Timestamp:
    """Return a date as clocks of its place show it."""
    return pd.Timestamp(date).tz_localize(None)
