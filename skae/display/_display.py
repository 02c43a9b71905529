"""What the displays share: checks of estimators, axes, panels, colours and images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np
from scipy.sparse import issparse
from sklearn.utils._optional_dependencies import check_matplotlib_support

from skae.display._fitting import PanelLocator
from skae.display._images import tile
from skae.display._style import GAP_COLOR, styled
from skae.display._tables import in_legend
from skae.table.sources import refuse_source

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.legend import Legend

LogScale: TypeAlias = bool | Literal["auto"]
# Arguments passed on to matplotlib.
Kwargs: TypeAlias = dict[str, Any]
# Labels and their rows.
Groups: TypeAlias = Sequence[tuple[Any, np.ndarray]]
Pair: TypeAlias = tuple[float, float]

PANELS_PER_LINE = 3
# Of a legend above panels, in inches: the height of an entry, its width without the text, and
# that of a letter.
ENTRY_HEIGHT, ENTRY_WIDTH, LETTER_WIDTH = 0.2, 0.55, 0.068


class Display:
    """Base class of the displays: checks of estimators, and axes to draw on."""

    ax_: Axes
    axes_: np.ndarray
    figure_: Figure
    im_: AxesImage
    legend_ax_: Axes | None = None
    _heights: Sequence[float] | None = None

    @classmethod
    def _check_arguments(cls, estimator: Any, X: Any, *names: str) -> None:
        """Raise a TypeError unless these are an estimator with such methods, and a table."""
        if _is_table(estimator) or hasattr(X, "get_params"):
            raise TypeError(
                f"{cls.__name__}.from_estimator takes a fitted estimator and rows, in this "
                f"order, but estimator is of type {type(estimator).__name__} and X of type "
                f"{type(X).__name__}."
            )
        if not issparse(X):
            refuse_source(X)
        if isinstance(estimator, type):
            raise TypeError(
                f"{cls.__name__} needs a fitted estimator, but estimator is the class "
                f"{estimator.__name__}; give {estimator.__name__}().fit(X)."
            )
        missing = [name for name in names if not hasattr(estimator, name)]
        if missing:
            raise TypeError(
                f"{cls.__name__} needs an estimator with {' and '.join(names)}, but "
                f"{type(estimator).__name__} has no {' and no '.join(missing)}."
                f"{_remedy_of_parts(estimator, names)}"
            )

    def _open_axes(self, ax: Axes | None, figsize: Pair) -> None:
        """Set the figure and the axes to draw on, creating both if `ax` is None.

        The size in inches is that of text of ten points: with larger fonts new figures are
        larger.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If `ax` is no Axes of two dimensions.
        """
        inch = self._inch()
        import matplotlib.pyplot as plt

        if ax is None:
            figsize = inch * figsize[0], inch * figsize[1]
            _, ax = plt.subplots(figsize=figsize, layout="constrained")
        _check_axes(ax)
        self.ax_, self._lines = ax, [[ax]]
        # The figure is a SubFigure if `ax` belongs to one; both have the methods used here.
        self.figure_ = cast("Figure", ax.figure)

    def _inch(self) -> float:
        """Return how much larger text is than of ten points."""
        check_matplotlib_support(f"{type(self).__name__}.plot")
        import matplotlib as mpl

        return float(mpl.rcParams["font.size"]) / 10.0

    def _open_panels(
        self,
        ax: Axes | None,
        n_panels: int,
        size: Pair,
        margins: Pair,
        ylabel: str = "",
        heights: Sequence[float] | None = None,
        per_line: int = PANELS_PER_LINE,
        entries: Sequence[str] = (),
        title: str | None = None,
        least: float = 0.0,
    ) -> None:
        """Open axes and replace them by panels of a size in inches, three per line.

        With `heights` lines are as many times as high. Above the panels there is room for a
        legend of these entries, `legend_ax_`, with a title. Of panels that would be narrower
        than `least` inches there are fewer per line.
        """
        inch = self._inch()
        if ax is not None:
            _check_axes(ax)
            inches = ax.get_window_extent().width / ax.figure.figure.dpi / inch
            per_line = max(min(per_line, int(inches / least) if least else per_line), 1)
        n_columns = min(per_line, n_panels)
        n_lines = math.ceil(n_panels / n_columns)
        height = size[1] * (n_lines if heights is None else sum(heights))
        width = size[0] * n_columns
        strip = _height_of_legend(entries, width, title)
        figsize = width + margins[0], height + strip + margins[1]
        self._open_axes(ax, figsize)
        spec = self.ax_.get_subplotspec()
        if spec is None:
            raise ValueError(
                "ax is not part of a grid that could be divided into panels; create it with "
                "matplotlib.pyplot.subplots or Figure.add_subplot."
            )
        self.ax_.set_axis_off()
        if strip:
            inches = self.ax_.get_window_extent().width / self.figure_.figure.dpi / inch
            self._legend_columns = _entries_per_line(entries, inches)
            strip = _height_of_legend(entries, inches, title)
            parts = spec.subgridspec(2, 1, height_ratios=[strip, height])
            self.legend_ax_, spec = self.figure_.add_subplot(parts[0]), parts[1]
            self.legend_ax_.set_axis_off()
        grid = spec.subgridspec(n_lines, n_columns, height_ratios=heights)
        self.axes_ = np.array([self.figure_.add_subplot(grid[i]) for i in range(n_panels)])
        self._lines = [
            list(self.axes_[i : i + n_columns]) for i in range(0, n_panels, n_columns)
        ]
        self._heights = heights
        for line in self._lines:
            line[0].set_ylabel(ylabel)

    def _fit(self) -> None:
        """Keep what was drawn in the place of the axes; see `PanelLocator`."""
        is_alone = self._lines == [[self.ax_]]
        if is_alone and self.figure_.figure.get_layout_engine() is not None:
            return
        panels = [
            [panel if panel.figure is not None else None for panel in line]
            for line in self._lines
        ]
        locator = PanelLocator(self.ax_, panels, self._heights, self.legend_ax_)
        strips = [] if self.legend_ax_ is None else [self.legend_ax_]
        there = [panel for panel in [*chain(*panels), *strips] if panel is not None]
        for panel in there:
            panel.set_axes_locator(locator)
        for panel in there:
            panel.apply_aspect(locator(panel, None))

    def _draw_legend(
        self, handles: Sequence[Any], labels: Sequence[str], title: str | None = None
    ) -> Legend:
        """Draw the legend of all panels above them."""
        strip = cast("Axes", self.legend_ax_)
        return strip.legend(
            handles,
            [in_legend(label) for label in labels],
            title=title,
            loc="center",
            ncols=min(self._legend_columns, len(labels)),
            fontsize="small",
            frameon=False,
            borderaxespad=0.0,
        )

    def _add_colorbar(self, ax: Axes, artist: Any, label: str) -> Colorbar:
        """Draw a colour bar beside axes, which takes part in their layout."""
        beside = ax.inset_axes((1.04, 0.0, 0.05, 1.0))
        return self.figure_.figure.colorbar(artist, cax=beside, label=label)

    def _draw_histograms(
        self, values: np.ndarray, groups: Groups, colors: Sequence[Any], style: Kwargs
    ) -> list[Any]:
        """Draw one histogram per group and return their bars.

        Parameters
        ----------
        values : ndarray of shape (n_samples,)
        groups : list of tuple (label, ndarray of int)
            The label in the legend, and the rows, of each group.
        colors : sequence of matplotlib colours
            One per group.
        style : dict
            Passed to `Axes.hist`; overrides colour and label.
        """
        self.ax_.set_ylabel("number of rows")
        return [
            self.ax_.hist(values[rows], **styled({"color": color, "label": label}, style))[
                2
            ]
            for color, (label, rows) in zip(colors, groups, strict=True)
        ]

    def _show_images(
        self, ax: Axes | None, images: np.ndarray, figsize: Pair, limits: Pair, **im_kw: Any
    ) -> None:
        """Draw a grid of images with a tick at the centre of each row and column.

        Parameters
        ----------
        ax : matplotlib Axes or None
        images : ndarray of shape (n_rows, n_columns, height, width, ...)
        figsize : tuple (float, float)
            Size in inches of a new figure.
        limits : tuple (float, float)
            Smallest and largest value of a pixel.
        **im_kw : dict
            Passed to `Axes.imshow`, with the colormap `cmap` among them.
        """
        self._open_axes(ax, figsize)
        self.axes_ = np.array([self.ax_])
        low, high = limits
        if images.ndim == 5:
            images = np.clip((images - low) / (high - low or 1.0), 0.0, 1.0)
        if isinstance(im_kw["cmap"], str):
            import matplotlib as mpl

            # White images on white paper need a visible gap between them.
            im_kw["cmap"] = mpl.colormaps[im_kw["cmap"]].with_extremes(bad=GAP_COLOR)
        style = {"vmin": low, "vmax": high, "interpolation": "nearest", **im_kw}
        self.im_ = self.ax_.imshow(tile(images), **style)
        self.ax_.grid(visible=False)
        n_rows, n_columns, height, width = images.shape[:4]
        self.ax_.set_xticks(np.arange(n_columns) * (width + 1) + (width - 1) / 2)
        self.ax_.set_yticks(np.arange(n_rows) * (height + 1) + (height - 1) / 2)
        self.ax_.tick_params(length=0)
        self.ax_.spines[:].set_visible(False)


def _entries_per_line(entries: Sequence[str], width: float) -> int:
    """Return how many entries of a legend stand side by side in a width in inches."""
    widest = ENTRY_WIDTH + LETTER_WIDTH * max(map(len, entries))
    return max(int(width / widest), 1)


def _height_of_legend(entries: Sequence[str], width: float, title: str | None) -> float:
    """Return the height in inches of a legend above panels."""
    if not entries:
        return 0.0
    n_lines = math.ceil(len(entries) / _entries_per_line(entries, width))
    return ENTRY_HEIGHT * (n_lines + (title is not None)) + 0.15


def _remedy_of_parts(estimator: Any, names: Sequence[str]) -> str:
    """Say what to give in place of a search or a pipeline, if a part of it has the methods."""
    last = last_step(estimator)
    if last is estimator or not all(hasattr(last, name) for name in names):
        return ""
    best, whole = estimator, "pipeline"
    while hasattr(best, "best_estimator_"):
        whole = "search" if best is estimator else whole
        best, whole = best.best_estimator_, f"{whole}.best_estimator_"
    if best is last:
        return f" Its {type(last).__name__} has: give that, {whole}."
    return (
        f" Its {type(last).__name__} has: give that, {whole}[-1], and the rows as it sees "
        f"them, {whole}[:-1].transform(X)."
    )


def _is_table(value: Any) -> bool:
    """Return whether a value holds rows; a frame has methods that estimators have, too."""
    return hasattr(value, "shape") or isinstance(value, (list, tuple))


def _check_axes(ax: Any) -> None:
    """Raise a TypeError unless `ax` are Axes to draw on."""
    from matplotlib.axes import Axes

    what, remedy = type(ax).__name__, ""
    if isinstance(ax, Axes):
        if ax.name == "rectilinear" and ax.figure is not None:
            return
        what = f"Axes with projection={ax.name!r}"
        if ax.figure is None:
            what = "Axes that were removed from their figure"
    elif isinstance(ax, np.ndarray):
        what = f"an array of shape {ax.shape}"
        remedy = f" (of several, one: axes[{', '.join('0' * ax.ndim)}])"
    elif isinstance(ax, (list, tuple)):
        remedy = " (of several, one: axes[0])"
    elif isinstance(ax, str):
        what = f"the text {ax!r}"
    raise TypeError(
        f"ax is {what}; give matplotlib Axes of two dimensions, as matplotlib.pyplot.subplots "
        f"returns them{remedy}, or None."
    )


def check_count(name: str, value: Any, least: int = 1) -> None:
    """Raise a ValueError unless a parameter is a whole number that is large enough."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}={value!r}; give a whole number, {least} or more.")


def check_log_scale(log_scale: Any) -> None:
    """Raise a ValueError unless `log_scale` is one of its values."""
    if log_scale not in (True, False, "auto"):
        raise ValueError(f"log_scale={log_scale!r}; it is one of True, False and 'auto'.")


def of_estimator(name: str | None) -> str:
    """Return " of NAME" for use in a label, or an empty string if there is no name."""
    return "" if name is None else f" of {name}"


def name_of(estimator: Any) -> str:
    """Return the class name of an estimator, or of the one that a search or pipeline holds."""
    return type(last_step(estimator)).__name__


def last_step(estimator: Any) -> Any:
    """Return the last step of a pipeline, the best of a search, or the estimator itself."""
    if hasattr(estimator, "best_estimator_"):
        return last_step(estimator.best_estimator_)
    return estimator[-1] if hasattr(estimator, "steps") else estimator
