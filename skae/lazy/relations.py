"""Relations of DuckDB: queries, which are run anew each time they are read."""

from contextlib import closing, contextmanager

import numpy as np

from skae.lazy.chunks import Source, rows_per_chunk, table_of

# An interval in Arrow's memory.
INTERVAL = np.dtype([("months", np.int32), ("days", np.int32), ("nanoseconds", np.int64)])
# As DuckDB has it where it makes a frame of pandas.
DAYS_PER_MONTH = 30
MICROSECONDS_PER_DAY = 86_400_000_000


def of_relation(X):
    """Return the source of a relation of DuckDB."""
    import duckdb

    def read():
        # A query of its own: of X itself some rows may have been fetched before.
        rows = X.project("*")
        # By its class: the columns of a relation are attributes of it, too.
        kind = type(rows)
        open_reader = getattr(kind, "to_arrow_reader", None) or kind.fetch_arrow_reader
        with _told_if_busy(duckdb):
            reader = open_reader(rows, rows_per_chunk(len(rows.columns)))
        n_rows = 0
        with closing(reader):
            for batch in reader:
                n_rows += len(batch)
                yield _readable(table_of(batch))
        _refuse_if_cut_off(duckdb, X, n_rows)

    return Source("relation of DuckDB", read, read_from="duckdb")


@contextmanager
def _told_if_busy(duckdb):
    """Say what to do where another result of the connection is not yet read."""
    try:
        yield
    except getattr(duckdb, "ResourceInUseException", ()) as error:
        raise RuntimeError(
            "X is a relation of DuckDB, whose connection has another result open, such as one "
            "that is being iterated. Read that to its end or drop it first, or take X from a "
            f"connection of its own: con.cursor(). ({error})"
        ) from error


def _refuse_if_cut_off(duckdb, X, n_rows):
    """Raise if there are other numbers of rows than were read.

    Before DuckDB 2 a result simply ends where another query is run meanwhile.
    """
    if int(duckdb.__version__.partition(".")[0]) >= 2:
        return
    n_there = len(X.project("*"))
    if n_rows != n_there:
        raise RuntimeError(
            f"X is a relation of DuckDB that gave {n_rows} rows, but has {n_there}: another "
            "query over its connection has ended the reading, or it has other rows each time. "
            "Run other queries over a connection of their own, con.cursor(); a query that "
            "draws at random write to a table first: X.create('name')."
        )


def _readable(table):
    """Return a table with durations in place of intervals, which are of no one length.

    Raises
    ------
    ValueError
        If a date or a time is infinite.
    """
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        column, kind = table.column(i), field.type
        if str(kind) == "month_day_nano_interval":
            made = [_durations(pa, chunk) for chunk in column.chunks]
            column = pa.chunked_array(made, pa.duration("us"))
            table = table.set_column(i, field.name, column)
        elif pa.types.is_date32(kind) or pa.types.is_timestamp(kind):
            _refuse_infinite(pa, column, field.name)
    return table


def _refuse_infinite(pa, column, name):
    """Raise if a column holds what stands for infinity: the largest number or its negative."""
    width = pa.int32() if pa.types.is_date32(column.type) else pa.int64()
    most = np.iinfo(width.to_pandas_dtype()).max
    ends = pa.compute.min_max(column.cast(width))
    for end, shown in (("min", "-infinity"), ("max", "infinity")):
        if ends[end].is_valid and abs(ends[end].as_py()) == most:
            made = f'* replace (nullif("{name}", \'{shown}\') as "{name}")'
            raise ValueError(
                f"Column {name!r} holds {shown!r}, but dates have to be finite or missing; "
                f"replace it first: X.select({made!r})."
            )


def _durations(pa, intervals):
    """Return an array of intervals as one of durations."""
    missing = intervals.is_null().to_numpy(zero_copy_only=False)
    parts = np.frombuffer(
        intervals.buffers()[1], INTERVAL, len(intervals), 16 * intervals.offset
    )
    days = DAYS_PER_MONTH * parts["months"].astype(np.int64) + parts["days"]
    steps = days * MICROSECONDS_PER_DAY + parts["nanoseconds"] // 1000
    return pa.array(steps, mask=missing).cast(pa.duration("us"))
