import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AEAnomalyDetector, AutoencoderTransformer, VAETransformer
from skae.detector.folds import row_hashes

DETECTORS = {
    "default": AEAnomalyDetector(random_state=0),
    "autoencoder": AEAnomalyDetector(AutoencoderTransformer(2), random_state=0),
    "variational": AEAnomalyDetector(
        VAETransformer(2, n_importance_samples=8), n_estimators=4, random_state=0
    ),
}


@pytest.fixture(params=DETECTORS)
def detector(request):
    return clone(DETECTORS[request.param])


def _normal(n_rows, seed, n_columns=5):
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(9).normal(size=(n_columns, n_columns))
    return rng.normal(size=(n_rows, n_columns)) @ mixing


def _share(flags):
    return np.mean(flags == -1)


def _auroc(detector, normal, anomalies):
    labels = np.repeat([0, 1], [len(normal), len(anomalies)])
    return roc_auc_score(labels, -detector.score_samples(np.vstack([normal, anomalies])))


# ---------------------------------------------------------------- detection


def test_finds_rows_off_the_surface_that_clean_rows_lie_on(curved, detector):
    forest = IsolationForest(random_state=0).fit(curved.train)
    ours = _auroc(detector.fit(curved.train), curved.test, curved.anomalies)
    assert ours > 0.8
    assert ours > _auroc(forest, curved.test, curved.anomalies)


def test_finds_anomalies_among_the_training_rows(curved, detector):
    """5% of the training rows are anomalies, and are found though they were trained on."""
    anomalies = curved.anomalies[:30]
    X = np.vstack([curved.train, anomalies])
    forest = IsolationForest(random_state=0).fit(X)
    ours = _auroc(detector.fit(X), curved.train, anomalies)
    assert ours > 0.8
    assert ours > _auroc(forest, curved.train, anomalies)


def test_finds_a_clump_of_anomalies():
    """A dense clump is what a single network learns to restore."""
    rng = np.random.default_rng(0)
    normal = _normal(500, 0)
    clump = 4 * np.sqrt(normal.var(axis=0)) + 0.1 * rng.normal(size=(25, 5))
    detector = AEAnomalyDetector(random_state=0).fit(np.vstack([normal, clump]))
    assert _auroc(detector, normal, clump) > 0.95


def test_finds_rows_inside_a_ring_where_the_density_of_a_cloud_would_be_highest():
    """Two codes for a ring in three columns restore its rows, and no others."""
    rng = np.random.default_rng(0)

    def draw(n_rows):
        t = rng.uniform(0, 2 * np.pi, n_rows)
        ring = np.column_stack([np.cos(t), np.sin(t), np.cos(2 * t)])
        return ring + 0.05 * rng.normal(size=ring.shape)

    detector = AEAnomalyDetector(AutoencoderTransformer(2), random_state=0).fit(draw(600))
    inside = rng.uniform(-0.6, 0.6, size=(300, 3))
    forest = IsolationForest(random_state=0).fit(draw(600))
    ours = _auroc(detector, draw(300), inside)
    assert ours > 0.9
    assert ours > _auroc(forest, draw(300), inside)


@pytest.mark.parametrize("n_columns", [1, 2])
def test_finds_far_rows_in_very_narrow_tables(n_columns):
    rng = np.random.default_rng(0)
    normal, far = rng.normal(size=(2, 300, n_columns))
    far = 8 * np.sign(far) + far
    detector = AEAnomalyDetector(random_state=0).fit(normal[:200])
    assert _auroc(detector, normal[200:], far) > 0.99


def test_a_far_row_is_flagged_by_every_setting(detector):
    for contamination in ("auto", 0.0, 0.1):
        detector.set_params(contamination=contamination).fit(_normal(300, 0))
        assert (detector.predict(np.full((3, 5), 50.0)) == -1).all()


def test_scores_fall_with_the_distance():
    detector = AEAnomalyDetector(random_state=0).fit(_normal(300, 0))
    direction = np.array([1.0, -1.0, 1.0, -1.0, 1.0])
    scores = detector.score_samples(np.outer([3.0, 10.0, 100.0, 1e4], direction))
    # Each row has a fold of its own: the folds' networks must agree on the order.
    assert (np.diff(scores) < 0).all()


# ---------------------------------------------------------------- threshold


