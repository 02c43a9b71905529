"""Rows drawn column by column, each given all that are there already."""

import numpy as np
import torch
from scipy.special import ndtr, ndtri

from skae.conditionals.ranks import LEAST_WIDTH
from skae.conditionals.view import View, blocks_of


class Drawer(View):
    """Draws columns of rows by conditional networks.

    Parameters
    ----------
    variables, base, networks
        See `View`.
    limits : dict of int to tuple (low, high), default=None
        Between what numbers of columns are to lie.
    settles : bool, default=True
        Whether a cell is there as soon as all others of a tie are.
    """

    def __init__(self, variables, base, networks, limits=None, settles=True):
        super().__init__(variables, base, networks)
        self.limits, self.settles = limits or {}, settles

    # ------------------------------------------------------------------ orders

    def order(self, rng):
        """Return the columns in random order, but what others determine after these.

        Whether a cell is there comes before the cell.
        """
        order = rng.permutation(self.variables.drawn).tolist()
        for column, level_column in self.variables.numbered:
            order.remove(column)
            order.insert(order.index(level_column) + 1, column)
        order = self.variables.by_ties(order)
        for column, absence in self.variables.absence_of.items():
            order.remove(absence)
            order.insert(order.index(column) if column in order else 0, absence)
        return order

    def log_possible(self, state):
        """Return 0 for rows whose cells are tied as in the table, -inf for others, (n,)."""
        possible = np.ones(len(state), dtype=bool)
        for variable, tie in self.variables.tie_variables.items():
            possible &= ~tie.is_broken(state.values, self.variables.ranks[variable].limits)
        possible &= ~self.variables.orders.are_broken(state.values)
        return np.where(possible, 0.0, -np.inf)

    # ------------------------------------------------------------------ one column

    def settle(self, state, rng):
        """Draw cells that ties leave no choice for, so that those of other columns see them."""
        for column in sorted({c for tie in self.variables.ties for c in tie.columns}):
            if self.settles:
                self._settle(state, np.arange(len(state)), column, rng)

    def draw(self, state, rows, column, rng, allowed=None):
        """Draw the cells of a column, of rows where it is hidden.

        Parameters
        ----------
        state : State
        rows : ndarray of int
        column : int
        rng : numpy.random.RandomState
        allowed : ndarray of bool of shape (n_levels,), default=None
            Which levels may be drawn. Numbers are drawn within the `limits`.

        Returns
        -------
        log_p : ndarray of shape (len(rows),)
            Of what is allowed.
        """
        log_p = np.zeros(len(rows))
        for block in blocks_of(np.arange(len(rows)), self.variables.width):
            own = rows[block]
            if self.variables.of_column[column] < self.variables.n_ranked:
                log_p[block] = self._draw_number(state, own, column, rng)
                if self.settles:
                    log_p[block] += self._settle(state, own, column, rng)
            else:
                log_p[block] = self._draw_level(state, own, column, rng, allowed)
        return log_p

    def _draw_number(self, state, rows, column, rng):
        """Draw cells of a ranked column: from a tie, where all else of it is there."""
        variables, log_p = self.variables, np.zeros(len(rows))
        places = np.arange(len(rows))
        for variable, tie in variables.tie_variables.items():
            if column in tie.columns and len(places):
                here = tie.tells(state.values[rows[places]], column)
                own = places[here]
                log_p[own] = self._draw_by_tie(state, rows[own], column, variable, tie, rng)
                places = places[~here]
        if not len(places):
            return log_p
        own = rows[places]
        low, high = self._bounds(state, own, column)
        cells, log_p[places] = self._draw_within(
            state, own, variables.of_column[column], low, high, rng
        )
        ruled = self.constant(state, own, column, np.full(len(own), np.nan))
        there = ~np.isnan(ruled)
        is_inside = (low <= ruled) & (ruled <= high)
        log_p[places[there]] = np.where(is_inside[there], 0.0, -np.inf)
        state.put(own, column, np.where(there, ruled, cells))
        return log_p

    def _settle(self, state, rows, column, rng):
        """Draw what is the last hidden cell of a tie, now that those of a column are there."""
        log_p = np.zeros(len(rows))
        for tie in self.variables.ties:
            if column not in tie.columns:
                continue
            hidden = np.isnan(state.values[np.ix_(rows, tie.columns)])
            hidden &= ~state.missing[np.ix_(rows, tie.columns)]
            for place, last in enumerate(tie.columns):
                here = np.flatnonzero(hidden[:, place] & (hidden.sum(axis=1) == 1))
                if len(here):
                    log_p[here] += self.draw(state, rows[here], last, rng)
        return log_p

    def _draw_by_tie(self, state, rows, column, variable, tie, rng):
        log_p, points = np.zeros(len(rows)), self.variables.ranks[variable].points
        if not len(rows):
            return log_p
        low, high = self._bounds(state, rows, column, of_ties=False)
        if len(points) == 1:  # a sum that is always the same, or a formula
            cells = self.solved(state.values[rows], column, tie, points[0])
            log_p[(cells < low) | (cells > high)] = -np.inf
        else:
            low, high = tie.total_range(state.values[rows], column, low, high)
            total, log_p = self._draw_within(state, rows, variable, low, high, rng)
            cells = self.solved(state.values[rows], column, tie, total)
        log_p[self.constant(state, rows, column, cells) != cells] = -np.inf
        state.put(rows, column, cells)
        return log_p

    def _bounds(self, state, rows, column, of_ties=True):
        """Return between what cells may lie: by `limits`, orders, and those of tied columns."""
        variables = self.variables
        low, high = variables.orders.bounds(state.values[rows], column)
        own = self.limits_of(column)
        low, high = np.maximum(low, own[0]), np.minimum(high, own[1])
        ties = list(variables.tie_variables.items())
        tied = sorted({c for _, tie in ties for c in tie.columns})
        if not of_ties or column not in tied:
            return low, high
        cells = state.values[np.ix_(rows, tied)]
        there = ~np.isnan(cells)
        if not self.limits and not there.any():
            return low, high
        ends = np.array([self.limits_of(c) for c in tied]).T
        lows, highs = (np.where(there, cells, own) for own in ends)
        for place, c in enumerate(tied):
            ruled = self.constant(state, rows, c, np.full(len(rows), np.nan))
            ruled = np.where(there[:, place], np.nan, ruled)
            lows[:, place] = np.fmax(lows[:, place], ruled)
            highs[:, place] = np.fmin(highs[:, place], ruled)
        for _ in ties:  # what bounds a sum bounds that of which it is a part
            for variable, tie in ties:
                at = [tied.index(c) for c in tie.columns]
                limits = variables.ranks[variable].limits
                for c, place in zip(tie.columns, at, strict=True):
                    own = tie.column_range(lows[:, at], highs[:, at], c, limits)
                    hidden = ~there[:, place]
                    lows[hidden, place] = np.maximum(lows[:, place], own[0])[hidden]
                    highs[hidden, place] = np.minimum(highs[:, place], own[1])[hidden]
        place = tied.index(column)
        return lows[:, place], highs[:, place]

    def limits_of(self, column):
        limits, asked = super().limits_of(column), self.limits.get(column, (-np.inf, np.inf))
        return max(limits[0], asked[0]), min(limits[1], asked[1])

    def _draw_within(self, state, rows, variable, low, high, rng):
        """Return draws of a ranked variable between values, and log p of lying there."""
        ranks = self.variables.ranks[variable]
        hidden, limits, allowed = self.look(state, rows), ranks.limits, None
        if (low > limits[0]).any() or (high < limits[1]).any():
            allowed = ranks.all_within(low, high)
        scores, log_p = self._draw_ranked(*hidden, variable, rng, allowed)
        return ranks.value(scores), log_p

    def draw_holes(self, state, rows, column, rng):
        """Draw whether cells of a column are missing, ndarray of bool of shape (len(rows),)."""
        k = self.variables.hole_of[column] - self.variables.n_ranked
        is_missing = np.zeros(len(rows), dtype=bool)
        for block in blocks_of(np.arange(len(rows)), self.variables.width):
            hidden, mean, _ = self.look(state, rows[block])
            log_p = self.networks.log_probabilities(hidden, mean, k)
            p = np.exp(self._one_network(log_p, rng)[:, 1])
            is_missing[block] = rng.random_sample(len(block)) < p
        state.put_hole(rows, column, is_missing)
        return is_missing

    def _one_network(self, parts, rng):
        """Return for every row what one of the networks, drawn at random, says of it."""
        n = parts.shape[1]
        chosen = torch.from_numpy(rng.randint(len(parts), size=n))
        return parts[chosen, torch.arange(n)].double().numpy()

    def _draw_ranked(self, hidden, mean, spread, variable, rng, allowed):
        parts = self.networks.mixture(hidden, mean, spread, [variable])
        stacked = torch.stack([part[:, :, 0] for part in parts], -1)
        log_weights, means, scales = np.moveaxis(self._one_network(stacked, rng), -1, 0)
        low, high = np.zeros_like(means), np.ones_like(means)
        if allowed is not None:
            first, last = (end[:, None] for end in allowed)
            low, high = ndtr((first - means) / scales), ndtr((last - means) / scales)
            high = np.where(last - first > LEAST_WIDTH, high, low)
        inside = np.maximum(high - low, 0.0)
        chances = np.exp(log_weights) * inside
        total = chances.sum(axis=1)
        sums = np.cumsum(chances, axis=1)
        picks = rng.random_sample((len(means), 1)) * sums[:, -1:]
        chosen = (sums <= picks).sum(axis=1).clip(0, means.shape[1] - 1)[:, None]
        low, width, mean, scale = (
            np.take_along_axis(part, chosen, 1)[:, 0]
            for part in (low, inside, means, scales)
        )
        u = (low + width * rng.random_sample(len(low))).clip(1e-9, 1.0 - 1e-9)
        scores = mean + scale * ndtri(u)
        if allowed is not None:
            scores = scores.clip(*allowed)
        with np.errstate(divide="ignore"):
            return scores, np.log(total / np.exp(log_weights).sum(axis=1))

    def _with_constants(self, state, rows, column, possible):
        """Return the levels whose constants can be beside what is there of tied columns."""
        both = possible.copy()
        bounded = self.variables.orders.columns.union(self.limits, *self.variables.tied)
        for rule in self.variables.constants:
            if rule.level_column == column and rule.column in bounded:
                low, high = self._bounds(state, rows, rule.column)
                both[(rule.value < low) | (rule.value > high), rule.level] = False
        return np.where(both.any(axis=1, keepdims=True), both, possible)

    def _draw_level(self, state, rows, column, rng, allowed):
        k = self.variables.of_column[column] - self.variables.n_ranked
        hidden, mean, _ = self.look(state, rows)
        log_p = self._one_network(self.networks.log_probabilities(hidden, mean, k), rng)
        possible = self.possible(state, rows, k, column)
        possible = self._with_constants(state, rows, column, possible)
        p = np.exp(log_p) * possible
        p /= p.sum(axis=1, keepdims=True)
        if allowed is not None:
            p = p * allowed
        total = p.sum(axis=1)
        sums = np.cumsum(p, axis=1)
        picks = rng.random_sample((len(p), 1)) * sums[:, -1:]
        with np.errstate(divide="ignore"):
            # Where nothing is allowed the weight of the row is 0.
            level = (sums <= picks).sum(axis=1)
            last = (
                len(self.variables.seen[k]) - 1
                if allowed is None
                else np.flatnonzero(allowed)[-1]
            )
            state.put(rows, column, level.clip(0, last).astype(float))
            return np.log(total)
