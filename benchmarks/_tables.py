"""Tables to measure on, and the plain text that the figures go into."""

import argparse
import io
import os
import re
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from importlib.metadata import distributions, version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing
from threadpoolctl import threadpool_limits

# The column of a frame that says which rows are anomalies.
LABEL = "anomaly"
PACKAGES = ("skae", "torch", "scikit-learn", "skorch", "pyod", "numpy")

# ------------------------------------------------------------------------- data


def _load_npz(path):
    with np.load(path) as arrays:
        return arrays["X"], arrays["y"]


def _load_frame(path):
    frame = pd.read_parquet(path)
    return frame.drop(columns=LABEL), frame[LABEL].to_numpy()


def _load_sklearn(load):
    bunch = load()
    return bunch.data, bunch.target


def folder_loaders(folder):
    """Return name -> function that loads (X, y), for the .npz files of a folder."""
    paths = sorted(Path(folder).glob("*.npz"))
    if not paths:
        raise SystemExit(f"--data: {folder} holds no .npz files.")
    return {_table_name(path): partial(_load_npz, path) for path in paths}


def _table_name(path):
    # ADBench numbers its files; the number says nothing here.
    return re.sub(r"^\d+_", "", path.stem)


@dataclass(frozen=True)
class Problem:
    """A table with known anomalies, an array or a frame, of one of several folders."""

    collection: str
    name: str
    load: Callable

    def draw(self, max_rows, seed):
        """Return at most `max_rows` rows, and which of them are anomalies (0 or 1)."""
        X, y = self.load()
        return subsample(X, (y != 0).astype(int), max_rows, seed, stratify=True)


def source(name):
    """Return what problems made of the same table have in common: the table's name."""
    return re.match(r"[A-Za-z]+", name).group().lower()


def load_problems(folders, only=None, part=(1, 1)):
    """Return the problems of all folders: .npz tables, and .parquet frames.

    `only` names tables; `part` (i, n) is the i-th of n parts, counted from 1.
    """
    problems = {}
    for folder in map(Path, folders):
        loaders = {".npz": _load_npz, ".parquet": _load_frame}
        paths = sorted(path for path in folder.glob("*") if path.suffix in loaders)
        if not paths:
            raise SystemExit(f"--data: {folder} holds no .npz or .parquet files.")
        for path in paths:
            load, name = partial(loaders[path.suffix], path), _table_name(path)
            problems[f"{folder.name}/{name}"] = Problem(folder.name, name, load)
    names = {problem.name for problem in problems.values()}
    unknown = set(only or ()) - names
    if unknown:
        raise SystemExit(f"--only: no {sorted(unknown)}; there are {sorted(names)}.")
    chosen = [p for p in problems.values() if not only or p.name in only]
    number, n_parts = part
    return chosen[number - 1 :: n_parts]


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
    return _safe_indexing(X, rows), y[rows]


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


def standard_error(differences, held_out):
    """Return the standard errors of means over splits, whose training rows overlap.

    Parameters
    ----------
    differences : ndarray of shape (..., n_splits)
        Paired, of two contenders; two splits at least.
    held_out : float
        Fraction of the rows that a split holds out.

    References
    ----------
    Nadeau & Bengio, Inference for the Generalization Error, 2003, section 5.
    """
    variances = differences.var(axis=-1, ddof=1)
    return np.sqrt(variances * (1 / differences.shape[-1] + held_out / (1 - held_out)))


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


def arguments(description, *, max_rows, seeds):
    """Return a parser of what all scripts over many tables are told."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--max-rows", type=int, default=max_rows, help="rows a table at most"
    )
    parser.add_argument("--seeds", type=int, default=seeds, help="splits and fits a table")
    parser.add_argument("--only", nargs="+", metavar="TABLE")
    add_threads_argument(parser)
    return parser


def table_arguments(description, *, max_rows, seeds=1):
    """Return a parser of what scripts over many tables of numbers are told."""
    parser = arguments(description, max_rows=max_rows, seeds=seeds)
    parser.add_argument("--data", metavar="FOLDER", help="of .npz tables")
    parser.add_argument("--json", metavar="FILE", help="append the figures, a line a table")
    return parser


def frame_arguments(description, *, max_rows=2000, seeds=3):
    """Return a parser of what scripts over tables of numbers and mixed ones are told."""
    parser = arguments(description, max_rows=max_rows, seeds=seeds)
    parser.add_argument("--data", required=True, help="folder of .npz files with X and y")
    parser.add_argument("--mixed", help="folder of penguins, auto_imports and adult")
    parser.add_argument("--tables", help="folder of .csv files, the target last")
    return parser


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
    there = [name for name in PACKAGES if list(distributions(name=name))]
    packages = ", ".join(f"{name} {version(name)}" for name in there)
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


def processor_timed(function, *args, **kwargs):
    """Return what `function` returns, and the seconds that processors worked on it.

    Of all threads together: on a machine with other work, waiting is not counted.
    """
    start = time.process_time()
    result = function(*args, **kwargs)
    return result, time.process_time() - start
