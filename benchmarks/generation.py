"""Sampled rows of the VAE beside those of the field's generators of tables.

Claims: gradient boosting tells the VAE's rows from held-out ones with a mean AUROC of at
most 0.65; a forest trained on ten times as many of them as there are real ones predicts
held-out rows at least 0.97 as well as one trained on the real rows; relations between columns
hold in 99% of them; where there are 1,000 training rows or more, half of them are nearer to
one of these than to a held-out one; and each is better than every peer's on nine of eleven
tables, in at most ForestDiffusion's time.

    python benchmarks/generation.py --data ANOMALY_FOLDER --mixed MIXED_FOLDER \
        [--tables CSV_FOLDER] [--seeds 3] [--only wine rides] [--threads 1] \
        [--generators "skae 0.95" TVAE --peers-python PATH] \
        [--store new.jsonl] [--from peers.jsonl ...] [--keep ROWS_FOLDER]

Tables: three mixed ones, three of scikit-learn, five of ADBench, made taxi rides, and all
CSV files of a folder (`export_tables.py` writes some). Of each at most 2,000 rows; half of
them are held out, and as many are sampled; but a forest is trained on ten times as many as
well, as people can draw what they need. `bootstrap` are the real rows, as many of them drawn
with replacement: what as many rows can teach that are not the real ones; `normal` is a normal
distribution of the one-hot columns by maximum likelihood, a floor. Rows with missing cells are left out, as most
generators know none; with `--missing` there are instead the tables that have some, whole, and
ours alone. The two-sample test is that of `family_generation.py`.

The peers run in an environment of their own (`_generators.py` says what it needs), whose
interpreter is `--peers-python`. Moments are seconds to them, and their numbers are rounded
to the decimals of the table. Figures of earlier runs are read by `--from`, and are not
measured again; `--store` appends what is. `--keep` is a folder of the peers' rows: those that
it holds are not sampled again, only measured.
"""

import inspect
import subprocess
import time
from functools import partial
from pathlib import Path

import _records
import pandas as pd
from _generation_summary import BOOTSTRAP, NORMAL, summarise
from _generators import GENERATORS as PEERS
from _peer_rows import kept_rows, peer_rows
from _rides import make_rides, relations_kept
from _synthetic import (
    like,
    moments_to_numbers,
    nearer_to_training,
    trained_on,
)
from _tables import (
    TextTable,
    choose,
    describe_machine,
    frame_arguments,
    heading,
    quiet,
    remark,
    timed,
)
from family_generation import frame_loaders, normal_rows
from imputation import all_loaders as incomplete_loaders
from sklearn.model_selection import train_test_split

from skae import VAETransformer
from skae.metrics import two_sample_auc

HELD_OUT = 0.5
# How many times as many rows as there are real ones a forest is trained on as well.
N_TIMES = 10
OURS = {"skae 0.95": partial(VAETransformer, 0.95), "skae 8": partial(VAETransformer, 8)}
# What the tables with missing cells are called, besides their name.
HOLES = " holes"
SAMPLE_PARAMETERS = inspect.signature(VAETransformer.sample).parameters
GENERATORS = [*OURS, *PEERS]
REFERENCES = ["real", BOOTSTRAP, NORMAL]
# What a forest predicts, where it is not the last column.
TARGETS = {"penguins": "species", "diabetes": "x8", "Wilt": "x3"}
TARGETS |= {"magic.gamma": "x0", "rides": "fare"}
FIGURES = ("auroc", "trained", "trained_on_more", "nearer", "seconds")

# ------------------------------------------------------------------------- tables


def load_csv(path):
    return pd.read_csv(path).dropna()


def all_loaders(args):
    """Return name -> function that loads a frame."""
    if args.missing:
        loaders = incomplete_loaders(args)
        holed = ("penguins", "auto_imports", "adult", "mpg", "titanic")
        return {name + HOLES: loaders[name] for name in holed if name in loaders}
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


def our_rows(name, train, n_timed, n_rows, seed):
    """Return sampled rows, and the seconds of the fit and of the first `n_timed`."""
    has_holes = train.isna().any(axis=None) and "missing" in SAMPLE_PARAMETERS
    holes = {"missing": True} if has_holes else {}

    def sample():
        model = OURS[name](random_state=seed).fit(train)
        return model, model.sample(n_timed, random_state=seed, **holes)

    (model, rows), seconds = timed(sample)
    more = model.sample(n_rows - n_timed, random_state=seed + 1, **holes)
    return pd.concat([rows, more], ignore_index=True), seconds


# ------------------------------------------------------------------------- figures


