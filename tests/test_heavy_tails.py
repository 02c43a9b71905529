"""Noise whose tails are heavier than those it was trained with."""

import copy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch

from skae import VAETransformer
from skae._learned_noise import _Errors
from skae.likelihoods import Gaussian
from skae.models.fitted_likelihood import FittedLikelihood
from skae.models.heavy_tails import heavy_tailed

LOADINGS = np.array([2.0, -2.0, 2.0, 2.0, 2.0])
UNITS = np.array([1.0, 1.0, 10.0, 0.1, 1.0])
QUICK = {
    "hidden_layer_sizes": (16,),
    "max_iter": 5,
    "refit": False,
    "sampler": "codes",
    "match_marginals": False,
    "random_state": 0,
}


def _rows(n, seed, freedom=2.5):
    """Columns that hang on one number, with noise of a Student t."""
    rng = np.random.default_rng(seed)
    noise = 0.3 * rng.standard_t(freedom, size=(n, 5))
    return UNITS * (rng.normal(size=(n, 1)) * LOADINGS + noise)


def _log_density(X, freedom=2.5):
    z = np.linspace(-6, 6, 2001)
    logs = scipy.stats.norm.logpdf(z) + np.log(z[1] - z[0])
    cells = scipy.stats.t.logpdf(
        (X / UNITS)[:, None] - z[:, None] * LOADINGS, freedom, scale=0.3
    ) - np.log(UNITS)
    return scipy.special.logsumexp(logs + cells.sum(axis=2), axis=1)


@pytest.fixture(scope="module")
def heavy():
    """The same rows, learned with noise that is chosen and with normal noise."""
    train, test = _rows(1500, 0), _rows(1000, 1)
    chosen, normal = (
        VAETransformer(1, likelihood=likelihood, **QUICK).fit(train)
        for likelihood in ("auto", "gaussian")
    )
    return SimpleNamespace(chosen=chosen, normal=normal, train=train, test=test)


# ---------------------------------------------------------------- the fit of a Student t


def _fitted(errors, weights, floor=1e-4):
    n_columns = errors.shape[1]
    normal = FittedLikelihood(Gaussian(), np.zeros(n_columns), np.ones(n_columns), floor)
    errors, weights = torch.from_numpy(errors), torch.from_numpy(weights)
    return heavy_tailed(normal, errors, weights)


def _freedom(tails):
    return tails.likelihood._noise(tails.learned, tails.units)[1].numpy()


def test_it_is_that_of_the_highest_likelihood():
    rng = np.random.default_rng(0)
    freedoms = 3.0, 6.0, 100.0
    errors = np.stack([0.5 * rng.standard_t(freedom, 4000) for freedom in freedoms], axis=1)
    tails = _fitted(errors, np.ones_like(errors))
    best = [scipy.stats.t.fit(column, floc=0.0) for column in errors.T]
    expected = [
        scipy.stats.t.logpdf(column, freedom, scale=scale).mean()
        for column, (freedom, _, scale) in zip(errors.T, best, strict=True)
    ]
    with torch.no_grad():
        found = -tails(torch.zeros(4000, 3), torch.from_numpy(errors)).mean(0)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert (np.diff(_freedom(tails)) > 0).all()


def test_a_weight_is_that_many_cells_and_missing_ones_are_none():
    rng = np.random.default_rng(1)
    errors, counts = rng.standard_t(3.0, size=(300, 2)), rng.integers(0, 4, size=(300, 2))
    weighted = _fitted(errors, counts.astype(float))
    for j in range(2):
        repeated = np.repeat(errors[:, j], counts[:, j])[:, None]
        alone = _fitted(repeated, np.ones_like(repeated))
        for name, values in weighted.learned.items():
            np.testing.assert_allclose(values[j], alone.learned[name][0], rtol=1e-5)


