"""Checks whose messages name the column or parameter, the value and the remedy."""

from collections import Counter
from numbers import Integral

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils import check_array, gen_batches
from sklearn.utils.validation import validate_data

from skae._warnings import warn
from skae.table.frame import Frame
from skae.table.sources import as_array, labels_of, refuse_source
from skae.table.writing import make_frame

BLOCK = 65_536
# The integers up to this are exact in float64.
EXACT = 2**53


def column_names(estimator, n_features):
    """Return the names seen in fit, or x0, x1, ... as scikit-learn calls them."""
    names = getattr(estimator, "feature_names_in_", None)
    return [f"x{i}" for i in range(n_features)] if names is None else list(names)


def as_frame(X):
    """Return X as a `Frame` if it is a data frame of any library, else None.

    Raises
    ------
    TypeError
        If X is a table that has to be collected or read first.
    ValueError
        If two columns have the same label.
    """
    if isinstance(X, np.ndarray) or issparse(X):
        return None
    refuse_source(X)
    _refuse_twins(X)
    return Frame.of(X)


def check_table(estimator, X, *, reset, min_samples=1, frames=True):
    """Return X as an ndarray, a csr matrix or a `Frame`.

    Arrays and matrices are float32 or float64; cells may be missing, but not infinite.

    Parameters
    ----------
    estimator : estimator
        Whose columns (names, number) are set or checked.
    X : array-like, sparse matrix or data frame
    reset : bool
        Whether X is what the estimator is fitted to.
    min_samples : int, default=1
    frames : bool, default=True
        False: a frame of numbers becomes an array, because an array was fitted.

    Raises
    ------
    TypeError
        If X is a table that has to be collected or read first.
    ValueError
        If X is not two-dimensional, holds too few rows, an infinite number, text in an
        array, or does not have the columns seen in fit.
    """
    frame = as_frame(X)
    if frame is not None and frames:
        return _check_frame(estimator, frame, reset, min_samples)
    X = as_array(X) if frame is None else _as_numbers(frame)
    if reset:
        _warn_of_wide_integers(estimator, X)
    try:
        # Their sum, by which scikit-learn looks for infinite cells, may overflow.
        with np.errstate(over="ignore", invalid="ignore"):
            table = validate_data(
                estimator,
                X,
                accept_sparse="csr",
                dtype=[np.float64, np.float32],
                ensure_all_finite="allow-nan",
                ensure_min_samples=min_samples,
                reset=reset,
            )
    except (ValueError, TypeError, OverflowError) as error:
        _raise_if_infinite(estimator, X, error)
        _raise_if_text(estimator, X, error)
        raise
    return table


def check_fitted_table(estimator, X, table, min_samples=1):
    """Return X as a table of the kind, and with the columns, that `table` was fitted to."""
    frames = table.template_ is not None
    given, X = (
        X,
        check_table(estimator, X, reset=False, min_samples=min_samples, frames=frames),
    )
    if frames and not isinstance(X, Frame):
        # scikit-learn has warned that there are no names.
        kinds = {column.kind for column in table.columns_}
        if issparse(given) or kinds - {"number", "empty"}:
            raise ValueError(
                f"X is a {type(given).__name__}, but {type(estimator).__name__} was fitted to "
                f"a data frame with columns of kinds {sorted(kinds)}; pass a data frame."
            )
        X = Frame(pd.DataFrame(X, columns=table.names))
    table.check(X)
    return X


def _check_frame(estimator, frame, reset, min_samples):
    if not frame.labels:
        raise ValueError(
            f"Found a frame with 0 feature(s) (shape={frame.shape}) while a minimum of 1 is "
            f"required by {type(estimator).__name__}."
        )
    known = getattr(estimator, "feature_names_in_", None)
    # Labels that are those of the fit need no comparison that takes as long as a score.
    if reset or known is None or frame.labels != known.tolist():
        validate_data(estimator, frame.native, skip_check_array=True, reset=reset)
    if len(frame) < min_samples:
        raise ValueError(
            f"Found a frame with {len(frame)} sample(s) (shape={frame.shape}) while a "
            f"minimum of {min_samples} is required by {type(estimator).__name__}."
        )
    infinite = frame.first_infinite()
    if infinite is not None:
        row, i = infinite
        raise ValueError(
            f"Input X contains infinity: column {frame.labels[i]!r}, row {row}. "
            f"{type(estimator).__name__} needs cells that are finite or missing; "
            "replace it first."
        )
    return frame


def _warn_of_wide_integers(estimator, X):
    """Warn if an array holds integers of which float64 cannot tell neighbours apart."""
    if not isinstance(X, np.ndarray) or X.dtype.kind not in "iu" or X.ndim != 2:
        return
    if X.dtype.itemsize < 8 or not X.size:
        return
    wide = np.flatnonzero((X.max(axis=0) > EXACT) | (X.min(axis=0) < -EXACT))
    if len(wide):
        names = column_names(estimator, X.shape[1])
        warn(
            f"Column {names[wide[0]]!r} of the array holds integers beyond 2**53, which are "
            "rounded to float64: neighbours become equal. In a DataFrame they are told "
            "apart; as identifiers they tell nothing, and are better dropped."
        )