def measure(table, train, test, rows, seed):
    """Return the figures of sampled rows, a dict: of the first of them, and of all."""
    more, rows = rows, rows[: len(test)]
    kept = relations_kept(rows) if table == "rides" else {}
    train, test, rows, more = map(moments_to_numbers, (train, test, rows, more))
    target = TARGETS.get(table.removesuffix(HOLES), list(train)[-1])
    has_more = len(more) > len(rows)
    return {
        "auroc": two_sample_auc(test, rows, random_state=seed),
        "trained": trained_on(rows, test, target),
        "trained_on_more": trained_on(more, test, target) if has_more else None,
        "nearer": nearer_to_training(train, test, rows),
        "kept": kept,
    }


def evaluate(generator, table, train, test, seed, args):
    """Return a record: the figures, or why there are none."""
    record = {"table": table, "seed": seed, "generator": generator}
    record |= {"rows": len(train), "columns": train.shape[1]}
    n_rows = len(test), N_TIMES * len(test)
    try:
        with quiet():
            if generator in OURS:
                rows, seconds = our_rows(generator, train, *n_rows, seed)
            elif args.keep:
                rows, seconds = kept_rows(generator, table, train, *n_rows, seed, args)
            else:
                rows, seconds = peer_rows(generator, train, *n_rows, seed, args)
            figures = measure(table, train, test, rows, seed)
    except (RuntimeError, ValueError, subprocess.TimeoutExpired) as error:
        return record | {"error": str(error)[-300:]}
    return record | figures | {"seconds": seconds}


def reference(name, table, train, test, seed):
    """Return the record of the real training rows, or of what is no model of ours or a peer's."""
    record = {"table": table, "seed": seed, "generator": name}
    record |= {"rows": len(train), "columns": train.shape[1], "seconds": 0.0}
    rows = train
    if name == BOOTSTRAP:
        rows = train.sample(frac=1.0, replace=True, random_state=seed, ignore_index=True)
    elif name == NORMAL:
        n_rows = N_TIMES * len(test)
        rows = like(train, normal_rows(moments_to_numbers(train), n_rows, seed))
    return record | measure(table, train, test, rows, seed)


def run(loaders, known, args):
    """Add what is not known; print and store it as it comes."""
    heading("Two-sample AUROC, score of a forest trained on the rows, nearer to training")
    formats = {"table": "<14", "rows": ">5d", "cols": ">4d", "seed": ">4d", "": "<15"}
    formats |= {"AUROC": ">6.3f", "trained": ">7.3f", f"on {N_TIMES}n": ">7.3f"}
    formats |= {"nearer": ">6.3f", "s": ">6.1f"}
    text = TextTable(formats)
    for seed in range(args.seeds):
        for name, load in loaders.items():
            missing = [
                generator
                for generator in [*REFERENCES, *args.generators]
                if (name, seed, generator) not in known
            ]
            if not missing:
                continue
            train, test = halves(load(), args.max_rows, seed)
            for generator in missing:
                if generator in REFERENCES:
                    record = reference(generator, name, train, test, seed)
                else:
                    record = evaluate(generator, name, train, test, seed, args)
                known[_records.key(record, "generator")] = record
                _records.append(args.store, record)
                text.row(
                    *(name, *train.shape, seed, generator),
                    *map(record.get, FIGURES),
                )
                if "error" in record:
                    remark(f"{generator} FAILED on {name}: {record['error']}")


def main():
    parser = frame_arguments(__doc__)
    parser.add_argument(
        "--generators", nargs="*", choices=GENERATORS, default=[*OURS], metavar="NAME"
    )
    parser.add_argument("--peers-python", help="an interpreter that has the peers")
    parser.add_argument("--timeout", type=float, help="seconds that a peer may take")
    parser.add_argument(
        "--keep", metavar="FOLDER", help="of the peers' rows, to measure again"
    )
    parser.add_argument(
        "--missing", action="store_true", help="tables with their missing cells, ours only"
    )
    _records.add_arguments(parser)
    args = parser.parse_args()
    if args.missing and set(args.generators) & set(PEERS):
        parser.error("--missing: the peers have no missing cells; leave them out.")
    if not args.peers_python and set(args.generators) & set(PEERS):
        parser.error("peers need --peers-python, an interpreter that has them.")
    describe_machine(args.threads)
    loaders = choose(all_loaders(args), args.only)
    known = _records.known(args, "generator")
    start = time.perf_counter()
    run(loaders, known, args)
    remark(f"{time.perf_counter() - start:.0f} s")
    chosen = [
        record
        for record in known.values()
        if record["table"] in loaders
        and record["seed"] < args.seeds
        and record["generator"] in [*REFERENCES, *GENERATORS]
    ]
    summarise(chosen, list(loaders), [*GENERATORS, BOOTSTRAP, NORMAL], OURS)


if __name__ == "__main__":
    main()
