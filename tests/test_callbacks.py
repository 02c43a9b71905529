"""Callbacks of scikit-learn and of skorch."""

import numpy as np
import pytest
from arrays import correlated_rows
from registry import make, without_columns
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, EarlyStopping

from skae import AEAnomalyDetector, AutoencoderTransformer
from skae.metrics import anomaly_average_precision, reconstruction_r2
from skae.training.batches import BATCH_HOOKS

STEPS = {"max_iter": 6, "batch_size": 20, "random_state": 0}


def _assert_same_codes(one, other, X):
    np.testing.assert_array_equal(one.transform(X), other.transform(X))


def test_progress_bar_shows_the_fit(quick, X, capsys):
    pytest.importorskip("rich")
    estimator = quick().set_callbacks(ProgressBar()).fit(X)
    assert f"{type(estimator).__name__} - fit" in capsys.readouterr().out
    _assert_same_codes(estimator, quick().fit(X), X)


def test_progress_bar_through_a_pipeline(X, capsys):
    pytest.importorskip("rich")
    make_pipeline(StandardScaler(), make("AutoencoderTransformer")).set_callbacks(
        ProgressBar()
    ).fit(X)
    assert "Pipeline - fit" in capsys.readouterr().out


def test_progress_bar_through_a_detector(quick_detector, X, capsys):
    pytest.importorskip("rich")
    quick_detector().set_callbacks(ProgressBar()).fit(X)
    assert "AEAnomalyDetector - fit" in capsys.readouterr().out


