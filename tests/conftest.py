"""Tables on which a wrong answer looks different from a right one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from threadpoolctl import threadpool_limits

from skae import AEAnomalyDetector, AutoencoderTransformer, VAETransformer


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """The tables are tiny, and threads that wait for a busy core cost seconds."""
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield


@pytest.fixture(
    params=[AutoencoderTransformer, VAETransformer], ids=lambda cls: cls.__name__
)
def transformer(request):
    """The class of a transformer."""
    return request.param


@pytest.fixture
def quick(transformer):
    """Make a transformer of a few short epochs."""

    def make(n_components=2, **params):
        return transformer(n_components, **{"max_iter": 4, "random_state": 0, **params})

    return make


def _quick_detector(**params):
    inner = AutoencoderTransformer(2, max_iter=4)
    return AEAnomalyDetector(inner, **{"random_state": 0, **params})


@pytest.fixture(
    params=[AutoencoderTransformer, VAETransformer, AEAnomalyDetector],
    ids=lambda cls: cls.__name__,
)
def quick_any(request):
    """Make any of the three estimators, with a few short epochs."""
    if request.param is AEAnomalyDetector:
        return _quick_detector
    return lambda **params: request.param(2, **{"max_iter": 4, "random_state": 0, **params})


@pytest.fixture
def quick_detector():
    """Make a detector of a few short epochs."""
    return _quick_detector


def _frozen(array):
    """Forbid writing: estimators must not change what they are given."""
    array.setflags(write=False)
    return array


@pytest.fixture(scope="session")
def X():
    """120 rows of 5 correlated columns in different units."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(5, 5)) * [1.0, 10.0, 0.1, 3.0, 1.0]
    return _frozen(rng.normal(size=(120, 5)) @ mixing + [0.0, 100.0, -1.0, 5.0, 0.0])


def _bend(u, rng, noise):
    rows = np.column_stack(
        [
            u[:, 0],
            u[:, 1],
            u[:, 0] ** 2,
            u[:, 1] ** 2,
            u[:, 0] * u[:, 1],
            np.sin(2 * u[:, 0]),
        ]
    )
    return rows + noise * rng.normal(size=rows.shape)


@pytest.fixture(scope="session")
def curved():
    """A surface of two dimensions in six columns, which two planes cannot follow.

    `anomalies` has the columns of `test`, each shuffled: usual cells, off the surface.
    """
    rng = np.random.default_rng(1)
    train, test = (_bend(rng.uniform(-1.5, 1.5, (600, 2)), rng, 0.05) for _ in range(2))
    return SimpleNamespace(
        train=_frozen(train),
        test=_frozen(test),
        anomalies=_frozen(rng.permuted(test, axis=0)),
    )


@pytest.fixture(scope="session")
def ppca():
    """Rows of a probabilistic PCA model with 2 factors in 6 columns, and its density."""
    rng = np.random.default_rng(2)
    loadings = rng.normal(size=(6, 2)) * np.array([[1.0, 5.0, 1.0, 1.0, 0.2, 1.0]]).T
    mean, noise = 5.0 * rng.normal(size=6), 0.5

    def draw(n_rows):
        factors = rng.normal(size=(n_rows, 2))
        return mean + factors @ loadings.T + noise * rng.normal(size=(n_rows, 6))

    covariance = loadings @ loadings.T + noise**2 * np.eye(6)
    return SimpleNamespace(
        train=_frozen(draw(2000)),
        test=_frozen(draw(3000)),
        logpdf=multivariate_normal(mean, covariance).logpdf,
        covariance=covariance,
        mean=mean,
    )