def test_rows_that_are_left_out_count_with_those_that_are_taken(monkeypatch):
    """Many rows to train on and few held out have the weights of all of them."""
    monkeypatch.setattr("skae._learned_noise.MAX_ERRORS", 300)
    blocks = [torch.ones(100, 2)] * 9
    model = SimpleNamespace(
        numeric_features=[0, 1],
        errors_of=lambda blocks, weights: ((b, torch.ones_like(b)) for b in blocks),
    )
    data = SimpleNamespace(weights=None, blocks=lambda start, stop: blocks[: stop // 100])
    for n_rows in (100, 900):
        errors, weights = _Errors(model, data, 0, n_rows).cells
        assert len(errors) == len(weights) <= 200
        assert weights.sum() == pytest.approx(2 * n_rows, rel=0.1)


def test_noise_stays_above_its_floor():
    """Nine of ten errors are 0: the scale would fall without end."""
    errors = np.zeros((500, 2))
    errors[::10, 0] = np.random.default_rng(2).normal(size=50)
    tails = _fitted(errors, np.ones_like(errors), floor=0.01)
    assert (tails.variance() >= 0.01).all()
    assert torch.isfinite(tails.mode_nll()).all()


# ---------------------------------------------------------------- of a model


def test_heavy_tails_are_found_and_the_density_comes_near_that_of_the_rows(heavy):
    truth = _log_density(heavy.test).mean()
    assert heavy.chosen.likelihood_ == "student_t"
    assert heavy.normal.likelihood_ == "gaussian"
    gaps = [truth - vae.score(heavy.test) for vae in (heavy.chosen, heavy.normal)]
    assert -0.05 < gaps[0] < 0.5
    assert gaps[1] > gaps[0] + 0.3


def test_codes_and_reconstructions_are_those_of_normal_noise(heavy):
    for method in ("transform", "reconstruct"):
        one, other = (
            getattr(vae, method)(heavy.test) for vae in (heavy.chosen, heavy.normal)
        )
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(
        heavy.chosen.noise_variance_, heavy.normal.noise_variance_
    )


def test_a_far_cell_costs_what_it_does_in_the_tails(heavy):
    """Not the square of its distance; and the same in float32."""
    rows = np.repeat(heavy.test[:1], 5, axis=0)
    rows[1:, 2] += [30.0, 60.0, 1e4, 1e6]
    scores, normal = (vae.score_samples(rows) for vae in (heavy.chosen, heavy.normal))
    assert (np.diff(scores) < -1.0).all()
    assert scores[0] - scores[2] < 20.0 < 30.0 < normal[0] - normal[2]
    # Nor does the code that the encoder finds for such a row.
    assert scores[0] - scores[-1] < 150.0
    single = heavy.chosen.score_samples(rows.astype(np.float32))
    np.testing.assert_allclose(single, scores, rtol=1e-3)


def test_samples_have_the_tails_of_the_rows(heavy):
    draws = heavy.chosen.sample(4000, random_state=0)
    normal = heavy.normal.sample(4000, random_state=0)

    def excess(rows):
        """How the difference of two columns, noise alone, exceeds its middle half."""
        apart = rows[:, 0] - rows[:, 4]
        low, middle_low, middle_high, high = np.quantile(apart, [0.005, 0.25, 0.75, 0.995])
        return (high - low) / (middle_high - middle_low)

    assert excess(heavy.test) > 1.5 * excess(normal)
    assert excess(draws) > 1.2 * excess(normal)


def test_contributions_sum_to_a_constant_minus_the_score(heavy):
    total = heavy.chosen.explain(heavy.test[:50]).to_numpy().sum(axis=1)
    constant = total + heavy.chosen.score_samples(heavy.test[:50])
    np.testing.assert_allclose(constant, constant[0], rtol=1e-3)


def test_missing_cells_are_left_out(heavy):
    """The density of the others is the integral over the missing one."""
    vae = copy.copy(heavy.chosen).set_params(n_importance_samples=1000)
    rows = heavy.test[:5].copy()
    grid = np.concatenate([-np.geomspace(500, 0.05, 300), np.geomspace(0.05, 500, 300)])
    filled = np.repeat(rows, len(grid), axis=0)
    filled[:, 0] = np.tile(grid, 5)
    density = np.exp(vae.score_samples(filled)).reshape(5, -1)
    rows[:, 0] = np.nan
    expected = np.log(np.trapezoid(density, grid, axis=1))
    np.testing.assert_allclose(vae.score_samples(rows), expected, atol=0.15)


def test_a_complete_row_scores_alike_beside_rows_with_holes(heavy):
    rows = np.repeat(heavy.test[:20], 2, axis=0)
    rows[1::2, 3] = np.nan
    rows[::4, 2] += 50.0
    beside, alone = (heavy.chosen.score_samples(X) for X in (rows, rows[::2]))
    np.testing.assert_allclose(beside[::2], alone, rtol=1e-6)


def test_frames_with_categories_have_them_as_well():
    X = pd.DataFrame(_rows(800, 3))
    X.columns = list("abcde")
    X["side"] = np.where(X["a"] > 0, "left", "right")
    chosen, normal = (
        VAETransformer(1, likelihood=likelihood, **QUICK).fit(X)
        for likelihood in ("auto", "gaussian")
    )
    assert chosen.likelihood_ == "student_t"
    test = pd.DataFrame(_rows(500, 4), columns=list("abcde"))
    test["side"] = np.where(test["a"] > 0, "left", "right")
    assert chosen.score(test) > normal.score(test) + 0.3


# ---------------------------------------------------------------- where it stays normal


def test_normal_noise_is_left_so():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 1)) * LOADINGS + 0.3 * rng.normal(size=(1200, 5))
    chosen, normal = (
        VAETransformer(1, likelihood=likelihood, **QUICK).fit(X[:800])
        for likelihood in ("auto", "gaussian")
    )
    assert abs(chosen.score(X[800:]) - normal.score(X[800:])) < 0.02


