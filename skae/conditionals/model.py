"""Every column of a table given any others: what rows are drawn and filled by."""

from typing import Any, NamedTuple

import numpy as np

from skae.conditionals.drawing import Drawer
from skae.conditionals.expecting import Expecter
from skae.conditionals.relations.lookups import Calendar
from skae.conditionals.starts import fit_networks
from skae.conditionals.state import State
from skae.conditionals.variables import Variables
from skae.conditionals.visibility import Visibility
from skae.table.blocks.ordered import OrderedBlock
from skae.training.devices import threads_for

# Rows that are learned from at most.
MAX_ROWS = 50_000
# Numbers in which networks see a row, at most.
MAX_WIDTH = 300
# Candidates for a row that meets several conditions.
N_CANDIDATES = 16
# Rows that are drawn until they meet a range: how many at least, how often, and what share
# has to.
N_TRIED, N_ROUNDS, LEAST_MET = 64, 12, 0.05
# Rows that are drawn at a time; how often those are drawn again that hold what never is.
N_DRAWN, N_AGAIN = 2000, 4


class ColumnFacts(NamedTuple):
    """What has to be known of a column of the table.

    Attributes
    ----------
    n_levels : int or None
        None: it holds numbers.
    is_ordered : bool
    seen : ndarray of bool of shape (n_levels,) or None
        Which levels rows of the fit hold.
    is_identifier : bool
        Whether nearly all cells differ.
    owner : int or None
        The column of whose cells it says whether they are missing.
    unit : hashable
        Numbers of the same unit can be compared, once `origin` is added to each.
    origin : float
    step : float or None
        What all numbers are multiples of, where that is known.
    calendar : Calendar or None
        Of dates.
    """

    n_levels: int | None = None
    is_ordered: bool = False
    seen: Any = None
    is_identifier: bool = False
    owner: int | None = None
    unit: Any = None
    origin: float = 0.0
    step: float | None = None
    calendar: Any = None


def facts_of(design):
    """Return the `ColumnFacts` of all features of a `Design`, in their order."""
    facts = [ColumnFacts()] * design.n_features
    first: dict = {}
    readers = design.numeric.readers or ()
    for feature, reader in zip(design.numeric.features, readers, strict=False):
        if reader.unit_of_cells is not None:
            # Differences of large numbers and times, as float64 does not hold these.
            start = first.setdefault(reader.unit_of_cells, reader.first)
            calendar = None
            if reader.kind == "date":
                unit, _ = np.datetime_data(reader.unit)
                calendar = Calendar(unit, reader.first, reader.zone, reader.least_step)
            facts[feature] = ColumnFacts(
                unit=reader.unit_of_cells,
                origin=float(reader.first - start),
                step=reader.least_step,
                calendar=calendar,
            )
    for block in design.blocks[1:]:
        parts = block.seen.split(block.n_levels.tolist())
        ordered = isinstance(block, OrderedBlock)
        for feature, seen, unique in zip(
            block.features, parts, block.identifiers, strict=True
        ):
            facts[feature] = ColumnFacts(len(seen), ordered, seen.numpy(), bool(unique))
    for feature, owner in enumerate(design.absent_columns.tolist(), design.n_columns):
        facts[feature] = facts[feature]._replace(owner=owner)
    return facts


