"""Panels that show one column of real and of synthetic rows side by side."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from skae.display._panels import MAX_LEVELS, format_dates, name_levels
from skae.display._style import COLORS
from skae.display._tables import shorten
from skae.metrics._columns import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer

N_BINS = 25
# Numbers beyond these quantiles of the real ones are drawn in the outermost bins.
SHOWN = 0.005, 0.995
# Whole numbers from which on one more is the same number.
LARGEST_WHOLE = 2.0**52
# A proportion of missing cells that is worth mentioning.
LEAST_MISSING = 0.005


def draw_marginals(ax: Axes, column: Column) -> list[BarContainer]:
    """Draw a column's histograms, or the proportions of its levels.

    Parameters
    ----------
    ax : matplotlib Axes
    column : Column
        Of the tables that the legend names.

    Returns
    -------
    bars : list of BarContainer
        One per table.
    """
    if not column.is_number:
        return _draw_levels(ax, column)
    lines = ["days"] if column.is_duration else []
    missing = [np.isnan(part).mean() for part in column.parts.values()]
    if max(missing) > LEAST_MISSING:
        lines += [f"missing: {missing[0]:.0%} real,", f"{missing[1]:.0%} synthetic"]
    ax.set_xlabel("\n".join(lines), fontsize="small")
    return _draw_numbers(ax, column)


def _draw_numbers(ax: Axes, column: Column) -> list[BarContainer]:
    edges = _edges(column)
    bars = []
    for color, (name, part) in zip(COLORS, column.parts.items(), strict=False):
        cells = np.clip(part[~np.isnan(part)], edges[0], edges[-1])
        # Of all rows: where cells are missing the bars are lower.
        heights = np.histogram(cells, edges)[0] / len(part)
        widths = np.diff(edges)
        bars.append(
            ax.bar(
                edges[:-1],
                heights,
                widths,
                align="edge",
                color=color,
                alpha=0.55,
                label=name,
            )
        )
    if column.is_date:
        format_dates(ax.xaxis)
    return bars


def _edges(column: Column) -> np.ndarray:
    """Return the edges of bins."""
    first = next(iter(column.parts.values()))
    cells = first[~np.isnan(first)]
    if not len(cells):
        cells = np.nan_to_num(column.joined)
    low, high = np.quantile(cells, SHOWN, method="nearest")
    if (cells % 1 == 0).all() and max(abs(low), abs(high)) < LARGEST_WHOLE:
        # As many whole numbers in every bin.
        width = math.ceil((high - low + 1) / N_BINS)
        return np.arange(low, high + width + 1, width) - 0.5
    if low == high:
        margin = max(0.5, 1e-9 * abs(low))
        low, high = low - margin, high + margin
    return np.linspace(low, high, N_BINS + 1)


def _draw_levels(ax: Axes, column: Column) -> list[BarContainer]:
    """Draw the most frequent levels, and the others as one."""
    names = [*([] if column.levels is None else column.levels), "missing"]
    proportions = np.stack(
        [
            np.bincount(codes, minlength=len(names)) / len(codes)
            for codes in column.codes().values()
        ]
    )
    order = np.argsort(-proportions[0], kind="stable")
    order = order[proportions[:, order].any(axis=0)]
    shown, rest = order[:MAX_LEVELS], order[MAX_LEVELS:]
    labels = shorten([names[i] for i in shown])
    heights = proportions[:, shown]
    if len(rest):
        labels.append(f"{len(rest)} others")
        heights = np.column_stack([heights, proportions[:, rest].sum(axis=1)])
    places = np.arange(len(labels))
    bars = [
        ax.bar(places + shift, row, 0.4, color=color, label=name)
        for shift, row, color, name in zip(
            (-0.2, 0.2), heights, COLORS, column.parts, strict=False
        )
    ]
    name_levels(ax, labels)
    return bars
