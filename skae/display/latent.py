"""Codes of rows, drawn in the plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from skae.display._display import Display, Groups, Kwargs
from skae.display._layouts import Layout, lay_out
from skae.display._legend import entries_of, entry, group_labels, put_legend_beside
from skae.display._panels import format_dates
from skae.display._style import (
    COLORS,
    LABEL_COLORS,
    MISSING_COLOR,
    OTHER_COLOR,
    QUIET,
    styled,
)
from skae.display._tables import Table, as_floats, dense, verbatim
from skae.display._values import colour_steps, few_numbers, read_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ColorBy = Literal["auto", "label", "value"]

# What points without a value do not take over from a user's settings.
OF_COLOUR = "c", "color", "cmap", "norm", "vmin", "vmax"


@dataclass(eq=False, repr=False)
class LatentSpaceDisplay(Display):
    """Scatter plot of the codes of rows, coloured by label or by value.

    Two codes are the axes of the plot. More than two are laid out in the plane: by their
    principal components, or by t-SNE or UMAP, which preserve neighbourhoods but not
    distances. A single code is drawn as a histogram, or against the values of `y`. It is
    recommended to create the display with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        Codes of the rows that are drawn.
    embedding : ndarray of shape (n_samples, 1) or (n_samples, 2)
        Coordinates of the rows.
    y : ndarray or pandas.Categorical of shape (n_samples,), default=None
        Labels or values of the rows.
    names : list of str, default=None
        Labels of the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the codes.
    figure_ : matplotlib Figure
        Figure containing the axes.
    artists_ : list
        One collection of points per label (or one for all rows, as for numbers); for a
        single code, the bars of the histograms.

    See Also
    --------
    LatentTraversalDisplay : Rows decoded along the codes.

    References
    ----------
    van der Maaten & Hinton, Visualizing Data using t-SNE, 2008. McInnes, Healy & Melville,
    UMAP, 2018.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import AutoencoderTransformer
    >>> from skae.display import LatentSpaceDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> autoencoder = AutoencoderTransformer(2, random_state=0).fit(X)
    >>> display = LatentSpaceDisplay.from_estimator(autoencoder, X, y)
    >>> display.ax_.get_xlabel()
    'code 0'
    """

    codes: np.ndarray
    embedding: np.ndarray
    _: KW_ONLY
    y: np.ndarray | pd.Categorical | None = None
    names: Sequence[str] | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Table,
        y: ArrayLike | None = None,
        *,
        layout: Layout = "pca",
        subsample: float | int | None = 2000,
        random_state: int | np.random.RandomState | None = 0,
        color_by: ColorBy = "auto",
        label_name: str | None = None,
        ax: Axes | None = None,
        scatter_kwargs: Kwargs | None = None,
        hist_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot the codes that a fitted estimator gives to rows.

        Parameters
        ----------
        estimator : fitted estimator
            Any estimator with `transform`: skae's transformers, `PCA`, a `Pipeline`.
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows, preferably not those that the estimator was fitted on.
        y : array-like of shape (n_samples,), default=None
            Labels or values that determine the colours.
        layout : {"pca", "tsne", "umap"}, default="pca"
            How more than two codes are laid out in the plane. "pca" takes no time, and
            far rows are far apart in their codes. "tsne" shows neighbourhoods and takes
            seconds, more than a fit often does. "umap" is like it and needs the package
            umap-learn.
        subsample : float, int or None, default=2000
            Rows to draw: the most of them, or, between 0 and 1, their proportion. They are
            chosen at random, and the label of the axis says how many there are. If None,
            all rows are drawn; the time of t-SNE grows slightly faster than their number.
        random_state : int, RandomState instance or None, default=0
            Determines the choice of rows and the initialisation of the layout.
        color_by : {"auto", "label", "value"}, default="auto"
            How `y` is interpreted. If "auto", text and categories are labels, and numbers
            and dates have a colour bar, in steps if they are at most ten whole numbers. Of
            labels the ten most frequent have colours, all others one grey; categories keep
            their order. Missing cells are grey.
        label_name : str, default=None
            Title of the legend. If None, the name of `y`, if it has one.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure and axes are created.
        scatter_kwargs : dict, default=None
            Keyword arguments of `Axes.scatter`.
        hist_kwargs : dict, default=None
            Keyword arguments of `Axes.hist`, for a single code.

        Returns
        -------
        display : LatentSpaceDisplay
            The display that was drawn.
        """
        cls._check_arguments(estimator, X, "transform")
        return cls.from_predictions(
            estimator.transform(X),
            y,
            layout=layout,
            subsample=subsample,
            random_state=random_state,
            color_by=color_by,
            label_name=label_name,
            ax=ax,
            scatter_kwargs=scatter_kwargs,
            hist_kwargs=hist_kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        codes: Table,
        y: ArrayLike | None = None,
        *,
        layout: Layout = "pca",
        subsample: float | int | None = 2000,
        random_state: int | np.random.RandomState | None = 0,
        color_by: ColorBy = "auto",
        label_name: str | None = None,
        ax: Axes | None = None,
        scatter_kwargs: Kwargs | None = None,
        hist_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot given codes.

        Parameters
        ----------
        codes : array-like or sparse matrix of shape (n_samples, n_components)
            Output of `transform`.
        y, layout, subsample, random_state, color_by, label_name, ax
            See `from_estimator`.
        scatter_kwargs, hist_kwargs
            See `from_estimator`.

        Returns
        -------
        display : LatentSpaceDisplay
            The display that was drawn.

        Raises
        ------
        ValueError
            If `codes` is not two-dimensional, `y` has another number of rows, or `layout` is
            not known.
        ImportError
            If ``layout="umap"`` and umap-learn is not installed.
        """
        codes = dense(codes)
        if codes.ndim != 2 or not codes.size:
            raise ValueError(
                f"codes has shape {codes.shape}; give a table of shape "
                "(n_samples, n_components), as transform returns it."
            )
        if codes.dtype.kind not in "iuf" or not np.isfinite(codes).all():
            raise ValueError(
                "codes holds cells that are no finite numbers; leave them out."
            )
        if label_name is None:
            label_name = getattr(y, "name", None)
            label_name = None if label_name == "" else label_name  # polars has no None
        if y is not None:
            y = read_labels(y, len(codes), "codes")
        rng, n_rows = check_random_state(random_state), len(codes)
        n_drawn = _count_drawn(subsample, n_rows)
        if n_drawn < n_rows:
            rows = np.sort(rng.choice(n_rows, n_drawn, replace=False))
            codes, y = codes[rows], None if y is None else y[rows]
        embedding, names = lay_out(codes, layout, rng)
        if len(codes) < n_rows:
            names[0] += f" ({len(codes):,} of {n_rows:,} rows)"
        display = cls(codes, embedding, y=y, names=names)
        return display.plot(
            ax=ax,
            color_by=color_by,
            label_name=label_name,
            scatter_kwargs=scatter_kwargs,
            hist_kwargs=hist_kwargs,
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        color_by: ColorBy = "auto",
        label_name: str | None = None,
        scatter_kwargs: Kwargs | None = None,
        hist_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot the codes.

        Parameters
        ----------
        ax, color_by, label_name, scatter_kwargs, hist_kwargs
            See `from_estimator`.

        Returns
        -------
        display : LatentSpaceDisplay
            The display itself.
        """
        if color_by not in ("auto", "label", "value"):
            raise ValueError(
                f"color_by={color_by!r}; it is one of 'auto', 'label' and 'value'."
            )
        self._open_axes(ax, (6.4, 4.8))
        n_axes = self.embedding.shape[1]
        names = self.names or [f"code {i}" for i in range(n_axes)]
        self.ax_.set_xlabel(names[0])
        if n_axes == 2:
            self.ax_.set_ylabel(names[1])
        of_groups = hist_kwargs if n_axes == 1 else scatter_kwargs
        if self.y is None:
            groups = [(None, np.arange(len(self.codes)))]
            self._draw_groups(groups, list(COLORS[:1]), of_groups)
        elif self._has_labels(self.y, color_by):
            self._draw_labels(self.y, label_name, of_groups)
        else:
            name = "y" if label_name is None else entry(verbatim(str(label_name)))
            self._draw_values(self.y, name, scatter_kwargs)
        if self.codes.shape[1] > 2:
            # The coordinates of a layout have neither a unit nor an origin.
            self.ax_.set(xticks=[], yticks=[])
        self._fit()
        return self

    def _has_labels(self, y: np.ndarray, color_by: ColorBy) -> bool:
        has_values = y.dtype.kind in "iufmM"
        if color_by == "value" and not has_values:
            raise ValueError(
                "color_by='value', but y holds labels, such as "
                f"{y[~pd.isna(y)][:1].tolist()}; use color_by='label', or give numbers or "
                "dates."
            )
        if color_by != "auto":
            return color_by == "label"
        if not has_values or pd.isna(y).all():
            return True
        # Along a single code a few numbers are histograms, as labels are.
        return self.embedding.shape[1] == 1 and few_numbers(y) is not None

    def _draw_labels(
        self, y: np.ndarray, label_name: str | None, kwargs: Kwargs | None
    ) -> None:
        groups, colors = group_labels(y)
        named = [
            (text, rows) for text, (_, rows) in zip(entries_of(groups), groups, strict=True)
        ]
        self._draw_groups(named, colors, kwargs)
        # Markers remain visible even if the points of the plot are small.
        n_grey = len(groups) - sum(color in LABEL_COLORS for color in colors)
        title = None if label_name is None else entry(verbatim(str(label_name)))
        put_legend_beside(self.ax_, title, last=n_grey, markerscale=1.6)

    def _point_style(self) -> Kwargs:
        size = float(np.clip(9000 / len(self.codes), 6, 30))
        return {"s": size, "alpha": 0.75, "linewidths": 0}

    def _draw_values(self, y: np.ndarray, label: str, kwargs: Kwargs | None) -> None:
        """Draw values as colours; against a single code, as heights."""
        values = as_floats(pd.Series(y))
        if y.dtype.kind == "m":
            label += " (days)"
        self.artists_: list[Any] = []
        if self.embedding.shape[1] == 1:
            style: Kwargs = {"s": 16, "alpha": 0.7, "linewidths": 0, "color": COLORS[0]}
            points = self.ax_.scatter(self.embedding[:, 0], values, **styled(style, kwargs))
            self.artists_ = [points]
            self.ax_.set_ylabel(label)
            if y.dtype.kind == "M":
                format_dates(self.ax_.yaxis)
            return
        missing = ~np.isfinite(values)
        if missing.any():
            rest = {k: v for k, v in (kwargs or {}).items() if k not in OF_COLOUR}
            grey = styled({**self._point_style(), "color": MISSING_COLOR}, rest)
            self.ax_.scatter(*self.embedding[missing].T, **grey)
            label += " (grey: missing)"
        if not missing.all():
            self._draw_colours(y, values, ~missing, label, kwargs)

    def _draw_colours(
        self,
        y: np.ndarray,
        values: np.ndarray,
        there: np.ndarray,
        label: str,
        kwargs: Kwargs | None,
    ) -> None:
        """Draw the rows that have values, and the colour bar."""
        steps, ticks = colour_steps(y)
        style = styled({"c": values[there], **self._point_style()}, kwargs)
        if "c" in style and "c" not in (kwargs or {}):  # no other colour is asked for
            style = {**steps, **style}
        points = self.ax_.scatter(*self.embedding[there].T, **style)
        self.artists_.append(points)
        if points.get_array() is None:  # another colour was asked for
            return
        bar = self._add_colorbar(self.ax_, points, label)
        if ticks:
            bar.set_ticks(list(ticks), labels=list(ticks.values()))
            bar.ax.minorticks_off()
        elif y.dtype.kind == "M":
            format_dates(bar.ax.yaxis)

    def _draw_groups(
        self, groups: Groups, colors: Sequence[Any], kwargs: Kwargs | None
    ) -> None:
        """Draw the rows of each label as points; along a single code, as histograms."""
        if self.embedding.shape[1] == 1:
            bins = np.histogram_bin_edges(self.embedding, bins=40)
            style = styled({"bins": bins, "alpha": 0.6}, kwargs)
            values = self.embedding[:, 0]
            self.artists_ = self._draw_histograms(values, groups, colors, style)
            return
        self.artists_ = []
        levels = _heights_of(groups, colors)
        for color, (label, rows), zorder in zip(colors, groups, levels, strict=True):
            style = {"color": color, "label": label, "zorder": zorder}
            style = styled({**style, **self._point_style()}, kwargs)
            self.artists_.append(self.ax_.scatter(*self.embedding[rows].T, **style))
        if self.y is None:
            self.ax_.grid(color=QUIET, alpha=0.15)


def _heights_of(groups: Groups, colors: Sequence[Any]) -> list[float]:
    """Return in what order groups are drawn: greys first, small groups over large ones."""
    is_grey = [color in (MISSING_COLOR, OTHER_COLOR) for color in colors]
    order = sorted(range(len(groups)), key=lambda i: (not is_grey[i], -len(groups[i][1])))
    # Below lines of a grid.
    return [1.0 + 0.4 * order.index(i) / len(groups) for i in range(len(groups))]


def _count_drawn(subsample: Any, n_rows: int) -> int:
    """Return the number of rows to draw.

    Raises
    ------
    ValueError
        If `subsample` is neither a number of rows, nor a proportion, nor None.
    """
    if subsample is None:
        return n_rows
    if isinstance(subsample, (int, np.integer)) and subsample >= 1:
        return min(int(subsample), n_rows)
    if isinstance(subsample, (float, np.floating)) and 0 < subsample < 1:
        return math.ceil(subsample * n_rows)
    raise ValueError(
        f"subsample={subsample!r}; give a number of rows, 1 or more, a proportion between 0 "
        "and 1, or None for all rows."
    )
