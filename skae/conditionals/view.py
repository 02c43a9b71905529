"""What the networks say of rows, and what levels, ties and constants leave of that."""

import numpy as np
import torch

from skae.conditionals.seen import given_by_row

# Rows that are worked on at a time, more or less: cells of the design.
BLOCK_CELLS = 500_000
# Patterns of visible variables that are worked on one by one.
MAX_LOOPS = 16


class View:
    """Rows as conditional networks see them.

    Parameters
    ----------
    variables : Variables
    base : Gaussian or Mixture
    networks : ConditionalNetworks
    """

    def __init__(self, variables, base, networks):
        self.variables, self.base, self.networks = variables, base, networks

    @torch.no_grad()
    def look(self, state, rows):
        """Return the networks' hidden layer for some rows, and their normal distribution."""
        at = torch.from_numpy(rows)
        x, visible = state.x[at], state.visible[at]
        patterns, own = torch.unique(visible, dim=0, return_inverse=True)
        if len(patterns) > MAX_LOOPS:
            shown = patterns[:, self.networks.owner]
            mean, spread = given_by_row(self.base, x, shown, own)
        else:
            mean, spread = torch.empty_like(x), torch.empty_like(x)
            for k, pattern in enumerate(patterns):
                alike, shown = own == k, pattern[None, self.networks.owner]
                of_rows = self.base.given(x[alike][None], shown)
                mean[alike], spread[alike] = (part.squeeze(0) for part in of_rows)
        return self.networks.hidden(x, visible, mean, spread), mean, spread

    def constant(self, state, rows, column, cells):
        """Return the cells of a column of numbers, constant where a level makes them so."""
        for rule in self.variables.constants:
            if rule.column == column:
                here = state.values[rows, rule.level_column] == rule.level
                cells = np.where(here, rule.value, cells)
        return cells

    def solved(self, values, column, tie, total):
        """Return the cells that make the sums of a tie, within the range of their column."""
        cells = tie.solve(values, column, total)
        return cells.clip(*View.limits_of(self, column))

    def tell_again(self, values, given):
        """Have formulas hold exactly, where cells that they gave were rounded afterwards.

        Parameters
        ----------
        values : ndarray of shape (n, n_columns)
            Changed in place.
        given : ndarray of bool of shape (n, n_columns)
            Cells that stay what they are.
        """
        for formula in self.variables.formulas:
            last = formula.columns[-1]
            cells, (low, high) = formula.solve(values, last), self.limits_of(last)
            changed = ~given[:, last] & ~np.isnan(values[:, last])
            changed &= (low <= cells) & (cells <= high)
            values[changed, last] = cells[changed]

    def limits_of(self, column):
        """Return between what the cells of a ranked column lie."""
        return self.variables.ranks[self.variables.of_column[column]].limits

    def possible(self, state, rows, k, column):
        """Return the levels that rows of fit hold, and hold beside those that are visible."""
        variables = self.variables
        possible = np.tile(variables.seen[k], (len(rows), 1))
        both = possible.copy()
        for rule in variables.constants:
            if rule.level_column == column:
                cells = state.values[rows, rule.column]
                both[~np.isnan(cells) & (cells != rule.value), rule.level] = False
        # A number that no level has leaves all of them.
        possible = np.where(both.any(axis=1, keepdims=True), both, possible)
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


def blocks_of(rows, width):
    size = max(1, BLOCK_CELLS // (4 * width + 256))
    for first in range(0, len(rows), size):
        yield rows[first : first + size]
