"""Files of fitted estimators: are they what was fitted, small, and safe to load?

Claims:
1. Over all estimators, methods and kinds of rows, what skops, pickle, joblib (memory-mapped
   as well), dill and cloudpickle give back answers bit by bit as the estimator that was
   stored, and no file holds classes but skae's own and what skops trusts.
2. Of 1,000 altered skops files none runs code, takes memory out of proportion, or ends in
   anything but a `ValueError` or `TypeError` that names the file, or in what was stored.

Measured besides, without a claim: what `keep_training_values=False` costs, in how well rows
are drawn (classifier two-sample test, lower is better; marginal similarity), cells filled
and anomalies found.

    python benchmarks/files.py [--mutations 1000] [--seed 0] [--only parity]

Exits with 1 if a claim fails.
"""

import argparse
import pickle
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import cloudpickle
import dill
import joblib
import numpy as np
import pandas as pd
import skops.io
import torch
from sklearn.datasets import load_diabetes
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from _rides import make_rides
from _tables import TextTable, heading, remark, verdict
from fuzzing.files import forged, mutate
from registry import FITTED, make

import skae
from skae import (
    AEAnomalyDetector,
    AutoencoderImputer,
    AutoencoderTransformer,
    Convolutional,
    Recurrent,
    VAETransformer,
)
from skae.metrics import marginal_similarity, two_sample_auc

METHODS = "transform", "reconstruct", "score_samples", "predict", "pvalues", "explain"
# Of images and sequences: what has a network for them.
WITH_NETWORKS = {
    "images": ((8, 8), lambda: Convolutional((8, 8), channels=(4, 8))),
    "sequences": (64, lambda: Recurrent(16, 4, hidden_size=8)),
}
# What loading must not do; Python tells of it.
FORBIDDEN = (
    *("os.system", "os.exec", "os.posix_spawn", "os.remove", "os.rename", "os.rmdir"),
    *("subprocess.Popen", "pickle.find_class", "shutil.rmtree", "socket.connect"),
    *("ctypes.dlopen", "webbrowser.open", "urllib.Request"),
)
# MiB that loading an altered file may take; some unpack to 90.
MOST_MEMORY = 64


# ------------------------------------------------------------------ 1: parity


def tables():
    rng = np.random.default_rng(0)
    numeric = rng.normal(size=(120, 4)) @ rng.normal(size=(4, 8))
    mixed = pd.DataFrame(numeric[:, :4], columns=list("abcd"))
    mixed["city"] = rng.choice(["Rome", "Oslo", "Lima"], 120)
    mixed["grade"] = pd.Categorical(
        rng.choice(["low", "mid", "top"], 120), ["low", "mid", "top"], ordered=True
    )
    mixed["day"] = pd.date_range("2024", periods=120, tz="Europe/Rome")
    mixed["rooms"] = pd.array(rng.integers(1, 6, 120), dtype="Int64")
    mixed = mixed.mask(rng.random(mixed.shape) < 0.1)
    images = rng.normal(size=(120, 3)) @ rng.normal(size=(3, 64))
    sequences = np.sin(np.linspace(0, 9, 64) + rng.uniform(0, 6, (120, 1)))
    return {"numeric": numeric, "mixed": mixed, "images": images, "sequences": sequences}


def answers(estimator, rows):
    found = {
        name: getattr(estimator, name)(rows) for name in METHODS if hasattr(estimator, name)
    }
    if hasattr(estimator, "sample"):
        found["sample"] = estimator.sample(30, random_state=0)
    return found


def difference(one, other):
    """Return the largest difference of two answers; NaN where they differ in kind."""
    one, other = (
        answer if hasattr(answer, "columns") else pd.DataFrame(answer)
        for answer in (one, other)
    )
    try:
        pd.testing.assert_frame_equal(one, other, check_exact=True)
        return 0.0
    except AssertionError:
        numbers = (frame.select_dtypes("number") for frame in (one, other))
        return float(np.nanmax(np.abs(np.subtract(*numbers)), initial=1e-300))


