"""Which columns follow exactly from others, and by what formula: `find_formulas`."""

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import torch

from skae.conditionals.formulas import Formula
from skae.conditionals.ties import LEAST_ROWS, MAX_COLUMNS, N_ROWS, spreads_of
from skae.table.decimals import TOO_MANY, decimals_of

# Terms at most; rows that show which columns may belong together.
MAX_TERMS, N_SCREENED = 4, 400
# What is left of a column that others tell, in standard deviations, as far as few rows show.
MOST_LEFT_AT_FIRST = 0.15
# Cells of a column that are not zero, where it may be a factor, as a fraction.
LEAST_FINITE = 0.5
TINY = 1e-9
# Sets of columns that are looked at more closely for each column, at most.
N_CANDIDATES = 3
# What rounding leaves, as a fraction of the spread of each term; rows that hold it exactly.
MOST_LEFT, LEAST_EXACT, MOST_BROKEN = 0.05, 0.9, 0.01
# How many times as far as the column that follows any term is spread, at most.
MOST_CANCELLED = 20.0
# Exponents are multiples of a half, found with this error at most, and no larger than this.
EXPONENT_ERROR, MAX_EXPONENT = 0.1, 3.0
# Numbers are taken to be fractions of small denominators, where their errors allow it.
DENOMINATORS = (1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 16, 20, 25, 32, 40, 50, 60, 64, 80)
DENOMINATORS += (100, 128, 200, 250, 256, 400, 500, 1000, 10_000, 100_000, 1_000_000)
N_ERRORS = 5.0


