"""Rows drawn column by column, each given all that are there already."""

import numpy as np
import torch
from scipy.special import ndtr, ndtri

from skae.conditionals.view import View, blocks_of


class Drawer(View):
    """Draws columns of rows by conditional networks."""

    # ------------------------------------------------------------------ orders

    def order(self, rng):
        """Return the columns in random order, but what others determine after these.

        Whether a cell is there comes before the cell.
        """
        order = rng.permutation(self.variables.drawn).tolist()
        for column, level_column in self.variables.numbered:
            order.remove(column)
            order.insert(order.index(level_column) + 1, column)
        for tie in self.variables.ties:
            *others, last = tie.columns
            order.remove(last)
            order.insert(max(order.index(column) for column in others) + 1, last)
        for column, absence in self.variables.absence_of.items():
            order.remove(absence)
            order.insert(order.index(column) if column in order else 0, absence)
        return order

    # ------------------------------------------------------------------ one column

    def draw(self, state, rows, column, rng, allowed=None):
        """Draw the cells of a column, of rows where it is hidden.

        Parameters
        ----------
        state : State
        rows : ndarray of int
        column : int
        rng : numpy.random.RandomState
        allowed : tuple (low, high) of scores, or ndarray of bool of shape (n_levels,), \
                default=None
            What may be drawn.

        Returns
        -------
        log_p : ndarray of shape (len(rows),)
            Of what is allowed.
        """
        variables, log_p = self.variables, np.zeros(len(rows))
        places = np.arange(len(rows))
        if allowed is None:
            for variable, tie in variables.tie_variables.items():
                if column in tie.columns and len(places):
                    others = [c for c in tie.columns if c != column]
                    here = ~np.isnan(state.values[rows[places]][:, others]).any(axis=1)
                    self._draw_by_tie(state, rows[places[here]], column, variable, tie, rng)
                    places = places[~here]
        for block in blocks_of(places, variables.width):
            own = rows[block]
            hidden, mean, spread = self.look(state, own)
            variable = variables.of_column[column]
            if variable < variables.n_ranked:
                scores, log_p[block] = self._draw_ranked(
                    hidden, mean, spread, variable, rng, allowed
                )
                cells = variables.ranks[variable].value(scores)
                if allowed is None:
                    cells = self.constant(state, own, column, cells)
            else:
                k = variable - variables.n_ranked
                cells, log_p[block] = self._draw_level(
                    state, own, hidden, mean, k, rng, allowed, column
                )
            state.put(own, column, cells)
        return log_p

    def _draw_by_tie(self, state, rows, column, variable, tie, rng):
        for own in blocks_of(rows, self.variables.width):
            hidden, mean, spread = self.look(state, own)
            scores, _ = self._draw_ranked(hidden, mean, spread, variable, rng, None)
            total = self.variables.ranks[variable].value(scores)
            state.put(own, column, self.solved(state, own, column, tie, total))

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
            low = ndtr((allowed[0] - means) / scales)
            high = ndtr((allowed[1] - means) / scales)
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

    def _draw_level(self, state, rows, hidden, mean, k, rng, allowed, column):
        log_p = self._one_network(self.networks.log_probabilities(hidden, mean, k), rng)
        p = np.exp(log_p) * self.possible(state, rows, k, column)
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
            return level.clip(0, last).astype(float), np.log(total)
