"""What a variable's very value says of others, as an article's number says its price.

A normal score tells a network where a value lies, not which one it is. Where values repeat,
each may go with levels and numbers of its own, as each level may.
"""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array

from skae.conditionals.network import log_expected

# Rows that a value is of, at least, and numbers that are kept for all values, about.
LEAST_ROWS, MAX_CELLS = 2, 2_000_000
# So many rows of the whole table are added to those of each value, where levels are counted.
SMOOTHING = 1.0
# Smallest variance of a number, in normal scores, given a value of another variable.
LEAST_VARIANCE = 1e-4
# Scores that differ by less are of one value.
ROUNDING = 2e-6


class Evidence(NamedTuple):
    """log p(variable | value) - log p(variable), given the value of one of the variables.

    Of a ranked variable it is ``shift x - precision x^2 / 2`` and a constant; both
    distributions are normal.

    Attributes
    ----------
    columns : tuple of int
        Where the variable whose value is given begins and ends among the numbers in which
        networks see a row.
    values : ndarray of shape (n_values,)
        Its values, as scores or the numbers of levels, ascending.
    shifts, precisions : ndarray of shape (n_values + 1, n_ranked)
        The last row is of any other value, and 0.
    log_ratios : ndarray of shape (n_values + 1, n_levels)
        Of the levels of all variables, side by side.
    """

    columns: tuple
    values: Any
    shifts: Any
    precisions: Any
    log_ratios: Any

    @classmethod
    def of(cls, source, variables, x, weights, max_values):
        """Return what rows say of all variables, given values of one that repeat.

        Parameters
        ----------
        source : int
        variables : Variables
        x : ndarray of shape (n, width)
            NaN where unknown.
        weights : ndarray of shape (n,)
        max_values : int
        """
        n_ranked, slot = variables.n_ranked, variables.slots[source]
        columns = slot.start, slot.stop
        own = _own_values(x, ~np.isnan(x), columns)
        values = np.arange(slot.stop - slot.start, dtype=float)
        if source < n_ranked:
            ranks = variables.ranks[source]
            values = ranks.score(ranks.points[ranks.repeats])
        n_rows = np.bincount(_places(values, own), minlength=len(values) + 1)[:-1]
        kept = np.argsort(-n_rows, kind="stable")[:max_values]
        kept = kept[n_rows[kept] >= max(LEAST_ROWS, variables.least_rows)]
        values = values[np.sort(kept)]
        at = _places(values, own)
        _, p, units = (part[n_ranked:] for part in variables.indicators)
        levels = x[:, n_ranked:] * units + p
        of_numbers = _of_numbers(at, x[:, :n_ranked], weights, len(values))
        parts = (*of_numbers, _of_levels(at, levels, weights, len(values), p))
        parts = (np.pad(part, ((0, 1), (0, 0))) for part in parts)
        return cls(columns, values, *parts)

    @classmethod
    def of_all(cls, variables, x, weights):
        """Return what values say of all variables with values that repeat, a list."""
        sources = [v for v, ranks in enumerate(variables.ranks) if ranks.repeats.any()]
        sources += range(variables.n_ranked, variables.n_ranked + len(variables.level))
        max_values = MAX_CELLS // max(len(sources) * x.shape[1], 1)
        return [cls.of(v, variables, x, weights, max_values) for v in sources]

    def places(self, x, visible):
        """Return which value each row has, of those that are kept; the last: none of them.

        Parameters
        ----------
        x : torch.Tensor of shape (*, width)
        visible : torch.Tensor of bool of shape (*, width)
        """
        own = _own_values(x, visible, self.columns)
        return torch.from_numpy(_places(self.values, own))


def _own_values(x, known, columns):
    """Return the values of a variable of rows, an ndarray, NaN where it is not known."""
    first, last = columns
    # Of indicators the largest is that of the row's own level.
    own = x[..., first] if last - first == 1 else x[..., first:last].argmax(-1)
    return np.where(known[..., first], own, np.nan)


def _places(values, x):
    """Return which of the values each x is; as many as there are where it is none."""
    at = np.searchsorted(values, x - ROUNDING)
    is_one = np.append(values, np.inf)[at] <= x + ROUNDING
    return np.where(is_one, at, len(values))


def _sums(places, parts, n_places):
    """Return the sums of the parts of rows of each place, of shape (n_places, n_parts)."""
    rows = np.arange(len(places))
    belongs = csr_array((np.ones(len(places)), (places, rows)), (n_places + 1, len(places)))
    return (belongs @ parts)[:-1]


def _of_levels(places, levels, weights, n_values, p):
    known = np.where(np.isnan(levels), 0.0, weights[:, None])
    counts = _sums(places, np.nan_to_num(levels) * known, n_values) + SMOOTHING * p
    return np.log(counts / ((_sums(places, known, n_values) + SMOOTHING) * p))


