"""The distribution of one column of numbers, and normal scores in place of its values."""

import numpy as np
from scipy.special import ndtr, ndtri

from skae.conditionals.grids import Steps, grid_of
from skae.table.anonymity import blur
from skae.table.decimals import TOO_MANY, decimals_of
from skae.table.marginals import spans_of

# Values of a column that are kept: those that repeat often, and quantiles of the others.
N_KEPT = 2000
# Scores lie within this of 0; ranges of them that are no wider hold none.
FARTHEST, LEAST_WIDTH = 6.0, 1e-6
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
    step, calendar : float or None, Calendar or None
        See `grid_of`.

    Attributes
    ----------
    points : ndarray of shape (n_points,)
        The values, ascending; all of them, or `N_KEPT` quantiles and those that repeat.
    ends : ndarray of shape (n_points,)
        The proportion of values up to each.
    repeats : ndarray of bool of shape (n_points,)
    decimals : int
        Of the values, see `decimals_of`.
    grid : Steps, Listed or None
        What all values lie on, where that is coarser than their decimals.

    References
    ----------
    Liu, Lafferty & Wasserman, The Nonparanormal: Semiparametric Estimation of High
    Dimensional Undirected Graphs, 2009.
    """

    grid = None  # of those that files hold from before there were grids

    def __init__(
        self, values, weights=None, is_level=False, least_rows=1, step=None, calendar=None
    ):
        all_values = values
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
        if not is_level:
            ends = self.points[0], self.points[-1]
            self.grid = grid_of(all_values, self.decimals, ends, step, calendar)

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

    def value(self, scores, low=-np.inf, high=np.inf):
        """Return the values that scores stand for; they rise with these.

        Parameters
        ----------
        scores : ndarray of shape (n,)
        low, high : float or ndarray of shape (n,)
            See `rounded`.
        """
        return self.rounded(self._exact(scores), low, high)

    def rounded(self, values, low=-np.inf, high=np.inf):
        """Return values as the column has them: on its grid, or with its decimals at least.

        Parameters
        ----------
        values : ndarray of shape (n,)
        low, high : float or ndarray of shape (n,)
            Between which the values lie. Where the grid has no number there, they are
            rounded to the column's decimals only.
        """
        plain = values if self.decimals >= TOO_MANY else values.round(self.decimals) + 0.0
        if self.grid is None:
            return plain
        first, last = self.grid.within(*self._opened(low, high))
        near = np.minimum(np.maximum(self.grid.nearest(values), first), last)
        return np.where(first <= last, near, plain)

    def on_grid(self, values, low, high):
        """Return `rounded` where the column has a grid, else values as they are."""
        return values if self.grid is None else self.rounded(values, low, high)

    def _opened(self, low, high):
        """Return ranges without ends where no score stands for what lies beyond.

        The smallest and the largest value may be rounded to what lies outside the limits.
        """
        least, most = self.limits
        low = np.where(np.asarray(low) <= least, -np.inf, low)
        return low, np.where(np.asarray(high) >= most, np.inf, high)

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
        low, high = self._unrounded(*self._opened(low, high))
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

    def _unrounded(self, low, high):
        """Return between what lies all that is rounded to values in ranges."""
        if self.decimals >= TOO_MANY:
            return low, high
        decimals = Steps(1, 0, self.decimals)
        ends = decimals.around(*decimals.within(low, high))
        if self.grid is None:
            return ends
        first, last = self.grid.within(low, high)
        on_grid = self.grid.around(first, last)
        return tuple(
            np.where(first <= last, *pair) for pair in zip(on_grid, ends, strict=True)
        )


def _quantile(ranks):
    return ndtri(np.clip(ranks, LEAST, 1.0 - LEAST))
