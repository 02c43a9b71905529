"""Fits and scores are the same in every process and thread, which are left as they were."""

import asyncio
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from registry import ESTIMATORS, make
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback
from threadpoolctl import threadpool_info, threadpool_limits
from torch import nn

from skae import AutoencoderTransformer
from skae._fits import Fits
from skae._processes import Setting, SharedSettings, one_blas_thread
from skae.training.devices import threads_for

N = 8
WAYS = "by_pool", "by_executor", "by_joblib", "beside_a_thread"


@pytest.fixture
def two_threads():
    """As a user's process has them; those of the tests have one."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with threadpool_limits(2):
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def told():
    """What `processes.py` says of each way of having children."""
    program = Path(__file__).with_name("processes.py")
    paths = [str(program.parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, program],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert not done.returncode, done.stdout + done.stderr
    lines = (line.split("\t") for line in done.stdout.splitlines())
    return {(what, name): same == "True" for what, name, same in lines}


FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("method", [pytest.param("fork", marks=FORKS), "spawn"])
def test_children_fit_and_score_as_their_parent(told, method, name):
    """Which has worked on two threads; a forked child has no second one."""
    assert told[f"{method} fit", name]
    assert told[f"{method} score", name]


@FORKS
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_forking(told, way):
    assert told[way, "VAETransformer"]


def test_parent_of_children_keeps_its_threads(told):
    assert told["threads of the parent", ""]


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("name", [*ESTIMATORS, "AE Recurrent", "AE Convolutional"])
def test_numbers_of_threads_give_equal_results(name, wide):
    """Those of scikit-learn as well, whose clusters some fits start at."""
    quick = {} if "Detector" in name else {"max_iter": 2}
    two = make(name, **quick).fit(wide)
    expected, exactly = two.score_samples(wide), {"rtol": 1e-9, "atol": 1e-12}
    drawn = two.sample(5, random_state=0) if hasattr(two, "sample") else None
    torch.set_num_threads(1)
    with threadpool_limits(1):
        one = make(name, **quick).fit(wide)
        assert one.loss_curve_ == two.loss_curve_
        # Scores are worked out in float64, on as many threads as there are.
        np.testing.assert_allclose(one.score_samples(wide), expected, **exactly)
        if drawn is not None:
            np.testing.assert_allclose(one.sample(5, random_state=0), drawn, **exactly)


@pytest.fixture(scope="module")
def wide():
    """600 rows of 16 columns: enough for scikit-learn to divide the work."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(600, 16)) @ rng.normal(size=(16, 16))
    X[:, 1] = X[:, 0] ** 2
    return X


def _in_threads(function, arguments):
    with ThreadPoolExecutor(N) as pool:
        return list(pool.map(function, arguments))


def _in_asyncio(function, arguments):
    async def gather():
        return await asyncio.gather(
            *(asyncio.to_thread(function, argument) for argument in arguments)
        )

    return asyncio.run(gather())


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("at_once", [_in_threads, _in_asyncio])
def test_all_estimators_at_once(at_once, X):
    """They fit and score side by side as one after the other."""

    def work(name):
        before = torch.get_num_threads()
        fitted = make(name).fit(X)
        return fitted, fitted.score_samples(X), (before, torch.get_num_threads())

    names = [*ESTIMATORS, "AE tied_weights"]
    state = torch.get_rng_state()
    expected = [work(name)[1] for name in names] if at_once is _in_threads else None
    found = at_once(work, names)
    for i, (fitted, scores, numbers) in enumerate(found):
        assert numbers == (2, 2)
        np.testing.assert_array_equal(scores, fitted.score_samples(X))
        if expected is not None:
            np.testing.assert_array_equal(scores, expected[i])
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == 2
    assert _in_threads(lambda _: torch.get_num_threads(), range(N)) == N * [2]


