"""Distribution of anomaly scores, with the threshold."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skae.display._display import (
    Display,
    Groups,
    Kwargs,
    LogScale,
    check_count,
    check_log_scale,
    last_step,
    name_of,
    of_estimator,
)
from skae.display._legend import entries_of, entry, group_labels, put_legend_beside
from skae.display._style import (
    COLORS,
    LABEL_COLORS,
    MISSING_COLOR,
    OTHER_COLOR,
    ink,
    styled,
)
from skae.display._tables import Table
from skae.display._values import few_numbers, group_values, read_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Scores farther than this many interquartile ranges from the quartiles are counted in the
# outermost bins: a single row at -1e6 must not squeeze all others into one bar.
MAX_RANGES = 8.0
# Names of the two labels of scikit-learn's outlier detectors.
MEANINGS = {-1: "anomalies (-1)", 1: "inliers (1)"}


@dataclass(eq=False, repr=False)
class AnomalyScoreDisplay(Display):
    """Histogram of anomaly scores for each label, with the threshold.

    It is recommended to create it with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Anomaly scores. The higher, the more normal.
    y : ndarray or pandas.Categorical of shape (n_samples,), default=None
        Labels of the rows.
    threshold : float, default=None
        Score below which a row is an anomaly.
    name : str, default=None
        Name of the estimator. If None, it is not shown.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the histograms.
    figure_ : matplotlib Figure
        Figure containing the axes.
    bars_ : list of matplotlib BarContainer
        The histograms, one per label.
    line_ : matplotlib Line2D or None
        The threshold.
    n_flagged_ : int or None
        Number of rows whose score is below the threshold.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import IsolationForest
    >>> from skae.display import AnomalyScoreDisplay
    >>> X = load_iris().data
    >>> forest = IsolationForest(random_state=0).fit(X)
    >>> display = AnomalyScoreDisplay.from_estimator(forest, X)
    >>> display.threshold
    -0.5
    """

    scores: np.ndarray
    _: KW_ONLY
    y: np.ndarray | pd.Categorical | None = None
    threshold: float | None = None
    name: str | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Table,
        y: ArrayLike | None = None,
        *,
        bins: int = 40,
        log_scale: LogScale = "auto",
        ax: Axes | None = None,
        hist_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot the scores that a fitted estimator gives to rows.

        Parameters
        ----------
        estimator : fitted estimator
            Any estimator with `score_samples`: `AEAnomalyDetector`, `IsolationForest`,
            skae's transformers, `GaussianMixture`, a `Pipeline` that ends in one. Its
            `offset_`, if it has one, is the threshold.
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows to score.
        y : array-like of shape (n_samples,), default=None
            Labels of the rows. One histogram is drawn per label, of more than ten numbers
            or of dates per quarter of the rows.
        bins : int, default=40
            Number of bins of the histograms.
        log_scale : bool or "auto", default="auto"
            Whether the counts have a logarithmic axis, on which small groups remain visible
            beside large ones. If "auto", they do when the smallest group has less than a
            twentieth of the rows.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure and axes are created.
        hist_kwargs : dict, default=None
            Keyword arguments of `Axes.hist`.

        Returns
        -------
        display : AnomalyScoreDisplay
            The display that was drawn.
        """
        cls._check_arguments(estimator, X, "score_samples")
        offset = getattr(last_step(estimator), "offset_", None)
        return cls.from_predictions(
            estimator.score_samples(X),
            y,
            threshold=None if offset is None else float(np.squeeze(offset)),
            name=name_of(estimator),
            bins=bins,
            log_scale=log_scale,
            ax=ax,
            hist_kwargs=hist_kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        scores: ArrayLike,
        y: ArrayLike | None = None,
        *,
        threshold: float | None = None,
        name: str | None = None,
        bins: int = 40,
        log_scale: LogScale = "auto",
        ax: Axes | None = None,
        hist_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot given scores.

        Parameters
        ----------
        scores : array-like of shape (n_samples,)
            Anomaly scores. The higher, the more normal.
        y, bins, log_scale, ax, hist_kwargs
            See `from_estimator`.
        threshold : float, default=None
            Score below which a row is an anomaly.
        name : str, default=None
            Name of the estimator. If None, it is not shown.

        Returns
        -------
        display : AnomalyScoreDisplay
            The display that was drawn.

        Raises
        ------
        ValueError
            If `scores` is not one finite number per row, or `y` has another number of rows.
        """
        scores = np.asarray(scores)
        if scores.ndim != 1 or not scores.size or scores.dtype.kind not in "iuf":
            raise ValueError(
                f"scores has shape {scores.shape} and dtype {scores.dtype}; give one number per "
                "row, as score_samples returns them."
            )
        scores = scores.astype(np.float64)
        if threshold is not None and not isinstance(threshold, Real):
            raise ValueError(f"threshold={threshold!r}; give a number, or None.")
        if len(bad := np.flatnonzero(~np.isfinite(scores))):
            raise ValueError(
                f"scores[{bad[0]}] is {scores[bad[0]]}, which cannot be drawn; leave such "
                "rows out."
            )
        if y is not None:
            y = read_labels(y, len(scores), "scores")
        display = cls(scores, y=y, threshold=threshold, name=name)
        return display.plot(ax=ax, bins=bins, log_scale=log_scale, hist_kwargs=hist_kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        bins: int = 40,
        log_scale: LogScale = "auto",
        hist_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot the histograms.

        Parameters
        ----------
        ax, bins, log_scale, hist_kwargs
            See `from_estimator`.

        Returns
        -------
        display : AnomalyScoreDisplay
            The display itself.
        """
        check_count("bins", bins)
        check_log_scale(log_scale)
        self._open_axes(ax, (6.4, 4.0))
        low, high = self._limits()
        groups, colors, places = self._groups()
        style = styled(
            {"bins": np.linspace(low, high, bins + 1), "alpha": 0.65}, hist_kwargs
        )
        scores = np.clip(self.scores, low, high)
        self.bars_ = self._draw_histograms(scores, groups, colors, style)
        self._draw_threshold()
        self._annotate_outer_bins(low, high)
        # A single group has all rows.
        is_unbalanced = min(len(rows) for _, rows in groups) < len(scores) / 20
        if is_unbalanced if log_scale == "auto" else log_scale:
            self.ax_.set_yscale("log")
        self.ax_.set_xlabel(f"score{of_estimator(self.name)} (lower: more anomalous)")
        if self.ax_.get_legend_handles_labels()[1]:
            put_legend_beside(self.ax_, order=places)
        self._fit()
        return self

    def _limits(self) -> tuple[float, float]:
        """Return the range of scores that is drawn."""
        first, third = np.quantile(self.scores, [0.25, 0.75])
        margin = MAX_RANGES * (third - first)
        low, high = self.scores.min(), self.scores.max()
        if margin > 0:
            low, high = max(low, first - margin), min(high, third + margin)
        if self.threshold is not None:
            low, high = min(low, self.threshold), max(high, self.threshold)
        padding = 0.02 * (high - low) or 0.5
        return low - padding, high + padding

    def _groups(self) -> tuple[Groups, list[Any], list[int]]:
        """Return the labels and their rows, colours, and their order in a legend."""
        if self.y is None:
            return [(None, np.arange(len(self.scores)))], list(COLORS[:1]), []
        if self.y.dtype.kind in "iufmM" and few_numbers(self.y) is None:
            groups, colors = group_values(self.y)
        else:
            groups, colors = group_labels(self.y)
        labels = [label for label, _ in groups]
        # 1 alone may be anything: anomalies, or True.
        if {-1} <= set(labels) <= set(MEANINGS):
            groups = [(MEANINGS[label], rows) for label, rows in groups]
        # Small groups, such as anomalies, are drawn last so that they are not hidden.
        order = sorted(range(len(groups)), key=lambda i: -len(groups[i][1]))
        texts = entries_of(groups)
        colors = [colors[i] for i in order]
        n_grey = sum(color in (MISSING_COLOR, OTHER_COLOR) for color in colors)
        in_legend = [*range(n_grey, len(order)), *range(n_grey)]
        places = [order.index(i) for i in in_legend]
        if len(order) == 2 and set(colors) <= set(LABEL_COLORS):
            colors, places = [COLORS[0], COLORS[2]], [0, 1]
        return [(texts[i], groups[i][1]) for i in order], colors, places

    def _draw_threshold(self) -> None:
        self.line_, self.n_flagged_ = None, None
        if self.threshold is None:
            return
        is_flagged = self.scores < self.threshold
        self.n_flagged_ = int(is_flagged.sum())
        below = f"{self.n_flagged_} rows ({is_flagged.mean():.1%}) below"
        label = entry(f"threshold {self.threshold:.3g}: {below}")
        style: Kwargs = {"color": ink(), "linestyle": "--", "linewidth": 1.2}
        self.line_ = self.ax_.axvline(self.threshold, label=label, **style)

    def _annotate_outer_bins(self, low: float, high: float) -> None:
        """Write how many rows in the outermost bins have scores beyond the axis."""
        for n_rows, position, side, align in (
            ((self.scores < low).sum(), 0.01, "lower", "left"),
            ((self.scores > high).sum(), 0.99, "higher", "right"),
        ):
            if n_rows:
                text = f"{n_rows} rows score\n{side} still"
                style: Kwargs = {"transform": self.ax_.transAxes, "fontsize": "small"}
                self.ax_.text(position, 0.6, text, ha=align, **style)
