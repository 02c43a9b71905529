"""Rows of generators that run in an environment of their own, sampled once and kept."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from _synthetic import decimals, like, moments_of, moments_to_numbers
from family_generation import categories_of


def peer_rows(name, train, n_timed, n_rows, seed, args):
    """Return rows of a peer, and the seconds that its fit and the first `n_timed` took."""
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
            [
                *(args.peers_python, runner, name, *paths),
                *map(str, (n_timed, n_rows, seed)),
                *categories,
            ],
            capture_output=True,
            text=True,
            timeout=args.timeout,
        )
        if run.returncode:
            raise RuntimeError(run.stderr.strip().splitlines()[-1])
        rows = pd.read_csv(paths[1], dtype=dict.fromkeys(categories, str))
    return like(train, rows), float(run.stdout.split()[-1])


def kept_rows(name, table, train, n_timed, n_rows, seed, args):
    """Return what `peer_rows` does, from the folder `--keep` if it has been there before.

    What was kept may be fewer rows, `n_timed` at least.
    """
    stem = f"{table}-{seed}-{name}-"
    for path in Path(args.keep).glob(f"{stem}*s.csv.gz"):
        frame = pd.read_csv(
            path,
            dtype=dict.fromkeys(categories_of(moments_to_numbers(train)), str),
            parse_dates=moments_of(train),
            keep_default_na=False,
        )
        seconds = float(path.name.removeprefix(stem).removesuffix("s.csv.gz"))
        return like(train, moments_to_numbers(frame)), seconds
    rows, seconds = peer_rows(name, train, n_timed, n_rows, seed, args)
    Path(args.keep).mkdir(parents=True, exist_ok=True)
    rows.to_csv(Path(args.keep) / f"{stem}{seconds:.2f}s.csv.gz", index=False)
    return rows, seconds
