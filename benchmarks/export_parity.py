"""Exported estimators against the estimators: every method, on tables of four kinds.

    python benchmarks/export_parity.py [--only NAME]

One line per estimator and table: the largest difference of torch module and ONNX graph from
the estimator over all methods, relative to the largest result, for the rows of the fit, rows
with other missing cells, and a single row; the file in kB, the time to export and to load it.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch

import skae.export

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from exported import (
    methods_of,
    mixed_rows,
    number_rows,
    scale_of,
    sequences,
    with_holes,
)
from registry import ESTIMATORS, FAMILY, make
from sklearn.datasets import load_digits

OUTPUTS = {
    "transform": "codes",
    "score_samples": "score",
    "decision_function": "decision",
    "predict": "label",
    "pvalues": "pvalue",
}


def tables():
    """Return rows to fit and others, by kind."""
    digits = load_digits().data
    return {
        "numbers": (number_rows(), with_holes(number_rows(40, seed=2))),
        "mixed with holes": (mixed_rows(), mixed_rows(40, seed=2, missing=0.3)),
        "8x8 images": (digits[:200], with_holes(digits[200:260])),
        "sequences": (sequences(), with_holes(sequences(40, seed=1))),
    }


def difference(found, wanted):
    found, wanted = (np.asarray(v, dtype=np.float64) for v in (found, wanted))
    return float(np.nanmax(np.abs(found - wanted), initial=0.0)) / scale_of(wanted)


def of_module(estimator, method, X):
    """Return how far the torch module's result is from the estimator's."""
    module = skae.export.module(estimator, method)
    found, wanted = module(*module.tensors(X)), getattr(estimator, method)(X)
    if method != "reconstruct" or module.is_array:
        return difference(found, wanted)
    numbers, indices = module.tensors(wanted)
    wrong = (
        ((found[1] != indices) & (indices >= 0)).double().mean() if indices.numel() else 0.0
    )
    return max(difference(found[0], numbers), float(wrong))


def of_graph(session, estimator, methods, X):
    """Return how far the graph's results are from the estimator's."""
    names = [output.name for output in session.get_outputs()]
    results = session.run(None, skae.export.feed(session, X))
    found = dict(zip(names, results, strict=True))
    worst = 0.0
    for method in methods:
        wanted = getattr(estimator, method)(X)
        if method != "reconstruct":
            worst = max(worst, difference(found[OUTPUTS[method]], wanted))
        elif "reconstruction" in found:
            worst = max(worst, difference(found["reconstruction"], wanted))
        else:
            worst = max(worst, of_columns(found, wanted))
    return worst


def of_columns(found, wanted):
    worst = 0.0
    for label in wanted:
        own, column = found[f"reconstruction_{label}"][:, 0], wanted[label]
        if own.dtype == object:
            worst = max(worst, float(np.mean(own != column.astype(object).to_numpy())))
            continue
        if column.dtype.kind in "mM" or hasattr(column.dtype, "tz"):
            column = column.astype("int64")
        worst = max(worst, difference(own, column.astype("float64")))
    return worst


def measure(name, table, fit, other):
    estimator = make(name).fit(fit)
    methods = methods_of(estimator)
    rows = fit, other, fit[:1]
    module = max(of_module(estimator, method, X) for method in methods for X in rows)
    start = time.perf_counter()
    content = skae.export.onnx(estimator, None, methods).SerializeToString()
    exported = time.perf_counter()
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    loaded = time.perf_counter()
    graph = max(of_graph(session, estimator, methods, X) for X in rows)
    print(
        f"{name:36} {table:18} {module:9.1e} {graph:9.1e} {len(content) / 1024:8.0f} kB "
        f"{exported - start:7.1f} s {1e3 * (loaded - exported):7.0f} ms",
        flush=True,
    )
    return module, graph


def suits(name, table):
    """Whether a member of the family is for rows of that shape, and for such numbers."""
    if name in ESTIMATORS:
        return True
    return table == "sequences"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="names that contain this")
    only = parser.parse_args().only
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(
        f"{'estimator':36} {'table':18} {'module':>9} {'ONNX':>9} {'file':>11} export load"
    )
    worst = [0.0, 0.0]
    for name in (*ESTIMATORS, *FAMILY):
        for table, (fit, other) in tables().items():
            if only not in name or not suits(name, table):
                continue
            if any(word in name for word in ("binary", "bernoulli")):
                fit, other = (1.0 / (1.0 + np.exp(-X)) for X in (fit, other))
            if any(word in name for word in ("poisson", "negative")):
                fit, other = (np.abs(X).round() for X in (fit, other))
            worst = [
                max(pair)
                for pair in zip(worst, measure(name, table, fit, other), strict=True)
            ]
    print(f"largest difference: module {worst[0]:.1e}, ONNX {worst[1]:.1e}")


if __name__ == "__main__":
    main()
