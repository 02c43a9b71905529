"""Rows come back under the labels, and with the index, that they had."""

from datetime import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from frames import draw_rows
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, VQVAETransformer

MIDNIGHT = datetime(2024, 1, 1)
LABELS = {
    "whole numbers": pd.RangeIndex(4),
    "other whole numbers": pd.Index([7, 3, 5, 0], name="sensor"),
    "floats": pd.Index([0.5, 1.5, 2.5, 3.5]),
    "dates": pd.date_range("2024-01-01", periods=4),
    "months": pd.period_range("2024-01", periods=4, freq="M"),
    "two levels": pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["room", None]),
    "categories": pd.CategoricalIndex(["d", "a", "c", "b"]),
    "text with a name": pd.Index(["a", "b", "c", ""], name="column"),
}
INDICES = {
    "numbers": pd.Index(range(90, 50, -1), name="key"),
    "text": pd.Index([f"row {i}" for i in range(40)]),
    "dates": pd.date_range("2024-01-01", periods=40, freq="h", tz="Europe/Berlin"),
    "twins": pd.Index([1, 2] * 20),
    "two levels": pd.MultiIndex.from_product([range(4), range(10)], names=["a", None]),
}


def _rows(columns=None, index=None):
    """Rows of three numbers and a category, a cell in five missing."""
    rng = np.random.default_rng(0)
    t = rng.normal(size=40)
    frame = pd.DataFrame(
        {
            "a": np.rint(3 * t),
            "b": t + 0.1 * rng.normal(size=40),
            "c": np.where(t > 0, "up", "down"),
            "d": -t,
        }
    ).mask(rng.random((40, 4)) < 0.2)
    frame.columns = frame.columns if columns is None else columns
    frame.index = frame.index if index is None else index
    return frame


def _all_results(fitted, X):
    contributions, expected = fitted.explain(X, expected=True)
    codes = pd.DataFrame(fitted.transform(X), index=X.index)
    return {
        "contributions": contributions,
        "expected": expected,
        "impute": fitted.impute(X),
        "reconstruct": fitted.reconstruct(X),
        "inverse_transform": fitted.inverse_transform(codes),
    }


def _assert_labels(fitted, X):
    results = {**_all_results(fitted, X), "sample": fitted.sample(3, random_state=0)}
    for name, found in results.items():
        pd.testing.assert_index_equal(found.columns, X.columns, obj=name)
    worst = results["contributions"].idxmax(axis=1).iloc[0]
    assert X[worst].equals(X.iloc[:, X.columns.get_loc(worst)])


@pytest.mark.parametrize("columns", LABELS.values(), ids=LABELS)
def test_columns_keep_their_labels(columns):
    X = _rows(columns)
    _assert_labels(AutoencoderTransformer(2, max_iter=1, random_state=0).fit(X), X)


def test_columns_and_rows_keep_their_labels(quick):
    X = _rows(LABELS["two levels"])
    fitted = quick(max_iter=1).fit(X)
    _assert_labels(fitted, X)
    for index in INDICES.values():
        X.index = index
        for name, found in _all_results(fitted, X).items():
            pd.testing.assert_index_equal(found.index, index, obj=name)


@pytest.mark.parametrize("labels", ["other whole numbers", "two levels"])
def test_a_detector_explains_under_the_labels(quick_detector, labels):
    X = _rows(LABELS[labels], INDICES["two levels"])
    contributions, expected = quick_detector().fit(X).explain(X, expected=True)
    for found in (contributions, expected):
        pd.testing.assert_index_equal(found.columns, X.columns)
        pd.testing.assert_index_equal(found.index, X.index)


def test_rows_after_a_split_are_compared_row_by_row():
    """`test - restored` aligns on the index."""
    train, test = train_test_split(draw_rows(90, 0), random_state=0)
    fitted = AutoencoderTransformer(2, max_iter=1, random_state=0).fit(train)
    fitted.set_output(transform="pandas")
    restored = fitted.inverse_transform(fitted.transform(test))
    difference = test["size"] - restored["size"]
    assert len(difference) == len(test)
    assert difference.notna().all()


def test_reconstruct_is_transform_and_back(quick, holed):
    fitted = quick(max_iter=1).fit(holed)
    found = fitted.reconstruct(holed)
    expected = fitted.inverse_transform(fitted.transform(holed))
    assert type(found) is type(holed)
    for name in holed.columns:
        assert found[name].to_list() == expected[name].to_list()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reconstruct_an_array(X, dtype):
    X = X.astype(dtype)
    holed = np.where(np.random.default_rng(0).random(X.shape) < 0.1, dtype(np.nan), X)
    fitted = AutoencoderTransformer(2, max_iter=1, random_state=0).fit(holed)
    found = fitted.reconstruct(holed)
    assert found.dtype == dtype
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, fitted.inverse_transform(fitted.transform(holed)))


