"""What bad input gets: an error before training that names what, which value, what to do."""

import pickle
from datetime import time
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
from arrays import correlated_rows
from registry import make
from scipy.sparse import csr_array
from sklearn.exceptions import NotFittedError

pytestmark = pytest.mark.usefixtures("training")


@cache
def _pickled(name, make_table):
    """Return an estimator that was fitted once, for tests that may change it."""
    return pickle.dumps(make(name).fit(make_table()))


def _fitted(quick_any, training, make_table):
    (name,) = quick_any.args
    with training():
        return pickle.loads(_pickled(name, make_table))


def _numbers():
    return pd.DataFrame(correlated_rows(60, 0), columns=list("abcde"))


@pytest.fixture
def trained(quick_any, training):
    """Any fitted estimator, whose columns have the names a to e."""
    return _fitted(quick_any, training, _numbers)


@pytest.fixture
def fitted(quick, X, training):
    """A fitted transformer."""
    with training():
        return quick(hidden_layer_sizes=8, warm_start=True).fit(X)


def _uses(fitted):
    """Return the methods that take rows."""
    names = "score_samples", "score", "transform", "impute", "explain", "predict"
    found = [getattr(fitted, name) for name in names if hasattr(fitted, name)]
    assert found
    return found


def _with(X, value, row=3, column=2):
    spoilt = X.copy()
    spoilt[row, column] = value
    return spoilt


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_infinite_cell_in_an_array(quick_any, X, value, dtype):
    message = r"infinity: column 'x2', row 3\. .*finite or missing"
    with pytest.raises(ValueError, match=message):
        quick_any().fit(_with(X, value).astype(dtype))


def test_infinite_cell_in_a_sparse_matrix(quick_any, X):
    with pytest.raises(ValueError, match="infinity: column 'x2', row 3"):
        quick_any().fit(csr_array(_with(X, np.inf)))


