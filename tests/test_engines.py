"""Rows on the workers of Dask, Ray and Spark: each where it is installed."""

import numpy as np
import pandas as pd
import pytest
from clusters import Dask, Ray, Spark
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skae import AEAnomalyDetector, AutoencoderTransformer
from skae.lazy import map_rows

N_ROWS = 400
METHODS = ["score_samples", "predict", "pvalues", "explain"]


def rows_of(seed):
    rng = np.random.default_rng(seed)
    size = rng.standard_normal(N_ROWS)
    table = pd.DataFrame(
        {
            "size": size,
            "weight": 2.0 * size + 0.1 * rng.standard_normal(N_ROWS),
            "kind": np.where(size > 0, "large", "small"),
            "count": rng.integers(0, 9, N_ROWS),
        }
    )
    table.loc[::7, "weight"] = np.nan
    return table


@pytest.fixture(scope="module")
def rows():
    return rows_of(0)


@pytest.fixture(scope="module")
def autoencoder(rows):
    return AutoencoderTransformer(2, max_iter=5, random_state=0).fit(rows)


@pytest.fixture(scope="module")
def detector(rows):
    return AEAnomalyDetector(n_estimators=4, max_iter=20, random_state=0).fit(rows)


@pytest.fixture(scope="module")
def pipeline(rows):
    steps = make_pipeline(StandardScaler(), AEAnomalyDetector(random_state=0, max_iter=5))
    return steps.fit(rows[["size", "count"]])


@pytest.fixture(scope="module", params=[Dask, Ray, Spark], ids=lambda kind: kind.__name__)
def engine(request):
    return request.param()


def parts_of(rows):
    """Return the rows in parts of several sizes, one of them empty."""
    return [rows.iloc[:10], rows.iloc[10:10], rows.iloc[10:300], rows.iloc[300:]]


def in_order(results):
    """Return results by the rows that they are beside; Ray and Spark keep no order."""
    return results.sort_values("size", ignore_index=True) if "size" in results else results


@pytest.mark.parametrize("method", METHODS)
def test_scores_are_those_of_one_machine(engine, detector, rows, method):
    lazy = getattr(detector, method)(engine.table(parts_of(rows)))
    results = engine.results(lazy)
    expected = getattr(detector, method)(rows)
    if method == "explain":
        own, theirs = (np.sort(np.asarray(t), axis=0) for t in (results, expected))
        # Cells are tried in single precision, whose rounding depends on the rows beside.
        np.testing.assert_allclose(own, theirs, rtol=1e-4, atol=1e-4)
        return
    if "size" in results:
        expected = expected[np.argsort(rows["size"].to_numpy())]
    np.testing.assert_allclose(in_order(results)[method], expected, rtol=1e-12)


def test_codes_are_those_of_one_machine(engine, autoencoder, rows):
    results = engine.results(autoencoder.transform(engine.table(parts_of(rows))))
    names = list(autoencoder.get_feature_names_out())
    expected = autoencoder.transform(rows)
    if "size" in results:
        expected = expected[np.argsort(rows["size"].to_numpy())]
    np.testing.assert_allclose(in_order(results)[names], expected, rtol=1e-12, atol=1e-12)


def test_filled_rows_are_those_of_one_machine(engine, autoencoder, rows):
    results = engine.results(autoencoder.impute(engine.table(parts_of(rows))))
    expected = autoencoder.impute(rows).sort_values("size", ignore_index=True)
    pd.testing.assert_frame_equal(
        in_order(results), expected, check_dtype=False, rtol=1e-9, atol=1e-9
    )


def test_a_pipeline_runs_by_the_same_call(engine, pipeline, rows):
    numbers = rows[["size", "count"]]
    table = engine.table(parts_of(rows))
    if isinstance(engine, Ray):
        table = table.select_columns(["size", "count"])
    else:
        table = table[["size", "count"]]
    results = engine.results(map_rows(pipeline, "score_samples", table))
    expected = np.sort(pipeline.score_samples(numbers))
    np.testing.assert_allclose(np.sort(results["score_samples"]), expected, rtol=1e-12)


