"""Sampled rows of the VAE beside those of the field's generators of tables.

Claims: gradient boosting tells the VAE's rows from held-out ones with a mean AUROC of at
most 0.65; a forest trained on them predicts held-out rows at least 0.97 as well as one
trained on real rows; relations between columns hold in 99% of them; half of them are nearer
to a training row than to a held-out one; and each is better than every peer's on nine of
eleven tables, in at most ForestDiffusion's time.

    python benchmarks/generation.py --data ANOMALY_FOLDER --mixed MIXED_FOLDER \
        [--tables CSV_FOLDER] [--seeds 3] [--only wine rides] [--threads 1] \
        [--generators "skae 0.95" TVAE --peers-python PATH] \
        [--store new.jsonl] [--from peers.jsonl ...]

Tables: three mixed ones, three of scikit-learn, five of ADBench, made taxi rides, and all
CSV files of a folder (`export_tables.py` writes some). Of each at most 2,000 rows; half of
them are held out, and as many are sampled. Rows with missing cells are left out, as most
generators know none. The two-sample test is that of `family_generation.py`.

The peers run in an environment of their own (`_generators.py` says what it needs), whose
interpreter is `--peers-python`. Moments are seconds to them, and their numbers are rounded
to the decimals of the table. Figures of earlier runs are read by `--from`, and are not
measured again; `--store` appends what is.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections import defaultdict
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from _generators import GENERATORS as PEERS
from _rides import make_rides, relations_kept
from _synthetic import (
    decimals,
    like,
    moments_to_numbers,
    nearer_to_training,
    trained_on,
)
from _tables import (
    TextTable,
    add_threads_argument,
    choose,
    describe_machine,
    heading,
    quiet,
    remark,
    timed,
    verdict,
)
from family_generation import categories_of, frame_loaders, told_apart
from sklearn.model_selection import train_test_split

from skae import VAETransformer

HELD_OUT = 0.5
OURS = {"skae 0.95": partial(VAETransformer, 0.95), "skae 8": partial(VAETransformer, 8)}
GENERATORS = [*OURS, *PEERS]
# What a forest predicts, where it is not the last column.
TARGETS = {"penguins": "species", "diabetes": "x8", "Wilt": "x3"}
TARGETS |= {"magic.gamma": "x0", "rides": "fare"}
# The targets of the claims.
MOST_TOLD, LEAST_TRAINED, LEAST_KEPT = 0.65, 0.97, 0.99
NEAR_HALF, WON = 0.05, 9 / 11
FIGURES = ("auroc", "trained", "nearer", "seconds")

# ------------------------------------------------------------------------- tables


def load_csv(path):
    return pd.read_csv(path).dropna()


def all_loaders(args):
    """Return name -> function that loads a frame without missing cells."""
    loaders = frame_loaders(args.data, args.mixed)
    if args.tables:
        paths = sorted(Path(args.tables).glob("*.csv"))
        if not paths:
            raise SystemExit(f"--tables: {args.tables} holds no .csv files.")
        loaders |= {path.stem: partial(load_csv, path) for path in paths}
    return loaders | {"rides": make_rides}


def halves(frame, max_rows, seed):
    """Return training and held-out rows, equally many."""
    taken = frame.sample(n=min(max_rows, len(frame)) // 2 * 2, random_state=seed)
    train, test = train_test_split(taken, test_size=HELD_OUT, random_state=seed)
    return train.reset_index(drop=True), test.reset_index(drop=True)


# --------------------------------------------------------------------- generators


def our_rows(name, train, n_rows, seed):
    def sample():
        model = OURS[name](random_state=seed).fit(train)
        return model.sample(n_rows, random_state=seed)

    return timed(sample)


def peer_rows(name, train, n_rows, seed, python, timeout):
    """Return the rows of a peer, and the seconds that its fit and sample took."""
    frame = moments_to_numbers(train)
    whole = [
        column for column in frame.select_dtypes("number") if decimals(frame[column]) == 0
    ]
    categories = categories_of(frame)
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / file) for file in ("train.csv", "samples.csv")]
        frame.astype(dict.fromkeys(whole, np.int64)).to_csv(paths[0], index=False)
        runner = str(Path(__file__).with_name("_generators.py"))
        run = subprocess.run(
            [python, runner, name, *paths, str(n_rows), str(seed), *categories],
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if run.returncode:
            raise RuntimeError(run.stderr.strip().splitlines()[-1])
        rows = pd.read_csv(paths[1], dtype=dict.fromkeys(categories, str))
    return like(train, rows), float(run.stdout.split()[-1])


# ------------------------------------------------------------------------- figures


def measure(table, train, test, rows, seed):
    """Return the figures of sampled rows, a dict."""
    kept = relations_kept(rows) if table == "rides" else {}
    train, test, rows = map(moments_to_numbers, (train, test, rows))
    target = TARGETS.get(table, list(train)[-1])
    return {
        "auroc": told_apart(test, rows, seed),
        "trained": trained_on(rows, test, target),
        "nearer": nearer_to_training(train, test, rows),
        "kept": kept,
    }


def evaluate(generator, table, train, test, seed, args):
    """Return a record: the figures, or why there are none."""
    make = (
        partial(our_rows, generator)
        if generator in OURS
        else partial(peer_rows, generator, python=args.peers_python, timeout=args.timeout)
    )
    record = {"table": table, "seed": seed, "generator": generator}
    record |= {"rows": len(train), "columns": train.shape[1]}
    try:
        with quiet():
            rows, seconds = make(train, len(test), seed)
            if args.keep and generator in PEERS:
                path = Path(args.keep) / f"{table}-{seed}-{generator}.csv.gz"
                path.parent.mkdir(parents=True, exist_ok=True)
                rows.to_csv(path, index=False)
            figures = measure(table, train, test, rows, seed)
    except (RuntimeError, ValueError, subprocess.TimeoutExpired) as error:
        return record | {"error": str(error)[-300:]}
    return record | figures | {"seconds": seconds}


def reference(table, train, test, seed):
    """Return the record of the real training rows, to which the others are compared."""
    rows = len(train), train.shape[1]
    figures = measure(table, train, test, train, seed) | {"seconds": 0.0}
    record = {"table": table, "seed": seed, "generator": "real"}
    return record | dict(zip(("rows", "columns"), rows, strict=True)) | figures


def key(record):
    return record["table"], record["seed"], record["generator"]


def read(paths):
    """Return key -> record of files of one JSON object a line; the last of equals counts."""
    lines = chain.from_iterable(
        Path(path).read_text().splitlines() for path in paths if Path(path).exists()
    )
    return {key(record): record for record in map(json.loads, lines)}


def run(loaders, known, args):
    """Add what is not known; print and store it as it comes."""
    heading("Two-sample AUROC, score of a forest trained on the rows, nearer to training")
    formats = {"table": "<14", "rows": ">5d", "cols": ">4d", "seed": ">4d", "": "<15"}
    formats |= {"AUROC": ">6.3f", "trained": ">7.3f", "nearer": ">6.3f", "s": ">6.1f"}
    text = TextTable(formats)
    for seed in range(args.seeds):
        for name, load in loaders.items():
            missing = [
                generator
                for generator in ["real", *args.generators]
                if (name, seed, generator) not in known
            ]
            if not missing:
                continue
            train, test = halves(load(), args.max_rows, seed)
            for generator in missing:
                if generator == "real":
                    record = reference(name, train, test, seed)
                else:
                    record = evaluate(generator, name, train, test, seed, args)
                known[key(record)] = record
                if args.store:
                    with Path(args.store).open("a") as file:
                        file.write(json.dumps(record) + "\n")
                text.row(
                    *(name, *train.shape, seed, generator),
                    *map(record.get, FIGURES),
                )
                if "error" in record:
                    remark(f"{generator} FAILED on {name}: {record['error']}")


# ------------------------------------------------------------------------- summary


def means_of(records):
    """Return generator -> table -> figure -> mean over the seeds.

    `trained` is a fraction of what a forest trained on real rows reaches.
    """
    real = {key(r)[:2]: r for r in records if r["generator"] == "real"}
    found = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for record in records:
        if "error" in record or record["generator"] == "real":
            continue
        of_table = found[record["generator"]][record["table"]]
        for name in ("auroc", "nearer", "seconds"):
            of_table[name].append(record[name])
        of_table["trained"].append(record["trained"] / real[key(record)[:2]]["trained"])
        for name, fraction in record["kept"].items():
            of_table[name].append(fraction)
    return {
        generator: {
            table: {name: float(np.mean(values)) for name, values in figures.items()}
            for table, figures in tables.items()
        }
        for generator, tables in found.items()
    }


def print_figure(means, tables, figure, title, spec):
    heading(title)
    text = TextTable(
        {"table": "<14"} | {name: f">{max(7, len(name))}{spec}" for name in means}
    )
    for table in tables:
        text.row(table, *(of.get(table, {}).get(figure) for of in means.values()))
    # Of the tables that all have, so that the columns can be compared.
    common = [table for table in tables if all(table in of for of in means.values())]
    if common:
        text.row(
            f"mean of {len(common)}",
            *(np.mean([of[t][figure] for t in common]) for of in means.values()),
        )


def judge(name, means):
    """Print what is claimed of one of ours, and how often it is better than each peer."""
    heading(f"{name} against the claims")
    ours = means[name]

    def mean(figure):
        return float(np.mean([of[figure] for of in ours.values()]))

    auroc, trained, nearer = map(mean, ("auroc", "trained", "nearer"))
    verdict(
        f"two-sample AUROC, mean of {len(ours)} tables",
        f"{auroc:.3f}",
        f"at most {MOST_TOLD}",
        auroc <= MOST_TOLD,
    )
    verdict(
        "trained on its rows, fraction of real",
        f"{trained:.3f}",
        f"at least {LEAST_TRAINED}",
        trained >= LEAST_TRAINED,
    )
    verdict(
        "nearer to training than to held-out rows",
        f"{nearer:.3f}",
        f"0.5 within {NEAR_HALF}",
        abs(nearer - 0.5) <= NEAR_HALF,
    )
    for relation, fraction in ours.get("rides", {}).items():
        if relation not in FIGURES:
            verdict(
                f"rides: {relation}",
                f"{fraction:.1%}",
                f"at least {LEAST_KEPT:.0%}",
                fraction >= LEAST_KEPT,
            )
    for peer in (other for other in means if other not in OURS):
        both = [table for table in ours if table in means[peer]]
        for figure, sign, what in (
            ("auroc", 1, "told less well"),
            ("trained", -1, "train better"),
        ):
            lost = [
                t for t in both if sign * (ours[t][figure] - means[peer][t][figure]) > 0
            ]
            verdict(
                f"rows {what} than those of {peer}",
                f"{len(both) - len(lost)} of {len(both)}, not {', '.join(lost) or 'none'}",
                "nine of eleven",
                len(both) - len(lost) >= WON * len(both),
            )
        seconds = [np.sum([of[t]["seconds"] for t in both]) for of in (ours, means[peer])]
        remark(
            f"fit and sample, {len(both)} tables: {seconds[0]:.1f} s, {peer} {seconds[1]:.1f} s"
        )


def summarise(records, order):
    means = means_of(records)
    means = {name: means[name] for name in GENERATORS if name in means}
    tables = [t for t in order if any(t in of for of in means.values())]
    for figure, title, spec in (
        ("auroc", "Two-sample AUROC (0.5 is best)", ".3f"),
        ("trained", "Trained on the rows, fraction of trained on real ones", ".3f"),
        ("nearer", "Fraction nearer to training than to held-out rows (0.5 is new)", ".3f"),
        ("seconds", "Seconds of fit and sample", ".1f"),
    ):
        print_figure(means, tables, figure, title, spec)
    relations = [
        n for of in means.values() for n in of.get("rides", {}) if n not in FIGURES
    ]
    if relations:
        heading("Rides: fraction that keeps a relation")
        names = {name: f">{len(name)}.3f" for name in dict.fromkeys(relations)}
        text = TextTable({"": "<15"} | names)
        for generator, of in means.items():
            if "rides" in of:
                text.row(generator, *map(of["rides"].get, names))
    for name in OURS:
        if name in means:
            judge(name, means)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder of .npz files with X and y")
    parser.add_argument("--mixed", help="folder of penguins, auto_imports and adult")
    parser.add_argument("--tables", help="folder of .csv files, the target last")
    parser.add_argument("--only", nargs="+", metavar="TABLE")
    parser.add_argument("--max-rows", type=int, default=2000, help="rows a table at most")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--generators", nargs="*", choices=GENERATORS, default=[*OURS], metavar="NAME"
    )
    parser.add_argument("--peers-python", help="an interpreter that has the peers")
    parser.add_argument("--timeout", type=float, help="seconds that a peer may take")
    parser.add_argument("--from", dest="stored", nargs="+", default=[], metavar="FILE")
    parser.add_argument("--store", metavar="FILE", help="append figures, a line each")
    parser.add_argument("--keep", metavar="FOLDER", help="write the peers' rows to it")
    add_threads_argument(parser)
    args = parser.parse_args()
    if not args.peers_python and set(args.generators) & set(PEERS):
        parser.error("peers need --peers-python, an interpreter that has them.")
    describe_machine(args.threads)
    loaders = choose(all_loaders(args), args.only)
    known = read([*args.stored, *([args.store] if args.store else [])])
    start = time.perf_counter()
    run(loaders, known, args)
    remark(f"{time.perf_counter() - start:.0f} s")
    summarise([r for r in known.values() if r["table"] in loaders], list(loaders))


if __name__ == "__main__":
    main()
