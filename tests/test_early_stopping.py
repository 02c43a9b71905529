"""When training ends, and which state is kept."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from registry import without_columns
from skorch.callbacks import Callback

from skae import AutoencoderTransformer, VAETransformer
from skae._paired_differences import mean_and_error, strength_of_most, winsorised
from skae.training.early_stopping import EarlyStopping


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

    fitted = without_columns(
        transformer, 2, max_iter=12, callbacks=[Shake()], random_state=0
    ).fit(curved.train)
    best = int(np.argmin(fitted.validation_loss_curve_))
    assert 0 < best == fitted.best_iter_ < 12
    for key, value in fitted.net_.module_.state_dict().items():
        if "log_noise" in key:
            continue  # learned after training
        assert torch.equal(value, states[best - 1][key]), key


@pytest.mark.parametrize(
    ("ahead", "n_huge", "one_cycle", "is_robust", "kept"),
    [
        (0.05, 0, True, False, 12),  # half a standard error
        (0.3, 0, True, False, 5),
        (0.05, 0, False, False, 5),  # the last state has no lower rate than the best
        (0.3, 0, True, True, 5),
        (0.05, 5, True, False, 5),
        (0.05, 5, True, True, 12),
    ],
)
def test_the_last_state_is_kept_unless_the_best_is_clearly_better(
    ahead, n_huge, one_cycle, is_robust, kept
):
    """Which of many states that are as good is the best one is luck."""
    noise = torch.linspace(-1.0, 1.0, 100) / torch.linspace(-1.0, 1.0, 100).std()
    noise[:n_huge] = -20.0
    saved = []
    stopping = SimpleNamespace(
        net=SimpleNamespace(history=[{}] * 12, best_epoch_=5),
        schedule=SimpleNamespace(one_cycle=one_cycle),
        rows=SimpleNamespace(valid_weights=None),
        best=SimpleNamespace(save=lambda: saved.append(True)),
        falls=torch.full((100,), 2.0),
        last_falls=2.0 - ahead + noise,
        n_epochs=5,
        _is_robust=is_robust,
    )
    EarlyStopping.prefer_last(stopping)
    assert stopping.n_epochs == stopping.net.best_epoch_ == kept
    assert bool(saved) == (kept == 12)
    assert (stopping.falls is stopping.last_falls) == (kept == 12)


def test_the_state_is_that_of_the_best_epoch_or_of_the_last(curved):
    kept = []
    for seed in range(4):
        fit = AutoencoderTransformer(2, max_iter=30, refit=False, random_state=seed)
        best = int(np.argmin(fit.fit(curved.train).validation_loss_curve_))
        kept.append((fit.best_iter_ == best, fit.best_iter_ == fit.n_iter_))
    assert all(is_best or is_last for is_best, is_last in kept)
    assert (False, True) in kept


def test_stops_when_held_out_rows_no_longer_improve(transformer, X):
    """Isotropic noise: there is nothing to learn beyond the start."""
    noise = np.random.default_rng(0).normal(size=(300, 5))
    fitted = without_columns(
        transformer, 2, max_iter=200, n_iter_no_change=5, random_state=0
    ).fit(noise)
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


# ---------------------------------------------------------------- luck of a few rows


def test_winsorised_values_are_scipys():
    from scipy.stats.mstats import winsorize

    rng = np.random.default_rng(0)
    values = torch.from_numpy(rng.standard_t(1.5, size=100))
    fractions = torch.full((100,), 0.01, dtype=torch.float64)
    expected = winsorize(values.numpy(), limits=(0.05, 0.05))
    np.testing.assert_allclose(winsorised(values, fractions).numpy(), expected)


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_few_values_are_winsorised_by_one_at_either_end(n):
    values = torch.arange(n, dtype=torch.float64) ** 3
    moved = winsorised(values, torch.full((n,), 1.0 / n, dtype=torch.float64))
    inner = values[1:-1] if n > 2 else values[[(n - 1) // 2]]
    assert set(moved.tolist()) <= set(inner.tolist()) | set(values[: n == 1].tolist())


def test_weight_of_a_row_is_that_many_rows():
    values = torch.from_numpy(np.random.default_rng(0).standard_cauchy(60))
    counts = torch.arange(60) % 3 + 1
    repeated = values.repeat_interleave(counts)
    all_alike = torch.full_like(repeated, 1.0 / len(repeated))
    weighted = winsorised(values, counts / counts.sum().double())
    np.testing.assert_allclose(
        weighted.repeat_interleave(counts), winsorised(repeated, all_alike)
    )


@pytest.mark.parametrize(("few", "is_clear"), [(1e6, True), (0.0, True), (-100.0, False)])
def test_few_huge_gains_hide_nothing_and_few_huge_losses_count(few, is_clear):
    gains = torch.from_numpy(np.random.default_rng(0).normal(0.5, 1.0, size=100))
    gains[:2] = few
    assert (strength_of_most(gains, None) > 2.0) == is_clear
    assert (strength_of_most(gains, torch.ones(100)) > 2.0) == is_clear


def test_error_of_one_row_is_without_bound():
    mean, error = mean_and_error(torch.tensor([3.0]), torch.tensor([1.0]))
    assert mean == 3.0
    assert not error < 1e9


def _heavy_tailed(rng, n):
    """A curve, with columns of which one row in 300 holds anything: nobody foresees it."""
    u = rng.uniform(-1.5, 1.5, (n, 2))
    curve = np.column_stack([u, u**2, np.sin(2 * u), u[:, 0] * u[:, 1]])
    rare = np.where(rng.uniform(size=(n, 8)) < 1 / 300, rng.normal(size=(n, 8)), 0.0)
    return np.hstack([curve + 0.05 * rng.normal(size=curve.shape), rare])


def test_few_rows_of_huge_nats_do_not_hold_a_fit_at_its_start():
    rng = np.random.default_rng(0)
    train, test = _heavy_tailed(rng, 800), _heavy_tailed(rng, 800)
    # With this seed a held-out row costs thousands of nats, and the mean only rises.
    fitted = VAETransformer(
        2, sampler="codes", refit=False, max_iter=30, random_state=1
    ).fit(train)
    start = VAETransformer(
        2, sampler="codes", max_iter=1, learning_rate_init=1e-30, early_stopping=False
    )
    gain = fitted.score_samples(test) - start.fit(train).score_samples(test)
    assert fitted.best_iter_ > 0
    assert np.median(gain) > 2.0


def test_gain_of_most_rows_does_not_hide_the_harm_to_few(curved):
    """Squared errors: R² is their mean, and what PCA reconstructs is not given up for it."""
    rng = np.random.default_rng(0)
    tail = 5.0 * rng.standard_t(1.5, size=(600, 1)) * np.ones(6)
    X = curved.train + tail * (rng.uniform(size=(600, 1)) < 0.1)
    test = curved.test + 5.0 * rng.standard_t(1.5, size=(600, 1)) * (
        rng.uniform(size=(600, 1)) < 0.1
    )
    start = AutoencoderTransformer(
        2, max_iter=1, learning_rate_init=1e-30, early_stopping=False
    ).fit(X)
    for seed in range(2):
        fitted = AutoencoderTransformer(2, random_state=seed).fit(X)
        assert fitted.score(test) > start.score(test) - 0.01
