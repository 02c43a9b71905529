"""What is asked of a result.

A law takes the fitted estimator, the case, the rows of the call and its result, and
raises `BrokenLawError` where it does not hold.
"""

from datetime import UTC
from functools import partial
from numbers import Real

import numpy as np
import pandas as pd
import polars as pl

from fuzzing.reading import (
    OF_ARROW,
    columns_of,
    count_rows,
    dtypes_of,
    is_frame,
    labels_of,
)

# Beyond this float64 skips whole numbers.
EXACT = 2**53
# Dtypes that declare levels.
LEVELS = pd.CategoricalDtype, pl.Enum


class BrokenLawError(AssertionError):
    pass


def check(condition, message):
    if not condition:
        raise BrokenLawError(message)


# ------------------------------------------------------------------ one number a row


def codes(estimator, case, X, found):
    check(isinstance(found, np.ndarray), f"a {type(found).__name__}")
    check(found.shape == (count_rows(X), estimator.n_components_), "shape of the codes")
    check(found.dtype in (np.float32, np.float64), f"dtype {found.dtype} of the codes")
    check(np.isfinite(found).all(), "codes are not finite")


def scores(estimator, case, X, found):
    check(isinstance(found, np.ndarray), f"a {type(found).__name__}")
    check(found.shape == (count_rows(X),), "shape of the scores")
    check(found.dtype == np.float64, f"dtype {found.dtype} of the scores")
    check(np.isfinite(found).all(), "scores are not finite")
    check(not hasattr(estimator, "offset_") or found.max() <= 0, "scores above 0")


def decisions(estimator, case, X, found):
    scores(estimator, case, X, found + estimator.offset_)


def labels(estimator, case, X, found):
    check(found.shape == (count_rows(X),), "shape of the labels")
    check(set(found.tolist()) <= {-1, 1}, "labels other than -1 and 1")


def pvalues(estimator, case, X, found):
    check(found.shape == (count_rows(X),), "shape of the p-values")
    check(((found > 0) & (found <= 1)).all(), "p-values out of range")


def mask(estimator, case, X, found):
    check(found.shape == (count_rows(X),) and found.dtype == bool, "no mask of the rows")


# --------------------------------------------------------------------- reconstructions


def rows(n, estimator, case, X, found):
    """Return n rows in the shape of the table of the fit, none of its columns dropped."""
    like_fitted(case, found, n)
    complete(case, found)
    known_levels(case, found)


def reconstructed(estimator, case, X, found):
    rows(count_rows(X), estimator, case, X, found)
    whole(case, found)
    if X is case.X:
        constant(case, found)
        if getattr(estimator, "learning_rate_init", 1.0) < 1e-6:
            exact(case, found)


def reconstructed_with_index(estimator, case, X, found):
    reconstructed(estimator, case, X, found)
    if isinstance(found, pd.DataFrame) and isinstance(X, pd.DataFrame):
        check(found.index.identical(X.index), "index lost")


def explained(estimator, case, X, found):
    contributions, expected = found
    both_pandas = isinstance(X, pd.DataFrame) and isinstance(case.X, pd.DataFrame)
    values = np.array(columns_of(contributions), dtype=float).T
    check(values.shape == (count_rows(X), estimator.n_features_in_), "shape")
    check(np.isfinite(values).all(), "contributions are not finite")
    check((values >= 0).all(), "negative contributions")
    if is_frame(case.X) and isinstance(contributions, type(X)):
        same_labels(contributions, X)
    for frame in (contributions, expected) if both_pandas else ():
        check(frame.index.identical(X.index), "index lost")
    rows(count_rows(X), estimator, case, X, expected)
    whole(case, expected)
    within_range(case, expected)


