"""What to write, in the user's own data frame library, to mend a column of the table X."""

from contextlib import contextmanager
from contextvars import ContextVar

from skae.table.remedy_forms import (
    ARROW,
    ARROW_FROM,
    NO_DURATION,
    OUT_OF,
    PANDAS,
    PANDAS_FROM,
    POLARS,
    POLARS_FROM,
    POLARS_OUT_OF,
    SCANS,
    SENSELESS,
    SPARK,
    SQL,
    SQL_FROM,
    ZONES,
)

# What X is where it is no frame: "duckdb", "ray", "spark", a key of `SCANS`, or what has no
# expressions of its own. None: a frame.
_read_from: ContextVar[str | None] = ContextVar("read_from", default=None)


@contextmanager
def remedies_for(read_from):
    """Have remedies written for what frames are read from, or for these if that is None."""
    token = _read_from.set(read_from)
    try:
        yield
    finally:
        _read_from.reset(token)


def set_remedies_for(read_from):
    """Have them written so until the `remedies_for` ends that this is called in."""
    _read_from.set(read_from)


def conversion(source, name, kind, levels=(), now=None):
    """Return an expression that makes a column what is asked for.

    Of pandas it is the column, else the table.

    Parameters
    ----------
    source : Source
        Which tells the library.
    name : label
    kind : str
        "number", "boolean", "category", "date", "zoned", "duration", "ordered" or "drop".
    levels : list, default=()
        Of an ordered column, the lowest first.
    now : str, default=None
        What the column is now.
    """
    library = source.implementation
    own = _in_own_words(name, "drop" if (now, kind) in SENSELESS else kind, levels, now)
    forms, special, senseless = PANDAS, PANDAS_FROM, SENSELESS
    if library.is_polars():
        forms, special, senseless = POLARS, POLARS_FROM, SENSELESS | NO_DURATION
    elif library.is_pyarrow():
        forms, special, senseless = ARROW, ARROW_FROM, SENSELESS | NO_DURATION
    if (now, kind) in senseless:
        return f"{own or forms['drop'].format(name=name)}, in fit as well"
    form = special.get((now, kind), forms[kind])
    return own or form.format(name=name, levels=list(levels))


def conversion_of_dtype(source, kind=None):
    """Return an expression for a column of a dtype that no kind of column is made of.

    None: X is a frame, or has no expressions of its own.

    Parameters
    ----------
    source : Source
    kind : str, default=None
        What the column can become, if the dtype does not say it.
    """
    dtype = str(source.dtype).lower()
    kinds = (kind for start, kind in OUT_OF.items() if dtype.startswith(start))
    return _in_own_words(source.name, next(kinds, kind or "drop"), (), None)


def of_zone(source, name, zone):
    """Return an expression that gives the times of a column a zone, or takes it away.

    Parameters
    ----------
    source : Source
    name : label
    zone : str, tzinfo or None
        None: away.
    """
    read_from = _read_from.get()
    if read_from == "duckdb":
        column = _quoted(name)
        cell = f"{column}::timestamp" if zone is None else f"timezone('{zone}', {column})"
        return _replaced(column, cell)
    library = "polars" if read_from in SCANS else str(source.implementation)
    into, away = ZONES.get(library, ZONES["pandas"])
    made = (away if zone is None else into).format(name=name, zone=str(zone))
    return SCANS[read_from] + made.removeprefix("X") if read_from in SCANS else made


def _in_own_words(name, kind, levels, now):
    """Return an expression for what frames are read from; None if it has none of its own."""
    read_from = _read_from.get()
    if read_from == "duckdb":
        return _of_duckdb(name, kind, levels, now)
    if read_from == "spark":
        return _of_spark(name, kind)
    if read_from == "ray":
        return _of_ray(name, kind, levels, now)
    if read_from in SCANS:
        form = POLARS_FROM.get((now, kind)) or {**POLARS, **POLARS_OUT_OF}[kind]
        made = form.format(name=name, levels=list(levels))
        return SCANS[read_from] + made.removeprefix("X")
    return None


def _of_duckdb(name, kind, levels, now):
    column = _quoted(name)
    if kind == "ordered":
        dtype = f"pd.CategoricalDtype({list(levels)!r}, ordered=True)"
        return f"X.df().astype({{{name!r}: {dtype}}})"
    if kind in ("drop", "fields"):
        more = f", unnest({column})" if kind == "fields" else ""
        return f"X.select({f'* exclude ({column}){more}'!r})"
    return _replaced(column, (SQL_FROM.get((now, kind)) or SQL[kind]).format(c=column))


def _quoted(name):
    return '"' + str(name).replace('"', '""') + '"'


def _replaced(column, cell):
    return f"X.select({f'* replace ({cell} as {column})'!r})"


def _of_spark(name, kind):
    if kind not in SPARK:
        return f"X.drop({name!r})"
    # Without these a dot is a field of a structure.
    column = f"`{name}`" if "." in str(name) else name
    return f"X.withColumn({name!r}, X[{column!r}].cast({SPARK[kind]!r}))"


def _of_ray(name, kind, levels, now):
    if kind == "drop" or kind not in PANDAS:
        return f"X.drop_columns([{name!r}])"
    form = PANDAS_FROM.get((now, kind)) or PANDAS[kind]
    made = f"X.assign(**{{{name!r}: {form.format(name=name, levels=list(levels))}}})"
    return f"X.map_batches(lambda X: {made}, batch_format='pandas')"
