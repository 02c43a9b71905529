"""What columns of every library are read as, and what those are told that cannot be."""

import datetime as dt
import pickle
import re
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import ALL_KINDS, MAKE_FRAME, frames_of

from skae import AEAnomalyDetector, AutoencoderTransformer
from skae.table import reading
from skae.table.encoder import TableEncoder
from skae.table.frame import Frame
from skae.table.states import MISSING

NAN, NAT = np.nan, np.datetime64("NaT")
ZONES = ["America/New_York", "Etc/GMT+5", "America/Port-au-Prince", "Europe/Berlin", "UTC"]
NOONS = pd.Series(pd.date_range("2024-01-01 12:00", periods=3).astype("M8[us]"))
PRICES = [Decimal("1.50"), None, Decimal("2.25")]
DAYS = [dt.date(2024, 1, 1), None, dt.date(9999, 12, 31)]
LETTERS = ["b", None, "a"]


def _arrow_dtype(dtype):
    return pd.ArrowDtype(dtype)


def _frame(column):
    library = type(column).__module__.split(".")[0]
    return MAKE_FRAME[library]({"a": column})


def _name(column):
    dtype = column.type if isinstance(column, pa.ChunkedArray | pa.Array) else column.dtype
    return f"{type(column).__module__.split('.')[0]} {dtype}"


def _zoned(zone):
    there = NOONS.dt.tz_localize(zone)
    return [
        there,
        pl.Series(NOONS.to_numpy()).dt.replace_time_zone(zone),
        pa.array(there.dt.tz_convert("UTC").dt.tz_localize(None)).cast(
            pa.timestamp("us", zone)
        ),
        pd.Series(there, dtype=_arrow_dtype(pa.timestamp("us", zone))),
    ]


def _months(freq):
    return pd.Series(pd.period_range("2024-01-01", periods=3, freq=freq))


FLOATS = [1.5, NAN, 2.25]
READ = [
    # decimals, of SQL and Parquet
    *(
        (column, "number", FLOATS)
        for column in (
            pa.array(PRICES, pa.decimal128(10, 2)),
            pa.array(PRICES, pa.decimal256(60, 2)),
            pl.Series(PRICES, dtype=pl.Decimal(10, 2)),
            pd.Series(PRICES, dtype=_arrow_dtype(pa.decimal128(10, 2))),
            pd.Series([Decimal("1.50"), Decimal("NaN"), Decimal("2.25")], dtype=object),
        )
    ),
    # sparse
    (pd.Series(pd.arrays.SparseArray([0, 3, 4])), "number", [0, 3, 4]),
    (pd.Series(pd.arrays.SparseArray(FLOATS)), "number", FLOATS),
    (pd.Series(pd.arrays.SparseArray([True, False, True])), "boolean", [True, False, True]),
    (pd.Series(pd.arrays.SparseArray(LETTERS)), "category", LETTERS),
    # other byte orders and widths
    *((pd.Series(np.array(FLOATS, d)), "number", FLOATS) for d in (">f8", ">f4", "f2", "g")),
    *((pd.Series(np.array([1, 2, 3], d)), "number", [1, 2, 3]) for d in (">i8", ">u2")),
    (pl.Series([1, None, 2**62], dtype=pl.Int128), "number", [1, None, 2**62]),
    (pl.Series([1, None, 2**100], dtype=pl.Int128), "number", [1.0, NAN, 2.0**100]),
    (pa.array(np.array(FLOATS, np.float16)), "number", FLOATS),
    (pa.array([1, None, 2**63], pa.uint64()), "number", [1, None, 2**63]),
    # objects
    (pd.Series([1.5, pd.NA, np.float32(2.25)], dtype=object), "number", FLOATS),
    (pd.Series([1, None, 2**70], dtype=object), "number", [1.0, NAN, 2.0**70]),
    (pd.Series(DAYS, dtype=object), "date", [*map(np.datetime64, ["2024-01-01", NAT, "9999-12-31"])]),
    (
        pd.Series([dt.datetime(2024, 1, 1, 6), pd.NaT, pd.Timestamp("2024-01-02")], dtype=object),
        "date",
        [np.datetime64("2024-01-01T06", "us"), NAT, np.datetime64("2024-01-02", "us")],
    ),
    (
        pd.Series([dt.timedelta(1), None, pd.Timedelta(2, "h")], dtype=object),
        "duration",
        [np.timedelta64(24, "h"), np.timedelta64("NaT"), np.timedelta64(2, "h")],
    ),
    # times
    *(
        (column, "date", (NOONS.dt.tz_localize(z).dt.tz_convert("UTC")).dt.tz_localize(None).tolist())
        for z in ZONES
        for column in _zoned(z)
    ),
    *(
        (_months(freq), "date", [*map(np.datetime64, days)])
        for freq, days in {
            "M": ["2024-01-01", "2024-02-01", "2024-03-01"],
            "Q": ["2024-01-01", "2024-04-01", "2024-07-01"],
            "Y-JUN": ["2023-07-01", "2024-07-01", "2025-07-01"],
            "W": ["2024-01-01", "2024-01-08", "2024-01-15"],
            "2D": ["2024-01-01", "2024-01-03", "2024-01-05"],
            "h": ["2024-01-01T00", "2024-01-01T01", "2024-01-01T02"],
        }.items()
    ),
    (_months("M").astype(object), "date", [*map(np.datetime64, ["2024-01", "2024-02", "2024-03"])]),
    (pa.array([DAYS[0], None, DAYS[0]], pa.date64()), "date", [np.datetime64(DAYS[0]), NAT, np.datetime64(DAYS[0])]),
    # text
    *(
        (column, "category", LETTERS)
        for column in (
            pa.array(LETTERS, pa.string_view()),
            pa.array(LETTERS, pa.large_string()),
            pa.array(LETTERS).dictionary_encode(),
            pa.chunked_array([pa.array(part).dictionary_encode() for part in (["b"], [None, "a"])]),
            pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), pa.array(LETTERS)),
            pd.Series(LETTERS, dtype=_arrow_dtype(pa.string_view())),
            pd.Series(LETTERS, dtype=_arrow_dtype(pa.dictionary(pa.int32(), pa.string()))),
        )
    ),
    (pa.array([3, None, 2]).dictionary_encode(), "category", [3, None, 2]),
    (pa.RunEndEncodedArray.from_arrays(pa.array([1, 3]), pa.array([1.5, 2.25])), "number", [1.5, 2.25, 2.25]),
    # nothing
    (pa.nulls(2), "empty", [None, None]),
    (pl.Series([None, None]), "empty", [None, None]),
    (pd.Series([None, pd.NA], dtype=object), "empty", [None, None]),
]  # fmt: skip


