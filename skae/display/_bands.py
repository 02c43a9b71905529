"""What the panels of a traversal show: numbers, dates, bands of categories, where data are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from skae.display._display import Kwargs
from skae.display._panels import format_dates
from skae.display._style import (
    COLORS,
    GAP_COLOR,
    LABEL_COLORS,
    MISSING_COLOR,
    OTHER_COLOR,
    QUIET,
    ink,
    styled,
    text_on,
)
from skae.display._tables import as_floats, as_levels, numeric_part, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.lines import Line2D

Probabilities: TypeAlias = Mapping[str, tuple[list[Any], np.ndarray]]

# Columns that have a colour, and categories and levels that a code has bands of, at most.
MAX_CURVES, MAX_CATEGORIES, MAX_BANDS = 10, 2, 6
# Columns of dates that have a panel.
MAX_DATES = 2
# Short lines, and intervals, that say where there are data.
MAX_TICKS, N_INTERVALS = 200, 24


def said_of(estimator: Any, codes: np.ndarray) -> Probabilities | None:
    """Return the probabilities of the levels that codes stand for, if the estimator has some."""
    said = getattr(estimator, "_said_of", None)
    if said is None:
        return None
    parts = [part for part in said(codes) if part.levels is not None]
    # Whether cells are missing is a column beside the cells themselves.
    named: dict[str, tuple[list[Any], np.ndarray]] = {}
    for part in parts:
        is_absence = part.levels == ["missing"]
        name = f"{part.name} missing" if is_absence else str(part.name)
        named[name] = part.levels, part.amounts
    return named


def indicators(cells: pd.Series) -> tuple[list[str], np.ndarray]:
    """Return the levels of a column, and 1 where a row has them."""
    texts = np.where(cells.isna(), "missing", as_levels(cells))
    levels = sorted(set(texts.tolist()))
    return levels, (texts[:, None] == np.array(levels, dtype=object)).astype(float)


def split_by_code(values: Mapping[str, np.ndarray], n_codes: int) -> dict[str, list]:
    """Return what columns are along each code."""
    return {name: np.split(column, n_codes) for name, column in values.items()}


def spread_of(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns' means and standard deviations; 0 and 1 for categorical ones."""
    numbers = numeric_part(table).reindex(columns=table.columns)
    deviation = numbers.std(ddof=0).replace(0.0, np.nan).fillna(1.0)
    return numbers.mean().fillna(0.0).to_numpy(), deviation.to_numpy()


def most_changed(curves: Mapping[str, list]) -> list[str]:
    """Return the columns that change most along any code, in their own order."""
    sizes = {name: max(map(np.ptp, parts)) for name, parts in curves.items()}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:MAX_CURVES]
    return [name for name in curves if name in largest]


def split_dates(table: pd.DataFrame, n_codes: int) -> dict[str, list]:
    """Return the columns of dates that change most, in days since 1970 along each code."""
    days = {
        name: np.split(as_floats(cells), n_codes)
        for name, cells in table.items()
        if cells.dtype.kind == "M"
    }
    sizes = {name: max(map(np.ptp, parts)) for name, parts in days.items()}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:MAX_DATES]
    return {name: days[name] for name in days if name in largest}


def choose_bands(probabilities: Probabilities, n_codes: int) -> list[list[tuple]]:
    """Return the categories that change most along each code: name, levels, probabilities."""
    fewer = {name: _most_likely(*said) for name, said in probabilities.items()}
    chosen = []
    for code in range(n_codes):
        parts = [
            (name, levels, np.split(p, n_codes)[code])
            for name, (levels, p) in fewer.items()
        ]
        parts.sort(key=lambda part: -float(np.ptp(part[2], axis=0).max(initial=0.0)))
        chosen.append(parts[:MAX_CATEGORIES])
    return chosen


