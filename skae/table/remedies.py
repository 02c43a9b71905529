"""What to write, in the user's own data frame library, to mend a column of the frame X."""

PANDAS = {
    "number": "X[{name!r}].astype('float64')",
    "boolean": "X[{name!r}].astype('boolean')",
    "category": "X[{name!r}].astype(str)",
    "date": "pd.to_datetime(X[{name!r}])",
    "duration": "pd.to_timedelta(X[{name!r}])",
    "ordered": "X[{name!r}].astype(pd.CategoricalDtype({levels!r}, ordered=True))",
    "drop": "X.drop(columns=[{name!r}])",
}
POLARS = {
    "number": "X.with_columns(pl.col({name!r}).cast(pl.Float64))",
    "boolean": "X.with_columns(pl.col({name!r}).cast(pl.Boolean))",
    "category": "X.with_columns(pl.col({name!r}).cast(pl.String))",
    "date": "X.with_columns(pl.col({name!r}).cast(pl.Datetime))",
    "duration": "X.with_columns(pl.col({name!r}).cast(pl.Duration))",
    "ordered": "X.with_columns(pl.col({name!r}).cast(pl.Enum({levels!r})))",
    "drop": "X.drop({name!r})",
}
PYARROW = {
    "number": "X.set_column({at}, {name!r}, X[{name!r}].cast(pa.float64()))",
    "boolean": "X.set_column({at}, {name!r}, X[{name!r}].cast(pa.bool_()))",
    "category": "X.set_column({at}, {name!r}, X[{name!r}].cast(pa.string()))",
    "date": "X.set_column({at}, {name!r}, X[{name!r}].cast(pa.timestamp('us')))",
    "duration": "X.set_column({at}, {name!r}, X[{name!r}].cast(pa.duration('us')))",
    "ordered": "X.to_pandas() and then X[{name!r}].astype(pd.CategoricalDtype({levels!r}, "
    "ordered=True))",
    "drop": "X.drop_columns([{name!r}])",
}
# Where a cast would fail, or make True of every text.
FROM_TEXT = {
    ("pandas", "boolean"): "X[{name!r}].map({{'True': True, 'False': False}})",
    ("polars", "boolean"): "X.with_columns(pl.col({name!r}) == 'True')",
    ("polars", "date"): "X.with_columns(pl.col({name!r}).str.to_datetime())",
}
FROM_TIMES = {"pandas": "X[{name!r}].astype('int64')"}


def as_text(series, name):
    """Return an expression that is rid of cells of mixed or strange types."""
    # Only pandas makes text of anything.
    return conversion(
        series, name, "category" if series.implementation.is_pandas() else "drop"
    )


def conversion(series, name, kind, at=0, levels=(), now=None):
    """Return an expression that makes a column what is asked for.

    Parameters
    ----------
    series : narwhals.Series
        The column, which tells the library.
    name : str
    kind : str
        "number", "boolean", "category", "date", "duration", "ordered" or "drop".
    at : int, default=0
        The column's position.
    levels : list, default=()
        Of an ordered column, the lowest first.
    now : str, default=None
        What the column is now.
    """
    library = series.implementation
    form = PANDAS[kind]
    if library.is_polars():
        form = POLARS[kind]
    elif library.is_pyarrow():
        form = PYARROW[kind]
    of_library = (
        "polars" if library.is_polars() else "pandas" if library.is_pandas() else ""
    )
    if now == "category":
        form = FROM_TEXT.get((of_library, kind), form)
    if now in ("date", "duration") and kind == "number":
        form = FROM_TIMES.get(of_library, form)
    return form.format(name=name, at=at, levels=list(levels))
