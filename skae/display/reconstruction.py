"""Rows beside what an estimator makes of them."""

import math

import numpy as np

from skae.display._axes import (
    COLORS,
    QUIET,
    check_image_shape,
    check_methods,
    label_colors,
    name_of,
    open_axes,
    show_tiles,
    split_axes,
)
from skae.display._columns import Columns

MAX_LEVELS = 8


class ReconstructionDisplay:
    """Originals over reconstructions: as images, or column by column.

    Images stand in two rows, the originals above, with the error of each below; a dict of
    restored rows has a row of images for each of its entries. Columns
    have a panel each: numbers as points, restored against original, with the diagonal;
    categories as bars, the share of each level's cells that are restored as that level.
    Make it by `from_estimator` or `from_predictions`.

    Parameters
    ----------
    original : data frame or ndarray of shape (n_samples, n_features)
        Rows.
    restored : data frame, ndarray, or dict of str to such
        What `inverse_transform(transform(X))` makes of them. A dict, of images only: what
        each of several estimators makes of them, by name.
    image_shape : tuple, default=None
        (height, width) or (height, width, 3) of the images that the rows are. None: the
        rows are no images.
    name : str, default=None
        Who restored them.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes; of columns, the place that the panels share.
    axes_ : ndarray of matplotlib Axes
        The panels (for images `ax_` alone).
    figure_ : matplotlib Figure
    im_ : matplotlib AxesImage
        Of images.
    artists_ : list
        Of columns: the points or the bars of every panel.

    See Also
    --------
    skae.metrics.reconstruction_r2 : The figure that goes with it.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.display import ReconstructionDisplay
    >>> X = load_digits().data
    >>> display = ReconstructionDisplay.from_estimator(PCA(8).fit(X), X, image_shape=(8, 8))
    >>> display.im_.get_array().shape  # two rows of ten, a pixel between
    (17, 89)
    """

    def __init__(self, original, restored, *, image_shape=None, name=None):
        self.original = original
        self.restored = restored
        self.image_shape = image_shape
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        image_shape=None,
        columns=None,
        max_images=10,
        max_columns=9,
        cmap="gray_r",
        ax=None,
        **kwargs,
    ):
        """Draw rows beside what an estimator makes of them.

        Parameters
        ----------
        estimator : fitted estimator
            Anything with `transform` and `inverse_transform`: skae's transformers, `PCA`,
            a `Pipeline`.
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows, best not those of the fit. Of images the first are drawn.
        image_shape : tuple, default=None
            (height, width) or (height, width, 3) of the images that the rows are.
        columns : sequence of str or int, default=None
            The columns that are drawn. None: the first.
        max_images, max_columns : int
            Images, or columns, that are drawn at most.
        cmap : str or matplotlib Colormap, default="gray_r"
            Colours of images of one channel.
        ax : matplotlib Axes, default=None
            Axes to draw on; panels take its place. None: new ones.
        **kwargs : dict
            Passed to `Axes.imshow` (images) or `Axes.scatter` (columns).

        Returns
        -------
        display : ReconstructionDisplay
        """
        check_methods(cls, estimator, "transform", "inverse_transform")
        return cls.from_predictions(
            X,
            estimator.inverse_transform(estimator.transform(X)),
            image_shape=image_shape,
            columns=columns,
            max_images=max_images,
            max_columns=max_columns,
            cmap=cmap,
            name=name_of(estimator),
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        X,
        restored,
        *,
        image_shape=None,
        columns=None,
        max_images=10,
        max_columns=9,
        cmap="gray_r",
        name=None,
        ax=None,
        **kwargs,
    ):
        """Draw rows beside restored rows.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            Rows.
        restored : data frame, array-like of shape (n_samples, n_features), or dict of them
            What became of them. A dict, of images only: a row of images for each entry,
            named by its key.
        name : str, default=None
            Who restored them; of a dict, its keys say so.
        image_shape, columns, max_images, max_columns, cmap, ax, **kwargs
            See `from_estimator`.

        Returns
        -------
        display : ReconstructionDisplay

        Raises
        ------
        ValueError
            If the tables differ in shape, or are not the images that `image_shape` says.
        """
        display = cls(X, restored, image_shape=image_shape, name=name)
        return display.plot(
            ax=ax,
            columns=columns,
            max_images=max_images,
            max_columns=max_columns,
            cmap=cmap,
            **kwargs,
        )

    def plot(
        self,
        ax=None,
        *,
        columns=None,
        max_images=10,
        max_columns=9,
        cmap="gray_r",
        **kwargs,
    ):
        """Draw the rows.

        Parameters
        ----------
        ax, columns, max_images, max_columns, cmap, **kwargs
            See `from_estimator`.

        Returns
        -------
        display : ReconstructionDisplay
        """
        original = Columns(self.original)
        several = isinstance(self.restored, dict)
        restored = {
            name: Columns(rows, original.names)
            for name, rows in (self.restored if several else {None: self.restored}).items()
        }
        expected = original.n_rows, len(original)
        for name, table in restored.items():
            shape = table.n_rows, len(table)
            if shape != expected:
                which = "restored" if name is None else f"restored[{name!r}]"
                raise ValueError(
                    f"{which} has shape {shape}, but X has {expected}; give as many rows "
                    "and columns as there are originals."
                )
        if self.image_shape is not None:
            shape = check_image_shape(self.image_shape, len(original))
            return self._draw_images(
                ax, original, restored, shape, max_images, cmap, kwargs
            )
        if several:
            raise ValueError(
                "restored is a dict, which is drawn as rows of images only; give "
                "image_shape, or one table."
            )
        restored = restored[None]
        if columns is None:
            columns = range(min(max_columns, len(original)))
        chosen = [original.position(column) for column in columns]
        return self._draw_columns(ax, original, restored, chosen, kwargs)

    def _draw_images(self, ax, original, restored, shape, max_images, cmap, kwargs):
        rows = np.stack([t.matrix()[:max_images] for t in (original, *restored.values())])
        n_lines, n_images = rows.shape[:2]
        figure, ax = open_axes(self, ax, (0.9 * n_images + 1.2, 0.9 * n_lines + 0.8))
        limits = np.nanmin(rows[0]), np.nanmax(rows[0])
        images = rows.reshape(n_lines, n_images, *shape)
        self.im_ = show_tiles(ax, images, limits, cmap, kwargs)
        if None in restored:
            errors = np.sqrt(np.square(rows[1] - rows[0]).mean(axis=1))
            ax.set_xticklabels([f"{error:.2g}" for error in errors])
            ax.set_yticklabels(["original", "restored"])
            by = "" if self.name is None else f" by {self.name}"
            ax.set_xlabel(f"root mean squared error of a pixel, restored{by}")
        else:
            ax.set_xticks([])
            ax.set_yticklabels(["original", *restored])
        self.ax_, self.figure_, self.axes_ = ax, figure, np.array([ax])
        return self

    def _draw_columns(self, ax, original, restored, chosen, kwargs):
        n_columns = min(3, len(chosen))
        n_rows = math.ceil(len(chosen) / n_columns)
        figure, ax = open_axes(self, ax, (2.7 * n_columns + 0.4, 2.5 * n_rows + 0.4))
        panels = split_axes(ax, n_rows, n_columns).ravel()
        self.artists_ = []
        for panel, i in zip(panels, chosen, strict=False):
            draw = _draw_numbers if original.is_number(i) else _draw_levels
            self.artists_.append(draw(panel, original, restored, i, kwargs))
        for panel in panels[len(chosen) :]:
            panel.remove()
        self.axes_ = panels[: len(chosen)]
        for panel in self.axes_[::n_columns]:
            panel.set_ylabel("restored")
        for panel in self.axes_[-n_columns:]:
            panel.set_xlabel("original")
        self.ax_, self.figure_ = ax, figure
        return self


