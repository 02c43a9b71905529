"""Rows drawn column by column, each given all that are there already."""

import copy

import numpy as np
import torch
from scipy.special import ndtr, ndtri

# Scores of each normal distribution that its mean value is taken over.
N_QUANTILES = 16
# Rows that are worked on at a time, more or less: cells of the design.
BLOCK_CELLS = 500_000
# Patterns of visible variables that are worked on one by one.
MAX_LOOPS = 16


class State:
    """Rows while they are drawn.

    Attributes
    ----------
    values : ndarray of float64 of shape (n, n_columns)
        NaN where not there yet.
    x : torch.Tensor of float32 of shape (n, width)
    visible : torch.Tensor of bool of shape (n, n_variables)
    missing : ndarray of bool of shape (n, n_columns)
        Cells that are not to be drawn.
    """

    def __init__(self, variables, values):
        self.variables, self.values = variables, values.copy()
        self.missing = np.zeros(values.shape, dtype=bool)
        x, known = variables.encode(values)
        self.x = torch.from_numpy(x).float()
        self.visible = torch.from_numpy(known)
        # What is missing here is to be drawn: in the network's eyes it is not missing.
        for column, hole in variables.hole_of.items():
            self.visible[:, hole] = torch.from_numpy(~np.isnan(values[:, column]))
        for column, absence in variables.absence_of.items():
            self.missing[:, column] = values[:, absence] == 1

    def __len__(self):
        return len(self.values)

    def take(self, rows):
        """Return the state of some rows, which may be repeated."""
        state = copy.copy(self)
        state.values, state.missing = self.values[rows], self.missing[rows]
        at = torch.from_numpy(np.asarray(rows))
        state.x, state.visible = self.x[at], self.visible[at]
        return state

    def hidden_rows(self, column):
        """Return the rows in which a cell of a column is to be drawn."""
        return np.flatnonzero(np.isnan(self.values[:, column]) & ~self.missing[:, column])

    def put(self, rows, column, cells):
        """Set the cells of a column of the table."""
        variables = self.variables
        self.values[rows, column] = cells
        variable = variables.of_column[column]
        self._show(rows, variable, cells)
        self.put_hole(rows, column, np.zeros(len(rows)))
        for owner, absence in variables.absence_of.items():
            if absence == column:
                self.missing[rows, owner] = cells
        for tie_variable, tie in variables.tie_variables.items():
            if column in tie.columns:
                total = tie.total(self.values[rows])
                whole = ~np.isnan(total)
                self._show(rows[whole], tie_variable, total[whole])

    def put_hole(self, rows, column, is_missing):
        """Set whether the cells of a column are missing."""
        self.missing[rows, column] = is_missing
        if column in self.variables.hole_of:
            self._show(rows, self.variables.hole_of[column], is_missing)

    def _show(self, rows, variable, cells):
        variables, at = self.variables, torch.from_numpy(rows)
        cells = np.asarray(cells, dtype=np.float64)
        k = variable - variables.n_ranked
        if k < 0:
            x = variables.score(variable, cells)[:, None]
        else:
            x = variables.indicate(k, cells.astype(int))
        self.x[at, variables.slots[variable]] = torch.from_numpy(x).float()
        self.visible[at, variable] = True