class Conditionals:
    """p(column | any other columns) of a table, and rows drawn from it.

    ``p(x) = prod_j p(x_j | x_1, ..., x_{j - 1})`` holds in every order of the columns, so
    that networks that give each factor for all orders can draw a row from nothing, the rest
    of a row from any part of it, and what is missing from what is there. They start at the
    conditional normal distributions of the columns' normal scores, and leave them where
    held-out rows are better for it.

    Attributes
    ----------
    losses : list of float
        Mean negative log-likelihood of the variables that were hidden, of held-out rows, in
        nats: at the start, and as training went on.
    n_steps : int
    interrupted : bool

    References
    ----------
    Uria, Murray & Larochelle, A Deep and Tractable Density Estimator, 2014; Hoogeboom et
    al., Autoregressive Diffusion Models, 2022, whose bound is the mean over all orders.
    """

    def fit(self, values, columns, weights=None, max_steps=None, seed=0, least_rows=1):
        """Learn from rows.

        Parameters
        ----------
        values : ndarray of float64 of shape (n, n_columns)
            Numbers, and the numbers of levels; NaN where missing.
        columns : sequence of ColumnFacts
        weights : ndarray of shape (n,) or None
        max_steps : int or None
        seed : int
        least_rows : int, default=1
            Rows that every value which is kept is of, or a mean of.
        """
        self.variables = variables = Variables(values, columns, weights, least_rows)
        weights = np.ones(len(values)) if weights is None else weights / weights.mean()
        visibility = Visibility(variables)
        self.losses, self.n_steps, self.interrupted = [], 0, False
        self.networks = self.base = None
        if not variables.n_variables:  # no cell is there
            return self
        with threads_for(0):
            fitted = fit_networks(variables, visibility, values, weights, max_steps, seed)
        training = fitted.training
        self.networks, self.base = fitted.networks, fitted.base
        self.losses, self.n_steps = training.losses, training.n_steps
        self.interrupted = training.interrupted
        return self

    def _drawer(self, ranges=None, settles=True):
        return Drawer(self.variables, self.base, self.networks, ranges, settles)

    # ------------------------------------------------------------------ cells

    def expect(self, values):
        """Return rows with hidden cells as expected: means, and the likeliest levels.

        Parameters
        ----------
        values : ndarray of float64 of shape (n, n_columns)
            NaN where hidden.
        """
        with threads_for(0):
            expecter = Expecter(self.variables, self.base, self.networks)
            filled = expecter.expect(State(self.variables, values))
        for column, (cells, proportions) in self.variables.alone.items():
            hidden = np.isnan(values[:, column])
            filled[hidden, column] = cells[proportions.argmax()]
        return filled

    def draw(self, values, rng):
        """Return rows with hidden cells drawn, given those that are there."""
        drawer, state = self._drawer(), State(self.variables, values)
        with threads_for(0):
            drawer.settle(state, rng)
            for column in drawer.order(rng, state.given):
                rows = state.hidden_rows(column)
                if len(rows):
                    drawer.draw(state, rows, column, rng)
            drawer.ruling.tell_again(state.values, ~np.isnan(values))
        self._draw_alone(state, rng)
        return state.values

    def _draw_alone(self, state, rng):
        for column, (cells, proportions) in self.variables.alone.items():
            rows = state.hidden_rows(column)
            state.values[rows, column] = rng.choice(cells, len(rows), p=proportions)

    # ------------------------------------------------------------------ rows

    def sample(self, n, rng, *, fixed=None, ranges=None, missing=False, alike=False):
        """Draw rows.

        Parameters
        ----------
        n : int
        rng : numpy.random.RandomState
        fixed : ndarray of float64 of shape (n, n_columns), default=None
            Cells that are given; NaN where they are not.
        ranges : dict of int to tuple (low, high), or ndarray of bool of levels, default=None
            What may be drawn, by column.
        missing : bool, default=False
            Whether cells are missing, as they are in the table.
        alike : bool, default=False
            Whether the same is given in all rows, so that it can be told whether it may be.

        Returns
        -------
        values : ndarray of float64 of shape (n, n_columns)
        log_p : ndarray of shape (n,)
            Of what `ranges` allow; -inf where ties rule out what is given.
        """
        values = np.full((n, self.variables.n_columns), np.nan)
        if fixed is not None:
            values[:] = fixed
        parts = [
            self._sample_part(
                values[first : first + N_DRAWN], rng, ranges or {}, missing, alike
            )
            for first in range(0, n, N_DRAWN)
        ]
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))

    def _sample_part(self, values, rng, ranges, missing, alike):
        """Draw rows; of ranges of what follows from others, such as a total, those that meet them.

        With a total drawn first, one of its parts would be what the others leave of it,
        whatever cells that part has.
        """
        told = {
            c: ends
            for c, ends in ranges.items()
            if c in self.variables.relations.following and isinstance(ends, tuple)
        }
        left, log_p = np.arange(len(values)), np.full(len(values), np.nan)
        others = {c: asked for c, asked in ranges.items() if c not in told}
        drawn, n_tried, n_met = values.copy(), 0, 0
        for _ in range(N_ROUNDS if told else 0):
            each = np.repeat(left, -(-N_TRIED // len(left)))
            rows, own = self._draw_part(values[each], rng, others, missing, alike)
            ends = [(rows[:, [c]], *told[c]) for c in told]
            meets = np.hstack([(low <= x) & (x <= high) for x, low, high in ends]).all(
                axis=1
            )
            n_tried, n_met = n_tried + len(each), n_met + meets.sum()
            met, at = np.unique(each[meets], return_index=True)
            drawn[met], log_p[met] = rows[meets][at], own[meets][at]
            left = np.setdiff1d(left, met)
            if not len(left) or n_met < LEAST_MET * n_tried:
                break
        log_p += np.log(max(n_met, 1) / max(n_tried, 1))
        if len(left):
            drawn[left], log_p[left] = self._draw_part(
                values[left], rng, ranges, missing, alike
            )
        return drawn, log_p

    def _draw_part(self, values, rng, ranges, missing, alike):
        # Where cells may be missing, that is drawn first.
        drawer, n = self._drawer(ranges, not missing), len(values)
        given = ~np.isnan(values)
        with threads_for(0):
            state = State(self.variables, values)
            if missing:
                depends = bool(ranges) or not np.isnan(values).all()
                self._draw_patterns(state, rng, depends, ranges)
                missing = depends
            state, log_p = self._meet(state, ranges, rng, drawer, alike)
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
        self._draw_alone(state, rng)
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

    def _meet(self, state, ranges, rng, drawer, alike):
        """Return the state with columns drawn within their ranges, and log p of these."""
        n = len(state)
        log_p = drawer.log_possible(state)[:, None] if alike else np.zeros((n, 1))
        columns = self._asked(state, ranges, alike)
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

    def _asked(self, state, ranges, alike):
        """Return the columns that are drawn first, those tied to two that are given among them.

        Of start and end the duration has to be drawn, of which both say what it may be.
        """
        variables, given = self.variables, set(ranges)
        if alike and len(state):
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
