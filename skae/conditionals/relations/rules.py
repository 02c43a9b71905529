"""What one level rules: levels within levels, and numbers that are constant beside it."""

from dataclasses import dataclass, replace

import numpy as np

from skae.conditionals.relations.ties import LEAST_ROWS, MAX_COLUMNS

# Probability of a rule to hold by chance.
MOST_CHANCE = 1e-6


@dataclass(frozen=True)
class Hierarchy:
    """Levels within levels: every level of one column goes with a single one of another.

    Attributes
    ----------
    child, parent : int
        Columns of levels.
    parent_of : ndarray of int of shape (n_levels of child,)
        -1 for levels of the child that no row holds.
    """

    child: int
    parent: int
    parent_of: np.ndarray

    def among(self, columns):
        """Return the same, the columns numbered as in a table of which these are `columns`."""
        return replace(
            self, child=int(columns[self.child]), parent=int(columns[self.parent])
        )

    def allowed(self, column, level, n_levels):
        """Return the levels that `column` can have beside those of the other, (n, n_levels)."""
        if column == self.parent:
            own = self.parent_of[level][:, None]
            return (own == np.arange(n_levels)) | (own < 0)
        return (self.parent_of == level[:, None]) | (self.parent_of < 0)


def find_hierarchies(levels, n_levels):
    """Return the `Hierarchy`s among columns of levels, list.

    Parameters
    ----------
    levels : ndarray of int of shape (n, n_columns)
        -1 where missing.
    n_levels : sequence of int
    """
    found = []
    for child, n_children in enumerate(n_levels[:MAX_COLUMNS]):
        for parent, n_parents in enumerate(n_levels[:MAX_COLUMNS]):
            if parent == child or n_parents > n_children:
                continue
            there = (levels[:, child] >= 0) & (levels[:, parent] >= 0)
            pairs = levels[there, child] * n_parents + levels[there, parent]
            counts = np.bincount(pairs, minlength=n_children * n_parents)
            counts = counts.reshape(n_children, n_parents)
            if _is_nested(counts) and not (n_children == n_parents and child > parent):
                totals = counts.sum(axis=1)
                parent_of = np.where(totals > 0, counts.argmax(axis=1), -1)
                found.append(Hierarchy(child, parent, parent_of))
    return found


def _is_nested(counts):
    """Return whether rows tell that a child has one parent only, and more than chance does."""
    of_children = counts.sum(axis=1)
    if of_children.sum() < LEAST_ROWS or not np.all((counts > 0).sum(axis=1) <= 1):
        return False
    proportions = counts.sum(axis=0) / counts.sum()
    # Rows beyond the first of each child could have shown another parent.
    more = np.maximum(of_children - 1, 0) @ (counts > 0) if len(counts) else 0.0
    chance = float((more * np.log(np.maximum(proportions, 1e-12))).sum())
    return (proportions > 0).sum() > 1 and chance < np.log(MOST_CHANCE)


@dataclass(frozen=True)
class Constant:
    """A number that is always the same beside one level: no tip where the fare is paid cash.

    Attributes
    ----------
    level_column, level, column : int
    value : float
    """

    level_column: int
    level: int
    column: int
    value: float


def find_constants(values, level_columns, columns):
    """Return the `Constant`s of a table, list.

    A level that enough rows hold shows one by itself. A rare one has one where all levels of
    its column have, as names of grades have beside their numbers.

    Parameters
    ----------
    values : ndarray of float64 of shape (n, n_columns)
        Numbers, and the numbers of levels; NaN where missing.
    level_columns, columns : sequence of int
    """
    found = []
    for level_column in level_columns[:MAX_COLUMNS]:
        for column in columns[:MAX_COLUMNS]:
            there = ~np.isnan(values[:, [level_column, column]]).any(axis=1)
            levels, cells = values[there, level_column].astype(int), values[there, column]
            if len(cells):
                found += [
                    Constant(int(level_column), int(level), int(column), float(value))
                    for level, value in _constants(levels, cells)
                ]
    return found


def _constants(levels, cells):
    """Return the levels beside which there is one number only, and these, list of pairs."""
    order = np.argsort(levels, kind="stable")
    names, first, counts = np.unique(levels[order], return_index=True, return_counts=True)
    low = np.minimum.reduceat(cells[order], first)
    is_constant = low == np.maximum.reduceat(cells[order], first)
    known, place, rows = np.unique(cells, return_inverse=True, return_counts=True)
    if len(known) < 2 or not is_constant.any():
        return []
    proportion = rows[place] / len(cells)
    chance = np.log(proportion[order][first])
    own = (counts >= LEAST_ROWS) & (counts * chance < np.log(MOST_CHANCE))
    # Rows beyond the first of each level could have shown another number.
    of_all = float((counts - 1) @ chance)
    if is_constant.all() and len(cells) >= LEAST_ROWS and of_all < np.log(MOST_CHANCE):
        own[:] = True
    at = np.flatnonzero(is_constant & own)
    return list(zip(names[at], low[at], strict=True))
