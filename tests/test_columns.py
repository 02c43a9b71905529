"""Every kind of column comes back as it was: cells, holes and dtype."""

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder
from tables import ALL_KINDS, MAKE_FRAME, assert_frames_equal, frames_of

from skae.table.encoder import TableEncoder
from skae.table.frame import Frame
from skae.table.level_column import LevelColumn
from skae.table.number_column import NumberColumn
from skae.table.states import MISSING, OBSERVED, UNKNOWN

QUICK = settings(max_examples=12, deadline=None, derandomize=True, database=None)


def _series(column):
    return nw.from_native(column, series_only=True)


def _cells(column):
    """Return what is read of a native column."""
    return Frame(MAKE_FRAME[type(column).__module__.split(".")[0]]({"a": column})).column(0)


def _round_trip(frame, **params):
    table = TableEncoder(**params)
    rows = Frame.of(frame)
    design, cells = table.fit(rows).encode(rows, np.float64)
    output = table.design_.to_output(torch.from_numpy(design)).numpy()
    return table.decode(output, np.float64, cells)


@pytest.mark.parametrize(("library", "kind"), ALL_KINDS)
def test_decoding_what_was_encoded_gives_the_column_back(library, kind):
    @QUICK
    @given(frame=frames_of(library, [kind]))
    def check(frame):
        assert_frames_equal(_round_trip(frame), frame)

    check()


# ---------------------------------------------------------------- at the edges


def _column(cells, dtype=None):
    return pd.DataFrame({"a": pd.Series(cells, dtype=dtype)})


EDGES = {
    "uint64 beyond int64": _column([2**64 - 9, 2**64 - 5, 2**64 - 1], "uint64"),
    "uint64 of both halves": _column([0, 2**63], "uint64"),
    "large whole numbers with a hole": _column([2**60 + 1, None, 2**60 + 3], "Int64"),
    "int8 at its bounds": _column([-128, 127], "int8"),
    "150 years in ns": _column(
        pd.to_datetime(["1950-01-01", "1950-01-02", "2099-12-31"]).astype("M8[ns]")
    ),
    "the bounds of ns": _column(
        pd.to_datetime(["1678-01-01", "2020-02-02", "2262-01-01"]).astype("M8[ns]")
    ),
    "year 1 and year 9999": _column(np.array(["0001-01-01", "9999-12-31"], "M8[s]")),
    "the hour that comes twice": _column(
        pd.date_range("2024-10-26 23:30", periods=4, freq="30min", tz="UTC").tz_convert(
            "Europe/Berlin"
        )
    ),
    "no dates at all": _column([None, None], "M8[us]"),
    "no zoned dates at all": _column([None, None], "datetime64[ns, Europe/Berlin]"),
    "no durations at all": _column([None, None], "m8[us]"),
    "no whole numbers at all": _column([None, None], "Int64"),
    "no booleans at all": _column([None, None], "boolean"),
    "no text at all": _column([None, None], "str"),
    "objects, none of them there": _column([None, None], object),
    "categories, none of them there": _column([None, None], "category"),
    "polars, nothing there": pl.DataFrame({"a": pl.Series([None, None], dtype=pl.Null)}),
    "polars, no text": pl.DataFrame({"a": pl.Series([None, None], dtype=pl.String)}),
    "polars, no dates": pl.DataFrame({"a": pl.Series([None, None], dtype=pl.Date)}),
    "one level": _column(["a", "a"]),
    "one row": _column([7]),
    "constant date": _column(pd.to_datetime(["2020-02-29"] * 3)),
    "columns with numbers for names": pd.DataFrame({0: [1, 2], 1: ["a", "b"], 7: [0.5, 1]}),
    "an index of its own": pd.DataFrame({"a": [1, 2, 3]}, index=[9, 9, 4]),
}


@pytest.mark.parametrize("frame", EDGES.values(), ids=EDGES)
def test_round_trip_at_the_edges(frame):
    found = _round_trip(frame)
    if isinstance(frame, pd.DataFrame):
        frame = frame.reset_index(drop=True)
    assert_frames_equal(found, frame)


def test_whole_numbers_wider_than_float64_keep_their_digits():
    """The widest int64: a distance that int64 itself cannot hold."""
    numbers = np.array([-(2**63) + 2**11, -1, 2**62, 2**63 - 2**11])
    found = _round_trip(pd.DataFrame({"a": numbers}))["a"]
    assert found.dtype == np.int64
    np.testing.assert_allclose(found, numbers, rtol=1e-9, atol=2**12)


