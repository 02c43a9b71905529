"""Random tables through every estimator and method: does each call end as it should?

Claim: of 10,000 tables (arrays, pandas, polars, pyarrow; all dtypes, missing cells, odd
labels and layouts) every call ends right, or in an error of ours that names the column or the
parameter.

    python benchmarks/fuzz.py [--tables 10000] [--seed 0] [--jobs 2] [--show]

Prints the endings by estimator, library and method, and the kinds of wrong endings with
their seeds; exits with 1 if there are any. A single one again: --seed SEED --tables 1 --show.
"""

import argparse
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from _tables import TextTable, heading, remark, verdict
from fuzzing.driver import run
from fuzzing.endings import FINE, REFUSED, WRONG, Ending

CHUNK = 20
# Seeds of a kind of wrong ending that are printed.
N_SEEDS = 5


def start():
    torch.set_num_threads(1)
    threadpool_limits(1)


def run_chunk(seeds):
    return [ending for seed in seeds for ending in run(seed)]


def run_all(first, n_tables, n_jobs):
    """Yield the endings of chunks of tables."""
    chunks = [
        range(at, min(at + CHUNK, first + n_tables))
        for at in range(first, first + n_tables, CHUNK)
    ]
    if n_jobs == 1:
        start()
        yield from map(run_chunk, chunks)
        return
    with ProcessPoolExecutor(n_jobs, get_context("spawn"), start) as pool:
        jobs = [(chunk, pool.submit(run_chunk, chunk)) for chunk in chunks]
        for chunk, job in jobs:
            try:
                yield job.result()
            except BrokenProcessPool as error:
                why = (
                    f"the process died in seeds {chunk.start} to {chunk.stop - 1}: {error}"
                )
                yield [Ending(chunk.start, "any", "any", "any", WRONG, why)]
                return


def print_ending(ending):
    heading(f"{ending.estimator}, {ending.method}, {ending.change}")
    print(ending.why, ending.details, sep="\n", flush=True)


def print_endings(endings, by):
    heading(f"Endings by {by}")
    table = TextTable({by: "<30", FINE: ">8d", REFUSED: ">8d", WRONG: ">8d"})
    counts = defaultdict(Counter)
    for ending in endings:
        counts[getattr(ending, by)][ending.outcome] += 1
    for name in sorted(counts):
        table.row(name, *(counts[name][o] for o in (FINE, REFUSED, WRONG)))


def print_kinds(endings, outcome):
    kinds = defaultdict(list)
    for ending in endings:
        if ending.outcome == outcome:
            kinds[ending.why].append(ending)
    heading(f"Kinds of endings that were {outcome}")
    for why, those in sorted(kinds.items(), key=lambda kind: -len(kind[1])):
        seeds = ", ".join(str(e.seed) for e in those[:N_SEEDS])
        methods = ", ".join(sorted({e.method for e in those}))
        libraries = ", ".join(sorted({e.library for e in those}))
        remark(f"{len(those)} x {why}\n{'':<13}{libraries}; {methods}; seeds {seeds}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first table")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--show", action="store_true", help="print wrong endings in full")
    parser.add_argument("--refusals", action="store_true", help="print what was refused")
    args = parser.parse_args()

    endings, began = [], time.perf_counter()
    for some in run_all(args.seed, args.tables, args.jobs):
        endings += some
        for ending in some:
            if args.show and ending.outcome == WRONG:
                print_ending(ending)
    for by in ("estimator", "library", "method"):
        print_endings(endings, by)
    if args.refusals:
        print_kinds(endings, REFUSED)
    print_kinds(endings, WRONG)
    n_wrong = len({ending.seed for ending in endings if ending.outcome == WRONG})
    heading("Summary")
    remark(f"{len(endings)} calls in {time.perf_counter() - began:.0f} s")
    verdict("tables with a wrong ending", f"{n_wrong} of {args.tables}", "0", not n_wrong)
    sys.exit(bool(n_wrong))


if __name__ == "__main__":
    main()
