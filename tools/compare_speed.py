"""Time fits and scores of two checkouts by turns, and their peak memory.

    python tools/compare_speed.py BEFORE AFTER [--rounds 3] [--only engine vae]

Every run is a process of its own with one thread; the fastest of its repetitions counts, and
of the runs the median. Machines are noisy: ratios within a few per cent of 1 say nothing.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
import warnings


def _mixed(n_rows):
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n_rows, 8)), columns=[*"abcdefgh"])
    for name in "ijkl":
        frame[name] = np.array([*"uvwxyz"])[rng.integers(0, 6, n_rows)]
    frame["m"] = rng.random(n_rows) < 0.3
    frame.loc[::9, "a"] = np.nan
    return frame


def _numeric(n_rows, n_columns):
    import numpy as np

    return np.random.default_rng(0).normal(size=(n_rows, n_columns)).astype(np.float32)


def _fit(name, X, *args, **params):
    import skae

    estimator = getattr(skae, name)(*args, random_state=0, **params)
    return lambda: estimator.fit(X)


def _use(name, X, method, n_rows, n_calls=1):
    import skae

    estimator = getattr(skae, name)(max_iter=2, random_state=0).fit(X)
    part = X[:n_rows]

    def call():
        for _ in range(n_calls):
            getattr(estimator, method)(part)

    return call


AE, VAE, GAN, DETECTOR = (
    "AutoencoderTransformer",
    "VAETransformer",
    "GANSampler",
    "AEAnomalyDetector",
)
WHOLE = {"early_stopping": False}
CASES = {
    "engine": lambda: _fit(AE, _numeric(20_000, 50), 8, max_iter=12, **WHOLE),
    "engine, small": lambda: _fit(AE, _numeric(2000, 20), 4, max_iter=60, **WHOLE),
    "vae": lambda: _fit(VAE, _numeric(5000, 20), 4, max_iter=15),
    "mixed frame": lambda: _fit(AE, _mixed(5000), 4, max_iter=15),
    "gan": lambda: _fit(GAN, _mixed(2000), max_iter=20),
    "detector": lambda: _fit(DETECTOR, _numeric(5000, 20)),
    "detector, frame": lambda: _fit(DETECTOR, _mixed(5000)),
    "score": lambda: _use(AE, _numeric(200_000, 20), "score_samples", 200_000),
    "one row": lambda: _use(AE, _numeric(2000, 20), "score_samples", 1, n_calls=100),
    "explain": lambda: _use(AE, _mixed(1000), "explain", 1000),
    "4,000 columns": lambda: _use(AE, _numeric(300, 4000), "score_samples", 300),
    "memory": lambda: _fit(AE, _numeric(300_000, 50), 4, max_iter=1, batch_size=1024),
}


def measure(case):
    """Print the seconds of a case, and the peak memory in MiB."""
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    run, seconds = CASES[case](), []
    for _ in range(1 if case == "memory" else 3):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    print(min(seconds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def compare(checkouts, case, n_rounds):
    """Return medians of seconds and of memory, a pair for each checkout."""
    found = {checkout: [] for checkout in checkouts}
    for turn in range(n_rounds):
        for checkout in checkouts[:: -1 if turn % 2 else 1]:
            environment = os.environ | {"PYTHONPATH": checkout, "OMP_NUM_THREADS": "1"}
            command = [sys.executable, __file__, "--measure", case]
            output = subprocess.check_output(command, env=environment, text=True)
            found[checkout].append([float(figure) for figure in output.split()])
    return [
        [statistics.median(figures) for figures in zip(*found[checkout], strict=True)]
        for checkout in checkouts
    ]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkouts", nargs="*", help="BEFORE and AFTER")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=list(CASES), help="names of cases")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure)
        return
    print("| case | before, s | after, s | ratio | before, MiB | after, MiB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for case in arguments.only:
        (old, old_memory), (new, new_memory) = compare(
            arguments.checkouts, case, arguments.rounds
        )
        print(
            f"| {case} | {old:.3f} | {new:.3f} | {new / old:.2f} | {old_memory:.0f} "
            f"| {new_memory:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