# ---------------------------------------------------------------- kinds

OF_KIND = {
    "number": ["int8", "UInt16", "float32", "Float64", "object of int", "object of float"],
    "boolean": ["bool", "boolean", "bool[pyarrow]", "object of bool"],
    "category": ["str", "object of str", "string", "category", "category of int"],
    "date": ["datetime64[s]", "datetime64[ns, Asia/Kolkata]", "date32[pyarrow]"],
    "duration": ["timedelta64[ns]", "duration[ms][pyarrow]"],
}


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in OF_KIND.items() for name in names]
)
def test_kind_follows_from_the_dtype_or_the_cells(kind, name):
    @QUICK
    @given(frame=frames_of("pandas", [name]))
    def check(frame):
        assume(frame["c0"].notna().any())
        assert _cells(frame["c0"]).kind == kind

    check()


def test_objects_that_are_all_missing_have_no_kind():
    """One row of a column of True, False and None may well be None alone."""
    assert _cells(pd.Series([None, None], dtype=object)).kind == "empty"
    assert _cells(pd.Series([None, True], dtype=object)).kind == "boolean"


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1.0, np.nan]),
        pd.Series([1.0, None], dtype=object),
        pd.Series(["a", np.nan], dtype=object),
        pd.Series(["a", pd.NA], dtype=object),
        pd.Series([True, pd.NA], dtype="boolean"),
        pd.Series([1, pd.NA], dtype="Int8"),
        pd.Series([pd.Timestamp(0), pd.NaT]),
        pd.Series([pd.Timedelta(1), pd.NaT]),
        pd.Series(["a", None], dtype="category"),
        pd.Series(["a", None]),
        pl.Series([1.0, None]),
        pl.Series([1.0, np.nan]),
        pl.Series(["a", None]),
        pl.Series([True, None]),
    ],
    ids=lambda column: f"{type(column).__module__} {column.dtype}",
)
def test_every_kind_of_hole_is_missing(column):
    assert _cells(column).is_missing().tolist() == [False, True]


# ---------------------------------------------------------------- numbers


def test_dates_of_whole_days_come_back_as_whole_days():
    """A restored date lies between two days; the column knows midnights only."""
    days = pd.Series(pd.date_range("2024-01-01", periods=5, freq="2D"))
    column = NumberColumn("day", "date")
    column.learn(_cells(days))
    values = column.read(_cells(days)) + 0.4 * np.ptp(column.read(_cells(days))) / 4
    found = column.write(values, np.zeros(5, bool), _series(days)).to_native()
    assert found.tolist() == days.tolist()


@pytest.mark.parametrize(
    "small",
    [
        *(pd.Series([0, 250], dtype=d) for d in ("uint8", "UInt8", "uint8[pyarrow]")),
        pl.Series([0, 250], dtype=pl.UInt8),
    ],
    ids=lambda column: str(column.dtype),
)
def test_restored_numbers_stay_within_their_dtype(small):
    column = NumberColumn("a", "number")
    column.learn(_cells(small))
    values = np.array([-1e30, 1e30])
    found = column.write(values, np.zeros(2, bool), _series(small)).to_native()
    assert found.dtype == small.dtype
    assert found.to_list() == [0, 255]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_later_dates_may_come_in_another_unit(unit):
    """The same days are the same numbers."""
    days = pd.Series(pd.date_range("2024-01-01", periods=5).astype("M8[us]"))
    column = NumberColumn("day", "date")
    column.learn(_cells(days))
    found = column.read(_cells(days.astype(f"M8[{unit}]")))
    np.testing.assert_array_equal(found, column.read(_cells(days)))
    assert np.ptp(found) > 0


# ---------------------------------------------------------------- levels


def _learned(cells, weights=None, dtype=None, **rare):
    column = LevelColumn("a", "category")
    column.learn(_cells(pd.Series(cells, dtype=dtype)), weights)
    column.merge_rare(rare.get("min_frequency"), rare.get("max_categories"))
    return column


def _read(column, cells, dtype=None):
    return column.read(_cells(pd.Series(cells, dtype=dtype)))[0].tolist()


