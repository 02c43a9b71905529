"""Relations of DuckDB, where it is installed: fits, results, and what a connection can do at a time."""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AEAnomalyDetector, AutoencoderImputer, AutoencoderTransformer, engines
from skae.lazy import map_rows
from skae.lazy.sources import open_source

duckdb = pytest.importorskip("duckdb")

# Three chunks.
N_ROWS = 60_000
# Less than these take.
SMALL = "10MB"
# Columns of every kind; the first two chunks have no tip and no district.
RIDES = f"""
create table rides as select
    i as id,
    (sqrt(i * 7919 % 1009) + 1)::decimal(8, 2) as distance,
    3.5 + 2 * sqrt(i * 7919 % 1009) + sin(i) / 9 as price,
    case when i % 9 = 0 or i < 59000 then null else i % 5 end as tip,
    case when i < 59000 then null when i % 3 = 0 then 'north' else 'south' end as district,
    (case when i % 4 = 0 then 'card' else 'cash' end)::enum('cash', 'card') as payment,
    i % 7 = 0 as is_shared,
    (i % 1013)::hugeint as driver,
    date '2024-01-01' + (i % 90)::int as day,
    timestamp '2024-01-01 06:00:00' + to_minutes(i % 5000) as pickup,
    to_seconds(60 + 40 * (i * 7919 % 1009)) as duration
from range({N_ROWS}) t(i)
"""


@pytest.fixture(scope="module")
def con():
    with duckdb.connect() as con:
        con.execute("set threads = 2")
        con.execute(RIDES)
        yield con


@pytest.fixture
def rides(con):
    return con.sql("select * exclude (id) from rides order by id")


def some(con, n_rows=300):
    return con.sql(
        f"select * exclude (id) from rides where id >= {N_ROWS - n_rows} order by id"
    )


def model(**settings):
    return AutoencoderTransformer(2, max_iter=1, random_state=0, **settings)


@pytest.fixture(scope="module")
def fitted(con):
    return model().fit(some(con))


# ------------------------------------------------------------------ fits


def test_a_relation_is_fitted_as_its_frame(con, fitted):
    frame = some(con).df()
    frame["payment"] = frame["payment"].astype(str)  # to pandas alone it is ordered
    in_memory = model().fit(frame)
    np.testing.assert_allclose(
        fitted.transform(some(con)).to_numpy(),
        in_memory.transform(frame),
        rtol=1e-12,
        atol=1e-12,
    )


def test_all_rows_of_a_large_relation_are_learned_from(rides):
    fitted = model(memory_limit=SMALL).fit(rides)
    frame = rides.df()
    table = fitted._table
    numbers = ["distance", "price", "driver"]
    at = [table.design_.numeric.names.index(name) for name in numbers]
    np.testing.assert_allclose(table.center_[at], frame[numbers].mean(), rtol=1e-9)
    counts = {
        name: reader.counts.sum()
        for block in table.design_.blocks
        for name, reader in zip(block.names, getattr(block, "readers", ()), strict=False)
        if hasattr(reader, "counts")
    }
    assert counts["payment"] == N_ROWS
    assert counts["district"] == 1000  # of which the first rows have none


def test_seeded_fits_of_a_large_relation_are_equal(con, rides):
    codes = [
        model(memory_limit=SMALL).fit(rides).transform(some(con)).to_numpy()
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*codes)


def test_detectors_and_imputers_take_relations(con):
    detector = AEAnomalyDetector(n_estimators=4, max_iter=20, random_state=0)
    imputer = AutoencoderImputer(max_iter=1, random_state=0)
    relation = some(con)
    frame = relation.df().astype({"payment": "str"})
    filled = imputer.fit(relation).transform(relation).collect()
    np.testing.assert_allclose(filled["tip"], imputer.fit(frame).transform(frame)["tip"])
    scores = detector.fit(relation).score_samples(relation).to_numpy().ravel()
    np.testing.assert_allclose(scores, detector.fit(frame).score_samples(frame), rtol=1e-9)
    assert len(detector.predict(relation).to_numpy()) == 300


@pytest.mark.parametrize("select", ["'{}'", "read_parquet('{}')"])
def test_files_are_read_by_duckdb(con, tmp_path, select, fitted):
    path = tmp_path / "rides.parquet"
    some(con).write_parquet(str(path))
    relation = con.sql("select * from " + select.format(path))
    np.testing.assert_array_equal(
        fitted.transform(relation).to_numpy(), fitted.transform(some(con)).to_numpy()
    )


# ------------------------------------------------------------------ results


@pytest.mark.parametrize("method", ["transform", "score_samples", "reconstruct"])
def test_results_by_chunks_are_those_of_memory(rides, fitted, method):
    frame = rides.df().astype({"payment": "str"})
    by_chunks = getattr(fitted, method)(rides).collect()
    in_memory = getattr(fitted, method)(frame)
    if isinstance(in_memory, np.ndarray):
        in_memory = pd.DataFrame(in_memory.reshape(N_ROWS, -1))
        in_memory.columns = by_chunks.column_names
    for name in set(by_chunks.column_names) - {"payment", "district", "distance"}:
        ours, theirs = np.asarray(by_chunks[name]), np.asarray(in_memory[name])
        if ours.dtype.kind in "fiu":
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
        else:
            np.testing.assert_array_equal(ours, theirs)


def test_missing_cells_are_filled_in_the_types_of_arrow(con, fitted):
    filled = fitted.impute(some(con)).collect()
    assert filled["tip"].null_count == 0
    assert str(filled.schema.field("duration").type) == "duration[us]"
    assert filled["duration"].to_pylist() == some(con).df()["duration"].tolist()


