import math
import pickle
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
from registry import OwnLikelihood, without_columns
from sklearn.base import clone

from skae import AutoencoderTransformer, VAETransformer
from skae.divergences import KL, gaussian_kl
from skae.likelihoods import Gaussian, Likelihood, Support
from skae.likelihoods.choice import LIKELIHOODS
from skae.likelihoods.likelihood import NOISE_GAIN
from skae.models.fitted_likelihood import FittedLikelihood

pytestmark = pytest.mark.rounding

CENTER, SCALE = np.array([0.4, 0.5, 0.7]), np.array([0.2, 0.1, 2.0])


@pytest.fixture(params=LIKELIHOODS)
def name(request):
    return request.param


@pytest.fixture
def likelihood(name):
    made = FittedLikelihood(LIKELIHOODS[name](), CENTER, SCALE, 1e-4)
    with torch.no_grad():
        made.start(0.3)
    return made.double()


def _design(raw):
    return (torch.as_tensor(raw) - torch.from_numpy(CENTER)) / torch.from_numpy(SCALE)


def _scipy(name, likelihood, mean):
    """Return the distribution of raw numbers about raw means, as scipy has it."""
    learned = {key: value.detach().numpy() for key, value in likelihood.learned.items()}
    spread = likelihood.variance().detach().numpy() ** 0.5 * SCALE
    if name == "gaussian":
        return scipy.stats.norm(mean, spread)
    if name == "student_t":
        freedom = 1.0 + np.exp(NOISE_GAIN * learned["log_freedom"])
        return scipy.stats.t(freedom, mean, spread)
    if name == "bernoulli":
        return scipy.stats.bernoulli(mean)
    if name == "poisson":
        return scipy.stats.poisson(mean)
    r = np.exp(NOISE_GAIN * learned["log_dispersion"])
    return scipy.stats.nbinom(r, r / (r + mean))


def test_nll_is_scipys(name, likelihood):
    mean = np.array([[0.3, 0.6, 0.9], [0.05, 0.5, 0.2]])
    raw = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    ours = likelihood(_design(mean), _design(raw))
    theirs = _scipy(name, likelihood, mean)
    if likelihood.is_density:
        expected = theirs.logpdf(raw) + np.log(SCALE)  # of the standardised numbers
    else:
        expected = theirs.logpmf(raw)
    np.testing.assert_allclose(ours.detach(), -expected, rtol=1e-4)


def test_draws_have_the_distribution(name, likelihood):
    mean = np.full((4000, 3), [0.3, 0.6, 0.9])
    drawn = likelihood.draw(_design(mean).numpy(), np.random.RandomState(0))
    drawn = drawn * SCALE + CENTER
    theirs = _scipy(name, likelihood, mean[0])
    np.testing.assert_allclose(drawn.mean(0), theirs.mean(), atol=0.1)
    for column, quantile in zip(drawn.T, theirs.ppf(0.8), strict=True):
        assert (column <= quantile + 1e-6).mean() >= 0.78


def test_mode_is_the_likeliest_cell(likelihood):
    mean, least = _design(np.array([[0.3, 0.6, 0.9]])), likelihood.mode_nll()
    raw = np.array([[0.0, 0.5, 1.0], [1.0, 1.0, 0.0]])
    for x in (mean, _design(raw)):
        if not likelihood.is_density and x is mean:
            continue
        assert (likelihood(mean, x) >= least - 1e-6).all()
    if likelihood.is_density:
        torch.testing.assert_close(likelihood(mean, mean)[0], least)


def test_gradient_reaches_every_parameter(likelihood):
    raw, y = _design(np.array([[1.0, 0.0, 1.0]])), torch.zeros(1, 3, dtype=torch.float64)
    y.requires_grad_()
    mean = y if likelihood.link is None else likelihood.link(y)
    likelihood(mean, raw).sum().backward()
    assert (y.grad != 0).all()
    for key, parameter in likelihood.named_parameters():
        assert (parameter.grad != 0).all(), key


@pytest.fixture(scope="module")
def rates():
    """Counts whose rates hang on two numbers."""
    rng = np.random.default_rng(0)
    return np.exp(0.6 * rng.normal(size=(900, 2)) @ rng.normal(size=(2, 6)) + 1.0)