class _Tasks:
    """Records the tasks of a fit; asks to stop at the end of epoch `stop_at`."""

    max_propagation_depth = None

    def __init__(self, stop_at=None):
        self.stop_at, self.begun, self.ended = stop_at, [], []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.begun.append((context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context):
        self.ended.append((context.task_name, context.task_id))
        return self.ended[-1] == ("epoch", self.stop_at)


def test_every_epoch_is_a_task(quick, X):
    tasks = _Tasks()
    quick(max_iter=3, refit=False).set_callbacks(tasks).fit(X)
    epochs = [("epoch", i) for i in range(3)]
    assert tasks.begun == [("fit", 0), *epochs]
    assert tasks.ended == [*epochs, ("fit", 0)]


@pytest.mark.filterwarnings("error")
def test_callback_stops_the_fit_after_its_epoch(quick, X):
    estimator = quick().set_callbacks(_Tasks(stop_at=1)).fit(X)
    assert estimator.n_iter_ == 2
    assert estimator.transform(X).shape == (120, 2)


def test_callback_stops_every_network_of_a_detector(X):
    inner = AutoencoderTransformer(2, max_iter=5)
    detector = AEAnomalyDetector(inner, random_state=0).set_callbacks(_Tasks(stop_at=1))
    detector.fit(X)
    assert {member.n_iter_ for member in detector.estimators_} == {2}


@pytest.mark.parametrize("early_stopping", [True, False])
def test_scoring_monitor_logs_a_score_an_epoch(quick, X, early_stopping):
    monitor = ScoringMonitor(scoring={"r2": reconstruction_r2})
    estimator = quick(early_stopping=early_stopping, refit=False, max_iter=5)
    estimator.set_callbacks(monitor).fit(X)
    log = monitor.get_logs().data_as_pandas
    scores = log.loc[log["task_name"] == "epoch", "r2"]
    assert len(scores) == 5
    assert scores.nunique() == 5
    if not early_stopping:
        assert scores.iloc[-1] == pytest.approx(reconstruction_r2(estimator, X))


def test_watching_does_not_change_the_fit(quick, X):
    monitor = ScoringMonitor(scoring={"r2": reconstruction_r2})
    estimator = quick(dropout=0.2, refit=False)
    watched = (
        clone(estimator).set_params(callbacks=[_CountBatches()]).set_callbacks(monitor)
    )
    _assert_same_codes(watched.fit(X), estimator.fit(X), X)


class _Look:
    """Keeps what scikit-learn hands to a callback that wants to look."""

    def __init__(self):
        self.scores, self.arguments = [], []

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(
        self, estimator, context, *, X=None, metadata=None, fitted_estimator=None
    ):
        if context.task_name == "epoch":
            self.arguments.append((X, metadata))
            self.scores.append(fitted_estimator.score(X))
            fitted_estimator.sample(2, random_state=0)


def test_callbacks_see_a_usable_estimator_the_rows_and_the_weights(quick, X):
    look, weights = _Look(), np.linspace(0.5, 1.5, len(X))
    quick(early_stopping=False).set_callbacks(look).fit(X, sample_weight=weights)
    assert len(look.scores) == 4
    assert np.isfinite(look.scores).all()
    rows, metadata = look.arguments[0]
    np.testing.assert_array_equal(rows, X)
    np.testing.assert_array_equal(metadata["sample_weight"], weights)


class _CountBatches(Callback):
    def initialize(self):
        self.calls = dict.fromkeys((*BATCH_HOOKS, "on_epoch_end", "on_train_end"), 0)
        return self

    def on_batch_begin(self, net, **kwargs):
        self.calls["on_batch_begin"] += 1

    def on_grad_computed(self, net, named_parameters, **kwargs):
        learned = [p for _, p in named_parameters if p.requires_grad]
        assert learned
        assert all(p.grad is not None for p in learned)
        self.calls["on_grad_computed"] += 1

    def on_batch_end(self, net, loss, **kwargs):
        assert np.isfinite(loss.item())
        self.calls["on_batch_end"] += 1

    def on_epoch_end(self, net, **kwargs):
        self.calls["on_epoch_end"] += 1

    def on_train_end(self, net, **kwargs):
        self.calls["on_train_end"] += 1


def test_every_hook_of_a_skorch_callback_is_called(transformer, X):
    counter = _CountBatches()
    estimator = transformer(callbacks=[counter], early_stopping=False, **STEPS).fit(X)
    batches = dict.fromkeys(BATCH_HOOKS, 6 * 6)
    assert counter.calls == {**batches, "on_epoch_end": 6, "on_train_end": 1}
    assert len(estimator.net_.history[-1, "batches", :]) == 6


@pytest.mark.filterwarnings("error")
def test_skorch_early_stopping_stops_in_silence(transformer, curved):
    stopping = EarlyStopping(patience=2, sink=lambda text: None)
    estimator = without_columns(
        transformer,
        2,
        max_iter=100,
        learning_rate_init=1e-12,
        callbacks=[stopping],
        random_state=0,
    ).fit(curved.train)
    assert estimator.n_iter_ < 10
    assert estimator.net_.stop_reason_ == "callback"


def test_named_callbacks_are_taken(quick, X):
    counter = _CountBatches()
    quick(callbacks=[("counter", counter)], max_iter=2).fit(X)
    assert counter.calls["on_epoch_end"] == 2


# ------------------------------------------------------------------ the detector


@pytest.fixture(scope="module")
def labelled():
    """200 rows, of which every twentieth is an anomaly, and their labels."""
    X, y = correlated_rows(200, 0), np.ones(200, dtype=int)
    X[::20] = 2.0 * np.random.default_rng(0).permuted(X, axis=0)[::20]
    y[::20] = -1
    return X, y


DETECTORS = ["AEAnomalyDetector", "AEAnomalyDetector of clones"]


@pytest.fixture(params=DETECTORS)
def any_detector(request):
    params = {"max_iter": 100} if request.param == DETECTORS[0] else {"n_estimators": 4}
    return make(request.param, **params)


def test_scoring_monitor_logs_how_well_a_detector_finds_anomalies(labelled, any_detector):
    """Of the networks so far, calibrated; and the fit is the same as without."""
    X, y = labelled
    monitor = ScoringMonitor(scoring=anomaly_average_precision)
    watched = clone(any_detector).set_callbacks(monitor).fit(X, y)
    log = monitor.get_logs().data_as_pandas.set_index("task_name")["score"]
    alone = any_detector.fit(X)
    final = anomaly_average_precision(alone, X, y)
    assert log["fit"] == final
    assert log.drop("fit").iloc[-1] == final
    # The clones of two folds can be looked at from the second on.
    assert len(log) == (11 if any_detector.estimator is None else 4)
    np.testing.assert_array_equal(watched.score_samples(X), alone.score_samples(X))
    assert watched.offset_ == alone.offset_


def test_scoring_monitor_weighs_the_rows(quick, labelled):
    X, y = labelled
    weights = np.where(y == -1, 100.0, 1.0)
    monitor = ScoringMonitor(scoring=anomaly_average_precision)
    fitted = quick(early_stopping=False).set_callbacks(monitor)
    fitted.fit(X, y, sample_weight=weights)
    scores = monitor.get_logs().data_as_pandas["score"]
    expected = anomaly_average_precision(fitted, X, y, sample_weight=weights)
    assert scores.iloc[-1] == pytest.approx(expected)
    assert expected > 0.1 + anomaly_average_precision(fitted, X, y)


class _Pruned(Exception):
    """What Optuna's TrialPruned is."""


class _Pruner(_Look):
    """Judges the networks so far, and stops or raises when they are not good enough."""

    def __init__(self, error=None):
        self.error, self.scores, self.losses = error, [], []

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        if context.task_name == "fit" or fitted_estimator is None:
            return False
        self.scores.append(anomaly_average_precision(fitted_estimator, X, y))
        self.losses.append(estimator.__dict__.get("loss_curve_"))
        assert fitted_estimator.predict(X).shape == (200,)
        fitted_estimator.pvalues(X)
        if len(self.scores) == 2 and self.error:
            raise self.error
        return len(self.scores) == 2


@pytest.mark.filterwarnings("error")
def test_a_pruner_stops_a_detector_that_stays_usable(labelled, any_detector):
    X, y = labelled
    pruner = _Pruner()
    detector = any_detector.set_callbacks(pruner).fit(X, y)
    assert len(pruner.scores) == 2
    assert anomaly_average_precision(detector, X, y) == pruner.scores[-1]
    if detector.estimator is None:
        assert detector.n_iter_ == 20
        assert pruner.losses[-1] == detector.loss_curve_
    else:
        assert len(detector.estimators_) == detector.n_estimators_ == 3
        assert detector.max_samples_.shape == (3,)


def test_the_error_of_a_pruner_reaches_the_search(labelled, any_detector):
    X, y = labelled
    pruner = _Pruner(_Pruned("after two reports"))
    with pytest.raises(_Pruned, match="after two reports"):
        any_detector.set_callbacks(pruner).fit(X, y)
    any_detector.set_callbacks().fit(X)
    assert np.isfinite(any_detector.score_samples(X)).all()


# ------------------------------------------------------------------ losses


def test_loss_curve_of_a_detector_falls_and_ends_where_the_last_step_did(labelled):
    detector = make("AEAnomalyDetector", max_iter=100).fit(labelled[0])
    curve = np.array(detector.loss_curve_)
    assert curve.shape == (detector.n_iter_,) == (100,)
    # Units have variance 1, so that a network that knows nothing starts at about 1.
    assert 0.2 < curve[0] < 5.0
    assert curve[-10:].mean() < 0.2 * curve[:5].mean()


def test_loss_curve_of_clones_is_their_mean(labelled):
    inner = AutoencoderTransformer(2, max_iter=30, n_iter_no_change=2, init="random")
    detector = AEAnomalyDetector(inner, n_estimators=4, random_state=0).fit(labelled[0])
    curves = [member.loss_curve_ for member in detector.estimators_]
    assert len(detector.loss_curve_) == detector.n_iter_ == max(map(len, curves))
    assert detector.loss_curve_[0] == pytest.approx(np.mean([c[0] for c in curves]))
    assert detector.loss_curve_[-1] == pytest.approx(np.mean([c[-1] for c in curves]))


def test_verbose_prints_losses(labelled, any_detector, capsys):
    X, _ = labelled
    any_detector.fit(X)
    assert not capsys.readouterr().out
    any_detector.set_params(verbose=1).fit(X)
    lines = capsys.readouterr().out.splitlines()
    if any_detector.estimator is None:
        assert len(lines) == 10
        assert lines[-1] == f"Step 100 of 100, loss = {any_detector.loss_curve_[-1]:.4g}"
    else:
        assert len(lines) == 4
        last = any_detector.estimators_[-1]
        loss = last.loss_curve_[-1]
        assert lines[-1] == f"Network 4 of 4, {last.n_iter_} epochs, loss = {loss:.4g}"