def _draw_numbers(ax, original, restored, i, kwargs):
    x, y = original.numbers(i), restored.numbers(i)
    there = ~(np.isnan(x) | np.isnan(y))
    x, y = x[there], y[there]
    style = {
        "s": float(np.clip(2000 / max(len(x), 1), 4, 20)),
        "alpha": 0.5,
        "linewidths": 0,
        "color": COLORS[0],
        "rasterized": len(x) > 10_000,
    }
    points = ax.scatter(x, y, **{**style, **kwargs})
    if len(x):
        ends = [min(x.min(), y.min()), max(x.max(), y.max())]
        ax.plot(ends, ends, color=QUIET, linestyle="--", linewidth=1)
    if original.is_date(i):
        _mark_dates(ax)
    spread = np.square(x - x.mean()).sum() if len(x) else 0.0
    kept = f", R² {1.0 - np.square(x - y).sum() / spread:.2f}" if spread > 0 else ""
    ax.set_title(f"{original.names[i]}{kept}", fontsize="medium")
    return points


def _mark_dates(ax):
    """Turn days since 1970, which matplotlib's dates are as well, into dates."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    for axis in (ax.xaxis, ax.yaxis):
        locator = AutoDateLocator(minticks=2, maxticks=5)
        axis.set_major_locator(locator)
        axis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))


def _draw_levels(ax, original, restored, i, kwargs):
    truth, guess = original.texts(i), restored.texts(i)
    there = truth != "missing"
    truth, guess = truth[there], guess[there]
    levels, counts = np.unique(truth.astype(str), return_counts=True)
    levels = levels[np.argsort(-counts, kind="stable")][:MAX_LEVELS]
    shares = [float((guess[truth == level] == level).mean()) for level in levels]
    bars = ax.bar(levels, shares, color=label_colors(2)[1])
    ax.set_ylim(0, 1)
    ax.tick_params(axis="x", rotation=30, labelsize="small")
    ax.set_title(
        f"{original.names[i]}, {float((guess == truth).mean()):.0%} as it was",
        fontsize="medium",
    )
    return bars
