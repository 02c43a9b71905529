"""Ctrl-C keeps a usable fit and warns."""

import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from arrays import pca_score
from registry import without_columns
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from skae import AutoencoderTransformer, VAETransformer


@pytest.fixture(autouse=True)
def ctrl_c_is_heard():
    """A shell starts jobs in the background deaf to Ctrl-C, and Python keeps to that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


def _ask_to_stop():
    """What skorch's own callbacks do."""
    raise KeyboardInterrupt


class _AtEpoch(Callback):
    """Calls a function at the end of the given epoch."""

    def __init__(self, act, epoch=8):
        self.act, self.epoch = act, epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            self.act()


class _Deeper(_AtEpoch):
    """The same in a function that a method of the callback calls."""

    def on_epoch_end(self, net, **kwargs):
        self.help(net)

    def help(self, net):
        super().on_epoch_end(net)


class _InForward(_AtEpoch):
    """The same in the forward pass of a step that follows the given epoch."""

    n_epochs = 0

    def on_train_begin(self, net, **kwargs):
        layers = (m for m in net.module_.modules() if isinstance(m, torch.nn.Linear))
        next(layers).register_forward_pre_hook(self.interrupt)

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs = len(net.history)

    def interrupt(self, module, args):
        if module.training and self.n_epochs == self.epoch:
            self.n_epochs = -1
            self.act()


WHERE = {"in a callback": _AtEpoch, "in its helper": _Deeper, "in a step": _InForward}


@pytest.mark.parametrize("where", WHERE)
def test_ctrl_c_keeps_the_best_state_and_warns(transformer, curved, where):
    callback = WHERE[where](_press_ctrl_c)
    settings = {"max_iter": 12, "random_state": 0}
    estimator = without_columns(transformer, 2, callbacks=[callback], **settings)
    with pytest.warns(ConvergenceWarning, match=r"interrupted after 8 epochs; .*is kept"):
        estimator.fit(curved.train)
    assert estimator.net_.stop_reason_ == "interrupted"
    assert estimator.n_iter_ == 8
    assert 0 < estimator.best_iter_ <= 8
    whole = without_columns(transformer, 2, refit=False, **settings).fit(curved.train)
    assert estimator.validation_loss_curve_ == whole.validation_loss_curve_[:9]
    assert estimator.transform(curved.test).shape == (600, 2)
    assert estimator.sample(3, random_state=0).shape == (3, 6)


def _interrupt(*args, **kwargs):
    _press_ctrl_c()


@pytest.mark.parametrize(
    "where",
    ["training", "skae.conditionals.starts.Gaussian.fit", "skae._conditionals.facts_of"],
)
def test_what_was_not_learned_when_ctrl_c_was_pressed_is_said(X, monkeypatch, where):
    """Rows are drawn by the decoder then; columns' networks are not begun, or left."""
    vae = VAETransformer(2, max_iter=3, random_state=0)
    if where == "training":
        vae.set_params(callbacks=[_AtEpoch(_press_ctrl_c, epoch=2)])
        learn = "skae.conditionals.model.Conditionals.fit"
        monkeypatch.setattr(learn, lambda *args: pytest.fail("goes on after Ctrl-C"))
    else:
        monkeypatch.setattr(where, _interrupt)
    with pytest.warns(ConvergenceWarning, match="interrupted before .*conditional dist"):
        vae.fit(X)
    assert vae.sampler_ == "codes"
    assert vae.sample(3, random_state=0).shape == (3, X.shape[1])
    assert np.isfinite(vae.score_samples(X)).all()
    holed = np.where(np.eye(*X.shape, dtype=bool), np.nan, X)
    assert np.isfinite(vae.impute(holed)).all()
    with pytest.raises(ValueError, match=r"given=.* and to its end"):
        vae.sample(3, given={0: 1.0})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("where", ["in a callback", "in its helper"])