def test_one_estimator_scores_in_many_threads(quick_any, X):
    fitted = quick_any().fit(X)
    for rows in (X, X.astype(np.float32)):
        expected = fitted.score_samples(rows)
        for scores in _in_threads(
            lambda _, rows=rows: fitted.score_samples(rows), range(N)
        ):
            np.testing.assert_array_equal(scores, expected)


@pytest.fixture
def amid_a_fit(monkeypatch):
    """Return what a function returns in another thread, amid a fit of an estimator."""

    def amid(function, estimator, X):
        backward, looked, found = torch.Tensor.backward, [], []
        with monkeypatch.context() as patch, ThreadPoolExecutor(1) as pool:

            def look(*args, **kwargs):
                if not looked:
                    looked.append(True)
                    found.append(pool.submit(function).result(60))
                return backward(*args, **kwargs)

            patch.setattr(torch.Tensor, "backward", look)
            estimator.fit(X)
        return found[0]

    return amid


def test_estimator_is_used_while_another_thread_refits_it(quick_any, X, amid_a_fit):
    """It is the one of before, all of it: the new fit is of other columns."""
    estimator = quick_any().fit(X)
    expected = estimator.score_samples(X)
    found = amid_a_fit(lambda: estimator.score_samples(X), estimator, X[:, :3] * 9.0)
    np.testing.assert_array_equal(found, expected)
    assert np.isfinite(estimator.score_samples(X[:, :3])).all()


def test_first_fit_of_another_thread_is_no_fit_yet(quick_any, X, amid_a_fit):
    estimator = quick_any()

    def use():
        with pytest.raises(NotFittedError):
            estimator.score_samples(X)

    amid_a_fit(use, estimator, X)
    assert np.isfinite(estimator.score_samples(X)).all()


@FORKS
def test_child_that_is_forked_while_another_thread_refits(quick_any, X, amid_a_fit):
    """Its fit will never end: the child has the estimator of before, and can fit it."""
    estimator = quick_any().fit(X)
    expected = estimator.score_samples(X).tobytes()

    def use():
        same = estimator.score_samples(X).tobytes() == expected
        return same and estimator.fit(X).score_samples(X).tobytes() == expected

    def in_child():
        read, write = os.pipe()
        if not (child := os.fork()):
            signal.alarm(20)
            try:
                os.write(write, b"same" if use() else b"differs")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        os.close(write)
        with os.fdopen(read) as told:
            return told.read()

    assert amid_a_fit(in_child, estimator, X[:, :3] * 9.0) == "same"


@pytest.mark.parametrize("raises", [False, True])
def test_what_a_fit_overtakes_is_asked_again(raises):
    """A fit of another thread that begins, and ends, while a method runs."""
    estimator, fits, calls = SimpleNamespace(table="old", net="old"), Fits(), []

    def refit():
        with fits.turn(estimator):
            estimator.table = estimator.net = "new"

    def use(estimator):
        table = estimator.table
        if not calls:
            _in_threads(lambda _: refit(), range(1))
        calls.append(table)
        if raises and table != estimator.net:
            raise ValueError("a table of another net")
        return table, estimator.net

    assert fits.read(estimator, use) == ("new", "new")
    assert calls == ["old", "new"]


@pytest.mark.skipif(sys.platform != "linux", reason="tensors are not sent as open files")
def test_files_that_are_sent_to_a_process_are_open(quick_any, X):
    """As an argument of a `Process` an estimator is sent by torch's own reductions."""
    sent = []

    class Popen:
        DupFd = staticmethod(lambda fd: fd)
        duplicate_for_child = staticmethod(lambda fd: sent.append(fd) or fd)

    fitted = quick_any().fit(X)
    multiprocessing.context.set_spawning_popen(Popen)
    try:
        ForkingPickler(io.BytesIO()).dump(fitted)
    finally:
        multiprocessing.context.set_spawning_popen(None)
    for number in sent:
        os.fstat(number)


