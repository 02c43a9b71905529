import copy
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from skae import KL, VAETransformer
from skae.divergences import gaussian_kl

pytestmark = pytest.mark.rounding


@pytest.fixture(scope="module")
def fitted(ppca):
    return VAETransformer(2, sampler="codes", random_state=0).fit(ppca.train)


@pytest.fixture(scope="module")
def bent(curved):
    params = {"max_iter": 100, "refit": False, "random_state": 0}
    return VAETransformer(2, sampler="codes", **params).fit(curved.train[:400])


@pytest.fixture(scope="module")
def by_default(curved):
    """A fit by default settings, which warns of nothing."""
    with warnings.catch_warnings(action="error"):
        return VAETransformer(2, sampler="codes", random_state=0).fit(curved.train[:400])


@pytest.fixture(scope="module")
def on_plane(ppca):
    """The same of rows on a plane."""
    with warnings.catch_warnings(action="error"):
        params = {"sampler": "codes", "refit": False, "random_state": 0}
        return VAETransformer(2, **params).fit(ppca.train[:500])


@pytest.fixture(scope="module")
def rough(curved):
    """A short training, whose posteriors are wide enough to be integrated on a grid.

    With it 150 rows, and their exact log densities.
    """
    vae = VAETransformer(
        2, likelihood="gaussian", sampler="codes", max_iter=8, random_state=0
    ).fit(curved.train)
    rows = curved.test[:150]
    return SimpleNamespace(vae=vae, rows=rows, exact=_log_likelihood(vae, rows))


def _log_likelihood(vae, X, n_points=250, reach=6.0):
    """log p(x) of the fitted model: the integral over two latent dimensions."""
    ticks = np.linspace(-reach, reach, n_points)
    codes = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    log_prior = -0.5 * np.square(codes).sum(axis=1) - np.log(2 * np.pi)
    log_prior += 2 * np.log(ticks[1] - ticks[0])
    prior = vae.net_.module_.prior
    if prior is not None:
        log_prior += prior.log_ratio(torch.from_numpy(codes).float()).double().numpy()
    means, deviations = vae.inverse_transform(codes), np.sqrt(vae.noise_variance_)
    noise, correlations = vae.net_.module_.noise, np.eye(len(deviations))
    if noise is not None:
        correlations = noise.correlations.double().numpy()
    white = np.linalg.inv(np.linalg.cholesky(correlations)) / deviations
    constant = np.log(np.diag(white)).sum() - 0.5 * len(white) * np.log(2 * np.pi)
    squares = [0.5 * np.square((x - means) @ white.T).sum(axis=1) for x in X]
    return np.array([np.logaddexp.reduce(log_prior + constant - s) for s in squares])


# ---------------------------------------------------------------- density


def test_density_is_close_to_that_of_the_model_behind_the_rows(ppca, fitted):
    ours, pca = fitted.score(ppca.test), PCA(2).fit(ppca.train).score(ppca.test)
    assert ours == pytest.approx(pca, abs=0.1)
    assert ours == pytest.approx(ppca.logpdf(ppca.test).mean(), abs=0.1)


def test_density_is_not_above_the_true_one(ppca, fitted):
    """The mean log density of any model is below the truth, to the sampling error."""
    excess = fitted.score_samples(ppca.test) - ppca.logpdf(ppca.test)
    assert excess.mean() < 3 * excess.std() / np.sqrt(len(excess))


def test_density_ranks_rows_like_the_true_one(ppca, fitted):
    assert np.corrcoef(fitted.score_samples(ppca.test), ppca.logpdf(ppca.test))[0, 1] > 0.95


def test_density_of_a_curved_surface_beats_pca(curved, bent):
    assert bent.score(curved.test) > PCA(2).fit(curved.train).score(curved.test) + 5.0


def test_default_training_is_long_enough(curved, bent, by_default):
    assert by_default.score(curved.test) > bent.score(curved.test) - 1.0