def imputed(estimator, case, X, found):
    if not is_frame(X) or not is_frame(case.X):
        n_columns = estimator.n_features_in_
        check(np.shape(found) == (count_rows(X), n_columns), "shape")
        return
    check(
        isinstance(found, (type(X), *(OF_ARROW if isinstance(X, OF_ARROW) else ()))),
        f"a {type(found).__name__} for a {type(X).__name__}",
    )
    check(count_rows(found) == count_rows(X), "number of rows")
    same_labels(found, X)
    if isinstance(X, pd.DataFrame):
        check(found.index.identical(X.index), "index lost")
    nothing = [all(cell is None for cell in cells) for cells in columns_of(X)]
    for now, before, empty in zip(dtypes_of(found), dtypes_of(X), nothing, strict=True):
        # Levels that are filled in may be new to the categories of these rows.
        both_levels = isinstance(now, LEVELS) and isinstance(before, type(now))
        check(alike(now, before) or both_levels or empty, f"dtype {now} for {before}")
    for now, before in zip(columns_of(found), columns_of(X), strict=True):
        pairs = zip(now, before, strict=True)
        kept = all(repr(a) == repr(b) for a, b in pairs if b is not None)
        check(kept, "observed cells changed")
    complete(case, found)


# ------------------------------------------------------------------------------ parts


def like_fitted(case, found, n):
    """The library, labels and dtypes of the table of the fit."""
    check(count_rows(found) == n, f"{count_rows(found)} rows for {n}")
    if not is_frame(case.X):
        check(isinstance(found, np.ndarray), f"a {type(found).__name__} for an array")
        check(not np.isinf(found).any(), "infinite cells")
        return
    expected = OF_ARROW if isinstance(case.X, OF_ARROW) else type(case.X)
    name = type(found).__name__
    check(isinstance(found, expected), f"a {name} for a {type(case.X).__name__}")
    same_labels(found, case.X)
    for now, before in zip(dtypes_of(found), dtypes_of(case.X), strict=True):
        check(alike(now, before), f"dtype {now} for {before}")


def alike(now, before):
    """Whether a column has come back in the dtype of the fit.

    pandas joins columns of one dtype, in the byte order of the first; what polars knows as
    objects without any cell comes back as Null.
    """
    if isinstance(now, np.dtype) and isinstance(before, np.dtype):
        return now.newbyteorder("=") == before.newbyteorder("=")
    return now == before or (now, before) == (pl.Null, pl.Object)


def same_labels(found, expected):
    found, expected = labels_of(found), labels_of(expected)
    if isinstance(expected, pd.Index):
        same = isinstance(found, pd.Index) and found.equals(expected)
        check(same, "labels lost")
        check(list(found.names) == list(expected.names), "names of the labels lost")
    else:
        check(list(found) == list(expected), "labels lost")


def _columns_beside_known(case, found):
    """Yield the kind of every column, its cells, and those of the fit that are not missing."""
    if case.cells is None or not is_frame(found):
        return
    for kind, cells, own in zip(case.kinds, columns_of(found), case.cells, strict=True):
        yield kind, cells, [cell for cell in own if cell is not None]


def complete(case, found):
    """No column that had cells in fit has missing ones; identifiers may be left out."""
    dtypes = dtypes_of(case.X) if case.cells is not None else ()
    columns = zip(dtypes, _columns_beside_known(case, found), strict=False)
    for dtype, (_, cells, known) in columns:
        if known and not identifies(known, dtype):
            check(None not in cells, "missing cells where the fit had some")


def identifies(cells, dtype):
    """Whether nearly all cells of a column of levels are new, none of them missing."""
    levels = isinstance(cells[0], str) or isinstance(dtype, LEVELS)
    return levels and len(set(map(str, cells))) > 0.9 * len(cells)


def only_identifiers(case):
    """Whether a detector may say that the table holds nothing but identifiers."""
    if case.cells is None or not is_frame(case.X):
        return False
    known = [[cell for cell in own if cell is not None] for own in case.cells]
    pairs = zip(known, dtypes_of(case.X), strict=True)
    return all(not own or identifies(own, dtype) for own, dtype in pairs)