def _same(cell, expected):
    if expected is None or pd.isna(expected):
        return pd.isna(cell)
    return cell == expected and type(cell == expected) is not np.ndarray


@pytest.mark.parametrize(
    ("column", "kind", "expected"),
    READ,
    ids=lambda c: _name(c) if hasattr(c, "__array__") else "",
)
def test_what_a_column_is_read_as(column, kind, expected):
    cells = Frame(_frame(column)).column(0)
    assert cells.kind == kind
    found = cells.objects().tolist()
    assert len(found) == len(expected)
    assert all(_same(cell, other) for cell, other in zip(found, expected, strict=True)), (
        found
    )
    assert cells.is_missing().tolist() == [bool(pd.isna(cell)) for cell in expected]


@pytest.mark.parametrize(("library", "kind"), ALL_KINDS)
def test_rows_are_the_cells_of_these_rows(library, kind):
    """Slices, arrays of rows, and rows of these, are read as if they had been taken first."""

    @settings(max_examples=5, deadline=None, derandomize=True, database=None)
    @given(frames_of(library, [kind]), st.integers(0, 3), st.randoms(use_true_random=False))
    def check(frame, first, random):
        whole = Frame.of(frame)
        rows = np.array([random.randrange(len(whole)) for _ in range(5)])
        expected = whole.column(0).objects()
        for part, at in (
            (whole[first:], np.arange(len(whole))[first:]),
            (whole[rows], rows),
            (whole[rows][first:], rows[first:]),
            (whole[first:][: len(whole)], np.arange(len(whole))[first:]),
        ):
            assert part.shape == (len(at), 1)
            again = pickle.loads(pickle.dumps(part))
            for one in (part, part.copy(), again, Frame.of(part.native)):
                np.testing.assert_array_equal(
                    pd.Series(one.column(0).objects(), dtype=object).fillna("-"),
                    pd.Series(expected[at], dtype=object).fillna("-"),
                )

    check()


