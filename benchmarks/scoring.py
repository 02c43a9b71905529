"""How fast a fitted detector answers: one row, a thousand explained, and a million.

Four parts, each with its claim:

many     1,000,000 x 20 rows take at most 3 times IsolationForest's time, in bounded memory.
one      One row of an array takes at most 1 ms, one of a frame of 20 columns at most 5 ms
         beyond what it costs to take its cells out of the frame.
explain  1,000 rows are explained in at most 10 times the time in which they are scored.
levels   A column of 20,000 distinct levels in 20,000 rows: fit and score take at most 5 s,
         and less than 1 GB beyond the imports, in a process of their own.

    python benchmarks/scoring.py [--part one explain] [--rows 1000000] [--threads 1]

So that times mean something on a machine with other work, they are the processor's; of one
row, what a tenth of the calls stay below.
"""

import argparse
import json
import math
import resource
import subprocess
import sys

import _figures
import numpy as np
import pandas as pd
import psutil
from _peak_memory import peak_bytes
from _tables import (
    TextTable,
    add_threads_argument,
    describe_machine,
    heading,
    processor_timed,
    remark,
    timed,
    verdict,
)
from sklearn.ensemble import IsolationForest

from skae import AEAnomalyDetector
from skae.table.validation import check_fitted_table

N_TRAIN, N_COLUMNS, N_REPEATS = 5000, 20, 300
DTYPES = np.float64, np.float32
N_EXPLAINED, N_LEVELS = 1000, 20_000
MOST_SECONDS, MOST_BYTES, ADDRESS_SPACE = 5.0, 1e9, 8 * 2**30
PARTS = "many", "one", "explain", "levels"


def peak_mb():
    return peak_bytes() / 2**20


def milliseconds(function):
    """Return the time of a call that a tenth stay below: other work only adds to it."""
    return 1e3 * float(np.quantile([timed(function)[1] for _ in range(N_REPEATS)], 0.1))


def mixed_frame(n, rng):
    """Return a frame of ten numbers, six categories, three flags and a date."""
    factor = rng.standard_normal(n)
    columns = {f"x{i}": factor + rng.standard_normal(n) for i in range(10)}
    for i in range(6):
        columns[f"c{i}"] = pd.Categorical(rng.choice(list("abcdef"), n))
    columns |= {f"b{i}": rng.random(n) < 0.3 for i in range(3)}
    days = pd.to_timedelta(rng.integers(1000, size=n), unit="D")
    return pd.DataFrame(columns | {"day": pd.Timestamp("2024-01-01") + days})


def one_row(name, detector, row, limit):
    """Hold the time of one row, less that of reading a frame, to a limit in ms."""
    whole = milliseconds(lambda: detector.score_samples(row))
    checking = milliseconds(lambda: check_fitted_table(detector, row, detector._table))
    reading = milliseconds(lambda: read(row))
    beyond = whole - reading
    claim = f"{name}: one row, ms beyond {reading:.2f} of reading it"
    verdict(claim, f"{beyond:.2f}", f"<= {limit}", beyond <= limit)
    remark(f"{name}: of this {checking:.2f} is validation")
    return whole


def read(row):
    """Take the cells out of a row as pandas gives them; those of an array lie ready."""
    return [row[name].to_numpy() for name in row] if hasattr(row, "columns") else row


def explained_rows(name, detector, rows):
    detector.explain(rows[:10])
    scoring = np.median(
        [processor_timed(detector.score_samples, rows)[1] for _ in range(9)]
    )
    _, explaining = processor_timed(detector.explain, rows)
    ratio = explaining / scoring
    claim = f"{name}: {len(rows)} rows explained, times scoring"
    verdict(claim, f"{ratio:.1f}, {explaining:.2f} s", "<= 10", ratio <= 10)