def test_decision_function_is_the_score_less_the_offset(detector):
    X = _normal(200, 0)
    detector.set_params(contamination=0.1).fit(X)
    decision = detector.decision_function(X)
    np.testing.assert_allclose(decision, detector.score_samples(X) - detector.offset_)
    np.testing.assert_array_equal(detector.predict(X), np.where(decision < 0, -1, 1))
    np.testing.assert_array_equal(clone(detector).fit_predict(X), detector.predict(X))


@pytest.mark.parametrize("contamination", [0.05, 0.2, 0.5])
def test_contamination_is_the_share_of_training_rows_flagged(contamination):
    X = _normal(400, 0)
    detector = AEAnomalyDetector(contamination=contamination, random_state=0).fit(X)
    assert _share(detector.predict(X)) == pytest.approx(contamination, abs=0.005)


@pytest.mark.parametrize("contamination", [0.05, 0.2])
def test_share_flagged_among_fresh_rows_is_the_contamination(contamination, detector):
    detector.set_params(contamination=contamination)
    shares = [
        _share(detector.fit(_normal(400, seed)).predict(_normal(2000, 100 + seed)))
        for seed in range(2)
    ]
    # Three standard deviations of a quantile of 800 rows and of its test on 4000.
    spread = np.sqrt(contamination * (1 - contamination) * (1 / 800 + 1 / 4000))
    assert np.mean(shares) == pytest.approx(contamination, abs=3 * spread)


def test_threshold_does_not_come_from_rows_that_the_network_has_seen():
    """Networks that learn their rows by heart: training errors would flag nearly all."""
    by_heart = AutoencoderTransformer(
        2, init="random", early_stopping=False, alpha=0.0, max_iter=300, random_state=0
    )
    X, fresh = _normal(60, 0, 8), _normal(1000, 1, 8)
    by_heart.fit(X)
    naive = np.quantile(by_heart.score_samples(X), 0.1)
    assert np.mean(by_heart.score_samples(fresh) < naive) > 0.4
    detector = AEAnomalyDetector(by_heart, contamination=0.1, random_state=0).fit(X)
    assert _share(detector.predict(fresh)) < 0.25


def test_clean_rows_raise_few_alarms(detector):
    detector.set_params(contamination=0.0, false_alarm_rate=0.02)
    shares = [
        _share(detector.fit(_normal(400, seed)).predict(_normal(2000, 100 + seed)))
        for seed in range(2)
    ]
    assert 0.008 < np.mean(shares) < 0.04


def test_auto_flags_the_planted_share(curved):
    X = np.vstack([curved.train, curved.anomalies[:60]])
    detector = AEAnomalyDetector(random_state=0).fit(X)
    flags = detector.predict(X)
    assert _share(flags[600:]) > 0.3
    assert _share(flags[:600]) < 0.05


def test_auto_flags_few_where_there_are_none():
    detector = AEAnomalyDetector(random_state=0).fit(_normal(500, 0))
    assert 0.002 < _share(detector.predict(_normal(2000, 1))) < 0.05


def test_weights_count_for_the_threshold():
    """Anomalies of next to no weight are no part of the contamination."""
    X = np.vstack([_normal(300, 0), np.full((100, 5), 30.0) + _normal(100, 1)])
    weights = np.repeat([1.0, 1e-6], [300, 100])
    detector = AEAnomalyDetector(contamination=0.1, random_state=0)
    flags = detector.fit(X, sample_weight=weights).predict(X)
    assert _share(flags[:300]) == pytest.approx(0.1, abs=0.01)
    assert _share(flags[300:]) == 1.0


# ---------------------------------------------------------------- wrapping


@pytest.mark.parametrize("inner", [AutoencoderTransformer(2), VAETransformer(2)])
def test_takes_any_of_our_transformers(inner):
    detector = AEAnomalyDetector(inner, random_state=0).fit(_normal(100, 0))
    assert {type(member) for member in detector.estimators_} == {type(inner)}
    assert {member.n_components_ for member in detector.estimators_} == {2}


def test_the_given_estimator_is_not_fitted():
    inner = AutoencoderTransformer(2, max_iter=2)
    AEAnomalyDetector(inner, random_state=0).fit(_normal(60, 0))
    assert not hasattr(inner, "net_")


