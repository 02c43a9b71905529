"""What codes stand for: rows decoded along them."""

import math

import numpy as np

from skae.display._axes import (
    COLORS,
    QUIET,
    check_image_shape,
    check_methods,
    name_of,
    open_axes,
    show_tiles,
    split_axes,
)
from skae.display._columns import Columns

# Columns that the panel of a code shows: those that it moves most.
MAX_LINES = 5
# Columns beyond the ten colours are told apart by these.
DASHES = ("-", "--", ":")


class LatentTraversalDisplay:
    """Rows that are decoded from codes which move, two at once or one at a time.

    A grid of images shows two codes; a strip of images, or a panel of lines (for rows
    that are no images), one code, while the others stay where they are. Make it by
    `from_estimator`.

    Parameters
    ----------
    steps : ndarray of shape (n_moved, n_steps)
        The values that each moved code takes.
    rows : ndarray or frame of n_samples rows
        What they decode to: ``kind="grid"``, the first code's steps for each of the
        second's; ``kind="each"``, the steps of the first code, then of the second.
    components : sequence of int
        The codes that move.
    kind : {"grid", "each"}
    image_shape : tuple, default=None
    spread : tuple (mean, standard deviation) of ndarray, default=None
        Of the columns, for lines.
    limits : tuple (float, float), default=None
        Values of a pixel that are drawn white and black. None: the extremes of `rows`.
    name : str, default=None
        Who decoded them.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes; of lines, the place that the panels share.
    axes_ : ndarray of matplotlib Axes
        The panels (for images `ax_` alone).
    figure_ : matplotlib Figure
    im_ : matplotlib AxesImage
        Of images.
    lines_ : list of list of matplotlib Line2D
        Of every code, for rows that are no images.

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

    def __init__(
        self,
        steps,
        rows,
        *,
        components,
        kind="grid",
        image_shape=None,
        spread=None,
        limits=None,
        name=None,
    ):
        self.steps = steps
        self.rows = rows
        self.components = components
        self.kind = kind
        self.image_shape = image_shape
        self.spread = spread
        self.limits = limits
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        image_shape=None,
        kind="auto",
        components=None,
        n_steps=12,
        share=0.95,
        start=None,
        cmap="gray_r",
        ax=None,
        **kwargs,
    ):
        """Draw what an estimator decodes along its codes.

        Parameters
        ----------
        estimator : fitted estimator
            Anything with `transform` and `inverse_transform`: skae's transformers, `PCA`,
            a `Pipeline`.
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows whose codes say where the codes lie.
        image_shape : tuple, default=None
            (height, width) or (height, width, 3) of the images that the rows are.
        kind : {"auto", "grid", "each"}, default="auto"
            "grid": two codes move together (images only). "each": one at a time.
            "auto": a grid for images from two codes.
        components : sequence of int, default=None
            The codes that move, two of them for a grid. None: the first two, or all (at
            most 8) one at a time.
        n_steps : int, default=12
            Values that a code takes.
        share : float, default=0.95
            The middle share of a code's values over X that it moves through.
        start : array-like of shape (n_components,), default=None
            Where the codes that do not move are. None: the medians over X.
        cmap : str or matplotlib Colormap, default="gray_r"
            Colours of images of one channel.
        ax : matplotlib Axes, default=None
            Axes to draw on; panels take its place. None: new ones.
        **kwargs : dict
            Passed to `Axes.imshow` (images) or `Axes.plot` (lines).

        Returns
        -------
        display : LatentTraversalDisplay

        Raises
        ------
        ValueError
            If a parameter does not fit the codes or the images.
        """
        check_methods(cls, estimator, "transform", "inverse_transform")
        codes = estimator.transform(X)
        codes = codes.toarray() if hasattr(codes, "toarray") else np.asarray(codes)
        table = Columns(X)
        if image_shape is not None:
            check_image_shape(image_shape, len(table))
        kind, components = _check_moves(kind, components, codes.shape[1], image_shape)
        if n_steps < 2 or not 0 < share < 1:
            raise ValueError(
                f"n_steps={n_steps} and share={share}: move through 2 steps or more, and "
                "a share between 0 and 1."
            )
        if start is None:
            start = np.median(codes, axis=0)
        start = np.asarray(start, dtype=np.float64)
        if start.shape != codes.shape[1:]:
            raise ValueError(
                f"start has shape {start.shape}, but a row has {codes.shape[1]} codes; give "
                "one value a code, such as a row of transform(X)."
            )
        ends = np.quantile(codes, [0.5 - share / 2, 0.5 + share / 2], axis=0)
        steps = np.linspace(*ends, n_steps)[:, components].T
        moved = _moved_codes(start, steps, components, kind)
        display = cls(
            steps,
            estimator.inverse_transform(moved.astype(codes.dtype, copy=False)),
            components=components,
            kind=kind,
            image_shape=image_shape,
            spread=None if image_shape is not None else _spread(table),
            limits=None if image_shape is None else _limits(table),
            name=name_of(estimator),
        )
        return display.plot(ax=ax, cmap=cmap, **kwargs)

    def plot(self, ax=None, *, cmap="gray_r", **kwargs):
        """Draw the decoded rows.

        Parameters
        ----------
        ax, cmap, **kwargs
            See `from_estimator`.

        Returns
        -------
        display : LatentTraversalDisplay
        """
        if self.image_shape is None:
            return self._draw_lines(ax, kwargs)
        return self._draw_images(ax, cmap, kwargs)

    def _draw_images(self, ax, cmap, kwargs):
        rows = Columns(self.rows).matrix()
        shape = check_image_shape(self.image_shape, rows.shape[1])
        n_steps = self.steps.shape[1]
        images = rows.reshape(-1, n_steps, *shape)
        limits = self.limits or (np.nanmin(rows), np.nanmax(rows))
        width = 0.52 * n_steps + 1.0
        figure, ax = open_axes(self, ax, (width, 0.52 * len(images) + 0.9))
        self.im_ = show_tiles(ax, images, limits, cmap, kwargs)
        of = "" if self.name is None else f" of {self.name}"
        if self.kind == "grid":
            first, second = self.components
            # Low values at the bottom, as an axis has them.
            ax.set_xticklabels([f"{value:.2g}" for value in self.steps[0]])
            ax.set_yticklabels([f"{value:.2g}" for value in self.steps[1][::-1]])
            ax.tick_params(labelsize="small")
            ax.set(xlabel=f"code {first}{of}", ylabel=f"code {second}")
        else:
            ax.set_xticks([])
            ax.set_yticklabels(
                [
                    f"code {component}: {low:.2g} to {high:.2g}"
                    for component, low, high in zip(
                        self.components, self.steps[:, 0], self.steps[:, -1], strict=True
                    )
                ]
            )
            ax.set_xlabel(f"one code{of} rises at a time, the others stay")
        self.ax_, self.figure_, self.axes_ = ax, figure, np.array([ax])
        return self

    def _draw_lines(self, ax, kwargs):
        table, (mean, deviation) = Columns(self.rows), self.spread
        n_moved, n_steps = self.steps.shape
        numbers = [i for i in range(len(table)) if table.is_number(i)]
        if not numbers:
            raise ValueError(
                "X has no column of numbers, and lines are drawn of numbers only."
            )
        columns = np.column_stack([table.numbers(i) for i in numbers])
        columns = (columns - mean[numbers]) / deviation[numbers]
        n_across = min(3, n_moved)
        n_down = math.ceil(n_moved / n_across)
        figure, ax = open_axes(self, ax, (3.1 * n_across + 0.4, 2.7 * n_down + 0.3))
        panels = split_axes(ax, n_down, n_across).ravel()
        self.lines_ = []
        for number, (panel, component) in enumerate(
            zip(panels, self.components, strict=False)
        ):
            part = columns[number * n_steps : (number + 1) * n_steps]
            moves = np.argsort(-np.ptp(part, axis=0), kind="stable")[:MAX_LINES]
            self.lines_.append(
                [
                    panel.plot(
                        self.steps[number],
                        part[:, i],
                        **{
                            "color": COLORS[i % len(COLORS)],
                            "linestyle": DASHES[i // len(COLORS) % len(DASHES)],
                            "label": table.names[numbers[i]],
                            **kwargs,
                        },
                    )[0]
                    for i in moves
                ]
            )
            panel.set_xlabel(f"code {component}")
            panel.grid(color=QUIET, alpha=0.2)
            panel.legend(fontsize="x-small", framealpha=0.7)
        for panel in panels[n_moved:]:
            panel.remove()
        self.axes_ = panels[:n_moved]
        for panel in self.axes_[::n_across]:
            panel.set_ylabel("standard deviations\nfrom the mean")
        low = min(panel.get_ylim()[0] for panel in self.axes_)
        high = max(panel.get_ylim()[1] for panel in self.axes_)
        for panel in self.axes_:
            panel.set_ylim(low, high)
        self.ax_, self.figure_ = ax, figure
        return self


def _check_moves(kind, components, n_components, image_shape):
    """Return the kind of picture and the codes that move."""
    if kind not in ("auto", "grid", "each"):
        raise ValueError(f"kind={kind!r}; it is one of 'auto', 'grid' and 'each'.")
    if kind == "auto":
        two = n_components == 2 if components is None else len(components) == 2
        kind = "grid" if two and image_shape is not None else "each"
    if components is None:
        components = range(min(n_components, 2 if kind == "grid" else 8))
    components = [int(component) for component in components]
    strange = [c for c in components if not 0 <= c < n_components]
    if strange or not components:
        raise ValueError(
            f"components={components} are not among the {n_components} codes; they are "
            f"counted from 0 to {n_components - 1}."
        )
    if kind == "grid" and (len(components) != 2 or image_shape is None):
        raise ValueError(
            f"kind='grid' shows images from two codes, but components={components} and "
            f"image_shape={image_shape!r}; use kind='each'."
        )
    return kind, components


def _moved_codes(start, steps, components, kind):
    """Return the codes to decode, in the order that `rows` has."""
    n_steps = steps.shape[1]
    if kind == "grid":
        codes = np.tile(start, (n_steps * n_steps, 1))
        across, down = np.meshgrid(steps[0], steps[1][::-1])
        codes[:, components[0]], codes[:, components[1]] = across.ravel(), down.ravel()
        return codes
    codes = np.tile(start, (len(components) * n_steps, 1))
    for number, component in enumerate(components):
        codes[number * n_steps : (number + 1) * n_steps, component] = steps[number]
    return codes


def _limits(table):
    pixels = table.matrix()
    return float(np.nanmin(pixels)), float(np.nanmax(pixels))


def _spread(table):
    """Return the columns' means and standard deviations; 0 and 1 for categories."""
    mean, deviation = np.zeros(len(table)), np.ones(len(table))
    for i in range(len(table)):
        if table.is_number(i):
            cells = table.numbers(i)
            cells = cells[~np.isnan(cells)]
            mean[i] = cells.mean() if len(cells) else 0.0
            deviation[i] = (cells.std() if len(cells) else 0.0) or 1.0
    return mean, deviation
