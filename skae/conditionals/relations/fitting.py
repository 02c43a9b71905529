"""Formulas fitted to columns, and what rows say of them."""

from fractions import Fraction

import numpy as np

from skae.conditionals.relations.candidates import LEAST_FINITE
from skae.conditionals.relations.formulas import SINGLE, Formula
from skae.conditionals.relations.rules import MOST_CHANCE
from skae.conditionals.relations.ties import LEAST_ROWS, spreads_of
from skae.table.decimals import TOO_MANY

# What rounding leaves, as a fraction of the spread of the column that follows; rows that hold it
# exactly, and those that no rounding explains.
MOST_LEFT, LEAST_EXACT, MOST_BROKEN = 0.25, 0.9, 0.01
# So many rows a term do not count where it is told what holds by chance.
N_PER_TERM = 3
# Rows that miss it by up to so many halves of a step.
N_NEAR, MOST_NEAR = 6, 0.002
# Rows, and what fraction of them, that do not hold it any more once another column's cells are
# shuffled.
LEAST_SHOWN, LEAST_CHANGED = 10, 0.02
# How many times as far as the column that follows any term is spread, at most, unless it has
# no more decimals than that.
MOST_CANCELLED = 20.0
# Exponents are multiples of a half, found with this error at most, and no larger than this.
EXPONENT_ERROR, MAX_EXPONENT = 0.1, 3.0
# Numbers are taken to be as simple as their errors allow: of few digits, or else a fraction of
# small numbers.
DIGITS = (1, 2), (3, 4), range(5, 13)
DENOMINATORS = range(1, 13), (16, 20, 25, 30, 32, 40, 50, 60, 64, 80, 90, 100), (360, 1000)
# What coefficients are taken to be off by, in standard errors: what is simplest may be too
# simple, where errors are those of few rows that follow exactly.
N_ERRORS = 5.0, 1.0, 0.2
# Between which lies what is left of rows, but for errors.
ENDS = 0.02, 0.98
# A formula is whole that so many rows hold exactly; in what fraction of the rows more another
# has to hold, to be better.
WHOLE, LEAST_BETTER = 0.999, 0.005


def fitted_formula(fit, raw, columns, lasts, decimals):
    """Return how one of the columns follows from the others, or None.

    Parameters
    ----------
    fit : callable
        Of rows, other columns, the last column, decimals, and standard errors: `sum_of`,
        `product_of`.
    raw : ndarray of shape (n, n_columns)
        NaN where missing.
    columns, lasts : sequence of int
        All of them, and those that may follow from the others.
    decimals : ndarray of int of shape (n_columns,)

    Returns
    -------
    exact : float
        In what fraction of the rows it holds exactly.
    formula : Formula
    """
    rows = raw[~np.isnan(raw[:, columns]).any(axis=1)]
    if len(rows) < max(LEAST_ROWS, 2 * len(columns)):
        return None
    found = []
    for last in lasts:
        exact, formula = _most_exact(fit, rows, columns, last, decimals)
        if formula is not None and _holds(formula, rows):
            found.append((exact, formula.measured(rows)))
    # Of pieces, price and amount the amount is the finest, and follows from the others.
    return min(found, key=lambda one: _fineness(one[1], rows), default=None)


def _most_exact(fit, rows, columns, last, decimals):
    """Return the simplest of the formulas that most rows hold exactly, (exact, formula).

    By which of them may be held counts as held a half of a step, which may be rounded either
    way; `exact` is without these.
    """
    others, most, best = [i for i in columns if i != last], 0.0, None
    for n_errors in N_ERRORS:
        formula = fit(rows, others, last, decimals, n_errors)
        if formula is None:
            break
        held = float(formula.is_exact(rows).mean())
        if held > most + LEAST_BETTER:
            most, best = held, formula
        if held >= WHOLE:
            break
    if best is None:
        return 0.0, None
    off = np.abs(best.solve(rows, last) - rows[:, last])
    return float((off <= best.steps(rows[:, best.columns].T) / 10.0).mean()), best


def _fineness(formula, rows):
    """Return how fine the steps of the last column are, and how far it is spread."""
    steps = _term_steps(formula, rows)
    spread = spreads_of(formula.terms(rows[:, formula.columns].T)[-1])
    return steps[-1] / max(steps.max(), 1e-300), -spread


