"""Random arrays, sparse matrices, lists, and what is no table at all."""

from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
import torch

from fuzzing.cells import pick
from fuzzing.kinds import MAY, MUST, NEVER


def numbers(rng, n, m):
    scale = 10.0 ** rng.integers(-2, 3)
    X = np.round(scale * rng.normal(size=(n, m)) + 5, pick(rng, [0, 1, 12]))
    if rng.random() < 0.2:
        X[:, rng.integers(m)] = 3.0
    return X


def with_holes(X, rng):
    X = X.astype(np.float64)
    X[rng.random(X.shape) < 0.2] = np.nan
    if rng.random() < 0.2:
        X[:, 0] = np.nan
    return X


def with_gaps(X, rng):
    wide = np.empty((2 * X.shape[0], 2 * X.shape[1]))
    wide[::2, ::2] = X
    return wide[::2, ::2]


def read_only(X, rng):
    X = X.copy()
    X.setflags(write=False)
    return X


def masked(X, rng):
    mask = rng.random(X.shape) < 0.2
    return np.ma.masked_array(np.where(mask, -9999.0, X), mask)


def objects(X, rng):
    cells = X.astype(object)
    for place in np.argwhere(rng.random(X.shape) < 0.2):
        cells[tuple(place)] = pick(rng, [None, np.nan, pd.NA])
    return cells


def sparse(make, X, rng):
    return make(np.where(rng.random(X.shape) < 0.5, 0.0, X))


def _named(X):
    return {f"c{i}": column for i, column in enumerate(X.T)}


TAKEN = {
    "float64": lambda X, rng: X,
    "float64 with holes": with_holes,
    "float32": lambda X, rng: X.astype(np.float32),
    "float32 with holes": lambda X, rng: with_holes(X, rng).astype(np.float32),
    "float16": lambda X, rng: X.astype(np.float16),
    "longdouble": lambda X, rng: X.astype(np.longdouble),
    "int8": lambda X, rng: np.clip(X, -100, 100).astype(np.int8),
    "int64": lambda X, rng: X.astype(np.int64),
    "uint64": lambda X, rng: np.abs(X).astype(np.uint64) + np.uint64(2**63),
    "bool": lambda X, rng: X > 5,
    "object": lambda X, rng: X.astype(object),
    "object with holes": objects,
    "big endian": lambda X, rng: X.astype(">f8"),
    "Fortran": lambda X, rng: np.asfortranarray(X),
    "read-only": read_only,
    "with gaps": with_gaps,
    "reversed": lambda X, rng: X[::-1, ::-1],
    "masked": masked,
    "lists": lambda X, rng: X.tolist(),
    "tuples": lambda X, rng: tuple(map(tuple, X.tolist())),
    "list of arrays": lambda X, rng: list(X),
    **{
        f"{name} {kind}": partial(sparse, getattr(sp, f"{name}_{kind}"))
        for name in ("csr", "csc", "coo", "lil", "dok", "bsr")
        for kind in ("array", "matrix")
    },
}
DOUBTFUL = {
    "object of text": lambda X, rng: X.astype(str).astype(object),
    "text": lambda X, rng: X.astype(str),
    "bytes": lambda X, rng: X.astype("S"),
    "times": lambda X, rng: X.astype(np.int64).astype("M8[s]"),
    "extremes": lambda X, rng: X * pick(rng, [1e300, 1e-310, 1e30]),
    "float32 extremes": lambda X, rng: np.clip(X * 1e37, -3e38, 3e38).astype(np.float32),
    "tensor": lambda X, rng: torch.from_numpy(X),
}
REFUSED = {
    "words": lambda X, rng: np.where(X > 5, "red", "blue"),
    "complex": lambda X, rng: X + 1j,
    "with inf": lambda X, rng: np.where(np.arange(X.shape[1]) == 0, np.inf, X),
    "no columns": lambda X, rng: X[:, :0],
    "matrix": lambda X, rng: np.asmatrix(X),
    "structured": lambda X, rng: np.zeros(len(X), dtype=[("a", "f8"), ("b", "i4")]),
    "flat": lambda X, rng: X[:, 0],
    "cube": lambda X, rng: X[:, :, None],
    "series": lambda X, rng: pd.Series(X[:, 0]),
    "polars series": lambda X, rng: pl.Series(X[:, 0]),
    "lazy frame": lambda X, rng: pl.LazyFrame(_named(X)),
    "dict": lambda X, rng: {name: c.tolist() for name, c in _named(X).items()},
    "generator": lambda X, rng: (row for row in X),
    "None": lambda X, rng: None,
    "path": lambda X, rng: "table.csv",
}
ARRAYS = {
    **{name: (make, MUST) for name, make in TAKEN.items()},
    **{name: (make, MAY) for name, make in DOUBTFUL.items()},
    **{name: (make, NEVER) for name, make in REFUSED.items()},
}


def draw_array(rng, n, m):
    """Return what an array is called, the array, what must be done, and its numbers."""
    name = pick(rng, list(ARRAYS))
    while ARRAYS[name][1] != MUST and rng.random() < 0.6:
        name = pick(rng, list(ARRAYS))
    make, verdict = ARRAYS[name]
    base = numbers(rng, n, m)
    if n and rng.random() < 0.05:
        base[:] = base[0]
    return name, make(base, rng), verdict if n > 1 else NEVER


def fresh_arrays(rng, name, m):
    """Return fresh rows: what they are called, the rows, and what must be done."""
    make, verdict = ARRAYS[name]
    other = pick(rng, [*TAKEN, *DOUBTFUL])
    frame = pd.DataFrame(numbers(rng, 2, m)).add_prefix("c")
    changes = [
        (f"as {other}", ARRAYS[other][0](numbers(rng, 2, m), rng), ARRAYS[other][1]),
        ("column more", numbers(rng, 2, m + 1), NEVER),
        ("as frame", frame, MUST),
    ]
    some = [changes[i] for i in rng.permutation(3)[:2]]
    return [("rows", make(numbers(rng, 3, m), rng), verdict), *some]
