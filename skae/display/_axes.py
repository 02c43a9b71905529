"""Helpers shared by the displays: axes, panels, colours, images and checks of estimators."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support

from skae.architectures.images import as_image_shape, n_cells

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

# Ten colours that colour-blind readers can also tell apart (Petroff, 2021,
# arXiv:2107.02270).
COLORS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
QUIET = "#717581"
GAP_COLOR = "#dcdde0"
PANELS_PER_LINE = 3


def open_axes(
    display: object, ax: Axes | None, figsize: tuple[float, float]
) -> tuple[Figure, Axes]:
    """Return the figure and the axes to draw on, creating both if `ax` is None.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    check_matplotlib_support(f"{type(display).__name__}.plot")
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=figsize, layout="constrained")
    # The figure is a SubFigure if `ax` belongs to one; both have the methods used here.
    return cast("Figure", ax.figure), ax


def grid_shape(n_panels: int) -> tuple[int, int]:
    """Return the number of rows and of columns in which `n_panels` panels are laid out."""
    n_columns = min(PANELS_PER_LINE, n_panels)
    return math.ceil(n_panels / n_columns), n_columns


def split_axes(ax: Axes, n_panels: int) -> np.ndarray:
    """Replace `ax` by `n_panels` panels, returned as an array of Axes."""
    spec = ax.get_subplotspec()
    if spec is None:
        raise ValueError(
            "ax is not part of a grid that could be divided into panels; create it with "
            "matplotlib.pyplot.subplots or Figure.add_subplot."
        )
    ax.set_axis_off()
    panels = spec.subgridspec(*grid_shape(n_panels))
    return np.array([ax.figure.add_subplot(panels[i]) for i in range(n_panels)])


def label_colors(n_labels: int) -> list[Any]:
    """Return one colour per label."""
    if n_labels <= len(COLORS):
        return list(COLORS[:n_labels])
    import matplotlib as mpl

    return list(mpl.colormaps["turbo"](np.linspace(0.03, 0.97, n_labels)))


def draw_histograms(
    ax: Axes,
    values: np.ndarray,
    groups: Mapping[Any, np.ndarray],
    colors: Sequence[Any],
    **style: Any,
) -> list[BarContainer]:
    """Draw one histogram per group and return their bars.

    Parameters
    ----------
    ax : matplotlib Axes
    values : ndarray of shape (n_samples,)
    groups : dict of label to ndarray of int
        Rows of each group. The key is the label in the legend.
    colors : sequence of matplotlib colours
        One per group.
    **style : dict
        Passed to `Axes.hist`; overrides colour and label.
    """
    containers = []
    for (label, rows), color in zip(groups.items(), colors, strict=True):
        _, _, bars = ax.hist(values[rows], **{"color": color, "label": label, **style})
        containers.append(cast("BarContainer", bars))
    return containers


def check_image_shape(image_shape: Any, n_columns: int) -> tuple[int, ...]:
    """Return `image_shape` as (height, width), or (height, width, 3 or 4) for colours.

    Raises
    ------
    ValueError
        If it is not the shape of an image, or does not have `n_columns` values.
    """
    shape = as_image_shape(image_shape)
    if shape is None or shape[2] not in (1, 3, 4):
        raise ValueError(
            f"image_shape={image_shape!r} is not the shape of an image; use "
            "(height, width), or (height, width, 3) for colours."
        )
    if n_cells(shape) != n_columns:
        raise ValueError(
            f"image_shape={image_shape!r} has {n_cells(shape)} cells, but a row has "
            f"{n_columns} columns; give the shape that the rows were flattened from."
        )
    return shape[:2] if shape[2] == 1 else shape


def tile(images: np.ndarray, gap: int = 1) -> np.ndarray:
    """Return images of shape (n_rows, n_columns, height, width, ...) as one image.

    They are separated by `gap` empty pixels (NaN, or white for images in colours).
    """
    n_rows, n_columns, height, width, *channels = images.shape
    size = n_rows * (height + gap) - gap, n_columns * (width + gap) - gap
    canvas = np.full((*size, *channels), 1.0 if channels else np.nan)
    for i in range(n_rows):
        for j in range(n_columns):
            top, left = i * (height + gap), j * (width + gap)
            canvas[top : top + height, left : left + width] = images[i, j]
    return canvas


def centres(n_tiles: int, size: int, gap: int = 1) -> np.ndarray:
    """Return the positions of the centres of tiles along one axis."""
    return np.arange(n_tiles) * (size + gap) + (size - 1) / 2


def show_tiles(
    ax: Axes,
    images: np.ndarray,
    limits: tuple[float, float],
    cmap: str | Colormap,
    im_kw: Mapping[str, Any],
) -> AxesImage:
    """Draw a grid of images with a tick at the centre of each row and column.

    Parameters
    ----------
    ax : matplotlib Axes
    images : ndarray of shape (n_rows, n_columns, height, width, ...)
    limits : tuple (float, float)
        Smallest and largest value of a pixel.
    cmap : str or matplotlib Colormap
    im_kw : dict
        Passed to `Axes.imshow`.
    """
    low, high = limits
    if images.ndim == 5:
        images = np.clip((images - low) / (high - low or 1.0), 0.0, 1.0)
    if isinstance(cmap, str):
        import matplotlib as mpl

        # White images on white paper need a visible gap between them.
        cmap = mpl.colormaps[cmap].with_extremes(bad=GAP_COLOR)
    settings = {"cmap": cmap, "vmin": low, "vmax": high, "interpolation": "nearest"}
    image = ax.imshow(tile(images), **{**settings, **im_kw})
    n_rows, n_columns, height, width = images.shape[:4]
    ax.set_xticks(centres(n_columns, width))
    ax.set_yticks(centres(n_rows, height))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return image


def of_estimator(name: str | None) -> str:
    """Return " of NAME" for use in a label, or an empty string if there is no name."""
    return "" if name is None else f" of {name}"


def name_of(estimator: Any) -> str:
    """Return the class name of an estimator, or of the last step of a pipeline."""
    return type(last_step(estimator)).__name__


def last_step(estimator: Any) -> Any:
    """Return the last step of a pipeline, or the estimator itself."""
    return estimator[-1] if hasattr(estimator, "steps") else estimator


def check_methods(display: type, estimator: Any, *names: str) -> None:
    """Raise a TypeError unless the estimator has the methods that a display calls."""
    missing = [name for name in names if not hasattr(estimator, name)]
    if missing:
        raise TypeError(
            f"{display.__name__} needs an estimator with {' and '.join(names)}, but "
            f"{type(estimator).__name__} has no {' and no '.join(missing)}."
        )
