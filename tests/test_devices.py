"""Fitted estimators move from device to device; here to one without cells, "meta"."""

import pickle
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
from registry import FAMILY, make
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import skae._entry
from skae import AEAnomalyDetector, AutoencoderTransformer
from skae.architectures import Network
from skae.conditionals.model import Conditionals
from skae.table.blocks.base import Block
from skae.table.encoder import TableEncoder


@pytest.fixture
def meta(monkeypatch):
    """Let "meta" be a device that this machine has."""
    resolve = skae._entry.resolve_device

    def resolve_device(device):
        return torch.device("meta") if str(device) == "meta" else resolve(device)

    monkeypatch.setattr("skae._entry.resolve_device", resolve_device)


def tensors(value, seen=None):
    """Yield the tensors that an object holds.

    Settings, what encodes tables, and conditional networks stay on the processor.
    """
    seen = {} if seen is None else seen
    if id(value) in seen or isinstance(
        value, (type, ModuleType, Network, TableEncoder, Block, Conditionals)
    ):
        return
    seen[id(value)] = value
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from tensors(part, seen)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from tensors(part, seen)
    else:
        yield from tensors(vars(value) if hasattr(value, "__dict__") else (), seen)


def _kinds(estimator):
    return {tensor.device.type for tensor in tensors(vars(estimator))}


@pytest.fixture
def mixed(X):
    """Numbers, some missing, and levels, some of them rare."""
    frame = pd.DataFrame(X[:, :3], columns=list("abc"))
    frame["level"] = np.resize(list("xyzxy"), len(frame))
    frame.loc[:2, "level"] = ["u", "v", "w"]
    frame.loc[::7, "a"] = np.nan
    return frame


@pytest.mark.usefixtures("meta")
def test_all_tensors_move(quick_any, mixed):
    _assert_moves(quick_any().fit(mixed), mixed)


@pytest.mark.usefixtures("meta")
def test_all_tensors_of_a_stream_move(quick_any, mixed):
    _assert_moves(quick_any().partial_fit(mixed), mixed)


def _assert_moves(estimator, rows):
    estimator.score_samples(rows)
    assert _kinds(estimator) == {"cpu"}
    assert estimator.to("meta") is estimator
    assert _kinds(estimator) == {"meta"}
    assert estimator.device_.type == "meta"


@pytest.mark.usefixtures("meta")
@pytest.mark.parametrize(
    "name", ["VAE mmd", "VAE adversary", "AE Modules", "VAE student_t", "AE KLSparsity"]
)
def test_all_tensors_of_the_family_move(name):
    X = np.random.default_rng(0).normal(size=(60, 16))
    assert name in FAMILY
    estimator = make(name, max_iter=1).fit(X).to("meta")
    assert _kinds(estimator) == {"meta"}


@pytest.mark.usefixtures("meta")
def test_wide_table_moves(X):
    """Of which the detector's networks see a projection."""
    rows = np.random.default_rng(0).normal(size=(60, 140))
    estimator = AEAnomalyDetector(n_estimators=2, max_iter=2, random_state=0).fit(rows)
    assert _kinds(estimator.to("meta")) == {"meta"}


def test_move_to_where_it_is_changes_nothing(quick_any, X):
    estimator = quick_any().fit(X)
    expected = estimator.score_samples(X)
    for device in ("cpu", torch.device("cpu"), "auto"):
        np.testing.assert_array_equal(estimator.to(device).score_samples(X), expected)
        assert estimator.get_params()["device"] == clone(estimator).device == device
        estimator.set_params(device="cpu")
        np.testing.assert_array_equal(estimator.score_samples(X), expected)
    if hasattr(estimator, "partial_fit"):
        estimator.partial_fit(X)


@pytest.mark.usefixtures("meta")
def test_set_device_moves_at_the_next_call(quick_any, X):
    """Which is a number less: nothing can be read of a device without cells."""
    estimator = quick_any().fit(X).set_params(device="meta")
    assert _kinds(estimator) == {"cpu"}
    with pytest.raises((NotImplementedError, RuntimeError)):
        estimator.score_samples(X)
    assert _kinds(estimator) == {"meta"}


@pytest.mark.parametrize("device", ["cuda:7", "nowhere"])
def test_device_that_is_not_there(quick_any, X, device):
    estimator = quick_any().fit(X)
    expected = estimator.score_samples(X)
    with pytest.raises(ValueError, match=f"device='{device}'"):
        estimator.to(device)
    assert estimator.device == "auto"
    estimator.set_params(device=device)  # which only stores, as scikit-learn has it
    with pytest.raises(ValueError, match=f"device='{device}'"):
        estimator.score_samples(X)
    estimator.set_params(device="cpu")
    np.testing.assert_array_equal(estimator.score_samples(X), expected)


def test_unfitted_estimator_has_nothing_to_move(quick_any):
    with pytest.raises(NotFittedError):
        quick_any().to("cpu")


def test_model_of_another_machine_is_used_here(X):
    """Its parameter names a device that this machine does not have: it stays on the CPU."""
    estimator = AutoencoderTransformer(2, max_iter=1, random_state=0).fit(X)
    expected = estimator.score_samples(X)
    estimator.device = estimator._device_followed = "cuda:7"
    loaded = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(loaded.score_samples(X), expected)
