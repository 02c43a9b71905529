import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from skae import AdversarialAutoencoderTransformer, AutoencoderTransformer
from skae.architectures import Convolutional
from skae.metrics import reconstruction_r2
from skae.models.discrepancy import WIDTHS, prior_level, prior_mmd

pytestmark = pytest.mark.rounding


def _quick(n_components=2, **params):
    return AdversarialAutoencoderTransformer(
        n_components, **{"max_iter": 4, "random_state": 0, **params}
    )


def _normal(n_rows, n_dimensions, seed):
    draws = torch.Generator().manual_seed(seed)
    return torch.randn(n_rows, n_dimensions, generator=draws, dtype=torch.float64)


# ---------------------------------------------------------------- what it is for


@pytest.fixture(scope="module")
def train(curved):
    """Rows enough to fill the prior; steps are as many as rows."""
    return curved.train[:400]


@pytest.fixture(scope="module")
def aae(train):
    return AdversarialAutoencoderTransformer(2, refit=False, random_state=0).fit(train)


def test_codes_are_hardly_told_from_the_prior(aae, train, curved):
    """Those of the fit pass a test; fresh ones are much nearer to it than plain ones."""
    level = prior_level(len(train), 2)
    assert 0 < aae.code_mmd_level_ < 0.02
    assert aae.code_mmd_ < prior_mmd(_normal(100, 2, seed=0) * 2)
    assert prior_mmd(torch.from_numpy(aae.transform(train))) < level
    plain = AutoencoderTransformer(2, max_iter=20, refit=False, random_state=0).fit(train)
    fresh, others = (
        prior_mmd(torch.from_numpy(model.transform(curved.test))) for model in (aae, plain)
    )
    assert fresh < 0.3 * others
    assert reconstruction_r2(aae, curved.test) > 0.9


def test_samples_lie_on_the_surface(aae, curved):
    """Draws of the prior decode to rows like the table's: u, v, u^2, v^2, u v, sin 2u."""
    rows = aae.sample(1000, random_state=0)
    assert np.abs(rows[:, 2] - rows[:, 0] ** 2).mean() < 0.15
    assert np.abs(rows[:, 4] - rows[:, 0] * rows[:, 1]).mean() < 0.15
    np.testing.assert_allclose(rows.std(axis=0), curved.train.std(axis=0), rtol=0.25)


def test_without_the_critics_weight_it_is_a_plain_autoencoder(train, curved):
    plain = _quick(adversarial_weight=0.0, max_iter=8).fit(train)
    other = _quick(adversarial_weight=0.0, max_iter=8, gradient_penalty=9.0).fit(train)
    np.testing.assert_allclose(
        other.transform(curved.test), plain.transform(curved.test), atol=1e-5
    )


# ---------------------------------------------------------------- contract


def test_score_is_minus_the_mean_squared_error(X):
    aae = _quick().fit(X)
    reconstruction = aae.inverse_transform(aae.transform(X))
    expected = -np.square((reconstruction - X) / X.std(axis=0)).mean(axis=1)
    np.testing.assert_allclose(aae.score_samples(X), expected, rtol=1e-5)


def test_scores_do_not_depend_on_the_rows_beside(X):
    """What judges held-out rows compares whole batches; scores do not."""
    aae = _quick().fit(X)
    np.testing.assert_allclose(aae.score_samples(X[:3]), aae.score_samples(X)[:3])


def test_same_seed_same_bits(X):
    state = torch.get_rng_state()
    one, other = (_quick().fit(X) for _ in range(2))
    np.testing.assert_array_equal(one.transform(X), other.transform(X))
    assert one.code_mmd_ == other.code_mmd_
    assert torch.equal(state, torch.get_rng_state())


def test_pickles_and_clones(X):
    aae = _quick().fit(X)
    again = pickle.loads(pickle.dumps(aae))
    np.testing.assert_array_equal(again.transform(X), aae.transform(X))
    np.testing.assert_array_equal(
        again.sample(4, random_state=0), aae.sample(4, random_state=0)
    )
    np.testing.assert_array_equal(clone(aae).fit(X).transform(X), aae.transform(X))


def test_mixed_frame(X):
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame["kind"] = np.where(X[:, 0] > 0, "plus", "minus")
    frame.loc[::7, "b"] = np.nan
    aae = _quick().fit(frame)
    rows = aae.sample(5, random_state=0)
    assert list(rows.columns) == list(frame.columns)
    contributions = aae.explain(frame)
    np.testing.assert_allclose(
        contributions.sum(axis=1), -aae.score_samples(frame), rtol=1e-5
    )


def test_partial_fit(X):
    aae = _quick()
    for start in (0, 60):
        aae.partial_fit(X[start : start + 60])
    assert np.isfinite(aae.transform(X)).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"adversarial_weight": -1.0}, "'adversarial_weight' parameter"),
        ({"gradient_penalty": -1.0}, "'gradient_penalty' parameter"),
        ({"critic_hidden_layer_sizes": (8, 0)}, "critic_hidden_layer_sizes=.* holds 0"),
        ({"critic_hidden_layer_sizes": (2.5,)}, "critic_hidden_layer_sizes=.* holds 2.5"),
        ({"network": Convolutional((4, 5))}, "4 x 5 = 20 columns, but X has 5"),
        ({"n_components": 0}, "'n_components' parameter"),
    ],
)
def test_bad_parameters_are_an_error(X, params, message):
    with pytest.raises(ValueError, match=message):
        _quick(**params).fit(X)


# ---------------------------------------------------------------- parts


def test_mmd_tells_what_differs_from_the_prior():
    level = prior_level(300, 2)
    values = torch.stack([prior_mmd(_normal(300, 2, seed)) for seed in range(40)])
    assert (values < level).double().mean() > 0.85
    assert abs(float(values.mean())) < level / 3
    codes = _normal(300, 2, 1)
    for other in (codes + 0.3, 1.3 * codes, 0.7 * codes, codes.abs()):
        assert prior_mmd(other) > 2 * level


def test_mmd_takes_expectations_over_the_prior():
    """Against quadrature on a grid, whose weighted points stand for the prior."""
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(40))
    points = torch.cartesian_prod(nodes, nodes)
    weights = torch.outer(weights, weights).flatten() / (2 * np.pi)

    def kernel(x, y):
        squares = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()
        return sum((-squares / (2.0 * share * 2)).exp() for share in WIDTHS) / len(WIDTHS)

    codes = _normal(30, 2, 1) + 0.5
    among = (kernel(codes, codes).sum() - 30) / (30 * 29)
    to_prior = (kernel(codes, points) @ weights).mean()
    expected = among - 2.0 * to_prior + weights @ kernel(points, points) @ weights
    assert float(prior_mmd(codes)) == pytest.approx(float(expected), rel=1e-4)
