"""A table's columns as variables: ranked ones and levels, ties between them, holes in them."""

import numpy as np
import torch
from scipy.special import ndtri

from skae.conditionals.ranks import Ranks
from skae.conditionals.relations.relations import Relations

# Probability that missing cells of a column are told to depend on others by chance.
MOST_CHANCE = 0.01
TINY = 1e-6


class Variables:
    """What is drawn of a row, and in which numbers a network sees it.

    In this order: columns of numbers and ordered categories, as normal scores; ties, sums
    of columns that vary little, as normal scores; categories; for every column with missing
    cells whether the cell is missing; and whether cells are the same that often are.

    Parameters
    ----------
    values : ndarray of float64 of shape (n, n_columns)
        Numbers, and the numbers of levels; NaN where missing.
    columns : sequence of ColumnFacts
    weights : ndarray of shape (n,) or None
    least_rows : int, default=1
        Rows that every value which is kept is of, or a mean of.

    Attributes
    ----------
    ranked, level, holed : ndarray of int
        The table's columns that are such variables; of those `with_holes` only `holed` ones,
        whose missing cells depend on other columns.
    absence_of : dict of int to int
        Of columns whose missing cells are a level, the one that says which are missing.
    alone : dict of int to tuple (cells, proportions)
        Columns that tell nothing of others, such as names: the cells of each.
    ordered : set of int
        The ranked columns that hold levels.
    ranks : list of Ranks
        Of ranked columns, then of ties.
    relations : Relations
    patterns, pattern_weights : ndarray of shape (n_patterns, n_with_holes), (n_patterns,)
        Which cells are missing together, and in what proportion of the rows.
    widths : ndarray of int of shape (n_variables,)
        In how many numbers a network sees each variable.
    sizes : ndarray of int of shape (n_level_variables,)
        Levels of categories and holes.
    """

    def __init__(self, values, columns, weights=None, least_rows=1):
        self.least_rows = least_rows
        there = ~np.isnan(values)
        n_there = there.sum(axis=0)
        is_level = np.array([column.n_levels is not None for column in columns])
        ordered = np.array([column.is_ordered for column in columns])
        alone = np.array([column.is_identifier for column in columns])
        self.absence_of = {
            column.owner: i for i, column in enumerate(columns) if column.owner is not None
        }
        unknown = (n_there > 0) & ~there.all(axis=0)
        unknown[[*self.absence_of, *self.absence_of.values()]] = False
        self.with_holes = np.flatnonzero(unknown)
        self._learn_alone(values, np.flatnonzero(alone & (n_there > 0)), weights)
        known = (n_there > 0) & ~alone
        self.n_columns = len(columns)
        self.ranked = np.flatnonzero(known & (~is_level | ordered))
        self.level = np.flatnonzero(known & is_level & ~ordered)
        self.ordered = set(np.flatnonzero(known & is_level & ordered).tolist())
        numbers = np.flatnonzero(known & ~is_level)
        self.relations = Relations.find(
            values, numbers, self.level, sorted(self.ordered), columns, least_rows
        )
        self._learn_ranks(values, columns, weights)
        self._learn_holes(values, weights)
        self._learn_levels(values, columns, weights)
        self._place()

    def _learn_alone(self, values, columns, weights):
        self.alone = {}
        for column in columns.tolist():
            there = ~np.isnan(values[:, column])
            cells, place = np.unique(values[there, column], return_inverse=True)
            own = None if weights is None else weights[there]
            counts = np.bincount(place.ravel(), own)
            self.alone[column] = cells, counts / counts.sum()

    def _learn_ranks(self, values, facts, weights):
        columns = [*values[:, self.ranked].T, *self._ties_of(values).T]
        grids = [(facts[i].step, facts[i].calendar) for i in self.ranked]
        grids += [(None, None)] * len(self.relations.ties)
        self.ranks = []
        for k, column in enumerate(columns):
            there = ~np.isnan(column)
            own = None if weights is None else weights[there]
            is_level = k < len(self.ranked) and int(self.ranked[k]) in self.ordered
            self.ranks.append(
                Ranks(column[there], own, is_level, self.least_rows, *grids[k])
            )

    def _learn_levels(self, values, columns, weights):
        self.seen = [columns[i].seen for i in self.level]
        n_binary = len(self.holed) + len(self.relations.equals)
        self.sizes = np.array(
            [columns[i].n_levels for i in self.level] + [2] * n_binary, dtype=int
        )
        codes = self._codes_of(values)
        self.proportions = []
        for column, size in zip(codes.T, self.sizes, strict=True):
            there = column >= 0
            own = None if weights is None else weights[there]
            counts = np.bincount(column[there], own, minlength=size) + 0.5
            self.proportions.append(counts / counts.sum())

    def _learn_holes(self, values, weights):
        holes = np.isnan(values[:, self.with_holes])
        patterns, place = np.unique(holes, axis=0, return_inverse=True)
        counts = np.bincount(place.ravel(), weights)
        self.patterns, self.pattern_weights = patterns, counts / counts.sum()
        self.holed = np.array(
            [
                column
                for column, is_hole in zip(self.with_holes, holes.T, strict=True)
                if column not in self.alone and self._is_telling(is_hole, column, values)
            ],
            dtype=int,
        )

    def _is_telling(self, is_hole, column, values):
        """Return whether cells of other columns depend on whether a cell is missing.

        If not, the indicator would be noise to learn from. The test is of normal scores'
        and levels' correlations, for as many as there are.
        """
        n_tests, largest = 0, 0.0
        for other in (*self.ranked, *self.level):
            cells = values[:, other]
            there = ~np.isnan(cells)
            if other == column or is_hole[there].all() or not is_hole[there].any():
                continue
            own, hole = cells[there], is_hole[there] - is_hole[there].mean()
            if other in self.level:
                xs = (own == level for level in np.unique(own))
            else:
                ranked = int(np.flatnonzero(self.ranked == other)[0])
                xs = (self.ranks[ranked].score(own),)
            for x in xs:
                x = x - np.mean(x)
                size = np.sqrt(np.square(x).sum() * np.square(hole).sum())
                n_tests += 1
                if size > 0:
                    largest = max(largest, abs(x @ hole) / size * np.sqrt(len(hole)))
        return n_tests > 0 and largest > ndtri(1.0 - 0.5 * MOST_CHANCE / n_tests)

    def _place(self):
        self.n_ranked = len(self.ranks)
        self.n_variables = self.n_ranked + len(self.sizes)
        self.widths = np.append(np.ones(self.n_ranked, dtype=int), self.sizes)
        ends = np.cumsum(self.widths)
        self.slots = [slice(e - w, e) for e, w in zip(ends, self.widths, strict=True)]
        self.width = int(ends[-1]) if len(ends) else 0
        self.owner = torch.repeat_interleave(torch.from_numpy(self.widths))
        n_levels = self.n_ranked + len(self.level)
        self.of_column = {int(c): v for v, c in enumerate(self.ranked)}
        self.of_column |= {int(c): self.n_ranked + k for k, c in enumerate(self.level)}
        self.hole_of = {int(c): n_levels + k for k, c in enumerate(self.holed)}
        self.equal_variables = {
            n_levels + len(self.holed) + k: equal
            for k, equal in enumerate(self.relations.equals)
        }
        self.tie_variables = {
            len(self.ranked) + k: tie for k, tie in enumerate(self.relations.ties)
        }

    def tellers(self, values, column, given):
        """Yield the ties that tell cells of a column, the most exact ones first.

        But first those of what is given: of a total that is, parts are to be the parts.

        Parameters
        ----------
        values : ndarray of shape (n, n_columns)
        column : int
        given : ndarray of bool of shape (n, n_columns)

        Yields
        ------
        variable : int
        tie : Tie or Formula
        rows : ndarray of int
            Those whose cells it tells, and none before it did.
        """
        own = [pair for pair in self.tie_variables.items() if column in pair[1].columns]
        own.sort(key=lambda pair: pair[1].doubt(column))
        left = np.ones(len(values), dtype=bool)
        for by_given in (True, False):
            for variable, tie in own:
                tells = left & tie.tells(values, column)
                if by_given:
                    tells &= given[:, tie.columns].any(axis=1)
                if tells.any():
                    left &= ~tells
                    yield variable, tie, np.flatnonzero(tells)

    @property
    def are_amounts(self):
        """Which ranked variables vary, and are no levels, ndarray of bool of shape (n_ranked,)."""
        columns = [*self.ranked.tolist(), *[None] * len(self.relations.ties)]
        return np.array(
            [
                column not in self.ordered and len(ranks.points) > 1
                for column, ranks in zip(columns, self.ranks, strict=True)
            ],
            dtype=bool,
        )

    def seen_level(self, column):
        """Return which levels of a column of categories rows of the fit hold."""
        return self.seen[self.of_column[column] - self.n_ranked]

    @property
    def drawn(self):
        """The table's columns that can be drawn, list of int."""
        return sorted(self.of_column)

    def _ties_of(self, values):
        sums = [tie.total(values) for tie in self.relations.ties]
        return np.column_stack(sums) if sums else np.empty((len(values), 0))

    def _codes_of(self, values):
        """Return the numbers of levels of categories and holes, -1 where unknown."""
        levels = np.nan_to_num(values[:, self.level], nan=-1.0).astype(int)
        holes = np.isnan(values[:, self.holed]).astype(int)
        equals = [equal.codes(values)[:, None] for equal in self.relations.equals]
        return np.hstack([levels, holes, *equals])

    # ------------------------------------------------------------------ rows

    def encode(self, values):
        """Return rows as a network sees them, and which variables are known.

        Returns
        -------
        x : ndarray of float64 of shape (n, width)
            0 where unknown.
        known : ndarray of bool of shape (n, n_variables)
        """
        x = np.zeros((len(values), self.width))
        ranked = np.hstack([values[:, self.ranked], self._ties_of(values)])
        known = np.empty((len(values), self.n_variables), dtype=bool)
        known[:, : self.n_ranked] = ~np.isnan(ranked)
        for variable in range(self.n_ranked):
            x[:, variable] = self.score(variable, ranked[:, variable])
        codes = self._codes_of(values)
        known[:, self.n_ranked :] = codes >= 0
        for k in range(len(self.sizes)):
            x[:, self.slots[self.n_ranked + k]] = self.indicate(k, codes[:, k])
        return x, known

    def score(self, variable, numbers):
        """Return the normal scores of a ranked variable, 0 where it is unknown."""
        there = ~np.isnan(numbers)
        scores = self.ranks[variable].score(np.where(there, numbers, 0.0))
        return np.where(there, scores, 0.0)

    def indicate(self, k, codes):
        """Return centred indicators of a variable of levels, 0 where it is unknown."""
        p = self.proportions[k]
        x = (codes[:, None] == np.arange(len(p))) - p
        x /= np.sqrt(max(1.0 - np.square(p).sum(), TINY))
        return np.where(codes[:, None] >= 0, x, 0.0)

    @property
    def indicators(self):
        """Which numbers of a row indicate levels, and their proportions and units."""
        is_level = np.repeat([False, True], [self.n_ranked, self.width - self.n_ranked])
        p = np.concatenate([np.ones(self.n_ranked), *self.proportions])
        units = [np.sqrt(max(1.0 - np.square(own).sum(), TINY)) for own in self.proportions]
        return is_level, p, np.append(np.ones(self.n_ranked), np.repeat(units, self.sizes))

    def targets(self, values):
        """Return what the networks' distributions are compared with.

        Returns
        -------
        low, high : ndarray of shape (n, n_ranked)
            Scores between which ranked variables lie.
        codes : ndarray of int of shape (n, n_level_variables)
            -1 where unknown.
        """
        ranked = np.hstack([values[:, self.ranked], self._ties_of(values)])
        low, high = np.zeros_like(ranked), np.ones_like(ranked)
        for variable, ranks in enumerate(self.ranks):
            there = ~np.isnan(ranked[:, variable])
            ends = ranks.intervals(ranked[there, variable])
            low[there, variable], high[there, variable] = ends
        return low, high, self._codes_of(values)
