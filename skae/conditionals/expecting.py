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
        for own in blocks_of(rows, variables.width):
            hidden, mean, spread = self.look(state, own)
            for column in variables.drawn:
                at = np.flatnonzero(hidden_cells[own, column])
                if not len(at):
                    continue
                of = hidden[:, at], mean[at], spread[at]
                values[own[at], column] = self._expect(state, own[at], column, *of)
        return values

    def _expect(self, state, rows, column, hidden, mean, spread):
        variables, variable = self.variables, self.variables.of_column[column]
        if variable < variables.n_ranked:
            if column in variables.ordered:
                scores = self._scores_of(variable, hidden, mean, spread)
                return variables.ranks[variable].median(*scores)
            cells = self._mean_of(variable, hidden, mean, spread)
            cells = self.constant(state, rows, column, cells)
            for of_tie, tie in variables.tie_variables.items():
                others = [c for c in tie.columns if c != column]
                if column not in tie.columns:
                    continue
                here = ~np.isnan(state.values[rows][:, others]).any(axis=1)
                if here.any():
                    total = self._mean_of(of_tie, hidden[:, here], mean[here], spread[here])
                    cells[here] = self.solved(state, rows[here], column, tie, total)
            return cells
        k = variable - variables.n_ranked
        log_p = self.networks.log_probabilities(hidden, mean, k).exp().mean(0)
        p = log_p.double().numpy() * self.possible(state, rows, k, column)
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
