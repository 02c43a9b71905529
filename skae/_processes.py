"""What the threads of a process share, and what a forked child inherits of it."""

import os
import threading
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from threadpoolctl import ThreadpoolController


def call_in_child(function):
    """Call `function` in every process that is forked from this one, first of all."""
    if hasattr(os, "register_at_fork"):  # Windows does not fork
        os.register_at_fork(after_in_child=function)


class Lock:
    """A re-entrant lock; a forked child finds it open, whoever held it in the parent."""

    def __init__(self):
        self._renew()
        call_in_child(self._renew)

    def _renew(self):
        self._lock = threading.RLock()

    @contextmanager
    def held(self):
        with self._lock:  # also in a child that is forked within
            yield


class Setting(NamedTuple):
    """A setting of the process, and what it has to be for a while.

    Attributes
    ----------
    read : callable () -> value
    write : callable (value) -> None
    wanted : tuple
        Values that will do; the first is written in place of others.
    """

    read: Callable[[], Any]
    write: Callable[[Any], None]
    wanted: tuple


class SharedSettings:
    """Settings of the process as they are wanted, while any thread is in the context.

    The first thread that enters changes them and the last that leaves puts them back: had
    each of two threads its own "before", one would take the other's change for the user's.
    """

    def __init__(self, settings):
        self._settings, self._lock = settings, Lock()
        self._n_inside, self._before = 0, []
        self._here = threading.local()
        call_in_child(self._forget_others)

    @contextmanager
    def __call__(self):
        self._enter(1)
        try:
            yield
        finally:
            self._enter(-1)

    def _enter(self, step):
        with self._lock.held():
            if step > 0 and not self._n_inside:
                self._change()
            self._n_inside += step
            self._here.depth = getattr(self._here, "depth", 0) + step
            if not self._n_inside:
                self._put_back()

    def _change(self):
        for setting in self._settings:
            value = setting.read()
            if value not in setting.wanted:
                setting.write(setting.wanted[0])
                self._before.append((setting.write, value))

    def _put_back(self):
        while self._before:
            write, value = self._before.pop()
            write(value)

    def _forget_others(self):
        """In a forked child only the thread that forked goes on."""
        self._n_inside = getattr(self._here, "depth", 0)
        if not self._n_inside:
            self._put_back()


_filters = Lock()


@contextmanager
def without_warnings(category):
    """Ignore warnings of a category; for short work of other libraries.

    The filters belong to all threads. One at a time changes them, so that none puts back
    what another has changed.
    """
    with _filters.held(), warnings.catch_warnings():
        warnings.simplefilter("ignore", category)
        yield


def one_openmp_thread():
    """Work on one thread in what scikit-learn does by OpenMP: k-means and neighbours.

    Its sums, and so a fit that starts at clusters, would depend on the number of threads,
    and a forked child would wait for threads that it does not have. Of the calling thread
    only; others keep their number.
    """
    return _libraries().limit(limits=1, user_api="openmp")


def one_blas_thread():
    """Work on one thread in the linear algebra of numpy and scipy, for short work on small arrays.

    Where other processes keep the cores busy its threads wait for each other: factors of
    twenty were seen. The number is that of the process, which has its own again once no
    thread is in the context.
    """
    return _blas_threads()()


@cache
def _blas_threads():
    return SharedSettings(
        [
            Setting(library.get_num_threads, library.set_num_threads, (1,))
            for library in _libraries().lib_controllers
            if library.user_api == "blas"
        ]
    )


@cache
def _libraries():
    """Return what controls the libraries that are loaded; to find them takes a while."""
    return ThreadpoolController()