def _as_numbers(frame):
    """Return a frame as one of pandas that scikit-learn can read, if it holds numbers."""
    try:
        columns = list(frame.columns())
    except ValueError:
        return frame.native
    if any(cells.kind not in ("number", "boolean", "empty") for cells in columns):
        return frame.native
    values = np.column_stack([cells.floats() for cells in columns])
    return pd.DataFrame(values, columns=pd.Index(frame.labels, tupleize_cols=False))


def as_frame_like(estimator, X, values):
    """Return an array, one column per feature, as a frame of the library of X (else pandas)."""
    if not isinstance(X, Frame):
        return pd.DataFrame(values, columns=column_names(estimator, values.shape[1]))
    if not X.implementation.is_pandas():
        columns = (
            nw.new_series("", np.ascontiguousarray(column), backend=X.implementation)
            for column in values.T
        )
        return make_frame(columns, X.narwhals)
    native = X.native
    return pd.DataFrame(values, index=native.index, columns=native.columns)


def with_index_of(X, table):
    """Give a table the index of X, a table or None, if both are pandas frames."""
    if isinstance(X, Frame):
        X = X.native
    if isinstance(X, pd.DataFrame) and isinstance(table, pd.DataFrame):
        table.index = X.index
    return table


def _refuse_twins(X):
    labels = labels_of(X)
    if len(set(labels)) < len(labels):
        twice = [label for label, n_times in Counter(labels).items() if n_times > 1]
        raise ValueError(f"Columns {twice} stand twice in X; rename or drop one of each.")


def check_codes(X):
    """Return codes, which a data frame of any library may hold, as an array of floats."""
    frame = as_frame(X)
    codes = as_array(X) if frame is None else frame.narwhals.to_numpy()
    return check_array(codes, dtype=[np.float64, np.float32])


def float_dtype(X):
    """Return the floating dtype of the results for X: float32 for float32 only."""
    if isinstance(X, Frame):
        return np.dtype(np.float32 if X.is_float32() else np.float64)
    return X.dtype


def check_layer_sizes(name, sizes):
    """Return the units of the hidden layers as a tuple; raise unless they are such."""
    for size in np.atleast_1d(np.asarray(sizes, dtype=object)):
        if not isinstance(size, Integral) or size < 1:
            raise ValueError(
                f"{name}={sizes!r} holds {size!r}; every hidden layer needs a whole number "
                "of units, 1 or more."
            )
    return tuple(int(size) for size in np.atleast_1d(sizes))


def _raise_if_infinite(estimator, X, error):
    """Name the column and the row of an infinite cell, if that is what went wrong."""
    if "infinity" not in str(error):
        return
    if issparse(X):
        X = X.tocoo()
        where = np.flatnonzero(np.isinf(X.data))
        places = [(X.row[i], X.col[i]) for i in where[:1]]
    else:
        try:
            array = np.asarray(X, dtype=np.float64)
        except (ValueError, TypeError):
            return
        places = (
            (block.start + row, column)
            for block in gen_batches(len(array), BLOCK)
            for row, column in np.argwhere(np.isinf(array[block]))[:1]
        )
    for row, column in places:
        name = column_names(estimator, column + 1)[column]
        raise ValueError(
            f"Input X contains infinity: column {name!r}, row {row}. "
            f"{type(estimator).__name__} needs cells that are finite or missing (NaN); "
            "replace it first."
        ) from error


def _raise_if_text(estimator, X, error):
    """Name the column and the cell that is no number, if that is what went wrong."""
    try:
        array = np.asarray(X) if not issparse(X) else np.empty(0)
    except ValueError:  # rows of several lengths
        return
    if array.ndim != 2 or array.dtype.kind not in "OUSmM":
        return
    for name, column in zip(column_names(estimator, array.shape[1]), array.T, strict=False):
        bad = next((cell for cell in column if _is_no_number(cell)), None)
        if bad is not None:
            # scikit-learn asks for TypeErrors to stay such, with these words.
            kind, why = (
                (TypeError, f"{error}: column")
                if isinstance(error, TypeError)
                else (ValueError, "Column")
            )
            raise kind(
                f"{why} {name!r} holds {_shown(bad)}, which float64 cannot hold. In "
                f"an array {type(estimator).__name__} takes numbers only; pass a DataFrame, "
                "whose columns may hold text, categories and dates as well."
            ) from error


def _is_no_number(value):
    try:
        float(value)
    except (ValueError, TypeError, OverflowError):
        return True
    return False


def _shown(value):
    shown = repr(str(value) if isinstance(value, str) else value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def warn_of_empty(table, what_becomes="they are carried through as missing"):
    """Warn of columns that were wholly missing in fit."""
    empty = [table.names[i] for i in np.flatnonzero(table.empty_ & ~table.identifiers_)]
    if empty:
        warn(
            f"All cells of columns {empty} are missing; {what_becomes}. Drop them to be rid "
            "of this warning.",
        )


def check_n_samples(n_samples):
    """Raise unless `n_samples` is a whole number, 1 or more."""
    whole = isinstance(n_samples, Integral) and not isinstance(n_samples, bool)
    if not whole or n_samples < 1:
        raise ValueError(
            f"n_samples={n_samples!r}; ask for a whole number of rows, 1 or more."
        )