def _of_numbers(places, x, weights, n_values):
    """Return shifts and precisions: normal means of values, about that of all rows.

    References
    ----------
    Searle, Casella & McCulloch, Variance Components, 1992, section 3.6: the moments.
    """
    there = ~np.isnan(x) & (places < n_values)[:, None]
    known, x = there * weights[:, None], np.where(there, x, 0.0)
    n, total = _sums(places, known, n_values), known.sum(axis=0)
    all_rows = np.maximum(total, 1e-12)
    center = (known * x).sum(axis=0) / all_rows
    means = _sums(places, known * x, n_values) / np.maximum(n, 1e-12)
    away = np.where(n > 0, means - center, 0.0)
    between = (n * np.square(away)).sum(axis=0)
    within = (known * np.square(x - center)).sum(axis=0) - between
    n_groups = (n > 0).sum(axis=0)
    within = np.maximum(within / np.maximum(total - n_groups, 1.0), LEAST_VARIANCE)
    each = (total - np.square(n).sum(axis=0) / all_rows) / np.maximum(n_groups - 1, 1)
    between = between / np.maximum(n_groups - 1, 1) - within
    between = np.maximum(between, 0.0) / np.maximum(each, 1e-12)
    kept = n * between / (n * between + within)
    variances = within + between * (1.0 - kept)
    precision = 1.0 / (within + between)
    shifts = (center + kept * away) / variances - center * precision
    return shifts, 1.0 / variances - precision


class WithEvidence:
    """A distribution whose variables are told by the very values of others as well.

    ``p(x_k | visible) ~ p_base(x_k | visible) prod_j (p(x_k | x_j) / p(x_k))^w_jk`` over
    those variables j that are visible: naive Bayes with weights, from what the base says.

    Parameters
    ----------
    base : Gaussian, Mixture or Pooled
    evidence : list of Evidence
        Times the weights.
    proportions, units : ndarray of shape (n_levels,)
        A level is 1 - proportion, in its unit, where it is the row's, else -proportion.
    variable_of : ndarray of int of shape (n_levels,)
        The variables of levels, numbered from 0.

    References
    ----------
    Good, Weight of Evidence: A Brief Survey, 1985.
    """

    def __init__(self, base, evidence, proportions, units, variable_of):
        self.base, self.evidence, self.variable_of = base, evidence, variable_of
        self.proportions, self.units = proportions, units

    @classmethod
    def of(cls, base, evidence, weights, variables):
        """Return the base with evidence, weighted as `fitted_weights` has it."""
        n_ranked = variables.n_ranked
        variable_of = np.repeat(np.arange(len(variables.sizes)), variables.sizes)
        weighted = [
            Evidence(
                *own[:2],
                (own.shifts * weight[:n_ranked]).astype(np.float32),
                (own.precisions * weight[:n_ranked]).astype(np.float32),
                (own.log_ratios * weight[n_ranked:][variable_of]).astype(np.float32),
            )
            for own, weight in zip(evidence, weights, strict=True)
            if weight.any()
        ]
        _, p, units = (part[n_ranked:] for part in variables.indicators)
        return cls(base, weighted, p, units, variable_of)

    def given(self, x, visible, own=None):
        """Return mean and standard deviation of all variables, given those that are visible.

        Parameters are those of `Gaussian.given`.

        Returns
        -------
        mean, spread : torch.Tensor of shape (n_patterns, n_each, n_variables)
            Of levels the spread is the base's.
        """
        mean, spread = self.base.given(x, visible, own)
        spread = spread.expand(mean.shape).clone()
        shown = (visible if own is None else visible[own])[:, None].expand(x.shape)
        tables, p, units, variable_of = self._tensors
        n = x.shape[-1] - len(p)
        precision = spread[..., :n] ** -2
        shift = mean[..., :n] * precision
        log_p = log_expected(mean[..., n:], p, units)
        for evidence, tensors in zip(self.evidence, tables, strict=True):
            at = evidence.places(x, shown)
            for total, part in zip((shift, precision, log_p), tensors, strict=True):
                total += part[at]
        mean[..., :n] = shift / precision
        spread[..., :n] = precision.rsqrt()
        if len(p):
            p_given = log_p.exp()
            sums = p_given.new_zeros(*p_given.shape[:-1], int(variable_of[-1]) + 1)
            sums.index_add_(-1, variable_of, p_given)
            mean[..., n:] = (p_given / sums[..., variable_of] - p) / units
        return mean, spread

    @cached_property
    def _tensors(self):
        tables = [[torch.from_numpy(part) for part in own[2:]] for own in self.evidence]
        floats = (torch.from_numpy(part).float() for part in (self.proportions, self.units))
        return [tables, *floats, torch.from_numpy(self.variable_of)]

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_tensors"}