def _score(likelihood, X):
    vae = VAETransformer(
        2, sampler="codes", likelihood=likelihood, refit=False, max_iter=20, random_state=0
    ).fit(X[:600])
    return vae, vae.score(X[600:])


def test_counts_are_scored_by_their_probability(rates):
    """Between independent columns and the truth, for either kind of counts."""
    rng = np.random.default_rng(1)
    counts = rng.poisson(rates).astype(float)
    alone = scipy.stats.poisson.logpmf(counts[600:], counts[:600].mean(0)).sum(1).mean()
    truth = scipy.stats.poisson.logpmf(counts[600:], rates[600:]).sum(1).mean()
    vae, score = _score("poisson", counts)
    assert alone + 0.5 * (truth - alone) < score < truth
    drawn = vae.sample(500, random_state=0)
    np.testing.assert_array_equal(drawn, drawn.round())
    assert drawn.min() >= 0
    np.testing.assert_allclose(drawn.mean(0), counts.mean(0), rtol=0.5)


def test_overdispersed_counts_are_no_poisson(rates):
    rng = np.random.default_rng(1)
    counts = rng.poisson(rates * rng.gamma(1.0, size=rates.shape)).astype(float)
    scores = [_score(name, counts)[1] for name in ("poisson", "negative_binomial")]
    assert scores[1] > scores[0] + 1.0


