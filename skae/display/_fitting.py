"""Panels that stay, with all that is written around them, in the place of the axes given.

A figure with a layout engine sees to that itself. In others long names would run over the
neighbours and off the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec
    from matplotlib.transforms import Bbox

# Axes in lines, None where there are none.
Panels: TypeAlias = Sequence[Sequence["Axes | None"]]

# Free space at the edges of the page and between panels, as a part of the page.
MARGIN = 0.01
# What panels keep of the width and height that there is, at least.
LEAST = 0.25
# Axes have other ticks once they are smaller.
N_PASSES = 2


def place_of(spec: SubplotSpec | None, ax: Axes) -> Bbox:
    """Return where axes may write: up to their neighbours' axes, or the edge of the page.

    What is to their right and above is where the neighbours write.
    """
    from matplotlib.transforms import Bbox

    page = Bbox.from_extents(MARGIN, MARGIN, 1.0 - MARGIN, 1.0 - MARGIN)
    if spec is None:
        return page
    top = spec.get_topmost_subplotspec()
    outer = page if top is spec else place_of(top, ax)
    grid = spec.get_gridspec()
    figure = cast("Figure", ax.figure)  # a SubFigure has what is used of it
    bottoms, tops, lefts, rights = grid.get_grid_positions(figure)
    lines, columns = spec.rowspan, spec.colspan
    left, right, low, high = outer.x0, outer.x1, outer.y0, outer.y1
    if columns.start > 0:
        left = rights[columns.start - 1]
    if columns.stop < len(lefts):
        right = rights[columns.stop - 1]
    if lines.start > 0:
        high = (tops[lines.start] + bottoms[lines.start - 1]) / 2
    if lines.stop < len(tops):
        low = (bottoms[lines.stop - 1] + tops[lines.stop]) / 2
    return Bbox.from_extents(left, low, right, high)


def fit_panels(
    panels: Panels, box: Bbox, place: Bbox, heights: Sequence[float] | None = None
) -> None:
    """Move panels so that they lie in a box, and what is written around them in a place.

    Parameters
    ----------
    panels : list of list of (matplotlib Axes or None)
    box, place : Bbox
        In parts of the figure.
    heights : sequence of float, default=None
        Ratios of the lines' heights.
    """
    ratios = np.ones(len(panels)) if heights is None else np.asarray(heights)
    for _ in range(N_PASSES):
        left, right, low, high = _written_around(panels)
        across = _divide(
            max(box.x0, place.x0 + left[0]),
            min(box.x1, place.x1 - right[-1]),
            right[:-1] + left[1:],
            np.ones(len(left)),
        )
        # From the top.
        down = _divide(
            -min(box.y1, place.y1 - high[0]),
            -max(box.y0, place.y0 + low[-1]),
            low[:-1] + high[1:],
            ratios,
        )
        for line, (top, height) in zip(panels, down, strict=True):
            for panel, (x, width) in zip(line, across, strict=False):
                if panel is not None:
                    panel.set_position((x, -top - height, width, height))


def _written_around(panels: Panels) -> tuple[np.ndarray, ...]:
    """Return what is left and right of columns of panels, and below and above lines."""
    around = np.zeros((4, len(panels), max(map(len, panels))))
    for i, line in enumerate(panels):
        for j, panel in enumerate(line):
            if panel is not None:
                around[:, i, j] = _written_around_one(panel)
    (left, right), (low, high) = around[:2].max(axis=1), around[2:].max(axis=2)
    return left, right, low, high


def _written_around_one(panel: Axes) -> tuple[float, float, float, float]:
    tight = panel.get_tightbbox()
    if tight is None:
        return 0.0, 0.0, 0.0, 0.0
    tight = tight.transformed(panel.figure.transSubfigure.inverted())
    box = panel.get_position()
    sides = box.x0 - tight.x0, tight.x1 - box.x1, box.y0 - tight.y0, tight.y1 - box.y1
    left, right, low, high = (max(side, 0.0) for side in sides)
    return left, right, low, high


def _divide(
    start: float, stop: float, gaps: np.ndarray, ratios: np.ndarray
) -> list[tuple[float, float]]:
    """Return starts and sizes of parts with gaps between them."""
    gaps = gaps + MARGIN
    free = max(stop - start - gaps.sum(), LEAST * (stop - start))
    sizes = free * ratios / ratios.sum()
    starts = start + np.concatenate([[0.0], np.cumsum(sizes[:-1] + gaps)])
    return list(zip(starts.tolist(), sizes.tolist(), strict=True))
