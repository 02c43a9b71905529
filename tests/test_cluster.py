"""Fits, scores and searches by workers of Ray and Dask, which die meanwhile."""

import numpy as np
import pytest
from clusters import Dask, Ray, client_of_dask
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV
from workers import Chunks, SquaredError, die_once, fit_by, rows_of

from skae import AEAnomalyDetector, AutoencoderTransformer
from skae.engines import fit


@pytest.fixture(scope="module")
def rows():
    return rows_of(1200, 0)


@pytest.fixture(scope="module")
def chunks(rows):
    return [rows.iloc[:700], rows.iloc[700:1000], rows.iloc[1000:]]


@pytest.fixture(scope="module")
def ray():
    return Ray()


@pytest.fixture(scope="module")
def client():
    with client_of_dask(2) as client:
        yield client


@pytest.fixture
def dask(client):
    client.wait_for_workers(2, timeout=60)  # one may have died in the test before
    return Dask()


@pytest.fixture(scope="module")
def detector(rows):
    return AEAnomalyDetector(n_estimators=4, max_iter=20, random_state=0).fit(rows)


def deadly(path):
    return AutoencoderTransformer(
        2, max_iter=6, loss=SquaredError(str(path)), random_state=0
    )


def check_undisturbed(fitted, expected, rows):
    np.testing.assert_array_equal(fitted.transform(rows), expected.transform(rows))
    assert fitted.validation_loss_curve_ == expected.validation_loss_curve_


def test_a_worker_of_dask_that_dies_while_it_reads(dask, chunks, rows, tmp_path):
    estimator, path = deadly(tmp_path / "none"), tmp_path / "reading"
    expected = fit_by(2, estimator, chunks)[0]
    path.touch()
    fit(estimator, Chunks(chunks, str(path)), n_workers=2, engine="dask")
    assert not path.exists(), "no worker has died"
    check_undisturbed(estimator, expected, rows)


def test_a_worker_of_dask_that_dies_in_an_epoch(dask, chunks, rows, tmp_path):
    path = tmp_path / "learning"
    estimator = deadly(path)
    expected = fit_by(2, estimator, chunks)[0]
    path.touch()
    fitted = fit(estimator, dask.table(chunks), n_workers=2, checkpoint_interval=0)
    assert fitted is estimator
    assert not path.exists(), "no worker has died"
    check_undisturbed(fitted, expected, rows)


def test_workers_of_dask_that_die_too_often(dask, chunks, tmp_path):
    path = tmp_path / "learning"
    path.touch()
    with pytest.raises(RuntimeError, match=r"failed 1 times.*max_failures=0"):
        fit(deadly(path), dask.table(chunks), n_workers=2, max_failures=0)


def test_the_part_that_dask_cannot_fit_to_is_named(dask, chunks):
    odd = [chunks[0], chunks[1].assign(a="text"), chunks[2]]
    with pytest.raises(ValueError, match="Partition 1: Column 'a' was of kind 'number'"):
        fit(AutoencoderTransformer(2), dask.table(odd), n_workers=2)


def test_scores_of_dask_are_those_of_a_worker_that_has_not_died(
    dask, detector, chunks, rows, tmp_path
):
    path = tmp_path / "scoring"
    path.touch()
    table = dask.table(chunks).map_partitions(dying, str(path), meta=rows.iloc[:0])
    scores = detector.score_samples(table).compute()
    assert not path.exists(), "no worker has died"
    np.testing.assert_allclose(scores, detector.score_samples(rows), rtol=1e-12)


def dying(part, path):
    die_once(path)
    return part


def test_dask_divides_the_networks_of_a_detector(dask, rows, chunks):
    detector = AEAnomalyDetector(n_estimators=6, max_iter=30, random_state=0)
    expected = fit_by(2, detector, chunks)[0]
    fit(detector, dask.table(chunks), n_workers=2)
    np.testing.assert_allclose(detector.score_samples(rows), expected.score_samples(rows))


def test_a_worker_of_ray_that_dies_in_an_epoch(ray, chunks, rows, tmp_path):
    path = tmp_path / "learning"
    estimator = deadly(path)
    halves = [rows.iloc[:600], rows.iloc[600:]]  # however the blocks are
    expected = fit_by(2, estimator, halves)[0]
    path.touch()
    fit(estimator, ray.table(chunks), n_workers=2, checkpoint_interval=0)
    assert not path.exists(), "no worker has died"
    # Sums of other blocks than those of `halves` are rounded in another way.
    codes = [model.transform(rows) for model in (estimator, expected)]
    np.testing.assert_allclose(*codes, rtol=1e-9, atol=1e-9)


def test_a_worker_of_ray_that_dies_while_it_reads(ray, chunks, rows, tmp_path):
    estimator, path = deadly(tmp_path / "none"), tmp_path / "reading"
    expected = fit_by(2, estimator, chunks)[0]
    path.touch()
    fit(estimator, Chunks(chunks, str(path)), n_workers=2, engine="ray")
    assert not path.exists(), "no worker has died"
    check_undisturbed(estimator, expected, rows)


def test_scores_of_ray_are_those_of_a_worker_that_has_not_died(
    ray, detector, chunks, rows, tmp_path
):
    path = tmp_path / "scoring"
    path.touch()
    table = ray.table(chunks).map_batches(
        dying, fn_args=[str(path)], batch_format="pandas", batch_size=None
    )
    done = ray.results(detector.score_samples(table)).sort_values("a")  # in any order
    assert not path.exists(), "no worker has died"
    expected = detector.score_samples(rows.sort_values("a"))
    np.testing.assert_allclose(done["score_samples"], expected, rtol=1e-12)


def test_too_few_workers_are_told(ray, dask, chunks):
    for engine, message in ((ray, "take a CPU each"), (dask, "Dask's cluster has 2")):
        with pytest.raises(ValueError, match=f"n_workers=99.*{message}"):
            fit(AutoencoderTransformer(2), engine.table(chunks), n_workers=99)


@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_a_search_is_done_by_the_workers(engine, rows, request):
    request.getfixturevalue(engine)
    if engine == "ray":
        pytest.importorskip("ray.util.joblib").register_ray()
    params = {"n_components": [1, 2]}
    estimator = AutoencoderTransformer(max_iter=2, random_state=0)
    searches = [GridSearchCV(estimator, params, cv=2) for _ in range(2)]
    searches[0].fit(rows)
    with parallel_config(backend=engine, n_jobs=2):
        searches[1].fit(rows)
    for search in searches:
        assert search.best_params_ == {"n_components": 2}
    scores = [search.cv_results_["mean_test_score"] for search in searches]
    np.testing.assert_allclose(*scores, rtol=1e-6)
