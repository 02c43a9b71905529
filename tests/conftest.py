"""Tables on which a wrong answer looks different from a right one."""

import os
from contextlib import contextmanager
from functools import cache, partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from frames import as_library, draw_rows
from registry import (
    DEFAULT_DETECTORS,
    ESTIMATORS,
    SHORT_CONDITIONALS,
    TRANSFORMERS,
    held_to,
    make,
)
from scipy.stats import multivariate_normal
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from skae import AEAnomalyDetector


@pytest.fixture(autouse=True, scope="session")
def _threads():
    """One: the tables are tiny, and threads that wait for a busy core cost seconds."""
    n_threads = int(os.environ.get("SKAE_TEST_THREADS", "1"))
    torch.set_num_threads(n_threads)
    with threadpool_limits(n_threads):
        yield


# What these files test, table and training, does not know which model is trained: one
# without a density and one with it are enough. Laws of the estimators run over all.
WITHOUT_AND_WITH_A_DENSITY = ("AutoencoderTransformer", "VAETransformer")
OF_THE_ROOMS = {
    "test_callbacks",
    "test_categories",
    "test_column_losses",
    "test_columns",
    "test_diverged_training",
    "test_early_stopping",
    "test_explain",
    "test_frames",
    "test_impute",
    "test_interrupts",
    "test_missing_values",
    "test_pca",
    "test_scales",
    "test_sparse",
    "test_start",
}
# To these it does not matter how rows are drawn, which takes long to learn.
OF_NO_DRAWS = {
    "test_autoencoder",
    "test_callbacks",
    "test_categories",
    "test_devices",
    "test_diverged_training",
    "test_early_stopping",
    "test_entry",
    "test_explain",
    "test_failed_fits",
    "test_frames_as_input",
    "test_held_out",
    "test_identifiers",
    "test_inference",
    "test_interrupts",
    "test_loop",
    "test_missing_values",
    "test_parameters",
    "test_refit",
    "test_reproducibility",
    "test_sklearn_api",
    "test_sparse",
    "test_start",
    "test_warm_start",
    "test_weights",
}


def _own_settings(request, name):
    of_no_draws = request.module.__name__ in OF_NO_DRAWS
    return {"sampler": "codes"} if of_no_draws and name == "VAETransformer" else {}


# These ask how well columns' networks learn, which takes most of the time of a short fit of a
# `VAETransformer`. Elsewhere it does not matter.
WITH_WHOLE_CONDITIONALS = {
    "test_conditionals",
    "test_conditions",
    "test_generation",
    "test_imputer",
    "test_metrics_of_samples",
    "test_missing_levels",
    "test_privacy",
    "test_vae",
}


def _shorten_conditionals(patch):
    for name, value in SHORT_CONDITIONALS.items():
        patch.setattr(name, value)


@pytest.fixture(autouse=True, scope="module")
def _short_conditionals(request):
    """Networks of columns are small where nothing is asked of them."""
    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__ not in WITH_WHOLE_CONDITIONALS:
            _shorten_conditionals(patch)
        yield


@pytest.fixture
def short_conditionals(monkeypatch):
    """For tests that ask nothing of them, in modules that do."""
    _shorten_conditionals(monkeypatch)


def pytest_generate_tests(metafunc):
    """Run a law over all estimators, or all transformers, that are held to it."""
    law = metafunc.function.__name__
    for fixture, names in (
        ("quick_any", ESTIMATORS),
        ("fitted_any", ESTIMATORS),
        ("transformer", TRANSFORMERS),
    ):
        if fixture in metafunc.fixturenames:
            held = held_to(law, names)
            if fixture == "transformer" and metafunc.module.__name__ in OF_THE_ROOMS:
                held = [name for name in held if name in WITHOUT_AND_WITH_A_DENSITY]
            metafunc.parametrize(fixture, held, indirect=True)


@pytest.fixture
def quick_any(request):
    """Make any estimator, with a few short epochs."""
    return partial(make, request.param, **_own_settings(request, request.param))


@pytest.fixture(scope="module")
def fitted_any(request, X):
    """Any estimator, fitted as `quick_any` makes it; for tests that leave it as it is."""
    return make(request.param, **_own_settings(request, request.param)).fit(X)


@pytest.fixture
def transformer(request):
    """The class of any transformer."""
    return TRANSFORMERS[request.param][0]


@pytest.fixture
def quick(request, transformer):
    """Make a transformer of a few short epochs."""
    own = _own_settings(request, transformer.__name__)

    def quickly(n_components=2, **params):
        return make(transformer.__name__, n_components=n_components, **{**own, **params})

    return quickly


@pytest.fixture
def quick_detector():
    """Make a detector of clones of a few short epochs."""
    return partial(make, "AEAnomalyDetector of clones")


@pytest.fixture(params=DEFAULT_DETECTORS)
def detector(request):
    """A detector that finds anomalies."""
    return clone(DEFAULT_DETECTORS[request.param])


@pytest.fixture
def training(monkeypatch):
    """A training that begins fails the test, but within `training()`."""
    real, allowed = torch.Tensor.backward, False

    def backward(*args, **kwargs):
        if not allowed:
            pytest.fail("the training began")
        return real(*args, **kwargs)

    @contextmanager
    def allow():
        nonlocal allowed
        allowed = True
        yield
        allowed = False

    monkeypatch.setattr(torch.Tensor, "backward", backward)
    return allow


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
def detector_of_curved(curved):
    """A detector of that contamination, fitted to `curved`; for tests that leave it so."""

    @cache
    def fitted(contamination):
        detector = AEAnomalyDetector(contamination=contamination, random_state=0)
        return detector.fit(curved.train)

    return fitted


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


@pytest.fixture(params=["pandas", "polars"])
def library(request):
    """The library that a data frame is of."""
    return request.param


@pytest.fixture
def holed(library):
    """150 rows of columns of many kinds, a cell in seven missing."""
    return as_library(library, draw_rows(150, 0, missing=0.15))
