"""Expressions that mend a column of the table X, by library and by what it is to be."""

TIMES = ("date", "duration")

# By what the column is to be.
PANDAS = {
    "number": "X[{name!r}].astype('float64')",
    "boolean": "X[{name!r}].ne(0).where(X[{name!r}].notna())",
    "category": "X[{name!r}].astype('string')",
    "date": "pd.to_datetime(X[{name!r}])",
    "zoned": "pd.to_datetime(X[{name!r}], utc=True)",
    "duration": "pd.to_timedelta(X[{name!r}])",
    "ordered": "X[{name!r}].astype(pd.CategoricalDtype({levels!r}, ordered=True))",
    "drop": "X.drop(columns=[{name!r}])",
}
POLARS = {
    "number": "X.with_columns(pl.col({name!r}).cast(pl.Float64))",
    "boolean": "X.with_columns(pl.col({name!r}) != 0)",
    "category": "X.with_columns(pl.col({name!r}).cast(pl.String))",
    "date": "X.with_columns(pl.col({name!r}).cast(pl.Datetime))",
    "zoned": "X.with_columns(pl.col({name!r}).dt.replace_time_zone('UTC'))",
    "duration": "X.with_columns(pl.col({name!r}).cast(pl.Duration))",
    "ordered": "X.with_columns(pl.col({name!r}).cast(pl.Enum({levels!r})))",
    "drop": "X.drop({name!r})",
}
ARROW = {
    "number": "X[{name!r}].cast(pa.float64())",
    "boolean": "X[{name!r}].cast(pa.bool_())",
    "category": "X[{name!r}].cast(pa.string())",
    "date": "X[{name!r}].cast(pa.int64(), safe=False).cast(pa.timestamp('us'))",
    "zoned": "X[{name!r}].cast(pa.timestamp('us')).cast(pa.timestamp('us', 'UTC'))",
    "duration": "X[{name!r}].cast(pa.int64(), safe=False).cast(pa.duration('us'))",
}
# By what the column is, and what it is to be: where a cast would fail or mean another.
PANDAS_FROM = {
    ("category", "boolean"): (
        "X[{name!r}].astype('string').str.lower().map({{'true': True, 'false': False}})"
    ),
    ("date", "number"): (
        "pd.to_datetime(X[{name!r}]).astype('int64').where(X[{name!r}].notna())"
    ),
    ("duration", "number"): (
        "pd.to_timedelta(X[{name!r}]).astype('int64').where(X[{name!r}].notna())"
    ),
}
POLARS_FROM = {
    ("category", "number"): (
        "X.with_columns(pl.col({name!r}).cast(pl.String).cast(pl.Float64))"
    ),
    ("category", "boolean"): (
        "X.with_columns(pl.col({name!r}).cast(pl.String).str.to_lowercase() == 'true')"
    ),
    ("category", "date"): (
        "X.with_columns(pl.col({name!r}).cast(pl.String).str.to_datetime())"
    ),
    ("duration", "category"): "X.with_columns(pl.col({name!r}).dt.to_string())",
}
ARROW_FROM = {
    **{
        ("category", kind): f"X[{{name!r}}].cast(pa.string()).cast({made})"
        for kind, made in (
            ("number", "pa.float64()"),
            ("boolean", "pa.bool_()"),
            ("date", "pa.timestamp('us')"),
        )
    },
    ("date", "number"): (
        "X[{name!r}].cast(pa.timestamp('us')).cast(pa.int64()).cast(pa.float64())"
    ),
    ("duration", "number"): "X[{name!r}].cast(pa.int64()).cast(pa.float64())",
}
# Times without a zone as those of one, and the reverse: what its clocks show.
ZONES = {
    "pandas": (
        "pd.to_datetime(X[{name!r}]).dt.tz_localize({zone!r})",
        "X[{name!r}].dt.tz_localize(None)",
    ),
    "polars": (
        "X.with_columns(pl.col({name!r}).cast(pl.Datetime('us'))"
        ".dt.replace_time_zone({zone!r}))",
        "X.with_columns(pl.col({name!r}).dt.replace_time_zone(None))",
    ),
    "pyarrow": (
        "X.set_column(X.column_names.index({name!r}), {name!r}, pa.compute.assume_timezone("
        "X[{name!r}].cast(pa.timestamp('us')), {zone!r}))",
        "X.set_column(X.column_names.index({name!r}), {name!r}, "
        "pa.compute.local_timestamp(X[{name!r}]))",
    ),
}
# What is made of a column takes its place.
ARROW_PLACE = "X.set_column(X.column_names.index({{name!r}}), {{name!r}}, {made})"
ARROW = {
    **{kind: ARROW_PLACE.format(made=form) for kind, form in ARROW.items()},
    "ordered": (
        "X.to_pandas().astype({{{name!r}: pd.CategoricalDtype({levels!r}, ordered=True)}})"
    ),
    "drop": "X.drop_columns([{name!r}])",
}
ARROW_FROM = {pair: ARROW_PLACE.format(made=form) for pair, form in ARROW_FROM.items()}
# Where there is nothing to convert.
SENSELESS = {
    *(("boolean", kind) for kind in TIMES),
    *((kind, "boolean") for kind in TIMES),
    *(TIMES, TIMES[::-1]),
}
# Only pandas makes durations of text.
NO_DURATION = {("category", "duration")}

# By what X is where it is no frame, but frames are read from it: what polars reads, with its
# remedies.
SCANS = {
    "parquet": "pl.scan_parquet(X)",
    "csv": "pl.scan_csv(X)",
    "tsv": "pl.scan_csv(X, separator='\\t')",
    "feather": "pl.scan_ipc(X)",
    "orc": "pl.scan_pyarrow_dataset(pyarrow.dataset.dataset(X, format='orc'))",
    "dataset": "pl.scan_pyarrow_dataset(X)",
}
# Of a column {c}, in the SQL of DuckDB.
SQL = {
    "number": "{c}::double",
    "boolean": "{c}::boolean",
    "category": "{c}::varchar",
    "date": "{c}::timestamp",
    "zoned": "timezone('UTC', {c})",
    "duration": "to_microseconds({c}::bigint)",
    "time of day": "to_microseconds(epoch_us({c}))",
}
SQL_FROM = {
    ("date", "number"): "epoch({c})",
    ("duration", "number"): "epoch({c})",
}
SPARK = {
    "number": "double",
    "boolean": "boolean",
    "category": "string",
    "date": "timestamp",
    "zoned": "timestamp",
    "duration": "interval day to second",
}
# By how the name of a dtype begins, in which such tables are read, what its column can become.
OUT_OF = {
    "struct": "fields",
    "time32": "time of day",
    "time64": "time of day",
    "binary": "category",
    "large_binary": "category",
    "fixed_size_binary": "category",
}
POLARS_OUT_OF = {"fields": "X.unnest({name!r})", "time of day": POLARS["duration"]}