class Drawer:
    """Draws columns of rows by conditional networks.

    Parameters
    ----------
    variables : Variables
    gaussian : Gaussian
    networks : ConditionalNetworks
    """

    def __init__(self, variables, gaussian, networks):
        self.variables, self.gaussian, self.networks = variables, gaussian, networks

    # ------------------------------------------------------------------ orders

    def order(self, rng):
        """Return the columns in random order, but what others determine after these.

        Whether a cell is there comes before the cell.
        """
        order = rng.permutation(self.variables.drawn).tolist()
        for tie in self.variables.ties:
            *others, last = tie.columns
            order.remove(last)
            order.insert(max(order.index(column) for column in others) + 1, last)
        for column, absence in self.variables.absence_of.items():
            order.remove(absence)
            order.insert(order.index(column) if column in order else 0, absence)
        return order

    # ------------------------------------------------------------------ one column

    @torch.no_grad()
    def _look(self, state, rows):
        """Return the networks' hidden layer for some rows, and their normal distribution."""
        at = torch.from_numpy(rows)
        x, visible = state.x[at], state.visible[at]
        patterns, own = torch.unique(visible, dim=0, return_inverse=True)
        mean, spread = torch.empty_like(x), torch.empty_like(x)
        if len(patterns) > MAX_LOOPS:
            of_rows = self.gaussian.given(x[:, None], visible[:, self.networks.owner])
            mean, spread = of_rows[0].squeeze(1), of_rows[1]
        else:
            for k, pattern in enumerate(patterns):
                alike, shown = own == k, pattern[None, self.networks.owner]
                of_rows = self.gaussian.given(x[alike][None], shown)
                mean[alike], spread[alike] = of_rows[0][0], of_rows[1][0]
        return self.networks.hidden(x, visible, mean, spread), mean, spread

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
        for block in _blocks(places, variables.width):
            own = rows[block]
            hidden, mean, spread = self._look(state, own)
            variable = variables.of_column[column]
            if variable < variables.n_ranked:
                scores, log_p[block] = self._draw_ranked(
                    hidden, mean, spread, variable, rng, allowed
                )
                cells = variables.ranks[variable].value(scores)
                if allowed is None:
                    cells = self._constant(state, own, column, cells)
            else:
                k = variable - variables.n_ranked
                cells, log_p[block] = self._draw_level(
                    state, own, hidden, mean, k, rng, allowed, column
                )
            state.put(own, column, cells)
        return log_p

    def _constant(self, state, rows, column, cells):
        """Return the cells of a column of numbers, constant where a level makes them so."""
        for rule in self.variables.constants:
            if rule.column == column:
                here = state.values[rows, rule.level_column] == rule.level
                cells = np.where(here, rule.value, cells)
        return cells

    def _draw_by_tie(self, state, rows, column, variable, tie, rng):
        for own in _blocks(rows, self.variables.width):
            hidden, mean, spread = self._look(state, own)
            scores, _ = self._draw_ranked(hidden, mean, spread, variable, rng, None)
            total = self.variables.ranks[variable].value(scores)
            state.put(own, column, self._solved(state, own, column, tie, total))

    def _solved(self, state, rows, column, tie, total):
        """Return the cells that make the sums of a tie, within the range of their column."""
        cells = tie.solve(state.values[rows], column, total)
        return cells.clip(*self.variables.ranks[self.variables.of_column[column]].limits)

    def draw_holes(self, state, rows, column, rng):
        """Draw whether cells of a column are missing, ndarray of bool of shape (len(rows),)."""
        k = self.variables.hole_of[column] - self.variables.n_ranked
        is_missing = np.zeros(len(rows), dtype=bool)
        for block in _blocks(np.arange(len(rows)), self.variables.width):
            hidden, mean, _ = self._look(state, rows[block])
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
        p = np.exp(log_p) * self._possible(state, rows, k, column)
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

    def _possible(self, state, rows, k, column):
        """Return the levels that rows of fit hold, and hold beside those that are visible."""
        variables = self.variables
        possible = np.tile(variables.seen[k], (len(rows), 1))
        for rule in variables.constants:
            if rule.level_column == column:
                cells = state.values[rows, rule.column]
                possible[~np.isnan(cells) & (cells != rule.value), rule.level] = False
        for hierarchy in variables.hierarchies:
            if column not in (hierarchy.child, hierarchy.parent):
                continue
            other = hierarchy.parent if column == hierarchy.child else hierarchy.child
            level = state.values[rows, other]
            there = ~np.isnan(level)
            own = hierarchy.allowed(
                column, np.where(there, level, 0).astype(int), possible.shape[1]
            )
            both = possible & (own | ~there[:, None])
            possible = np.where(both.any(axis=1, keepdims=True), both, possible)
        return possible

    # ------------------------------------------------------------------ expectations

    def expect(self, state):
        """Return rows with their hidden cells as expected.

        Means of numbers, medians of ordered levels, the likeliest of others.
        """
        values, variables = state.values.copy(), self.variables
        hidden_cells = np.isnan(values) & ~state.missing
        rows = np.flatnonzero(hidden_cells[:, variables.drawn].any(axis=1))
        for own in _blocks(rows, variables.width):
            hidden, mean, spread = self._look(state, own)
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
            cells = self._constant(state, rows, column, cells)
            for of_tie, tie in variables.tie_variables.items():
                others = [c for c in tie.columns if c != column]
                if column not in tie.columns:
                    continue
                here = ~np.isnan(state.values[rows][:, others]).any(axis=1)
                if here.any():
                    total = self._mean_of(of_tie, hidden[:, here], mean[here], spread[here])
                    cells[here] = self._solved(state, rows[here], column, tie, total)
            return cells
        k = variable - variables.n_ranked
        log_p = self.networks.log_probabilities(hidden, mean, k).exp().mean(0)
        p = log_p.double().numpy() * self._possible(state, rows, k, column)
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


def _blocks(rows, width):
    size = max(1, BLOCK_CELLS // (4 * width + 256))
    for first in range(0, len(rows), size):
        yield rows[first : first + size]
