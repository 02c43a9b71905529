"""Rows drawn from nothing, or to go with what is asked of them."""

import numpy as np

from skae.conditionals.drawing import Drawer
from skae.conditionals.state import State
from skae.training.devices import threads_for

# Candidates for a row that meets several conditions.
N_CANDIDATES = 16
# Rows that are drawn at a time until they meet a range, at least and at most, and what share
# has to.
N_TRIED, N_MOST_TRIED, LEAST_MET = 64, 2000, 0.05
# How often rows are drawn again that hold what never is.
N_AGAIN = 4


class RowSampler:
    """Draws rows by conditional networks.

    Parameters
    ----------
    variables, base, networks
        See `View`.
    missing : bool
        Whether cells are missing, as they are in the table.
    alike : bool
        Whether the same is given in all rows, so that it can be told whether it may be.
    """

    def __init__(self, variables, base, networks, missing, alike):
        self.variables, self.networks = variables, (base, networks)
        self.missing, self.alike = missing, alike

    def draw(self, values, rng, ranges):
        """Draw rows.

        Of ranges of what follows from others, such as a total, rows are drawn until they meet
        them: with a total drawn first, one of its parts would be what the others leave of it,
        whatever cells that part has.

        Parameters
        ----------
        values : ndarray of float64 of shape (n, n_columns)
            Cells that are given; NaN where they are not.
        rng : numpy.random.RandomState
        ranges : dict of int to tuple (low, high), or ndarray of bool of levels
            What may be drawn, by column.

        Returns
        -------
        values : ndarray of float64 of shape (n, n_columns)
        log_p : ndarray of shape (n,)
            Of what `ranges` allow; -inf where ties rule out what is given.
        """
        told = {
            c: ends
            for c, ends in ranges.items()
            if self.alike
            and c in self.variables.relations.following
            and isinstance(ends, tuple)
        }
        others = {c: asked for c, asked in ranges.items() if c not in told}
        found, n_tried, n_met = [], 0, 0
        while told and n_met < len(values) and n_met >= LEAST_MET * n_tried:
            # As many as it takes at the rate so far.
            n_left = (len(values) - n_met) * (n_tried / n_met if n_met else 1.0)
            n = int(np.clip(np.ceil(n_left), N_TRIED, N_MOST_TRIED))
            rows, log_p = self._draw_part(np.tile(values[:1], (n, 1)), rng, others)
            meets = _lie_within(rows, told)
            n_tried, n_met = n_tried + n, n_met + meets.sum()
            found.append((rows[meets], log_p[meets]))
        rate = n_met / max(n_tried, 1)
        found = [(rows, log_p + np.log(rate)) for rows, log_p in found if len(rows)]
        if n_met < len(values):
            found.append(self._draw_part(values[n_met:], rng, ranges))
        drawn, log_p = (np.concatenate(part) for part in zip(*found, strict=True))
        return drawn[: len(values)], log_p[: len(values)]

    def _draw_part(self, values, rng, ranges):
        """Draw rows of which columns that are asked for are drawn first."""
        # Where cells may be missing, that is drawn first.
        drawer = Drawer(self.variables, *self.networks, ranges, not self.missing)
        n, given, missing = len(values), ~np.isnan(values), self.missing
        with threads_for(0):
            state = State(self.variables, values)
            if missing:
                depends = bool(ranges) or not np.isnan(values).all()
                self._draw_patterns(state, rng, depends, ranges)
                missing = depends
            state, log_p = self._meet(state, ranges, rng, drawer)
            start = state.take(np.arange(n))
            self._draw_rows(drawer, state, given, rng, missing)
            for _ in range(N_AGAIN):
                # Cells that bound each other over several columns are drawn one by one.
                rows = np.flatnonzero(drawer.ruling.are_broken(state.values))
                if not len(rows):
                    break
                again = start.take(rows)
                self._draw_rows(drawer, again, given[rows], rng, missing)
                state.values[rows] = again.values
        draw_alone(state, rng)
        return state.values, log_p

    def _draw_rows(self, drawer, state, given, rng, missing):
        """Draw what is hidden of rows; `given` cells stay what they are."""
        drawer.settle(state, rng)
        # Rows of one order see the same columns: some orders, not one for each row.
        n = len(state)
        for rows in np.array_split(rng.permutation(n), min(n, 8)):
            for column in drawer.order(rng, given[rows]):
                self._draw_column(drawer, state, rows, column, rng, missing)
        drawer.ruling.tell_again(state.values, given)

    def _draw_patterns(self, state, rng, depends, ranges):
        """Draw which cells of rows are missing, all together, as rows of the fit have it.

        Where something is given (`depends`), the networks draw what depends on others.
        """
        variables = self.variables
        drawn = rng.choice(len(variables.patterns), len(state), p=variables.pattern_weights)
        for column, holes in zip(
            variables.with_holes.tolist(), variables.patterns[drawn].T, strict=True
        ):
            if column in ranges or (depends and column in variables.hole_of):
                continue
            rows = np.flatnonzero(np.isnan(state.values[:, column]))
            state.put_hole(rows, column, holes[rows])

    def _draw_column(self, drawer, state, rows, column, rng, missing):
        rows = rows[np.isnan(state.values[rows, column]) & ~state.missing[rows, column]]
        if not len(rows):
            return
        if missing and column in self.variables.hole_of:
            rows = rows[~drawer.draw_holes(state, rows, column, rng)]
        if len(rows):
            drawer.draw(state, rows, column, rng)

    def _meet(self, state, ranges, rng, drawer):
        """Return the state with columns drawn within their ranges, and log p of these."""
        n = len(state)
        log_p = drawer.log_possible(state)[:, None] if self.alike else np.zeros((n, 1))
        columns = self._asked(state, ranges)
        if not columns:
            return state, log_p[:, 0]
        n_each = 1 if len(columns) == 1 else N_CANDIDATES
        state = state.take(np.repeat(np.arange(n), n_each))
        log_p = np.repeat(log_p, n_each)
        for column in columns:
            rows = state.hidden_rows(column)
            if len(rows):
                log_p[rows] += drawer.draw(state, rows, column, rng, ranges.get(column))
        # Sampling importance resampling: Rubin, 1987.
        log_p = log_p.reshape(n, n_each)
        top = log_p.max(axis=1, keepdims=True)
        weights = np.exp(log_p - np.where(np.isfinite(top), top, 0.0)) + 1e-300
        picks = rng.random_sample((n, 1)) * weights.sum(axis=1, keepdims=True)
        chosen = (np.cumsum(weights, axis=1) <= picks).sum(axis=1).clip(0, n_each - 1)
        chosen += np.arange(n) * n_each
        failed = ~np.isfinite(top[:, 0])
        if failed.any() and not failed.all():  # as good are those of other rows
            p = np.exp(log_p - log_p.max()).ravel()
            chosen[failed] = rng.choice(len(p), failed.sum(), p=p / p.sum())
        state = state.take(chosen)
        with np.errstate(divide="ignore"):
            return state, np.log(np.exp(log_p).mean(axis=1))

    def _asked(self, state, ranges):
        """Return the columns that are drawn first, those tied to two that are given among them.

        Of start and end the duration has to be drawn, of which both say what it may be.
        """
        variables, given = self.variables, set(ranges)
        if self.alike and len(state):
            given |= set(np.flatnonzero(~np.isnan(state.values[0])).tolist())
        tied = [
            c
            for group in variables.relations.tied
            if len(given & group) > 1
            for c in sorted(group)
        ]
        # Levels first, beside which numbers may be constant.
        levels = [column for column, r in ranges.items() if not isinstance(r, tuple)]
        return variables.relations.in_order(dict.fromkeys([*levels, *ranges, *tied]))


def _lie_within(values, ranges):
    """Return which rows have cells within the range of each column, (n,)."""
    lows, highs = np.array(list(ranges.values())).T
    cells = values[:, list(ranges)]
    return ((lows <= cells) & (cells <= highs)).all(axis=1)


def draw_alone(state, rng):
    """Draw hidden cells of columns that tell nothing of others."""
    for column, (cells, proportions) in state.variables.alone.items():
        rows = state.hidden_rows(column)
        state.values[rows, column] = rng.choice(cells, len(rows), p=proportions)
