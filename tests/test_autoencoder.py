import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from skae import AutoencoderTransformer, VAETransformer
from skae.metrics import reconstruction_r2

pytestmark = pytest.mark.rounding


def _standard(train, test):
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def _noise(rng):
    return rng.normal(size=(200, 6))


def _heavy_tails(rng):
    return rng.standard_t(2, size=(200, 6))


def _plane(rng):
    return rng.normal(size=(200, 2)) @ rng.normal(size=(2, 6)) + 0.1 * _noise(rng)


def _clusters(rng):
    return 4 * rng.normal(size=(4, 6))[rng.integers(0, 4, 200)] + _noise(rng)


def _few(rng):
    return _noise(rng)[:30]


def _wide(rng):
    return rng.normal(size=(40, 80))


def _counts(rng):
    return rng.poisson(0.5, size=(200, 6)).astype(float)


@pytest.fixture(scope="module")
def on_curve(curved):
    """A fit by default settings, for tests that leave it as it is."""
    return AutoencoderTransformer(2, random_state=0).fit(curved.train)


LINEAR = [_noise, _heavy_tails, _plane, _clusters, _few, _wide, _counts]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("draw", LINEAR, ids=lambda draw: draw.__name__)
def test_never_worse_than_pca_where_there_is_nothing_to_gain(draw, seed):
    rng = np.random.default_rng(seed)
    X = draw(rng)
    train, test = _standard(X[::2], X[1::2])
    fitted = AutoencoderTransformer(2, random_state=seed).fit(train)
    ours = reconstruction_r2(fitted, test)
    assert ours >= reconstruction_r2(PCA(2).fit(train), test) - 0.002


@pytest.mark.parametrize("load", [load_iris, load_wine, load_diabetes])
def test_never_worse_than_pca_on_real_tables(load):
    X = load().data
    train, test = _standard(X[::2], X[1::2])
    fitted = AutoencoderTransformer(2, random_state=0).fit(train)
    ours = reconstruction_r2(fitted, test)
    assert ours >= reconstruction_r2(PCA(2).fit(train), test) - 0.002


@pytest.mark.parametrize("scale", [True, False])
def test_follows_a_curved_surface(curved, scale):
    """PCA leaves half of the variance, the autoencoder little but the noise."""
    train, test = _standard(curved.train, curved.test)
    fitted = AutoencoderTransformer(2, scale=scale, random_state=0).fit(train)
    left = 1.0 - reconstruction_r2(fitted, test)
    left_by_pca = 1.0 - reconstruction_r2(PCA(2).fit(train), test)
    assert left < 0.1 * left_by_pca


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "silu", "gelu", "elu"])
def test_every_activation_learns(curved, activation):
    # Saturating units need more than the others.
    max_iter = {"tanh": 50, "logistic": 100}.get(activation, 15)
    fitted = AutoencoderTransformer(
        2, activation=activation, max_iter=max_iter, refit=False, random_state=0
    ).fit(curved.train)
    start = fitted.validation_loss_curve_[0]
    assert min(fitted.validation_loss_curve_) < 0.5 * start


def test_identity_activation_is_linear(curved):
    fitted = AutoencoderTransformer(2, activation="identity", random_state=0)
    fitted.fit(curved.train)
    one, other = curved.test[:50], curved.test[50:100]
    middle = 0.5 * (fitted.transform(one) + fitted.transform(other))
    np.testing.assert_allclose(fitted.transform(0.5 * (one + other)), middle, atol=1e-5)


def test_random_start_learns_too(curved):
    fitted = AutoencoderTransformer(2, init="random", refit=False, random_state=0)
    fitted.fit(curved.train)
    start = AutoencoderTransformer(2, max_iter=1, learning_rate_init=1e-30).fit(
        curved.train
    )
    assert fitted.score(curved.test) > 0.3 * start.score(curved.test)


def test_codes_tell_where_on_the_surface_a_row_lies(curved, on_curve):
    """The two columns that make the surface can be read off the codes and back."""
    restored = on_curve.inverse_transform(on_curve.transform(curved.test))
    for column in range(6):
        error = np.std(restored[:, column] - curved.test[:, column])
        assert error < 0.25 * np.std(curved.test[:, column])


# ---------------------------------------------------------------- scores


