"""The detector: what it finds, what it wraps, what it survives."""

import numpy as np
import pandas as pd
import pytest
from arrays import auroc, correlated_rows
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AEAnomalyDetector, AutoencoderTransformer, VAETransformer

pytestmark = pytest.mark.rounding


def _share(flags):
    return np.mean(flags == -1)


# ---------------------------------------------------------------- detection


def test_finds_rows_off_the_surface_that_clean_rows_lie_on(curved, detector):
    forest = IsolationForest(random_state=0).fit(curved.train)
    ours = auroc(detector.fit(curved.train), curved.test, curved.anomalies)
    assert ours > 0.8
    assert ours > auroc(forest, curved.test, curved.anomalies)


def test_finds_anomalies_among_the_training_rows(curved, detector):
    """5% of the training rows are anomalies, and are found though they were trained on."""
    anomalies = curved.anomalies[:30]
    X = np.vstack([curved.train, anomalies])
    forest = IsolationForest(random_state=0).fit(X)
    ours = auroc(detector.fit(X), curved.train, anomalies)
    assert ours > 0.8
    assert ours > auroc(forest, curved.train, anomalies)


def test_finds_a_clump_of_anomalies():
    """A dense clump is what a single network learns to restore."""
    rng = np.random.default_rng(0)
    normal = correlated_rows(500, 0)
    clump = 4 * np.sqrt(normal.var(axis=0)) + 0.1 * rng.normal(size=(25, 5))
    detector = AEAnomalyDetector(random_state=0).fit(np.vstack([normal, clump]))
    assert auroc(detector, normal, clump) > 0.95


def test_finds_rows_inside_a_ring_where_the_density_of_a_cloud_would_be_highest():
    """Two codes for a ring in three columns restore its rows, and no others."""
    rng = np.random.default_rng(0)

    def draw(n_rows):
        t = rng.uniform(0, 2 * np.pi, n_rows)
        ring = np.column_stack([np.cos(t), np.sin(t), np.cos(2 * t)])
        return ring + 0.05 * rng.normal(size=ring.shape)

    inner = AutoencoderTransformer(2, max_iter=30)
    detector = AEAnomalyDetector(inner, n_estimators=2, random_state=0).fit(draw(600))
    inside = rng.uniform(-0.6, 0.6, size=(300, 3))
    forest = IsolationForest(random_state=0).fit(draw(600))
    ours = auroc(detector, draw(300), inside)
    assert ours > 0.9
    assert ours > auroc(forest, draw(300), inside)


@pytest.mark.parametrize("n_columns", [1, 2])
def test_finds_far_rows_in_very_narrow_tables(n_columns):
    rng = np.random.default_rng(0)
    normal, far = rng.normal(size=(2, 300, n_columns))
    far = 8 * np.sign(far) + far
    detector = AEAnomalyDetector(random_state=0).fit(normal[:200])
    assert auroc(detector, normal[200:], far) > 0.99


def test_a_far_row_is_flagged_by_every_setting(detector):
    if detector.estimator is not None:
        detector.set_params(estimator__max_iter=8)
    for contamination in ("auto", 0.0, 0.1):
        detector.set_params(contamination=contamination).fit(correlated_rows(300, 0))
        assert (detector.predict(np.full((3, 5), 50.0)) == -1).all()


def test_scores_fall_with_the_distance():
    detector = AEAnomalyDetector(random_state=0).fit(correlated_rows(300, 0))
    direction = np.array([1.0, -1.0, 1.0, -1.0, 1.0])
    scores = detector.score_samples(np.outer([3.0, 10.0, 100.0, 1e4], direction))
    assert (np.diff(scores) < 0).all()


# ---------------------------------------------------------------- wrapping


def test_takes_any_of_our_transformers(quick, transformer):
    detector = AEAnomalyDetector(quick(), n_estimators=2, random_state=0)
    detector.fit(correlated_rows(100, 0))
    assert {type(member) for member in detector.estimators_} == {transformer}
    assert {member.n_components_ for member in detector.estimators_} == {2}


def test_clones_do_not_learn_to_draw_rows():
    """Which takes longer than all that a detector asks of them."""
    inner = VAETransformer(2, max_iter=2)
    detector = AEAnomalyDetector(inner, n_estimators=2, random_state=0)
    detector.fit(correlated_rows(60, 0))
    assert {member.sampler_ for member in detector.estimators_} == {"codes"}
    assert inner.sampler == detector.estimator.sampler == "columns"