@pytest.mark.parametrize("scale", [True, False])
def test_density_is_in_the_original_units(ppca, scale):
    """Ten times wider, a tenth as dense."""
    vae = VAETransformer(2, sampler="codes", scale=scale, max_iter=8, random_state=0)
    train, test = ppca.train[:500], ppca.test[:500]
    before = vae.fit(train).score(test)
    all_columns = vae.fit(10 * train).score(10 * test)
    assert all_columns == pytest.approx(before - 6 * np.log(10), abs=1e-3)


def test_rescaling_a_column_lowers_the_log_density_by_the_log_of_the_factor(ppca):
    vae = VAETransformer(2, sampler="codes", max_iter=8, random_state=0)
    train, test = ppca.train[:500], ppca.test[:500]
    before = vae.fit(train).score_samples(test)
    factors = np.array([1, 1, 10, 1, 1, 1])
    after = vae.fit(train * factors).score_samples(test * factors)
    np.testing.assert_allclose(after, before - np.log(10), atol=1e-3)


def test_score_is_a_tight_bound_on_the_likelihood_of_the_model(rough):
    gaps = rough.exact - rough.vae.score_samples(rough.rows)
    assert np.median(gaps) < 0.05
    # The bound holds in expectation over the draws, and all rows share these draws: with
    # more of them chance is out of the way.
    many = copy.copy(rough.vae).set_params(n_importance_samples=512)
    gaps = rough.exact - many.score_samples(rough.rows)
    assert np.quantile(gaps, 0.05) > -0.05
    assert gaps.mean() > -0.005


def test_more_importance_samples_come_closer_to_the_likelihood(rough):
    vae, gaps = copy.copy(rough.vae), []
    for n_samples in (1, 16, 512):
        scores = vae.set_params(n_importance_samples=n_samples).score_samples(rough.rows)
        gaps.append(np.median(np.abs(rough.exact - scores)))
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2]
    assert gaps[2] < 0.01


def test_equal_rows_score_alike_whatever_stands_beside_them(curved, bent):
    row = curved.test[:1]
    alone = bent.score_samples(row)[0]
    among = bent.score_samples(np.vstack([curved.train, row, row]))[-2:]
    np.testing.assert_allclose(among, alone, rtol=1e-9)


def test_score_is_the_mean_of_score_samples(curved, bent):
    assert bent.score(curved.test) == pytest.approx(bent.score_samples(curved.test).mean())


# ---------------------------------------------------------------- codes


def test_transform_is_the_posterior_mean(ppca, fitted):
    """Of a probabilistic PCA model it is known: M^-1 W'(x - mu)."""
    posterior_means = PCA(2).fit(ppca.train).transform(ppca.test)
    codes = fitted.transform(ppca.test)
    # Latent space is free up to a rotation: both must tell the same of each other.
    design = np.column_stack([posterior_means, np.ones(len(codes))])
    missed = codes - design @ np.linalg.lstsq(design, codes, rcond=None)[0]
    assert (missed.var(axis=0) < 0.05 * codes.var(axis=0)).all()


def test_codes_have_about_unit_variance(ppca, fitted):
    """The aggregate posterior is near the prior: variance + posterior variance = 1."""
    codes = fitted.transform(ppca.test)
    assert (np.abs(codes.mean(axis=0)) < 0.15).all()
    assert ((codes.var(axis=0) > 0.6) & (codes.var(axis=0) < 1.15)).all()


def test_reconstruction_is_close_to_the_rows(curved, bent):
    restored = bent.inverse_transform(bent.transform(curved.test))
    error = np.mean((restored - curved.test) ** 2, axis=0) / curved.test.var(axis=0)
    assert (error < 0.1).all()


def test_noise_variance_is_in_squared_original_units():
    """What the columns do not share, by construction, in columns of very different units."""
    rng = np.random.default_rng(0)
    loadings, units = rng.normal(size=(6, 2)), np.array([0.1, 1.0, 10.0, 1.0, 100.0, 3.0])
    X = rng.normal(size=(600, 2)) @ loadings.T + 0.5 * rng.normal(size=(600, 6))
    vae = VAETransformer(2, sampler="codes", refit=False, random_state=0).fit(X * units)
    np.testing.assert_allclose(vae.noise_variance_, (0.5 * units) ** 2, rtol=0.5)