@pytest.mark.parametrize("frame_type", [pd.DataFrame, pl.DataFrame])
def test_infinite_cell_in_a_named_column(quick_any, X, frame_type):
    frame = frame_type({name: _with(X, np.inf)[:, i] for i, name in enumerate("abcde")})
    message = r"infinity: column 'c', row 3\. .*finite or missing"
    with pytest.raises(ValueError, match=message):
        quick_any().fit(frame)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1.0, None, -np.inf, 2.0], dtype=object),
        pd.Series([1.0, None, -np.inf, 2.0], dtype="Float64"),
    ],
    ids=["object", "nullable"],
)
def test_infinite_cell_beside_a_missing_one(quick_any, column):
    with pytest.raises(ValueError, match="infinity: column 'b', row 2"):
        quick_any().fit(pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": column}))


@pytest.mark.parametrize("as_frame", [True, False])
def test_infinite_cell_far_down(quick_any, as_frame):
    """Rows are looked at in blocks."""
    X = np.random.default_rng(0).normal(size=(70_000, 2)).astype(np.float32)
    X[69_999, 1] = np.inf
    table = pd.DataFrame(X, columns=["x0", "x1"]) if as_frame else X
    with pytest.raises(ValueError, match="column 'x1', row 69999"):
        quick_any().fit(table)


def test_infinite_cell_after_fit(trained, X):
    frame = pd.DataFrame(_with(X, np.inf), columns=list("abcde"))
    for use in _uses(trained):
        with pytest.raises(ValueError, match="infinity: column 'c', row 3"):
            use(frame)


@pytest.mark.parametrize(
    "table",
    [
        np.array([["1", "2"], ["3", "red"], ["4", "5"]]),
        np.array([[1, 2], [3, "red"], [4, 5]], dtype=object),
        [[1, 2], [3, "red"], [4, 5]],
    ],
    ids=["str array", "object array", "list"],
)
def test_text_in_an_array(quick_any, table):
    with pytest.raises(ValueError, match=r"'x1' holds 'red'.*pass a DataFrame"):
        quick_any().fit(table)


TEXT = {
    "str": pd.Series(["1", "red", "2"]),
    "object": pd.Series(["1", "red", "2"], dtype=object),
    "object with None": pd.Series([None, "red", "2"], dtype=object),
    "category": pd.Series(pd.Categorical(["red", "red", "red"])),
}
MIXED = {
    "text and numbers": (["a", 1, "b"], "int and str"),
    "text and booleans": (["a", True, None], "bool and str"),
    "times of day": ([time(1), time(2), None], "time"),
    "lists": ([[1], [2], [3]], "list"),
    "dictionaries": ([{}, {}, {}], "dict"),
}


def _frame(**columns):
    return pd.DataFrame({"size": [1.0, 2.0, 3.0], **columns})


@pytest.mark.parametrize("column", TEXT.values(), ids=TEXT)
@pytest.mark.parametrize("frame_type", [pd.DataFrame, pl.DataFrame])
def test_text_where_none_is_allowed(transformer, column, frame_type):
    frame = frame_type({"size": [1.0, 2.0, 3.0], "colour": column})
    with pytest.raises(ValueError, match=r"'colour' holds text.*'from_dtype'"):
        transformer(categorical_features=None).fit(frame)


@pytest.mark.parametrize(("cells", "found"), MIXED.values(), ids=MIXED)
def test_object_column_of_no_kind(quick_any, cells, found):
    frame = _frame(odd=pd.Series(cells, dtype=object))
    with pytest.raises(
        ValueError, match=rf"'odd'.* {found}\. .*convert it or leave it out first"
    ):
        quick_any().fit(frame)


@pytest.mark.parametrize(
    "cells", [[[1], [2], [3]], ["a", 1, "b"]], ids=["unhashable", "without an order"]
)
def test_named_categories_that_are_of_no_kind(transformer, cells):
    frame = _frame(odd=pd.Series(cells, dtype=object))
    with pytest.raises(ValueError, match=r"'odd'.* cells of type .*astype\('string'\)"):
        transformer(categorical_features=["odd"]).fit(frame)


def test_column_of_structs(quick_any):
    frame = pl.DataFrame({"size": [1.0, 2.0], "odd": [{"a": 1}, {"a": 2}]})
    with pytest.raises(
        ValueError, match=r"'odd'.*Struct.*convert it or leave it out first"
    ):
        quick_any().fit(frame)


def test_duplicate_column_names(quick_any, X):
    frame = pd.DataFrame(X, columns=list("abcba"))
    with pytest.raises(ValueError, match=r"\['a', 'b'\] stand twice.*rename or drop"):
        quick_any().fit(frame)


@pytest.mark.parametrize(
    "frame", [pd.DataFrame(index=range(5)), pl.DataFrame()], ids=["pandas", "polars"]
)
def test_frame_without_columns(quick_any, frame):
    with pytest.raises(ValueError, match=r"0 feature\(s\).*minimum of 1"):
        quick_any().fit(frame)


@pytest.mark.parametrize("n_rows", [0, 1])
@pytest.mark.parametrize("frame_type", [pd.DataFrame, pl.DataFrame])
def test_frame_of_too_few_rows(quick_any, n_rows, frame_type):
    frame = frame_type({"a": ["x"] * n_rows, "b": [1.0] * n_rows})
    with pytest.raises(ValueError, match=rf"{n_rows} sample\(s\).*minimum of 2"):
        quick_any().fit(frame)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["colour", "shade"], r"names 'shade', .* columns are .*'colour'"),
        ([0, 7], "holds 7, but X has 2 columns"),
        ([-3], "holds -3, but X has 2 columns"),
        ([True, False, True], "mask of 3 columns, but X has 2"),
    ],
)
def test_categorical_features_that_are_not_there(transformer, asked, message):
    frame = _frame(colour=TEXT["str"])
    with pytest.raises(ValueError, match=message):
        transformer(categorical_features=asked).fit(frame)


def _all_kinds():
    return pd.DataFrame(
        {
            "number": np.arange(40.0),
            "flag": np.arange(40) % 3 == 0,
            "colour": pd.Series(["red", "green", "blue", "red"] * 10),
            "day": pd.date_range("2020-01-01", periods=40, unit="ns"),
            "wait": pd.to_timedelta(np.arange(40), unit="h"),
        }
    )


@pytest.fixture
def mixed(quick_any, training):
    """Any estimator, fitted to columns of all kinds; beside it the frame."""
    return _fitted(quick_any, training, _all_kinds), _all_kinds()


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("number", ["1"] * 40),
        ("number", [True] * 40),
        ("flag", ["yes"] * 40),
        ("flag", [0.0] * 40),
        ("colour", [1.0] * 40),
        ("day", ["2020-01-01"] * 40),
        ("day", [1.0] * 40),
        ("day", pd.to_timedelta([1] * 40)),
        ("wait", [1] * 40),
        ("colour", pd.date_range("2020-01-01", periods=40)),
    ],
)
def test_dtype_changed_since_fit(mixed, name, column):
    fitted, frame = mixed
    changed = frame.assign(**{name: column})
    with pytest.raises(
        ValueError, match=rf"'{name}' was of kind .*convert it first, for example with"
    ):
        fitted.score_samples(changed)


