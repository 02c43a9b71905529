"""How the panels of a traversal are drawn: numbers, dates, bands, and where data are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

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

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.lines import Line2D

# Short lines, and intervals, that say where there are data.
MAX_TICKS, N_INTERVALS = 200, 24


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
    panel.grid(visible=False)
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
