"""Tables to measure on, and the plain text that the figures go into."""

import io
import os
import re
import time
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from sklearn import datasets
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

PACKAGES = ("skae", "torch", "scikit-learn", "skorch", "pyod", "numpy")

# ------------------------------------------------------------------------- data


def _load_npz(path):
    with np.load(path) as arrays:
        return arrays["X"], arrays["y"]


def _load_sklearn(load):
    bunch = load()
    return bunch.data, bunch.target


def folder_loaders(folder):
    """Return name -> function that loads (X, y), for the .npz files of a folder."""
    paths = sorted(Path(folder).glob("*.npz"))
    if not paths:
        raise SystemExit(f"--data: {folder} holds no .npz files.")
    # ADBench numbers its files; the number says nothing here.
    return {re.sub(r"^\d+_", "", path.stem): partial(_load_npz, path) for path in paths}


def sklearn_loaders():
    """Return name -> function that loads (X, y), for tables that ship with scikit-learn."""
    names = ("iris", "wine", "breast_cancer", "diabetes", "digits", "linnerud")
    return {
        name: partial(_load_sklearn, getattr(datasets, f"load_{name}")) for name in names
    }


def choose(loaders, only):
    """Return the loaders of the tables that `only` names; all where it is None."""
    unknown = set(only or ()) - set(loaders)
    if unknown:
        raise SystemExit(f"--only: no {sorted(unknown)}; there are {sorted(loaders)}.")
    return {name: load for name, load in loaders.items() if not only or name in only}


def load_each(loaders):
    """Yield (name, X, y), one table in memory at a time."""
    for name, load in loaders.items():
        yield name, *load()


def subsample(X, y, max_rows, seed, stratify=False):
    """Return at most `max_rows` rows, drawn at random (label by label if asked)."""
    if max_rows is None or len(X) <= max_rows:
        return X, y
    rows, _ = train_test_split(
        np.arange(len(X)),
        train_size=max_rows,
        random_state=seed,
        stratify=y if stratify else None,
    )
    return X[rows], y[rows]


# ---------------------------------------------------------------------- figures


class TextTable:
    """Aligned rows, printed as they come, so that a long run can be watched.

    Parameters
    ----------
    formats : dict of str to str
        Column title -> format specification that holds a width, such as ">8.3f".
    """

    def __init__(self, formats):
        self._formats = list(formats.values())
        self._widths = [
            max(len(title), int(re.search(r"\d+", spec).group()))
            for title, spec in formats.items()
        ]
        self._print(list(formats))

    def row(self, *cells):
        self._print(
            [
                "-" if cell is None else format(cell, spec)
                for cell, spec in zip(cells, self._formats, strict=True)
            ]
        )

    def _print(self, texts):
        aligned = [
            text.strip().ljust(width) if "<" in spec else text.strip().rjust(width)
            for text, width, spec in zip(texts, self._widths, self._formats, strict=True)
        ]
        print("  ".join(aligned).rstrip(), flush=True)


def heading(text):
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def verdict(claim, figure, target, met):
    """Print a claim, what was measured, what was wanted, and whether that is met."""
    print(
        f"{'met' if met else 'NOT MET':<8} {claim}: {figure} (target {target})", flush=True
    )


def remark(text):
    """Print a figure that has no target, in line with the verdicts."""
    print(f"{'':<8} {text}", flush=True)


def add_threads_argument(parser):
    parser.add_argument(
        "--threads",
        type=int,
        help="threads for everyone, torch and BLAS (default: as they come); 1 is fairer "
        "on a machine with other work, where waiting threads cost more than they do",
    )


def describe_machine(n_threads):
    """Set the number of threads, and print what the figures depend on besides the code."""
    if n_threads is not None:
        torch.set_num_threads(n_threads)
        threadpool_limits(n_threads)
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    print(
        f"{packages}; {os.cpu_count()} cores, {torch.get_num_threads()} torch threads",
        flush=True,
    )


# ------------------------------------------------------------------ measurements


@contextmanager
def quiet():
    """Silence what a peer prints and warns of, here only."""
    with (
        warnings.catch_warnings(),
        redirect_stdout(io.StringIO()),
        redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def timed(function, *args, **kwargs):
    """Return what `function` returns, and the seconds that it took."""
    start = time.perf_counter()
    result = function(*args, **kwargs)
    return result, time.perf_counter() - start
