"""The fits of an estimator, and those who use it while another thread fits it."""

import threading
from contextlib import contextmanager
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from skae._processes import Lock, call_in_child


class _Fit(NamedTuple):
    thread: int
    estimator: Any
    before: dict


class Fits:
    """What goes on with one estimator: it lives as long as somebody is inside."""

    def __init__(self):
        self._lock, self._fit, self._count = threading.RLock(), None, 0

    @contextmanager
    def turn(self, estimator):
        """Let one thread at a time fit; leave the attributes as they were if that fails.

        What trains on makes new objects; it does not change those that there are.
        """
        with self._lock:
            before, outer = dict(vars(estimator)), self._fit
            if outer is None:
                self._count += 1
                self._fit = _Fit(threading.get_ident(), estimator, before)
            try:
                yield
            except BaseException:
                _put_back(estimator, before)
                raise
            finally:
                self._fit = outer

    def read(self, estimator, function, *args):
        """Return what a function says of the estimator, which is of one piece.

        While another thread fits it that is the estimator of before. Where a fit began
        after the function did, half of what it read may be new: it is asked again.
        """
        while True:
            count, fit = self._count, self._fit
            if fit is not None and fit.thread != threading.get_ident():
                return function(_as_before(fit), *args)
            try:
                result = function(estimator, *args)
            except Exception:
                if count == self._count or fit is not None:
                    raise
                continue
            if count == self._count or fit is not None:
                return result

    def forget_others(self):
        """In a forked child the fits of other threads have failed."""
        if self._fit is not None and self._fit.thread != threading.get_ident():
            _put_back(self._fit.estimator, self._fit.before)
            self._fit, self._lock = None, threading.RLock()


def _put_back(estimator, before):
    for name in set(vars(estimator)) - set(before):
        delattr(estimator, name)
    vars(estimator).update(before)


def _as_before(fit):
    estimator = object.__new__(type(fit.estimator))
    vars(estimator).update(fit.before)
    return estimator


# By their identity: a subclass that is a dataclass has no hash.
_known: WeakValueDictionary = WeakValueDictionary()
_guard = Lock()


def fits_of(estimator):
    """Return the `Fits` of an estimator."""
    with _guard.held():
        return _known.setdefault(id(estimator), Fits())


def _forget_others():
    for fits in list(_known.values()):
        fits.forget_others()


call_in_child(_forget_others)