def test_noise_variance_has_a_floor(X):
    """A column that is a copy of another leaves no noise, and yet a finite density."""
    twins = np.column_stack([X, X[:, 0]])
    vae = VAETransformer(5, sampler="codes", min_noise_variance=0.01, random_state=0).fit(
        twins
    )
    assert (vae.noise_variance_ >= 0.01 * twins.var(axis=0) * 0.999).all()


# ---------------------------------------------------------------- samples


def test_samples_have_the_moments_of_the_rows(ppca, fitted):
    rows = fitted.sample(20_000, random_state=0)
    spread = np.sqrt(np.diag(ppca.covariance))
    np.testing.assert_array_less(np.abs(rows.mean(axis=0) - ppca.mean), 0.1 * spread)
    missed = (np.cov(rows.T) - ppca.covariance) / np.outer(spread, spread)
    assert np.abs(missed).max() < 0.15


def test_samples_have_the_columns_distributions(ppca, fitted):
    rows = fitted.sample(2000, random_state=0)
    for column in range(6):
        assert kstest(rows[:, column], ppca.test[:, column]).statistic < 0.06


def test_samples_carry_the_noise_of_the_decoder(ppca, fitted):
    """Rows restored from codes lie on a plane; samples must not."""
    smallest = np.linalg.eigvalsh(np.cov(fitted.sample(5000, random_state=0).T))[0]
    expected = np.linalg.eigvalsh(ppca.covariance)[0]
    assert smallest == pytest.approx(expected, rel=0.3)


def test_samples_of_a_curved_surface_are_curved(curved, bent):
    rows = bent.sample(4000, random_state=0)
    # Column 2 is the square of column 0, to which it is not correlated.
    squares = np.corrcoef(rows[:, 0] ** 2, rows[:, 2])[0, 1]
    assert squares > 0.8
    assert abs(np.corrcoef(rows[:, 0], rows[:, 2])[0, 1]) < 0.2


# ---------------------------------------------------------------- collapse


def _rank_one(n_rows=400):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_rows, 1)) @ rng.normal(size=(1, 5))


@pytest.mark.parametrize("n_components", [2, 4])
def test_collapse_is_counted_and_warned_of(n_components):
    vae = VAETransformer(n_components, sampler="codes", max_iter=20, random_state=0)
    message = f"{n_components - 1} of {n_components} latent dimensions have collapsed"
    with pytest.warns(ConvergenceWarning, match=rf"{message}.*smaller n_components"):
        vae.fit(_rank_one())
    assert vae.n_active_components_ == 1
    assert vae.active_components_.sum() == 1
    active = vae.transform(_rank_one())[:, vae.active_components_]
    assert active.var() > 0.5


def test_more_components_than_columns_collapse(X):
    with pytest.warns(ConvergenceWarning, match="collapsed"):
        vae = VAETransformer(8, sampler="codes", max_iter=5, random_state=0).fit(X)
    assert vae.n_active_components_ <= 5
    assert vae.active_components_.shape == (8,)


def test_large_beta_collapses_noise():
    noise = np.random.default_rng(0).normal(size=(400, 5))
    params = {"sampler": "codes", "refit": False, "random_state": 0}
    vae = VAETransformer(3, beta=20.0, **params)
    with pytest.warns(ConvergenceWarning, match="3 of 3 latent dimensions"):
        vae.fit(noise)
    assert vae.n_active_components_ == 0


def test_no_collapse_and_no_warning_where_factors_are_strong(on_plane):
    assert on_plane.n_active_components_ == 2


def test_posterior_does_not_collapse_in_training(curved, by_default):
    """With default settings all dimensions of a curved surface stay in use."""
    assert by_default.n_active_components_ == 2
    assert (by_default.transform(curved.test).var(axis=0) > 0.5).all()


def test_beta_presses_the_codes_towards_the_prior(curved):
    def divergence(beta):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            params = {"beta": beta, "max_iter": 20, "refit": False, "random_state": 0}
            vae = VAETransformer(2, sampler="codes", **params)
            codes = vae.fit(curved.train[:300]).transform(curved.test)
        return np.square(codes).sum(axis=1).mean()

    assert divergence(30.0) < 0.7 * divergence(1.0)


