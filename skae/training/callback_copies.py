"""Copies of skorch's callbacks: for another fit, and for another process."""

import copy
import io
from functools import partial

from sklearn.base import clone
from skorch.callbacks import (
    Checkpoint,
    LoadInitState,
    MlflowLogger,
    NeptuneLogger,
    SacredLogger,
    TensorBoard,
    TrainEndCheckpoint,
    WandbLogger,
)

from skae._warnings import warn
from skae.training.skorch_callbacks import listed

try:
    import cloudpickle
except ImportError:  # joblib before 1.6 brings its own
    from joblib.externals import cloudpickle

# They hold what is open: a file, a connection. A copy of one would write elsewhere.
LOGGERS = MlflowLogger, NeptuneLogger, SacredLogger, TensorBoard, WandbLogger
# What a SummaryWriter of torch is made from, by the names of its attributes.
OF_A_WRITER = "log_dir", "purge_step", "max_queue", "flush_secs", "filename_suffix"


def clone_callbacks(callbacks):
    """Return copies for another fit, as `sklearn.base.clone` makes them of parameters.

    What cannot be cloned, because its constructor does not take all of its attributes, is
    copied; loggers go on with what they write to.
    """
    if not isinstance(callbacks, list):
        return callbacks
    clones = [_with(item, _clone) for item in callbacks]
    pairs = dict(zip(map(id, listed(callbacks)), listed(clones), strict=True))
    for callback, copied in zip(listed(callbacks), listed(clones), strict=True):
        checkpoint = getattr(callback, "checkpoint", None)
        if isinstance(callback, LoadInitState) and id(checkpoint) in pairs:
            copied.checkpoint = pairs[id(checkpoint)]
    return clones


def _with(item, function):
    """Return the item, a callback or a tuple of its name and itself, with another one."""
    if isinstance(item, tuple | list):
        return item[0], function(item[1])
    return function(item)


def _clone(callback):
    if not isinstance(callback, LOGGERS):
        for make_copy in (partial(clone, safe=False), copy.deepcopy):
            try:
                return make_copy(callback)
            except Exception:  # whatever a constructor or a `__deepcopy__` raises
                continue
    return copy.copy(callback)


def with_own_files(callbacks, prefix):
    """Return the callbacks, of which checkpoints write to files of their own."""
    if not isinstance(callbacks, list):
        return callbacks
    return [_with(item, partial(_prefixed, prefix=prefix)) for item in callbacks]


def _prefixed(callback, prefix):
    callback = callback() if callback in (Checkpoint, TrainEndCheckpoint) else callback
    if isinstance(callback, Checkpoint | TrainEndCheckpoint):
        callback.fn_prefix += prefix
    return callback


class ReopenedWriter:
    """A SummaryWriter of a folder, opened when it is first asked for something.

    Parameters
    ----------
    cls : type
    settings : dict
        Its parameters.
    """

    def __init__(self, cls, settings):
        self._cls, self._settings, self._writer = cls, settings, None

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        if self._writer is None:
            self._writer = self._cls(**self._settings)
        return getattr(self._writer, name)

    def close(self):
        if self._writer is not None:
            self._writer.close()

    def __reduce__(self):
        return type(self), (self._cls, self._settings)


def keep_portable(callbacks, tell=False):
    """Return the callbacks as they can be pickled; leave out those that cannot.

    What hangs on this process, such as an open file, cannot go on in another one. A
    SummaryWriter can: it opens another file of the same folder. `tell`: warn of the others.
    """
    if not isinstance(callbacks, list):
        return callbacks
    portable, lost = [], []
    for item in callbacks:
        item = _with(item, _reopening)
        (portable if _can_be_pickled(item) else lost).append(item)
    if lost and tell:
        warn(
            f"callbacks that cannot be pickled are left out of the copy: "
            f"{', '.join(map(repr, lost))}. To have them in other processes, as with "
            "n_jobs=2, give callbacks that open what they write to in `initialize`."
        )
    return portable


def _reopening(callback):
    writer = getattr(callback, "writer", None)
    if not isinstance(callback, TensorBoard) or not all(
        hasattr(writer, name) for name in OF_A_WRITER
    ):
        return callback
    callback = copy.copy(callback)
    settings = {name: getattr(writer, name) for name in OF_A_WRITER}
    callback.writer = ReopenedWriter(type(writer), settings)
    return callback


def _can_be_pickled(item):
    try:
        # As workers are sent it: functions and classes of a script go along.
        cloudpickle.dump(item, io.BytesIO())
    except Exception:  # whatever a `__reduce__` raises
        return False
    return True