def test_probabilities_of_zeros_and_ones_add_up_to_one():
    """Over all rows that there can be: the score is a log probability."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 1))
    X = (z + 0.7 * rng.normal(size=(400, 5)) > 0).astype(float)
    vae = VAETransformer(
        1,
        sampler="codes",
        likelihood="bernoulli",
        n_importance_samples=512,
        refit=False,
        random_state=0,
    ).fit(X)
    rows = np.array(np.meshgrid(*[[0.0, 1.0]] * 5)).reshape(5, -1).T
    assert np.exp(vae.score_samples(rows)).sum() == pytest.approx(1.0, abs=0.03)
    shares = X.mean(0)
    alone = (X * np.log(shares) + (1 - X) * np.log(1 - shares)).sum(1).mean()
    assert vae.score(X) > alone + 0.3


def test_heavy_tails_are_a_student_ts():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 2)) @ rng.normal(size=(2, 5))
    X += 0.3 * rng.standard_t(2, size=X.shape)
    scores = [_score(name, X)[1] for name in ("gaussian", "student_t")]
    assert scores[1] > scores[0] + 0.5


@pytest.mark.parametrize("factor", [1.0, 10.0])
def test_densities_are_in_the_original_units(factor):
    X = np.random.default_rng(0).normal(size=(300, 3))
    vae = VAETransformer(
        1, sampler="codes", likelihood="student_t", max_iter=3, random_state=0
    )
    expected = vae.fit(X).score(X) - 3 * np.log(factor)
    assert vae.fit(factor * X).score(factor * X) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("likelihood", "bad", "message"),
    [
        (
            "bernoulli",
            1.5,
            r"'bernoulli' needs numbers in \[0, 1\], .*'x2' holds 1\.5.*Min",
        ),
        ("poisson", -1.0, r"'poisson' needs counts.*'x2' holds -1.*shift"),
        ("negative_binomial", 0.5, r"needs counts.*'x2' holds 0\.5; round"),
    ],
)
def test_other_numbers_are_an_error(likelihood, bad, message):
    X = np.random.default_rng(0).integers(2, size=(50, 4)).astype(float)
    spoilt = X.copy()
    spoilt[5, 2] = bad
    vae = VAETransformer(
        1, sampler="codes", likelihood=likelihood, max_iter=1, random_state=0
    )
    with pytest.raises(ValueError, match=message):
        vae.fit(spoilt)
    with pytest.raises(ValueError, match=message):
        vae.fit(X).score_samples(spoilt)


# ------------------------------------------------------------------ as objects


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_name_stands_for_the_object(name):
    X = np.random.default_rng(0).integers(2, size=(80, 4)).astype(float)
    one, other = (
        VAETransformer(
            1, sampler="codes", likelihood=given, max_iter=3, random_state=0
        ).fit(X)
        for given in (name, LIKELIHOODS[name]())
    )
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(X))
    rows = (vae.sample(5, random_state=0) for vae in (one, other))
    np.testing.assert_array_equal(*rows)


@pytest.fixture(scope="module")
def laplace():
    """Five columns that hang on a normal number, with Laplace noise, and their density."""
    rng = np.random.default_rng(0)
    loadings, units = np.array([1.0, -1.0, 2.0, 0.5, 1.0]), np.array([1, 1, 10, 0.1, 1])

    def draw(n_rows):
        factor = rng.normal(size=(n_rows, 1))
        return units * (factor * loadings + rng.laplace(size=(n_rows, 5)))

    def log_density(X):
        z = np.linspace(-6, 6, 601)
        logs = scipy.stats.norm.logpdf(z) + np.log(z[1] - z[0])
        cells = -np.abs((X / units)[:, None] - z[:, None] * loadings) - np.log(2 * units)
        return scipy.special.logsumexp(logs + cells.sum(axis=2), axis=1)

    train, test = draw(800), draw(1500)
    vae = VAETransformer(
        1,
        sampler="codes",
        likelihood=OwnLikelihood(),
        match_marginals=False,
        refit=False,
        random_state=0,
    ).fit(train)
    return SimpleNamespace(vae=vae, train=train, test=test, log_density=log_density)


def test_your_own_likelihood_is_a_density(laplace):
    """Laplace noise has one: it beats the Gaussian, and is not above the truth."""
    params = {"likelihood": "gaussian", "max_iter": 60, "refit": False, "random_state": 0}
    gaussian = VAETransformer(1, sampler="codes", **params)
    gaussian.fit(laplace.train)
    excess = laplace.vae.score_samples(laplace.test) - laplace.log_density(laplace.test)
    assert laplace.vae.score(laplace.test) > gaussian.score(laplace.test) + 0.15
    assert -0.15 < excess.mean() < 3 * excess.std() / np.sqrt(len(excess))


def test_your_own_likelihood_draws_rows(laplace):
    rows = laplace.vae.sample(3000, random_state=0)
    for found, expected in zip(rows.T, laplace.test.T, strict=True):
        assert scipy.stats.kstest(found, expected).statistic < 0.08


def test_your_own_likelihood_explains(laplace):
    rows = laplace.test[:100].copy()
    rows[:, 4] += 30.0
    contributions = laplace.vae.explain(rows).to_numpy()
    assert (contributions >= 0).all()
    assert (contributions.argmax(axis=1) == 4).all()
    scores = laplace.vae.score_samples(rows)
    # They sum to a constant less the score: the highest that a row can have.
    best = contributions.sum(axis=1) + scores
    np.testing.assert_allclose(best, best[0], rtol=1e-6)


def test_your_own_likelihood_is_cloned_and_pickled(laplace):
    vae, rows = laplace.vae, laplace.test[:50]
    again = pickle.loads(pickle.dumps(vae))
    np.testing.assert_array_equal(again.score_samples(rows), vae.score_samples(rows))
    other = clone(vae).set_params(likelihood__start=0.1)
    assert (other.likelihood.start, vae.likelihood.start) == (0.1, 0.5)
    quick = {"max_iter": 2, "init": "random"}
    scores = [e.set_params(**quick).fit(rows).score(rows) for e in (other, clone(vae))]
    assert scores[0] != scores[1]


class NormalOfScale(Likelihood):
    """A normal distribution whose standard deviation is a setting: it learns nothing."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def nll(self, x, mean, parameters, units):
        constant = math.log(self.scale) + 0.5 * math.log(2 * math.pi)
        return 0.5 * ((x - mean) / self.scale).square() + constant