def run_levels():
    """Print seconds and bytes of a fit on an identifier, as JSON."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((N_LEVELS, 3)), columns=list("xyz"))
    frame["user"] = [f"user{i}@example.org" for i in rng.permutation(N_LEVELS)]
    detector = AEAnomalyDetector(random_state=0)
    # Rather an error than a machine without memory.
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    before = psutil.Process().memory_info().rss
    _, seconds = processor_timed(lambda: detector.fit(frame).score_samples(frame))
    print(json.dumps({"seconds": seconds, "bytes": peak_bytes() - before}))


def many_levels(n_threads):
    command = [sys.executable, "-W", "ignore", __file__, "--part", "levels", "--alone"]
    command += [] if n_threads is None else ["--threads", str(n_threads)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    claim = f"{N_LEVELS} distinct levels: seconds, and GB"
    target = f"<= {MOST_SECONDS:.0f}, < {MOST_BYTES / 1e9:.0f}"
    if result.returncode:
        error = (result.stderr.splitlines() or [f"code {result.returncode}"])[-1]
        verdict(claim, error, target, met=False)
        return
    found = json.loads(result.stdout.splitlines()[-1])
    met = found["seconds"] <= MOST_SECONDS and found["bytes"] < MOST_BYTES
    figure = f"{found['seconds']:.1f}, {found['bytes'] / 1e9:.2f}"
    verdict(claim, figure, target, met)


def many_rows(detectors, n_rows):
    heading(f"{n_rows:,} x {N_COLUMNS} rows: seconds, and growth of the peak in MB")
    table = TextTable({"detector": "<24", "dtype": "<8", "seconds": ">8.1f", "MB": ">6.0f"})
    ratios = {}
    for dtype in DTYPES:
        rows = np.random.default_rng(1).standard_normal((n_rows, N_COLUMNS)).astype(dtype)
        seconds = {}
        for name, detector in detectors.items():
            before = peak_mb()
            _, seconds[name] = processor_timed(detector.score_samples, rows)
            growth = peak_mb() - before
            table.row(name, np.dtype(dtype).name, seconds[name], growth)
        ratios[dtype] = seconds["skae"] / seconds["IsolationForest"]
        clean = seconds["skae, clean rows"] / seconds["IsolationForest"]
        remark(f"skae trained on clean rows, times IsolationForest: {clean:.1f}")
        # Of float32 rows, which come last.
        _figures.fact("scoring_time", f"{ratios[dtype]:.0f} times")
        _figures.fact("scoring_time_clean", f"{clean:.0f} times")
    return ratios


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    add_threads_argument(parser)
    _figures.add_argument(parser)
    args = parser.parse_args()
    describe_machine(args.threads)
    if args.alone:
        run_levels()
        return
    rng = np.random.default_rng(0)
    train = rng.standard_normal((N_TRAIN, N_COLUMNS))
    forest = IsolationForest(random_state=0).fit(train)
    of_contamination = {"skae": "auto", "skae, clean rows": 0.0}
    frame = mixed_frame(N_TRAIN, rng)
    on_array, on_frame = (
        {
            name: AEAnomalyDetector(contamination=value, random_state=0).fit(rows)
            for name, value in of_contamination.items()
        }
        for rows in (train, frame)
    )
    ratios = {}
    if "many" in args.part:
        ratios = many_rows({"IsolationForest": forest} | on_array, args.rows)
    heading("Summary")
    for dtype, ratio in ratios.items():
        name = np.dtype(dtype).name
        verdict(f"{name}: times IsolationForest's time", f"{ratio:.2f}", "<= 3", ratio <= 3)
    for kind, detectors, rows, limit, fact in (
        ("an array", on_array, train, 1, "row_of_array"),
        ("a frame", on_frame, frame, 5, "row_of_frame"),
    ):
        of_one_row = []
        for name, detector in detectors.items():
            if "one" in args.part:
                of_one_row.append(one_row(f"{name}, {kind}", detector, rows[:1], limit))
            if "explain" in args.part:
                explained_rows(f"{name}, {kind}", detector, rows[:N_EXPLAINED])
        if of_one_row:
            # Of the slower detector: "less than" in the pages.
            _figures.fact(fact, f"{math.ceil(max(of_one_row))} ms")
    if "levels" in args.part:
        many_levels(args.threads)
    _figures.write(args)


if __name__ == "__main__":
    main()
