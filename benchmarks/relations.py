"""What holds in every row of a table, in generated and in filled rows.

Claim: relations between columns hold in 99% of the rows that `VAETransformer.sample` draws,
and in 95% of those that `AutoencoderImputer` fills; more often than in the peers'.

    python benchmarks/relations.py [--max-rows 2000] [--seeds 3] [--only sales] [--threads 1] \
        [--imputers Imputer missForest] \
        [--generators "skae 0.95" GaussianCopula --peers-python PATH] \
        [--store new.jsonl] [--from peers.jsonl ...]

The tables are made: sales (an amount is price times pieces, less a discount), bills (a tax
of 19%, and what it adds up to), bodies (an index of weight and height, a temperature in two
units), marks (a mean of three, the best, a pass), stays (arrival before departure; the year and
month of a date), prices (a day's high and low) and months (twelve and their total). Half of
the rows are learned from. Of the other half's cells 15% are removed, at random, and only rows
that miss a cell count. What peers fill is rounded to the decimals of the table. Peers that
generate rows run in an environment of their own, as in `generation.py`.
"""

import subprocess
from collections import defaultdict

import _records
import numpy as np
import pandas as pd
from _generators import GENERATORS
from _imputers import PEERS
from _peer_rows import peer_rows
from _synthetic import like, moments_to_numbers
from _tables import (
    TextTable,
    arguments,
    choose,
    describe_machine,
    heading,
    quiet,
    remark,
    verdict,
)
from mixed import OneHot

from skae import AutoencoderImputer, VAETransformer

REMOVED = 0.15
# A cell that was rounded to cents.
CENT = 0.0051
LEAST_SAMPLED, LEAST_FILLED = 0.99, 0.95
MARKS = ["math", "art", "sport"]

# ------------------------------------------------------------------------- tables
# Each returns a frame, and what holds in its rows: functions of a frame, by name.


def near(left, right, slack=CENT):
    return (left - right).abs() <= slack + 1e-9


def amounts(rng, n):
    return np.exp(rng.normal(3.0, 0.8, n)).round(2)


def sales(rng, n):
    article = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    pieces = rng.geometric(np.where(article == "a", 0.2, 0.5))
    price, discount = amounts(rng, n), rng.choice([0, 0, 5, 10, 20], n)
    frame = pd.DataFrame({"article": article, "pieces": pieces, "price": price})
    frame["full"] = (pieces * price).round(2)
    frame["discount"] = discount
    frame["paid"] = (frame["full"] * (1 - discount / 100)).round(2)
    return frame, {
        "full": lambda f: near(f.full, f.pieces * f.price),
        "paid": lambda f: near(f.paid, f.full * (1 - f.discount / 100)),
    }


def bills(rng, n):
    net = amounts(rng, n)
    frame = pd.DataFrame({"shop": rng.choice(["x", "y"], n), "net": net})
    frame["tax"] = (0.19 * net).round(2)
    frame["gross"] = (frame.net + frame.tax).round(2)
    return frame, {
        "tax": lambda f: near(f.tax, 0.19 * f.net),
        "gross": lambda f: near(f.gross, f.net + f.tax),
    }


def bodies(rng, n):
    height = rng.normal(172, 9, n).round()
    weight = (22 * (height / 100) ** 2 * np.exp(rng.normal(0, 0.15, n))).round(1)
    celsius = rng.normal(36.8, 0.6, n).round(1)
    frame = pd.DataFrame({"height": height, "weight": weight, "celsius": celsius})
    frame["index"] = (weight / (height / 100) ** 2).round(1)
    frame["fahrenheit"] = (1.8 * celsius + 32).round(1)
    return frame, {
        "index": lambda f: near(f["index"], f.weight / (f.height / 100) ** 2, 0.051),
        "fahrenheit": lambda f: near(f.fahrenheit, 1.8 * f.celsius + 32, 0.051),
    }


def marks(rng, n):
    own = (50 + 15 * rng.normal(size=(n, 3)) + 10 * rng.normal(size=(n, 1))).round()
    frame = pd.DataFrame(own.clip(0, 100), columns=MARKS)
    frame["mean"] = frame[MARKS].mean(axis=1).round(2)
    frame["best"] = frame[MARKS].max(axis=1)
    frame["passed"] = np.where(frame["mean"] >= 50, "yes", "no")
    return frame, {
        "mean": lambda f: near(f["mean"], f[MARKS].mean(axis=1)),
        "best": lambda f: near(f.best, f[MARKS].max(axis=1)),
        "passed": lambda f: (f.passed == "yes") == (f["mean"] >= 50),
    }


def stays(rng, n):
    arrival = pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D")
    frame = pd.DataFrame({"arrival": arrival})
    frame["departure"] = arrival + pd.to_timedelta(rng.integers(0, 400, n), "D")
    frame["year"] = frame.arrival.dt.year
    frame["month"] = frame.arrival.dt.month_name()
    return frame, {
        "order": lambda f: f.arrival <= f.departure,
        "year": lambda f: f.year == f.arrival.dt.year,
        "month": lambda f: f.month == f.arrival.dt.month_name(),
    }


