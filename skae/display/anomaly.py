"""Where anomaly scores lie, and where the threshold cuts them."""

import numpy as np
from sklearn.utils import check_consistent_length

from skae.display._axes import COLORS, check_methods, label_colors, name_of, open_axes

# Scores farther from the middle half of them than this many times its width stand in the
# last bin: one row at -1e6 shall not press all others into a single bar.
FARTHEST = 8.0
# How scikit-learn's outlier detectors call the two.
MEANINGS = {-1: "anomalies (-1)", 1: "inliers (1)"}


class AnomalyScoreDisplay:
    """The distribution of scores, label by label, with the threshold.

    Make it by `from_estimator` or `from_predictions`.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Higher is more normal.
    y : ndarray of shape (n_samples,), default=None
        Labels of the rows.
    threshold : float, default=None
        Score below which a row is an anomaly.
    name : str, default=None
        Whose scores these are.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    bars_ : list of matplotlib BarContainer
        The histograms, one a label.
    line_ : matplotlib Line2D or None
        The threshold.
    n_flagged_ : int or None
        Rows below it.

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

    def __init__(self, scores, *, y=None, threshold=None, name=None):
        self.scores = scores
        self.y = y
        self.threshold = threshold
        self.name = name

    @classmethod
    def from_estimator(
        cls, estimator, X, y=None, *, bins=40, log_scale="auto", ax=None, **kwargs
    ):
        """Draw the scores that a detector gives to rows.

        Parameters
        ----------
        estimator : fitted estimator
            Anything with `score_samples`: `AEAnomalyDetector`, `IsolationForest`, skae's
            transformers, `GaussianMixture`. Its `offset_`, if it has one, is the
            threshold.
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows to score.
        y : array-like of shape (n_samples,), default=None
            Labels of the rows; each has a histogram of its own.
        bins : int, default=40
            Bins of the histograms.
        log_scale : bool or "auto", default="auto"
            Whether counts have a logarithmic axis, which shows the few beside the many.
            "auto": if the smallest label has less than a twentieth of the rows.
        ax : matplotlib Axes, default=None
            Axes to draw on. None: new ones.
        **kwargs : dict
            Passed to `Axes.hist`.

        Returns
        -------
        display : AnomalyScoreDisplay
        """
        check_methods(cls, estimator, "score_samples")
        offset = getattr(estimator, "offset_", None)
        return cls.from_predictions(
            estimator.score_samples(X),
            y,
            threshold=None if offset is None else float(np.squeeze(offset)),
            name=name_of(estimator),
            bins=bins,
            log_scale=log_scale,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        scores,
        y=None,
        *,
        threshold=None,
        name=None,
        bins=40,
        log_scale="auto",
        ax=None,
        **kwargs,
    ):
        """Draw scores.

        Parameters
        ----------
        scores : array-like of shape (n_samples,)
            Higher is more normal.
        y, bins, log_scale, ax, **kwargs
            See `from_estimator`.
        threshold : float, default=None
            Score below which a row is an anomaly.
        name : str, default=None
            Whose scores these are.

        Returns
        -------
        display : AnomalyScoreDisplay

        Raises
        ------
        ValueError
            If the scores are not one finite number a row, or y has another number of rows.
        """
        scores = np.asarray(scores, dtype=np.float64)
        if scores.ndim != 1:
            raise ValueError(
                f"scores has shape {scores.shape}; give one score a row, as score_samples "
                "returns them."
            )
        if not np.isfinite(scores).all():
            row = int(np.flatnonzero(~np.isfinite(scores))[0])
            raise ValueError(
                f"scores[{row}] is {scores[row]}, which has no place on the axis; leave "
                "such rows out."
            )
        if y is not None:
            y = np.asarray(y)
            check_consistent_length(scores, y)
        display = cls(scores, y=y, threshold=threshold, name=name)
        return display.plot(ax=ax, bins=bins, log_scale=log_scale, **kwargs)

    def plot(self, ax=None, *, bins=40, log_scale="auto", **kwargs):
        """Draw the scores.

        Parameters
        ----------
        ax, bins, log_scale, **kwargs
            See `from_estimator`.

        Returns
        -------
        display : AnomalyScoreDisplay
        """
        figure, ax = open_axes(self, ax, (6.4, 4.0))
        low, high = self._limits()
        edges = np.linspace(low, high, bins + 1)
        groups = self._groups()
        self.bars_ = []
        for (label, rows), color in zip(groups.items(), self._colors(groups), strict=True):
            style = {"bins": edges, "color": color, "alpha": 0.65, "label": label}
            scores = np.clip(self.scores[rows], low, high)
            _, _, bars = ax.hist(scores, **{**style, **kwargs})
            self.bars_.append(bars)
        self._draw_threshold(ax)
        self._tell_of_the_far(ax, low, high)
        if self._has_few(groups) if log_scale == "auto" else log_scale:
            ax.set_yscale("log")
        of = "" if self.name is None else f" of {self.name}"
        ax.set(xlabel=f"score{of} (lower: more anomalous)", ylabel="rows")
        if ax.get_legend_handles_labels()[1]:
            ax.legend(edgecolor="none", framealpha=0.85)
        self.ax_, self.figure_ = ax, figure
        return self

    def _limits(self):
        first, third = np.quantile(self.scores, [0.25, 0.75])
        reach = FARTHEST * (third - first)
        low, high = self.scores.min(), self.scores.max()
        if reach > 0:
            low, high = max(low, first - reach), min(high, third + reach)
        if self.threshold is not None:
            low, high = min(low, self.threshold), max(high, self.threshold)
        room = 0.02 * (high - low) or 0.5
        return low - room, high + room

    def _groups(self):
        if self.y is None:
            return {None: np.arange(len(self.scores))}
        labels = np.unique(self.y)
        named = set(labels.tolist()) <= set(MEANINGS)
        # Anomalies are few: they are drawn last, over the others.
        return {
            MEANINGS[label] if named else str(label): np.flatnonzero(self.y == label)
            for label in sorted(labels.tolist(), key=lambda label: -(self.y == label).sum())
        }

    def _colors(self, groups):
        if len(groups) == 2:
            return COLORS[0], COLORS[2]
        return label_colors(len(groups))

    def _has_few(self, groups):
        sizes = [len(rows) for rows in groups.values()]
        return len(sizes) > 1 and min(sizes) < sum(sizes) / 20

    def _draw_threshold(self, ax):
        self.line_, self.n_flagged_ = None, None
        if self.threshold is None:
            return
        self.n_flagged_ = int((self.scores < self.threshold).sum())
        share = self.n_flagged_ / len(self.scores)
        self.line_ = ax.axvline(
            self.threshold,
            color="black",
            linestyle="--",
            linewidth=1.2,
            label=f"threshold {self.threshold:.3g}: {self.n_flagged_} rows "
            f"({share:.1%}) below",
        )

    def _tell_of_the_far(self, ax, low, high):
        """Say how many rows stand in the outer bins that belong farther out."""
        for n_rows, place, side, align in (
            (int((self.scores < low).sum()), 0.01, "lower", "left"),
            (int((self.scores > high).sum()), 0.99, "higher", "right"),
        ):
            if n_rows:
                ax.text(
                    place,
                    0.6,
                    f"{n_rows} rows score\n{side} still",
                    transform=ax.transAxes,
                    ha=align,
                    fontsize="small",
                )
