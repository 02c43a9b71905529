"""What a variational autoencoder's samples and scores owe to its prior and marginals."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from skae import AutoencoderTransformer, VAETransformer, autoencoder
from skae.models.mixture_prior import _average, fit_prior
from skae.table.marginals import Marginals

pytestmark = pytest.mark.rounding

CENTRES = np.array([[-4.0, -4.0], [4.0, 4.0], [-4.0, 4.0]])
DEVIATION = 0.3


def _three_clusters(n_rows, seed):
    rng = np.random.default_rng(seed)
    noise = DEVIATION * rng.normal(size=(n_rows, 2))
    return CENTRES[rng.integers(0, 3, n_rows)] + noise


@pytest.fixture(scope="module")
def clustered():
    X, params = _three_clusters(600, 0), {"refit": False, "random_state": 0}
    return {
        prior: VAETransformer(2, prior=prior, sampler="codes", **params).fit(X)
        for prior in ("normal", "mixture")
    }


# ---------------------------------------------------------------- prior


def test_mixture_scores_clusters_almost_as_the_truth_does(clustered):
    fresh = _three_clusters(2000, 1)
    squares = np.square(fresh[:, None] - CENTRES).sum(-1) / DEVIATION**2
    truth = np.logaddexp.reduce(-0.5 * squares, axis=1)
    truth += -np.log(3) - np.log(2 * np.pi * DEVIATION**2)
    score = clustered["mixture"].score(fresh)
    assert truth.mean() - 0.15 < score < truth.mean() + 0.05
    assert score > clustered["normal"].score(fresh) + 2.0


def test_samples_of_a_mixture_fall_on_the_clusters(clustered):
    rows = clustered["mixture"].sample(3000, random_state=0)
    distances = np.linalg.norm(rows[:, None] - CENTRES, axis=2)
    assert (distances.min(axis=1) < 4 * DEVIATION).mean() > 0.97
    shares = np.bincount(distances.argmin(axis=1)) / len(rows)
    assert (np.abs(shares - 1 / 3) < 0.08).all()


@pytest.mark.parametrize("prior", ["normal", "mixture"])
def test_density_integrates_to_one_at_most(clustered, prior):
    ticks = np.linspace(-9, 9, 73)  # closer than a deviation of the clusters
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    density = np.exp(clustered[prior].score_samples(grid))
    total = density.sum() * (ticks[1] - ticks[0]) ** 2
    assert 0.9 < total < 1.01


def test_codes_are_those_of_the_normal_prior(clustered):
    """The prior is learned after training, which it leaves as it is."""
    X = _three_clusters(50, 2)
    np.testing.assert_array_equal(*(vae.transform(X) for vae in clustered.values()))


def test_normal_rows_keep_the_normal_prior(ppca):
    params = {"sampler": "codes", "refit": False, "random_state": 0}
    vae = VAETransformer(2, **params).fit(ppca.train[:400])
    assert vae.prior_ == "normal"


def test_pickles_sample_and_score_alike(clustered):
    vae = clustered["mixture"]
    copy, X = pickle.loads(pickle.dumps(vae)), _three_clusters(20, 3)
    np.testing.assert_array_equal(copy.score_samples(X), vae.score_samples(X))
    np.testing.assert_array_equal(copy.sample(9, random_state=0), vae.sample(9, 0))


def test_stream_has_the_normal_prior():
    vae = VAETransformer(2, sampler="codes", max_iter=20, random_state=0)
    vae.fit(_three_clusters(300, 0))
    vae.partial_fit(_three_clusters(100, 1))
    assert vae.prior_ == "normal"
    assert np.isfinite(vae.sample(5, random_state=0)).all()


def test_row_far_from_all_costs_little_more_than_with_the_normal_prior(clustered):
    far = np.array([[30.0, -30.0]])
    fall = clustered["normal"].score(far) - clustered["mixture"].score(far)
    assert fall < -np.log(0.01) + 0.1


def test_samples_of_the_mixture_have_its_moments():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(2000, 3)) @ rng.normal(size=(3, 3)) * 0.3
    codes[::2] += 2.0
    prior = fit_prior(torch.from_numpy(codes[:1800]), torch.from_numpy(codes[1800:]))
    drawn = prior.sample(20_000, np.random.RandomState(0))
    np.testing.assert_allclose(drawn.mean(axis=0), codes.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), atol=0.15)


def test_log_ratio_is_that_of_the_normal_densities():
    codes = np.random.default_rng(0).normal(size=(600, 2))
    codes[:300] = 0.1 * codes[:300] + 1.0
    codes = torch.from_numpy(np.random.default_rng(1).permutation(codes))
    prior = fit_prior(codes[:500], codes[500:])
    means, factors = prior.means.double(), prior.factors.double()
    components = torch.distributions.MultivariateNormal(
        means, precision_matrix=factors.mT @ factors
    )
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(prior.weights.double()), components
    )
    standard = torch.distributions.Normal(0.0, 1.0).log_prob(codes).sum(-1)
    expected = mixture.log_prob(codes) - standard
    torch.testing.assert_close(prior.double().log_ratio(codes), expected)


def test_sizes_are_averaged_in_the_likeliest_proportions():
    """Of two densities of which rows hold 7 to 3, and one that is of no use."""
    rng = np.random.default_rng(0)
    is_first = torch.from_numpy(rng.uniform(size=4000) < 0.7)
    one, other = torch.where(is_first, 0.0, -5.0), torch.where(is_first, -5.0, 0.0)
    gains = torch.stack([one, other, torch.full_like(one, -6.0)], dim=1).double()
    proportions = _average(gains)
    assert proportions[2] == 0.0
    torch.testing.assert_close(
        proportions[:2], torch.tensor([0.7, 0.3], dtype=torch.float64), atol=0.03, rtol=0.0
    )


# ---------------------------------------------------------------- marginals


@pytest.fixture(scope="module")
def wages():
    """Zeros among incomes, whole years, prices with two decimals, and free numbers."""
    rng = np.random.default_rng(0)
    years = rng.integers(18, 70, 800)
    income = np.where(rng.random(800) < 0.6, 0, 1000 + years * 10 + rng.integers(0, 9, 800))
    price = (years + rng.normal(size=800)).round(2)
    return pd.DataFrame(
        {"years": years, "income": income, "price": price, "free": rng.normal(size=800)}
    )


def test_samples_take_the_values_that_columns_can_take(wages):
    vae = VAETransformer(4, max_iter=5, random_state=0).fit(wages)
    rows = vae.sample(1000, random_state=1)
    assert (rows.dtypes == wages.dtypes).all()
    assert (rows["income"] == 0).mean() == pytest.approx(0.6, abs=0.07)
    assert not rows["income"].between(1, 999).any()
    np.testing.assert_array_equal(rows["price"].round(2), rows["price"])
    assert not rows["free"].isin(wages["free"]).any()
    for name in wages:
        assert rows[name].between(wages[name].min(), wages[name].max()).all()


def test_columns_of_the_model_where_asked_for(wages):
    X = wages.to_numpy(dtype=float)
    vae = VAETransformer(
        4, sampler="codes", match_marginals=False, max_iter=5, random_state=0
    ).fit(X)
    assert (vae.sample(200, random_state=1)[:, 0] % 1 != 0).all()


def test_rows_that_weigh_nothing_leave_no_values(wages):
    X = wages.to_numpy(dtype=float)
    weights = (X[:, 1] == 0).astype(float)
    vae = VAETransformer(2, max_iter=2, random_state=0)
    vae.fit(X[:, [0, 1, 2]], sample_weight=weights)
    assert (vae.sample(200, random_state=0)[:, 1] == 0).all()


def test_values_occur_as_often_as_they_weigh():
    raw = np.repeat([[0.0], [1.0]], [300, 100], axis=0)
    drawn = np.random.default_rng(0).normal(size=(4000, 1))
    marginals = Marginals(raw, np.repeat([1.0, 9.0], [300, 100]), drawn)
    assert marginals.map(drawn).mean() == pytest.approx(0.75, abs=0.02)


def test_one_held_out_row_proves_nothing():
    codes = torch.linspace(0.0, 1.0, 40).square()[:, None]
    assert fit_prior(codes[:39], codes[39:]) is None


def test_ranks_are_kept():
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(500, 1))
    marginals = Marginals(rng.exponential(size=(500, 1)), None, drawn)
    mapped = marginals.map(drawn)[np.argsort(drawn[:, 0]), 0]
    assert (np.diff(mapped) >= 0).all()
    assert 0 < mapped[0] < mapped[-1]


def test_samples_reach_as_far_as_the_table():
    """Beyond the thousand levels that are kept of 5,000 rows, but not to the single cell."""
    rng = np.random.default_rng(0)
    X = np.column_stack([np.exp(2 * rng.normal(size=5000)), rng.normal(size=5000)])
    rows = VAETransformer(1, max_iter=2, random_state=0).fit(X).sample(40_000, 0)
    ordered = np.sort(X, axis=0)
    for sign, (end, next_one) in ((1, ordered[[-1, -2]]), (-1, ordered[:2])):
        furthest = sign * (sign * rows).max(axis=0)
        assert (np.abs(furthest - next_one) < 0.751 * np.abs(end - next_one)).all()
        assert (sign * furthest > sign * next_one).all()
    assert 0.6 < rows[:, 0].std() / X[:, 0].std() < 1.6


def test_decimals_of_float32_columns():
    prices = np.random.default_rng(0).uniform(0, 100, (80, 2)).round(1)
    frame = pd.DataFrame(prices.astype(np.float32), columns=["a", "b"])
    rows = VAETransformer(1, max_iter=2, random_state=0).fit(frame).sample(50, 0)
    assert rows.dtypes.eq(np.float32).all()
    assert rows.eq(rows.round(1)).all(axis=None)


def test_a_warm_start_on_other_rows_learns_their_marginals():
    A = np.random.default_rng(0).normal(size=(200, 3))
    vae = VAETransformer(2, max_iter=3, warm_start=True, random_state=0).fit(A)
    rows = vae.fit(5.0 + 2.0 * A).sample(500, random_state=0)
    assert np.abs(rows.mean(axis=0) - 5.0).max() < 0.6


def test_autoencoders_mixture_of_codes_is_fitted_once(X, monkeypatch):
    """When rows are first asked for, and again only after another fit."""
    real, fitted_to = autoencoder.fit_code_mixture, []

    def count(codes):
        fitted_to.append(codes)
        return real(codes)

    monkeypatch.setattr(autoencoder, "fit_code_mixture", count)
    fitted = AutoencoderTransformer(2, max_iter=2, random_state=0).fit(X)
    assert len(fitted_to) == 0
    first, again, more = (fitted.sample(n, random_state=0) for n in (5, 5, 50))
    assert len(fitted_to) == 1
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(more, axis=0)) == 50
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).sample(5, 0), first)
    assert len(fitted_to) == 1
    fitted.fit(X[:60]).sample(5)
    assert [len(codes) for codes in fitted_to] == [84, 42]
