"""What relations leave of the cells of a row, whatever networks say of it."""

import numpy as np


class Ruling:
    """Which cells can be beside others.

    Parameters
    ----------
    variables : Variables
    limits : dict of int to tuple (low, high)
        Between what numbers of columns are to lie, where that is asked for.
    """

    def __init__(self, variables, limits):
        self.variables, self.limits = variables, limits

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
        for rule in (variables.orders, *variables.lookups):
            broken |= rule.are_broken(values)
        return broken

    # ------------------------------------------------------------------ what is told

    def constant(self, values, column, cells):
        """Return the cells of a column of numbers, constant where a level makes them so."""
        for rule in self.variables.constants:
            if rule.column == column:
                here = values[:, rule.level_column] == rule.level
                cells = np.where(here, rule.value, cells)
        return cells

    def solved(self, values, column, tie, total):
        """Return the cells that make the sums of a tie, within the range of their column."""
        cells = tie.solve(values, column, total)
        return cells.clip(*self.variables.ranks[self.variables.of_column[column]].limits)

    def looked_up(self, values, column):
        """Return the cells of a column that others tell by a lookup, NaN where none do, (n,)."""
        told = np.full(len(values), np.nan)
        for lookup in self.variables.lookups:
            if lookup.column == column:
                told = lookup.told(values[:, lookup.source])
        return told

    def tell_again(self, values, given):
        """Have formulas and lookups hold, where cells were rounded that they gave or took.

        Parameters
        ----------
        values : ndarray of shape (n, n_columns)
            Changed in place.
        given : ndarray of bool of shape (n, n_columns)
            Cells that stay what they are.
        """
        told = [(formula.columns[-1], formula.solve) for formula in self.variables.formulas]
        told += [(lookup.column, self.looked_up) for lookup in self.variables.lookups]
        for column, tell in told:
            cells = tell(values, column)
            changed = ~given[:, column] & ~np.isnan(values[:, column]) & ~np.isnan(cells)
            if self.variables.of_column[column] < self.variables.n_ranked:
                low, high = self.limits_of(column)
                changed &= (low <= cells) & (cells <= high)
            values[changed, column] = cells[changed]

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
        ends = [self.limits_of(column), variables.orders.bounds(values, column)]
        ends += [
            lookup.bounds(values[:, lookup.column])
            for lookup in variables.lookups
            if lookup.source == column
        ]
        low = np.broadcast_to(ends[0][0], len(values))
        high = np.broadcast_to(ends[0][1], len(values))
        for own in ends[1:]:
            low, high = np.maximum(low, own[0]), np.minimum(high, own[1])
        tied = sorted(set().union(*(t for t in variables.tied if column in t)))
        if of_ties and tied and (self.limits or not np.isnan(values[:, tied]).all()):
            own = self._bounds_of_ties(values, column, tied, (low, high))
            low, high = np.maximum(low, own[0]), np.minimum(high, own[1])
        return low, high

    def _bounds_of_ties(self, values, column, tied, ends):
        """Return between what a column may lie, by those that it is tied to, over ties."""
        variables, cells = self.variables, values[:, tied]
        ties = [
            (variables.ranks[variable].limits, tie, [tied.index(c) for c in tie.columns])
            for variable, tie in variables.tie_variables.items()
            if tie.columns[0] in tied
        ]
        there = ~np.isnan(cells)
        own = np.array([self.limits_of(c) for c in tied]).T
        lows, highs = (np.where(there, cells, end) for end in own)
        for place, c in enumerate(tied):
            ruled = self.constant(values, c, np.full(len(values), np.nan))
            ruled = np.where(there[:, place], np.nan, ruled)
            lows[:, place] = np.fmax(lows[:, place], ruled)
            highs[:, place] = np.fmin(highs[:, place], ruled)
        at = tied.index(column)
        lows[:, at] = np.where(there[:, at], lows[:, at], np.maximum(lows[:, at], ends[0]))
        highs[:, at] = np.where(
            there[:, at], highs[:, at], np.minimum(highs[:, at], ends[1])
        )
        for _ in ties:  # what bounds a sum bounds that of which it is a part
            for limits, tie, places in ties:
                for c, place in zip(tie.columns, places, strict=True):
                    low, high = tie.column_range(
                        lows[:, places], highs[:, places], c, limits
                    )
                    hidden = ~there[:, place]
                    lows[hidden, place] = np.maximum(lows[:, place], low)[hidden]
                    highs[hidden, place] = np.minimum(highs[:, place], high)[hidden]
        return lows[:, at], highs[:, at]

    def possible(self, values, k, column):
        """Return the levels that rows of fit hold, and hold beside those that are visible."""
        variables = self.variables
        possible = np.tile(variables.seen[k], (len(values), 1))
        both = possible.copy()
        for rule in variables.constants:
            if rule.level_column == column:
                cells = values[:, rule.column]
                both[~np.isnan(cells) & (cells != rule.value), rule.level] = False
        # A number that no level has leaves all of them.
        possible = np.where(both.any(axis=1, keepdims=True), both, possible)
        for hierarchy in variables.hierarchies:
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
