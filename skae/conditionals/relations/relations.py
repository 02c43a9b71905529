"""All that holds in every row of a table: `Relations`."""

from collections import Counter
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from skae.conditionals.relations.equals import find_equals
from skae.conditionals.relations.extremes import find_extremes
from skae.conditionals.relations.formula_search import find_formulas
from skae.conditionals.relations.formulas import Formula
from skae.conditionals.relations.lookups import find_lookups
from skae.conditionals.relations.orders import find_orders
from skae.conditionals.relations.rules import find_constants, find_hierarchies
from skae.conditionals.relations.ties import find_ties


class Relations(NamedTuple):
    """What holds in every row of a table.

    Attributes
    ----------
    ties : list of Tie or Formula
    orders : Orders
    extremes : list of Extreme
    equals : list of Equal
    lookups : list of Lookup
    hierarchies : list of Hierarchy
    constants : list of Constant
    numbered : list of tuple (column, level_column)
        Numbers of which every level of a column has its own.
    """

    ties: list
    orders: Any
    extremes: list
    equals: list
    lookups: list
    hierarchies: list
    constants: list
    numbered: list

    @classmethod
    def find(cls, values, numbers, levels, ordered, facts, least_rows=1):
        """Return the relations of a table.

        Parameters
        ----------
        values : ndarray of float64 of shape (n, n_columns)
            Numbers, and the numbers of levels; NaN where missing.
        numbers, levels, ordered : ndarray of int
            Columns of numbers, and of levels without an order and with one.
        facts : sequence of ColumnFacts
            Of all columns.
        least_rows : int, default=1
            Rows that every value which is kept is of.
        """
        # Times from one origin, so that minutes are simply the difference of end and start.
        origins = np.array([facts[i].origin for i in numbers])
        orders = find_orders(values, numbers, facts)
        extremes = find_extremes(values, orders)
        places = {int(column): at for at, column in enumerate(numbers)}
        known = [extreme.among(places) for extreme in extremes]
        formulas = find_formulas(values[:, numbers] + origins, known)
        are_dates = np.array([facts[i].calendar is not None for i in numbers])
        formulas = [
            formula.from_origins(origins)
            for formula in formulas
            if formula.goes_with(are_dates)
            and not (formula.is_product and origins[list(formula.columns)].any())
        ]
        ties = [*formulas, *find_ties(values[:, numbers], [*formulas, *known])]
        ties = [tie.among(numbers) for tie in ties]
        looked_up = [*levels, *ordered, *numbers]
        codes = np.nan_to_num(values[:, levels], nan=-1.0).astype(int)
        hierarchies = find_hierarchies(codes, [facts[i].n_levels for i in levels])
        constants = find_constants(values, levels, numbers)
        n_ruled = Counter((rule.column, rule.level_column) for rule in constants)
        n_seen = {int(i): np.sum(facts[i].seen) for i in levels}
        return cls(
            ties,
            orders,
            extremes,
            find_equals(values, numbers, facts, [*ties, *extremes]),
            find_lookups(
                values,
                numbers,
                looked_up,
                facts,
                [*ties, *extremes],
                set(n_ruled),
                least_rows,
            ),
            [hierarchy.among(levels) for hierarchy in hierarchies],
            constants,
            [pair for pair, n in n_ruled.items() if n == n_seen[pair[1]]],
        )

    @property
    def tied(self):
        """Columns that ties join, list of sets."""
        groups = []
        for tie in self.ties:
            joined = [group for group in groups if group & set(tie.columns)]
            groups = [group for group in groups if group not in joined]
            groups.append(set(tie.columns).union(*joined))
        return groups

    @property
    def sequences(self):
        """Columns of which each is drawn after those before it, list of tuples.

        What follows from others; and what others only bound, after these.
        """
        found = [tie.columns for tie in self.ties]
        # A band bounds its number as well; a month does not leave a range of dates.
        found += [
            (lookup.source, lookup.column)
            for lookup in self.lookups
            if lookup.part is not None
        ]
        found += [
            (source, rule.columns[-1])
            for rule in self.extremes
            for source in rule.columns[:-1]
        ]
        tied = set().union(*(tie.columns for tie in self.ties))
        first = tied.union(lookup.source for lookup in self.lookups)
        neighbors = np.isfinite(np.maximum(self.orders.gaps, self.orders.gaps.T))
        for column in sorted(first):
            others = set(np.flatnonzero(neighbors[column]).tolist()) - first
            found += [(column, other) for other in sorted(others)]
        return found

    @property
    def telling(self):
        """Columns whose cells as they are given out others follow from, set of int."""
        telling = (rule.columns[:-1] for rule in [*self.formulas, *self.extremes])
        return {lookup.source for lookup in self.lookups}.union(*telling)

    @property
    def following(self):
        """Numbers that follow from others by a formula, or are their extreme, set of int."""
        return {rule.columns[-1] for rule in [*self.formulas, *self.extremes]}

    def extremes_first(self, asked):
        """Return extremes that others than their sources tell, of which some are asked for.

        Parameters
        ----------
        asked : set of int
            Columns.
        """
        columns = {rule.columns[-1]: set(rule.columns) for rule in self.extremes}
        return [
            column
            for column, own in columns.items()
            if column not in asked
            and any(column in tied and (tied - own) & asked for tied in self.tied)
        ]

    @property
    def with_parts(self):
        """Columns of dates of which months, ... are looked up, set of int."""
        return {lookup.source for lookup in self.lookups if lookup.part is not None}

    @property
    def formulas(self):
        """The ties that are formulas, each after those that tell its columns, list."""
        first: dict = {}
        for tie in self.ties:
            first.setdefault(tie.columns[-1], tie)
        formulas = (first[column] for column in self.in_order(first))
        return [tie for tie in formulas if isinstance(tie, Formula)]

    def in_order(self, columns):
        """Return columns in an order in which those that follow from others come after these."""
        order, pairs = list(columns), []
        for sequence in self.sequences:
            pairs += pairwise([column for column in sequence if column in order])
        for _ in pairs:  # what one moves may be among the first of another
            before_this = list(order)
            for before, after in pairs:
                if order.index(after) < order.index(before):
                    order.remove(after)
                    order.insert(order.index(before) + 1, after)
            if order == before_this:
                break
        return order
