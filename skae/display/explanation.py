"""Contributions of cells to the anomaly scores of their rows."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from skae.display._display import Display, Kwargs, check_count, name_of, of_estimator
from skae.display._style import COLORS, QUIET, styled, text_on
from skae.display._tables import (
    Table,
    as_pixels,
    as_texts,
    narrower,
    read_like,
    read_table,
    short,
    shorten,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

# Cells of a heat map that contribute more than this fraction of their row's score are
# annotated with their value and the expected one.
MIN_ANNOTATED = 0.15
MAX_ROWS = 30
# Letters that have room in a cell of the map.
LONGEST_CELL = 12


@dataclass(eq=False, repr=False)
class ExplanationDisplay(Display):
    """Contribution of each cell to its row's anomaly score, and the expected values.

    One row is drawn as bars, several rows are drawn as a heat map. It is recommended to
    create the display with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    contributions : ndarray of shape (n_samples, n_features)
        Contribution of each cell.
    feature_names : list of str
        Names of the columns.
    row_names : list of str, default=None
        Names of the rows.
    values, expected : ndarray of str of shape (n_samples, n_features), default=None
        The cells and their expected values, as strings.
    name : str, default=None
        Name of the estimator. If None, it is not shown.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the bars or the heat map.
    figure_ : matplotlib Figure
        Figure containing the axes.
    bars_ : matplotlib BarContainer
        The bars. Defined only for one row.
    im_ : matplotlib AxesImage
        The heat map. Defined only for several rows.
    shown_ : ndarray of int
        The columns that are drawn, in the order of drawing.
    text_ : list of matplotlib Text
        Annotations with the values of cells and the expected values.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skae import AutoencoderTransformer
    >>> from skae.display import ExplanationDisplay
    >>> X = load_wine(as_frame=True).data
    >>> autoencoder = AutoencoderTransformer(4, random_state=0).fit(X)
    >>> worst = autoencoder.score_samples(X).argmin()
    >>> display = ExplanationDisplay.from_estimator(autoencoder, X.iloc[[worst]])
    >>> len(display.bars_)
    11
    """

    contributions: np.ndarray
    feature_names: list[str]
    _: KW_ONLY
    row_names: list[str] | None = None
    values: np.ndarray | None = None
    expected: np.ndarray | None = None
    name: str | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Table,
        *,
        max_columns: int = 10,
        ax: Axes | None = None,
        bar_kwargs: Kwargs | None = None,
        im_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot how a fitted estimator explains the scores of rows.

        Parameters
        ----------
        estimator : fitted estimator
            Any estimator with skae's `explain`.
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            One row, or several (at most 30).
        max_columns : int, default=10
            Maximum number of columns to draw. Those that contribute most are drawn, and the
            others are summed up.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure and axes are created.
        bar_kwargs : dict, default=None
            Keyword arguments of `Axes.barh`, for one row.
        im_kwargs : dict, default=None
            Keyword arguments of `Axes.imshow`, for several rows.

        Returns
        -------
        display : ExplanationDisplay
            The display that was drawn.
        """
        cls._check_arguments(estimator, X, "explain")
        contributions, expected = estimator.explain(X, expected=True)
        return cls.from_predictions(
            contributions,
            X,
            expected,
            name=name_of(estimator),
            max_columns=max_columns,
            ax=ax,
            bar_kwargs=bar_kwargs,
            im_kwargs=im_kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        contributions: Table,
        X: Table | None = None,
        expected: Table | None = None,
        *,
        name: str | None = None,
        max_columns: int = 10,
        ax: Axes | None = None,
        bar_kwargs: Kwargs | None = None,
        im_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot given contributions.

        Parameters
        ----------
        contributions : data frame or array-like of shape (n_samples, n_features)
            Output of `explain`.
        X, expected : data frame or array-like of shape (n_samples, n_features), default=None
            The rows, and the values that were expected instead.
        name : str, default=None
            Name of the estimator. If None, it is not shown.
        max_columns, ax, bar_kwargs, im_kwargs
            See `from_estimator`.

        Returns
        -------
        display : ExplanationDisplay
            The display that was drawn.

        Raises
        ------
        ValueError
            If the tables differ in shape, or have more than 30 rows.
        """
        table = read_table(contributions)
        if len(table) > MAX_ROWS:
            raise ValueError(
                f"{len(table)} rows cannot be read in one picture; give {MAX_ROWS} or "
                "fewer, for example those with the lowest score_samples."
            )
        parts = as_pixels(table)
        if not np.isfinite(parts).all():
            raise ValueError(
                "contributions holds cells that are no finite numbers; give what explain "
                "returns, or 0 where nothing is known."
            )
        display = cls(
            parts,
            list(table),
            row_names=[str(row) for row in (table if X is None else read_table(X)).index],
            values=_as_texts("X", X, table),
            expected=_as_texts("expected", expected, table),
            name=name,
        )
        return display.plot(
            ax=ax, max_columns=max_columns, bar_kwargs=bar_kwargs, im_kwargs=im_kwargs
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        max_columns: int = 10,
        bar_kwargs: Kwargs | None = None,
        im_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot the contributions.

        Parameters
        ----------
        ax, max_columns, bar_kwargs, im_kwargs
            See `from_estimator`.

        Returns
        -------
        display : ExplanationDisplay
            The display itself.
        """
        check_count("max_columns", max_columns)
        order = np.argsort(-self.contributions.sum(axis=0), kind="stable")
        self.shown_ = order[:max_columns]
        parts = self.contributions[:, self.shown_]
        names = shorten(self.feature_names)
        labels = [names[i] for i in self.shown_]
        is_single = len(parts) == 1
        n_hidden = len(order) - len(labels)
        if n_hidden:
            rest = self.contributions.sum(axis=1) - parts.sum(axis=1)
            parts = np.column_stack([parts, rest])
            labels.append(
                f"{n_hidden} other columns" if is_single else f"{n_hidden} others"
            )
        self.text_: list[Text] = []
        if is_single:
            self._draw_bars(ax, parts, labels, bar_kwargs)
        else:
            self._draw_heat_map(ax, parts, labels, im_kwargs)
        self._fit()
        return self

    def _draw_bars(
        self, ax: Axes | None, parts: np.ndarray, labels: list[str], kwargs: Kwargs | None
    ) -> None:
        positions = np.arange(len(labels))
        self._open_axes(ax, (6.8, 1.4 + 0.34 * len(labels)))
        if self.values is not None:
            for bar, i in enumerate(self.shown_):
                labels[bar] += f" = {self.values[0, i]}"
        colors = [COLORS[0]] * len(self.shown_) + [QUIET]
        style = styled({"color": colors[: len(labels)], "height": 0.7}, kwargs)
        self.bars_ = self.ax_.barh(positions, parts[0], **style)
        if self.expected is not None:
            notes = [f"expected {cell}" for cell in self.expected[0, self.shown_]]
            notes += [""] * (len(labels) - len(notes))
            texts = self.ax_.bar_label(self.bars_, notes, padding=4, fontsize="small")
            self.text_ += texts[: len(self.shown_)]
        self.ax_.set_yticks(positions, labels)
        self.ax_.invert_yaxis()
        # Leaves space for the annotation of the longest bar.
        longest = max(parts.max(), np.finfo(float).tiny)
        self.ax_.set_xlim(min(1.35 * parts.min(), 0.0), 1.35 * longest)
        row = "" if self.row_names is None else f" of row {short(self.row_names[0])}"
        self.ax_.locator_params(axis="x", nbins=5)
        self.ax_.xaxis.set_major_formatter("{x:.3g}")
        total = f"(total {parts.sum():.3g})"
        self.ax_.set_xlabel(f"contribution to the anomaly score{row} {total}")
        self.ax_.spines[["top", "right"]].set_visible(False)

    def _draw_heat_map(
        self, ax: Axes | None, parts: np.ndarray, labels: list[str], kwargs: Kwargs | None
    ) -> None:
        n_rows, n_columns = parts.shape
        figsize = 2.4 + 0.85 * n_columns, 1.8 + 0.42 * max(n_rows, 3)
        self._open_axes(ax, figsize)
        low = min(parts.min(), 0.0)
        style = styled({"cmap": "Blues", "vmin": low, "aspect": "auto"}, kwargs)
        self.im_ = self.ax_.imshow(parts, **style)
        self.ax_.grid(visible=False)
        self._annotate_cells(parts)
        self.ax_.set_xticks(np.arange(n_columns), labels, rotation=35, ha="right")
        row_names = self.row_names or np.arange(n_rows).astype(str)
        self.ax_.set_yticks(np.arange(n_rows), shorten(row_names))
        self.ax_.set_ylabel("row")
        label = f"contribution to the anomaly score\n{of_estimator(self.name).strip()}"
        self._add_colorbar(self.ax_, self.im_, label)

    def _annotate_cells(self, parts: np.ndarray) -> None:
        """Write the value and the expected value into cells that contribute much."""
        if self.values is None:
            return
        is_large = parts > MIN_ANNOTATED * parts.sum(axis=1, keepdims=True)
        for row, column in np.argwhere(is_large[:, : len(self.shown_)]):
            cell = row, self.shown_[column]
            text = narrower(str(self.values[cell]), LONGEST_CELL)
            if self.expected is not None:
                text += f"\n({narrower(str(self.expected[cell]), LONGEST_CELL)})"
            color = text_on(self.im_.cmap(self.im_.norm(parts[row, column])))
            style: Kwargs = {"ha": "center", "va": "center", "fontsize": "x-small"}
            self.text_.append(self.ax_.text(column, row, text, color=color, **style))


def _as_texts(name: str, cells: Table | None, template: pd.DataFrame) -> np.ndarray | None:
    """Return a table of the shape of the template as strings."""
    if cells is None:
        return None
    table = read_like(cells, name, template, "contributions")
    return np.column_stack([as_texts(column) for _, column in table.items()])
