"""The same seed gives the same bits, and nothing outside the estimator is touched."""

import numpy as np
import pytest
import torch
from registry import with_columns
from sklearn.base import clone
from skorch.callbacks import Callback

pytestmark = pytest.mark.rounding


def _assert_same_codes(one, other, X):
    np.testing.assert_array_equal(one.transform(X), other.transform(X))


@pytest.mark.parametrize("params", [{}, {"dropout": 0.3}, {"init": "random"}])
def test_two_fits_agree_to_the_bit(quick, X, params):
    one, other = (quick(**params).fit(X) for _ in range(2))
    _assert_same_codes(one, other, X)
    assert one.loss_curve_ == other.loss_curve_
    assert one.validation_loss_curve_ == other.validation_loss_curve_
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(X))


def test_two_detectors_agree_to_the_bit(quick_detector, X):
    one, other = (quick_detector().fit(X) for _ in range(2))
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(X))
    assert one.offset_ == other.offset_


def test_refit_forgets_the_first_fit(fitted_any, X):
    refitted = clone(fitted_any).fit(3.0 * X[::-1]).fit(X)
    np.testing.assert_array_equal(refitted.score_samples(X), fitted_any.score_samples(X))


def test_other_seeds_give_other_networks(quick_any, curved):
    X = curved.train[:200]
    # Held-out rows may have both stay at PCA.
    params = {"early_stopping": False} if hasattr(quick_any(), "early_stopping") else {}
    one, other = (quick_any(random_state=seed, **params).fit(X) for seed in (0, 1))
    assert not np.allclose(one.score_samples(X), other.score_samples(X), rtol=1e-3)


def test_random_state_instance_is_drawn_from(quick_any, curved):
    X, generator = curved.train[:200], np.random.RandomState(0)
    one, other = (quick_any(random_state=generator).fit(X) for _ in range(2))
    assert not np.array_equal(one.score_samples(X), other.score_samples(X))
    again = quick_any(random_state=np.random.RandomState(0)).fit(X)
    np.testing.assert_array_equal(again.score_samples(X), one.score_samples(X))


def test_thread_count_does_not_change_the_fit(quick_any, X, monkeypatch):
    """The number of threads is the machine's, not the model's: small steps take one."""
    scores, used, backward = [], set(), torch.Tensor.backward

    def watched(*args, **kwargs):
        used.add(torch.get_num_threads())
        return backward(*args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "backward", watched)
    for n_threads in (1, 2):
        with _threads(n_threads):
            scores.append(with_columns(quick_any()).fit(X).score_samples(X))
    np.testing.assert_array_equal(*scores)
    assert used == {1}


class _threads:
    def __init__(self, n_threads):
        self.n_threads = n_threads

    def __enter__(self):
        self.before = torch.get_num_threads()
        torch.set_num_threads(self.n_threads)

    def __exit__(self, *exc_info):
        torch.set_num_threads(self.before)


def _global_state():
    name, key, *rest = np.random.get_state()  # noqa: NPY002
    return {
        "numpy's generator": (name, key.tolist(), *rest),
        "torch's generator": torch.get_rng_state().tolist(),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
        "determinism": torch.are_deterministic_algorithms_enabled(),
        "numpy's errors": np.geterr(),
    }


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_global_state_is_left_alone(quick, X, dropout):
    with _threads(2):
        before = _global_state()
        fitted = with_columns(quick(dropout=dropout, init="random")).fit(X)
        assert _global_state() == before
        fitted.partial_fit(X)
        assert _global_state() == before
        fitted.inverse_transform(fitted.transform(X))
        fitted.score_samples(X)
        fitted.sample(10, random_state=0)
        assert _global_state() == before


def test_detector_leaves_the_global_state_alone(quick_detector, X):
    with _threads(2):
        before = _global_state()
        quick_detector().fit(X).predict(X)
        assert _global_state() == before


class _Fail(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise RuntimeError("stumbled")


def test_threads_come_back_after_an_error(quick, X):
    with _threads(2), pytest.raises(RuntimeError, match="stumbled"):
        quick(callbacks=[_Fail()]).fit(X)
    with _threads(2):
        with pytest.raises(RuntimeError, match="stumbled"):
            quick(callbacks=[_Fail()]).fit(X)
        assert torch.get_num_threads() == 2


def test_fit_does_not_depend_on_the_global_generators(fitted_any, X):
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    np.testing.assert_array_equal(
        clone(fitted_any).fit(X).score_samples(X), fitted_any.score_samples(X)
    )


def test_fit_does_not_depend_on_the_default_dtype(fitted_any, X):
    torch.set_default_dtype(torch.float64)
    try:
        scores = clone(fitted_any).fit(X).score_samples(X)
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_allclose(scores, fitted_any.score_samples(X), rtol=1e-5)
