"""Ctrl-C keeps a usable fit and warns."""

import os
import signal

import numpy as np
import pytest
import torch
from arrays import pca_score
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from skae import AutoencoderTransformer


@pytest.fixture(autouse=True)
def ctrl_c_is_heard():
    """A shell starts jobs in the background deaf to Ctrl-C, and Python keeps to that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


class _InterruptDeeper(Callback):
    """Ctrl-C while a user's callback is busy in a function that it called."""

    def __init__(self, press, epoch=8):
        self.press, self.epoch = press, epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            self.work()

    def work(self):
        _work(self.press)


def _work(press):
    press()


def _raise():
    raise KeyboardInterrupt


class _InterruptOwnFrame(_InterruptDeeper):
    """Ctrl-C in a line of the callback's own method."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            os.kill(os.getpid(), signal.SIGINT)


class _InterruptBatch(_InterruptDeeper):
    """Ctrl-C in the forward pass of the given epoch."""

    def on_train_begin(self, net, **kwargs):
        net.module_.register_forward_pre_hook(self.interrupt)

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs = len(net.history)

    def interrupt(self, module, args):
        if module.training and getattr(self, "n_epochs", 0) == self.epoch:
            self.n_epochs = 0
            _work(self.press)


@pytest.mark.parametrize(
    "callback",
    [
        _InterruptDeeper(_press_ctrl_c),
        _InterruptDeeper(_raise),
        _InterruptBatch(_press_ctrl_c),
        _InterruptOwnFrame(_press_ctrl_c),
    ],
    ids=["in a callback's helper", "raised by a helper", "in a step", "in a callback"],
)
def test_ctrl_c_keeps_the_best_state_and_warns(curved, callback):
    estimator = AutoencoderTransformer(2, max_iter=20, callbacks=[callback], random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"interrupted after 8 epochs; .*is kept"):
        estimator.fit(curved.train)
    assert estimator.n_iter_ == 8
    assert 0 < estimator.best_iter_ <= 8
    whole = AutoencoderTransformer(2, max_iter=20, random_state=0).fit(curved.train)
    assert estimator.validation_loss_curve_ == whole.validation_loss_curve_[:9]
    assert estimator.transform(curved.test).shape == (600, 2)
    assert estimator.sample(3, random_state=0).shape == (3, 6)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_ctrl_c_in_the_first_epoch_leaves_the_start(X, early_stopping):
    callback = _InterruptBatch(_press_ctrl_c, epoch=0)
    estimator = AutoencoderTransformer(
        2, callbacks=[callback], early_stopping=early_stopping, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="interrupted after 0 epochs"):
        estimator.fit(X)
    assert estimator.score(X) == pytest.approx(pca_score(X, X, 2), abs=1e-5)


def test_interrupted_estimator_can_be_trained_on(curved):
    callback = _InterruptDeeper(_raise)
    estimator = AutoencoderTransformer(
        2, max_iter=30, callbacks=[callback], warm_start=True, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        estimator.fit(curved.train)
    interrupted = estimator.score(curved.test)
    estimator.set_params(callbacks=None).fit(curved.train)
    assert estimator.score(curved.test) > interrupted


def test_ctrl_c_leaves_any_estimator_usable(quick_any, X, monkeypatch):
    """Whatever trains: Ctrl-C in a step warns, and what has been learned is kept."""
    estimator, steps, backward = quick_any(), [], torch.Tensor.backward

    def press(*args, **kwargs):
        steps.append(1)
        if len(steps) == 3:
            _press_ctrl_c()
        return backward(*args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "backward", press)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        estimator.fit(X)
    assert np.isfinite(estimator.score_samples(X)).all()
    n_steps = len(steps)
    quick_any().fit(X)
    assert len(steps) - n_steps > n_steps
