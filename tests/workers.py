"""Workers in threads of this process, joined by torch's gloo as those of a cluster are."""

import copy
import os
import signal
import tempfile
import threading
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import torch.distributed as dist

from skae.distributed import Group, fit_in_worker


def fit_by(n_workers, estimator, X, checkpoints=None):
    """Return what each of some workers makes of an estimator; raise what one of them raises."""
    fitted, errors = [None] * n_workers, []

    def work(rank, path):
        try:
            store = dist.FileStore(path, n_workers)
            joined = dist.ProcessGroupGloo(store, rank, n_workers, timedelta(seconds=60))
            group = Group(joined, checkpoints)
            fitted[rank] = fit_in_worker(copy.deepcopy(estimator), X, group)
        except Exception as error:
            errors.append(error)

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "store")
        threads = [
            threading.Thread(target=work, args=(rank, path)) for rank in range(n_workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
    return fitted


def rows_of(n_rows, seed):
    """Return rows of two factors; numbers are missing now and then."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((n_rows, 2))
    loadings = np.random.default_rng(1).standard_normal((2, 4))
    table = pd.DataFrame(np.tanh(factors @ loadings), columns=list("abcd"))
    table["sign"] = np.where(factors[:, 0] > 0, "plus", "minus")
    table.loc[rng.random(n_rows) < 0.05, "b"] = np.nan
    return table


def die_once(path):
    """End this process as a machine that is gone would, if there is a file; it is deleted."""
    try:
        os.remove(path)
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


class Chunks:
    """Chunks of rows; a process that reads the second one dies once, see `die_once`."""

    def __init__(self, chunks, path):
        self.chunks, self.path = chunks, path

    def __iter__(self):
        for number, chunk in enumerate(self.chunks):
            if number:
                die_once(self.path)
            yield chunk


class SquaredError:
    """The squared error; a process in its 20th step dies once, see `die_once`."""

    def __init__(self, path):
        self.path, self.n_calls = path, 0

    def __call__(self, output, x):
        self.n_calls += 1
        if self.n_calls == 20:
            die_once(self.path)
        return (output - x).square()
