import os
import signal
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, EarlyStopping

from skae import AEAnomalyDetector, AutoencoderTransformer, VAETransformer, _apply
from skae.metrics import reconstruction_r2
from skae.training.loop import BATCH_HOOKS, one_cycle

STEPS = {"max_iter": 6, "batch_size": 20, "random_state": 0}


def _assert_same_codes(one, other, X):
    np.testing.assert_array_equal(one.transform(X), other.transform(X))


# ---------------------------------------------------------------- determinism


@pytest.mark.parametrize("params", [{}, {"dropout": 0.3}, {"init": "random"}])
def test_two_fits_agree_to_the_bit(quick, X, params):
    one, other = (quick(**params).fit(X) for _ in range(2))
    _assert_same_codes(one, other, X)
    assert one.loss_curve_ == other.loss_curve_
    assert one.validation_loss_curve_ == other.validation_loss_curve_
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(X))


def test_two_detectors_agree_to_the_bit(quick_detector, X):
    one, other = (quick_detector().fit(X) for _ in range(2))
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(X))
    assert one.offset_ == other.offset_


def test_refit_forgets_the_first_fit(quick_any, X):
    refitted = quick_any().fit(3.0 * X[::-1]).fit(X)
    np.testing.assert_array_equal(
        refitted.score_samples(X), quick_any().fit(X).score_samples(X)
    )


def test_other_seeds_give_other_networks(quick_any, curved):
    X = curved.train
    one, other = (quick_any(random_state=seed).fit(X) for seed in (0, 1))
    assert not np.allclose(one.score_samples(X), other.score_samples(X), rtol=1e-3)


def test_random_state_instance_is_drawn_from(quick_any, curved):
    X, generator = curved.train, np.random.RandomState(0)
    one, other = (quick_any(random_state=generator).fit(X) for _ in range(2))
    assert not np.array_equal(one.score_samples(X), other.score_samples(X))
    again = quick_any(random_state=np.random.RandomState(0)).fit(X)
    np.testing.assert_array_equal(again.score_samples(X), one.score_samples(X))


def test_thread_count_does_not_change_the_fit(quick_any, X):
    """The number of threads is the machine's, not the model's."""
    scores = []
    for n_threads in (1, 2):
        with _threads(n_threads):
            scores.append(quick_any().fit(X).score_samples(X))
    np.testing.assert_array_equal(*scores)


class _threads:
    def __init__(self, n_threads):
        self.n_threads = n_threads

    def __enter__(self):
        self.before = torch.get_num_threads()
        torch.set_num_threads(self.n_threads)

    def __exit__(self, *exc_info):
        torch.set_num_threads(self.before)


def _global_state():
    name, key, *rest = np.random.get_state()  # noqa: NPY002
    return {
        "numpy's generator": (name, key.tolist(), *rest),
        "torch's generator": torch.get_rng_state().tolist(),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
        "determinism": torch.are_deterministic_algorithms_enabled(),
        "numpy's errors": np.geterr(),
    }


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_global_state_is_left_alone(quick, X, dropout):
    with _threads(2):
        before = _global_state()
        fitted = quick(dropout=dropout, init="random").fit(X)
        assert _global_state() == before
        fitted.partial_fit(X)
        assert _global_state() == before
        fitted.inverse_transform(fitted.transform(X))
        fitted.score_samples(X)
        fitted.sample(10, random_state=0)
        assert _global_state() == before


def test_detector_leaves_the_global_state_alone(quick_detector, X):
    with _threads(2):
        before = _global_state()
        quick_detector().fit(X).predict(X)
        assert _global_state() == before


class _Fail(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise RuntimeError("stumbled")


def test_threads_come_back_after_an_error(quick, X):
    with _threads(2), pytest.raises(RuntimeError, match="stumbled"):
        quick(callbacks=[_Fail()]).fit(X)
    with _threads(2):
        with pytest.raises(RuntimeError, match="stumbled"):
            quick(callbacks=[_Fail()]).fit(X)
        assert torch.get_num_threads() == 2


def test_fit_does_not_depend_on_the_global_generators(quick_any, X):
    expected = quick_any().fit(X).score_samples(X)
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    np.testing.assert_array_equal(quick_any().fit(X).score_samples(X), expected)


def test_fit_does_not_depend_on_the_default_dtype(quick_any, X):
    expected = quick_any().fit(X).score_samples(X)
    torch.set_default_dtype(torch.float64)
    try:
        scores = quick_any().fit(X).score_samples(X)
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


# ---------------------------------------------------------------- using

METHODS = ("transform", "score_samples")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
def test_two_scorings_agree_to_the_bit(quick, X, dtype, method):
    fitted = quick(dropout=0.3).fit(X)
    function, rows = getattr(fitted, method), X.astype(dtype)
    np.testing.assert_array_equal(function(rows), function(rows))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1, 7, 119])