def ways(folder):
    """Return how to store and load: name -> function of an estimator to (bytes, loader)."""

    def by_joblib(mode):
        def store(estimator):
            path = folder / "model.joblib"
            joblib.dump(estimator, path)
            return path.stat().st_size, lambda: joblib.load(path, mmap_mode=mode)

        return store

    def by_bytes(module, **settings):
        def store(estimator):
            data = module.dumps(estimator)
            return len(data), lambda: module.loads(data, **settings)

        return store

    return {
        "skops": by_bytes(skops.io, trusted=skae.trusted_types()),
        "pickle": by_bytes(pickle),
        "joblib": by_joblib(None),
        "joblib, mmap": by_joblib("r"),
        "dill": by_bytes(dill),
        "cloudpickle": by_bytes(cloudpickle),
    }


def cases():
    """Yield the kind of rows, the name of an estimator, and a maker of it."""
    for kind in ("numeric", "mixed"):
        for name in FITTED:
            yield kind, name, lambda name=name: make(name)
    for kind, (_, network) in WITH_NETWORKS.items():
        for cls in (AutoencoderTransformer, VAETransformer):
            settings = {"max_iter": 4, "random_state": 0}
            yield (
                kind,
                cls.__name__,
                lambda c=cls, n=network, s=settings: c(3, network=n(), **s),
            )


def parity():
    heading("1. Files give back what was stored")
    table = TextTable(
        {
            "estimator": "<34s",
            "rows": "<10s",
            "largest difference": ">10.2g",
            "skops kB": ">8.0f",
            "pickle kB": ">8.0f",
            "load ms": ">8.0f",
        }
    )
    rows, worst, foreign = tables(), 0.0, set()
    with tempfile.TemporaryDirectory() as folder:
        for kind, name, maker in cases():
            estimator = maker().fit(rows[kind])
            expected = answers(estimator, rows[kind])
            largest, sizes, times = 0.0, {}, {}
            for way, store in ways(Path(folder)).items():
                sizes[way], load = store(estimator)
                times[way] = min(_time(load) for _ in range(3))
                found = answers(load(), rows[kind])
                largest = max(
                    [largest, *(difference(expected[key], found[key]) for key in expected)]
                )
            worst = max(worst, largest)
            types = skops.io.get_untrusted_types(data=skops.io.dumps(estimator))
            foreign |= set(types) - set(skae.trusted_types())
            sizes = [sizes[way] / 1000 for way in ("skops", "pickle")]
            table.row(name, kind, largest, *sizes, 1000 * times["skops"])
    held = [worst == 0.0, not foreign]
    verdict("Largest difference of any answer", f"{worst:g}", "0", held[0])
    verdict("Classes that are not skae's", ", ".join(foreign) or "none", "none", held[1])
    return held


