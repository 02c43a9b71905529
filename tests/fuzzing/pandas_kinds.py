"""Columns of pandas."""

from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa

from fuzzing.kinds import MAY, NEVER, UNITS, ZONES, Kind, kinds_of

MARKERS = [None, np.nan, pd.NA, pd.NaT]
OF_TIMES = [None, pd.NaT]


def series(dtype, cells):
    return pd.Series(cells, dtype=dtype)


def with_nan(dtype, cells):
    return pd.Series(np.array([np.nan if c is None else c for c in cells], dtype=dtype))


def stretched(cells):
    """Return a column that lies in memory with gaps."""
    block = np.empty((len(cells), 3))
    block[:, 1] = with_nan("float64", cells)
    return pd.DataFrame(block)[1]


def objects(markers, wrap, cells):
    column = pd.Series([None] * len(cells), dtype=object)
    for i, cell in enumerate(cells):
        column.iloc[i] = markers[i % len(markers)] if cell is None else wrap(cell)
    return column


def same(cell):
    return cell


def moments(dtype, cells):
    return pd.Series(np.array(["NaT" if c is None else c for c in cells], dtype=dtype))


def zoned(unit, zone, cells):
    return moments(f"M8[{unit}]", cells).dt.tz_localize("UTC").dt.tz_convert(zone)


def category(ordered, unused, cells):
    levels = sorted({cell for cell in cells if cell is not None})
    spare = _another(levels) if unused and levels else None
    if spare not in (None, *levels):
        levels.append(spare)
    return pd.Series(pd.Categorical(cells, levels[::-1], ordered=ordered))


def _another(levels):
    last = levels[-1]
    if isinstance(last, bool):
        return not levels[0]
    return f"~{last}" if isinstance(last, str) else last + (last - last) + _one(last)


def _one(like):
    return 1 if isinstance(like, (int, float)) else pd.Timedelta(days=1).to_pytimedelta()


def sparse(dtype, fill_value, cells):
    cells = np.array([np.nan if c is None else c for c in cells], dtype)
    return pd.Series(pd.arrays.SparseArray(cells, fill_value=fill_value))


def months(cells):
    return pd.Series(pd.PeriodIndex(moments("M8[ns]", cells), freq="M"))


def intervals(cells):
    left = np.array([np.nan if c is None else c for c in cells], dtype=float)
    return pd.Series(pd.arrays.IntervalArray.from_arrays(left, left + 1.0))


def of_arrow(type_, cells):
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.array(cells, type_)))


def of_dictionary(cells):
    encoded = pa.array(cells, pa.string()).dictionary_encode()
    return pd.Series(pd.arrays.ArrowExtensionArray(encoded))