class Scale(NamedTuple):
    """Numbers on a scale on which a formula is a weighted sum.

    Attributes
    ----------
    columns : ndarray of int of shape (m,)
        Of the table.
    x : torch.Tensor of shape (n, m)
        Standardised; 0 where missing.
    there : torch.Tensor of shape (n, m)
        1 where there is a cell, 0 where it is missing.
    is_product : bool
        Whether these are logarithms.
    """

    columns: np.ndarray
    x: torch.Tensor
    there: torch.Tensor
    is_product: bool

    @classmethod
    def of(cls, raw, columns, is_product):
        """Return the scale of rows, an ndarray of shape (n, n_columns)."""
        values = raw[:: max(1, len(raw) // N_SCREENED), columns]
        n_known = (~np.isnan(values)).sum(axis=0)
        if is_product:
            with np.errstate(all="ignore"):
                values = np.log(np.abs(values))
        there = np.isfinite(values)
        n = np.maximum(there.sum(axis=0), 1)
        values = np.where(there, values, 0.0)
        x = np.where(there, values - values.sum(axis=0) / n, 0.0)
        deviations = np.sqrt(np.square(x).sum(axis=0) / n)
        # What is mostly zero is no factor.
        kept = (deviations > 0) & (n >= LEAST_ROWS) & (n >= LEAST_FINITE * n_known)
        x = torch.from_numpy(x[:, kept] / deviations[kept])
        there = torch.from_numpy(there[:, kept].astype(np.float64))
        return cls(np.asarray(columns)[kept], x, there, is_product)

    def left_by_pairs(self, target):
        """Return what pairs of columns leave of one, in standard deviations, (m, m).

        A column with itself stands for it alone. Of the rows that hold all three; infinity
        where these are few, or the target is among the pair.
        """
        x, there = self.x, self.there
        own, known = x[:, [target]], there[:, [target]]
        n = there.T @ (there * known)
        a = x.T @ (there * known) / n  # the mean of the first of a pair
        aa = x.square().T @ (there * known) / n - a * a
        ab = x.T @ (x * known) / n - a * a.T
        y = there.T @ (there * own) / n
        yy = there.T @ (there * own.square()) / n - y * y
        ay = x.T @ (there * own) / n - a * y
        bb, by = aa.T, ay.T
        inner = aa * bb - ab.square()
        told = (bb * ay.square() - 2.0 * ab * ay * by + aa * by.square()) / inner
        # Of two columns that say the same, nothing can be told apart.
        told[inner < TINY * aa * bb] = -math.inf
        told.diagonal().copy_(ay.diagonal().square() / aa.diagonal())
        left = (1.0 - told / yy).clamp(min=0.0).sqrt()
        left[(n < LEAST_ROWS) | left.isnan()] = math.inf
        left[target] = left[:, target] = math.inf
        return left

    def left_by_more(self, target, chosen):
        """Return what `chosen` columns and each other one leave of one, shape (m,)."""
        base = torch.cat([torch.ones(len(self.x), 1).double(), self.x[:, chosen]], 1)
        # Of the rows that hold these, and each other one.
        there = (self.there * self.there[:, [target, *chosen]].prod(1, keepdim=True)).T
        x, own = self.x.T * there, self.x[:, target]
        size = base.shape[1]
        products = (base[:, :, None] * base[:, None]).flatten(1)
        gram = torch.empty(len(x), size + 1, size + 1, dtype=x.dtype)
        gram[:, :size, :size] = (there @ products).unflatten(1, (size, size))
        gram[:, :size, size] = gram[:, size, :size] = x @ base
        gram[:, size, size] = x.square().sum(1)
        gram.diagonal(dim1=1, dim2=2).add_(TINY * len(own))
        right = torch.cat([there @ (base * own[:, None]), (x @ own)[:, None]], 1)
        told = (right * torch.linalg.solve(gram, right)).sum(1)
        left = (1.0 - told / (there @ own.square())).clamp(min=0.0).sqrt()
        left[(there.sum(1) < LEAST_ROWS) | left.isnan()] = math.inf
        left[[target, *chosen]] = math.inf
        return left

    def candidates(self):
        """Yield sets of columns of which one may follow from the others, tuples of int."""
        for target in range(len(self.columns)):
            left = self.left_by_pairs(target)
            # What one column tells, it tells beside any other one too.
            alone = (left.diagonal() <= MOST_LEFT_AT_FIRST).nonzero()[:, 0].tolist()
            left[alone] = left[:, alone] = math.inf
            rows, others = torch.triu_indices(*left.shape)
            best = left[rows, others].argsort()[:N_CANDIDATES]
            pairs = zip(rows[best].tolist(), others[best].tolist(), strict=True)
            found = [{first} for first in alone]
            found += [self._extended(target, {*pair}, left[pair]) for pair in pairs]
            for chosen in found:
                if chosen:
                    yield tuple(sorted(self.columns[[*chosen, target]].tolist()))

    def _extended(self, target, chosen, left):
        """Return the columns with as many more as it takes to tell one, or None."""
        chosen = list(chosen)
        while left > MOST_LEFT_AT_FIRST and 1 < len(chosen) < MAX_TERMS:
            left, best = self.left_by_more(target, chosen).min(0)
            chosen.append(int(best))
        return chosen if left <= MOST_LEFT_AT_FIRST else None


def find_formulas(raw, ties=()):
    """Return the `Formula`s among columns of numbers, list.

    Parameters
    ----------
    raw : ndarray of shape (n, n_columns)
        NaN where missing.
    ties : sequence of Tie, default=()
        What is known of the columns already.
    """
    raw = raw[:: max(1, len(raw) // N_ROWS)]
    spreads = np.nan_to_num(spreads_of(raw.T))
    columns = np.flatnonzero(spreads > 0)[:MAX_COLUMNS]
    if len(columns) < 2:
        return []
    decimals = decimals_of(raw)
    told = {tie.columns[-1]: set(tie.columns[:-1]) for tie in ties}
    found, known = [], [set(tie.columns) for tie in ties]
    scales = [Scale.of(raw, columns, is_product) for is_product in (False, True)]
    candidates = {
        (len(own), scale.is_product, own) for scale in scales for own in scale.candidates()
    }
    # What takes fewer columns first.
    for _, is_product, own in sorted(candidates):
        if len(found) == MAX_COLUMNS or any(columns <= set(own) for columns in known):
            continue
        formula = _formula_of(raw, own, decimals, is_product, told)
        if formula is not None:
            found.append(formula)
            known.append(set(own))
            last = formula.columns[-1]
            told[last] = told.get(last, set()).union(formula.columns[:-1])
    return found


def _formula_of(raw, columns, decimals, is_product, told):
    """Return how one of the columns follows from the others, or None."""
    rows = raw[~np.isnan(raw[:, columns]).any(axis=1)]
    if len(rows) < max(LEAST_ROWS, 10 * len(columns)):
        return None
    fit = _product_of if is_product else _sum_of
    # The finest steps last: of pieces, price and amount the amount.
    fineness = _steps(rows[:, columns], is_product)
    found = []
    for last in columns:
        others = [i for i in columns if i != last]
        # What follows from others already may follow from fewer, but these not from it.
        if any(last in _sources(i, told) for i in others):
            continue
        fitted = fit(rows, others, last, decimals[last])
        if fitted is None:
            continue
        coefficients, constant = fitted
        steps = dict(zip(columns, fineness(decimals[list(columns)]), strict=True))
        if not is_product:
            steps = {
                i: steps[i] * abs(c)
                for i, c in zip((*others, last), (*coefficients, 1.0), strict=True)
            }
        order = sorted(range(len(others)), key=lambda at: -steps[others[at]])
        names = (*(others[at] for at in order), last)
        formula = Formula(
            tuple(int(i) for i in names),
            tuple(float(coefficients[at]) for at in order),
            float(constant) + 0.0,
            tuple(int(decimals[i]) for i in names),
            is_product,
        )
        if _holds(formula, rows):
            found.append((steps[last] / max(steps.values()), formula))
    return min(found, key=lambda one: one[0])[1] if found else None


def _sources(column, told):
    """Return the columns that tell one, and those that tell these."""
    sources = set(told.get(column, ()))
    for source in list(sources):
        sources |= _sources(source, told)
    return sources


def _steps(values, is_product):
    """Return a function of decimals that gives every column's step, on the formula's scale."""
    middles = np.maximum(np.median(np.abs(values), axis=0), 1e-300)

    def steps(decimals):
        own = np.where(decimals >= TOO_MANY, 0.0, 10.0 ** -decimals.astype(float))
        return own / middles if is_product else own

    return steps


def _holds(formula, rows):
    """Return whether rows hold the formula, and what is left is no more than rounding."""
    if formula.is_exact(rows).mean() < LEAST_EXACT:
        return False
    if formula.is_broken(rows).mean() > MOST_BROKEN:
        return False
    values = rows[:, formula.columns].T
    with np.errstate(all="ignore"):
        given = formula._of(values[:-1])
        if formula.is_product:
            left = np.log(np.abs(values[-1])) - np.log(np.abs(given))
            terms = np.log(np.abs(values))
            terms[:-1] *= np.array(formula.coefficients)[:, None]
        else:
            left = values[-1] - given
            terms = values * np.append(formula.coefficients, 1.0)[:, None]
    rest = np.where(np.isfinite(left), left, np.nan)
    terms = np.where(np.isfinite(terms), terms, np.nan)
    spreads = spreads_of(terms)
    # Terms that cancel each other would make large errors of small ones.
    is_steady = spreads.max() <= MOST_CANCELLED * spreads[-1]
    return bool(is_steady and spreads_of(rest) <= MOST_LEFT * spreads.min())


def _sum_of(rows, others, last, decimals):
    """Return the coefficients and the constant of a weighted sum, or None."""
    x, y = rows[:, others], rows[:, last]
    middle = x.mean(axis=0)
    design = np.column_stack([x - middle, np.ones(len(x))])
    inverse = np.linalg.pinv(design.T @ design)
    fitted = inverse @ (design.T @ y)
    noise = np.square(y - design @ fitted).mean()
    errors = N_ERRORS * np.sqrt(noise * np.diag(inverse))
    coefficients = np.array(
        [_simple(c, error) for c, error in zip(fitted[:-1], errors[:-1], strict=True)]
    )
    if (coefficients == 0).any():
        return None
    rest = y - x @ coefficients
    step = 0.0 if decimals >= TOO_MANY else 0.1 * 10.0 ** -float(decimals)
    constant = _simple(np.median(rest), max(errors[-1], step), tens=True)
    return coefficients, constant


def _product_of(rows, others, last, decimals):
    """Return the exponents and the factor of a product, or None."""
    with np.errstate(all="ignore"):
        logs = np.log(np.abs(rows[:, [*others, last]]))
    there = np.isfinite(logs).all(axis=1)
    if there.sum() < max(LEAST_ROWS, LEAST_FINITE * len(rows)):
        return None
    design = np.column_stack([logs[there, :-1], np.ones(there.sum())])
    fitted = np.linalg.lstsq(design, logs[there, -1], rcond=None)[0][:-1]
    exponents = (2.0 * fitted).round() / 2.0
    near = np.abs(exponents - fitted) <= EXPONENT_ERROR
    if not near.all() or (exponents == 0).any() or (np.abs(exponents) > MAX_EXPONENT).any():
        return None
    x, y = rows[:, others], rows[:, last]
    if ((exponents != exponents.round()) & (x <= 0).any(axis=0)).any():
        return None
    with np.errstate(all="ignore"):
        of_others = np.prod(x**exponents, axis=1)
    there = np.isfinite(of_others)
    of_others, y = of_others[there], y[there]
    size = of_others @ of_others
    factor = of_others @ y / size
    noise = np.square(y - factor * of_others).mean()
    return exponents, _simple(factor, N_ERRORS * np.sqrt(noise / size))


def _simple(number, error, tens=False):
    """Return the simplest fraction (or decimal) within an error of a number."""
    error = max(error, 1e-12 * abs(number))
    if tens:
        rounded = (round(number, decimals) for decimals in range(-6, 13))
        return next((float(r) for r in rounded if abs(r - number) <= error), number)
    if number and abs(number) < 1.0 and error < abs(number):
        # As many to one, such as the centimetres of a metre.
        inverse = Fraction(1.0 / number)
        for denominator in DENOMINATORS[:4]:
            near = inverse.limit_denominator(denominator)
            if near and abs(float(1 / near) - number) <= error:
                return float(1 / near)
    for denominator in DENOMINATORS:
        near = float(Fraction(number).limit_denominator(denominator))
        if abs(near - number) <= error:
            return near
    return float(number)