def test_dtype_changed_since_fit_in_every_method(mixed):
    fitted, frame = mixed
    for use in _uses(fitted):
        with pytest.raises(ValueError, match="'flag' was of kind 'boolean' in fit"):
            use(frame.assign(flag="no"))


def test_date_that_the_fitted_unit_cannot_hold(mixed):
    """Nanoseconds end in the year 2262; wrapped around, year 3000 would be 1830."""
    fitted, frame = mixed
    late = np.array(["3000-01-01"] * 40, dtype="M8[s]")
    with pytest.raises(ValueError, match="'day'"):
        fitted.score_samples(frame.assign(day=late))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="flag"), r"missing:\n- flag"),
        (lambda frame: frame.assign(more=1.0), r"unseen at fit time:\n- more"),
        (lambda frame: frame[frame.columns[::-1]], "same order"),
    ],
    ids=["missing", "added", "order"],
)
def test_other_columns_than_in_fit(mixed, change, message):
    fitted, frame = mixed
    with pytest.raises(ValueError, match=message):
        fitted.score_samples(change(frame))


def test_unhashable_cells_after_fit(mixed):
    fitted, frame = mixed
    odd = pd.Series([["red"]] * 40, dtype=object)
    with pytest.raises(ValueError, match=r"'colour'.*convert it or leave it out first"):
        fitted.score_samples(frame.assign(colour=odd))


@pytest.mark.parametrize("n_rows", [0, 1])
def test_too_few_rows(quick_any, n_rows):
    with pytest.raises(ValueError, match=rf"{n_rows} sample\(s\).*minimum of 2"):
        quick_any().fit(np.zeros((n_rows, 3)))


def test_no_columns(quick_any):
    with pytest.raises(ValueError, match=r"0 feature\(s\).*minimum of 1"):
        quick_any().fit(np.zeros((5, 0)))


def test_one_dimension(quick_any):
    with pytest.raises(ValueError, match=r"Expected 2D array, got 1D.*[\s\S]*reshape"):
        quick_any().fit(np.arange(5.0))


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_another_number_of_columns(trained, X):
    with pytest.raises(ValueError, match=r"3 features, but .* is expecting 5"):
        trained.score_samples(X[:, :3])


def test_partial_fit_with_another_number_of_columns(fitted, X):
    with pytest.raises(ValueError, match=r"3 features, but .* is expecting 5"):
        fitted.partial_fit(X[:, :3])


def test_negative_weight(quick_any, X):
    weights = np.ones(len(X))
    weights[7] = -2.5
    with pytest.raises(ValueError, match=r"sample_weight\[7\] is -2\.5;.*0 .*or more"):
        quick_any().fit(X, sample_weight=weights)


def test_all_zero_weights(quick_any, X):
    with pytest.raises(ValueError, match=r"(?i)sample.weights? .*at least one non-zero"):
        quick_any().fit(X, sample_weight=np.zeros(len(X)))


def test_weights_of_another_length(quick_any, X):
    with pytest.raises(
        ValueError, match=r"sample_weight\.shape == \(3,\), expected \(120,\)"
    ):
        quick_any().fit(X, sample_weight=[1.0, 1.0, 1.0])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(quick_any, X, value):
    weights = np.ones(len(X))
    weights[7] = value
    with pytest.raises(ValueError, match="sample_weight"):
        quick_any().fit(X, sample_weight=weights)


def test_column_beyond_float64_is_named(quick_any, X):
    with pytest.raises(ValueError, match=r"'x2'.*1e\+200.*divide the column"):
        quick_any().fit(_with(X, 1e200))


def test_failed_fit_is_no_fit(quick_any, X):
    estimator = quick_any()
    with pytest.raises(ValueError, match="infinity"):
        estimator.fit(_with(X, np.inf))
    with pytest.raises(NotFittedError):
        estimator.score_samples(X)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_refused_rows_leave_a_fit_as_it_was(trained, X, method):
    rows = pd.DataFrame(X, columns=list("abcde"))
    scores = trained.score_samples(rows)
    with pytest.raises(ValueError, match="infinity"):
        getattr(trained, method, trained.fit)(rows.assign(c=np.inf))
    np.testing.assert_array_equal(trained.score_samples(rows), scores)
