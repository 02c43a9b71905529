"""Panels that compare one column of a table with its reconstruction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score

from skae.display._display import Kwargs
from skae.display._style import COLORS, QUIET, label_colors
from skae.display._tables import as_floats, as_texts, is_numeric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.collections import PathCollection
    from matplotlib.container import BarContainer

# Levels that are drawn at most: the most frequent ones.
MAX_LEVELS = 8


def draw_column(
    ax: Axes, original: pd.Series, reconstruction: pd.Series, kwargs: Kwargs
) -> PathCollection | BarContainer:
    """Draw a numeric column as points, any other one as bars."""
    if is_numeric(original):
        return _draw_numeric(ax, original, reconstruction, kwargs)
    return _draw_categorical(ax, original, reconstruction)


def _draw_numeric(
    ax: Axes, original: pd.Series, reconstruction: pd.Series, kwargs: Kwargs
) -> PathCollection:
    """Draw points, reconstruction against original, with the diagonal and R²."""
    cells = np.stack([as_floats(original), as_floats(reconstruction)])
    x, y = cells = cells[:, ~np.isnan(cells).any(axis=0)]
    style = {
        "s": float(np.clip(2000 / max(len(x), 1), 4, 20)),
        "alpha": 0.5,
        "linewidths": 0,
        "color": COLORS[0],
        "rasterized": len(x) > 10_000,
    }
    points = ax.scatter(x, y, **{**style, **kwargs})
    if len(x):
        ends = [cells.min(), cells.max()]
        ax.plot(ends, ends, color=QUIET, linestyle="--", linewidth=1)
    if original.dtype.kind == "M":
        format_dates(ax.xaxis)
        format_dates(ax.yaxis)
    r2 = f", R² {r2_score(x, y):.2f}" if len(x) and np.ptp(x) > 0 else ""
    ax.set_title(f"{original.name}{r2}", fontsize="medium")
    return points


def format_dates(axis: Axis) -> None:
    """Show days since 1970, which is how matplotlib stores dates, as dates."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=2, maxticks=5)
    axis.set_major_locator(locator)
    axis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))


def _draw_categorical(
    ax: Axes, original: pd.Series, reconstruction: pd.Series
) -> BarContainer:
    """Draw the proportion of correct cells of each level as bars."""
    truth = as_texts(original)
    observed = truth != "missing"
    is_correct = (truth == as_texts(reconstruction))[observed]
    truth = truth[observed]
    levels, counts = np.unique(truth, return_counts=True)
    levels = levels[np.argsort(-counts, kind="stable")][:MAX_LEVELS]
    recalls = [is_correct[truth == level].mean() for level in levels]
    bars = ax.bar(levels, recalls, color=label_colors(2)[1])
    ax.set_ylim(0, 1)
    ax.tick_params(axis="x", rotation=30, labelsize="small")
    correct = f"{is_correct.mean():.0%} correct" if len(is_correct) else "no cells"
    ax.set_title(f"{original.name}, {correct}", fontsize="medium")
    return bars