def _term_steps(formula, rows, of_real=0.0):
    """Return what steps of each column make of its term, ndarray of shape (len(columns),).

    Parameters
    ----------
    formula : Formula
    rows : ndarray of shape (n, n_columns)
    of_real : float, default=0.0
        Steps of real numbers, as a fraction of these.
    """
    values = rows[:, formula.columns].T
    decimals = np.array(formula.decimals, dtype=float)
    sizes = np.median(np.abs(values), axis=1)
    steps = np.where(decimals >= TOO_MANY, of_real * sizes, 10.0**-decimals)
    steps = steps * np.abs(np.append(formula.coefficients, 1.0))
    if not formula.is_product:
        return steps
    factors = values + np.append(formula.offsets, 0.0)[:, None]
    return steps / np.maximum(np.median(np.abs(factors), axis=1), 1e-300)


def _holds(formula, rows):
    """Return whether no more than rounding is left, and all columns have a part in it."""
    is_exact = formula.is_exact(rows)
    if is_exact.mean() < LEAST_EXACT:
        return False
    values, is_broken = rows[:, formula.columns].T, formula.is_broken(rows)
    errors = values[-1] - formula.solve(rows, formula.columns[-1])
    # Errors of who wrote the table are large; small ones are the formula's.
    is_near = is_broken & (np.abs(errors) <= N_NEAR * formula.steps(values))
    if is_broken.mean() > MOST_BROKEN or is_near.mean() > MOST_NEAR:
        return False
    if not spreads_of(errors) <= MOST_LEFT * spreads_of(values[-1]):
        return False
    if _log_chance(formula, values) >= np.log(MOST_CHANCE):
        return False
    spreads, steps = spreads_of(formula.terms(values)), _term_steps(formula, rows, SINGLE)
    if (spreads < steps[-1]).any():  # no more than rounding
        return False
    order = np.random.default_rng(0).permutation(len(rows))
    for column in formula.columns[:-1]:
        shuffled = rows.copy()
        shuffled[:, column] = rows[order, column]
        n_lost = is_exact.sum() - formula.is_exact(shuffled).sum()
        if n_lost < max(LEAST_SHOWN, LEAST_CHANGED * len(rows)):
            return False
    # Terms that cancel each other make large errors of small ones.
    is_steady = spreads.max() <= MOST_CANCELLED * spreads[-1]
    return bool(is_steady or steps.max() <= steps[-1])


def _log_chance(formula, values):
    """Return log p of cells that all lie within a step of what anything else gave."""
    step = 2.0 * np.median(formula.steps(values))
    _, counts = np.unique(np.floor(values[-1] / max(step, 1e-300)), return_counts=True)
    n_free = len(values[-1]) - N_PER_TERM * len(values)
    return max(n_free, 0) * np.log(counts.max() / len(values[-1]))


def _formula(rows, others, last, decimals, coefficients, constant, offsets=None):
    """Return a formula, the columns of the coarsest steps first, then of the fewest cells."""
    own = [0.0] * len(others) if offsets is None else offsets
    parts = [(*others, last), coefficients, constant, decimals[[*others, last]], own]
    formula = Formula(*parts[:4], None if offsets is None else own)
    n_cells = [len(np.unique(rows[:, i])) for i in others]
    order = np.lexsort((n_cells, -_term_steps(formula, rows)[:-1])).tolist()
    return Formula(
        tuple(int(others[at]) for at in order) + (int(last),),
        tuple(float(coefficients[at]) for at in order),
        float(constant) + 0.0,
        tuple(int(decimals[others[at]]) for at in order) + (int(decimals[last]),),
        None if offsets is None else tuple(float(own[at]) + 0.0 for at in order),
    )


def sum_of(rows, others, last, decimals, n_errors):
    """Return the weighted sum of columns that another one is, `Formula`, or None."""
    x, y = rows[:, others], rows[:, last]
    fitted, errors = _least_squares(
        np.column_stack([x - x.mean(axis=0), np.ones(len(x))]), y
    )
    errors *= n_errors
    coefficients = _simple_ones(fitted[:-1], errors[:-1])
    if (coefficients == 0).any():
        return None
    # What rounding leaves is spread evenly: its ends tell more than its middle.
    rest = np.quantile(y - x @ coefficients, ENDS).mean()
    constant = _round(rest, errors[-1])
    return _formula(rows, others, last, decimals, coefficients, constant)