def test_perfect_reconstruction_scores_zero(X):
    scores = AutoencoderTransformer(5, max_iter=1, random_state=0).fit(X).score_samples(X)
    np.testing.assert_allclose(scores, 0.0, atol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 1e-6, 1e6])
def test_guessing_the_mean_scores_minus_one(factor):
    """One code for 200 independent columns: hardly better than their means."""
    rng = np.random.default_rng(0)
    X = factor * (rng.normal(size=(2000, 200)) * rng.uniform(0.01, 100, 200) + 7.0)
    fitted = AutoencoderTransformer(1, max_iter=1, random_state=0).fit(X)
    assert fitted.score(X) == pytest.approx(-1.0, abs=0.02)


def test_score_is_the_mean_squared_error_in_standard_deviations(X):
    fitted = AutoencoderTransformer(2, max_iter=4, random_state=0).fit(X)
    missed = fitted.inverse_transform(fitted.transform(X)) - X
    expected = -np.mean((missed / X.std(axis=0)) ** 2, axis=1)
    np.testing.assert_allclose(fitted.score_samples(X), expected, rtol=1e-6, atol=1e-9)
    assert fitted.score(X) == pytest.approx(expected.mean())


def test_unscaled_score_is_in_one_unit_for_all_columns(X):
    fitted = AutoencoderTransformer(2, scale=False, max_iter=4, random_state=0).fit(X)
    missed = fitted.inverse_transform(fitted.transform(X)) - X
    expected = -np.mean(missed**2, axis=1) / X.var(axis=0).mean()
    np.testing.assert_allclose(fitted.score_samples(X), expected, rtol=1e-6, atol=1e-9)


def test_rows_off_the_surface_score_lower(curved, on_curve):
    usual = np.quantile(on_curve.score_samples(curved.test), 0.05)
    assert np.mean(on_curve.score_samples(curved.anomalies) < usual) > 0.9


def test_scaled_fit_does_not_depend_on_the_units(curved):
    units = np.array([1e-3, 1.0, 1e3, 10.0, 1.0, 1e6])
    one = AutoencoderTransformer(2, max_iter=8, random_state=0).fit(curved.train)
    other = AutoencoderTransformer(2, max_iter=8, random_state=0).fit(curved.train * units)
    np.testing.assert_allclose(
        other.score_samples(curved.test * units), one.score_samples(curved.test), rtol=0.01
    )


# ---------------------------------------------------------------- samples


def test_samples_lie_where_the_rows_lie(curved, on_curve):
    rows = on_curve.sample(2000, random_state=0)
    spread = curved.train.std(axis=0)
    assert (np.abs(rows.mean(axis=0) - curved.train.mean(axis=0)) < 0.15 * spread).all()
    assert (np.abs(rows.std(axis=0) / spread - 1.0) < 0.15).all()
    correlations = np.corrcoef(rows.T) - np.corrcoef(curved.train.T)
    assert np.abs(correlations).max() < 0.3  # shuffled columns: 0.84
    # A sampled row is on the surface, where the columns' shuffles are not.
    assert np.quantile(on_curve.score_samples(rows), 0.1) > np.quantile(
        on_curve.score_samples(curved.anomalies), 0.9
    )


def test_samples_follow_the_clusters_of_the_codes():
    rng = np.random.default_rng(0)
    X = 20 * rng.integers(0, 2, size=(400, 1)) + rng.normal(size=(400, 3))
    rows = AutoencoderTransformer(1, random_state=0).fit(X).sample(500, random_state=0)
    between = np.abs(rows.mean(axis=1) - 10) < 5
    assert between.mean() < 0.02
    high = rows.mean(axis=1) > 10
    assert 0.3 < high.mean() < 0.7
    # In no order: the first rows are a sample as well.
    assert 0.3 < high[:100].mean() < 0.7