def known_levels(case, found):
    """Levels are those that rows of the fit hold."""
    for kind, cells, known in _columns_beside_known(case, found):
        is_level = known and isinstance(known[0], (str, bool))
        if is_level or (known and "category" in kind and isinstance(known[0], int)):
            levels = {str(cell) for cell in known}
            held = {str(cell) for cell in cells if cell is not None}
            check(held <= levels, "levels that no row of the fit holds")


def _numbers(cells):
    return [c for c in cells if isinstance(c, Real) and not isinstance(c, (bool, np.bool_))]


def whole(case, found):
    """Columns of whole numbers come back whole."""
    for _, cells, known in _columns_beside_known(case, found):
        numbers = _numbers(known)
        if numbers and len(numbers) == len(known) and _are_whole(numbers):
            check(_are_whole(_numbers(cells)), "whole numbers come back with decimals")


def _are_whole(numbers):
    return all(abs(number) < EXACT and number == round(number) for number in numbers)


def within_range(case, found):
    for _, cells, known in _columns_beside_known(case, found):
        numbers = _numbers(known)
        if not numbers or len(numbers) < len(known) or np.isinf(numbers).any():
            continue  # of infinity there are levels only
        low, high = float(min(numbers)), float(max(numbers))
        slack = 1e-6 * max(abs(low), abs(high))
        inside = all(low - slack <= float(c) <= high + slack for c in _numbers(cells))
        check(inside, "numbers out of the range of their column")


def constant(case, found):
    """A column of one value comes back as it is."""
    for _, cells, known in _columns_beside_known(case, found):
        if len(set(map(str, known))) == 1 and len(known) == len(cells):
            check(_alike(cells, known, 0.02), "a constant column comes back otherwise")


def exact(case, found):
    """A linear network as wide as the table brings it back."""
    beside = list(_columns_beside_known(case, found))
    for (kind, cells, _), own in zip(beside, case.cells or [], strict=True):
        if len(cells) == len(own) and "extremes" not in kind:
            pairs = [(a, b) for a, b in zip(cells, own, strict=True) if b is not None]
            if pairs:
                same = _alike(*zip(*pairs, strict=True), 0.001)
                check(same, "a network as wide as the table does not bring it back")


def _alike(found, expected, tolerance):
    """Whether cells are equal, numbers and times but for a part of their range."""
    try:
        values = [_as_float(cell) for cell in expected]
        now = [_as_float(cell) for cell in found]
    except TypeError:
        return [str(cell) for cell in found] == [str(cell) for cell in expected]
    size = max(values) - min(values) or max(1.0, 1e-6 * abs(values[0]))
    return np.allclose(now, values, rtol=1e-6, atol=tolerance * size)


def _as_float(cell):
    if isinstance(cell, (bool, str)):
        raise TypeError
    if isinstance(cell, pd.Period):
        cell = cell.to_timestamp()
    if hasattr(cell, "total_seconds"):
        return cell.total_seconds()
    if hasattr(cell, "toordinal"):
        if getattr(cell, "tzinfo", None) is not None:
            cell = cell.astimezone(UTC)
        hours = getattr(cell, "hour", 0) + getattr(cell, "minute", 0) / 60
        return cell.toordinal() * 86_400 + hours * 3600 + getattr(cell, "second", 0)
    return float(cell)


ROWS = partial(rows, 4)
STEPS = partial(rows, 3)


def frame_of_codes(library, estimator, X, codes):
    """Hold what `set_output` gives to its law."""
    kind = pd.DataFrame if library == "pandas" else pl.DataFrame
    check(isinstance(codes, kind), f"a {type(codes).__name__} of codes")
    check(list(codes.columns) == list(estimator.get_feature_names_out()), "names of codes")
    if library == "pandas" and isinstance(X, pd.DataFrame):
        check(codes.index.identical(X.index), "index of the codes lost")
