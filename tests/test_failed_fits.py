"""A fit that fails leaves the estimator as it was: unfitted, or with all of its old model."""

import numpy as np
import pytest
import torch
from frames import draw_rows
from registry import ESTIMATORS, make
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback

from skae import AutoencoderTransformer, VAETransformer

STREAMS = [name for name in ESTIMATORS if hasattr(make(name), "partial_fit")]
WARM = [name for name in ESTIMATORS if "warm_start" in make(name).get_params()]


class Stumbled(Exception):
    """What no code of the package raises."""


@pytest.fixture
def stumble(monkeypatch):
    """Let the training fail in its third step, however it fails."""

    def stumble(error):
        backward, steps = torch.Tensor.backward, []

        def fail(*args, **kwargs):
            steps.append(1)
            if len(steps) == 3:
                raise error
            return backward(*args, **kwargs)

        monkeypatch.setattr(torch.Tensor, "backward", fail)

    return stumble


def _attributes(estimator):
    return {name: id(value) for name, value in vars(estimator).items()}


def test_first_fit(quick_any, X, stumble):
    estimator = quick_any()
    before = _attributes(estimator)
    stumble(Stumbled)
    with pytest.raises(Stumbled):
        estimator.fit(X)
    assert _attributes(estimator) == before
    with pytest.raises(NotFittedError):
        estimator.score_samples(X)


def test_another_fit(quick_any, X, stumble):
    """Of other columns, of which the old model knows nothing."""
    estimator = quick_any().fit(X)
    before, expected = _attributes(estimator), estimator.score_samples(X)
    stumble(Stumbled)
    with pytest.raises(Stumbled):
        estimator.fit(X[:, :4] * 2.0)
    assert _attributes(estimator) == before
    np.testing.assert_array_equal(estimator.score_samples(X), expected)


@pytest.mark.parametrize("name", WARM)
def test_fit_that_goes_on(name, X, stumble):
    estimator = make(name, warm_start=True).fit(X)
    expected = estimator.score_samples(X)
    stumble(Stumbled)
    with pytest.raises(Stumbled):
        estimator.fit(X)
    np.testing.assert_array_equal(estimator.score_samples(X), expected)
    assert estimator.set_params(max_iter=1).fit(X).n_iter_ == 1


@pytest.mark.parametrize("name", STREAMS)
def test_chunk_of_a_stream(name, X, stumble):
    """Neither the weights nor what is known of the columns moves; the stream goes on."""
    estimator, other = (make(name, batch_size=16).partial_fit(X[:80]) for _ in range(2))
    expected = estimator.score_samples(X)
    with pytest.MonkeyPatch.context() as patch:
        backward, steps = torch.Tensor.backward, []

        def fail(*args, **kwargs):
            steps.append(1)
            if len(steps) == 2:
                raise Stumbled
            return backward(*args, **kwargs)

        patch.setattr(torch.Tensor, "backward", fail)
        with pytest.raises(Stumbled):
            estimator.partial_fit(X[80:] + 1.0)
    np.testing.assert_array_equal(estimator.score_samples(X), expected)
    estimator.partial_fit(X[80:])
    np.testing.assert_array_equal(
        estimator.score_samples(X), other.partial_fit(X[80:]).score_samples(X)
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stumbled])
@pytest.mark.parametrize("step", ["_after_fit", "_encode"])
def test_outside_the_loop(X, monkeypatch, step, error):
    """Ctrl-C is a usable fit in the loop only."""

    def fail(*args, **kwargs):
        raise error

    estimator = VAETransformer(2, max_iter=2, random_state=0)
    with monkeypatch.context() as patch:
        patch.setattr(VAETransformer, step, fail)
        with pytest.raises(error):
            estimator.fit(X)
        assert not hasattr(estimator, "net_")
    estimator.fit(X)
    expected = estimator.score_samples(X)
    with monkeypatch.context() as patch:
        patch.setattr(VAETransformer, step, fail)
        with pytest.raises(error):
            estimator.fit(X)
    np.testing.assert_array_equal(estimator.score_samples(X), expected)


class _Fails(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise Stumbled


@pytest.mark.parametrize("warm_start", [False, True])
def test_callback_that_fails(X, warm_start):
    estimator = AutoencoderTransformer(
        2, max_iter=3, callbacks=[_Fails()], random_state=0, warm_start=warm_start
    )
    with pytest.raises(Stumbled):
        estimator.fit(X)
    assert not estimator.__sklearn_is_fitted__()
    estimator.set_params(callbacks=None).fit(X)
    expected = estimator.transform(X)
    with pytest.raises(Stumbled):
        estimator.set_params(callbacks=[_Fails()]).fit(X)
    np.testing.assert_array_equal(estimator.transform(X), expected)


def test_stream_of_frames_whose_chunk_fails(monkeypatch):
    """Its columns learn from chunks too: levels, means."""
    frame = draw_rows(80, 0)
    estimator = AutoencoderTransformer(2, random_state=0).partial_fit(frame[:40])
    expected = estimator.score_samples(frame)
    with monkeypatch.context() as patch:
        patch.setattr(AutoencoderTransformer, "_train", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            estimator.partial_fit(frame[40:])
    np.testing.assert_array_equal(estimator.score_samples(frame), expected)
