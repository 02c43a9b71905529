"""Rows decoded along the codes of an estimator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from skae.display._bands import draw_bands, draw_curves, draw_dates, mark_data
from skae.display._codes import check_components, check_start, vary_codes
from skae.display._display import (
    PANELS_PER_LINE,
    Display,
    Kwargs,
    check_count,
    name_of,
    of_estimator,
)
from skae.display._images import check_image_shape, pixel_limits
from skae.display._style import styled
from skae.display._tables import Table, as_pixels, dense, read_table, short
from skae.display._traversed import (
    Probabilities,
    Traversed,
    read_traversed,
    said_of,
    spread_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap


@dataclass(eq=False, repr=False)
class LatentTraversalDisplay(Display):
    """Rows decoded from varying codes, two codes at once or one at a time.

    For rows that are images, two codes are drawn as a grid of images, and a single code as
    a line of images. For other rows, each code has a panel with the numbers and dates as
    curves, and one for each of the categories that change most with their probabilities as
    bands; short lines below are the codes of rows, and grey is where there are none. The codes
    that are not varied are fixed. It is recommended to create the display with
    `from_estimator`.

    Parameters
    ----------
    steps : ndarray of shape (n_components, n_steps)
        Values of each code that is varied.
    rows : data frame or ndarray of shape (n_samples, n_features)
        Decoded rows. For ``kind="grid"``, there are n_steps * n_steps: for each step of the
        second code, from the last to the first, the steps of the first code. For
        ``kind="each"``, there are n_components * n_steps: the steps of the first code, then
        those of the second, and so on.
    components : sequence of int
        Indices of the codes that are varied.
    kind : {"grid", "each"}, default="grid"
        Whether two codes are varied together or each code by itself.
    image_shape : tuple, default=None
        Shape (height, width) or (height, width, 3) of the images. If None, the rows are not
        images, and curves are drawn.
    spread : tuple of ndarray of shape (n_features,), default=None
        Means and standard deviations of the columns, for curves. If None, those of `rows`.
    limits : tuple (float, float), default=None
        Pixel values at the two ends of the colormap. If None, the extremes of `rows`.
    name : str, default=None
        Name of the estimator. If None, it is not shown.
    probabilities : dict of str to tuple (levels, ndarray), default=None
        What each column of categories is: the probabilities of its levels in the rows, of
        shape (n_samples, n_levels). If None, 1 for the levels of `rows`.
    codes : ndarray of shape (n_rows, n_components), default=None
        Codes of rows: where there are data.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the images, or the axes that the panels replace.
    axes_ : ndarray of matplotlib Axes
        The panels. For images, it contains only `ax_`.
    figure_ : matplotlib Figure
        Figure containing the axes.
    im_ : matplotlib AxesImage
        The images. Not defined for curves.
    lines_ : list of list of matplotlib Line2D
        The curves of each code. Not defined for images.
    bands_ : list of dict of str to list of PolyCollection
        The bands of each code, by column. Not defined for images.
    dates_ : list of dict of str to matplotlib Line2D
        The dates of each code, by column. Not defined for images.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.display import LatentTraversalDisplay
    >>> X = load_digits().data
    >>> display = LatentTraversalDisplay.from_estimator(
    ...     PCA(2).fit(X), X, image_shape=(8, 8)
    ... )
    >>> display.ax_.get_xlabel()
    'code 0 of PCA'
    """

    steps: np.ndarray
    rows: Table
    _: KW_ONLY
    components: Sequence[int]
    kind: Literal["grid", "each"] = "grid"
    image_shape: tuple[int, ...] | None = None
    spread: tuple[np.ndarray, np.ndarray] | None = None
    limits: tuple[float, float] | None = None
    name: str | None = None
    probabilities: Probabilities | None = None
    codes: np.ndarray | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Table,
        *,
        image_shape: tuple[int, ...] | None = None,
        kind: Literal["auto", "grid", "each"] = "auto",
        components: Sequence[int] | None = None,
        n_steps: int = 12,
        proportion: float = 0.95,
        start: ArrayLike | None = None,
        cmap: str | Colormap = "gray_r",
        ax: Axes | None = None,
        line_kwargs: Kwargs | None = None,
        im_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot the rows that a fitted estimator decodes along its codes.

        Parameters
        ----------
        estimator : fitted estimator
            Any estimator with `transform` and `inverse_transform`: skae's transformers,
            `PCA`, a `Pipeline`.
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows whose codes determine the range of each code.
        image_shape : tuple, default=None
            Shape (height, width) or (height, width, 3) of the images. If None, the rows are
            not images, and curves are drawn.
        kind : {"auto", "grid", "each"}, default="auto"
            "grid" varies two codes together (images only), "each" varies one code at a
            time. "auto" is "grid" for images with two codes, and "each" otherwise.
        components : sequence of int, default=None
            Indices of the codes that are varied; two for a grid. If None, the first two for
            a grid, and otherwise the first eight at most.
        n_steps : int, default=12
            Number of values per code.
        proportion : float, default=0.95
            Proportion of the codes of `X` that the range of each code covers, between the
            quantiles ``0.5 - proportion / 2`` and ``0.5 + proportion / 2``.
        start : array-like of shape (n_components,), default=None
            Values of the codes that are not varied. If None, the medians over `X`.
        cmap : str or matplotlib Colormap, default="gray_r"
            Colormap of images with one channel.
        ax : matplotlib Axes, default=None
            Axes to draw on, replaced by the panels if there are several. If None, a new
            figure and axes are created.
        line_kwargs : dict, default=None
            Keyword arguments of `Axes.plot`, for numbers and dates.
        im_kwargs : dict, default=None
            Keyword arguments of `Axes.imshow`, for images.

        Returns
        -------
        display : LatentTraversalDisplay
            The display that was drawn.

        Raises
        ------
        ValueError
            If a parameter does not fit the codes or the images.
        """
        cls._check_arguments(estimator, X, "transform", "inverse_transform")
        codes = dense(estimator.transform(X))
        table = read_table(X)
        if image_shape is not None:
            check_image_shape(image_shape, table.shape[1])
        kind, components = check_components(kind, components, codes.shape[1], image_shape)
        check_count("n_steps", n_steps, least=2)
        if not isinstance(proportion, Real) or not 0 < proportion < 1:
            raise ValueError(
                f"proportion={proportion!r}; give a number between 0 and 1, both excluded."
            )
        ends = 0.5 - proportion / 2, 0.5 + proportion / 2
        low, high = np.quantile(codes[:, components], ends, axis=0)
        steps = np.linspace(low, high, n_steps, axis=1)
        varied = vary_codes(check_start(start, codes), steps, components, kind)
        display = cls(
            steps,
            estimator.inverse_transform(varied.astype(codes.dtype, copy=False)),
            components=components,
            kind=kind,
            image_shape=image_shape,
            spread=None if image_shape is not None else spread_of(table),
            limits=None if image_shape is None else pixel_limits(as_pixels(table)),
            name=name_of(estimator),
            probabilities=None if image_shape is not None else said_of(estimator, varied),
            codes=codes,
        )
        return display.plot(ax=ax, cmap=cmap, line_kwargs=line_kwargs, im_kwargs=im_kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        cmap: str | Colormap = "gray_r",
        line_kwargs: Kwargs | None = None,
        im_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot the decoded rows.

        Parameters
        ----------
        ax, cmap, line_kwargs, im_kwargs
            See `from_estimator`.

        Returns
        -------
        display : LatentTraversalDisplay
            The display itself.
        """
        if self.image_shape is None:
            self._draw_curves(ax, line_kwargs)
        else:
            self._draw_images(ax, **styled({"cmap": cmap}, im_kwargs))
        return self

    def _draw_images(self, ax: Axes | None, **im_kw: Any) -> None:
        rows = as_pixels(read_table(self.rows))
        shape = check_image_shape(self.image_shape, rows.shape[1])
        n_steps = self.steps.shape[1]
        images = rows.reshape(-1, n_steps, *shape)
        figsize = 0.52 * n_steps + 1.0, 0.52 * len(images) + 1.0
        self._show_images(ax, images, figsize, self.limits or pixel_limits(rows), **im_kw)
        of_name = of_estimator(self.name)
        if self.kind == "grid":
            across, down = [[f"{value:.2g}" for value in values] for values in self.steps]
            # The second code increases upwards, as on any vertical axis.
            self.ax_.set(xticklabels=across, yticklabels=down[::-1])
            self.ax_.tick_params(labelsize="small")
            first, second = self.components
            self.ax_.set(xlabel=f"code {first}{of_name}", ylabel=f"code {second}")
        else:
            ranges = zip(self.components, self.steps[:, 0], self.steps[:, -1], strict=True)
            lines = [f"code {code}: {low:.2g} to {high:.2g}" for code, low, high in ranges]
            label = f"one code{of_name} increases at a time,\nthe others are fixed"
            self.ax_.set(xticks=[], yticklabels=lines, xlabel=label)

    def _draw_curves(self, ax: Axes | None, kwargs: Kwargs | None) -> None:
        n_codes = len(self.steps)
        parts = read_traversed(self.rows, n_codes, self.spread, self.probabilities)
        self._open_panels(
            ax,
            parts.n_panels * n_codes,
            (3.1, 2.4),
            (0.4, 0.3),
            "z-score" if parts.curves else "" if parts.dates else "probability",
            per_line=parts.n_panels if parts.is_mixed else PANELS_PER_LINE,
            entries=parts.entries,
        )
        self.lines_: list[Any] = []
        self.bands_: list[dict[str, Any]] = []
        self.dates_: list[dict[str, Any]] = []
        panels = np.reshape(self.axes_, (n_codes, parts.n_panels))
        for number, of_code in enumerate(panels):
            self._draw_code(number, list(of_code), parts, kwargs)
        if parts.curves:
            self._finish_curves(panels[:, 0], parts)
        self._fit()

    def _draw_code(
        self, number: int, panels: list[Axes], parts: Traversed, kwargs: Kwargs | None
    ) -> None:
        """Draw what one code moves: curves, then dates, then bands."""
        component, steps = self.components[number], self.steps[number]
        # The axis of the code is the same in all of its panels.
        panels[0].set_xlabel(f"code {component}")
        bands = parts.bands[number]
        n_drawn = bool(parts.curves) + len(parts.dates) + len(bands)
        for unused in panels[n_drawn:]:
            unused.set_axis_off()
        left = iter(panels[:n_drawn])
        if parts.curves:
            curves = {name: values[number] for name, values in parts.curves.items()}
            self.lines_.append(draw_curves(next(left), steps, curves, parts.kept, kwargs))
        self.dates_.append(
            {
                name: draw_dates(
                    next(left), steps, days, number, name, parts.shown[name], kwargs
                )
                for name, days in parts.dates.items()
            }
        )
        self.bands_.append(
            {
                name: draw_bands(
                    next(left), steps, levels, p, parts.shown.get(name, short(name))
                )
                for name, levels, p in bands
            }
        )
        if self.codes is not None:
            for panel in panels[:n_drawn]:
                mark_data(panel, self.codes[:, component], steps)

    def _finish_curves(self, panels: np.ndarray, parts: Traversed) -> None:
        """Give the curves' panels common limits, and one legend."""
        limits = np.array([panel.get_ylim() for panel in panels])
        for panel in panels:
            panel.set_ylim(limits[:, 0].min(), limits[:, 1].max())
        # Not by their labels: an empty one is replaced by matplotlib.
        by_name = dict(zip(parts.curves, self.lines_[0], strict=True))
        handles = [by_name[name] for name in parts.kept]
        if len(parts.entries) > len(handles):
            handles.append(next(h for n, h in by_name.items() if n not in parts.kept))
        self._draw_legend(handles, parts.entries)