def _most_likely(levels: list[Any], p: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return the levels that are most likely, and others together, in the levels' order."""
    order = np.sort(np.argsort(-p.mean(axis=0), kind="stable")[:MAX_BANDS])
    names, kept = shorten([levels[i] for i in order]), p[:, order]
    n_others = len(levels) - len(order)
    # A column of one outcome, as whether a cell is missing, is the other one otherwise.
    if n_others or len(levels) == 1:
        names.append(f"{n_others} others" if n_others else "not")
        kept = np.column_stack([kept, np.clip(1.0 - kept.sum(axis=1), 0.0, 1.0)])
    return names, kept


def draw_curves(
    panel: Axes,
    steps: np.ndarray,
    parts: Mapping[str, Any],
    kept: list[str],
    kwargs: Kwargs | None,
) -> list[Line2D]:
    """Draw the columns along one code; those without a colour in grey, below the others."""
    lines = []
    for name, values in parts.items():
        style: Kwargs = {"color": OTHER_COLOR, "linewidth": 0.7, "zorder": 1.5}
        if name in kept:
            style = {"color": LABEL_COLORS[kept.index(name)]}
        lines += panel.plot(steps, values, **styled({"label": name, **style}, kwargs))
    panel.grid(color=QUIET, alpha=0.2)
    return lines


def draw_dates(
    panel: Axes,
    steps: np.ndarray,
    days: list[np.ndarray],
    code: int,
    name: str,
    title: str,
    kwargs: Kwargs | None,
) -> Line2D:
    """Draw a column of dates along one code, on an axis that is the same along every code."""
    style = styled({"color": COLORS[0], "label": name}, kwargs)
    (line,) = panel.plot(steps, days[code], **style)
    low, high = (float(end) for end in (np.nanmin(days), np.nanmax(days)))
    margin = 0.05 * (high - low) or 1.0
    panel.set_ylim(low - margin, high + margin)
    format_dates(panel.yaxis)
    panel.tick_params(axis="y", labelsize="small")
    panel.set_title(title, fontsize="medium", pad=3)
    panel.grid(color=QUIET, alpha=0.2)
    return line


def draw_bands(
    panel: Axes, steps: np.ndarray, levels: list[str], p: np.ndarray, title: str
) -> list[PolyCollection]:
    """Draw the probabilities of levels as bands, the same colours along every code."""
    bands, colors = list(p.T), list(LABEL_COLORS[: p.shape[1]])
    if str(levels[-1]).endswith(" others") or levels[-1] == "not":
        colors[-1] = OTHER_COLOR
    colors = [
        MISSING_COLOR if level == "missing" else color
        for level, color in zip(levels, colors, strict=True)
    ]
    drawn = panel.stackplot(steps, *bands, labels=levels, colors=colors, alpha=0.9)
    panel.set(ylim=(0.0, 1.0))
    panel.margins(x=0.0)
    panel.set_title(title, fontsize="medium", pad=3)
    _write_levels(panel, steps, bands, levels, colors)
    return list(drawn)


def _write_levels(
    panel: Axes, steps: np.ndarray, bands: list, labels: list[str], colors: list[str]
) -> None:
    """Write each level into its band, where that is widest, if there is room."""
    edges = np.cumsum([np.zeros(len(steps)), *bands], axis=0)
    inner = slice(len(steps) // 6, max(len(steps) - len(steps) // 6, 1))
    for band, low, label, color in zip(bands, edges, labels, colors, strict=False):
        at = int(np.argmax(band[inner])) + inner.start
        if band[at] > 0.1:
            height = low[at] + band[at] / 2
            style: Kwargs = {"ha": "center", "va": "center", "fontsize": "x-small"}
            text = panel.text(steps[at], height, label, clip_on=True, **style)
            text.set_color(text_on(color))


def mark_data(panel: Axes, codes: np.ndarray, steps: np.ndarray) -> None:
    """Mark the codes of rows by short lines, and where there are none by grey."""
    low, high = sorted((float(steps[0]), float(steps[-1])))
    if not high > low:
        return
    inside = np.sort(codes[(codes >= low) & (codes <= high)])
    counts, edges = np.histogram(inside, N_INTERVALS, (low, high))
    # Between few rows there are gaps by chance.
    for i in np.flatnonzero(counts == 0) if len(inside) > 4 * N_INTERVALS else ():
        panel.axvspan(edges[i], edges[i + 1], color=GAP_COLOR, alpha=0.8, linewidth=0)
    if len(inside) > MAX_TICKS:
        inside = inside[np.linspace(0, len(inside) - 1, MAX_TICKS).astype(int)]
    transform = panel.get_xaxis_transform()
    style: Kwargs = {
        "color": ink(),
        "alpha": 0.35,
        "linewidth": 0.5,
        "transform": transform,
    }
    panel.vlines(inside, 0.0, 0.035, **style)
