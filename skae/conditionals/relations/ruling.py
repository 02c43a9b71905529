"""What relations leave of the cells of a row, whatever networks say of it."""

import numpy as np

from skae.conditionals.relations.formulas import Formula

# How far dates are moved to go with a year, a month or a day of the week.
MOST_DAYS = 800


class Ruling:
    """Which cells can be beside others.

    Parameters
    ----------
    variables : Variables
    asked : dict of int to tuple (low, high) or ndarray of bool
        Between what numbers of columns are to lie, and which levels they are to have, where
        that is asked for.
    """

    def __init__(self, variables, asked):
        self.variables, self.asked = variables, asked
        self.limits = {c: ends for c, ends in asked.items() if isinstance(ends, tuple)}

    def limits_of(self, column):
        """Return between what the cells of a ranked column are to lie."""
        variables = self.variables
        own = variables.ranks[variables.of_column[column]].limits
        asked = self.limits.get(column, (-np.inf, np.inf))
        return max(own[0], asked[0]), min(own[1], asked[1])

    def are_broken(self, values):
        """Return which rows hold cells that are never beside each other, (n,).

        Parameters
        ----------
        values : ndarray of shape (n, n_columns)
            NaN where missing.
        """
        variables, broken = self.variables, np.zeros(len(values), dtype=bool)
        for variable, tie in variables.tie_variables.items():
            broken |= tie.is_broken(values, variables.ranks[variable].limits)
        relations = variables.relations
        for rule in (relations.orders, *relations.lookups, *relations.extremes):
            broken |= rule.are_broken(values)
        return broken

    # ------------------------------------------------------------------ what is told

    def constant(self, values, column, cells):
        """Return the cells of a column of numbers, constant where a level makes them so."""
        for rule in self.variables.relations.constants:
            if rule.column == column:
                here = values[:, rule.level_column] == rule.level
                cells = np.where(here, rule.value, cells)
        return cells

    def solved(self, values, column, tie, total):
        """Return the cells that a tie tells: of sums within the range of their column."""
        cells = tie.solve(values, column, total)
        if isinstance(tie, Formula):
            return cells
        return cells.clip(*self.variables.ranks[self.variables.of_column[column]].limits)

    def looked_up(self, values, column):
        """Return the cells of a column that others tell by an extreme or a lookup, NaN where none do, (n,)."""
        told = np.full(len(values), np.nan)
        for extreme in self.variables.relations.extremes:
            if column in extreme.columns:
                told = np.fmax(told, extreme.told(values, column))
        for lookup in self.variables.relations.lookups:
            if lookup.column == column:
                own = lookup.told(values[:, lookup.source])
                told = np.where(np.isnan(told), own, told)
        return told

    def moved(self, values, column):
        """Return the nearest dates that go with the parts that are given, as a month, (n,).

        Parameters
        ----------
        values : ndarray of shape (n, n_columns)
            Rows with dates; of those that go with no other cells they are moved by up to
            `MOST_DAYS`, and by hours of a day. What then is none stays as it is.
        column : int
            Of dates.
        """
        lookups = [
            lookup
            for lookup in self.variables.relations.lookups
            if lookup.source == column and lookup.part is not None
        ]
        cells = values[:, column].copy()
        ranks = self.variables.ranks[self.variables.of_column[column]]
        # First to the day, then to the hour, of which none is to take it to another day.
        for is_hour, most, at in ((False, MOST_DAYS, 0), (True, 23, 1)):
            own = [rule for rule in lookups if is_hour or rule.part != "hour"]
            if not own:
                continue
            step = own[0].calendar.steps[at]
            rows = np.flatnonzero(self._any_broken(own, values, cells))
            low, high = self.limits_of(column)
            for n in range(1, most + 1):
                for sign in (1.0, -1.0):
                    if not len(rows):
                        break
                    tried = cells[rows] + sign * n * step
                    fits = (low <= tried) & (tried <= high)
                    fits &= ranks.rounded(tried) == tried
                    fits &= ~self._any_broken(own, values[rows], tried)
                    cells[rows[fits]] = tried[fits]
                    rows = rows[~fits]
        return cells

    @staticmethod
    def _any_broken(lookups, values, cells):
        """Return which rows would not go with what is looked up, by other cells of the source."""
        values = values.copy()
        values[:, lookups[0].source] = cells
        return np.any([lookup.are_broken(values) for lookup in lookups], axis=0)

    def tell_again(self, values, given):
        """Have formulas and lookups hold, where cells were rounded that they gave or took.

        Parameters
        ----------
        values : ndarray of shape (n, n_columns)
            Changed in place.
        given : ndarray of bool of shape (n, n_columns)
            Cells that stay what they are.
        """
        relations = self.variables.relations
        told = {rule.columns[-1]: self.looked_up for rule in relations.extremes}
        told |= {formula.columns[-1]: formula.solve for formula in relations.formulas}
        told |= {lookup.column: self.looked_up for lookup in relations.lookups}
        for column in relations.in_order(told):
            tell = told[column]
            cells = tell(values, column)
            changed = ~given[:, column] & ~np.isnan(values[:, column]) & ~np.isnan(cells)
            changed[changed] = self._is_asked(column, cells[changed])
            rows = np.flatnonzero(changed)
            again = values[rows]
            again[:, column] = cells[rows]
            # What is given of a sum rules over what its parts are told by.
            stays = given[rows]
            stays[:, column] = True
            now, before = (self._n_inexact(v, stays) for v in (again, values[rows]))
            rows = rows[now < before + (tell == self.looked_up)]
            values[rows, column] = cells[rows]

    def _n_inexact(self, values, stays):
        """Return how many formulas rows do not hold exactly, of cells that stay, (n,)."""
        inexact = np.zeros(len(values), dtype=int)
        for tie in self.variables.relations.ties:
            if isinstance(tie, Formula):
                off = ~(tie.is_exact(values) | np.isnan(tie.total(values)))
                inexact += off & stays[:, tie.columns[-1]]
        return inexact

    def _is_asked(self, column, cells):
        """Return which cells of a column may be, if any were asked for."""
        asked = self.asked.get(column, (-np.inf, np.inf))
        if isinstance(asked, tuple):
            return (asked[0] <= cells) & (cells <= asked[1])
        return asked[cells.astype(int)]

    # ------------------------------------------------------------------ what is possible

    def bounds(self, values, column, of_ties=True):
        """Return between what cells of a ranked column may lie, by what is there of others.

        Parameters
        ----------
        values : ndarray of shape (n, n_columns)
            NaN where not there.
        column : int
        of_ties : bool, default=True
            Whether by tied columns, too.

        Returns
        -------
        low, high : ndarray of shape (n,)
        """
        variables = self.variables
        low, high = self._bounds_alone(values, column)
        tied = sorted(set().union(*(t for t in variables.relations.tied if column in t)))
        if of_ties and tied and (self.limits or not np.isnan(values[:, tied]).all()):
            return self._bounds_of_ties(values, column, tied)
        return low, high

    def _bounds_alone(self, values, column):
        """Return `bounds` by limits, orders and lookups."""
        variables = self.variables
        low, high = variables.relations.orders.bounds(values, column)
        decimals = variables.ranks[variables.of_column[column]].decimals
        ends = [self.limits_of(column)]
        ends += [
            lookup.bounds(values[:, lookup.column], decimals)
            for lookup in variables.relations.lookups
            if lookup.source == column
        ]
        for own in ends:
            low, high = np.maximum(low, own[0]), np.minimum(high, own[1])
        return low, high

    def _bounds_of_ties(self, values, column, tied):
        """Return between what a column may lie, by those that it is tied to, over ties."""
        variables, cells = self.variables, values[:, tied]
        ties = [
            (variables.ranks[variable].limits, tie, [tied.index(c) for c in tie.columns])
            for variable, tie in variables.tie_variables.items()
            if tie.columns[0] in tied
        ]
        there = ~np.isnan(cells)
        own = np.array([self._bounds_alone(values, c) for c in tied])
        lows, highs = (np.where(there, cells, end.T) for end in np.moveaxis(own, 1, 0))
        for place, c in enumerate(tied):
            ruled = self.constant(values, c, np.full(len(values), np.nan))
            ruled = np.where(there[:, place], np.nan, ruled)
            lows[:, place] = np.fmax(lows[:, place], ruled)
            highs[:, place] = np.fmin(highs[:, place], ruled)
        for _ in ties:  # what bounds a sum bounds that of which it is a part
            for limits, tie, places in ties:
                for c, place in zip(tie.columns, places, strict=True):
                    low, high = tie.column_range(
                        lows[:, places], highs[:, places], c, limits
                    )
                    hidden = ~there[:, place]
                    lows[hidden, place] = np.maximum(lows[:, place], low)[hidden]
                    highs[hidden, place] = np.minimum(highs[:, place], high)[hidden]
        at = tied.index(column)
        return lows[:, at], highs[:, at]

    def possible(self, values, k, column):
        """Return the levels that rows of fit hold, and hold beside those that are visible."""
        variables = self.variables
        possible = np.tile(variables.seen[k], (len(values), 1))
        both = possible.copy()
        for rule in variables.relations.constants:
            if rule.level_column == column:
                cells = values[:, rule.column]
                both[~np.isnan(cells) & (cells != rule.value), rule.level] = False
        # A number that no level has leaves all of them.
        possible = np.where(both.any(axis=1, keepdims=True), both, possible)
        for hierarchy in variables.relations.hierarchies:
            if column not in (hierarchy.child, hierarchy.parent):
                continue
            other = hierarchy.parent if column == hierarchy.child else hierarchy.child
            level = values[:, other]
            there = ~np.isnan(level)
            own = hierarchy.allowed(
                column, np.where(there, level, 0).astype(int), possible.shape[1]
            )
            both = possible & (own | ~there[:, None])
            possible = np.where(both.any(axis=1, keepdims=True), both, possible)
        return possible