def test_what_is_fitted_keeps_its_likelihood(X):
    """Settings that change afterwards are for the next fit, of which warm_start is none."""
    vae = VAETransformer(
        2,
        likelihood=NormalOfScale(), match_marginals=False, warm_start=True, max_iter=3,
        random_state=0, sampler="codes",
    ).fit(X)  # fmt: skip
    before = vae.score_samples(X)
    vae.set_params(likelihood__scale=7.0)
    np.testing.assert_array_equal(vae.score_samples(X), before)
    with pytest.raises(
        ValueError, match=r"likelihood=NormalOfScale\(\).*\(scale=7\.0\) now"
    ):
        vae.fit(X)
    after = vae.set_params(warm_start=False).fit(X).score_samples(X)
    assert np.abs(after - before).min() > 1.0
    with pytest.raises(NotImplementedError, match="NormalOfScale needs a method draw"):
        vae.sample()


# -------------------------------------------------- what keeps codes near the prior


def test_free_bits_keep_dimensions_in_use(ppca):
    """Beta presses every dimension flat, but for what is free."""
    pressed, free = (
        VAETransformer(
            2,
            sampler="codes",
            beta=60.0,
            divergence=KL(free_bits=bits),
            max_iter=15,
            init="random",
            random_state=0,
        )
        for bits in (0.0, 1.0)
    )

    def divergence(vae):
        vae.fit(ppca.train[:400])
        x = torch.from_numpy(ppca.test[:200] - ppca.train[:400].mean(0)).float()
        x = x / torch.from_numpy(ppca.train[:400].std(0)).float()
        return gaussian_kl(*vae.net_.module_.posterior(x)).mean().item()

    assert divergence(free) > divergence(pressed) + 0.3


# ------------------------------------------------------------------ interpolation


@pytest.mark.parametrize("cls", [AutoencoderTransformer, VAETransformer])
def test_interpolation_goes_from_row_to_row(cls, curved):
    fitted = without_columns(cls, 2, max_iter=4, random_state=0).fit(curved.train)
    way = fitted.interpolate(curved.test[0], curved.test[1:2], n_steps=5)
    assert way.shape == (5, 6)
    codes = fitted.transform(curved.test[:2])
    np.testing.assert_allclose(way[[0, -1]], fitted.inverse_transform(codes))
    middle = fitted.inverse_transform(codes.mean(0, keepdims=True))
    np.testing.assert_allclose(way[2:3], middle)
    with pytest.raises(ValueError, match=r"y has 3 rows; .*give one"):
        fitted.interpolate(curved.test[0], curved.test[:3])
    with pytest.raises(ValueError, match=r"n_steps=1; "):
        fitted.interpolate(curved.test[0], curved.test[1], n_steps=1)


def test_whole_columns_of_a_frame_are_the_counts_that_they_are():
    rng = np.random.default_rng(0)
    counts = 50 + rng.poisson(0.3, (300, 2))
    scores = [
        VAETransformer(1, sampler="codes", likelihood="poisson", max_iter=4, random_state=0)
        .fit(table)
        .score_samples(table)
        for table in (pd.DataFrame(counts), pd.DataFrame(counts.astype(float)), counts)
    ]
    np.testing.assert_allclose(scores[0], scores[1])
    np.testing.assert_allclose(scores[0], scores[2])


def test_counts_of_a_float_frame_are_sampled_whole():
    counts = np.random.default_rng(0).poisson(3, (200, 2)).astype(float)
    vae = VAETransformer(
        1, sampler="codes", likelihood="poisson", max_iter=5, random_state=0
    )
    rows = vae.fit(pd.DataFrame(counts, columns=["a", "b"])).sample(300, 0).to_numpy()
    assert (rows == rows.round()).all()
    assert rows.min() >= 0.0


class PositiveNumbers(Gaussian):
    support = Support("positive numbers", "shift them", positive=True)


@pytest.mark.parametrize("number", [0.0, -2.0])
def test_a_support_of_ones_own_refuses_numbers_by_their_column(number):
    waits = pd.DataFrame({"first": [1.0, 2.0, 3.5], "second": [0.5, number, 1.0]})
    vae = VAETransformer(1, likelihood=PositiveNumbers(), max_iter=1)
    message = (
        rf"PositiveNumbers.* needs positive numbers, but column 'second' holds {number:g}"
    )
    with pytest.raises(ValueError, match=message):
        vae.fit(waits)