def test_a_column_is_read_once(monkeypatch):
    """Whatever the blocks of rows that it is learned from and encoded in."""
    read = []

    def count(column, name, *others):
        read.append(name)
        return reading.read_cells(column, name, *others)

    monkeypatch.setattr("skae.table.frame.read_cells", count)
    monkeypatch.setattr("skae.table.encoder.BLOCK", 7)
    frame = pd.DataFrame(
        {"a": np.arange(50.0), "b": list("xyzvw") * 10, "c": [True, False] * 25}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        AutoencoderTransformer(1, max_iter=1, hidden_layer_sizes=()).fit(frame)
        assert sorted(read) == ["a", "b", "c"]
        read.clear()
        AEAnomalyDetector(n_estimators=2, random_state=0).fit(frame)
    assert sorted(read) == ["a", "b", "c"]


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "mixed"])
@pytest.mark.parametrize("n_columns", [3, 70])
def test_wide_frames_are_read_like_narrow_ones(library, dtype, n_columns):
    """Their numbers come as one matrix, text and very large numbers column by column."""
    rng = np.random.default_rng(0)
    names = [f"c{i}" for i in range(n_columns)]
    X = pd.DataFrame(rng.integers(0, 9, (30, n_columns)), columns=names)
    if dtype == "mixed":
        X = X.astype(
            {c: ["float32", "int64", "float64"][i % 3] for i, c in enumerate(names)}
        )
        X["c1"] = X["c1"] + 2**60  # which float64 does not hold
        X["c2"] = X["c2"].where(np.arange(30) % 4 > 0)
        X = X.copy().assign(text=list("abc") * 10)
    else:
        X = X.astype(dtype)
    numbers = X[names].to_numpy(np.float64)
    if dtype == "mixed":
        numbers[:, 1] = X["c1"] - 2**60
    own = {"polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}.get(library)
    rows = Frame(X if own is None else own(X))
    assert len(rows.matrix()[0]) == (
        0 if n_columns == 3 else n_columns - (dtype == "mixed")
    )
    assert rows.is_float32() == (dtype == "float32")
    table = TableEncoder().fit(rows)
    design = table.encode(rows, np.float64)[0]
    expected = (numbers - np.nanmean(numbers, axis=0)) / np.nanstd(numbers, axis=0)
    np.testing.assert_allclose(design[:, :n_columns], np.nan_to_num(expected), atol=1e-9)
    again = table.encode(rows[10:][np.array([3, 3, 0])], np.float64)[0]
    np.testing.assert_array_equal(again, design[[13, 13, 10]])


# ---------------------------------------------------------------- refused, with a way out

REFUSED = [
    pd.Series([1j, 2.0, 3.0]),
    pd.Series(pd.interval_range(0, 3)),
    pd.Series([b"a", b"b", b"a"], dtype=object),
    pd.Series([dt.time(1), dt.time(2), None], dtype=object),
    pd.Series([(1, 2), (2, 3), (1, 2)], dtype=object),
    pd.Series([{1}, {2}, {1}], dtype=object),
    pd.Series([1, "a", 2.5], dtype=object),
    pd.Series([dt.datetime(2024, 1, d, tzinfo=dt.UTC) for d in (1, 2, 3)], dtype=object),
    pd.Series([pd.Period("2024-01"), pd.Period("2024Q1"), None], dtype=object),
    pd.Series([[1], [2], [1]], dtype=_arrow_dtype(pa.list_(pa.int64()))),
    pd.Series([dt.time(1), dt.time(2), None], dtype=_arrow_dtype(pa.time64("us"))),
    pl.Series([{"x": 1}, {"x": 2}, {"x": 1}]),
    pl.Series([[1, 2], [2, 1], [1, 1]], dtype=pl.Array(pl.Int64, 2)),
    pl.Series([[1], [2], [1]], dtype=pl.Array(pl.Int64, 1)),
    pl.Series([[1], [2], [1]]),
    pl.Series([b"a", b"b", b"a"]),
    pl.Series([dt.time(1), dt.time(2), None]),
    pl.Series([1, 2, 3], dtype=pl.Object),
    pd.Series(
        pd.arrays.ArrowExtensionArray(pa.array([b"a", b"b", b"a"], pa.binary_view()))
    ),
    pd.Series(
        pd.arrays.ArrowExtensionArray(pa.array([[1], [2], [1]], pa.list_view(pa.int8())))
    ),
    pa.array([[1], [2], [1]]),
    pa.array([[1], [2], [1]], pa.list_(pa.int64(), 1)),
    pa.array([{"x": 1}, {"x": 2}, {"x": 1}]),
    pa.array([[("a", 1)], [], []], pa.map_(pa.string(), pa.int64())),
    pa.array([1, 2, None], pa.time32("s")),
    pa.array([1, 2, None], pa.time64("ns")),
    pa.array([b"a", b"b", b"a"]),
    pa.array([b"a", b"b", b"a"], pa.binary(1)),
    pa.array([b"a", b"b", b"a"]).dictionary_encode(),
]


@pytest.mark.parametrize("column", REFUSED, ids=_name)
def test_a_column_of_no_kind_is_refused_by_name_and_the_remedy_works(column):
    X = _frame(column)
    with pytest.raises(
        ValueError, match=r"Column 'a' \(dtype .*for example with "
    ) as error:
        AutoencoderTransformer(1).fit(X)
    remedy = re.search(r"for example with (.*)\.$", str(error.value))[1]
    made = eval(remedy, {"X": X, "pd": pd, "pl": pl, "pa": pa, "np": np})
    if not isinstance(made, pl.DataFrame | pa.Table | pd.DataFrame):
        made = pd.DataFrame({"a": made})
    assert all(cells.kind != "empty" for cells in Frame(made).columns())


def _inf(make):
    return make([1.0, float("inf"), 2.0])


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1.0, np.inf, 2.0], dtype="float32"),
        pd.Series([1.0, np.inf, 2.0], dtype=">f8"),
        pd.Series([1.0, np.inf, 2.0], dtype="Float64"),
        pd.Series(np.array([1.0, np.inf, 2.0], dtype="f2")),
        pd.Series([1.0, np.float32("inf"), 2.0], dtype=object),
        pd.Series([Decimal(1), Decimal("inf"), None], dtype=object),
        pd.Series(pd.arrays.SparseArray([0.0, np.inf, 0.0])),
        pd.Series([1.0, np.inf, None], dtype="double[pyarrow]"),
        pl.Series([1.0, float("inf"), None]),
        pl.Series([1.0, float("-inf"), None], dtype=pl.Float32),
        pa.array([1.0, float("inf"), None]),
        pa.array(np.array([1.0, np.inf, 2.0], dtype="f2")),
    ],
    ids=_name,
)
def test_an_infinite_cell_is_refused_whatever_the_dtype(column):
    with pytest.raises(ValueError, match="infinity: column 'a', row 1"):
        AEAnomalyDetector().fit(_frame(column))
    wide = pd.DataFrame(np.ones((3, 99))).rename(columns=str)
    wide["20"] = [1.0, np.inf, 2.0]
    with pytest.raises(ValueError, match="infinity: column '20', row 1"):
        AEAnomalyDetector().fit(wide)


