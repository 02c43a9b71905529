"""Noise that columns share beside the codes."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.base import clone

from skae import VAETransformer
from skae.metrics import reconstruction_r2
from skae.models.correlated_noise import CorrelatedNoise

# One factor of all columns, and a pair that has something else in common.
LOADINGS = np.array([2.0, -2.0, 2.0, 2.0, 2.0])
NOISE = np.eye(5)
NOISE[3, 4] = NOISE[4, 3] = 0.95
COVARIANCE = np.outer(LOADINGS, LOADINGS) + NOISE
QUICK = {"max_iter": 8, "sampler": "codes", "match_marginals": False, "random_state": 0}


def _rows(n, seed):
    return np.random.default_rng(seed).multivariate_normal(np.zeros(5), COVARIANCE, n)


@pytest.fixture(scope="module")
def fitted():
    return {
        noise: VAETransformer(1, noise_covariance=noise, **QUICK).fit(_rows(1000, 0))
        for noise in ("full", "diagonal")
    }


@pytest.fixture(scope="module")
def correlations():
    """Those of some covariance, in float64."""
    factors = np.random.default_rng(0).normal(size=(5, 3))
    covariance = factors @ factors.T + np.eye(5)
    deviations = np.sqrt(covariance.diagonal())
    return covariance / np.outer(deviations, deviations)


def _given(correlations):
    rng = np.random.default_rng(1)
    noise, known = rng.normal(size=(6, 2, 5)), rng.uniform(size=(6, 5)) < 0.6
    known[0], known[1] = True, False
    return CorrelatedNoise(torch.from_numpy(correlations)), noise, known


def test_cost_is_that_of_the_normal_densities(correlations):
    model, noise, known = _given(correlations)
    for which in (known, np.ones_like(known)):
        cost = model.cost(torch.from_numpy(noise), torch.from_numpy(which)).numpy()
        for row, cells in enumerate(which):
            part = correlations[np.ix_(cells, cells)]
            if cells.any():
                kinds = np.eye(len(part)), part
                independent, tied = (
                    multivariate_normal(cov=cov).logpdf(noise[row][:, cells])
                    for cov in kinds
                )
                np.testing.assert_allclose(cost[row], independent - tied)
            else:
                np.testing.assert_allclose(cost[row], 0.0, atol=1e-12)
    complete = model.cost(torch.from_numpy(noise)).numpy()
    np.testing.assert_allclose(complete, cost)


def test_missing_noise_is_expected_as_the_known_implies(correlations):
    model, noise, known = _given(correlations)
    expected = model.expected(torch.from_numpy(noise[:, 0]), torch.from_numpy(known))
    for row, cells in enumerate(known):
        part = correlations[np.ix_(~cells, cells)]
        weights = part @ np.linalg.inv(correlations[np.ix_(cells, cells)])
        np.testing.assert_allclose(
            expected[row, ~cells], weights @ noise[row, 0, cells], atol=1e-9
        )


@pytest.mark.parametrize("n", [3, 6, 20])
def test_noise_that_few_rows_cannot_tell_stays_independent(n):
    vae = VAETransformer(1, noise_covariance="full", **QUICK).fit(_rows(n, 0))
    assert vae.noise_covariance_ == "diagonal"


# ---------------------------------------------------------------- of a model


def test_density_comes_near_that_of_the_rows(fitted):
    test = _rows(2000, 1)
    truth = multivariate_normal(np.zeros(5), COVARIANCE).logpdf(test).mean()
    assert fitted["full"].noise_covariance_ == "full"
    assert fitted["diagonal"].noise_covariance_ == "diagonal"
    gaps = {noise: truth - vae.score(test) for noise, vae in fitted.items()}
    assert -0.02 < gaps["full"] < 0.25
    assert gaps["diagonal"] > gaps["full"] + 0.5


def test_codes_and_reconstructions_are_those_of_independent_noise(fitted):
    X = _rows(50, 2)
    one, other = fitted.values()
    np.testing.assert_array_equal(one.transform(X), other.transform(X))
    assert reconstruction_r2(one, X) == reconstruction_r2(other, X)


def test_samples_hold_what_columns_share(fitted):
    """The pair's difference has a variance of 0.1, and more where their noise is independent."""
    differences = {
        noise: (vae.sample(4000, random_state=0) @ [0.0, 0.0, 0.0, -1.0, 1.0]).var()
        for noise, vae in fitted.items()
    }
    assert differences["full"] < 0.3
    assert differences["diagonal"] > 0.5