def _time(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


# ------------------------------------------------------------------ 2: altered files


def originals():
    rows = tables()
    return [
        (make(name).fit(rows[kind]), rows[kind])
        for name, kind in (
            ("AEAnomalyDetector", "mixed"),
            ("AutoencoderTransformer", "numeric"),
            ("VAETransformer", "mixed"),
            ("GANSampler", "numeric"),
        )
    ]


def ending(path, expected, rows):
    """Load a file; return how that ends."""
    try:
        loaded = skae.load(path)
    except (ValueError, TypeError) as error:
        fine = "cannot be read" in str(error) or "trusted=[...]" in str(error)
        return "refused" if fine else f"WRONG {type(error).__name__}: {error}"
    except BaseException as error:
        return f"WRONG {type(error).__name__}: {error}"
    if type(loaded).__module__.partition(".")[0] != "skae":
        return "another class that skops trusts"
    found = loaded.score_samples(rows)
    return "as stored" if np.array_equal(found, expected) else "WRONG other scores"


def alterations(n, seed):
    heading(f"2. {n} altered files")
    forbidden, endings = [], defaultdict(Counter)

    def hook(event, arguments):
        if watching and event.startswith(FORBIDDEN):
            forbidden.append((event, str(arguments)[:80]))

    watching = False
    sys.addaudithook(hook)
    files = [
        (estimator, skops.io.dumps(estimator), estimator.score_samples(rows), rows)
        for estimator, rows in originals()
    ]
    grown = 0.0
    tracemalloc.start()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "altered.skops"
        for number in range(seed, seed + n):
            _, data, expected, rows = files[number % len(files)]
            altered, name = mutate(data, number)
            path.write_bytes(altered)
            del altered
            tracemalloc.reset_peak()
            start, _ = tracemalloc.get_traced_memory()
            watching = True
            endings[name][ending(path, expected, rows)] += 1
            watching = False
            grown = max(grown, (tracemalloc.get_traced_memory()[1] - start) / 2**20)
        for number in range(seed, seed + n // 5):
            estimator, *_ = files[number % len(files)]
            path.write_bytes(forged(estimator, number))
            watching = True
            endings["forged, load alone"][ending_of_forged(path)] += 1
            watching = False
    table = TextTable({"mutation": "<22s", "endings": "<60s"})
    for name, counts in endings.items():
        table.row(name, ", ".join(f"{count} {how}" for how, count in counts.most_common()))
    wrong = sum(
        count
        for counts in endings.values()
        for how, count in counts.items()
        if how.startswith("WRONG")
    )
    held = [not wrong, not forbidden, grown < MOST_MEMORY]
    verdict("Files that ended in something else", wrong, "0", held[0])
    verdict("What ran that must not", forbidden[:5] or "nothing", "nothing", held[1])
    verdict("Most memory of a load in MiB", f"{grown:.0f}", f"< {MOST_MEMORY}", held[2])
    return held


def ending_of_forged(path):
    """Load a file whose digest vouches for what was changed: it may load."""
    try:
        skae.load(path)
    except (ValueError, TypeError) as error:
        fine = "cannot be read" in str(error) or "trusted=[...]" in str(error)
        return "refused" if fine else f"WRONG {type(error).__name__}: {error}"
    except BaseException as error:
        return f"WRONG {type(error).__name__}: {error}"
    return "loaded"


# ------------------------------------------------------------------ 3: cost of anonymity

FEW = 800


def cost():
    heading("3. What keep_training_values=False costs")
    table = TextTable(
        {
            "table": "<14s",
            "values": "<9s",
            "C2ST AUC": ">8.3f",
            "marginals": ">8.3f",
            "RMSE of cells": ">8.3f",
            "AUROC": ">8.3f",
        }
    )
    differences = defaultdict(list)
    for name, rows in {
        "diabetes": _diabetes(),
        "rides": make_rides(2 * FEW, seed=1),
    }.items():
        order = np.random.default_rng(0).permutation(len(rows))
        train, test = (
            rows.iloc[part] for part in (order[: len(rows) // 2], order[len(rows) // 2 :])
        )
        figures = {}
        for kept in (True, False):
            per_seed = [_figures(train, test, kept, seed) for seed in range(3)]
            figures[kept] = np.mean(per_seed, axis=0)
            table.row(name, "kept" if kept else "not kept", *figures[kept])
        for what, change in zip(FIGURES, figures[False] - figures[True], strict=True):
            differences[what].append(change)
    for what, changes in differences.items():
        remark(f"{what} changes by {np.mean(changes):+.3f} on average.")


FIGURES = "C2ST AUC", "marginals", "RMSE of cells", "AUROC"


def _diabetes():
    return load_diabetes(as_frame=True, scaled=False).frame


def _figures(train, test, kept, seed):
    """Return how well rows are drawn, cells filled, and anomalies found."""
    settings = {"random_state": seed, "keep_training_values": kept}
    drawn = VAETransformer(**settings).fit(train).sample(len(test), random_state=seed)
    numbers = train.select_dtypes("number").columns
    rng = np.random.default_rng(seed)
    hidden = rng.random((len(test), len(numbers))) < 0.2
    holed = test.copy()
    holed[numbers] = test[numbers].astype(float).mask(hidden)
    filled = AutoencoderImputer(**settings).fit(train).transform(holed)
    errors = (filled[numbers] - test[numbers]) / train[numbers].std()
    shuffled = test.apply(lambda column: rng.permutation(column.to_numpy()))
    detector = AEAnomalyDetector(**settings).fit(train)
    scores = [
        -detector.score_samples(part) for part in (test, shuffled.astype(test.dtypes))
    ]
    labels = np.repeat([0, 1], len(test))
    return (
        two_sample_auc(test, drawn, random_state=0),
        float(marginal_similarity(test, drawn).mean()),
        float(np.sqrt(np.square(errors.to_numpy()[hidden]).mean())),
        roc_auc_score(labels, np.concatenate(scores)),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["parity", "alterations", "cost"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    warnings.simplefilter("ignore")
    held, only = [], arguments.only
    if only in (None, "parity"):
        held += parity()
    if only in (None, "alterations"):
        held += alterations(arguments.mutations, arguments.seed)
    if only in (None, "cost"):
        cost()
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
