"""Codes of rows, drawn in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.manifold import TSNE
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import type_of_target

from skae.display._display import Display, Groups, Kwargs
from skae.display._style import COLORS, QUIET, label_colors
from skae.display._tables import Table, dense

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ColorBy = Literal["auto", "label", "value"]

# More different labels than this are treated as values, and coloured as such.
MAX_LABELS = 20
PERPLEXITY = 30.0
# Codes that differ by less, relative to their size, are one point to float32.
ROUNDING = 1e-6


@dataclass(eq=False, repr=False)
class LatentSpaceDisplay(Display):
    """Scatter plot of the codes of rows, coloured by label or by value.

    Two codes are the axes of the plot. More than two are embedded in the plane by t-SNE,
    which preserves neighbourhoods but not distances. A single code is drawn as a histogram,
    or against the values of `y`. It is recommended to create the display with
    `from_estimator` or `from_predictions`.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        Codes of the rows that are drawn.
    embedding : ndarray of shape (n_samples, 1) or (n_samples, 2)
        Coordinates of the rows.
    y : ndarray of shape (n_samples,), default=None
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
        One collection of points per label (or one for all rows); for a single code, the
        bars of the histograms.

    See Also
    --------
    LatentTraversalDisplay : Rows decoded along the codes.

    References
    ----------
    van der Maaten & Hinton, Visualizing Data using t-SNE, 2008.

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
    y: np.ndarray | None = None
    names: Sequence[str] | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Table,
        y: ArrayLike | None = None,
        *,
        max_samples: int | None = 2000,
        random_state: int | np.random.RandomState | None = 0,
        color_by: ColorBy = "auto",
        label_name: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
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
        max_samples : int or None, default=2000
            Maximum number of rows to draw. They are chosen at random, and the label of the
            axis says how many there are. If None, all rows are drawn; the time of t-SNE
            grows slightly faster than their number.
        random_state : int, RandomState instance or None, default=0
            Determines the choice of rows and the initialisation of t-SNE.
        color_by : {"auto", "label", "value"}, default="auto"
            How `y` is interpreted. If "auto", it holds labels if it is text, or if it holds
            at most 20 different whole numbers.
        label_name : str, default=None
            Title of the legend. If None, the name of `y`, if it has one.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure and axes are created.
        **kwargs : dict
            Additional keyword arguments passed to `Axes.scatter` (for a single code, to
            `Axes.hist`).

        Returns
        -------
        display : LatentSpaceDisplay
            The display that was drawn.
        """
        cls._check_methods(estimator, "transform")
        return cls.from_predictions(
            estimator.transform(X),
            y,
            max_samples=max_samples,
            random_state=random_state,
            color_by=color_by,
            label_name=label_name,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        codes: Table,
        y: ArrayLike | None = None,
        *,
        max_samples: int | None = 2000,
        random_state: int | np.random.RandomState | None = 0,
        color_by: ColorBy = "auto",
        label_name: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot given codes.

        Parameters
        ----------
        codes : array-like or sparse matrix of shape (n_samples, n_components)
            Output of `transform`.
        y, max_samples, random_state, color_by, label_name, ax, **kwargs
            See `from_estimator`.

        Returns
        -------
        display : LatentSpaceDisplay
            The display that was drawn.

        Raises
        ------
        ValueError
            If `codes` is not two-dimensional, or `y` has another number of rows.
        """
        codes = dense(codes)
        if codes.ndim != 2 or not codes.shape[1]:
            raise ValueError(
                f"codes has shape {codes.shape}; give a table of shape "
                "(n_samples, n_components), as transform returns it."
            )
        if label_name is None:
            label_name = getattr(y, "name", None)
        if y is not None:
            y = np.asarray(y)
            if y.shape != codes.shape[:1]:
                raise ValueError(
                    f"y has shape {y.shape}, but there are {len(codes)} rows of codes; give "
                    "one label or value per row."
                )
        rng, n_rows = check_random_state(random_state), len(codes)
        if max_samples is not None and n_rows > max_samples:
            rows = np.sort(rng.choice(n_rows, max_samples, replace=False))
            codes, y = codes[rows], None if y is None else y[rows]
        embedding, names = _embed(codes, rng)
        if len(codes) < n_rows:
            names[0] += f" ({len(codes):,} of {n_rows:,} rows)"
        display = cls(codes, embedding, y=y, names=names)
        return display.plot(ax=ax, color_by=color_by, label_name=label_name, **kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        color_by: ColorBy = "auto",
        label_name: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the codes.

        Parameters
        ----------
        ax, color_by, label_name, **kwargs
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
        if self.y is None:
            self._draw_groups({None: np.arange(len(self.codes))}, kwargs)
        elif _are_labels(self.y, color_by):
            self._draw_labels(self.y, label_name, kwargs)
        else:
            self._draw_values(self.y, label_name or "y", kwargs)
        if self.codes.shape[1] > 2:
            # The coordinates of t-SNE have neither a unit nor an origin.
            self.ax_.set(xticks=[], yticks=[])
        return self

    def _draw_labels(self, y: np.ndarray, label_name: str | None, kwargs: Kwargs) -> None:
        # Numbers come before text.
        labels = sorted(set(y.tolist()), key=lambda label: (isinstance(label, str), label))
        self._draw_groups({label: np.flatnonzero(y == label) for label in labels}, kwargs)
        self.ax_.legend(
            title=label_name,
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
            ncols=1 if len(labels) <= 12 else 2,
            # Markers remain visible even if the points of the plot are small.
            markerscale=1.6,
        )

    def _point_style(self) -> Kwargs:
        size = float(np.clip(9000 / len(self.codes), 6, 30))
        return {"s": size, "alpha": 0.75, "linewidths": 0}

    def _draw_values(self, y: np.ndarray, label: str, kwargs: Kwargs) -> None:
        """Draw values as colours; against a single code, as heights."""
        if self.embedding.shape[1] == 2:
            style = {"c": y, **self._point_style(), **kwargs}
            points = self.ax_.scatter(*self.embedding.T, **style)
            self.figure_.colorbar(points, ax=self.ax_, label=label)
        else:
            style = {"s": 16, "alpha": 0.7, "linewidths": 0, "color": COLORS[0], **kwargs}
            points = self.ax_.scatter(self.embedding[:, 0], y, **style)
            self.ax_.set_ylabel(label)
        self.artists_: list[Any] = [points]

    def _draw_groups(self, groups: Groups, kwargs: Kwargs) -> None:
        """Draw the rows of each label as points; along a single code, as histograms."""
        colors = label_colors(len(groups))
        if self.embedding.shape[1] == 1:
            bins = np.histogram_bin_edges(self.embedding, bins=40)
            style = {"bins": bins, "alpha": 0.6, **kwargs}
            values = self.embedding[:, 0]
            self.artists_ = self._draw_histograms(values, groups, colors, style)
            return
        self.artists_ = []
        for color, (label, rows) in zip(colors, groups.items(), strict=True):
            style = {"color": color, "label": label, **self._point_style(), **kwargs}
            self.artists_.append(self.ax_.scatter(*self.embedding[rows].T, **style))
        if self.y is None:
            self.ax_.grid(color=QUIET, alpha=0.15)


def _are_labels(y: np.ndarray, color_by: ColorBy) -> bool:
    if color_by != "auto":
        return color_by == "label"
    if y.dtype.kind in "OUSb":
        return True
    is_continuous = type_of_target(y).startswith("continuous")
    return not is_continuous and len(np.unique(y)) <= MAX_LABELS


def _embed(codes: np.ndarray, rng: np.random.RandomState) -> tuple[np.ndarray, list[str]]:
    """Return coordinates of shape (n_samples, 1 or 2), and the labels of the axes."""
    n_rows, n_components = codes.shape
    if n_components <= 2:
        return codes, [f"code {i}" for i in range(n_components)]
    if n_rows < 4:
        raise ValueError(
            f"{n_rows} rows are too few to embed {n_components} codes by t-SNE; give 4 or "
            "more."
        )
    labels = [f"t-SNE of {n_components} codes, axis {i}" for i in (1, 2)]
    codes = np.ascontiguousarray(codes, dtype=np.float32)
    if np.ptp(codes, axis=0).max() <= ROUNDING * np.abs(codes).max():
        return np.zeros((n_rows, 2)), labels
    tsne = TSNE(perplexity=min(PERPLEXITY, (n_rows - 1) / 3), init="pca", random_state=rng)
    return tsne.fit_transform(codes), labels