def test_density_of_known_cells_is_the_integral_over_the_missing_one(fitted):
    vae = fitted["full"].set_params(n_importance_samples=1000)
    X = _rows(5, 3)
    grid = np.linspace(-12.0, 12.0, 241)
    filled = np.repeat(X, len(grid), axis=0)
    filled[:, 4] = np.tile(grid, len(X))
    density = np.exp(vae.score_samples(filled)).reshape(len(X), -1).sum(1) * 0.1
    X[:, 4] = np.nan
    np.testing.assert_allclose(vae.score_samples(X), np.log(density), atol=0.1)
    vae.set_params(n_importance_samples=64)


def test_missing_cells_are_filled_by_what_their_columns_share(fitted):
    X = _rows(500, 4)
    holes = X.copy()
    holes[:, 4] = np.nan
    errors = {
        noise: np.square(vae.impute(holes)[:, 4] - X[:, 4]).mean()
        for noise, vae in fitted.items()
    }
    assert errors["full"] < 0.6 * errors["diagonal"]


def test_contributions_show_cells_that_contradict_each_other(fitted):
    X = _rows(5, 5)
    X[:, 4] = X[:, 3] + 3.0
    parts = {noise: vae.explain(X).to_numpy() for noise, vae in fitted.items()}
    assert (parts["full"] >= 0.0).all()
    pair = {noise: part[:, 3:].sum(1) for noise, part in parts.items()}
    assert (pair["full"] > pair["diagonal"] + 2.0).all()


def test_a_stream_goes_on_without(fitted):
    vae = VAETransformer(1, noise_covariance="full", **QUICK).fit(_rows(600, 0))
    assert vae.partial_fit(_rows(200, 1)).noise_covariance_ == "diagonal"
    assert vae.noise_covariance_ == "diagonal"


def test_independent_noise_is_left_so():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 1)) * LOADINGS + rng.normal(size=(800, 5))
    diagonal, chosen = (
        VAETransformer(1, noise_covariance=noise, **QUICK).fit(X)
        for noise in ("diagonal", "full")
    )
    test = rng.normal(size=(800, 1)) * LOADINGS + rng.normal(size=(800, 5))
    assert abs(chosen.score(test) - diagonal.score(test)) < 0.02


@pytest.mark.parametrize(
    ("n_components", "found"), [(1, "diagonal"), (4, "diagonal"), (5, "full")]
)
def test_a_number_of_codes_is_judged_by_what_they_explain(n_components, found):
    # Whether tails are better than either is another question, by a hair on such rows.
    params = {"likelihood": "gaussian", "max_iter": 5, "random_state": 0}
    vae = VAETransformer(n_components, sampler="codes", **params).fit(_rows(600, 0))
    if found == "diagonal":
        assert vae.noise_covariance_ == "diagonal"
    alone = clone(vae).set_params(noise_covariance=found).fit(_rows(600, 0))
    assert vae.score(_rows(100, 1)) == alone.score(_rows(100, 1))


def test_a_fraction_of_the_variance_leaves_the_rest_to_shared_noise():
    vae = VAETransformer(0.5, sampler="codes", max_iter=20, random_state=0)
    assert vae.fit(_rows(1000, 0)).noise_covariance_ == "full"


@pytest.mark.parametrize("likelihood", ["student_t", "poisson"])
def test_other_likelihoods_have_independent_noise(likelihood):
    X = np.round(np.abs(_rows(200, 0)))
    vae = VAETransformer(1, likelihood=likelihood, noise_covariance="full", **QUICK).fit(X)
    assert vae.noise_covariance_ == "diagonal"