def test_random_state_reaches_the_networks():
    inner = AutoencoderTransformer(2, max_iter=2, init="random", random_state=3)
    X = _normal(60, 0)
    one, same, other = (
        AEAnomalyDetector(inner, random_state=seed).fit(X).score_samples(X)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_networks_differ_from_each_other():
    inner = AutoencoderTransformer(2, max_iter=2, init="random")
    X = _normal(60, 0)
    detector = AEAnomalyDetector(inner, random_state=0).fit(X)
    one, other = (member.score_samples(X) for member in detector.estimators_[:2])
    assert not np.allclose(one, other)


def test_parameters_of_the_estimator_can_be_searched(curved):
    """Rows off the surface are told by two codes, not by six that copy anything."""
    X = np.vstack([curved.test[:200], curved.anomalies[:200]])
    y = np.repeat([1, -1], 200)
    detector = AEAnomalyDetector(AutoencoderTransformer(), random_state=0)
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
    assert _auroc(pipeline, curved.test, curved.anomalies) > 0.8


def test_fresh_copies_of_training_rows_score_as_they_did(detector):
    """A row's fold follows from its cells: it meets the networks that left it out."""
    X = _normal(100, 0)
    detector.fit(X)
    order = np.random.default_rng(0).permutation(100)
    np.testing.assert_allclose(
        detector.score_samples(X[order].copy()), detector.score_samples(X)[order], rtol=1e-9
    )


def test_fitted_detector_needs_no_rows_and_no_names(X):
    detector = AEAnomalyDetector(random_state=0).fit(X)
    assert detector.n_features_in_ == 5
    assert not hasattr(detector, "feature_names_in_")


# ---------------------------------------------------------------- p-values


def test_pvalues_of_fresh_rows_are_what_they_promise():
    """Over many splits a share of a has a p-value of at most a, and hardly less."""
    at_most = {0.05: [], 0.2: []}
    for seed in range(12):
        detector = AEAnomalyDetector(
            contamination=0.0, max_iter=50, max_samples=64, random_state=seed
        )
        p = detector.fit(_normal(200, seed)).pvalues(_normal(1000, 100 + seed))
        assert p.min() > 0
        for a, shares in at_most.items():
            shares.append(np.mean(p <= a))
    # The mean over 12 fits varies by about sqrt(a (1 - a) / 200 / 12).
    assert 0.03 < np.mean(at_most[0.05]) < 0.06
    assert 0.16 < np.mean(at_most[0.2]) < 0.225


def test_pvalues_rise_with_the_score_within_a_fold(curved):
    detector = AEAnomalyDetector(contamination=0.0, random_state=0).fit(curved.train)
    rows = np.vstack([curved.test[:100], curved.anomalies[:100]])
    p, scores = detector.pvalues(rows), detector.score_samples(rows)
    folds = detector._folds.assign(row_hashes(rows))
    for fold in range(detector.n_folds_):
        order = np.argsort(scores[folds == fold])
        assert (np.diff(p[folds == fold][order]) >= 0).all()


def test_selected_rows_are_mostly_anomalies(curved):
    detector = AEAnomalyDetector(contamination=0.0, random_state=0).fit(curved.train)
    rows = np.vstack([curved.test[:300], 3 * curved.anomalies[:60]])
    few, many = (detector.select(rows, fdr=fdr) for fdr in (0.05, 0.3))
    assert few.dtype == bool
    assert few[300:].mean() > 0.3
    assert few[:300].sum() / few.sum() < 0.1
    assert (few <= many).all()
    assert many.sum() > few.sum()


def test_nothing_is_selected_where_nothing_is_wrong():
    chosen = []
    for seed in range(5):
        detector = AEAnomalyDetector(contamination=0.0, max_iter=50, random_state=seed)
        chosen.append(
            detector.fit(_normal(400, seed)).select(_normal(100, 50 + seed)).any()
        )
    # At fdr=0.05 one batch of normal rows in twenty holds a mistake.
    assert sum(chosen) <= 1


@pytest.mark.parametrize("fdr", [0.0, 1.0, -0.1, "5%"])
def test_fdr_out_of_range(X, fdr):
    detector = AEAnomalyDetector(max_iter=2, random_state=0).fit(X)
    with pytest.raises(ValueError, match=r"fdr=.*between 0 and 1"):
        detector.select(X, fdr=fdr)


def test_no_pvalues_before_fit_and_none_of_nothing(X):
    with pytest.raises(NotFittedError):
        AEAnomalyDetector().pvalues(X)
    frame = pd.DataFrame(X)
    frame.columns = [f"c{i}" for i in range(X.shape[1])]
    detector = AEAnomalyDetector(max_iter=2, random_state=0).fit(frame)
    with pytest.raises(ValueError, match=r"0 sample\(s\).*minimum of 1"):
        detector.select(frame[:0])


# ---------------------------------------------------------------- streams


def test_a_stream_moves_the_threshold_with_the_rows(detector):
    """Rows change for good: what was strange becomes ordinary."""
    detector.set_params(contamination=0.1, random_state=0)
    old, new = _normal(400, 0), _normal(400, 1) + 2 * np.sqrt(_normal(400, 0).var(axis=0))
    detector.partial_fit(old)
    before, offset = detector.score_samples(new).mean(), detector.offset_
    flagged = _share(detector.predict(new))
    for seed in range(2, 8):
        detector.partial_fit(new + 0.1 * _normal(400, seed))
    assert detector.score_samples(new).mean() > before
    assert detector.offset_ != offset
    assert _share(detector.predict(new)) < flagged


def test_a_stream_ends_about_where_a_fit_does(curved):
    X = np.vstack([curved.train, curved.test[:200]])
    whole = AEAnomalyDetector(contamination=0.0, random_state=0).fit(X)
    stream = AEAnomalyDetector(contamination=0.0, random_state=0)
    for start in range(0, 800, 200):
        stream.partial_fit(X[start : start + 200])
    found = [_auroc(d, curved.test[200:], curved.anomalies) for d in (whole, stream)]
    assert found[1] > found[0] - 0.03


def test_a_stream_takes_single_rows_weights_and_holes(X):
    detector = AEAnomalyDetector(max_iter=20, random_state=0).partial_fit(X)
    detector.partial_fit(X[:1])
    holed = X[:40].copy()
    holed[::3, 1] = np.nan
    detector.partial_fit(holed, sample_weight=np.arange(40) % 2)
    assert np.isfinite(detector.score_samples(holed)).all()
    with pytest.raises(ValueError, match="5 features"):
        detector.partial_fit(X[:, :3])


def test_a_seeded_stream_of_single_rows_reaches_every_network(X):
    """With the same draws for every chunk a row would enter the same networks, or none."""
    detector = AEAnomalyDetector(max_iter=1, max_trim=0.0, random_state=0).partial_fit(X)
    before = detector._ensemble._subsets.x.clone()
    for row in np.random.default_rng(5).permutation(X)[:60] + 1e-3:
        detector.partial_fit(row[None])
    changed = (detector._ensemble._subsets.x != before).flatten(1).any(1)
    assert changed.float().mean() > 0.9


def test_one_more_row_hardly_moves_the_scores_of_clones(X):
    inner = AutoencoderTransformer(2, max_iter=4)
    detector = AEAnomalyDetector(inner, n_estimators=4, random_state=0).partial_fit(X)
    before = detector.score_samples(X)
    detector.partial_fit(X[:1] + 1e-3)
    assert np.abs(detector.score_samples(X) - before).mean() < 0.1


def test_fit_forgets_the_stream(X):
    once = AEAnomalyDetector(max_iter=20, random_state=0).fit(X)
    again = AEAnomalyDetector(max_iter=20, random_state=0).partial_fit(X[:60]).fit(X)
    np.testing.assert_array_equal(once.score_samples(X), again.score_samples(X))


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
    X = _normal(200, 0)
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


def test_a_column_in_other_units_changes_nothing(curved):
    detector = AEAnomalyDetector(random_state=0)
    scores = detector.fit(curved.train).score_samples(curved.train)
    # Powers of two are exact; hashes, and so the folds, change.
    units = np.array([2.0**30, 1.0, 2.0**-30, 1.0, 4.0, 1.0])
    other = clone(detector).fit(curved.train * units).score_samples(curved.train * units)
    assert np.corrcoef(scores, other)[0, 1] > 0.9


def test_a_row_s_score_does_not_depend_on_the_rows_beside_it(curved):
    for contamination in ("auto", 0.0):
        detector = AEAnomalyDetector(contamination=contamination, random_state=0)
        scores = detector.fit(curved.train).score_samples(curved.test)
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
