"""Columns of polars."""

from functools import partial

import polars as pl

from fuzzing.kinds import MAY, NEVER, UNITS, ZONES, Kind, kinds_of


def series(dtype, cells):
    return pl.Series(cells, dtype=dtype)


def moments(dtype, cells):
    return pl.Series(cells, dtype=pl.Datetime("us")).cast(dtype)


def zoned(unit, zone, cells):
    naive = pl.Series(cells, dtype=pl.Datetime(unit))
    return naive.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)


def enum(cells):
    levels = sorted({cell for cell in cells if cell is not None})
    return pl.Series(cells, dtype=pl.Enum([*levels, "~unused"]))


def floats(cells):
    return pl.Series(cells, dtype=pl.Int64).cast(pl.Float64)


WIDTHS = [f"{u}Int{w}" for u in ("", "U") for w in (8, 16, 32, 64)]
POLARS = {
    **kinds_of(series, [("small", getattr(pl, width)) for width in WIDTHS]),
    **kinds_of(
        series,
        [
            ("float", pl.Float32),
            ("float", pl.Float64),
            ("flag", pl.Boolean),
            ("word", pl.String),
            ("word", pl.Categorical),
            ("day", pl.Date),
            *(("span", pl.Duration(unit)) for unit in UNITS[1:]),
        ],
    ),
    **kinds_of(moments, [("instant", pl.Datetime(unit)) for unit in UNITS[1:]]),
    **kinds_of(
        series,
        [
            ("large", getattr(pl, "Int128", None)),
            ("clock", pl.Time),
            ("price", pl.Decimal(12, 2)),
            ("list", pl.List(pl.Int64)),
            ("list", pl.Array(pl.Int64, 2)),
            ("struct", pl.Struct({"a": pl.Int64})),
            ("bytes", pl.Binary),
            ("mixed", pl.Object),
        ],
        verdict=MAY,
    ),
    **{
        f"Datetime({unit}, {zone})": Kind("instant", partial(zoned, unit, zone))
        for unit, zone in zip(UNITS[1:] * 2, ZONES[:-1], strict=False)
    },
    "Datetime far": Kind("far instant", partial(series, pl.Datetime("us"))),
    "Int64 of whole": Kind("whole", partial(series, pl.Int64)),
    "Float64 of whole": Kind("whole", floats),
    "Int64 of large": Kind("large", partial(series, pl.Int64)),
    "UInt64 of huge": Kind("huge", partial(series, pl.UInt64)),
    "Float64 of extremes": Kind("extreme", partial(series, pl.Float64), verdict=MAY),
    "Float64 with inf": Kind("infinite", partial(series, pl.Float64), verdict=NEVER),
    "Float32 with inf": Kind("infinite", partial(series, pl.Float32), verdict=NEVER),
    "String of names": Kind("name", partial(series, pl.String)),
    "Enum": Kind("word", enum),
    "Null": Kind("nothing", partial(series, pl.Null)),
    "String of nothing": Kind("nothing", partial(series, pl.String)),
    "Float64 of nothing": Kind("nothing", partial(series, pl.Float64)),
}
