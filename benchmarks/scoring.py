"""How fast a fitted detector answers: one row, and a million.

Claims: one row takes at most 1 ms more than its validation; 1,000,000 x 20 rows take at
most 3 times IsolationForest's time, in bounded memory.

    python benchmarks/scoring.py [--rows 1000000] [--threads 1]
"""

import argparse
import resource
import sys
import time

import numpy as np
from _tables import (
    TextTable,
    add_threads_argument,
    describe_machine,
    heading,
    remark,
    timed,
    verdict,
)
from sklearn.ensemble import IsolationForest

from skae import AEAnomalyDetector
from skae.table.validation import check_fitted_table

N_TRAIN, N_COLUMNS, N_REPEATS = 5000, 20, 300
DTYPES = np.float64, np.float32


def peak_mb():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def milliseconds(function):
    """Return the median time of a call."""
    times = []
    for _ in range(N_REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def one_row(name, detector, row):
    whole = milliseconds(lambda: detector.score_samples(row))
    checking = milliseconds(lambda: check_fitted_table(detector, row, detector._table))
    beyond = whole - checking
    verdict(
        f"{name}: one row, ms beyond {checking:.2f} of validation",
        f"{beyond:.2f}",
        "<= 1",
        beyond <= 1,
    )


def many_rows(detectors, n_rows):
    heading(f"{n_rows:,} x {N_COLUMNS} rows: seconds, and growth of the peak in MB")
    table = TextTable({"detector": "<24", "dtype": "<8", "seconds": ">8.1f", "MB": ">6.0f"})
    ratios = {}
    for dtype in DTYPES:
        rows = np.random.default_rng(1).standard_normal((n_rows, N_COLUMNS)).astype(dtype)
        seconds = {}
        for name, detector in detectors.items():
            before = peak_mb()
            _, seconds[name] = timed(detector.score_samples, rows)
            growth = peak_mb() - before
            table.row(name, np.dtype(dtype).name, seconds[name], growth)
        ratios[dtype] = seconds["skae"] / seconds["IsolationForest"]
        clean = seconds["skae, clean rows"] / seconds["IsolationForest"]
        remark(f"skae trained on clean rows, times IsolationForest: {clean:.1f}")
    return ratios


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    add_threads_argument(parser)
    args = parser.parse_args()
    describe_machine(args.threads)
    train = np.random.default_rng(0).standard_normal((N_TRAIN, N_COLUMNS))
    detectors = {
        "IsolationForest": IsolationForest(random_state=0),
        "skae": AEAnomalyDetector(random_state=0),
        "skae, clean rows": AEAnomalyDetector(contamination=0.0, random_state=0),
    }
    for detector in detectors.values():
        detector.fit(train)
        detector.score_samples(train[:100])
    ratios = many_rows(detectors, args.rows)
    heading("Summary")
    for dtype, ratio in ratios.items():
        name = np.dtype(dtype).name
        verdict(f"{name}: times IsolationForest's time", f"{ratio:.2f}", "<= 3", ratio <= 3)
    for name in ("skae", "skae, clean rows"):
        one_row(name, detectors[name], train[:1])


if __name__ == "__main__":
    main()
