"""Panels that compare one column of a table with its reconstruction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score

from skae.display._display import Kwargs
from skae.display._style import COLORS, QUIET, styled
from skae.display._tables import as_floats, as_levels, is_numeric, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.collections import PathCollection
    from matplotlib.container import BarContainer

# Levels that are drawn at most: the most frequent ones.
MAX_LEVELS = 8
# Letters of all levels of a panel that have room beside each other.
MAX_SLANTED = 40


def draw_column(
    ax: Axes,
    original: pd.Series,
    reconstruction: pd.Series,
    title: str,
    kwargs: Kwargs | None,
) -> PathCollection | BarContainer:
    """Draw a numeric column as points, any other one as bars."""
    if is_numeric(original):
        return _draw_numeric(ax, original, reconstruction, title, kwargs)
    return _draw_categorical(ax, original, reconstruction, title)


def _draw_numeric(
    ax: Axes,
    original: pd.Series,
    reconstruction: pd.Series,
    title: str,
    kwargs: Kwargs | None,
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
    points = ax.scatter(x, y, **styled(style, kwargs))
    if len(x):
        ends = [cells.min(), cells.max()]
        ax.plot(ends, ends, color=QUIET, linestyle="--", linewidth=1)
    if original.dtype.kind == "M":
        format_dates(ax.xaxis)
        format_dates(ax.yaxis)
    else:
        ax.locator_params(nbins=4)
    r2 = f"\nR² {r2_score(x, y):.2f}" if len(x) and np.ptp(x) > 0 else ""
    ax.set_title(f"{title}{r2}", fontsize="small")
    unit = " (days)" if original.dtype.kind == "m" else ""
    ax.set(xlabel=f"original{unit}", ylabel=f"reconstruction{unit}")
    return points


def format_dates(axis: Axis) -> None:
    """Show days since 1970, which is how matplotlib stores dates, as dates."""
    from skae.display._dates import DateFormatter, DateLocator

    axis.set_major_locator(DateLocator())
    axis.set_major_formatter(DateFormatter())


def name_levels(ax: Axes, names: list[str]) -> None:
    """Write levels below their bars: long ones of many upright, so that none covers another."""
    style: Kwargs = {"rotation": 30, "ha": "right"}
    if len(names) * max(map(len, names), default=0) > MAX_SLANTED:
        style = {"rotation": 90}
    ax.set_xticks(np.arange(len(names)), names, fontsize="small", **style)


def _draw_categorical(
    ax: Axes, original: pd.Series, reconstruction: pd.Series, title: str
) -> BarContainer:
    """Draw the proportion of correct cells of each level as bars, of the rare ones together."""
    truth = as_levels(original)
    observed = ~original.isna().to_numpy()
    is_correct = (truth == as_levels(reconstruction))[observed]
    codes, levels = pd.factorize(truth[observed])
    order = np.argsort(-np.bincount(codes, minlength=len(levels)), kind="stable")
    shown, rest = order[:MAX_LEVELS], order[MAX_LEVELS:]
    names = shorten([levels[i] for i in shown])
    groups = [codes == i for i in shown]
    if len(rest):
        names.append(f"{len(rest)} others")
        groups.append(np.isin(codes, rest))
    places = np.arange(len(names))
    bars = ax.bar(places, [is_correct[rows].mean() for rows in groups], color=COLORS[1])
    name_levels(ax, names)
    ax.set_ylim(0, 1)
    correct = f"{is_correct.mean():.0%} correct" if len(is_correct) else "no cells"
    ax.set_title(f"{title}\n{correct}", fontsize="small")
    ax.set_ylabel("proportion correct")
    return bars
