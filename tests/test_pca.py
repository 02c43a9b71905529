import numpy as np
import pytest
import torch
from registry import without_columns
from sklearn.datasets import load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer, VAETransformer
from skae.models import principal_axes as _principal_axes
from skae.models.principal_axes import principal_axes

pytestmark = pytest.mark.rounding

RNG = np.random.default_rng(0)
TALL = RNG.normal(size=(60, 6)) @ RNG.normal(size=(6, 6))
WIDE = RNG.normal(size=(12, 30)) @ RNG.normal(size=(30, 30))
TABLES = pytest.mark.parametrize("table", [TALL, WIDE], ids=["tall", "wide"])


def _axes(X, n_components, weights=None, mean=None):
    x = torch.from_numpy(
        (X - (X.mean(axis=0) if mean is None else mean)).astype(np.float32)
    )
    weights = None if weights is None else torch.from_numpy(weights)
    return principal_axes(x, weights, n_components, np.random.RandomState(0))


def _assert_same_axes(axes, expected, atol):
    """Equal but for the sign of each."""
    cosines = np.abs((axes * expected).sum(axis=0))
    np.testing.assert_allclose(cosines, 1.0, atol=atol)


@TABLES
def test_axes_are_those_of_pca(table):
    found, expected = _axes(table, 4), PCA(4).fit(table)
    _assert_same_axes(found.axes.numpy(), expected.components_.T, atol=1e-5)
    # PCA divides by n - 1; with weights there is no such n, so all divide by n.
    variances = expected.explained_variance_ * (len(table) - 1) / len(table)
    np.testing.assert_allclose(found.variances, variances, rtol=1e-4)


def test_residual_is_the_mean_of_the_discarded_variances():
    discarded = PCA(4).fit(TALL).noise_variance_ * (len(TALL) - 1) / len(TALL)
    np.testing.assert_allclose(_axes(TALL, 4).residual_variance, discarded, rtol=1e-4)
    assert _axes(TALL, 6).residual_variance == 0.0


def test_sign_of_an_axis_is_that_of_its_largest_entry():
    axes = _axes(TALL, 6).axes.numpy()
    assert (axes.max(axis=0) > -axes.min(axis=0)).all()


@TABLES
def test_weight_of_two_is_a_row_twice(table):
    counts = 1 + np.arange(len(table)) % 3
    mean = np.average(table, axis=0, weights=counts)
    weighted = _axes(table, 4, counts.astype(float), mean)
    repeated = _axes(np.repeat(table, counts, axis=0), 4, mean=mean)
    _assert_same_axes(weighted.axes.numpy(), repeated.axes.numpy(), atol=1e-5)
    np.testing.assert_allclose(weighted.variances, repeated.variances, rtol=1e-4)
    np.testing.assert_allclose(
        weighted.residual_variance, repeated.residual_variance, rtol=1e-4
    )


@pytest.mark.parametrize("weighted", [True, False])
def test_large_tables_take_the_randomised_way_to_the_same_axes(monkeypatch, weighted):
    factors = RNG.normal(size=(300, 3)) * [9.0, 6.0, 3.0]
    X = factors @ RNG.normal(size=(3, 40)) + 0.1 * RNG.normal(size=(300, 40))
    weights = np.linspace(0.5, 1.5, 300) if weighted else None
    mean = np.average(X, axis=0, weights=weights)
    exact = _axes(X, 3, weights, mean)
    monkeypatch.setattr(_principal_axes, "MAX_EXACT", 10)
    found = _axes(X, 3, weights, mean)
    _assert_same_axes(found.axes.numpy(), exact.axes.numpy(), atol=1e-4)
    np.testing.assert_allclose(found.variances, exact.variances, rtol=1e-3)
    np.testing.assert_allclose(found.residual_variance, exact.residual_variance, rtol=1e-2)


def test_block_size_does_not_matter(monkeypatch):
    whole = _axes(TALL, 3)
    monkeypatch.setattr(_principal_axes, "BLOCK", 7)
    np.testing.assert_allclose(_axes(TALL, 3).axes, whole.axes, atol=1e-5)


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("table", [TALL, WIDE, load_iris().data, load_wine().data])
def test_share_of_variance_needs_as_many_components_as_pca(transformer, scale, table):
    settings = {"scale": scale, "max_iter": 1, "random_state": 0}
    rows = StandardScaler().fit_transform(table) if scale else table
    for share in (0.2, 0.8, 0.99) if scale else (0.5, 0.9, 0.9999):
        estimator = without_columns(transformer, share, **settings).fit(table)
        assert estimator.n_components_ == PCA(share).fit(rows).n_components_


def _untrained(transformer, n_components, **params):
    """An estimator whose steps are too small to move it: it stays at its start."""
    steps = {"max_iter": 1, "learning_rate_init": 1e-30}
    return without_columns(transformer, n_components, **steps, **params)


@TABLES
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("n_components", [1, 3, 5])
def test_autoencoder_starts_at_pca(table, scale, n_components):
    start = _untrained(AutoencoderTransformer, n_components, scale=scale).fit(table)
    pca = PCA(n_components)
    pca = (make_pipeline(StandardScaler(), pca) if scale else pca).fit(table)
    np.testing.assert_allclose(
        start.inverse_transform(start.transform(table)),
        pca.inverse_transform(pca.transform(table)),
        atol=1e-4 * np.abs(table).max(),
    )


def test_codes_at_the_start_are_principal_components_in_standard_units():
    start = _untrained(AutoencoderTransformer, 3).fit(TALL)
    components = PCA(3).fit_transform(StandardScaler().fit_transform(TALL))
    signs = np.sign((components * start.transform(TALL)).sum(axis=0))
    np.testing.assert_allclose(start.transform(TALL), components * signs, atol=1e-4)


def test_weighted_start_is_that_of_repeated_rows(transformer):
    counts = 1 + np.arange(len(TALL)) % 3
    # A mixture of so few codes is learned after the start, and one of several that are as
    # good; and other rows judge of the noise.
    params = (
        {"prior": "normal", "noise_covariance": "diagonal", "likelihood": "gaussian"}
        if transformer is VAETransformer
        else {}
    )
    weighted = _untrained(transformer, 2, **params).fit(TALL, sample_weight=counts)
    repeated = _untrained(transformer, 2, **params).fit(np.repeat(TALL, counts, axis=0))
    for method in ("transform", "score_samples"):
        np.testing.assert_allclose(
            getattr(weighted, method)(TALL), getattr(repeated, method)(TALL), atol=1e-3
        )


def test_variational_autoencoder_starts_at_probabilistic_pca():
    """Its density at the start is that of scikit-learn's PCA."""
    X = RNG.normal(size=(3000, 2)) @ RNG.normal(size=(2, 6))
    X += 0.5 * RNG.normal(size=X.shape)
    start = _untrained(VAETransformer, 2, scale=False).fit(X)
    np.testing.assert_allclose(
        start.score_samples(X[:200]), PCA(2).fit(X).score_samples(X[:200]), atol=0.01
    )