def prices(rng, n):
    opened = np.exp(rng.normal(4.0, 0.5, n))
    closed = opened * np.exp(rng.normal(0, 0.02, n))
    above, below = np.exp(np.abs(rng.normal(0, 0.01, (2, n))))
    frame = pd.DataFrame(
        {
            "opened": opened,
            "high": np.maximum(opened, closed) * above,
            "low": np.minimum(opened, closed) / below,
            "closed": closed,
        }
    ).round(2)
    return frame, {
        "high": lambda f: f.high >= f[["opened", "closed", "low"]].max(axis=1),
        "low": lambda f: f.low <= f[["opened", "closed", "high"]].min(axis=1),
    }


def months(rng, n):
    own = (rng.gamma(3, 20, (n, 12)) * rng.lognormal(0, 0.5, (n, 1))).round(2)
    names = [f"month {i + 1}" for i in range(12)]
    frame = pd.DataFrame(own, columns=names)
    frame["total"] = frame.sum(axis=1).round(2)
    return frame, {"total": lambda f: near(f.total, f[names].sum(axis=1))}


TABLES = {
    table.__name__: table for table in (sales, bills, bodies, marks, stays, prices, months)
}

# ------------------------------------------------------------------------- methods


def ours_filled(train, holed, seed):
    return AutoencoderImputer(random_state=seed).fit(train).transform(holed)


def peers_filled(name, train, holed, seed):
    """Return rows filled by a peer that learns from them and the training rows together."""
    both = moments_to_numbers(pd.concat([train, holed], ignore_index=True))
    design = OneHot(both)
    numbers, levels = PEERS[name](both, design, seed)
    filled = both.copy()
    filled[design.numbers] = numbers * design.std.to_numpy() + design.mean.to_numpy()
    for category, codes in zip(design.categories, levels.T, strict=True):
        filled[category] = design.levels[category][codes]
    return like(train, filled[len(train) :].reset_index(drop=True))


def sampled(name, train, n_rows, seed, args):
    if name in GENERATORS:
        return peer_rows(name, train, n_rows, n_rows, seed, args)[0]
    return (
        VAETransformer(0.95, random_state=seed).fit(train).sample(n_rows, random_state=seed)
    )


OURS = "skae 0.95"
IMPUTERS = ["Imputer", *PEERS]

# ------------------------------------------------------------------------- figures


def measure(table, method, seed, args):
    """Return in what fraction of a method's rows each relation holds, a dict."""
    frame, holds = TABLES[table](np.random.default_rng(seed), args.max_rows)
    half = len(frame) // 2
    train, test = frame[:half], frame[half:].reset_index(drop=True)
    if method in IMPUTERS:
        removed = np.random.default_rng(seed).random(test.shape) < REMOVED
        removed &= ~removed.all(axis=1, keepdims=True)
        holed = test.mask(removed)
        if method == "Imputer":
            rows = ours_filled(train, holed, seed)
        else:
            rows = peers_filled(method, train, holed, seed)
        rows = rows[removed.any(axis=1)]
    else:
        rows = sampled(method, train, len(test), seed, args)
    return {name: float(own(rows).mean()) for name, own in holds.items()}


def run(known, args):
    heading("Fraction of a method's rows in which each relation holds")
    text = TextTable({"table": "<8", "seed": ">4d", "method": "<14", "": "<60"})
    for seed in range(args.seeds):
        for table in choose(TABLES, args.only):
            for method in (*args.generators, *args.imputers):
                if (table, seed, method) in known:
                    continue
                record = {"table": table, "seed": seed, "method": method}
                try:
                    with quiet():
                        record["kept"] = measure(table, method, seed, args)
                    shown = ", ".join(f"{k} {v:.3f}" for k, v in record["kept"].items())
                except (RuntimeError, ValueError, subprocess.TimeoutExpired) as error:
                    shown = record["error"] = str(error)[-200:]
                known[_records.key(record, "method")] = record
                _records.append(args.store, record)
                text.row(table, seed, method, shown)


def summarise(records, args):
    found = defaultdict(list)
    for record in records:
        if "kept" in record:
            found[record["method"]].append(np.mean(list(record["kept"].values())))
    heading("Mean of all relations, tables and seeds")
    least = {OURS: LEAST_SAMPLED, "Imputer": LEAST_FILLED}
    for method in (*args.generators, *args.imputers):
        if method not in found:
            continue
        mean = float(np.mean(found[method]))
        if method in least:
            target = f"at least {least[method]:.0%}"
            verdict(
                f"{method}: relations kept", f"{mean:.1%}", target, mean >= least[method]
            )
        else:
            remark(f"{method}: relations kept {mean:.1%}")


def main():
    parser = arguments(__doc__, max_rows=2000, seeds=3)
    parser.add_argument(
        "--generators", nargs="*", default=[OURS], choices=[OURS, *GENERATORS]
    )
    parser.add_argument(
        "--imputers", nargs="*", default=["Imputer", "missForest"], choices=IMPUTERS
    )
    parser.add_argument("--peers-python", help="an interpreter that has the generators")
    parser.add_argument("--timeout", type=float, help="seconds that a peer may take")
    _records.add_arguments(parser)
    args = parser.parse_args()
    if not args.peers_python and set(args.generators) & set(GENERATORS):
        parser.error("peers need --peers-python, an interpreter that has them.")
    describe_machine(args.threads)
    known = _records.known(args, "method")
    run(known, args)
    tables = choose(TABLES, args.only)
    summarise(
        [r for r in known.values() if r["table"] in tables and r["seed"] < args.seeds], args
    )


if __name__ == "__main__":
    main()