def test_fits_of_one_estimator_take_turns(X):
    """What the last leaves behind is of one piece."""
    tables, estimator = [X[:, :n] for n in (3, 4, 5)], AutoencoderTransformer(2, max_iter=2)
    _in_threads(estimator.fit, tables * 3)
    assert len(estimator.encoder_.block.linear.weight.T) == estimator.n_features_in_
    assert estimator.score_samples(X[:, : estimator.n_features_in_]).shape == (120,)


class _Draws(nn.Module):
    """Draws of every kind that a module of one's own may make."""

    def forward(self, x):
        return nn.functional.dropout(x, 0.2, self.training) + 0.1 * (
            torch.randn_like(x) if self.training else 0.0
        )


def _own(**params):
    layers = nn.Linear(5, 8), nn.Dropout(0.3), _Draws(), nn.Linear(8, 2)
    generator = torch.Generator().manual_seed(0)
    pair = nn.Sequential(*layers), nn.Sequential(nn.Linear(2, 5), nn.RReLU())
    for module in pair:
        for weight in module.parameters():
            nn.init.normal_(weight, std=0.3, generator=generator)
    settings = {"max_iter": 3, "learning_rate": "constant", "random_state": 0}
    return AutoencoderTransformer(2, network=pair, **settings, **params)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_own_modules_draw_alike_in_all_threads(X, early_stopping):
    """Which all share torch's generator; it is the user's again afterwards."""
    estimator = _own(early_stopping=early_stopping)
    state = torch.get_rng_state()
    expected = clone(estimator).fit(X).loss_curve_
    assert torch.equal(torch.get_rng_state(), state)
    curves = _in_threads(lambda _: clone(estimator).fit(X).loss_curve_, range(N))
    assert curves == N * [expected]
    assert torch.equal(torch.get_rng_state(), state)
    other = clone(estimator).set_params(random_state=1).fit(X).loss_curve_
    assert other != expected


class _Fails(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise RuntimeError("stumbled")


@pytest.mark.usefixtures("two_threads")
def test_fits_that_fail_in_threads_leave_the_process_as_it_was(X):
    def fail(estimator):
        with pytest.raises(RuntimeError, match="stumbled"):
            estimator.fit(X)
        return torch.get_num_threads(), torch.get_default_dtype()

    estimators = [_own(callbacks=[_Fails()]) for _ in range(N)]
    state = torch.get_rng_state()
    assert _in_threads(fail, estimators) == N * [(2, torch.float32)]
    assert torch.get_num_threads() == 2
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.usefixtures("two_threads")
def test_contexts_that_overlap_leave_the_users_number_of_threads():
    """A starts, B starts, A ends, B ends; and C, a thread that starts in between."""
    started, ended = threading.Event(), threading.Event()

    def first():
        with threads_for(1):
            started.set()
            ended.wait()
            assert torch.get_num_threads() == 1
        return torch.get_num_threads()

    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(1) as other:
        number = pool.submit(first)
        started.wait()
        with threads_for(1):
            assert other.submit(torch.get_num_threads).result() == 2
            ended.set()
            assert number.result() == 2
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        assert other.submit(torch.get_num_threads).result() == 2


def test_settings_that_overlap_are_the_users_again():
    value = ["user's"]
    shared = SharedSettings(
        [Setting(lambda: value[0], lambda new: value.__setitem__(0, new), ("ours",))]
    )
    first, second = shared(), shared()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert value == ["ours"]
    second.__exit__(None, None, None)
    assert value == ["user's"]


def test_linear_algebra_of_small_arrays_is_done_on_one_thread():
    def numbers():
        return {
            library["num_threads"]
            for library in threadpool_info()
            if library["user_api"] == "blas"
        }

    with threadpool_limits(2, user_api="blas"):
        with one_blas_thread(), one_blas_thread():
            assert numbers() == {1}
        assert numbers() == {2}