def test_the_given_estimator_is_not_fitted():
    inner = AutoencoderTransformer(2, max_iter=2)
    AEAnomalyDetector(inner, random_state=0).fit(correlated_rows(60, 0))
    assert not hasattr(inner, "net_")


def test_random_state_reaches_the_networks():
    inner = AutoencoderTransformer(2, max_iter=2, init="random", random_state=3)
    X = correlated_rows(60, 0)
    one, same, other = (
        AEAnomalyDetector(inner, random_state=seed).fit(X).score_samples(X)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_networks_differ_from_each_other():
    inner = AutoencoderTransformer(2, max_iter=2, init="random")
    X = correlated_rows(60, 0)
    detector = AEAnomalyDetector(inner, random_state=0).fit(X)
    one, other = (member.score_samples(X) for member in detector.estimators_[:2])
    assert not np.allclose(one, other)


def test_parameters_of_the_estimator_can_be_searched(curved):
    """Rows off the surface are told by two codes, not by six that copy anything."""
    X = np.vstack([curved.test[:200], curved.anomalies[:200]])
    y = np.repeat([1, -1], 200)
    inner = AutoencoderTransformer(max_iter=40)
    detector = AEAnomalyDetector(inner, n_estimators=2, random_state=0)
    search = GridSearchCV(
        detector,
        {"estimator__n_components": [2, 6]},
        scoring=lambda fitted, X, y: roc_auc_score(y, fitted.score_samples(X)),
        cv=[(np.arange(200), np.arange(400))],
        refit=False,
    )
    search.fit(X, y)
    assert search.best_params_ == {"estimator__n_components": 2}


def test_detector_in_a_pipeline(curved):
    pipeline = make_pipeline(StandardScaler(), AEAnomalyDetector(random_state=0))
    pipeline.fit(curved.train)
    assert set(pipeline.predict(curved.anomalies)) == {1, -1}
    assert auroc(pipeline, curved.test, curved.anomalies) > 0.8


def test_fresh_copies_of_training_rows_score_as_they_did(detector):
    """A score follows from the cells alone."""
    X = correlated_rows(100, 0)
    detector.fit(X)
    order = np.random.default_rng(0).permutation(100)
    np.testing.assert_allclose(
        detector.score_samples(X[order].copy()), detector.score_samples(X)[order], rtol=1e-9
    )


def test_fitted_detector_needs_no_rows_and_no_names(X):
    detector = AEAnomalyDetector(random_state=0).fit(X)
    assert detector.n_features_in_ == 5
    assert not hasattr(detector, "feature_names_in_")


# ---------------------------------------------------------------- explaining


@pytest.mark.parametrize("contamination", ["auto", 0.0])
def test_the_cell_that_was_changed_is_blamed_and_what_it_was_is_known(contamination):
    rng = np.random.default_rng(0)

    def draw(n_rows):
        a, b, free = rng.normal(size=(3, n_rows))
        cells = [a, b, a + b, a - b, free]
        return np.column_stack(cells) + 0.05 * rng.normal(size=(n_rows, 5))

    detector = AEAnomalyDetector(contamination=contamination, random_state=0)
    detector.fit(draw(1000))
    rows = draw(200)
    wrong = rows.copy()
    column = np.arange(200) % 4
    wrong[np.arange(200), column] += rng.choice([-2.5, 2.5], 200)
    found, expected = detector.explain(wrong, expected=True)
    found = found.to_numpy()
    np.testing.assert_allclose(found.sum(1), -detector.score_samples(wrong), rtol=1e-9)
    assert found.min() >= 0
    assert np.mean(found.argmax(1) == column) > 0.7
    error = np.abs(expected - rows)[np.arange(200), column]
    assert np.median(error) < 0.5


def test_wide_tables_are_explained_cell_by_cell():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 200)) + rng.normal(size=(300, 200))
    detector = AEAnomalyDetector(random_state=0).fit(X)
    row = X[:1].copy()
    row[0, 77] += 30.0
    found = detector.explain(row)
    assert found.to_numpy().argmax() == 77
    assert found.sum(axis=1)[0] == pytest.approx(-detector.score_samples(row)[0])