def test_indices_of_entries_keep_their_index():
    X = _rows(index=INDICES["text"])
    fitted = VQVAETransformer(2, encoding="indices", max_iter=4, random_state=0).fit(X)
    codes = pd.DataFrame(fitted.transform(X), index=X.index)
    pd.testing.assert_frame_equal(fitted.inverse_transform(codes), fitted.reconstruct(X))


# ------------------------------------------------------------------ libraries

LIBRARIES = {
    "pandas": lambda X: X,
    "polars": pl.from_pandas,
    "pyarrow": pa.Table.from_pandas,
}
CODES = {
    "pandas": pd.DataFrame,
    "polars": lambda codes: pl.from_numpy(codes, ["x", "y"]),
    "pyarrow": lambda codes: pa.table({"x": codes[:, 0], "y": codes[:, 1]}),
    "list": np.ndarray.tolist,
}


@pytest.fixture(scope="module", params=LIBRARIES)
def fitted_to(request):
    X = LIBRARIES[request.param](draw_rows(60, 0, missing=0.1).reset_index(drop=True))
    return AutoencoderTransformer(2, max_iter=4, random_state=0).fit(X), X


@pytest.mark.parametrize("library", CODES)
def test_codes_come_in_any_library(fitted_to, library):
    fitted, X = fitted_to
    codes = fitted.transform(X)
    found = fitted.inverse_transform(CODES[library](codes))
    assert type(found) is type(X)
    assert found.equals(fitted.inverse_transform(codes))


@pytest.mark.parametrize("library", LIBRARIES)
def test_rows_of_another_library_are_filled_and_explained(fitted_to, library):
    fitted, X = fitted_to
    rows = LIBRARIES[library](draw_rows(20, 1, missing=0.3).reset_index(drop=True))
    filled = fitted.impute(rows)
    contributions, expected = fitted.explain(rows, expected=True)
    assert type(filled) is type(contributions) is type(rows)
    assert type(expected) is type(fitted.reconstruct(rows)) is type(X)
    names = rows.column_names if library == "pyarrow" else list(rows.columns)
    for name in names:
        given, whole = (
            table[name].to_pylist() if library == "pyarrow" else table[name].to_list()
            for table in (rows, filled)
        )
        assert not any(pd.isna(cell) for cell in whole)
        pairs = zip(given, whole, strict=True)
        assert all(pd.isna(one) or one == other for one, other in pairs), name


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table], ids=["polars", "pyarrow"])
def test_a_column_without_a_name(make):
    X = make({"": [1.0, 2.0, 3.0, 5.0], "b": [0.5, 1.0, 1.5, 2.0]})
    fitted = AutoencoderTransformer(1, max_iter=1, random_state=0).fit(X)
    contributions, expected = fitted.explain(X, expected=True)
    assert type(contributions) is type(expected) is type(X)
    assert contributions.shape == expected.shape == (4, 2)


# ------------------------------------------------------------------ other dtypes than in fit

FRESH = {
    "floats in place of whole numbers": (
        pd.Series([1, 2, 3, 2]),
        pd.Series([1.0, np.nan]),
        "float64",
    ),
    "whole numbers in place of floats": (
        pd.Series([1.5, 2.0, 3.0, 2.0]),
        pd.Series([1, None], dtype="Int64"),
        "Int64",
    ),
    "objects in place of booleans": (
        pd.Series([True, False, True, True]),
        pd.Series([True, None], dtype=object),
        "object",
    ),
    "fewer categories": (
        pd.Series(["x", "y", "x", "y"], dtype="category"),
        pd.Series(["z", None], dtype="category"),
        None,
    ),
    "nothing, as floats, in place of text": (
        pd.Series(["x", "y", "x", "y"], dtype=object),
        pd.Series([None, None], dtype=object),
        "object",
    ),
    "nothing in place of booleans": (
        pd.Series([True, False, True, True]),
        pd.Series([None, None], dtype=object),
        "bool",
    ),
}