@pytest.mark.parametrize(
    "params",
    [
        {"likelihood": "gaussian"},
        {"likelihood": Gaussian()},
        {"noise_covariance": "full"},
    ],
)
def test_who_asks_for_normal_noise_has_it(params):
    vae = VAETransformer(1, **QUICK, **params).fit(_rows(600, 0))
    assert vae.net_.module_.tails is None
    assert vae.likelihood_ == params.get("likelihood", "gaussian")


def test_a_stream_goes_on_with_normal_noise():
    vae = VAETransformer(1, **QUICK).fit(_rows(600, 0))
    assert vae.likelihood_ == "student_t"
    assert vae.partial_fit(_rows(200, 1)).likelihood_ == "gaussian"


def test_a_warm_start_trains_with_normal_noise_and_chooses_anew():
    vae = VAETransformer(1, warm_start=True, **QUICK)
    normal = VAETransformer(1, warm_start=True, likelihood="gaussian", **QUICK)
    for _ in range(3):
        vae.fit(_rows(600, 0))
        normal.fit(_rows(600, 0))
    assert vae.likelihood_ == "student_t"
    assert vae.loss_curve_ == normal.loss_curve_


def test_separate_held_out_rows_judge_and_are_not_learned_from():
    """Their far cells would take the degrees of freedom to the least there are."""
    held_out = _rows(200, 1)
    held_out[:60] += 50.0 * np.random.default_rng(0).normal(size=(60, 5)) * UNITS
    vae = VAETransformer(1, **QUICK).fit(_rows(600, 0, freedom=5.0), X_val=held_out)
    assert vae.likelihood_ == "student_t"
    apart = _freedom(vae.net_.module_.tails)
    both = np.concatenate([_rows(600, 0, freedom=5.0), held_out])
    vae = VAETransformer(1, **QUICK).fit(both)
    assert (apart > _freedom(vae.net_.module_.tails) + 0.5).all()
