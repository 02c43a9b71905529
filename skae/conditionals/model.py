"""Every column of a table given any others: what rows are drawn and filled by."""

from typing import Any, NamedTuple

import numpy as np

from skae.conditionals.drawing import Drawer
from skae.conditionals.expecting import Expecter
from skae.conditionals.relations.lookups import Calendar
from skae.conditionals.sampling import RowSampler, draw_alone
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
# Rows that are drawn at a time.
N_DRAWN = 2000


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
        drawer = Drawer(self.variables, self.base, self.networks)
        state = State(self.variables, values)
        with threads_for(0):
            drawer.settle(state, rng)
            for column in drawer.order(rng, state.given):
                rows = state.hidden_rows(column)
                if len(rows):
                    drawer.draw(state, rows, column, rng)
            drawer.ruling.tell_again(state.values, ~np.isnan(values))
        draw_alone(state, rng)
        return state.values

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
        sampler = RowSampler(self.variables, self.base, self.networks, missing, alike)
        parts = [
            sampler.draw(values[first : first + N_DRAWN], rng, ranges or {})
            for first in range(0, n, N_DRAWN)
        ]
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))
