"""Which cells make rows anomalous."""

import numpy as np

from skae.display._axes import COLORS, QUIET, check_methods, name_of, open_axes
from skae.display._columns import Columns

# Cells of a heat map that hold at least this share of their row's score say what they
# hold, and what was expected.
TOLD = 0.15
MAX_ROWS = 30


class ExplanationDisplay:
    """What each cell adds to its row's anomaly score, and what was expected instead.

    One row is shown as bars, several as a heat map. Make it by `from_estimator` or
    `from_predictions`.

    Parameters
    ----------
    contributions : ndarray of shape (n_samples, n_features)
        What each cell adds.
    feature_names : list of str
        Names of the columns.
    row_names : list of str, default=None
        Names of the rows.
    values, expected : ndarray of str of shape (n_samples, n_features), default=None
        The cells, and what they should have been, as texts.
    name : str, default=None
        Whose score is explained.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    bars_ : matplotlib BarContainer
        Of one row.
    im_ : matplotlib AxesImage
        Of several rows.
    shown_ : ndarray of int
        The columns that are drawn, in the order of the drawing.
    text_ : list of matplotlib Text
        What the cells hold, and what was expected.

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
        contributions,
        feature_names,
        *,
        row_names=None,
        values=None,
        expected=None,
        name=None,
    ):
        self.contributions = contributions
        self.feature_names = feature_names
        self.row_names = row_names
        self.values = values
        self.expected = expected
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, X, *, max_columns=10, ax=None, **kwargs):
        """Draw how an estimator explains the scores of rows.

        Parameters
        ----------
        estimator : fitted estimator
            Anything with skae's `explain`.
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            One row, or a few (30 at most).
        max_columns : int, default=10
            Columns that are drawn at most: those that add most. The rest are summed up.
        ax : matplotlib Axes, default=None
            Axes to draw on. None: new ones.
        **kwargs : dict
            Passed to `Axes.barh` (one row) or `Axes.imshow` (several).

        Returns
        -------
        display : ExplanationDisplay
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
        contributions,
        X=None,
        expected=None,
        *,
        name=None,
        max_columns=10,
        ax=None,
        **kwargs,
    ):
        """Draw contributions.

        Parameters
        ----------
        contributions : data frame or array-like of shape (n_samples, n_features)
            What `explain` returns.
        X, expected : data frame or array-like of shape (n_samples, n_features), default=None
            The rows, and what they should have been.
        name : str, default=None
            Whose score is explained.
        max_columns, ax, **kwargs
            See `from_estimator`.

        Returns
        -------
        display : ExplanationDisplay

        Raises
        ------
        ValueError
            If the tables differ in shape, or there are more than 30 rows.
        """
        table = Columns(contributions)
        if table.n_rows > MAX_ROWS:
            raise ValueError(
                f"{table.n_rows} rows cannot be read in one picture; give {MAX_ROWS} or "
                "fewer, for example those with the lowest score_samples."
            )
        texts = []
        for argument, cells in (("X", X), ("expected", expected)):
            if cells is None:
                texts.append(None)
                continue
            cells = Columns(cells, table.names)
            if (cells.n_rows, len(cells)) != (table.n_rows, len(table)):
                raise ValueError(
                    f"{argument} has shape {(cells.n_rows, len(cells))}, but contributions "
                    f"has {(table.n_rows, len(table))}; give the rows that were explained."
                )
            texts.append(np.column_stack([cells.texts(i) for i in range(len(cells))]))
        rows = table if X is None else Columns(X)
        display = cls(
            table.matrix(),
            table.names,
            row_names=rows.index(),
            values=texts[0],
            expected=texts[1],
            name=name,
        )
        return display.plot(ax=ax, max_columns=max_columns, **kwargs)

    def plot(self, ax=None, *, max_columns=10, **kwargs):
        """Draw the contributions.

        Parameters
        ----------
        ax, max_columns, **kwargs
            See `from_estimator`.

        Returns
        -------
        display : ExplanationDisplay
        """
        if max_columns < 1:
            raise ValueError(f"max_columns={max_columns}; draw 1 column or more.")
        total = self.contributions.sum(axis=0)
        self.shown_ = np.argsort(-total, kind="stable")[:max_columns]
        hidden = len(total) - len(self.shown_)
        parts = self.contributions[:, self.shown_]
        if hidden:
            rest = self.contributions.sum(axis=1) - parts.sum(axis=1)
            parts = np.column_stack([parts, rest])
        draw = self._draw_bars if len(self.contributions) == 1 else self._draw_map
        return draw(ax, parts, hidden, kwargs)

    def _draw_bars(self, ax, parts, hidden, kwargs):
        n_bars = parts.shape[1]
        figure, ax = open_axes(self, ax, (6.8, 1.4 + 0.34 * n_bars))
        labels = [self._bar_label(i) for i in self.shown_]
        colors = [COLORS[0]] * len(self.shown_)
        if hidden:
            labels.append(f"{hidden} other columns")
            colors.append(QUIET)
        style = {"color": colors, "height": 0.7}
        self.bars_ = ax.barh(np.arange(n_bars), parts[0], **{**style, **kwargs})
        self.text_ = []
        if self.expected is not None:
            self.text_ = [
                ax.annotate(
                    f"expected {self.expected[0, i]}",
                    (parts[0, bar], bar),
                    xytext=(4, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize="small",
                    color="black",
                )
                for bar, i in enumerate(self.shown_)
            ]
        ax.set_yticks(np.arange(n_bars), labels)
        ax.invert_yaxis()
        # Room for what is written beside the longest bar.
        ax.set_xlim(0, 1.35 * max(parts.max(), np.finfo(float).tiny))
        row = "" if self.row_names is None else f" of row {self.row_names[0]}"
        ax.set_xlabel(f"share of the anomaly score{row}, {parts.sum():.3g} in all")
        ax.spines[["top", "right"]].set_visible(False)
        self.ax_, self.figure_ = ax, figure
        return self

    def _bar_label(self, i):
        name = self.feature_names[i]
        return name if self.values is None else f"{name} = {self.values[0, i]}"

    def _draw_map(self, ax, parts, hidden, kwargs):
        n_rows, n_columns = parts.shape
        figure, ax = open_axes(
            self, ax, (2.4 + 0.85 * n_columns, 1.8 + 0.42 * max(n_rows, 3))
        )
        settings = {"cmap": "Blues", "vmin": 0.0, "aspect": "auto"}
        self.im_ = ax.imshow(parts, **{**settings, **kwargs})
        self.text_ = []
        for row in range(n_rows):
            for column, i in enumerate(self.shown_):
                self._tell(ax, parts, row, column, i)
        labels = [self.feature_names[i] for i in self.shown_]
        labels += [f"{hidden} others"] if hidden else []
        ax.set_xticks(np.arange(n_columns), labels, rotation=35, ha="right")
        ax.set_yticks(np.arange(n_rows), self.row_names or np.arange(n_rows))
        ax.set(ylabel="row")
        of = "" if self.name is None else f" of {self.name}"
        figure.colorbar(self.im_, ax=ax, label=f"adds to the anomaly score\n{of.strip()}")
        self.ax_, self.figure_ = ax, figure
        return self

    def _tell(self, ax, parts, row, column, i):
        """Write into a cell what it holds and what was expected, if that matters."""
        total = parts[row].sum()
        if self.values is None or not parts[row, column] > TOLD * total:
            return
        text = str(self.values[row, i])
        if self.expected is not None:
            text += f"\n({self.expected[row, i]})"
        dark = parts[row, column] > 0.55 * parts.max()
        self.text_.append(
            ax.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                fontsize="x-small",
                color="white" if dark else "black",
            )
        )