@pytest.mark.parametrize(("column", "fresh", "dtype"), FRESH.values(), ids=FRESH)
def test_cells_are_filled_in_the_dtype_of_the_rows(column, fresh, dtype):
    fitted = AutoencoderTransformer(1, max_iter=1, random_state=0)
    fitted.fit(pd.DataFrame({"a": column, "b": [1.0, 2.0, 3.0, 5.0]}))
    filled = fitted.impute(pd.DataFrame({"a": fresh, "b": [1.0, 2.0]}))["a"]
    assert filled.notna().all()
    assert filled[1] in set(column)
    if dtype is not None:
        assert filled.dtype == dtype


EMPTY = {
    "pandas durations": pd.DataFrame({"a": pd.Series([None, None], dtype="m8[ns]")}),
    "pandas periods": pd.DataFrame({"a": pd.Series([None, None], dtype="period[M]")}),
    "pandas booleans": pd.DataFrame({"a": pd.Series([None, None], dtype="boolean")}),
    "pandas Arrow null": pd.DataFrame({"a": pd.Series([None, None], dtype=pd.ArrowDtype(pa.null()))}),
    "pandas Sparse": pd.DataFrame({"a": pd.arrays.SparseArray([np.nan, np.nan])}),
    "pandas complex": pd.DataFrame({"a": np.full(2, np.nan, dtype=complex)}),
    "polars Null": pl.DataFrame({"a": [None, None]}),
    "polars Object": pl.DataFrame({"a": pl.Series([None, None], dtype=pl.Object)}),
    "polars Datetime": pl.DataFrame({"a": pl.Series([None, None], dtype=pl.Datetime("us", "UTC"))}),
    "pyarrow null": pa.table({"a": pa.nulls(2)}),
    "pyarrow timestamp": pa.table({"a": pa.nulls(2, pa.timestamp("s", "UTC"))}),
}  # fmt: skip


SEEN = {
    "numbers": [1, 2, 3, 9],
    "text": ["x", "y", "x", "z"],
    # A zone whose name some libraries cannot read.
    "times": pd.date_range("2024-03-09", periods=4, tz="America/New_York"),
    "months": pd.period_range("2024-01", periods=4, freq="M"),
}


@pytest.mark.parametrize("cells", SEEN.values(), ids=SEEN)
@pytest.mark.parametrize("rows", EMPTY.values(), ids=EMPTY)
def test_a_column_without_cells_is_filled_whatever_its_dtype(rows, cells):
    """It says nothing, and cannot hold what is missing."""
    X = pd.DataFrame({"a": cells}).assign(b=[1.0, 2.0, 3.0, 5.0])
    fitted = AutoencoderTransformer(1, max_iter=1, random_state=0).fit(X)
    if isinstance(rows, pd.DataFrame):
        rows = rows.assign(b=[1.0, 2.0])
    elif isinstance(rows, pl.DataFrame):
        rows = rows.with_columns(b=pl.Series([1.0, 2.0]))
    else:
        rows = rows.append_column("b", pa.array([1.0, 2.0]))
    filled = fitted.impute(rows)
    assert type(filled) is type(rows)
    column = filled["a"]
    found = column.to_pylist() if isinstance(rows, pa.Table) else column.to_list()
    if isinstance(cells, list):
        numbers = isinstance(cells[0], int)
        assert all(1 <= cell <= 9 if numbers else cell in cells for cell in found)
    else:
        days = pd.to_datetime([str(cell)[:10] for cell in found])
        assert days.min() >= pd.Timestamp("2023-12-01")
        assert days.max() <= pd.Timestamp("2024-05-01")


NARROW = {
    "pandas": pd.DataFrame({"a": pd.to_datetime(["2024-01-01", None]).as_unit("ns")}),
    "pandas in a zone": pd.DataFrame(
        {"a": pd.to_datetime(["2024-01-01", None]).as_unit("ns").tz_localize("UTC")}
    ),
    "polars": pl.DataFrame(
        {"a": pl.Series([MIDNIGHT, None], dtype=pl.Datetime("ns", "UTC"))}
    ),
    "pyarrow": pa.table({"a": pa.array([MIDNIGHT, None], pa.timestamp("ns", "UTC"))}),
}


@pytest.mark.parametrize("rows", NARROW.values(), ids=NARROW)
def test_times_are_filled_within_what_the_rows_can_hold(rows):
    """Nanoseconds begin in 1677."""
    days = pd.date_range("1500-01-01", periods=4, unit="s")
    zoned = not isinstance(rows, pd.DataFrame) or rows["a"].dt.tz is not None
    X = pd.DataFrame({"a": days.tz_localize("UTC") if zoned else days})
    fitted = AutoencoderTransformer(1, max_iter=1, random_state=0).fit(X)
    filled = fitted.impute(rows)["a"]
    assert str(filled[1])[:4] == "1677"