def test_workers_that_stay_give_the_same(detector, rows):
    engine = Ray()
    options = {"compute": engine.ray.data.ActorPoolStrategy(size=1)}
    table = engine.table(parts_of(rows))
    results = engine.results(
        map_rows(detector, "score_samples", table, engine_options=options)
    )
    expected = detector.score_samples(rows)[np.argsort(rows["size"].to_numpy())]
    np.testing.assert_allclose(in_order(results)["score_samples"], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        (Dask, {"token": "scored"}),
        (Ray, {"concurrency": 1}),
        (Spark, {"barrier": False}),
    ],
)
def test_options_go_to_the_engine(kind, option, detector, rows):
    engine = kind()
    table = engine.table(parts_of(rows))
    lazy = map_rows(detector, "score_samples", table, engine_options=option)
    if kind is Dask:
        assert "scored" in str(list(lazy.__dask_graph__()))
    results = np.sort(engine.results(lazy)["score_samples"])
    np.testing.assert_allclose(results, np.sort(detector.score_samples(rows)), rtol=1e-12)


def test_options_of_no_engine_are_an_error(detector, rows, tmp_path):
    rows.to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match=r"engine_options=.*'num_gpus': 1.*leave them out"):
        map_rows(
            detector,
            "score_samples",
            str(tmp_path / "rows.parquet"),
            engine_options={"num_gpus": 1},
        )


def test_a_level_that_only_one_part_has(engine, detector, rows):
    odd = rows.assign(kind=np.where(rows.index == 350, "unheard of", rows["kind"]))
    results = engine.results(detector.predict(engine.table(parts_of(odd))))
    assert (results["predict"] == -1).sum() == (detector.predict(odd) == -1).sum()


def test_the_index_of_dask_is_kept(detector, rows):
    engine = Dask()
    scores = detector.score_samples(engine.table(parts_of(rows)))
    assert scores.name == "score_samples"
    assert scores.dtype == np.float64
    pd.testing.assert_index_equal(scores.compute().index, rows.index)


def test_frames_of_another_library_become_the_engines(rows):
    model = AutoencoderTransformer(2, max_iter=1, random_state=0)
    model.set_output(transform="polars").fit(rows)
    engine = Dask()
    codes = engine.results(model.transform(engine.table(parts_of(rows))))
    np.testing.assert_allclose(codes, model.transform(rows), rtol=1e-6)


def test_steps_that_refuse_made_up_categories(rows):
    """Dask makes up a category to find out what columns there will be."""
    encode = make_column_transformer(
        (OneHotEncoder(sparse_output=True), ["kind"]), sparse_threshold=1.0
    )
    encode.fit(rows)
    engine = Dask()
    codes = engine.results(map_rows(encode, "transform", engine.table(parts_of(rows))))
    np.testing.assert_array_equal(codes, encode.transform(rows).toarray())


def test_the_part_that_is_wrong_is_named(detector, rows):
    engine = Dask()
    parts = parts_of(rows)
    parts[2] = parts[2].assign(size="text")
    with pytest.raises(ValueError, match="Partition 2: Column 'size'"):
        engine.results(detector.score_samples(engine.table(parts)))


def test_a_partition_that_cannot_be_made_is_named(rows):
    frames = pytest.importorskip("dask.dataframe")

    def read(number):
        if number == 1:
            raise ValueError("no such month")
        return rows

    table = frames.from_map(read, range(3), meta=rows)
    with pytest.raises(ValueError, match=r"^Partition 1: no such month"):
        AutoencoderTransformer(2, max_iter=1, random_state=0).fit(table)


def test_columns_that_would_be_there_twice_are_named(detector, rows):
    engine = Ray()
    table = engine.table([rows]).add_column("predict", lambda part: part["count"])
    with pytest.raises(Exception, match="predict"):
        engine.results(detector.predict(table))


