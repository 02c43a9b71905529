"""Rows drawn column by column, each given all that are there already."""

import numpy as np
import torch
from scipy.special import ndtr, ndtri

from skae.conditionals.ranks import LEAST_WIDTH
from skae.conditionals.view import View, blocks_of

# How often a cell is drawn that does not go with what is looked up by it.
N_TRIES = 8


class Drawer(View):
    """Draws columns of rows by conditional networks.

    Parameters
    ----------
    variables, base, networks, asked
        See `View`.
    settles : bool, default=True
        Whether a cell is there as soon as all others of a tie are.
    """

    def __init__(self, variables, base, networks, asked=None, settles=True):
        super().__init__(variables, base, networks, asked)
        self.settles = settles

    # ------------------------------------------------------------------ orders

    def order(self, rng, given):
        """Return the columns in random order, but what others determine after these.

        Whether a cell is there comes before the cell; and the largest of columns before
        these, where it goes with what is given.

        Parameters
        ----------
        rng : numpy.random.RandomState
        given : ndarray of bool of shape (n, n_columns)
            Cells of rows that were there at first.
        """
        order = rng.permutation(self.variables.drawn).tolist()
        for column, level_column in self.variables.relations.numbered:
            order.remove(column)
            order.insert(order.index(level_column) + 1, column)
        order = self.variables.relations.in_order(order)
        asked = {*np.flatnonzero(given.any(axis=0)).tolist(), *self.ruling.asked}
        for column in self.variables.relations.extremes_first(asked):
            order.remove(column)
            order.insert(0, column)
        for column, absence in self.variables.absence_of.items():
            order.remove(absence)
            order.insert(order.index(column) if column in order else 0, absence)
        return order

    def log_possible(self, state):
        """Return 0 for rows whose cells can be beside each other, -inf for others, (n,)."""
        return np.where(self.ruling.are_broken(state.values), -np.inf, 0.0)

    # ------------------------------------------------------------------ one column

    def settle(self, state, rng):
        """Draw cells that ties leave no choice for, so that those of other columns see them."""
        for column in sorted(
            {c for tie in self.variables.relations.ties for c in tie.columns}
        ):
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
        log_p, told = np.zeros(len(rows)), self.ruling.looked_up(state.values[rows], column)
        here = np.flatnonzero(~np.isnan(told))
        if len(here):
            log_p[here] = self._put_told(state, rows[here], column, told[here], allowed)
        for block in blocks_of(np.flatnonzero(np.isnan(told)), self.variables.width):
            own = rows[block]
            if self.variables.of_column[column] < self.variables.n_ranked:
                log_p[block] = self._draw_number(state, own, column, rng)
                log_p[block] = self._drawn_again(state, own, column, log_p[block], rng)
                if self.settles:
                    log_p[block] += self._settle(state, own, column, rng)
            else:
                log_p[block] = self._draw_level(state, own, column, rng, allowed)
        return log_p

    def _drawn_again(self, state, rows, column, log_p, rng):
        """Draw again what does not go with cells that are looked up by it, such as a month.

        What does not in `N_TRIES` draws is moved.

        Parameters
        ----------
        log_p : ndarray of shape (len(rows),)
            Of what is allowed, by the first draws.
        """
        lookups = [
            rule for rule in self.variables.relations.lookups if rule.source == column
        ]
        if not lookups:
            return log_p
        for _ in range(N_TRIES):
            values = state.values[rows]
            at = np.flatnonzero(
                np.any([rule.are_broken(values) for rule in lookups], axis=0)
            )
            if not len(at):
                return log_p
            state.take_back(rows[at], column)
            log_p[at] = self._draw_number(state, rows[at], column, rng)
        state.put(rows, column, self.ruling.moved(state.values[rows], column))
        return log_p

    def _put_told(self, state, rows, column, cells, allowed):
        """Set cells that others tell, and return log p of what is allowed."""
        if self.variables.of_column[column] < self.variables.n_ranked:
            low, high = self.ruling.limits_of(column)
            is_allowed = (low <= cells) & (cells <= high)
        else:
            is_allowed = (
                np.ones(len(rows), bool) if allowed is None else allowed[cells.astype(int)]
            )
        state.put(rows, column, cells)
        return np.where(is_allowed, 0.0, -np.inf)

    def _draw_number(self, state, rows, column, rng):
        """Draw cells of a ranked column: from a tie, where all else of it is there."""
        variables, log_p = self.variables, np.zeros(len(rows))
        told = np.zeros(len(rows), dtype=bool)
        tellers = variables.tellers(state.values[rows], column, state.given[rows])
        for variable, tie, own in tellers:
            log_p[own] = self._draw_by_tie(state, rows[own], column, variable, tie, rng)
            told[own] = True
        places = np.flatnonzero(~told)
        is_same, log_p[places] = self._draw_same(state, rows[places], column, rng)
        places = places[~is_same]
        if not len(places):
            return log_p
        own = rows[places]
        low, high = self.ruling.bounds(state.values[own], column)
        cells, within = self._draw_within(
            state, own, variables.of_column[column], low, high, rng
        )
        log_p[places] += within
        ruled = self.ruling.constant(state.values[own], column, np.full(len(own), np.nan))
        there = ~np.isnan(ruled)
        is_inside = (low <= ruled) & (ruled <= high)
        log_p[places[there]] = np.where(is_inside[there], 0.0, -np.inf)
        state.put(own, column, np.where(there, ruled, cells))
        return log_p

    def _draw_same(self, state, rows, column, rng):
        """Draw which cells are those of another column, or the extreme that is there.

        Returns
        -------
        is_same : ndarray of bool of shape (len(rows),)
            The cells are there then.
        log_p : ndarray of shape (len(rows),)
            Of another cell, where the same one may not be.
        """
        is_same, log_p = np.zeros(len(rows), dtype=bool), np.zeros(len(rows))
        for variable, equal in self.variables.equal_variables.items():
            if column not in equal.columns:
                continue
            cells = equal.same(state.values[rows], column)
            at = np.flatnonzero(~is_same & ~np.isnan(cells))
            if len(at):
                p = self._probability(state, rows[at], variable, rng)
                is_same[at], may_be = self._put_same(
                    state, rows[at], column, cells[at], p, rng
                )
                with np.errstate(divide="ignore"):
                    log_p[at] += np.where(may_be, 0.0, np.log1p(-p))
                state.put_unequal(rows[at[~is_same[at]]], variable)
        for extreme in self.variables.relations.extremes:
            at = np.flatnonzero(~is_same)
            if column in extreme.columns[:-1] and len(at):
                values = state.values[rows[at]]
                cells, p = extreme.same(values, column), extreme.chance(values)
                is_same[at], _ = self._put_same(state, rows[at], column, cells, p, rng)
        return is_same, log_p

    def _put_same(self, state, rows, column, cells, p, rng):
        """Put cells there with some probability; return where they are, and may be."""
        values = state.values[rows]
        low, high = self.ruling.bounds(values, column)
        may_be = (low <= cells) & (cells <= high)
        may_be &= self.ruling.constant(values, column, cells) == cells
        is_same = may_be & (rng.random_sample(len(rows)) < p)
        state.put(rows[is_same], column, cells[is_same])
        return is_same, may_be

    def _settle(self, state, rows, column, rng):
        """Draw what is the last hidden cell of a tie, now that those of a column are there."""
        log_p = np.zeros(len(rows))
        for tie in self.variables.relations.ties:
            if column not in tie.columns:
                continue
            hidden = np.isnan(state.values[np.ix_(rows, tie.columns)])
            hidden &= ~state.missing[np.ix_(rows, tie.columns)]
            is_single = hidden.sum(axis=1) == 1
            for place, last in enumerate(tie.columns):
                here = is_single & hidden[:, place]
                absence = self.variables.absence_of.get(last)
                if absence is not None:  # whether it is there is drawn first
                    here &= ~np.isnan(state.values[rows, absence])
                at = np.flatnonzero(here)
                if len(at):
                    log_p[at] += self.draw(state, rows[at], last, rng)
        return log_p

    def _draw_by_tie(self, state, rows, column, variable, tie, rng):
        log_p, points = np.zeros(len(rows)), self.variables.ranks[variable].points
        values = state.values[rows]
        low, high = self.ruling.bounds(values, column, of_ties=False)
        if len(points) == 1:  # a sum that is always the same, or a formula
            cells = self.ruling.solved(values, column, tie, points[0])
            log_p[(cells < low) | (cells > high)] = -np.inf
        else:
            ends = tie.total_range(values, column, low, high)
            total, log_p = self._draw_within(state, rows, variable, *ends, rng)
            cells = self.ruling.solved(values, column, tie, total)
            ranks = self.variables.ranks[self.variables.of_column[column]]
            cells = ranks.on_grid(cells, low, high)
        log_p[self.ruling.constant(values, column, cells) != cells] = -np.inf
        state.put(rows, column, cells)
        return log_p

    def _draw_within(self, state, rows, variable, low, high, rng):
        """Return draws of a ranked variable between values, and log p of lying there."""
        ranks = self.variables.ranks[variable]
        hidden, limits, allowed = self.look(state, rows), ranks.limits, None
        if (low > limits[0]).any() or (high < limits[1]).any():
            allowed = ranks.all_within(low, high)
        scores, log_p = self._draw_ranked(*hidden, variable, rng, allowed)
        return ranks.value(scores, low, high), log_p

    def draw_holes(self, state, rows, column, rng):
        """Draw whether cells of a column are missing, ndarray of bool of shape (len(rows),)."""
        is_missing = np.zeros(len(rows), dtype=bool)
        for block in blocks_of(np.arange(len(rows)), self.variables.width):
            p = self._probability(state, rows[block], self.variables.hole_of[column], rng)
            is_missing[block] = rng.random_sample(len(block)) < p
        state.put_hole(rows, column, is_missing)
        return is_missing

    def _probability(self, state, rows, variable, rng):
        """Return how likely a variable of two levels is the second, (len(rows),)."""
        hidden, mean, _ = self.look(state, rows)
        k = variable - self.variables.n_ranked
        log_p = self.networks.log_probabilities(hidden, mean, k)
        return np.exp(self._one_network(log_p, rng)[:, 1])

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
        sources = {lookup.source for lookup in self.variables.relations.lookups}
        bounded = sources.union(
            self.variables.relations.orders.columns,
            self.ruling.limits,
            *self.variables.relations.tied,
        )
        for rule in self.variables.relations.constants:
            if rule.level_column == column and rule.column in bounded:
                low, high = self.ruling.bounds(state.values[rows], rule.column)
                both[(rule.value < low) | (rule.value > high), rule.level] = False
        return np.where(both.any(axis=1, keepdims=True), both, possible)

    def _draw_level(self, state, rows, column, rng, allowed):
        k = self.variables.of_column[column] - self.variables.n_ranked
        hidden, mean, _ = self.look(state, rows)
        log_p = self._one_network(self.networks.log_probabilities(hidden, mean, k), rng)
        possible = self.ruling.possible(state.values[rows], k, column)
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