# ---------------------------------------------------------------- nothing in a batch

FITTED = {
    "number": [1.5, 2.5, 4.0],
    "integer": [1, 2, 4],
    "text": ["a", "b", "a"],
    "boolean": [True, False, True],
    "date": list(NOONS),
    "zoned": list(NOONS.dt.tz_localize("Europe/Berlin")),
    "duration": [dt.timedelta(1), dt.timedelta(2), dt.timedelta(3)],
    "category": pd.Categorical(["a", "b", "a"], ordered=True),
}
NOTHING = [
    *(
        pd.Series([None, None], dtype=dtype)
        for dtype in (
            *("float64", "float32", object, "Int64", "boolean", "string", "category"),
            *(
                "datetime64[ms]",
                "datetime64[ns, Asia/Kolkata]",
                "timedelta64[s]",
                "period[M]",
            ),
            *map(
                _arrow_dtype,
                (
                    pa.int64(),
                    pa.string(),
                    pa.date32(),
                    pa.time64("us"),
                    pa.decimal128(9, 2),
                ),
            ),
            _arrow_dtype(pa.list_(pa.int64())),
        )
    ),
    *(
        pl.Series([None, None], dtype=dtype)
        for dtype in (
            *(
                pl.Null,
                pl.Float64,
                pl.Int64,
                pl.Boolean,
                pl.String,
                pl.Categorical,
                pl.Date,
            ),
            *(pl.Datetime("us", "UTC"), pl.Duration, pl.Time, pl.Binary, pl.Decimal(9, 2)),
            *(pl.Enum(["z"]), pl.Struct({"x": pl.Int64}), pl.Array(pl.Int64, 2)),
            pl.List(pl.Int64),
        )
    ),
    *(
        pa.nulls(2, kind)
        for kind in (
            *(
                pa.null(),
                pa.float64(),
                pa.int32(),
                pa.bool_(),
                pa.string(),
                pa.string_view(),
            ),
            *(
                pa.timestamp("us"),
                pa.date32(),
                pa.duration("s"),
                pa.time32("s"),
                pa.binary(),
            ),
            *(pa.decimal128(9, 2), pa.list_(pa.int64()), pa.struct({"x": pa.int64()})),
            pa.dictionary(pa.int32(), pa.string()),
        )
    ),
]


