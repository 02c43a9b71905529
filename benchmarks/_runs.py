"""Runs of detectors over the tables of several folders, in parts, kept as they come."""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from _detection import PROTOCOLS, evaluate
from _results import append, read
from _tables import TextTable, add_threads_argument, heading


def _part(text):
    number, n_parts = map(int, text.split("/"))
    if not 1 <= number <= n_parts:
        raise argparse.ArgumentTypeError(f"{text} is not a part, as 1/2 and 2/2 are")
    return number, n_parts


def add_run_arguments(parser, max_rows):
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--data", nargs="+", metavar="FOLDER")
    where.add_argument(
        "--from", dest="stored", nargs="+", metavar="FILE", help="only print"
    )
    parser.add_argument("--store", metavar="FILE", help="append results, a line each")
    parser.add_argument(
        "--max-rows", type=int, default=max_rows, help="rows a table at most"
    )
    parser.add_argument("--seeds", type=int, default=1, help="splits and fits a table")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", metavar="TABLE")
    parser.add_argument(
        "--part", type=_part, default=(1, 1), metavar="I/N", help="of tables"
    )
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=[*PROTOCOLS])
    parser.add_argument("--nested", type=int, default=200, help="random halves")
    add_threads_argument(parser)


def stored_results(args):
    """Return what is known already: of the files to print, or of the one to append to."""
    if not args.stored:
        return read([args.store]) if args.store and Path(args.store).exists() else []
    results = read(args.stored)
    return [result for result in results if not args.only or result.table in args.only]


def run_protocol(protocol, problems, detectors, args, known, shown=None):
    """Print a row of AUROC per table; return the results that are not `known`.

    The table has a column for each detector that is `shown`; None: all.
    """
    shown = list(detectors) if shown is None else shown
    heading(f"{protocol}: AUROC, mean over {args.seeds} seeds")
    formats = {"table": "<32", "rows": ">6d", "cols": ">4d"}
    table = TextTable(formats | {name: ">8.3f" for name in shown})
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    known = {(result.cell, result.detector) for result in known}
    results = []
    for problem in problems:
        of_table = defaultdict(list)
        for seed in seeds:
            for result in evaluate(
                problem, protocol, detectors, args.max_rows, seed, known
            ):
                of_table[result.detector].append(result)
                results.append(result)
                if args.store:
                    append(args.store, result)
        if of_table:
            _print_table(table, results[-1], of_table, shown)
    return results


def _print_table(table, last, of_table, shown):
    means = [
        np.mean([result.auroc for result in of_table[name]]) if of_table[name] else None
        for name in shown
    ]
    table.row(last.table, last.rows, last.columns, *means)
    for name, results in of_table.items():
        for error in {result.error for result in results if result.error}:
            print(f"  {name} FAILED on {last.table}, a guess: {error}", flush=True)
