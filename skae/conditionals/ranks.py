"""The distribution of one column of numbers, and normal scores in place of its values."""

import numpy as np
from scipy.special import ndtr, ndtri

from skae.table.anonymity import blur
from skae.table.decimals import TOO_MANY, decimals_of
from skae.table.marginals import spans_of

# Values of a column that are kept: those that repeat often, and quantiles of the others.
N_KEPT = 2000
# Scores lie within this of 0; ranges of them that are no wider hold none.
FARTHEST, LEAST_WIDTH = 6.0, 1e-6
# Errors of rounding, in units of the last decimal.
ROUNDING = 1e-6
# Proportions are kept this far from 0 and 1.
LEAST = 1e-9


class Ranks:
    """Normal scores of a column: the normal quantile of the proportion of smaller values.

    A value that repeats has an interval of scores. Between others values are interpolated,
    so that none that occurs once is given out as it is, the largest one least of all: see
    `Marginals`.

    Parameters
    ----------
    values : ndarray of float64 of shape (n,)
        Without missing ones; at least one.
    weights : ndarray of shape (n,) or None
    is_level : bool, default=False
        Whether values are numbers of levels: between them there is nothing.
    least_rows : int, default=1
        Rows that every value is of, or a mean of.

    Attributes
    ----------
    points : ndarray of shape (n_points,)
        The values, ascending; all of them, or `N_KEPT` quantiles and those that repeat.
    ends : ndarray of shape (n_points,)
        The proportion of values up to each.
    repeats : ndarray of bool of shape (n_points,)
    decimals : int
        Of the values, see `decimals_of`.

    References
    ----------
    Liu, Lafferty & Wasserman, The Nonparanormal: Semiparametric Estimation of High
    Dimensional Undirected Graphs, 2009.
    """

    def __init__(self, values, weights=None, is_level=False, least_rows=1):
        weights = np.ones(len(values)) if weights is None else weights
        self.decimals = int(decimals_of(values[:, None])[0])
        if least_rows > 1 and not is_level:
            order = np.argsort(values, kind="stable")
            values = blur(values[order], least_rows)
            weights = weights[order]
        unique, place, counts = np.unique(values, return_inverse=True, return_counts=True)
        shares = np.bincount(place.ravel(), weights) / weights.sum()
        self.points, self.ends, self.repeats = unique, np.cumsum(shares), counts > 1
        self.repeats |= is_level
        if len(unique) > N_KEPT:
            often = self.repeats & (shares > 1.0 / N_KEPT)
            cells = np.floor(self.ends * N_KEPT - LEAST)
            # Of others the last of every cell, and what stands beside one that repeats.
            kept = np.append(np.diff(cells) > 0, True) | often
            kept |= np.append(often[1:], False)
            # How far draws may go is told by the two outermost.
            kept[[0, 1, -2]] = True
            self.points, self.ends = unique[kept], self.ends[kept]
            self.repeats, shares = often[kept], np.where(often, shares, 0.0)[kept]
        # Half a proportion of what stands for a single value.
        self._half = 0.5 / min(len(values) + 1, N_KEPT)
        self._middles = (self.ends - 0.5 * shares).clip(self._half, 1.0 - self._half)
        edges = self.ends[:-1].copy()
        if len(self.points) < len(unique):  # a kept single value is a quantile
            loose = ~(self.repeats[1:] | self.repeats[:-1])
            edges[loose] = 0.5 * (self._middles[1:] + self._middles[:-1])[loose]
        self._edges = np.concatenate([[0.0], edges, [1.0]])
        self._low, self._high = spans_of(self.points, ~self.repeats)

    @property
    def limits(self):
        """The smallest and the largest value that any score stands for."""
        return self._low[0], self._high[-1]

    def score(self, values):
        """Return the scores of values, ndarray of shape (n,)."""
        return _quantile(np.interp(values, self.points, self._middles))

    def intervals(self, values):
        """Return the lowest and the highest score that stand for each value."""
        own = np.interp(values, self.points, self._middles)
        low, high = own - self._half, own + self._half
        at = np.searchsorted(self.points, values).clip(0, len(self.points) - 1)
        repeats = (self.points[at] == values) & self.repeats[at]
        low = np.where(repeats, np.append(0.0, self.ends)[at], low)
        high = np.where(repeats, self.ends[at], high)
        return (
            np.where(low <= LEAST, -FARTHEST, _quantile(low)),
            np.where(high >= 1.0 - LEAST, FARTHEST, _quantile(high)),
        )

    def value(self, scores):
        """Return the values that scores stand for; they rise with these."""
        return self.rounded(self._exact(scores))

    def rounded(self, values):
        """Return values with no more decimals than those of the column."""
        return values if self.decimals >= TOO_MANY else values.round(self.decimals) + 0.0

    def mean(self, scores, weights):
        """Return the weighted means of what scores stand for, over the last axis."""
        return (self._exact(scores) * weights).sum(-1) / weights.sum(-1)

    def _exact(self, scores):
        """Return `value`, with any decimals."""
        ranks = ndtr(scores)
        own = np.searchsorted(self._edges[1:-1], ranks, side="right")
        low, high = self._edges[own], self._edges[own + 1]
        fraction = ((ranks - low) / np.maximum(high - low, LEAST)).clip(0.0, 1.0)
        return self._low[own] + fraction * (self._high[own] - self._low[own])

    def median(self, scores, weights):
        """Return the weighted medians of what scores stand for, over the last axis."""
        order = np.argsort(scores, axis=-1)
        sums = np.cumsum(np.take_along_axis(weights, order, -1), axis=-1)
        at = (sums < 0.5 * sums[..., -1:]).sum(-1, keepdims=True)
        place = np.take_along_axis(order, at.clip(0, order.shape[-1] - 1), -1)
        return self.value(np.take_along_axis(scores, place, -1)[..., 0])

    def scores_within(self, low, high):
        """Return the scores between which values lie in [low, high], or None if none do."""
        first, last = self.all_within(np.array([low]), np.array([high]))
        return (
            (float(first[0]), float(last[0])) if first[0] < last[0] - LEAST_WIDTH else None
        )

    def all_within(self, low, high):
        """Return the same of several ranges; where none do the scores are about equal.

        Parameters
        ----------
        low, high : ndarray of shape (n,)

        Returns
        -------
        first, last : ndarray of shape (n,)
        """
        if self.decimals < TOO_MANY:  # what is rounded to a value in the range
            unit = 10.0**-self.decimals
            low = np.ceil(low / unit - ROUNDING) * unit - 0.5 * unit
            high = np.floor(high / unit + ROUNDING) * unit + 0.5 * unit
        ranks = np.column_stack([self._edges[:-1], self._edges[1:]]).ravel()
        values = np.column_stack([self._low, self._high]).ravel()
        scores = []
        for end, side in ((low, "left"), (high, "right")):
            at = np.searchsorted(values, end, side)
            before, after = (at - 1).clip(0), at.clip(0, len(values) - 1)
            step = values[after] - values[before]
            step = np.where(step > 0.0, step, 1.0)
            fraction = ((end - values[before]) / step).clip(0.0, 1.0)
            rank = ranks[before] + fraction * (ranks[after] - ranks[before])
            rank = np.where(at == len(values), 1.0, np.where(at == 0, 0.0, rank))
            own = np.where(rank <= LEAST, -FARTHEST, _quantile(rank))
            scores.append(np.where(rank >= 1.0 - LEAST, FARTHEST, own))
        return scores[0], np.maximum(*scores)


def _quantile(ranks):
    return ndtri(np.clip(ranks, LEAST, 1.0 - LEAST))