NUMBERS = {
    **kinds_of(
        with_nan,
        [("small", f"{u}int{w}") for u in ("", "u") for w in (8, 16, 32, 64)],
        nullable=False,
    ),
    **kinds_of(
        series, [("small", f"{u}Int{w}") for u in ("", "U") for w in (8, 16, 32, 64)]
    ),
    **kinds_of(with_nan, [("float", d) for d in ("float32", "float64", ">f8", ">f4")]),
    **kinds_of(series, [("float", "Float32"), ("float", "Float64")]),
    ">i4": Kind("small", partial(with_nan, ">i4"), nullable=False),
    "float16": Kind("small", partial(with_nan, "float16"), verdict=MAY),
    "longdouble": Kind("float", partial(with_nan, "longdouble"), verdict=MAY),
    "complex128": Kind("complex", partial(with_nan, "complex128"), verdict=MAY),
    "float64 with gaps": Kind("float", stretched),
    "int64 of whole": Kind("whole", partial(series, "int64"), nullable=False),
    "Int64 of whole": Kind("whole", partial(series, "Int64")),
    "float64 of whole": Kind("whole", partial(with_nan, "float64")),
    "int64 of large": Kind("large", partial(series, "int64"), nullable=False),
    "Int64 of large": Kind("large", partial(series, "Int64")),
    "uint64 of huge": Kind("huge", partial(series, "uint64"), nullable=False),
    "UInt64 of huge": Kind("huge", partial(series, "UInt64")),
    "float64 of extremes": Kind("extreme", partial(with_nan, "float64"), verdict=MAY),
    "Sparse[float64]": Kind("float", partial(sparse, "float64", np.nan)),
    "Sparse[float64, 0]": Kind("small", partial(sparse, "float64", 0.0)),
    "Sparse[int64]": Kind("small", partial(sparse, "int64", 0), nullable=False),
    "Sparse[bool]": Kind("flag", partial(sparse, "bool", False), nullable=False),
    "bool": Kind("flag", partial(series, "bool"), nullable=False),
    "boolean": Kind("flag", partial(series, "boolean")),
}
INFINITE = {
    f"{name} with inf": Kind("infinite", make, verdict=NEVER)
    for name, make in {
        "float64": partial(with_nan, "float64"),
        "float32": partial(with_nan, "float32"),
        "Float64": partial(series, "Float64"),
        "object": partial(objects, MARKERS, same),
        "object of float32": partial(objects, MARKERS, np.float32),
        "double[pyarrow]": partial(of_arrow, pa.float64()),
        "Sparse[float64]": partial(sparse, "float64", np.nan),
    }.items()
}
OBJECTS = {
    **{
        f"object of {wrap.__name__} of {family}": Kind(
            family, partial(objects, MARKERS, wrap)
        )
        for family, wrap in [
            ("small", int),
            ("large", int),
            ("small", np.int8),
            ("float", float),
            ("float", np.float32),
            ("flag", bool),
            ("flag", np.bool_),
            ("word", str),
            ("word", np.str_),
            ("nothing", same),
        ]
    },
    **{
        f"object of {family}": Kind(family, partial(objects, markers, same), verdict=MAY)
        for family, markers in [
            ("huge", MARKERS),
            ("day", OF_TIMES),
            ("instant", OF_TIMES),
            ("span", OF_TIMES),
            ("price", MARKERS),
            ("complex", MARKERS),
            ("list", MARKERS),
            ("struct", MARKERS),
            ("bytes", MARKERS),
            ("clock", MARKERS),
            ("mixed", MARKERS),
        ]
    },
    "object of Timestamp": Kind(
        "instant", partial(objects, OF_TIMES, pd.Timestamp), verdict=MAY
    ),
    "object of tuple": Kind("list", partial(objects, MARKERS, tuple), verdict=MAY),
    "object of array": Kind("list", partial(objects, MARKERS, np.array), verdict=MAY),
}
LEVELS = {
    **kinds_of(series, [("word", d) for d in ("str", "string", "string[python]")]),
    **{
        f"{'ordered ' * o}category of {family}{' and unused' * u}": Kind(
            family, partial(category, o, u)
        )
        for o in (False, True)
        for u in (False, True)
        for family in ("word", "small", "float", "flag", "instant")
    },
    "str of names": Kind("name", partial(series, "str")),
    "category of days": Kind("day", partial(category, False, False), verdict=MAY),
    "category with inf": Kind("infinite", partial(category, False, False), verdict=MAY),
}
TIMES = {
    **kinds_of(moments, [("instant", f"M8[{unit}]") for unit in UNITS]),
    **kinds_of(moments, [("span", f"m8[{unit}]") for unit in UNITS]),
    **{
        f"M8[{unit}, {zone}]": Kind("instant", partial(zoned, unit, zone))
        for unit, zone in zip(UNITS * 2, ZONES, strict=False)
    },
    "M8[us] far": Kind("far instant", partial(moments, "M8[us]")),
    "period": Kind("month", months, verdict=MAY),
    "interval": Kind("float", intervals, verdict=MAY),
}
NOTHING = {
    f"{name} of nothing": Kind("nothing", make)
    for name, make in {
        "float64": partial(with_nan, "float64"),
        "M8[ns]": partial(moments, "M8[ns]"),
        "str": partial(series, "str"),
        "category": partial(category, False, False),
        "Int64": partial(series, "Int64"),
    }.items()
}
ARROW = {
    f"{name}[pyarrow]": kind
    for name, kind in {
        **kinds_of(
            of_arrow,
            [
                ("small", pa.int8()),
                ("large", pa.int64()),
                ("float", pa.float64()),
                ("float", pa.float32()),
                ("flag", pa.bool_()),
                ("word", pa.string()),
                ("word", pa.large_string()),
                ("instant", pa.timestamp("us")),
                ("instant", pa.timestamp("ns", "America/New_York")),
                ("day", pa.date32()),
                ("span", pa.duration("ms")),
            ],
        ),
        **kinds_of(
            of_arrow,
            [
                ("price", pa.decimal128(12, 2)),
                ("clock", pa.time64("us")),
                ("day", pa.date64()),
                ("list", pa.list_(pa.int64())),
                ("struct", pa.struct({"a": pa.int64()})),
                ("bytes", pa.binary()),
                ("word", getattr(pa, "string_view", lambda: None)()),
                ("nothing", pa.null()),
            ],
            verdict=MAY,
        ),
        "dictionary": Kind("word", of_dictionary, verdict=MAY),
    }.items()
}
PANDAS = {**NUMBERS, **INFINITE, **OBJECTS, **LEVELS, **TIMES, **NOTHING, **ARROW}