def test_batch_division_does_not_matter(quick, X, dtype, method, size):
    fitted = quick(dropout=0.3).fit(X)
    function, rows = getattr(fitted, method), X.astype(dtype)
    parts = [function(rows[start : start + size]) for start in range(0, len(X), size)]
    np.testing.assert_allclose(np.concatenate(parts), function(rows), rtol=1e-5, atol=1e-5)


def test_batch_division_does_not_matter_to_the_detector(quick_detector, X):
    fitted = quick_detector().fit(X)
    parts = [fitted.score_samples(X[start : start + 7]) for start in range(0, len(X), 7)]
    np.testing.assert_allclose(np.concatenate(parts), fitted.score_samples(X), atol=1e-5)
    np.testing.assert_array_equal(
        np.concatenate([fitted.predict(row[None]) for row in X]), fitted.predict(X)
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_private_block_size_does_not_matter(quick, X, dtype, monkeypatch):
    fitted, rows = quick().fit(X), X.astype(dtype)
    codes, scores = fitted.transform(rows), fitted.score_samples(rows)
    restored = fitted.inverse_transform(codes)
    monkeypatch.setattr(_apply, "BLOCK_CELLS", 1000)
    tolerance = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(fitted.transform(rows), codes, **tolerance)
    np.testing.assert_allclose(fitted.score_samples(rows), scores, **tolerance)
    np.testing.assert_allclose(fitted.inverse_transform(codes), restored, **tolerance)


def test_order_of_the_rows_does_not_matter_to_their_scores(quick_any, X):
    fitted = quick_any().fit(X)
    np.testing.assert_allclose(
        fitted.score_samples(X[::-1])[::-1], fitted.score_samples(X), rtol=1e-10
    )


# ---------------------------------------------------------------- what is kept


def test_curves_have_an_entry_an_epoch(quick, X):
    fitted = quick(max_iter=5, n_iter_no_change=100).fit(X)
    assert fitted.n_iter_ == len(fitted.loss_curve_) == 5
    assert len(fitted.validation_loss_curve_) == 6


def test_best_held_out_state_is_kept(transformer, curved):
    """From epoch 8 on the weights are shaken: an earlier state is the best."""
    states = []

    class Shake(Callback):
        def on_epoch_end(self, net, **kwargs):
            states.append({k: v.clone() for k, v in net.module_.state_dict().items()})
            if len(states) >= 8:
                with torch.no_grad():
                    for parameter in net.module_.parameters():
                        parameter.mul_(1.5)

    fitted = transformer(2, max_iter=12, callbacks=[Shake()], random_state=0)
    fitted.fit(curved.train)
    best = int(np.argmin(fitted.validation_loss_curve_))
    assert 0 < best == fitted.best_iter_ < 12
    for key, value in fitted.net_.module_.state_dict().items():
        assert torch.equal(value, states[best - 1][key]), key


def test_stops_when_held_out_rows_no_longer_improve(transformer, X):
    """Isotropic noise: there is nothing to learn beyond the start."""
    noise = np.random.default_rng(0).normal(size=(300, 5))
    fitted = transformer(2, max_iter=200, n_iter_no_change=5, random_state=0).fit(noise)
    curve = np.array(fitted.validation_loss_curve_)
    assert fitted.n_iter_ < 100
    assert fitted.n_iter_ - int(np.argmin(curve)) <= 5
    assert fitted.net_.stop_reason_ == "no_change"


def test_tol_counts_small_gains_as_none(quick, curved):
    fitted = quick(max_iter=30, n_iter_no_change=3, tol=1e6).fit(curved.train)
    assert fitted.n_iter_ == 3


def test_without_early_stopping_all_epochs_run_on_all_rows(quick, X):
    fitted = quick(early_stopping=False, max_iter=7, n_iter_no_change=1).fit(X)
    assert fitted.n_iter_ == fitted.best_iter_ == 7
    assert not hasattr(fitted, "validation_loss_curve_")


def test_early_stopping_off_after_on_leaves_no_old_curve(quick, X):
    fitted = quick().fit(X).set_params(early_stopping=False).fit(X)
    assert not hasattr(fitted, "validation_loss_curve_")


def test_validation_fraction_is_held_out(quick, X):
    seen = []

    class Watch(Callback):
        def on_epoch_begin(self, net, dataset_train, dataset_valid, **kwargs):
            seen.append((len(dataset_train), len(dataset_valid)))

    quick(validation_fraction=0.25, callbacks=[Watch()]).fit(X)
    assert set(seen) == {(90, 30)}


def test_training_takes_every_row_once_an_epoch(quick):
    X = np.random.default_rng(0).normal(size=(50, 3))
    batches = []

    class Watch(Callback):
        def on_batch_end(self, net, batch, **kwargs):
            batches.append(batch[0].clone())

    quick(early_stopping=False, batch_size=7, max_iter=2, callbacks=[Watch()]).fit(X)
    assert [len(batch) for batch in batches] == 2 * ([7] * 7 + [1])
    epochs = torch.cat(batches[:8]), torch.cat(batches[8:])
    expected = torch.from_numpy(StandardScaler().fit_transform(X)).float()
    for epoch in epochs:
        torch.testing.assert_close(epoch.sort(0).values, expected.sort(0).values)
    assert not torch.equal(*epochs)


def test_one_cycle_rises_to_one_and_falls():
    factors = np.array([one_cycle(progress) for progress in np.linspace(0, 1, 101)])
    peak = factors.argmax()
    assert 5 <= peak <= 30
    assert factors[peak] == pytest.approx(1.0)
    assert (np.diff(factors[: peak + 1]) > 0).all()
    assert (np.diff(factors[peak:]) < 0).all()
    assert 0.0 < factors[-1] < factors[0] < 0.1


@pytest.mark.parametrize("learning_rate", ["one_cycle", "constant"])
def test_learning_rate_follows_its_schedule(quick, X, learning_rate):
    rates = []

    class Watch(Callback):
        def on_batch_end(self, net, **kwargs):
            rates.append(net.optimizer_.param_groups[0]["lr"])

    quick(
        **{**STEPS, "max_iter": 10, "n_iter_no_change": 10},
        learning_rate=learning_rate,
        learning_rate_init=0.003,
        callbacks=[Watch()],
    ).fit(X)
    assert max(rates) == pytest.approx(0.003)
    flat = learning_rate == "constant"
    assert min(rates) == pytest.approx(0.003 if flat else 0.003 * 0.01, rel=0.5)


def test_penalty_makes_corrections_smaller(quick, curved):
    def size(alpha):
        fitted = quick(alpha=alpha, max_iter=10).fit(curved.train)
        weights = fitted.decoder_.state_dict().items()
        return sum(w.square().sum() for key, w in weights if "correction" in key)

    assert size(50.0) < 0.6 * size(0.0)


# ---------------------------------------------------------------- failures


def _pca_score(train, test, n_components):
    """Minus the mean squared error of PCA on standardised columns."""
    scaler = StandardScaler().fit(train)
    pca = PCA(n_components).fit(scaler.transform(train))
    rows = scaler.transform(test)
    return -np.mean((rows - pca.inverse_transform(pca.transform(rows))) ** 2)


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("rate", [1e3, 1e30])
def test_divergence_warns_and_keeps_pca_at_worst(curved, rate, early_stopping):
    estimator = AutoencoderTransformer(
        2, learning_rate_init=rate, early_stopping=early_stopping, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match=r"diverged.*smaller learning_rate_init"):
        estimator.fit(curved.train)
    expected = _pca_score(curved.train, curved.test, 2)
    assert estimator.score(curved.test) >= expected - 1e-4


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("init", ["pca", "random"])
def test_divergence_leaves_finite_outputs(transformer, X, early_stopping, init):
    estimator = transformer(
        2, learning_rate_init=1e3, early_stopping=early_stopping, init=init, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="diverged"):
        estimator.fit(X)
    for rows in (X, 1e6 * X):
        codes = estimator.transform(rows)
        assert np.isfinite(codes).all()
        assert np.isfinite(estimator.inverse_transform(codes)).all()
        assert np.isfinite(estimator.score_samples(rows)).all()
    assert np.isfinite(estimator.sample(10, random_state=0)).all()


def test_diverged_vae_keeps_probabilistic_pca(ppca):
    estimator = VAETransformer(2, scale=False, learning_rate_init=1e3, random_state=0)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        estimator.fit(ppca.train)
    pca = PCA(2).fit(ppca.train)
    assert estimator.score(ppca.test) == pytest.approx(pca.score(ppca.test), abs=0.02)


def test_divergence_half_way_keeps_the_best_state(transformer, curved):
    class Spoil(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 8:
                with torch.no_grad():
                    next(net.module_.parameters()).fill_(torch.nan)

    estimator = transformer(2, max_iter=20, callbacks=[Spoil()], random_state=0)
    with pytest.warns(
        ConvergenceWarning, match=r"diverged in epoch 9 .*after epoch [5-8] "
    ):
        estimator.fit(curved.train)
    assert 5 <= estimator.best_iter_ <= 8
    start, *_, before = estimator.validation_loss_curve_[:9]
    assert before < start
    assert np.isfinite(estimator.score(curved.test))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("max_iter", [1, 2, 4, 8])
def test_small_setback_is_not_called_divergence(quick, X, max_iter):
    quick(early_stopping=False, max_iter=max_iter).fit(X)


@pytest.mark.filterwarnings("error")
def test_small_setback_of_a_chunk_is_not_called_divergence(quick, X):
    estimator = quick()
    for _ in range(10):
        estimator.partial_fit(X)


def test_diverging_partial_fit_warns_and_stays_finite(quick, X):
    estimator = quick(learning_rate_init=1e5)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        estimator.partial_fit(X).partial_fit(X)
    assert np.isfinite(estimator.score(X))


# ---------------------------------------------------------------- interruption


@pytest.fixture(autouse=True)
def ctrl_c_is_heard():
    """A shell starts jobs in the background deaf to Ctrl-C, and Python keeps to that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


class _InterruptDeeper(Callback):
    """Ctrl-C while a user's callback is busy in a function that it called."""

    def __init__(self, press, epoch=8):
        self.press, self.epoch = press, epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            self.work()

    def work(self):
        _work(self.press)


def _work(press):
    press()


def _raise():
    raise KeyboardInterrupt


class _InterruptOwnFrame(_InterruptDeeper):
    """Ctrl-C in a line of the callback's own method."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            os.kill(os.getpid(), signal.SIGINT)


class _InterruptBatch(_InterruptDeeper):
    """Ctrl-C in the forward pass of the given epoch."""

    def on_train_begin(self, net, **kwargs):
        net.module_.register_forward_pre_hook(self.interrupt)

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs = len(net.history)

    def interrupt(self, module, args):
        if module.training and getattr(self, "n_epochs", 0) == self.epoch:
            self.n_epochs = 0
            _work(self.press)


@pytest.mark.parametrize(
    "callback",
    [
        _InterruptDeeper(_press_ctrl_c),
        _InterruptDeeper(_raise),
        _InterruptBatch(_press_ctrl_c),
        _InterruptOwnFrame(_press_ctrl_c),
    ],
    ids=["in a callback's helper", "raised by a helper", "in a step", "in a callback"],
)
def test_ctrl_c_keeps_the_best_state_and_warns(transformer, curved, callback):
    estimator = transformer(2, max_iter=20, callbacks=[callback], random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"interrupted after 8 epochs; .*is kept"):
        estimator.fit(curved.train)
    assert estimator.n_iter_ == 8
    assert 0 < estimator.best_iter_ <= 8
    whole = transformer(2, max_iter=20, random_state=0).fit(curved.train)
    assert estimator.validation_loss_curve_ == whole.validation_loss_curve_[:9]
    assert estimator.transform(curved.test).shape == (600, 2)
    assert estimator.sample(3, random_state=0).shape == (3, 6)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_ctrl_c_in_the_first_epoch_leaves_the_start(X, early_stopping):
    callback = _InterruptBatch(_press_ctrl_c, epoch=0)
    estimator = AutoencoderTransformer(
        2, callbacks=[callback], early_stopping=early_stopping, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="interrupted after 0 epochs"):
        estimator.fit(X)
    assert estimator.score(X) == pytest.approx(_pca_score(X, X, 2), abs=1e-5)


def test_interrupted_estimator_can_be_trained_on(curved):
    callback = _InterruptDeeper(_raise)
    estimator = AutoencoderTransformer(
        2, max_iter=30, callbacks=[callback], warm_start=True, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        estimator.fit(curved.train)
    interrupted = estimator.score(curved.test)
    estimator.set_params(callbacks=None).fit(curved.train)
    assert estimator.score(curved.test) > interrupted


# ---------------------------------------------------------------- going on


def test_warm_start_goes_on(transformer, curved):
    estimator = transformer(
        2, max_iter=5, warm_start=True, early_stopping=False, random_state=0
    )
    first = estimator.fit(curved.train).loss_curve_
    second = estimator.fit(curved.train).loss_curve_
    assert len(second) == 5
    assert second[-1] < first[-1]
    assert second[0] < first[0]


@pytest.mark.parametrize(
    ("estimator", "changed"),
    [
        (VAETransformer(), {"likelihood": "student_t"}),
        (VAETransformer(), {"divergence": "adversary"}),
        (AutoencoderTransformer(), {"loss": "absolute"}),
        (AutoencoderTransformer(), {"activation": "tanh"}),
    ],
)
def test_what_the_network_is_built_with_cannot_change_on_the_way(X, estimator, changed):
    fitted = clone(estimator).set_params(**STEPS).fit(X)
    scores = fitted.score_samples(X)
    fitted.set_params(warm_start=True, **changed)
    (name,) = changed
    for go_on in fitted.fit, fitted.partial_fit:
        with pytest.raises(ValueError, match=f"{name}='.*set it back"):
            go_on(X)
    fitted.set_params(**{name: estimator.get_params()[name]})
    np.testing.assert_array_equal(fitted.score_samples(X), scores)


def test_a_warm_start_takes_a_new_weight_of_the_loss(X):
    fitted = VAETransformer(2, warm_start=True, early_stopping=False, **STEPS).fit(X)
    heavy = clone(fitted).fit(X).set_params(beta=50.0).fit(X)
    assert heavy.transform(X).std() < 0.9 * fitted.fit(X).transform(X).std()


def test_refused_rows_leave_the_model_as_it_was(X):
    fitted = AutoencoderTransformer(2, **STEPS).fit(X)
    scores = fitted.score_samples(X)
    with pytest.raises(ValueError, match="binary_cross_entropy"):
        fitted.set_params(loss="binary_cross_entropy").fit(5.0 + 3.0 * X[:, :2])
    fitted.set_params(loss="squared")
    np.testing.assert_array_equal(fitted.score_samples(X), scores)


def test_warm_start_is_off_by_default(quick, X):
    one = quick().fit(X)
    _assert_same_codes(one.fit(X), quick().fit(X), X)


def test_partial_fit_learns_from_chunks():
    rng = np.random.default_rng(0)

    def draw(n_rows):
        t = rng.uniform(-2, 2, n_rows)
        rows = np.column_stack([t, t**2, np.sin(2 * t), np.cos(2 * t)])
        return rows + 0.05 * rng.normal(size=rows.shape)

    estimator, test = AutoencoderTransformer(1, random_state=0), draw(500)
    start = estimator.partial_fit(draw(500)).score(test)
    for _ in range(40):
        estimator.partial_fit(draw(500))
    assert estimator.n_iter_ == 41
    assert estimator.score(test) > 0.3 * start  # scores are negative
    assert estimator.score(test) > 0.3 * _pca_score(draw(2000), test, 1)


def test_partial_fit_goes_on_learning_where_the_rows_lie(quick, X):
    """The code 0 stands for about the mean of all rows so far."""
    estimator, origin = quick().partial_fit(X), np.zeros((1, 2))
    spread = X.std(axis=0).max()
    found = estimator.inverse_transform(origin)[0]
    np.testing.assert_allclose(found, X.mean(axis=0), atol=spread)
    estimator.partial_fit(X + 1e3)
    found = estimator.inverse_transform(origin)[0]
    np.testing.assert_allclose(found, X.mean(axis=0) + 500.0, atol=100.0)


def test_partial_fit_learns_the_statistics_of_a_fit(X):
    """Whatever the chunks: the score's unit is the standard deviation of all rows."""
    X = X * np.linspace(0.1, 3.0, len(X))[:, None]
    estimator = AutoencoderTransformer(2, random_state=0)
    for chunk in np.array_split(X, 4):
        estimator.partial_fit(chunk)
    missed = estimator.inverse_transform(estimator.transform(X)) - X
    expected = -np.mean((missed / X.std(axis=0)) ** 2, axis=1)
    np.testing.assert_allclose(estimator.score_samples(X), expected, rtol=1e-6)


def test_partial_fits_agree_to_the_bit(quick, X):
    one, other = (quick().partial_fit(X).partial_fit(X[::-1]) for _ in range(2))
    _assert_same_codes(one, other, X)


def test_partial_fit_takes_another_order_every_time(quick, X):
    orders = []

    class Watch(Callback):
        def on_batch_end(self, net, batch, **kwargs):
            orders.append(batch[0].clone())

    estimator = quick(batch_size=200, callbacks=[Watch()])
    estimator.partial_fit(X).partial_fit(X)
    assert not torch.equal(*orders)
    torch.testing.assert_close(orders[0].sort(0).values, orders[1].sort(0).values)


def test_partial_fit_takes_a_last_chunk_of_one_row(quick, X):
    estimator = quick().partial_fit(X)
    assert estimator.partial_fit(X[:1]).n_iter_ == 2


# ---------------------------------------------------------------- scikit-learn's callbacks


def test_progress_bar_shows_the_fit(quick, X, capsys):
    pytest.importorskip("rich")
    estimator = quick().set_callbacks(ProgressBar()).fit(X)
    assert f"{type(estimator).__name__} - fit" in capsys.readouterr().out
    _assert_same_codes(estimator, quick().fit(X), X)


def test_progress_bar_through_a_pipeline(quick, X, capsys):
    pytest.importorskip("rich")
    make_pipeline(StandardScaler(), quick()).set_callbacks(ProgressBar()).fit(X)
    assert "Pipeline - fit" in capsys.readouterr().out


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_bar_through_a_grid_search(quick, X, n_jobs, capsys):
    pytest.importorskip("rich")
    search = GridSearchCV(quick(), {"n_components": [1, 2]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(ProgressBar()).fit(X)
    assert "GridSearchCV - fit" in capsys.readouterr().out


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
    quick(max_iter=3).set_callbacks(tasks).fit(X)
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
    estimator = quick(early_stopping=early_stopping, max_iter=5)
    estimator.set_callbacks(monitor).fit(X)
    log = monitor.get_logs().data_as_pandas
    scores = log.loc[log["task_name"] == "epoch", "r2"]
    assert len(scores) == 5
    assert scores.nunique() == 5
    if not early_stopping:
        assert scores.iloc[-1] == pytest.approx(reconstruction_r2(estimator, X))


def test_watching_does_not_change_the_fit(quick, X):
    monitor = ScoringMonitor(scoring={"r2": reconstruction_r2})
    watched = quick(dropout=0.2, callbacks=[_CountBatches()]).set_callbacks(monitor).fit(X)
    _assert_same_codes(watched, quick(dropout=0.2).fit(X), X)


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


# ---------------------------------------------------------------- skorch's callbacks


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
    estimator = transformer(
        2, max_iter=100, learning_rate_init=1e-12, callbacks=[stopping], random_state=0
    ).fit(curved.train)
    assert estimator.n_iter_ < 10
    assert estimator.net_.stop_reason_ == "callback"


def test_named_callbacks_are_taken(quick, X):
    counter = _CountBatches()
    quick(callbacks=[("counter", counter)], max_iter=2).fit(X)
    assert counter.calls["on_epoch_end"] == 2


@pytest.mark.parametrize(("verbose", "n_lines"), [(0, 0), (1, 6), (True, 6)])
def test_verbose_prints_a_line_an_epoch(quick, X, capsys, verbose, n_lines):
    quick(max_iter=4, verbose=verbose).fit(X)
    assert len(capsys.readouterr().out.splitlines()) == n_lines


@pytest.mark.filterwarnings("error")
def test_quiet_fit_has_no_warnings(quick_any, X):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quick_any().fit(X).score_samples(X)
    assert not caught