def product_of(rows, others, last, decimals, n_errors):
    """Return the product of powers of columns that another one is, `Formula`, or None."""
    with np.errstate(all="ignore"):
        logs = np.log(np.abs(rows[:, [*others, last]]))
    there = np.isfinite(logs).all(axis=1)
    if there.sum() < max(LEAST_ROWS, LEAST_FINITE * len(rows)):
        return None
    design = np.column_stack([logs[there, :-1], np.ones(there.sum())])
    fitted = _least_squares(design, logs[there, -1])[0][:-1]
    exponents = (2.0 * fitted).round() / 2.0
    near = np.abs(exponents - fitted) <= EXPONENT_ERROR
    if not near.all() or (exponents == 0).any() or (np.abs(exponents) > MAX_EXPONENT).any():
        return None
    if ((exponents % 1.0 > 0) & (rows[:, others] <= 0).any(axis=0)).any():
        return None
    with np.errstate(all="ignore"):
        of_others = np.prod(rows[:, others] ** exponents, axis=1)
    there = np.isfinite(of_others)
    fitted, errors = _least_squares(of_others[there, None], rows[there, last])
    (factor,) = _simple_ones(fitted, n_errors * errors)
    if factor == 0:
        return None
    offsets = np.zeros(len(others))
    return _formula(rows, others, last, decimals, exponents, factor, offsets)


def short_product_of(powers, short):
    """Return a `fit` for powers of columns times one that is short of a constant."""

    def fit(rows, others, last, decimals, n_errors):
        exponents = np.array([powers.get(i, 1.0) for i in others])
        at = others.index(short)
        with np.errstate(all="ignore"):
            parts = rows[:, others] ** exponents
            of_others = np.prod(np.delete(parts, at, axis=1), axis=1)
        there = np.isfinite(of_others)
        if there.sum() < max(LEAST_ROWS, LEAST_FINITE * len(rows)):
            return None
        of_others, short_one = of_others[there], rows[there, short]
        design = np.column_stack([of_others, of_others * short_one])
        fitted, errors = _least_squares(design, rows[there, last])
        constant, factor = _simple_ones(fitted, n_errors * errors)
        if factor == 0:
            return None
        offsets = np.zeros(len(others))
        offsets[at] = constant / factor
        return _formula(rows, others, last, decimals, exponents, factor, offsets)

    return fit


def _least_squares(design, y):
    """Return coefficients and their standard errors."""
    sizes = np.maximum(np.sqrt(np.square(design).sum(axis=0)), 1e-300)
    design = design / sizes  # columns of very different units
    inverse = np.linalg.pinv(design.T @ design)
    fitted = inverse @ (design.T @ y)
    noise = np.square(y - design @ fitted).mean()
    errors = np.sqrt(noise * np.diag(inverse).clip(min=0.0))
    return fitted / sizes, errors / sizes


def _simple_ones(numbers, errors):
    """Return the simplest numbers within errors of others."""
    found = []
    for number, error in zip(numbers.tolist(), errors.tolist(), strict=True):
        error = max(error, 1e-12 * abs(number))
        near = (one for one in _simpler(number) if abs(one - number) <= error)
        found.append(next(near, number))
    return np.array(found)


def _simpler(number):
    """Yield simple numbers near one, the simplest first."""
    if not number:
        return
    for several, denominators in zip(DIGITS, DENOMINATORS, strict=True):
        for digits in several:
            yield float(f"{number:.{digits - 1}e}")
            yield 1.0 / float(f"{1.0 / number:.{digits - 1}e}")
        for denominator in denominators:
            yield float(Fraction(number).limit_denominator(denominator))
            inverse = Fraction(1.0 / number).limit_denominator(denominator)
            if inverse:
                yield float(1 / inverse)


def _round(number, error):
    """Return the number with the fewest decimals within an error of another."""
    decimals = range(-6, 13)
    rounded = (float(round(number, d)) for d in decimals)
    return next((r for r in rounded if abs(r - number) <= max(error, 1e-12)), number)