@pytest.mark.parametrize("column", NOTHING, ids=_name)
def test_a_column_without_any_cell_may_be_of_any_dtype(column):
    """As one row read from CSV, whose empty text cell pandas takes for a float."""
    for name, cells in FITTED.items():
        table = TableEncoder().fit(Frame(pd.DataFrame({"a": cells})))
        batch = Frame(_frame(column))
        table.check(batch)
        design, states = table.encode(batch)
        assert (states == MISSING).all(), name
        np.testing.assert_array_equal(design, 0.0)


def test_what_had_no_cell_in_fit_is_not_read_later():
    frame = pd.DataFrame({"a": [None, None], "b": [1.0, 2.0]})
    for dtype in (object, "float64", "datetime64[ns]", "datetime64[ns, UTC]", "boolean"):
        table = TableEncoder().fit(Frame(frame.astype({"a": dtype})))
        for later in (["x", "y"], [1, 2], [1.5, None], [True, False], DAYS[:2], NOONS[:2]):
            rows = Frame(frame.assign(a=later))
            table.check(rows)
            assert (table.encode(rows)[1][:, 0] == MISSING).all()
            table.partial_fit(rows, np.arange(2))


def test_a_chunk_may_hold_cells_of_a_column_that_had_none():
    array = np.array([[np.nan, 1.0], [np.nan, 2.0], [np.nan, 4.0]])
    model = AutoencoderTransformer(1, max_iter=1, hidden_layer_sizes=())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for X in (array, pd.DataFrame(array, columns=["a", "b"])):
            fitted = model.fit(X)
            later = np.where(np.isnan(array), 7.0, array)
            later = later if X is array else pd.DataFrame(later, columns=["a", "b"])
            fitted.partial_fit(later)
            scores = fitted.score_samples(later)
            np.testing.assert_array_equal(scores, fitted.score_samples(X))


@pytest.mark.parametrize("weighted", [False, True])
def test_what_is_known_of_a_column_outlasts_rows_without_a_cell_of_it(
    weighted, monkeypatch
):
    """Rows are learned from block by block, and chunk by chunk."""
    monkeypatch.setattr("skae.table.blocks.numbers.BLOCK", 10)
    a = np.r_[np.full(10, np.nan), np.arange(10.0), np.full(15, np.nan), [50.0]]
    weight = np.linspace(1.0, 2.0, 36) if weighted else None
    for X in (np.c_[a, np.ones(36)], Frame(pd.DataFrame({"a": a, "b": 1.0}))):
        table = TableEncoder().fit(X, sample_weight=weight)
        there = ~np.isnan(a)
        mean = np.average(a[there], weights=None if weight is None else weight[there])
        assert table.center_[0] == pytest.approx(mean)
        centre, scale = table.center_[0], table.scale_[0]
        table.partial_fit(X[20:30], np.arange(10), None if weight is None else weight[:10])
        assert (table.center_[0], table.scale_[0]) == (centre, scale)


# ---------------------------------------------------------------- time zones


def _three(zone):
    pandas = NOONS if zone is None else NOONS.dt.tz_localize(zone)
    arrow = pa.array(NOONS.to_numpy())
    if zone is not None:
        arrow = pa.compute.assume_timezone(arrow, zone)
    polars = pl.Series(NOONS.to_numpy())
    return pandas, polars if zone is None else polars.dt.replace_time_zone(zone), arrow


@pytest.mark.parametrize("library", [0, 1, 2], ids=["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", None])
def test_times_with_and_without_a_zone_are_not_mixed_up(library, zone):
    fitted, other = _three(zone), _three("Europe/Berlin" if zone is None else None)
    table = TableEncoder().fit(Frame(_frame(fitted[library])))
    X = _frame(other[library])
    with pytest.raises(
        ValueError, match=r"Column 'a' held times .* for example with "
    ) as e:
        table.check(Frame(X))
    remedy = re.search(r"for example with (.*)\.$", str(e.value))[1]
    made = eval(remedy, {"X": X, "pd": pd, "pl": pl, "pa": pa})
    rows = Frame(_frame(made) if isinstance(made, pd.Series) else made)
    table.check(rows)
    # By its clocks.
    expected = table.encode(Frame(_frame(fitted[library])))[0]
    np.testing.assert_array_equal(table.encode(rows)[0], expected)


def test_another_zone_tells_the_same_times():
    frame = pd.DataFrame({"a": NOONS.dt.tz_localize("Europe/Berlin")})
    table = TableEncoder().fit(Frame(frame))
    other = Frame(frame.assign(a=frame["a"].dt.tz_convert("Asia/Kolkata")))
    table.check(other)
    np.testing.assert_array_equal(table.encode(other)[0], table.encode(Frame(frame))[0])
