"""Panels that stay, with all that is written around them, in the place of the axes given.

A constrained layout sees to that itself. In other figures long names would run over the
neighbours and off the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

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


class PanelLocator:
    """Where panels lie: in the box of the axes that they replace, whenever that moves.

    matplotlib asks it before it draws or measures a panel, so that panels are fitted anew
    after `tight_layout`, which knows nothing of grids in grids, or in a window of another
    size. A constrained layout sees to panels itself.

    Parameters
    ----------
    host : matplotlib Axes
        The axes that the panels replace; if there is one only, it is that.
    panels : list of list of (matplotlib Axes or None)
    heights : sequence of float, default=None
        Ratios of the lines' heights.
    strip : matplotlib Axes, default=None
        Axes with a legend, above the panels.
    """

    def __init__(
        self,
        host: Axes,
        panels: Panels,
        heights: Sequence[float] | None = None,
        strip: Axes | None = None,
    ) -> None:
        self.host, self.panels, self.heights, self.strip = host, panels, heights, strip
        self._boxes: dict[Axes, Bbox] = {}
        self._fitted_to: tuple | None = None
        self._is_fitting = False

    def get_subplotspec(self) -> SubplotSpec | None:
        """Return what `tight_layout` counts the panels to."""
        return self.host.get_subplotspec()

    def __call__(self, ax: Any, renderer: Any) -> Bbox:
        """Return the box of a panel, in parts of the figure."""
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        root = ax.figure.figure
        if isinstance(root.get_layout_engine(), ConstrainedLayoutEngine):
            return ax.get_position(original=True)
        if not self._is_fitting:
            self._fit(root.dpi)
        return self._boxes[ax]

    def _fit(self, dpi: float) -> None:
        box = self.host.get_position(original=True)
        place = place_of(self.host.get_subplotspec(), self.host)
        inches = np.array(self.host.figure.bbox.size) / dpi
        now = (*box.bounds, *place.bounds, *inches)
        if self._fitted_to is not None and np.allclose(now, self._fitted_to, atol=1e-6):
            return
        self._is_fitting = True
        try:
            self._put(box, place)
        finally:
            self._is_fitting = False
        self._fitted_to = now

    def _put(self, box: Bbox, place: Bbox) -> None:
        # A user may have removed some.
        panels = [
            [
                panel if panel is not None and panel.figure is not None else None
                for panel in line
            ]
            for line in self.panels
        ]
        there = [panel for line in panels for panel in line if panel is not None]
        strip = self.strip
        if strip is not None and strip.figure is not None:
            there.append(strip)
        self._boxes = {panel: panel.get_position(original=True) for panel in there}
        legend = None if strip is None else strip.get_legend()
        if strip in there and legend is not None:
            inside = legend.get_window_extent().transformed(
                self.host.figure.transSubfigure.inverted()
            )
            high = min(box.y1 + inside.height / 2, place.y1)
            bottom = high - inside.height
            above = type(box).from_bounds(box.x0, bottom, box.width, inside.height)
            self._boxes[strip] = above
            place = type(box).from_extents(place.x0, place.y0, place.x1, bottom)
        _fit_panels(panels, box, place, self._boxes, self.heights)


def _fit_panels(
    panels: Panels,
    box: Bbox,
    place: Bbox,
    boxes: dict[Axes, Bbox],
    heights: Sequence[float] | None,
) -> None:
    """Find boxes of panels in a box, such that what is written around is in a place.

    Parameters
    ----------
    panels : list of list of (matplotlib Axes or None)
    box, place : Bbox
        In parts of the figure.
    boxes : dict
        Of the panels, where they are measured, is filled.
    heights : sequence of float or None
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
                    boxes[panel] = type(box).from_bounds(x, -top - height, width, height)


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
