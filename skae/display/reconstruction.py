"""Rows beside their reconstructions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from skae.display._display import Display, Kwargs, check_count, name_of
from skae.display._images import check_image_shape, pixel_limits
from skae.display._panels import draw_column
from skae.display._style import styled
from skae.display._tables import (
    Table,
    as_pixels,
    positions_of,
    read_like,
    read_table,
    shorten,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap


@dataclass(eq=False, repr=False)
class ReconstructionDisplay(Display):
    """Original rows compared with their reconstructions, as images or column by column.

    Images are drawn in two lines, the originals above their reconstructions, with the
    error of each below. A dict of reconstructions has one line of images per entry. Columns
    have one panel each: a numeric column is drawn as points, reconstruction against
    original, with the diagonal; a categorical one as bars, the proportion of the cells of
    each level that are reconstructed as that level. It is recommended to create the display
    with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    original : data frame or ndarray of shape (n_samples, n_features)
        Original rows.
    reconstruction : data frame, ndarray, or dict of str to such
        Output of `inverse_transform(transform(X))`. A dict holds the reconstructions of
        several estimators by name; it can only be drawn as images.
    image_shape : tuple, default=None
        Shape (height, width) or (height, width, 3) of the images. If None, the rows are not
        images, and their columns are drawn.
    name : str, default=None
        Name of the estimator. If None, it is not shown.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the images, or the axes that the panels replace.
    axes_ : ndarray of matplotlib Axes
        The panels. For images, it contains only `ax_`.
    figure_ : matplotlib Figure
        Figure containing the axes.
    im_ : matplotlib AxesImage
        The images. Not defined for columns.
    artists_ : list
        The points or the bars of each panel. Not defined for images.

    See Also
    --------
    skae.metrics.reconstruction_r2 : Fraction of the variance that is reconstructed.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.display import ReconstructionDisplay
    >>> X = load_digits().data
    >>> display = ReconstructionDisplay.from_estimator(PCA(8).fit(X), X, image_shape=(8, 8))
    >>> display.im_.get_array().shape  # two lines of ten images, with gaps of one pixel
    (17, 89)
    """

    original: Table
    reconstruction: Table | dict[str, Table]
    _: KW_ONLY
    image_shape: tuple[int, ...] | None = None
    name: str | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Table,
        *,
        image_shape: tuple[int, ...] | None = None,
        columns: Sequence[str | int] | None = None,
        max_images: int = 10,
        max_columns: int = 9,
        cmap: str | Colormap = "gray_r",
        ax: Axes | None = None,
        scatter_kwargs: Kwargs | None = None,
        im_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot rows beside their reconstructions by a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator
            Any estimator with `transform` and `inverse_transform`: skae's transformers,
            `PCA`, a `Pipeline`.
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows, preferably not those that the estimator was fitted on. If they are images,
            the first ones are drawn.
        image_shape : tuple, default=None
            Shape (height, width) or (height, width, 3) of the images. If None, the rows are
            not images, and their columns are drawn.
        columns : sequence of str or int, default=None
            The columns to draw. If None, the first ones.
        max_images : int, default=10
            Maximum number of images to draw.
        max_columns : int, default=9
            Maximum number of columns to draw, if `columns` is None.
        cmap : str or matplotlib Colormap, default="gray_r"
            Colormap of images with one channel.
        ax : matplotlib Axes, default=None
            Axes to draw on, replaced by the panels if there are several. If None, a new
            figure and axes are created.
        scatter_kwargs : dict, default=None
            Keyword arguments of `Axes.scatter`, for numeric columns.
        im_kwargs : dict, default=None
            Keyword arguments of `Axes.imshow`, for images.

        Returns
        -------
        display : ReconstructionDisplay
            The display that was drawn.
        """
        cls._check_arguments(estimator, X, "transform", "inverse_transform")
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
            scatter_kwargs=scatter_kwargs,
            im_kwargs=im_kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        X: Table,
        reconstruction: Table | dict[str, Table],
        *,
        image_shape: tuple[int, ...] | None = None,
        columns: Sequence[str | int] | None = None,
        max_images: int = 10,
        max_columns: int = 9,
        cmap: str | Colormap = "gray_r",
        name: str | None = None,
        ax: Axes | None = None,
        scatter_kwargs: Kwargs | None = None,
        im_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot rows beside given reconstructions.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            Original rows.
        reconstruction : data frame, array-like, or dict of str to such
            Reconstructions, each of the shape of `X`. A dict, allowed for images only, has
            one line of images per entry, labelled with its key.
        name : str, default=None
            Name of the estimator. If None, it is not shown. Ignored for a dict, whose keys
            are the names.
        image_shape, columns, max_images, max_columns, cmap, ax, scatter_kwargs, im_kwargs
            See `from_estimator`.

        Returns
        -------
        display : ReconstructionDisplay
            The display that was drawn.

        Raises
        ------
        ValueError
            If the tables differ in shape, or `image_shape` does not fit them.
        """
        display = cls(X, reconstruction, image_shape=image_shape, name=name)
        return display.plot(
            ax=ax,
            columns=columns,
            max_images=max_images,
            max_columns=max_columns,
            cmap=cmap,
            scatter_kwargs=scatter_kwargs,
            im_kwargs=im_kwargs,
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        columns: Sequence[str | int] | None = None,
        max_images: int = 10,
        max_columns: int = 9,
        cmap: str | Colormap = "gray_r",
        scatter_kwargs: Kwargs | None = None,
        im_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot the rows beside their reconstructions.

        Parameters
        ----------
        ax, columns, max_images, max_columns, cmap, scatter_kwargs, im_kwargs
            See `from_estimator`.

        Returns
        -------
        display : ReconstructionDisplay
            The display itself.
        """
        check_count("max_images", max_images)
        original = read_table(self.original)
        by_name = self._reconstructions(original)
        if self.image_shape is not None:
            tables = [original, *by_name.values()]
            rows = np.stack([as_pixels(table)[:max_images] for table in tables])
            style = styled({"cmap": cmap}, im_kwargs)
            self._draw_images(ax, rows, list(by_name), **style)
            return self
        if isinstance(self.reconstruction, dict):
            raise ValueError(
                "reconstruction is a dict, which can only be drawn as images; give "
                "image_shape, or one table."
            )
        check_count("max_columns", max_columns)
        positions = list(range(min(max_columns, original.shape[1])))
        if columns is not None:
            positions = positions_of(columns, list(original))
        pairs = [
            (original.iloc[:, i], by_name["reconstruction"].iloc[:, i]) for i in positions
        ]
        self._open_panels(ax, len(pairs), (2.7, 2.5), (0.4, 0.4))
        names = shorten(original)
        self.artists_ = [
            draw_column(panel, *pair, names[i], scatter_kwargs)
            for panel, pair, i in zip(self.axes_, pairs, positions, strict=True)
        ]
        self._share_labels()
        self._fit()
        return self

    def _share_labels(self) -> None:
        """Leave out what the panel to the left, or below, says of its axis as well."""
        for line in self._lines:
            for before, panel in reversed(list(pairwise(line))):
                if panel.get_ylabel() == before.get_ylabel():
                    panel.set_ylabel("")
        for line, below in pairwise(self._lines):
            for panel, other in zip(line, below, strict=False):
                if panel.get_xlabel() == other.get_xlabel():
                    panel.set_xlabel("")

    def _reconstructions(self, original: pd.DataFrame) -> dict[str, pd.DataFrame]:
        """Return the reconstructions by name; a single one is named "reconstruction"."""
        if not isinstance(self.reconstruction, dict):
            table = read_like(self.reconstruction, "reconstruction", original, "X")
            return {"reconstruction": table}
        return {
            name: read_like(table, f"reconstruction[{name!r}]", original, "X")
            for name, table in self.reconstruction.items()
        }

    def _draw_images(
        self, ax: Axes | None, rows: np.ndarray, names: list[str], **im_kw: Any
    ) -> None:
        """Draw rows of shape (1 + n_names, n_images, n_features), originals first."""
        n_lines, n_images, n_features = rows.shape
        shape = check_image_shape(self.image_shape, n_features)
        images = rows.reshape(n_lines, n_images, *shape)
        figsize = 0.9 * n_images + 1.2, 0.9 * n_lines + 0.9
        self._show_images(ax, images, figsize, pixel_limits(rows[0]), **im_kw)
        self.ax_.set_yticklabels(["original", *names])
        if isinstance(self.reconstruction, dict):
            self.ax_.set_xticks([])
            return
        errors = np.sqrt(np.square(rows[1] - rows[0]).mean(axis=1))
        self.ax_.set_xticklabels([f"{error:.2g}" for error in errors])
        by = "" if self.name is None else f",\nreconstructed by {self.name}"
        self.ax_.set_xlabel(f"root mean squared error per pixel{by}")
