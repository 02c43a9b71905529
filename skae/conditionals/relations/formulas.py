"""Columns that others tell exactly: scaled sums, products and ratios of them, rounded."""

from dataclasses import dataclass, replace

import numpy as np

from skae.table.decimals import TOO_MANY

# Errors of computing with binary fractions, and of float32, relative to the largest term.
TINY, SINGLE = 1e-9, 1e-6


@dataclass(frozen=True)
class Formula:
    """A column that follows from others: an amount is the price of so many pieces.

    ``constant + sum_i c_i x_i``, or ``constant * prod_i (x_i + o_i) ** c_i``, rounded.

    Attributes
    ----------
    columns : tuple of int
        Numbers, those of the coarsest steps first, then of the fewest different cells; the
        last is the one that follows.
    coefficients : tuple of float
        Of all but the last column; of a product, multiples of a half.
    constant : float
    decimals : tuple of int
        Of every column, see `decimals_of`.
    offsets : tuple of float or None
        o, of all but the last column, of a product: a discount d leaves 100 - d per cent.
        None: a sum.
    off : tuple of float
        How far cells of each column lie off, at most, that the others tell, in steps of it.
    """

    columns: tuple[int, ...]
    coefficients: tuple[float, ...]
    constant: float
    decimals: tuple[int, ...]
    offsets: tuple[float, ...] | None
    off: tuple[float, ...] = ()

    @property
    def is_product(self):
        return self.offsets is not None

    def among(self, columns):
        """Return the formula, its columns numbered as in a table of which these are `columns`."""
        return replace(self, columns=tuple(int(columns[i]) for i in self.columns))

    def goes_with(self, are_dates):
        """Return whether it makes sense of dates: they differ, and are no factors.

        Parameters
        ----------
        are_dates : ndarray of bool of shape (n_columns,)
        """
        dates = are_dates[list(self.columns)]
        weights = np.append(self.coefficients, -1.0)[dates]
        if self.is_product:
            return not dates.any()
        return bool(abs(weights.sum()) <= TINY * np.abs(weights).max(initial=0.0))

    def from_origins(self, origins):
        """Return the formula of cells that are counted from origins of their own.

        Parameters
        ----------
        origins : ndarray of shape (n_columns,)
        """
        if self.is_product:
            return self
        *others, last = (float(origins[i]) for i in self.columns)
        shift = sum(c * own for c, own in zip(self.coefficients, others, strict=True))
        return replace(self, constant=self.constant + shift - last)

    def total(self, raw):
        """Return 0 for rows that have all of the cells, NaN for others, shape (n,)."""
        return np.where(np.isnan(raw[:, self.columns]).any(axis=1), np.nan, 0.0)

    def tells(self, raw, column):
        """Return in which rows the other cells are there, and tell this one."""
        return ~np.isnan(self.solve(raw, column))

    def doubt(self, column):
        """Return how far a cell of a column lies off, at most, that the others tell."""
        return self.off[self.columns.index(column)]

    def measured(self, rows):
        """Return the formula with `off`, as rows have it."""
        values, off = rows[:, self.columns].T, []
        for at, column in enumerate(self.columns):
            errors = np.abs(self.solve(rows, column) - values[at])
            errors = errors[~np.isnan(errors)] / np.median(self.steps(values, at))
            off.append(float(np.quantile(errors, 0.95)) if len(errors) else np.inf)
        return replace(self, off=tuple(off))

    def is_broken(self, raw, limits=None):
        """Return which rows have all of the cells, and others than any rounding makes of them.

        Parameters
        ----------
        raw : ndarray of shape (n, n_columns)
        limits : Ignored
        """
        values = raw[:, self.columns].T
        with np.errstate(all="ignore"):
            errors = values[-1] - self._of(values[:-1])
            slack = self.steps(values)
            # Every cell may have been rounded.
            for at in range(len(values) - 1):
                moved = values[:-1].copy()
                moved[at] += self.steps(values, at)
                slack = slack + np.abs(self._of(moved) - self._of(values[:-1]))
            return np.isfinite(errors) & (np.abs(errors) > slack)

    def is_exact(self, raw):
        """Return which rows hold what the formula gives, rounded; not those that miss a cell."""
        values = raw[:, self.columns].T
        with np.errstate(all="ignore"):
            return np.abs(values[-1] - self._of(values[:-1])) <= self.steps(values)

    def steps(self, values, at=-1):
        """Return half a unit of the last decimal of one of the columns, shape (n,).

        Parameters
        ----------
        values : ndarray of shape (len(columns), n)
        at : int, default=-1
        """
        largest = np.abs(values[at])
        if at == -1 and not self.is_product:
            scales = np.append(self.coefficients, 1.0)
            largest = np.abs(values * scales[:, None]).max(axis=0)
        if self.decimals[at] >= TOO_MANY:
            return SINGLE * largest
        return 0.5 * 10.0 ** -self.decimals[at] + TINY * largest

    def solve(self, raw, column, total=0.0):
        """Return what a column has to be, rounded; NaN where any cell would do, or none.

        Parameters
        ----------
        raw : ndarray of shape (n, n_columns)
        column : int
        total : Ignored
        """
        at = self.columns.index(column)
        values = raw[:, self.columns].T
        with np.errstate(all="ignore"):
            if at == len(values) - 1:
                cells = self._of(values[:-1])
            else:
                others = values[:-1].copy()
                others[at] = 1.0 - self.offsets[at] if self.is_product else 0.0
                rest, power = self._of(others), self.coefficients[at]
                if self.is_product:
                    cells = (values[-1] / rest) ** (1.0 / power) - self.offsets[at]
                else:
                    cells = (values[-1] - rest) / power
        cells = np.where(np.isfinite(cells), cells, np.nan)
        decimals = self.decimals[at]
        return cells if decimals >= TOO_MANY else cells.round(decimals) + 0.0

    def column_range(self, low, high, column, of_total=None):
        """Return between what a column has to lie, where the others lie in ranges.

        Parameters
        ----------
        low, high : ndarray of shape (n, len(columns))
        column : int
        of_total : Ignored
        """
        at = self.columns.index(column)
        weights, constant = np.append(self.coefficients, -1.0), self.constant
        with np.errstate(all="ignore"):
            if self.is_product:
                # On one scale, 0 = constant + sum_i c_i x_i, where no factor changes its sign.
                offsets = np.append(self.offsets, 0.0)
                ends = np.sort(np.abs([low + offsets, high + offsets]), axis=0)
                has_sign = ((low + offsets > 0) | (high + offsets < 0)).all(axis=1)
                sign = np.where(low[:, at] + offsets[at] > 0, 1.0, -1.0)
                ends = np.where(has_sign[:, None], np.log(ends), np.nan)
                constant = np.log(np.abs(constant))
            else:
                ends = np.array([low, high])
            ends = np.delete(np.sort(ends * weights, axis=0), at, axis=2).sum(axis=2)
            ends = np.sort((ends + constant) / -weights[at], axis=0)
            if self.is_product:
                ends = np.sort(np.exp(ends) * sign - offsets[at], axis=0)
        if self.decimals[at] < TOO_MANY:
            ends = ends.round(self.decimals[at])
        return np.where(np.isnan(ends), [[-np.inf], [np.inf]], ends)

    def _of(self, values):
        """Return what follows from the columns before the last, shape (n,)."""
        weights = np.array(self.coefficients)
        if not self.is_product:
            return self.constant + weights @ values
        factors = values + np.array(self.offsets)[:, None]
        return self.constant * np.prod(factors ** weights[:, None], axis=0)

    def terms(self, values):
        """Return what is added, or whose logarithms are, and the last column, as its rows.

        Parameters
        ----------
        values : ndarray of shape (len(columns), n)
        """
        weights = np.append(self.coefficients, 1.0)[:, None]
        if not self.is_product:
            return weights * values
        with np.errstate(all="ignore"):
            terms = np.log(np.abs(values + np.append(self.offsets, 0.0)[:, None]))
        return weights * np.where(np.isfinite(terms), terms, np.nan)
