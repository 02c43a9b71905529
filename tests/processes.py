"""A program in a process of its own: it fits and scores, and so do its children.

``python tests/processes.py`` prints a line per estimator and way of having children.
"""

import multiprocessing
import os
import signal
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pkgutil import resolve_name

import numpy as np
import torch
from joblib import Parallel, delayed
from registry import ESTIMATORS, SHORT_CONDITIONALS, make

SECONDS = 60
# More than torch does on one thread: a child that asks for two waits for ever.
ROWS = np.random.default_rng(0).normal(size=(400, 8)) @ np.eye(8, k=1) + np.arange(8.0)


# Small networks of columns, in children that are spawned as well; not in the process of the
# tests, which imports this file to look for examples.
if __name__ in ("__main__", "__mp_main__"):
    for setting, value in SHORT_CONDITIONALS.items():
        module, _, attribute = setting.rpartition(".")
        setattr(resolve_name(module), attribute, value)


def scores(name, fitted=None):
    """Return the scores of some rows by an estimator; it is fitted if none is given."""
    return (fitted or make(name).fit(ROWS)).score_samples(ROWS)


def by_fork(work):
    """Work in a bare fork, as a server of workers does."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(SECONDS)
        os.write(write, work().sum().tobytes())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    return os.read(read, 8)


def by_pool(work):
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply_async(work).get(SECONDS).sum().tobytes()


def by_executor(work):
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(work).result(SECONDS).sum().tobytes()


def by_joblib(work):
    parallel = Parallel(2, backend="multiprocessing", timeout=SECONDS)
    return next(iter(parallel(delayed(work)() for _ in range(2)))).sum().tobytes()


def beside_a_thread(work):
    """Fork while another thread scores, and holds what a thread holds."""
    going, stop = threading.Event(), threading.Event()

    def go_on():
        while not stop.is_set():
            work()
            going.set()

    thread = threading.Thread(target=go_on)
    thread.start()
    going.wait()
    try:
        return by_fork(work)
    finally:
        stop.set()
        thread.join()


def main():
    torch.set_num_threads(2)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as spawned:
        for name in ESTIMATORS:
            fitted = make(name).fit(ROWS)
            expected = scores(name, fitted).sum().tobytes()
            works = {"fit": partial(scores, name), "score": partial(scores, name, fitted)}
            for what, work in works.items():
                there = spawned.submit(work).result(SECONDS).sum().tobytes()
                told(f"spawn {what}", name, there == expected)
                if hasattr(os, "fork"):
                    told(f"fork {what}", name, by_fork(work) == expected)
            if name == "VAETransformer" and hasattr(os, "fork"):
                for way in (by_pool, by_executor, by_joblib, beside_a_thread):
                    told(way.__name__, name, way(works["score"]) == expected)
    told("threads of the parent", "", torch.get_num_threads() == 2)


def told(what, name, same):
    print(f"{what}\t{name}\t{same}", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