@pytest.mark.parametrize("dtype", [str, object, "string", "category"])
def test_cells_that_hold_no_known_level(dtype):
    column = _learned(["b", "a", None], dtype=dtype)
    assert list(column.levels) == ["a", "b"]
    cells = _cells(pd.Series(["b", None, "z", "a"], dtype=dtype))
    levels, states = column.read(cells)
    assert levels.tolist() == [1, -1, -1, 0]
    assert states.tolist() == [OBSERVED, MISSING, UNKNOWN, OBSERVED]


def test_categories_in_another_order_are_the_same_levels():
    first = pd.Categorical(["a", "b"], categories=["a", "b"])
    later = pd.Categorical(["b", "c", "a", None], categories=["c", "b", "a"])
    column = LevelColumn("a", "category")
    column.learn(_cells(pd.Series(first)))
    column.merge_rare(None, None)
    levels, states = column.read(_cells(pd.Series(later)))
    assert levels.tolist() == [1, -1, 0, -1]
    assert states.tolist() == [OBSERVED, UNKNOWN, OBSERVED, MISSING]


def test_category_dtype_declares_levels_that_are_not_seen():
    seen = pd.Categorical(["b", "b"], categories=["c", "b", "a"])
    column = _learned(seen)
    assert list(column.levels) == ["c", "b", "a"]
    assert column.counts.tolist() == [0, 2, 0]


def test_weights_count_levels():
    column = _learned(["a", "b", "b"], weights=np.array([5.0, 1.0, 0.5]))
    assert column.counts.tolist() == [5.0, 1.5]


CELLS = ["a"] * 50 + ["b"] * 30 + ["c"] * 12 + ["d"] * 5 + ["e"] * 3


@pytest.mark.parametrize(
    ("rare", "groups"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"min_frequency": 5}, [0, 1, 2, 3, 4]),
        ({"min_frequency": 6}, [0, 1, 2, 3, 3]),
        ({"min_frequency": 0.13}, [0, 1, 2, 2, 2]),
        ({"max_categories": 5}, [0, 1, 2, 3, 4]),
        ({"max_categories": 4}, [0, 1, 2, 3, 3]),
        ({"max_categories": 2}, [0, 1, 1, 1, 1]),
        ({"max_categories": 1}, [0, 0, 0, 0, 0]),
        ({"max_categories": 3, "min_frequency": 0.13}, [0, 1, 2, 2, 2]),
        ({"max_categories": 2, "min_frequency": 0.13}, [0, 1, 1, 1, 1]),
    ],
)
def test_rare_levels_share_the_last_group(rare, groups):
    assert _read(_learned(CELLS, **rare), list("abcde")) == groups


def _partition(levels, groups):
    return {
        frozenset(level for level, one in zip(levels, groups, strict=True) if one == group)
        for group in groups
    }


@QUICK
@given(
    # Among equally frequent levels the two choose differently.
    counts=st.lists(st.integers(1, 20), min_size=1, max_size=8, unique=True),
    min_frequency=st.one_of(st.none(), st.integers(1, 20), st.floats(0.01, 0.6)),
    max_categories=st.one_of(st.none(), st.integers(1, 9)),
)
def test_rare_levels_are_those_of_one_hot_encoder(counts, min_frequency, max_categories):
    cells = [
        letter for letter, n in zip("abcdefgh", counts, strict=False) for _ in range(n)
    ]
    levels = sorted(set(cells))
    column = _learned(cells, min_frequency=min_frequency, max_categories=max_categories)
    theirs = OneHotEncoder(
        min_frequency=min_frequency, max_categories=max_categories, sparse_output=False
    ).fit(np.array(cells)[:, None])
    expected = theirs.transform(np.array(levels)[:, None]).argmax(axis=1)
    assert _partition(levels, _read(column, levels)) == _partition(
        levels, expected.tolist()
    )


def test_group_of_rare_levels_stands_for_its_most_frequent_or_is_drawn():
    column = _learned(CELLS, max_categories=3)
    template = _series(pd.Series([], dtype=str))
    groups, none = np.full(8000, 2), np.zeros(8000, bool)
    assert set(column.write(groups, none, template).to_list()) == {"c"}
    drawn = column.write(groups, none, template, np.random.RandomState(0)).to_native()
    shares = drawn.value_counts(normalize=True)
    assert shares["c"] == pytest.approx(0.6, abs=0.03)
    assert shares["d"] == pytest.approx(0.25, abs=0.03)
    assert shares["e"] == pytest.approx(0.15, abs=0.03)