def test_samples_follow_their_seed(quick, X):
    fitted = quick().fit(X)
    one, same, other = (fitted.sample(5, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)
    generator = np.random.RandomState(0)
    assert not np.allclose(fitted.sample(5, generator), fitted.sample(5, generator))


@pytest.mark.parametrize("n_samples", [1, 7])
def test_number_of_samples(quick, X, n_samples):
    assert quick().fit(X).sample(n_samples).shape == (n_samples, 5)


# ---------------------------------------------------------------- choices and modules


class _Stop(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise KeyboardInterrupt


def test_what_none_stands_for_can_be_read(quick, transformer, X):
    codes = {"sampler": "codes"} if transformer is VAETransformer else {}
    fitted = quick(max_iter=None, callbacks=[_Stop()], **codes).fit(X)
    assert fitted.hidden_layer_sizes_ == (128, 64)
    assert fitted.n_components_ == 2
    assert 0.0 < fitted.validation_fraction_ <= 0.3
    assert 1 <= fitted.batch_size_ <= len(X)
    assert 1 <= fitted.n_iter_ <= fitted.max_iter_
    assert fitted.n_iter_no_change_ >= 1
    assert fitted.n_features_in_ == 5


def test_what_is_given_is_taken(quick, X):
    params = {
        "hidden_layer_sizes": (7, 3),
        "batch_size": 11,
        "max_iter": 2,
        "n_iter_no_change": 9,
        "validation_fraction": 0.2,
    }
    fitted = quick(**params).fit(X)
    for name, value in params.items():
        assert getattr(fitted, f"{name}_") == value, name


@pytest.mark.parametrize("sizes", [(), 8, (8,), [8, 4], np.array([8, 4])])
def test_hidden_layer_sizes(quick, X, sizes):
    fitted = quick(hidden_layer_sizes=sizes).fit(X)
    expected = tuple(np.atleast_1d(sizes).tolist())
    assert fitted.hidden_layer_sizes_ == expected
    shapes = [
        module.out_features
        for name, module in fitted.decoder_.named_modules()
        if isinstance(module, torch.nn.Linear) and "correction" in name
    ]
    assert tuple(shapes[:-1]) == expected[::-1]


def test_device_is_resolved_in_fit(quick, X):
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert quick().fit(X).device_.type == expected
    fitted = quick(device="cpu").fit(X)
    assert fitted.device_ == torch.device("cpu")
    assert {p.device.type for p in fitted.encoder_.parameters()} == {"cpu"}


def test_modules_map_rows_in_standard_units(X):
    fitted = AutoencoderTransformer(2, max_iter=4, random_state=0).fit(X)
    design = torch.from_numpy(StandardScaler().fit_transform(X)).float()
    with torch.no_grad():
        codes = fitted.encoder_(design.to(fitted.device_))
        rows = fitted.decoder_(codes).cpu().numpy()
    codes = codes.cpu()
    np.testing.assert_allclose(codes, fitted.transform(X), atol=1e-4)
    np.testing.assert_allclose(
        rows * X.std(axis=0) + X.mean(axis=0),
        fitted.inverse_transform(fitted.transform(X)),
        rtol=1e-4,
        atol=1e-3,
    )


def test_modules_can_be_fine_tuned(curved):
    """Steps that a user takes with torch show in what the estimator does."""
    fitted = AutoencoderTransformer(2, max_iter=2, random_state=0).fit(curved.train)
    before = fitted.score(curved.train)
    rows = torch.from_numpy(StandardScaler().fit_transform(curved.train)).float()
    rows = rows.to(fitted.device_)
    parameters = [*fitted.encoder_.parameters(), *fitted.decoder_.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.003)
    for _ in range(60):
        optimizer.zero_grad()
        (fitted.decoder_(fitted.encoder_(rows)) - rows).square().mean().backward()
        optimizer.step()
    assert fitted.score(curved.train) > 0.5 * before  # scores are negative


def test_far_rows_are_treated_as_pca_would(curved, on_curve):
    """Beyond the data the correction stays what it is and the linear map goes on."""
    direction = curved.train.std(axis=0)
    near, far, farther = (
        on_curve.transform((scale * direction)[None]) for scale in (1e4, 2e4, 3e4)
    )
    np.testing.assert_allclose(farther - far, far - near, rtol=1e-3)


def test_dropout_leaves_units_out_while_training_only(curved):
    fits = [
        AutoencoderTransformer(2, dropout=dropout, max_iter=20, refit=False, random_state=0)
        for dropout in (0.0, 0.5)
    ]
    without, with_dropout = (fit.fit(curved.train) for fit in fits)
    # What is left out costs the training loss, not the held-out one.
    assert with_dropout.loss_curve_[-1] > 1.5 * without.loss_curve_[-1]
    assert with_dropout.loss_curve_[-1] > 1.2 * with_dropout.validation_loss_curve_[-1]
