"""What the caller has set of torch, numpy and scikit-learn changes no result, and stays."""

import warnings
from contextlib import ExitStack, contextmanager
from functools import partial

import numpy as np
import pytest
import torch
from registry import ESTIMATORS, make
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning


@contextmanager
def setting(write, value, usual):
    write(value)
    try:
        yield
    finally:
        write(usual)


@contextmanager
def warnings_as_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # What the quick settings of these tests call for.
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


STATES = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "gradients off": partial(setting, torch.set_grad_enabled, False, True),
    "float64": partial(setting, torch.set_default_dtype, torch.float64, torch.float32),
    "meta": partial(setting, torch.set_default_device, "meta", None),
    "device mode": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "precision": partial(setting, torch.set_float32_matmul_precision, "medium", "highest"),
    "deterministic": partial(setting, torch.use_deterministic_algorithms, True, False),
    "anomalies": partial(setting, torch.autograd.set_detect_anomaly, True, False),
    "errstate": partial(np.errstate, all="raise"),
    "warnings": warnings_as_errors,
    "assume_finite": partial(config_context, assume_finite=True),
    "pandas": partial(config_context, transform_output="pandas"),
    "routing": partial(config_context, enable_metadata_routing=True),
}
# What is set at once.
OF_METHODS = (
    ("no_grad", "autocast", "deterministic", "assume_finite"),
    ("inference_mode", "float64", "errstate", "pandas"),
    ("gradients off", "meta", "precision", "warnings"),
    ("device mode", "anomalies", "routing"),
)
OF_FITS = (
    ("inference_mode", "float64", "precision", "errstate"),
    ("gradients off", "autocast", "deterministic"),
    ("meta", "warnings"),
)


@contextmanager
def all_set(names):
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(STATES[name]())
        yield


# What fits differently: own modules, cells, transposed weights.
NAMES = [
    *ESTIMATORS,
    "AE Recurrent",
    "AE tied_weights",
    "VAE Modules",
]


def state():
    """What there is to be left as it was."""
    return {
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "precision": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "anomalies": torch.is_anomaly_enabled(),
        "generator": torch.default_generator.get_state().numpy().tolist(),
        "numpy": np.geterr(),
        "filters": list(warnings.filters),
    }


def results(fitted, X):
    """Return what every method says of a table."""
    found = {
        name: getattr(fitted, name)(X)
        for name in (
            "transform",
            "score_samples",
            "explain",
            "impute",
            "pvalues",
            "predict",
        )
        if hasattr(fitted, name)
    }
    if hasattr(fitted, "sample"):
        found["sample"] = fitted.sample(3, random_state=0)
    if hasattr(fitted, "inverse_transform"):
        found["inverse_transform"] = fitted.inverse_transform(np.ones((2, 2)))
        found["interpolate"] = fitted.interpolate(X[:1], X[1:2], 3)
        found["reconstruct"] = fitted.reconstruct(X.astype(np.float32))
    return {name: np.asarray(result) for name, result in found.items()}


@pytest.fixture(scope="module")
def table():
    X = np.random.default_rng(0).normal(size=(40, 16))
    X[:, 1] = X[:, 0] ** 2
    return X


@pytest.fixture(scope="module", params=NAMES)
def known(request, table):
    """A name, an estimator that was fitted with nothing set, and what it says."""
    fitted = make(request.param, **_quick(request.param)).fit(table)
    return request.param, fitted, results(fitted, table)


def _quick(name):
    return {} if name.startswith("AEAnomaly") else {"max_iter": 1}


def _assert_same(found, expected):
    for name, result in expected.items():
        np.testing.assert_array_equal(found[name], result, err_msg=name)


def test_all_states_are_set():
    assert {name for names in OF_METHODS for name in names} == STATES.keys()


@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
@pytest.mark.parametrize("names", OF_METHODS, ids=", ".join)
def test_methods_say_the_same(known, table, names):
    _, fitted, expected = known
    with all_set(names):
        before = state()
        found = results(fitted, table)
        assert state() == before
    _assert_same(found, expected)


@pytest.mark.parametrize("names", OF_FITS, ids=", ".join)
def test_fits_are_the_same(known, table, names):
    which, _, expected = known
    with all_set(names):
        estimator = make(which, **_quick(which))
        before = state()
        estimator.fit(table)
        assert state() == before
    _assert_same(
        {"score_samples": estimator.score_samples(table)},
        {"score_samples": expected["score_samples"]},
    )


def test_streams_are_the_same(quick_any, table):
    expected = quick_any().partial_fit(table).partial_fit(table).score_samples(table)
    for names in OF_FITS:
        with all_set(names):
            streamed = quick_any().partial_fit(table).partial_fit(table)
            scores = streamed.score_samples(table)
        np.testing.assert_array_equal(scores, expected, err_msg=", ".join(names))