def test_columns_of_spark_may_have_any_names(rows):
    """Spark takes a dot for a field of a structure, and does not tell Size from size."""
    names = {"size": "a.b", "weight": "A.B", "kind": "of what kind?", "count": "n"}
    named = rows.rename(columns=names)
    engine = Spark()
    fitted = AutoencoderTransformer(2, max_iter=1, random_state=0).fit(named)
    lazy = fitted.score_samples(engine.table([rows]).toDF(*named.columns))
    assert lazy.columns == [*named.columns, "score_samples"]
    scores = [row[-1] for row in lazy.collect()]
    np.testing.assert_allclose(
        np.sort(scores), np.sort(fitted.score_samples(named)), rtol=1e-12
    )


def test_vectors_of_ray_are_rows():
    engine, vectors = Ray(), rows_of(1)[["size", "count"]].to_numpy()
    table = engine.ray.data.from_numpy([vectors[:100], vectors[100:]])
    fitted = AutoencoderTransformer(1, max_iter=1, random_state=0).fit(table)
    in_memory = AutoencoderTransformer(1, max_iter=1, random_state=0).fit(vectors)
    np.testing.assert_array_equal(fitted.transform(vectors), in_memory.transform(vectors))
    scores = fitted.score_samples(table).to_pandas()
    assert list(scores.columns) == ["data", "score_samples"]
    np.testing.assert_allclose(
        np.sort(scores["score_samples"].astype(float)),
        np.sort(fitted.score_samples(vectors)),
        rtol=1e-12,
    )


def test_images_of_ray_are_told_to_be_flattened():
    images = np.random.default_rng(0).normal(size=(20, 4, 4))
    X = Ray().ray.data.from_numpy(images)
    model = AutoencoderTransformer(1, max_iter=1, random_state=0)
    with pytest.raises(ValueError, match=r"'data' holds arrays of shape \(4, 4\)") as error:
        model.fit(X)
    flattened = eval(str(error.value).partition("flatten them: ")[2].rstrip("."), {"X": X})
    assert model.fit(flattened).n_features_in_ == 16


def test_arrays_of_dask_are_told_to_become_frames():
    arrays = pytest.importorskip("dask.array")
    numbers = rows_of(0)[["size", "count"]].to_numpy()
    X = arrays.from_array(numbers, chunks=(100, 2))
    model = AutoencoderTransformer(1, max_iter=1, random_state=0)
    with pytest.raises(
        TypeError, match=r"give X\.compute\(\), or X\.to_dask_dataframe\(\)"
    ):
        model.fit(X)
    scores = model.fit(numbers).score_samples(X.to_dask_dataframe()).compute()
    np.testing.assert_allclose(scores, model.score_samples(numbers), rtol=1e-12)
    model.fit(X.to_dask_dataframe())


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        (
            Ray,
            "X.map_batches(lambda X: X.assign(**{'count': X['count'].astype('float64')}), ",
        ),
        (Spark, "X.withColumn('count', X['count'].cast('double'))"),
    ],
)
def test_remedies_are_written_for_the_engine(kind, remedy, detector, rows):
    engine = kind()
    X = engine.table([rows.assign(count=rows["count"].astype(str))])
    with pytest.raises(Exception, match="Column 'count'") as error:
        engine.results(detector.score_samples(X))
    told = str(error.value).partition("for example with ")[2]
    assert told.startswith(remedy)
    mended = eval(told.partition("\n")[0].rstrip("."), {"X": X})
    assert len(engine.results(detector.score_samples(mended))) == N_ROWS


def test_a_fit_takes_the_engines_tables(autoencoder, rows):
    for engine in (Dask(), Ray()):
        again = AutoencoderTransformer(2, max_iter=5, random_state=0)
        again.fit(engine.table([rows]))
        assert again.score(rows) == pytest.approx(autoencoder.score(rows), abs=0.05)
