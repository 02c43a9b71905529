"""Contributions of cells to the anomaly scores of their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skae.display._axes import (
    COLORS,
    QUIET,
    check_methods,
    name_of,
    of_estimator,
    open_axes,
)
from skae.display._columns import Columns, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

# Cells of a heat map that contribute more than this fraction of their row's score are
# annotated with their value and the expected one.
MIN_ANNOTATED = 0.15
MAX_ROWS = 30


class ExplanationDisplay:
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

    def __init__(
        self,
        contributions: np.ndarray,
        feature_names: list[str],
        *,
        row_names: list[str] | None = None,
        values: np.ndarray | None = None,
        expected: np.ndarray | None = None,
        name: str | None = None,
    ) -> None:
        self.contributions = contributions
        self.feature_names = feature_names
        self.row_names = row_names
        self.values = values
        self.expected = expected
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Table,
        *,
        max_columns: int = 10,
        ax: Axes | None = None,
        **kwargs: Any,
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
        **kwargs : dict
            Additional keyword arguments passed to `Axes.barh` (one row) or `Axes.imshow`
            (several rows).

        Returns
        -------
        display : ExplanationDisplay
            The display that was drawn.
        """
        check_methods(cls, estimator, "explain")
        contributions, expected = estimator.explain(X, expected=True)
        return cls.from_predictions(
            contributions,
            X,
            expected,
            name=name_of(estimator),
            max_columns=max_columns,
            ax=ax,
            **kwargs,
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
        **kwargs: Any,
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
        max_columns, ax, **kwargs
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
        table = Columns(contributions)
        if table.n_rows > MAX_ROWS:
            raise ValueError(
                f"{table.n_rows} rows cannot be read in one picture; give {MAX_ROWS} or "
                "fewer, for example those with the lowest score_samples."
            )
        display = cls(
            table.matrix(),
            table.names,
            row_names=(table if X is None else Columns(X)).index(),
            values=_as_texts("X", X, table),
            expected=_as_texts("expected", expected, table),
            name=name,
        )
        return display.plot(ax=ax, max_columns=max_columns, **kwargs)

    def plot(self, ax: Axes | None = None, *, max_columns: int = 10, **kwargs: Any) -> Self:
        """Plot the contributions.

        Parameters
        ----------
        ax, max_columns, **kwargs
            See `from_estimator`.

        Returns
        -------
        display : ExplanationDisplay
            The display itself.
        """
        if max_columns < 1:
            raise ValueError(f"max_columns={max_columns}; draw 1 column or more.")
        total = self.contributions.sum(axis=0)
        self.shown_ = np.argsort(-total, kind="stable")[:max_columns]
        n_hidden = len(total) - len(self.shown_)
        parts = self.contributions[:, self.shown_]
        if n_hidden:
            rest = self.contributions.sum(axis=1) - parts.sum(axis=1)
            parts = np.column_stack([parts, rest])
        self.text_: list[Text] = []
        draw = self._draw_bars if len(self.contributions) == 1 else self._draw_heat_map
        draw(ax, parts, n_hidden, kwargs)
        return self

    def _draw_bars(
        self, ax: Axes | None, parts: np.ndarray, n_hidden: int, kwargs: dict[str, Any]
    ) -> None:
        n_bars = parts.shape[1]
        self.figure_, self.ax_ = open_axes(self, ax, (6.8, 1.4 + 0.34 * n_bars))
        labels = [self._bar_label(i) for i in self.shown_]
        colors = [COLORS[0]] * len(self.shown_)
        if n_hidden:
            labels.append(f"{n_hidden} other columns")
            colors.append(QUIET)
        style = {"color": colors, "height": 0.7, **kwargs}
        self.bars_ = self.ax_.barh(np.arange(n_bars), parts[0], **style)
        if self.expected is not None:
            for bar, i in enumerate(self.shown_):
                self._annotate_bar(parts[0, bar], bar, self.expected[0, i])
        self.ax_.set_yticks(np.arange(n_bars), labels)
        self.ax_.invert_yaxis()
        # Leaves space for the annotation of the longest bar.
        self.ax_.set_xlim(0, 1.35 * max(parts.max(), np.finfo(float).tiny))
        row = "" if self.row_names is None else f" of row {self.row_names[0]}"
        self.ax_.set_xlabel(
            f"contribution to the anomaly score{row} (total {parts.sum():.3g})"
        )
        self.ax_.spines[["top", "right"]].set_visible(False)

    def _annotate_bar(self, length: float, bar: int, expected: str) -> None:
        annotation = self.ax_.annotate(
            f"expected {expected}",
            (length, bar),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            color="black",
        )
        self.text_.append(annotation)

    def _bar_label(self, i: int) -> str:
        name = self.feature_names[i]
        return name if self.values is None else f"{name} = {self.values[0, i]}"

    def _draw_heat_map(
        self, ax: Axes | None, parts: np.ndarray, n_hidden: int, kwargs: dict[str, Any]
    ) -> None:
        n_rows, n_columns = parts.shape
        self.figure_, self.ax_ = open_axes(
            self, ax, (2.4 + 0.85 * n_columns, 1.8 + 0.42 * max(n_rows, 3))
        )
        settings = {"cmap": "Blues", "vmin": 0.0, "aspect": "auto", **kwargs}
        self.im_ = self.ax_.imshow(parts, **settings)
        for row in range(n_rows):
            for column, i in enumerate(self.shown_):
                self._annotate_cell(parts, row, column, i)
        labels = [self.feature_names[i] for i in self.shown_]
        labels += [f"{n_hidden} others"] if n_hidden else []
        self.ax_.set_xticks(np.arange(n_columns), labels, rotation=35, ha="right")
        row_names = self.row_names or [str(row) for row in range(n_rows)]
        self.ax_.set_yticks(np.arange(n_rows), row_names)
        self.ax_.set(ylabel="row")
        label = f"contribution to the anomaly score\n{of_estimator(self.name).strip()}"
        self.figure_.colorbar(self.im_, ax=self.ax_, label=label)

    def _annotate_cell(self, parts: np.ndarray, row: int, column: int, i: int) -> None:
        """Write the value and the expected value into a cell that contributes much."""
        total = parts[row].sum()
        if self.values is None or not parts[row, column] > MIN_ANNOTATED * total:
            return
        text = str(self.values[row, i])
        if self.expected is not None:
            text += f"\n({self.expected[row, i]})"
        is_dark = parts[row, column] > 0.55 * parts.max()
        self.text_.append(
            self.ax_.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                fontsize="x-small",
                color="white" if is_dark else "black",
            )
        )


def _as_texts(argument: str, cells: Table | None, like: Columns) -> np.ndarray | None:
    """Return a table of the shape of `like` as strings.

    Raises
    ------
    ValueError
        If it has another shape.
    """
    if cells is None:
        return None
    cells = Columns(cells, like.names)
    if (cells.n_rows, len(cells)) != (like.n_rows, len(like)):
        raise ValueError(
            f"{argument} has shape {(cells.n_rows, len(cells))}, but contributions "
            f"has {(like.n_rows, len(like))}; give the rows that were explained."
        )
    return np.column_stack([cells.as_texts(i) for i in range(len(cells))])
