"""Columns of every kind that data frames have, drawn at random, and what equals them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

WORDS = st.sampled_from(["red", "green", "blue", "", "Été", "nan"])
HALVES = st.integers(-(2**20), 2**20).map(lambda number: number / 8)
# Wide steps between the cells, all of which float64 holds exactly as differences.
NARROW = st.integers(-(2**50), 2**50)


@dataclass(frozen=True)
class Kind:
    """How to draw a cell, how to make a column of cells, and whether None is one."""

    cells: st.SearchStrategy
    make: object
    nullable: bool = True

    def columns(self, n_rows):
        cells = st.one_of(st.none(), self.cells) if self.nullable else self.cells
        return st.lists(cells, min_size=n_rows, max_size=n_rows).map(self.make)


def _whole(width, signed, base=0):
    if width == 64:
        low = 0 if base == 0 and not signed else -(2**50)
        return st.integers(low, 2**50).map(lambda number: number + base)
    if signed:
        return st.integers(-(2 ** (width - 1)), 2 ** (width - 1) - 1)
    return st.integers(0, 2**width - 1)


def _times(unit):
    """Times since 1970 in whole units, of the years that Python knows."""
    days = 80_000 if unit == "ns" else 700_000
    per_day = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit] * 86_400
    # Narrow enough for float64, which holds 26 days to the nanosecond.
    narrow = min(days * per_day, 2**51)
    return st.integers(-narrow, narrow)


def _series(dtype, cells):
    return pd.Series(cells, dtype=dtype)


def _holed(dtype, cells):
    """None becomes NaT, which `pd.Series` does not do for numbers."""
    hole = np.array(["NaT"], dtype=dtype)[0]
    return pd.Series(
        np.array([hole if c is None else np.array(c, dtype) for c in cells], dtype=dtype)
    )


def _zoned(unit, zone, cells):
    return _holed(f"M8[{unit}]", cells).dt.tz_localize("UTC").dt.tz_convert(zone)


def _category(categories, ordered, cells):
    return pd.Series(pd.Categorical(cells, categories=categories, ordered=ordered))


PANDAS = {
    **{
        f"{sign}{width}": Kind(
            _whole(width, sign == "int"), partial(_series, f"{sign}{width}"), False
        )
        for sign in ("int", "uint")
        for width in (8, 16, 32, 64)
    },
    **{
        f"{sign}{width}": Kind(
            _whole(width, sign == "Int"), partial(_series, f"{sign}{width}")
        )
        for sign in ("Int", "UInt")
        for width in (8, 16, 32, 64)
    },
    "large int64": Kind(_whole(64, True, 2**60), partial(_series, "int64"), False),
    "large uint64": Kind(_whole(64, False, 2**60), partial(_series, "uint64"), False),
    "large Int64": Kind(_whole(64, True, 2**60), partial(_series, "Int64")),
    "int64[pyarrow]": Kind(NARROW, partial(_series, "int64[pyarrow]")),
    "uint8[pyarrow]": Kind(st.integers(0, 255), partial(_series, "uint8[pyarrow]")),
    "large int64[pyarrow]": Kind(
        _whole(64, True, 2**60), partial(_series, "int64[pyarrow]")
    ),
    "float32": Kind(HALVES, partial(_series, "float32")),
    "float64": Kind(HALVES, partial(_series, "float64")),
    "Float32": Kind(HALVES, partial(_series, "Float32")),
    "Float64": Kind(HALVES, partial(_series, "Float64")),
    "double[pyarrow]": Kind(HALVES, partial(_series, "double[pyarrow]")),
    "object of int": Kind(st.integers(-99, 99), partial(_series, object)),
    "object of float": Kind(HALVES, partial(_series, object)),
    "bool": Kind(st.booleans(), partial(_series, "bool"), False),
    "boolean": Kind(st.booleans(), partial(_series, "boolean")),
    "bool[pyarrow]": Kind(st.booleans(), partial(_series, "bool[pyarrow]")),
    "object of bool": Kind(st.booleans(), partial(_series, object)),
    "str": Kind(WORDS, partial(_series, str)),
    "object of str": Kind(WORDS, partial(_series, object)),
    "string": Kind(WORDS, partial(_series, "string")),
    "string[python]": Kind(WORDS, partial(_series, "string[python]")),
    "string[pyarrow]": Kind(WORDS, partial(_series, pd.ArrowDtype(pa.string()))),
    "category": Kind(
        st.sampled_from(["z", "a"]), partial(_category, ["z", "m", "a"], False)
    ),
    "ordered category": Kind(
        st.sampled_from(["low", "high"]),
        partial(_category, ["low", "middle", "high"], True),
    ),
    "category of int": Kind(
        st.sampled_from([30, 10]), partial(_category, [30, 20, 10], False)
    ),
    "category of float": Kind(
        st.sampled_from([0.5, 1.5]), partial(_category, [1.5, 0.5], True)
    ),
    "category of bool": Kind(st.booleans(), partial(_category, [True, False], False)),
    "category of dates": Kind(
        st.sampled_from([datetime(2020, 1, 1), datetime(2021, 1, 1)]),
        partial(_category, pd.to_datetime(["2021-01-01", "2020-01-01"]), False),
    ),
    **{
        f"datetime64[{unit}]": Kind(_times(unit), partial(_holed, f"M8[{unit}]"))
        for unit in ("s", "ms", "us", "ns")
    },
    **{
        f"datetime64[{unit}, {zone}]": Kind(_times(unit), partial(_zoned, unit, zone))
        for unit, zone in (("s", "UTC"), ("us", "Europe/Berlin"), ("ns", "Asia/Kolkata"))
    },
    **{
        f"timedelta64[{unit}]": Kind(_times(unit), partial(_holed, f"m8[{unit}]"))
        for unit in ("s", "ms", "us", "ns")
    },
    "whole days in ns": Kind(
        st.integers(-40_000, 80_000).map(lambda n: n * 86_400 * 10**9),
        partial(_holed, "M8[ns]"),
    ),
    "timestamp[us][pyarrow]": Kind(
        st.datetimes(datetime(1950, 1, 1), datetime(2050, 1, 1)),
        partial(_series, pd.ArrowDtype(pa.timestamp("us"))),
    ),
    "date32[pyarrow]": Kind(
        st.dates(date(1900, 1, 1), date(2100, 1, 1)),
        partial(_series, pd.ArrowDtype(pa.date32())),
    ),
    "duration[ms][pyarrow]": Kind(
        st.integers(-(10**9), 10**9).map(lambda n: timedelta(milliseconds=n)),
        partial(_series, pd.ArrowDtype(pa.duration("ms"))),
    ),
}


def _polars(dtype, cells):
    return pl.Series(cells, dtype=dtype)


def _polars_times(dtype, cells):
    return pl.Series(cells, dtype=pl.Int64).cast(dtype)


POLARS = {
    **{
        f"{sign}{width}": Kind(
            _whole(width, sign == "Int"), partial(_polars, getattr(pl, f"{sign}{width}"))
        )
        for sign in ("Int", "UInt")
        for width in (8, 16, 32, 64)
    },
    "large Int64": Kind(_whole(64, True, 2**60), partial(_polars, pl.Int64)),
    "large UInt64": Kind(_whole(64, False, 2**60), partial(_polars, pl.UInt64)),
    "Float32": Kind(HALVES, partial(_polars, pl.Float32)),
    "Float64": Kind(HALVES, partial(_polars, pl.Float64)),
    "Boolean": Kind(st.booleans(), partial(_polars, pl.Boolean)),
    "String": Kind(WORDS, partial(_polars, pl.String)),
    "Categorical": Kind(WORDS, partial(_polars, pl.Categorical)),
    "Enum": Kind(
        st.sampled_from(["low", "high"]),
        partial(_polars, pl.Enum(["low", "middle", "high"])),
    ),
    "Date": Kind(st.dates(date(1900, 1, 1), date(2100, 1, 1)), partial(_polars, pl.Date)),
    **{
        f"Datetime[{unit}]": Kind(_times(unit), partial(_polars_times, pl.Datetime(unit)))
        for unit in ("ms", "us", "ns")
    },
    **{
        f"Datetime[{unit}, {zone}]": Kind(
            _times(unit), partial(_polars_times, pl.Datetime(unit, zone))
        )
        for unit, zone in (("ms", "UTC"), ("us", "Europe/Berlin"))
    },
    **{
        f"Duration[{unit}]": Kind(_times(unit), partial(_polars_times, pl.Duration(unit)))
        for unit in ("ms", "us", "ns")
    },
}


def _arrow(dtype, cells):
    return pa.array(cells, type=dtype)


ARROW = {
    "int64": Kind(NARROW, partial(_arrow, pa.int64())),
    "uint16": Kind(st.integers(0, 2**16 - 1), partial(_arrow, pa.uint16())),
    "double": Kind(HALVES, partial(_arrow, pa.float64())),
    "bool": Kind(st.booleans(), partial(_arrow, pa.bool_())),
    "string": Kind(WORDS, partial(_arrow, pa.string())),
    "large string": Kind(WORDS, partial(_arrow, pa.large_string())),
    "dictionary": Kind(
        WORDS, lambda cells: pa.array(cells, pa.string()).dictionary_encode()
    ),
    "timestamp[us]": Kind(_times("us"), partial(_arrow, pa.timestamp("us"))),
    "timestamp[ms, UTC]": Kind(_times("ms"), partial(_arrow, pa.timestamp("ms", "UTC"))),
    "date32": Kind(
        st.dates(date(1900, 1, 1), date(2100, 1, 1)), partial(_arrow, pa.date32())
    ),
    "duration[ms]": Kind(_times("ms"), partial(_arrow, pa.duration("ms"))),
}

LIBRARIES = {"pandas": PANDAS, "polars": POLARS, "pyarrow": ARROW}
MAKE_FRAME = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
ALL_KINDS = [(library, kind) for library, kinds in LIBRARIES.items() for kind in kinds]


def frames_of(library, kinds, max_rows=8):
    """Draw frames of the library with a column of each of the kinds."""
    make = MAKE_FRAME[library]

    def of_length(n_rows):
        drawn = [LIBRARIES[library][kind].columns(n_rows) for kind in kinds]
        return st.tuples(*drawn).map(
            lambda columns: make({f"c{i}": column for i, column in enumerate(columns)})
        )

    return st.integers(1, max_rows).flatmap(of_length)


@st.composite
def mixed_frames(draw, library):
    """Draw frames of the library with one to six columns of any kinds."""
    kinds = draw(
        st.lists(st.sampled_from(list(LIBRARIES[library])), min_size=1, max_size=6)
    )
    return draw(frames_of(library, kinds))


def assert_frames_equal(found, expected):
    """Columns, their order, dtypes and cells; numbers with a point to rounding."""
    assert type(found) is type(expected)
    if isinstance(expected, pa.Table):
        assert found.column_names == expected.column_names
        columns = zip(found.columns, expected.columns, strict=True)
        for name, (one, other) in zip(expected.column_names, columns, strict=True):
            assert one.type == other.type, name
            _assert_cells_equal(one.to_pylist(), other.to_pylist(), name)
        return
    assert list(found.columns) == list(expected.columns)
    for name in expected.columns:
        one, other = found[name], expected[name]
        assert one.dtype == other.dtype, name
        if isinstance(expected, pd.DataFrame):
            one, other = (_with_none(column) for column in (one, other))
        elif not other.dtype.is_float():
            # As lists, nanoseconds would become microseconds.
            assert one.equals(other, null_equal=True), name
            continue
        _assert_cells_equal(list(one), list(other), name)


def _with_none(column):
    missing = column.isna().to_list()
    return [
        None if gone else cell for cell, gone in zip(column.to_list(), missing, strict=True)
    ]


def _assert_cells_equal(found, expected, name):
    holes = [cell is None for cell in expected]
    assert [cell is None for cell in found] == holes, name
    found, expected = (
        [cell for cell in cells if cell is not None] for cells in (found, expected)
    )
    if any(isinstance(cell, float) for cell in expected):
        size = max(abs(cell) for cell in expected)
        np.testing.assert_allclose(
            found, expected, rtol=1e-9, atol=1e-12 * size, err_msg=name
        )
    else:
        assert found == expected, name
        assert [type(cell) for cell in found] == [type(cell) for cell in expected], name
