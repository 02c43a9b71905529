"""Hidden cells as they are expected: means, medians, the likeliest levels."""

import numpy as np
import torch

from skae.conditionals.view import View, blocks_of

# Scores of each normal distribution that its mean value is taken over.
N_QUANTILES = 16


class Expecter(View):
    """Expects hidden cells of rows by conditional networks."""

    def expect(self, state):
        """Return rows with their hidden cells as expected.

        Means of numbers, medians of ordered levels, the likeliest of others.
        """
        values, variables = state.values.copy(), self.variables
        hidden_cells = np.isnan(values) & ~state.missing
        rows = np.flatnonzero(hidden_cells[:, variables.drawn].any(axis=1))
        self._show_determined(state, rows)
        for own in blocks_of(rows, variables.width):
            looked, filled = self.look(state, own), state.values[own]
            left = hidden_cells[own] & np.isnan(state.values[own])
            self._settle(state, own, filled, left, looked, variables.relations.ties)
            for column in self._order():
                at = np.flatnonzero(left[:, column])
                if len(at):
                    self._fill(state, own, at, column, filled, left, looked)
            values[own] = filled
        self.ruling.tell_again(values, ~hidden_cells)
        return values

    def _order(self):
        """Return the columns in the order in which they are filled.

        The likeliest of intervals come before the number that tells them, and bound it.
        """
        order = self.variables.relations.in_order(self.variables.drawn)
        first = [
            lookup.column
            for lookup in self.variables.relations.lookups
            if lookup.part is None
        ]
        return [*first, *(column for column in order if column not in first)]

    def _show_determined(self, state, rows):
        """Let what ties determine exactly be seen, as the duration of start and end."""
        variables = self.variables
        for column in sorted(set().union(*variables.relations.tied)):
            here = ~state.missing[rows, column] & np.isnan(state.values[rows, column])
            own = rows[here]
            tellers = variables.tellers(state.values[own], column, state.given[own])
            for variable, tie, at in tellers:
                points = variables.ranks[variable].points
                if len(points) == 1:
                    values = state.values[own[at]]
                    cells = self.ruling.solved(values, column, tie, points[0])
                    state.put(own[at], column, cells)

    def _fill(self, state, rows, at, column, filled, left, looked):
        """Fill a column of some of the rows, and what that leaves no choice for."""
        hidden, mean, spread = looked
        of = hidden[:, at], mean[at], spread[at]
        filled[at, column] = self._expect(state, rows[at], column, filled[at], *of)
        left[at, column] = False
        ties = [tie for tie in self.variables.relations.ties if column in tie.columns]
        self._settle(state, rows, filled, left, looked, ties)

    def _settle(self, state, rows, filled, left, looked, ties):
        """Fill the last hidden cells of ties."""
        for tie in ties:
            of_tie = left[:, tie.columns]
            for place, last in enumerate(tie.columns):
                at = np.flatnonzero(of_tie[:, place] & (of_tie.sum(axis=1) == 1))
                at = at[left[at, last]]
                if len(at):
                    self._fill(state, rows, at, last, filled, left, looked)

    def _expect(self, state, rows, column, filled, hidden, mean, spread):
        told = self.ruling.looked_up(filled, column)
        if np.isnan(told).any():
            cells = self._untold(state, rows, column, filled, hidden, mean, spread)
            told = np.where(np.isnan(told), cells, told)
        return told

    def _untold(self, state, rows, column, filled, hidden, mean, spread):
        variables, variable = self.variables, self.variables.of_column[column]
        if variable < variables.n_ranked:
            if column in variables.ordered:
                scores = self._scores_of(variable, hidden, mean, spread)
                return variables.ranks[variable].median(*scores)
            ranks = variables.ranks[variable]
            cells = self._mean_of(variable, hidden, mean, spread)
            cells = self.ruling.constant(state.values[rows], column, cells)
            if column in variables.relations.telling:
                cells = ranks.rounded(cells)
            low, high = self.ruling.bounds(filled, column)
            cells = np.where(low <= high, cells.clip(low, high), cells)
            cells = ranks.on_grid(cells, low, high)
            if column in variables.relations.with_parts:
                own = filled.copy()
                own[:, column] = cells
                cells = self.ruling.moved(own, column)
            # Expected ones too: what is expected of a sum is the sum of what is.
            for of_tie, tie, at in variables.tellers(filled, column, state.given[rows]):
                total = self._mean_of(of_tie, hidden[:, at], mean[at], spread[at])
                told = self.ruling.solved(filled[at], column, tie, total)
                if len(variables.ranks[of_tie].points) > 1:
                    told = ranks.on_grid(told, low[at], high[at])
                cells[at] = told
            return cells
        k = variable - variables.n_ranked
        log_p = self.networks.log_probabilities(hidden, mean, k).exp().mean(0)
        p = log_p.double().numpy() * self.ruling.possible(state.values[rows], k, column)
        return p.argmax(axis=1).astype(float)

    def _mean_of(self, variable, hidden, mean, spread):
        scores = self._scores_of(variable, hidden, mean, spread)
        return self.variables.ranks[variable].mean(*scores)

    @torch.no_grad()
    def _scores_of(self, variable, hidden, mean, spread):
        """Return scores that stand for the distribution, and weights, (n, n_scores)."""
        parts = self.networks.mixture(hidden, mean, spread, [variable])
        log_weights, means, scales = (part[:, :, 0].double() for part in parts)
        places = (torch.arange(N_QUANTILES, dtype=torch.float64) + 0.5) / N_QUANTILES
        scores = means[..., None] + scales[..., None] * torch.special.ndtri(places)
        weights = log_weights.exp()[..., None].expand_as(scores)
        return [part.transpose(0, 1).flatten(1).numpy() for part in (scores, weights)]
