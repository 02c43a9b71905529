"""What comes back: every dtype of every library, through every method that returns rows."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import count

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skae import AutoencoderTransformer
from skae.table.writing import as_objects, as_series, classes_of_objects

N_ROWS = 150
RNG = np.random.default_rng(0)
# One hidden number, 0 to 9, tells all columns.
HIDDEN = RNG.integers(0, 10, N_ROWS)
HOLED = RNG.random(N_ROWS) < 0.1
COLUMNS = count()

WORDS = ["low", "middle", "high"]
MIDNIGHT, HOUR = datetime(2024, 3, 1), pd.Timedelta(1, "h")


@dataclass
class Sort:
    """Cells of one sort: the cell that the hidden number tells, and a cell as a number."""

    cell: object
    number: object = float
    # What all cells are multiples of, and what comes back is as well.
    step: float = 1.0
    # Times may lie outside of those seen, unlike whole numbers.
    limited: bool = True

    def cells(self, holes=True):
        """The cells, with holes of their own in every column."""
        missing = np.roll(HOLED, next(COLUMNS)) & holes
        pairs = zip(HIDDEN.tolist(), missing, strict=True)
        return [None if hole else self.cell(t) for t, hole in pairs]


def _days(cell):
    cell = cell.start_time if isinstance(cell, pd.Period) else pd.Timestamp(cell)
    return (cell.tz_localize(None) - pd.Timestamp(MIDNIGHT)) / HOUR / 24


COUNT = Sort(lambda t: t)
PRICE = Sort(lambda t: 0.75 * t, step=0.0, limited=False)
DECIMAL = Sort(lambda t: Decimal(3 * t) / 4, step=0.0, limited=False)
WORD = Sort(lambda t: WORDS[t // 4], WORDS.index)
FLAG = Sort(lambda t: t > 4)
DAY = Sort(lambda t: (MIDNIGHT + timedelta(days=7 * t)).date(), _days, 7.0, False)
STAMP = Sort(lambda t: MIDNIGHT + timedelta(days=7 * t), _days, 7.0, False)
WAIT = Sort(lambda t: timedelta(hours=2 * t), lambda c: pd.Timedelta(c) / HOUR, 2.0, False)


def _pandas(sort, dtype, holes=True):
    return sort, pd.Series(sort.cells(holes), dtype=dtype)


def _sparse(cells, fill_value):
    return pd.Series(pd.arrays.SparseArray(cells, fill_value=fill_value))


def _zoned(zone):
    return STAMP, pd.Series(pd.to_datetime(STAMP.cells())).dt.tz_localize(zone)


ARROW_TEXT = pd.ArrowDtype(pa.string())
PANDAS = {
    **{d: _pandas(COUNT, d, False) for d in ("int8", "int64", "uint8", "uint64")},
    **{
        f"counts in {d}": _pandas(COUNT, d)
        for d in ("Int8", "UInt64", "int32[pyarrow]", "float16", "float32", "float64")
    },
    **{f"counts in {d}": _pandas(COUNT, d) for d in ("Float64", "double[pyarrow]", object)},
    **{d: _pandas(PRICE, d) for d in ("float32", "float64", "Float32", "float[pyarrow]")},
    "decimal128": _pandas(DECIMAL, pd.ArrowDtype(pa.decimal128(10, 2))),
    "decimal256": _pandas(DECIMAL, pd.ArrowDtype(pa.decimal256(50, 2))),
    "objects of Decimal": _pandas(DECIMAL, object),
    "big-endian counts": (COUNT, pd.Series(np.array(COUNT.cells(False), ">i4"))),
    "big-endian prices": (PRICE, pd.Series(np.array(PRICE.cells(), ">f8"))),
    "sparse counts": (COUNT, _sparse(COUNT.cells(False), 0)),
    "sparse counts around 3": (COUNT, _sparse(COUNT.cells(False), 3)),
    "sparse counts in int8": (COUNT, _sparse(np.array(COUNT.cells(False), "int8"), 0)),
    "sparse counts with holes": (COUNT, _sparse(np.array(COUNT.cells(), float), np.nan)),
    "sparse prices": (PRICE, _sparse(PRICE.cells(False), 0.0)),
    "sparse flags": (FLAG, _sparse(FLAG.cells(False), False)),
    "bool": _pandas(FLAG, "bool", False),
    **{f"flags in {d}": _pandas(FLAG, d) for d in ("boolean", "bool[pyarrow]", object)},
    **{f"words in {d!r}": _pandas(WORD, d) for d in ("str", object, "string", "category")},
    "words in string[python]": _pandas(WORD, "string[python]"),
    "words in string[pyarrow]": _pandas(WORD, "string[pyarrow]"),
    "words in Arrow's string": _pandas(WORD, ARROW_TEXT),
    "words in Arrow's large string": _pandas(WORD, pd.ArrowDtype(pa.large_string())),
    "ordered words": _pandas(WORD, pd.CategoricalDtype([*WORDS, "highest"], ordered=True)),
    **{
        f"category of {name}": (sort, pd.Series(sort.cells()).astype("category"))
        for name, sort in {"numbers": COUNT, "dates": STAMP, "booleans": FLAG}.items()
    },
    **{
        f"datetime64[{unit}]": (STAMP, pd.Series(pd.to_datetime(STAMP.cells())).astype(f"M8[{unit}]"))
        for unit in ("s", "ms", "us", "ns")
    },
    "timedelta64[ms]": (WAIT, pd.Series(pd.to_timedelta(WAIT.cells())).astype("m8[ms]")),
    "datetime64[Europe/Berlin]": _zoned("Europe/Berlin"),
    "datetime64[America/New_York]": _zoned("America/New_York"),
    "objects of date": _pandas(DAY, object),
    "objects of datetime": _pandas(STAMP, object),
    "objects of timedelta": _pandas(WAIT, object),
    "periods": (DAY, pd.Series(pd.PeriodIndex(DAY.cells(), freq="D"))),
    "objects of Period": (DAY, pd.Series(pd.PeriodIndex(DAY.cells(), freq="D")).astype(object)),
    "Arrow's text views": _pandas(WORD, pd.ArrowDtype(pa.string_view())),
    "Arrow's date64": _pandas(DAY, pd.ArrowDtype(pa.date64())),
    "Arrow's date32": _pandas(DAY, pd.ArrowDtype(pa.date32())),
    "Arrow's timestamp": _pandas(STAMP, pd.ArrowDtype(pa.timestamp("ms"))),
    "Arrow's duration": _pandas(WAIT, pd.ArrowDtype(pa.duration("s"))),
}  # fmt: skip


def _polars(sort, dtype):
    return sort, pl.Series(sort.cells(), dtype=dtype, strict=False)


POLARS = {
    **{str(d): _polars(COUNT, d) for d in (pl.Int8, pl.Int64, pl.UInt8, pl.UInt64)},
    **{f"counts in {d}": _polars(COUNT, d) for d in (pl.Float32, pl.Float64)},
    "prices": _polars(PRICE, pl.Float64),
    **{str(d): _polars(COUNT, d) for d in (pl.Float16, pl.Int128, pl.UInt128)},
    "Decimal": (DECIMAL, pl.Series(DECIMAL.cells()).cast(pl.Decimal(10, 2))),
    "Boolean": _polars(FLAG, pl.Boolean),
    **{str(d): _polars(WORD, d) for d in (pl.String, pl.Categorical, pl.Enum(WORDS))},
    "Date": _polars(DAY, pl.Date),
    **{f"Datetime in {u}": _polars(STAMP, pl.Datetime(u)) for u in ("ms", "us", "ns")},
    "Datetime in a zone": (
        STAMP,
        pl.Series(STAMP.cells()).dt.replace_time_zone("America/New_York"),
    ),
    **{f"Duration in {u}": _polars(WAIT, pl.Duration(u)) for u in ("ms", "us", "ns")},
}


def _arrow(sort, kind):
    return sort, pa.array(sort.cells(), kind)


ARROW = {
    **{str(k): _arrow(COUNT, k) for k in (pa.int8(), pa.int64(), pa.uint8(), pa.uint64())},
    **{f"counts in {k}": _arrow(COUNT, k) for k in (pa.float32(), pa.float64())},
    "prices": _arrow(PRICE, pa.float64()),
    **{
        str(k): _arrow(DECIMAL, k)
        for k in (
            *(pa.decimal32(5, 2), pa.decimal64(12, 2)),
            *(pa.decimal128(10, 2), pa.decimal256(50, 4)),
        )
    },
    "bool": _arrow(FLAG, pa.bool_()),
    **{str(k): _arrow(WORD, k) for k in (pa.string(), pa.large_string(), pa.string_view())},
    "dictionary": (WORD, pa.array(WORD.cells()).dictionary_encode()),
    "dictionary of bytes": (
        WORD,
        pa.array(WORD.cells())
        .dictionary_encode()
        .cast(pa.dictionary(pa.int8(), pa.large_string())),
    ),
    "dictionary of numbers": (COUNT, pa.array(COUNT.cells()).dictionary_encode()),
    "half floats": _arrow(COUNT, pa.float16()),
    "date32": _arrow(DAY, pa.date32()),
    "date64": _arrow(DAY, pa.date64()),
    **{
        f"timestamp in {u}": _arrow(STAMP, pa.timestamp(u)) for u in ("s", "ms", "us", "ns")
    },
    "timestamp in a zone": (
        STAMP,
        pl.Series(STAMP.cells()).dt.replace_time_zone("Europe/Berlin").to_arrow(),
    ),
    **{f"duration in {u}": _arrow(WAIT, pa.duration(u)) for u in ("s", "ms", "us", "ns")},
}

LIBRARIES = {"pandas": PANDAS, "polars": POLARS, "pyarrow": ARROW}
MAKE = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
METHODS = {
    "inverse_transform": lambda fitted, X: fitted.inverse_transform(fitted.transform(X)),
    "reconstruct": lambda fitted, X: fitted.reconstruct(X),
    "impute": lambda fitted, X: fitted.impute(X),
    "expected": lambda fitted, X: fitted.explain(X, expected=True, max_columns=3)[1],
    "sample": lambda fitted, X: fitted.sample(N_ROWS, random_state=0),
}


@cache
def _rows(library):
    columns = {name: column for name, (_, column) in LIBRARIES[library].items()}
    X = MAKE[library]({**columns, "even": HIDDEN + RNG.normal(scale=0.01, size=N_ROWS)})
    fitted = AutoencoderTransformer(
        1, max_iter=40, hidden_layer_sizes=(16,), refit=False, random_state=0
    )
    return X, fitted.fit(X)


@cache
def _found(library, method):
    X, fitted = _rows(library)
    return METHODS[method](fitted, X)


def _dtype(column):
    return column.type if isinstance(column, pa.ChunkedArray) else column.dtype


def _cells(column):
    return column.to_pylist() if isinstance(column, pa.ChunkedArray) else column.to_list()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("library", "name"), [(lib, name) for lib, kinds in LIBRARIES.items() for name in kinds]
)
def test_every_dtype_comes_back(library, name, method):
    (sort, _), (X, _) = LIBRARIES[library][name], _rows(library)
    column, given = _found(library, method)[name], X[name]
    assert type(column) is type(given)
    assert _dtype(column) == _dtype(given)
    if isinstance(_dtype(column), np.dtype) and _dtype(column).kind == "O":
        assert {type(c) for c in column.dropna()} == {type(c) for c in given.dropna()}
    cells, truth = _cells(column), sort.cells(holes=False)
    found = np.array([sort.number(cell) for cell in cells])
    expected = np.array([sort.number(cell) for cell in truth])
    if sort.step:
        np.testing.assert_array_equal(found % sort.step, 0.0)
    if sort.limited:
        assert found.min() >= expected.min()
        assert found.max() <= expected.max()
    if method == "sample":
        assert found.std() == pytest.approx(expected.std(), rel=0.4)
        return
    assert np.abs(found - expected).mean() < 0.1 * np.ptp(expected)
    if method == "impute":
        there = np.array([not pd.isna(cell) for cell in _cells(given)])
        np.testing.assert_array_equal(found[there], expected[there])


# ------------------------------------------------------------------ columns alone


def _write(values, missing, native):
    template = nw.from_native(native, series_only=True)
    return as_series(np.asarray(values), np.asarray(missing), template).to_native()


NUMBERS = [2.6, -1e30, 1e30, 7.0]
INTEGERS = {
    **{
        f"pandas {d}": (pd.Series([0], dtype=d), d.lower().partition("[")[0])
        for d in ("int8", "uint8", "Int16", "UInt64", "int64", "int32[pyarrow]", ">i4")
    },
    "pandas sparse": (_sparse(np.zeros(1, "int16"), 0), "int16"),
    **{
        f"polars {d}": (pl.Series([0], dtype=d), str(d).lower())
        for d in (pl.Int8, pl.UInt32)
    },
    "pyarrow uint16": (pa.chunked_array([pa.array([0], pa.uint16())]), "uint16"),
}


@pytest.mark.parametrize(("native", "bounds"), INTEGERS.values(), ids=INTEGERS)
def test_numbers_are_rounded_into_the_bounds_of_integers(native, bounds):
    found = _write(NUMBERS, [False] * 4, native)
    assert _dtype(found) == _dtype(native)
    bounds = np.iinfo(bounds)
    near, low, high, same = _cells(found)
    assert (near, low, same) == (3, bounds.min, 7)
    assert high == pytest.approx(bounds.max, rel=1e-15)


DECIMALS = {
    "narrow": pa.chunked_array([], pa.decimal64(6, 2)),
    "narrower": pa.chunked_array([], pa.decimal32(6, 2)),
    "polars": pl.Series([], dtype=pl.Decimal(6, 2)),
    "pyarrow": pa.chunked_array([], pa.decimal128(6, 2)),
    "pyarrow, wider": pa.chunked_array([], pa.decimal256(6, 2)),
    "pandas": pd.Series([], dtype=pd.ArrowDtype(pa.decimal128(6, 2))),
}


@pytest.mark.parametrize("native", DECIMALS.values(), ids=DECIMALS)
def test_decimals_are_rounded_and_stay_within_their_digits(native):
    found = _write([2.346, -1e30, 1e30, 4e-4, 0.0], [False] * 4 + [True], native)
    assert _dtype(found) == _dtype(native)
    *there, gone = _cells(found)
    assert there == [Decimal("2.35"), Decimal("-9999.99"), Decimal("9999.99"), 0]
    assert pd.isna(gone)


OTHERS = {
    "big-endian floats": (pd.Series([], dtype=">f8"), [0.5, 1.0, 2.0]),
    "periods": (pd.Series([], dtype="period[M]"), np.array([1, 2, 3], "M8[M]")),
    "Arrow's date64": (pa.chunked_array([], pa.date64()), np.array([1, 2, 3], "M8[D]")),
    "Arrow's text views": (pa.chunked_array([], pa.string_view()), ["a", "b", "c"]),
    "pandas text views": (pd.Series([], dtype=pd.ArrowDtype(pa.string_view())), ["a", "b", "c"]),
    "polars Int128": (pl.Series([], dtype=pl.Int128), [1.0, 2.0, 3.0]),
    "dictionary of numbers": (
        pa.chunked_array([], pa.dictionary(pa.int8(), pa.int64())),
        [5, 6, 7],
    ),
    "half floats": (pa.chunked_array([], pa.float16()), [0.5, 1.0, 2.0]),
    "polars time of New York": (
        pl.Series([], dtype=pl.Datetime("us", "America/New_York")),
        np.array([1, 2, 3], "M8[h]"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("native", "values"), OTHERS.values(), ids=OTHERS)
def test_holes_are_written_in_any_dtype(native, values):
    values = np.array(values, dtype=object) if isinstance(values[0], str) else values
    found = _write(values, [False, True, False], native)
    assert _dtype(found) == _dtype(native)
    cells = _cells(found)
    assert [pd.isna(cell) for cell in cells] == [False, True, False]
    assert cells[0] != cells[2]
    nothing = _write(np.full(2, None), [True, True], native)
    assert _dtype(nothing) == _dtype(native)
    assert all(pd.isna(cell) for cell in _cells(nothing))


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        (Decimal("1.5"), [2.25, np.nan]),
        (date(2024, 1, 1), np.array(["2024-02-01", "NaT"], "M8[D]")),
        (pd.Period("2024-01", "M"), np.array(["2024-02", "NaT"], "M8[M]")),
    ],
    ids=["Decimal", "date", "Period"],
)
def test_objects_come_back_in_their_class(cell, values):
    frame = pd.DataFrame({"a": pd.Series([None, cell], dtype=object)})
    column = _write(values, [False, True], frame["a"])
    series = nw.from_native(column, series_only=True)
    found = as_objects(series, classes_of_objects(frame)[0]).to_native()
    assert found.dtype == object
    assert type(found[0]) is type(cell)
    assert found[0] > cell
    assert pd.isna(found[1])


@pytest.mark.parametrize(
    ("cells", "outcome"),
    [
        ([Decimal("10.50"), Decimal("3.2")], Decimal("7.12")),
        ([Decimal(100), Decimal("0.5")], Decimal("7.1")),
        ([Decimal("1e2"), Decimal("NaN"), Decimal(2)], Decimal(7)),
        ([2**70, 2**70 + 2**60], 7),
    ],
    ids=["cents", "tenths", "whole decimals", "whole numbers"],
)
def test_objects_come_back_with_the_digits_that_they_had(cells, outcome):
    frame = pd.DataFrame({"a": pd.Series([None, *cells], dtype=object)})
    value = 7.1234 if isinstance(cells[0], Decimal) else 7.0
    column = _write([value, 1e300], [False, False], frame["a"])
    series = nw.from_native(column, series_only=True)
    found = as_objects(series, classes_of_objects(frame)[0]).to_native()
    assert str(found[0]) == str(outcome)
    assert found[1] == pytest.approx(10**300, rel=1e-9)


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
def test_columns_are_not_looked_up_one_by_one(make, monkeypatch):
    """Each look-up goes through all of the columns: of 4,000 they take seconds."""
    X = make({f"x{i}": np.arange(4.0) ** (i % 3) for i in range(70)})
    fitted = AutoencoderTransformer(1, max_iter=1, random_state=0).fit(X)
    expected = fitted.transform(X)
    holed = make({f"x{i}": [None, 1.0] for i in range(70)})
    monkeypatch.setattr(nw.DataFrame, "__getitem__", None)
    for rows in (fitted.inverse_transform(expected), fitted.impute(holed)):
        assert rows.shape[1] == 70
        np.testing.assert_array_equal(np.asarray(rows["x9"]), 1.0)


# The calendars of Python, and of most libraries, have the years 1 to 9999.
FAR_DAYS = {
    "polars Date": lambda d: pl.DataFrame({"a": d}),
    "polars Datetime": lambda d: pl.DataFrame({"a": pl.Series(d, dtype=pl.Datetime("ms"))}),
    "date32": lambda d: pa.table({"a": pa.array(d, pa.date32())}),
    "date64": lambda d: pa.table({"a": pa.array(d, pa.date64())}),
    "Arrow's date32 in pandas": lambda d: pd.DataFrame(
        {"a": pd.Series(d, dtype=pd.ArrowDtype(pa.date32()))}
    ),
    "objects": lambda d: pd.DataFrame({"a": pd.Series(d, dtype=object)}),
    "stamps": lambda d: pd.DataFrame({"a": pd.to_datetime(d).as_unit("us")}),
    "stamps in ns": lambda d: pd.DataFrame({"a": pd.to_datetime(d).as_unit("ns")}),
    "a zone": lambda d: pd.DataFrame(
        {"a": pd.to_datetime(d).as_unit("s").tz_localize("America/New_York")}
    ),
}


@pytest.mark.parametrize("make", FAR_DAYS.values(), ids=FAR_DAYS)
def test_days_far_from_those_seen_are_dates_still(make):
    days = [date(1999, 12, 28), date(2024, 3, 5), date(2024, 3, 12), date(2024, 7, 2)]
    X = make(days)
    fitted = AutoencoderTransformer(1, max_iter=1, random_state=0).fit(X)
    for far in (1e2, 1e4, 1e8, 1e15):
        rows = fitted.inverse_transform(np.array([[-far], [far]]))
        found = rows["a"]
        found = found.to_pylist() if isinstance(rows, pa.Table) else found.to_list()
        assert len({(cell.year, cell.month) for cell in found}) == 2
        assert {cell.weekday() for cell in found} == {1}
