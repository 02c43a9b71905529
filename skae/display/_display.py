"""What the displays share: checks of estimators, axes, panels, colours and images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support

from skae.display._images import tile
from skae.display._style import GAP_COLOR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

LogScale: TypeAlias = bool | Literal["auto"]
# Arguments passed on to matplotlib.
Kwargs: TypeAlias = dict[str, Any]
# Label -> rows.
Groups: TypeAlias = Mapping[Any, np.ndarray]
Pair: TypeAlias = tuple[float, float]

PANELS_PER_LINE = 3
# Of a legend above panels; the height of an entry is in inches.
ENTRIES_PER_PANEL, ENTRY_HEIGHT = 2, 0.2


class Display:
    """Base class of the displays: checks of estimators, and axes to draw on."""

    ax_: Axes
    axes_: np.ndarray
    figure_: Figure
    im_: AxesImage
    legend_ax_: Axes

    @classmethod
    def _check_methods(cls, estimator: Any, *names: str) -> None:
        """Raise a TypeError unless the estimator has the methods that the display calls."""
        missing = [name for name in names if not hasattr(estimator, name)]
        if missing:
            raise TypeError(
                f"{cls.__name__} needs an estimator with {' and '.join(names)}, but "
                f"{type(estimator).__name__} has no {' and no '.join(missing)}."
            )

    def _open_axes(self, ax: Axes | None, figsize: Pair) -> None:
        """Set the figure and the axes to draw on, creating both if `ax` is None.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If `ax` is no Axes of two dimensions.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=figsize, layout="constrained")
        _check_axes(ax)
        self.ax_ = ax
        # The figure is a SubFigure if `ax` belongs to one; both have the methods used here.
        self.figure_ = cast("Figure", ax.figure)

    def _open_panels(
        self,
        ax: Axes | None,
        n_panels: int,
        size: Pair,
        margins: Pair,
        ylabel: str,
        heights: Sequence[float] | None = None,
        per_line: int = PANELS_PER_LINE,
        n_entries: int = 0,
        gaps: Pair = (0.3, 0.6),
    ) -> None:
        """Open axes and replace them by panels of a size in inches, three per line.

        With `heights` lines are as many times as high. Above the panels there is room for a
        legend of `n_entries` entries, `legend_ax_`. Where the figure has no layout engine, panels
        have gaps, as parts of their width and height.
        """
        n_columns = min(per_line, n_panels)
        n_rows = math.ceil(n_panels / n_columns)
        height = size[1] * (n_rows if heights is None else sum(heights))
        lines = math.ceil(n_entries / (n_columns * ENTRIES_PER_PANEL))
        strip = ENTRY_HEIGHT * lines + (0.15 if lines else 0.0)
        figsize = size[0] * n_columns + margins[0], height + strip + margins[1]
        self._open_axes(ax, figsize)
        spec = self.ax_.get_subplotspec()
        if spec is None:
            raise ValueError(
                "ax is not part of a grid that could be divided into panels; create it with "
                "matplotlib.pyplot.subplots or Figure.add_subplot."
            )
        self.ax_.set_axis_off()
        if strip:
            parts = spec.subgridspec(2, 1, height_ratios=[strip, height])
            self.legend_ax_, spec = self.figure_.add_subplot(parts[0]), parts[1]
            self.legend_ax_.set_axis_off()
            self._legend_columns = n_columns * ENTRIES_PER_PANEL
        apart = {}
        if self.figure_.figure.get_layout_engine() is None:
            apart = {"wspace": gaps[0], "hspace": gaps[1]}
        grid = spec.subgridspec(n_rows, n_columns, height_ratios=heights, **apart)
        self.axes_ = np.array([self.figure_.add_subplot(grid[i]) for i in range(n_panels)])
        for panel in self.axes_[::n_columns]:
            panel.set_ylabel(ylabel)

    def _draw_legend(self, handles: Sequence[Any], labels: Sequence[str]) -> None:
        """Draw the legend of all panels above them."""
        self.legend_ax_.legend(
            handles,
            labels,
            loc="center",
            ncols=min(self._legend_columns, len(labels)),
            fontsize="small",
            frameon=False,
            borderaxespad=0.0,
        )

    def _draw_histograms(
        self, values: np.ndarray, groups: Groups, colors: Sequence[Any], style: Kwargs
    ) -> list[Any]:
        """Draw one histogram per group and return their bars.

        Parameters
        ----------
        values : ndarray of shape (n_samples,)
        groups : dict of label to ndarray of int
            Rows of each group. The key is the label in the legend.
        colors : sequence of matplotlib colours
            One per group.
        style : dict
            Passed to `Axes.hist`; overrides colour and label.
        """
        self.ax_.set_ylabel("number of rows")
        return [
            self.ax_.hist(values[rows], **{"color": color, "label": label, **style})[2]
            for color, (label, rows) in zip(colors, groups.items(), strict=True)
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
        n_rows, n_columns, height, width = images.shape[:4]
        self.ax_.set_xticks(np.arange(n_columns) * (width + 1) + (width - 1) / 2)
        self.ax_.set_yticks(np.arange(n_rows) * (height + 1) + (height - 1) / 2)
        self.ax_.tick_params(length=0)
        self.ax_.spines[:].set_visible(False)


def _check_axes(ax: Any) -> None:
    """Raise a TypeError unless `ax` are Axes to draw on."""
    from matplotlib.axes import Axes

    if isinstance(ax, Axes) and ax.name == "rectilinear":
        return
    what = type(ax).__name__
    if isinstance(ax, Axes):
        what = f"Axes with projection={ax.name!r}"
    remedy = " (of several, one: axes[0])" if isinstance(ax, (np.ndarray, list)) else ""
    raise TypeError(
        f"ax is {what}; give matplotlib Axes of two dimensions, as matplotlib.pyplot.subplots "
        f"returns them{remedy}, or None."
    )


def of_estimator(name: str | None) -> str:
    """Return " of NAME" for use in a label, or an empty string if there is no name."""
    return "" if name is None else f" of {name}"


def name_of(estimator: Any) -> str:
    """Return the class name of an estimator, or of the last step of a pipeline."""
    return type(last_step(estimator)).__name__


def last_step(estimator: Any) -> Any:
    """Return the last step of a pipeline, or the estimator itself."""
    return estimator[-1] if hasattr(estimator, "steps") else estimator
