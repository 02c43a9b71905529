"""Panels that compare one column of a table with its reconstruction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skae.display._axes import COLORS, QUIET, label_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.container import BarContainer

    from skae.display._columns import Columns

# Levels that are drawn at most: the most frequent ones.
MAX_LEVELS = 8


def draw_numeric(
    ax: Axes, original: Columns, reconstruction: Columns, i: int, kwargs: dict[str, Any]
) -> PathCollection:
    """Draw points, reconstruction against original, with the diagonal and R²."""
    x, y = original.as_floats(i), reconstruction.as_floats(i)
    observed = ~(np.isnan(x) | np.isnan(y))
    x, y = x[observed], y[observed]
    style = {
        "s": float(np.clip(2000 / max(len(x), 1), 4, 20)),
        "alpha": 0.5,
        "linewidths": 0,
        "color": COLORS[0],
        "rasterized": len(x) > 10_000,
    }
    points = ax.scatter(x, y, **{**style, **kwargs})
    if len(x):
        ends = [min(x.min(), y.min()), max(x.max(), y.max())]
        ax.plot(ends, ends, color=QUIET, linestyle="--", linewidth=1)
    if original.is_date(i):
        _format_dates(ax)
    total = np.square(x - x.mean()).sum() if len(x) else 0.0
    r2 = f", R² {1.0 - np.square(x - y).sum() / total:.2f}" if total > 0 else ""
    ax.set_title(f"{original.names[i]}{r2}", fontsize="medium")
    return points


def _format_dates(ax: Axes) -> None:
    """Show days since 1970, which is how matplotlib stores dates, as dates."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    for axis in (ax.xaxis, ax.yaxis):
        locator = AutoDateLocator(minticks=2, maxticks=5)
        axis.set_major_locator(locator)
        axis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))


def draw_categorical(
    ax: Axes, original: Columns, reconstruction: Columns, i: int, kwargs: dict[str, Any]
) -> BarContainer:
    """Draw the proportion of correct cells of each level as bars."""
    truth, guess = original.as_texts(i), reconstruction.as_texts(i)
    observed = truth != "missing"
    truth, guess = truth[observed], guess[observed]
    levels, counts = np.unique(truth.astype(str), return_counts=True)
    levels = levels[np.argsort(-counts, kind="stable")][:MAX_LEVELS]
    recalls = [float((guess[truth == level] == level).mean()) for level in levels]
    bars = ax.bar(levels, recalls, color=label_colors(2)[1])
    ax.set_ylim(0, 1)
    ax.tick_params(axis="x", rotation=30, labelsize="small")
    accuracy = float((guess == truth).mean())
    ax.set_title(f"{original.names[i]}, {accuracy:.0%} correct", fontsize="medium")
    return bars