def test_scores_are_written_and_read_again(con, fitted, tmp_path):
    path = tmp_path / "scores.parquet"
    fitted.score_samples(some(con)).write_parquet(path)
    written = con.sql(f"select * from '{path}'").df()["score_samples"]
    np.testing.assert_array_equal(
        written, fitted.score_samples(some(con)).to_numpy().ravel()
    )


def test_pipelines_take_relations(con):
    numbers = con.sql("select price, driver::double as driver from rides order by id")
    pipeline = make_pipeline(StandardScaler(), model()).fit(numbers.df())
    codes = map_rows(pipeline, "transform", numbers).to_numpy()
    np.testing.assert_allclose(codes, pipeline.transform(numbers.df()), rtol=1e-6)


def test_rows_are_read_from_the_first_whatever_was_fetched(con):
    relation = some(con)
    for name in ("fetchone", "execute"):  # which DuckDB 2 has no more
        if hasattr(type(relation), name):
            getattr(relation, name)()
    n_rows = sum(chunk.num_rows for chunk in open_source(relation).chunks())
    assert n_rows == 300


# ------------------------------------------------------------------ connections


def test_results_are_never_cut_off_by_another_query(con, rides, fitted):
    """Before DuckDB 2 another query ends what is read, since then it is refused itself."""

    def write_on():
        for _ in fitted.transform(rides):
            con.execute("select 1").fetchall()

    with pytest.raises((RuntimeError, duckdb.Error), match=r"con\.cursor|open result"):
        write_on()


def test_other_queries_run_by_a_cursor(con, rides, fitted):
    n_rows = 0
    for codes in fitted.transform(rides):
        n_rows += codes.num_rows
        assert con.cursor().execute("select count(*) from rides").fetchone() == (N_ROWS,)
    assert n_rows == N_ROWS


def test_two_relations_of_a_connection_at_a_time_are_an_error(con, rides, fitted):
    first = iter(fitted.transform(rides))
    next(first)
    with pytest.raises(RuntimeError, match=r"con\.cursor"):
        # The older DuckDB ends the first of them.
        len(fitted.score_samples(rides).to_numpy()), list(first)
    first.close()
    assert len(fitted.score_samples(rides).to_numpy()) == N_ROWS


def test_a_connection_is_free_after_a_failure(con, fitted):
    broken = con.sql("select * exclude (id) replace (price::varchar as price) from rides")
    for fit in (model(memory_limit=SMALL).set_params(refit=True).fit, fitted.score):
        with pytest.raises(ValueError, match=r"refit=True|'price'"):
            fit(broken)
        assert con.execute("select 1").fetchall() == [(1,)]


def test_a_connection_is_free_when_results_are_left(con, rides, fitted):
    for _ in fitted.transform(rides):
        break
    assert con.execute("select 1").fetchall() == [(1,)]


def test_workers_cannot_read_a_relation(con):
    with pytest.raises(TypeError, match=r"DuckDBPyRelation, which workers.*Parquet"):
        engines.fit(model(), some(con), n_workers=1, engine="dask")


def test_a_closed_connection_is_told_by_duckdb(fitted):
    con = duckdb.connect()
    con.execute(RIDES)
    relation = some(con)
    con.close()
    if int(duckdb.__version__[0]) >= 2:  # before, relations have kept it open
        with pytest.raises(duckdb.Error, match="closed"):
            fitted.transform(relation).collect()


# ------------------------------------------------------------------ kinds of columns


def test_intervals_are_as_long_as_in_its_frames(con):
    relation = con.sql(
        "select case when i % 5 = 0 then null else to_months(i::int % 3) - to_days(i::int) "
        "+ to_microseconds(i) end as length from range(50) t(i)"
    )
    (chunk,) = open_source(relation).chunks()
    expected = relation.df()["length"].astype("timedelta64[us]")
    pd.testing.assert_series_equal(chunk["length"].to_pandas(), expected, check_names=False)


@pytest.mark.parametrize(
    "made", ["[i, i]", "{'a': i}", "map([i], [i])", "'00:00:00'::time", "'a'::blob"]
)
def test_columns_of_no_kind_are_named(con, made):
    relation = con.sql(f"select i::double as a, {made} as b from range(50) t(i)")
    with pytest.raises(ValueError, match="Column 'b'"):
        model().fit(relation)


@pytest.mark.parametrize("made", ["'infinity'::date", "'-infinity'::timestamp"])
def test_infinite_times_are_told_with_what_to_do(con, made):
    X = con.sql(
        f"select i::double as a, case when i = 7 then {made} else '2024-01-01' end as b "
        "from range(50) t(i)"
    )
    with pytest.raises(ValueError, match=r"'b' holds '-?infinity'") as error:
        model().fit(X)
    remedy = str(error.value).partition("replace it first: ")[2].rstrip(".")
    (chunk,) = open_source(eval(remedy, {"X": X})).chunks()
    assert chunk["b"].null_count == 1


def test_no_rows_are_an_error(con, fitted):
    nothing = some(con, 0)
    with pytest.raises(ValueError, match="relation of DuckDB without rows"):
        model().fit(nothing)
    with pytest.raises(ValueError, match="relation of DuckDB without rows"):
        fitted.score(nothing)
    assert list(fitted.transform(nothing)) == []


def test_a_connection_is_no_relation(con):
    with pytest.raises(TypeError, match=r"X\.df\(\)"):
        model().fit(con)
