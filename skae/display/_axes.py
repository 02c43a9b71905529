"""What the displays share: axes, panels, colours and images side by side."""

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support

from skae.architectures.images import as_image_shape, n_cells

# Ten colours that also the colour-blind can tell apart (Petroff, 2021, arXiv:2107.02270).
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


def open_axes(display, ax, figsize):
    """Return the figure and the axes to draw on; without `ax` new ones.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    check_matplotlib_support(f"{type(display).__name__}.plot")
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=figsize, layout="constrained")
    return ax.figure, ax


def split_axes(ax, n_rows, n_columns, **kwargs):
    """Return an array of panels of shape (n_rows, n_columns) in the place of `ax`."""
    spec = ax.get_subplotspec()
    if spec is None:
        raise ValueError(
            "ax has no place in a grid, which its panels could take; make it with "
            "matplotlib.pyplot.subplots or Figure.add_subplot."
        )
    ax.set_axis_off()
    panels = spec.subgridspec(n_rows, n_columns, **kwargs)
    return np.array(
        [
            [ax.figure.add_subplot(panels[i, j]) for j in range(n_columns)]
            for i in range(n_rows)
        ]
    )


def label_colors(n_labels):
    """Return a colour for every label."""
    if n_labels <= len(COLORS):
        return list(COLORS[:n_labels])
    import matplotlib as mpl

    return list(mpl.colormaps["turbo"](np.linspace(0.03, 0.97, n_labels)))


def check_image_shape(image_shape, n_columns):
    """Return `image_shape` as (height, width), or (height, width, 3 or 4) for colours.

    Raises
    ------
    ValueError
        If it is no shape of an image, or has not as many cells as a row has columns.
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


def tile(images, gap=1):
    """Return images of shape (n_rows, n_columns, height, width, ...) as one image.

    Between them lie `gap` empty pixels (NaN; white between images in colours).
    """
    n_rows, n_columns, height, width, *channels = images.shape
    size = n_rows * (height + gap) - gap, n_columns * (width + gap) - gap
    canvas = np.full((*size, *channels), 1.0 if channels else np.nan)
    for i in range(n_rows):
        for j in range(n_columns):
            top, left = i * (height + gap), j * (width + gap)
            canvas[top : top + height, left : left + width] = images[i, j]
    return canvas


def centres(n_tiles, size, gap=1):
    """Return where the middles of tiles are."""
    return np.arange(n_tiles) * (size + gap) + (size - 1) / 2


def show_tiles(ax, images, limits, cmap, im_kw):
    """Draw images side by side; return the AxesImage.

    Parameters
    ----------
    ax : matplotlib Axes
    images : ndarray of shape (n_rows, n_columns, height, width, ...)
    limits : tuple (float, float)
        Smallest and largest value of a pixel.
    cmap : str or matplotlib Colormap
    im_kw : dict or None
    """
    low, high = limits
    if images.ndim == 5:
        images = np.clip((images - low) / (high - low or 1.0), 0.0, 1.0)
    settings = {"cmap": cmap, "vmin": low, "vmax": high, "interpolation": "nearest"}
    import matplotlib as mpl

    if isinstance(settings["cmap"], str):
        # White images on white paper need a line between them.
        colors = mpl.colormaps[settings["cmap"]]
        settings["cmap"] = colors.with_extremes(bad=GAP_COLOR)
    image = ax.imshow(tile(images), **{**settings, **(im_kw or {})})
    n_rows, n_columns, height, width = images.shape[:4]
    ax.set_xticks(centres(n_columns, width))
    ax.set_yticks(centres(n_rows, height))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return image


def name_of(estimator):
    """Return the class name of an estimator, or of a pipeline's last step."""
    return type(last_step(estimator)).__name__


def last_step(estimator):
    """Return the last step of a pipeline; anything else is its own last step."""
    return estimator[-1] if hasattr(estimator, "steps") else estimator


def check_methods(display, estimator, *names):
    """Raise unless the estimator has the methods that a display asks."""
    missing = [name for name in names if not hasattr(estimator, name)]
    if missing:
        raise TypeError(
            f"{display.__name__} needs an estimator with {' and '.join(names)}, but "
            f"{type(estimator).__name__} has no {' and no '.join(missing)}."
        )