# ---------------------------------------------------------------- hard cases


@pytest.mark.parametrize("contamination", ["auto", 0.0, 0.1])
def test_one_gross_anomaly_in_training_comes_last(contamination):
    X = correlated_rows(200, 0)
    X[17, 2] = 1e30
    scores = (
        AEAnomalyDetector(contamination=contamination, random_state=0)
        .fit(X)
        .score_samples(X)
    )
    assert np.isfinite(scores).all()
    assert scores.argmin() == 17


@pytest.mark.parametrize("shape", [(20, 40), (40, 1500), (2, 3), (300, 1)])
@pytest.mark.filterwarnings("ignore:.* too few to hold any out")
def test_shapes(shape):
    X = np.random.default_rng(0).normal(size=shape)
    for contamination in ("auto", 0.0):
        detector = AEAnomalyDetector(contamination=contamination, random_state=0).fit(X)
        assert np.isfinite(detector.score_samples(X)).all()
        far = detector.score_samples(np.full((1, shape[1]), 100.0))
        assert far[0] < detector.score_samples(X).min()


def test_rows_that_are_all_alike():
    with pytest.warns(UserWarning, match="1 of them distinct, are too few"):
        detector = AEAnomalyDetector(random_state=0).fit(np.ones((50, 3)))
    assert (detector.predict(np.ones((5, 3))) == 1).all()
    assert detector.predict([[9.0, 1.0, 1.0]]) == [-1]


def test_a_column_in_other_units_changes_nothing(curved, detector_of_curved):
    detector = detector_of_curved("auto")
    scores = detector.score_samples(curved.train)
    # Powers of two are exact.
    units = np.array([2.0**30, 1.0, 2.0**-30, 1.0, 4.0, 1.0])
    other = clone(detector).fit(curved.train * units).score_samples(curved.train * units)
    np.testing.assert_allclose(other, scores, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("contamination", ["auto", 0.0])
def test_a_frame_and_arrays_of_any_precision_give_the_same_detector(contamination):
    X = correlated_rows(200, 0).astype(np.float32)
    detector = AEAnomalyDetector(contamination=contamination, random_state=0)
    scores = detector.fit(X).score_samples(X)
    for same in (X.astype(np.float64), pd.DataFrame(X, columns=list("abcde"))):
        other = clone(detector).fit(same).score_samples(same)
        np.testing.assert_allclose(other, scores, atol=1e-4)


def test_a_row_s_score_does_not_depend_on_the_rows_beside_it(curved, detector_of_curved):
    for contamination in ("auto", 0.0):
        detector = detector_of_curved(contamination)
        scores = detector.score_samples(curved.test)
        alone = [detector.score_samples(row[None])[0] for row in curved.test[:20]]
        np.testing.assert_allclose(alone, scores[:20], rtol=1e-10)


def test_more_rows_wanted_than_there_are_is_said(X):
    with pytest.warns(UserWarning, match=r"max_samples=500 .*60 at most"):
        AEAnomalyDetector(max_samples=500, max_trim=0.0, random_state=0).fit(X)


def test_networks_that_diverge_are_told_of_and_scores_stay_finite(X):
    detector = AEAnomalyDetector(learning_rate_init=1e30, random_state=0)
    with pytest.warns(ConvergenceWarning, match="diverged with learning_rate_init=1e"):
        detector.fit(X)
    assert np.isfinite(detector.score_samples(X)).all()


def test_interrupted_training_leaves_a_usable_detector(X):
    class Interrupt(_Callback):
        def on_fit_task_end(self, estimator, context):
            if context.task_name == "training":
                raise KeyboardInterrupt

    detector = AEAnomalyDetector(random_state=0).set_callbacks(Interrupt())
    with pytest.warns(ConvergenceWarning, match="interrupted after 15 steps"):
        detector.fit(X)
    assert detector.n_iter_ == 15
    assert np.isfinite(detector.score_samples(X)).all()


def test_a_callback_stops_the_training(X):
    class Stop(_Callback):
        def on_fit_task_end(self, estimator, context):
            return (context.task_name, context.task_id) == ("training", 1)

    detector = AEAnomalyDetector(random_state=0).set_callbacks(Stop()).fit(X)
    assert detector.n_iter_ == 30


class _Callback:
    max_propagation_depth = None

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = setup
