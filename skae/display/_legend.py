"""Legends that stand beside axes, never over anything, and say no more than can be told."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skae.display._display import Groups
from skae.display._style import LABEL_COLORS, MISSING_COLOR, OTHER_COLOR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

# Labels that have a colour of their own, at most.
MAX_ENTRIES = len(LABEL_COLORS)
# What is left of the width of axes beside their legend, at least.
LEAST_WIDTH = 0.4
GAP = 0.02
# Letters of a line.
WIDEST = 24


def group_labels(y: np.ndarray) -> tuple[Groups, list[Any]]:
    """Return the rows of every label, and the labels' colours, what tells least first.

    Missing labels are grey; of more than ten labels the most frequent have a colour, and the
    others share a grey.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    """
    missing = pd.isna(y)
    labels, codes, counts = np.unique(
        pd.factorize(y)[0], return_inverse=True, return_counts=True
    )
    values = {}
    for label, count in zip(labels.tolist(), counts.tolist(), strict=True):
        if label >= 0:
            rows = np.flatnonzero(codes == np.searchsorted(labels, label))
            values[y[rows[0]]] = rows, count
    # The frequent ones, in the order of the labels: numbers before text.
    kept = sorted(values, key=lambda label: -values[label][1])[:MAX_ENTRIES]
    kept = sorted(kept, key=lambda label: (isinstance(label, str), label))
    others = [label for label in values if label not in set(kept)]
    groups: dict[Any, np.ndarray] = {}
    colors = []
    if missing.any():
        groups["missing"] = np.flatnonzero(missing)
        colors.append(MISSING_COLOR)
    if others:
        rows = np.sort(np.concatenate([values[label][0] for label in others]))
        groups[f"other ({len(others)} labels)"] = rows
        colors.append(OTHER_COLOR)
    groups |= {label: values[label][0] for label in kept}
    return groups, [*colors, *LABEL_COLORS[: len(kept)]]


def put_legend_beside(
    ax: Axes, title: str | None = None, last: int = 0, **kwargs: Any
) -> Legend:
    """Put the legend of axes to their right.

    Axes of a figure that is laid out make room for it; others are made narrower.

    Parameters
    ----------
    ax : matplotlib Axes
    title : str, default=None
    last : int, default=0
        Entries, of the first ones, that come last.
    **kwargs : dict
        Passed to `Axes.legend`.
    """
    handles, names = ax.get_legend_handles_labels()
    order = [*range(last, len(names)), *range(last)]
    legend = ax.legend(
        [handles[i] for i in order],
        [fill(names[i], WIDEST) for i in order],
        title=title,
        loc="upper left",
        bbox_to_anchor=(1.0 + GAP, 1.0),
        borderaxespad=0.0,
        frameon=False,
        **kwargs,
    )
    make_room(ax, legend)
    return legend


def make_room(ax: Axes, legend: Legend) -> None:
    """Make axes narrower by their legend, unless a layout engine does."""
    figure = ax.figure.figure  # of a SubFigure the whole
    if figure.get_layout_engine() is not None:
        return
    width = legend.get_window_extent().width / figure.bbox.width
    box = ax.get_position()
    left = max(LEAST_WIDTH * box.width, box.width * (1.0 - GAP) - width)
    ax.set_position((box.x0, box.y0, left, box.height))