def test_callback_that_raises_the_same_asks_to_stop(transformer, curved, where):
    """Whatever function of it raises KeyboardInterrupt; nobody has pressed Ctrl-C."""
    callback = WHERE[where](_ask_to_stop)
    estimator = without_columns(
        transformer, 2, max_iter=20, callbacks=[callback], random_state=0
    ).fit(curved.train)
    assert estimator.net_.stop_reason_ == "callback"
    assert estimator.n_iter_ == 8


@pytest.mark.filterwarnings("error")
def test_epochs_after_a_callback_that_asked_are_not_its_doing(X):
    """A later fit of the same net is told apart from the earlier one."""
    callback = _AtEpoch(_ask_to_stop, epoch=2)
    estimator = AutoencoderTransformer(
        2, max_iter=4, callbacks=[callback], warm_start=True, random_state=0
    ).fit(X)
    assert estimator.net_.stop_reason_ == "callback"
    estimator.set_params(callbacks=None).fit(X)
    assert estimator.net_.stop_reason_ == "epochs"


@pytest.mark.parametrize("where", ["in a callback", "in a step"])
def test_handler_of_ctrl_c_is_the_users_again(X, where):
    """His is called while fit runs, and stands after it, however it ended."""
    pressed = []

    def note(number, frame):
        pressed.append(number)

    signal.signal(signal.SIGINT, note)
    callback = WHERE[where](_press_ctrl_c, epoch=2)
    estimator = AutoencoderTransformer(2, max_iter=4, callbacks=[callback], random_state=0)
    estimator.fit(X)  # whose handler does not raise, and so goes on
    assert pressed == [signal.SIGINT]
    assert estimator.n_iter_ == 4
    assert signal.getsignal(signal.SIGINT) is note
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        estimator.fit(X)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class _Fails(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise RuntimeError("the callback failed")


def test_handler_of_ctrl_c_is_the_users_again_after_an_error(X):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(RuntimeError, match="the callback failed"):
        AutoencoderTransformer(2, callbacks=[_Fails()], random_state=0).fit(X)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_other_handlers_of_ctrl_c_stay(quick, X, handler):
    signal.signal(signal.SIGINT, handler)
    quick().fit(X)
    assert signal.getsignal(signal.SIGINT) is handler


def test_fit_in_another_thread(quick_any, X):
    """Only the main thread may set handlers; the fit is the same."""
    before = signal.getsignal(signal.SIGINT)
    with ThreadPoolExecutor(1) as pool:
        there = pool.submit(quick_any().fit, X).result()
    np.testing.assert_array_equal(
        there.score_samples(X), quick_any().fit(X).score_samples(X)
    )
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.filterwarnings("error")
def test_callback_stops_a_fit_in_another_thread(X):
    estimator = AutoencoderTransformer(
        2, callbacks=[_Deeper(_ask_to_stop, epoch=2)], random_state=0
    )
    with ThreadPoolExecutor(1) as pool:
        pool.submit(estimator.fit, X).result()
    assert estimator.net_.stop_reason_ == "callback"
    assert estimator.n_iter_ == 2


@pytest.mark.parametrize("early_stopping", [True, False])
def test_ctrl_c_before_the_first_epoch_warns(transformer, X, monkeypatch, early_stopping):
    """While the loss of the start is measured, which no callback sees."""
    monkeypatch.setattr(
        "skae.training.loop.EarlyStopping.begin", lambda self: _press_ctrl_c()
    )
    estimator = without_columns(
        transformer, 2, early_stopping=early_stopping, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="interrupted after 0 epochs"):
        estimator.fit(X)
    assert np.isfinite(estimator.score_samples(X)).all()


@pytest.mark.parametrize("early_stopping", [True, False])
def test_ctrl_c_in_the_first_epoch_leaves_the_start(X, early_stopping):
    callback = _InForward(_press_ctrl_c, epoch=0)
    estimator = AutoencoderTransformer(
        2, callbacks=[callback], early_stopping=early_stopping, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="interrupted after 0 epochs"):
        estimator.fit(X)
    assert estimator.score(X) == pytest.approx(pca_score(X, X, 2), abs=1e-5)


def test_interrupted_estimator_can_be_trained_on(curved):
    callback = _AtEpoch(_press_ctrl_c)
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