# ---------------------------------------------------------------- choices


def test_warm_up_changes_the_first_steps_only(X):
    """Without a warm-up the first training loss holds the whole divergence."""
    one, other = (
        VAETransformer(
            2, sampler="codes", divergence=KL(warmup=warmup), max_iter=10, random_state=0
        ).fit(X)
        for warmup in (0.0, 1.0)
    )
    assert one.loss_curve_[0] > other.loss_curve_[0] + 1.0
    assert one.validation_loss_curve_[0] == other.validation_loss_curve_[0]


def test_loss_curve_is_minus_the_bound_in_standard_units(ppca):
    """At the optimum the bound is tight: the held-out loss is minus the score."""
    rows = ppca.train[:500]
    params = {"sampler": "codes", "refit": False, "random_state": 0}
    vae = VAETransformer(2, divergence=KL(warmup=0.0), **params).fit(rows)
    expected = -(vae.score(rows) + np.log(rows.std(axis=0)).sum())
    assert min(vae.validation_loss_curve_) == pytest.approx(expected, abs=0.3)


# ---------------------------------------------------------------- beta, and the start


def _mean_kl(vae, X):
    """Return the mean divergence of the posteriors of rows, in nats."""
    with vae._model_for(np.float64) as (model, _), torch.no_grad():
        x = torch.from_numpy(vae._table.encode(X, np.float64)[0]).to(vae.device_)
        mean, log_variance = model.posterior(x)
        return gaussian_kl(mean, log_variance).mean().item()


@pytest.mark.filterwarnings("ignore:.*latent dimensions have collapsed")
def test_divergence_falls_with_its_weight(ppca, on_plane):
    """Also where probabilistic PCA is the truth, which is the best for a weight of 1 only."""
    X = ppca.train[:500]
    vae = VAETransformer(2, sampler="codes", max_iter=20, refit=False, random_state=0)
    low, high = (_mean_kl(vae.set_params(beta=beta).fit(X), X) for beta in (0.25, 4.0))
    assert low - 0.3 > _mean_kl(on_plane, X) > high + 0.3


def test_fit_that_stays_at_pca_says_so(ppca):
    message = r"stays at its start, probabilistic PCA .*early_stopping=False"
    with pytest.warns(ConvergenceWarning, match=message):
        # Steps so small that none is better.
        vae = VAETransformer(2, sampler="codes", max_iter=2, learning_rate_init=1e-30).fit(
            ppca.train[:400]
        )
    assert vae.best_iter_ == 0


@pytest.mark.filterwarnings("error")
def test_fit_that_leaves_pca_or_holds_nothing_out_is_quiet(ppca, by_default):
    assert by_default.best_iter_ > 0  # and it was quiet
    params = {"early_stopping": False, "max_iter": 10, "random_state": 0}
    VAETransformer(2, sampler="codes", **params).fit(ppca.train[:400])


def test_noise_is_learned_from_held_out_rows_too():
    """A column of which training rows hold one value only, and a held-out row another."""
    rng = np.random.default_rng(0)
    u = rng.uniform(-1.5, 1.5, (300, 1))
    curve = np.hstack([u, u**2, u**3, np.sin(3 * u)]) + 0.05 * rng.normal(size=(300, 4))
    groups = np.arange(300)
    with_rare = np.column_stack([curve, np.zeros(300)])
    vae = VAETransformer(1, sampler="codes", refit=False, max_iter=30, random_state=0)
    held_out = []

    class Watch(Callback):
        def on_train_begin(self, net, X=None, **kwargs):
            held_out.append(X[-90:].clone())

    vae.set_params(callbacks=[Watch()]).fit(curve, groups=groups)
    last = held_out[0][0, 0]
    scale = (curve[:, 0] - curve[:, 0].mean()) / curve[:, 0].std()
    with_rare[np.abs(scale - last.item()).argmin(), 4] = 1.0
    vae.set_params(callbacks=None).fit(with_rare, groups=groups)
    assert vae.best_iter_ > 0
    # One row of 300 is a variance of 1/300, all of which no other column foretells.
    assert vae.noise_variance_[4] > 0.3 / 300
