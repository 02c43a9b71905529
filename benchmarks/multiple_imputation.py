"""Multiple imputation: intervals that hold, and regressions that are not biased by it.

Claims: of the removed numbers 87 to 93% lie within the 90% intervals of their draws, and
the coefficients of a linear regression on completed tables, pooled by Rubin's rules, are
those on the complete table.

    python benchmarks/multiple_imputation.py --data ANOMALY_FOLDER --mixed MIXED_FOLDER \
        --tables CSV_FOLDER [--seeds 3] [--only mpg] [--draws 20] \
        [--store new.jsonl] [--from peers.jsonl ...] [--threads 1]

A fifth of the cells is removed at random, of the regression's target too. An interval lies
between two order statistics of the draws, such that one more draw would fall into it in 90%
of all cases. The regression is of one number on the other numbers, all in standard units of
the complete table. With complete coefficients b, pooled ones p and the pooled standard
errors s (Rubin, 1987, section 3.1):

slope     sum(p b) / sum(b b): 1 without bias, less where relations are weakened
z         root mean square of (p - b) / s: 1 or less where s tells the uncertainty
coverage  fraction of b within p -+ 1.96 s

`made` has linear relations and a category, so that its coefficients are told apart well. MICE
is IterativeImputer with `sample_posterior` on one-hot columns; "one fill" is what
`VAETransformer.impute` answers, as if it were certain. Contenders of this package are left
out where it cannot draw yet.
"""

import inspect
from collections import defaultdict
from functools import partial

import _records
import numpy as np
import pandas as pd
from _tables import (
    TextTable,
    choose,
    describe_machine,
    frame_arguments,
    heading,
    quiet,
    remark,
    timed,
    verdict,
)
from imputation import all_loaders
from mixed import OneHot, remove_cells
from sklearn.datasets import load_diabetes
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  which IterativeImputer needs
from sklearn.impute import IterativeImputer

import skae
from skae import VAETransformer

# Table -> the number that is regressed on the others.
TARGETS = {
    "penguins": "body_mass_g",
    "mpg": "Miles_per_Gallon",
    "titanic": "Fare",
    "diamonds": "price",
    "diabetes": "s5",
    "made": "y",
}
LEVEL = 0.9
LEAST, MOST = 0.87, 0.93
# How near the slope has to be to 1.
UNBIASED = 0.05


def make_linear(n_rows=1000):
    rng = np.random.default_rng(0)
    group = rng.choice(3, n_rows)
    a = rng.normal(size=n_rows) + 0.8 * group
    b = 0.6 * a + rng.normal(size=n_rows)
    c = rng.normal(size=n_rows)
    y = a + 0.5 * b - 0.7 * c + rng.normal(size=n_rows)
    return pd.DataFrame(
        {"a": a, "b": b, "c": c, "group": np.array(list("uvw"))[group], "y": y}
    )


# ----------------------------------------------------------------------- contenders
# Each takes an incomplete frame, how many draws, and a seed, and returns completed frames'
# numbers in standard units of the incomplete frame, (n_draws, n, n_numbers).


def one_fill(frame, n_draws, seed):
    design = OneHot(frame)
    filled = VAETransformer(0.9, random_state=seed).fit(frame).impute(frame)
    return np.broadcast_to(
        design.standard(filled), (n_draws, *filled.shape[:1], len(design.numbers))
    )


def mice(frame, n_draws, seed):
    design = OneHot(frame)
    encoded = design.drop_first(design.encode(frame))
    filled = [
        IterativeImputer(
            sample_posterior=True, random_state=n_draws * seed + draw, max_iter=10
        ).fit_transform(encoded)
        for draw in range(n_draws)
    ]
    return np.stack(filled)[:, :, : len(design.numbers)]


def by_transformer(make, frame, n_draws, seed):
    design = OneHot(frame)
    model = make(random_state=seed).fit(frame)
    return np.stack(
        [design.standard(filled) for filled in model.impute(frame, n_draws=n_draws)]
    )


CONTENDERS = {"MICE": mice, "one fill": one_fill}
if "n_draws" in inspect.signature(VAETransformer.impute).parameters:
    CONTENDERS["VAE(0.9)"] = partial(by_transformer, partial(VAETransformer, 0.9))
if hasattr(skae, "AutoencoderImputer") and hasattr(skae.AutoencoderImputer, "impute"):
    CONTENDERS["Imputer"] = partial(by_transformer, skae.AutoencoderImputer)

# -------------------------------------------------------------------------- figures


def covered(draws, truth, removed):
    """Return which fraction of the removed numbers lies within its interval."""
    edges = (1 - LEVEL) / 2, (1 + LEVEL) / 2
    low, high = np.quantile(draws, edges, axis=0, method="weibull")
    # A number that is drawn always is an interval of rounding's width.
    within = (truth >= low - 1e-9) & (truth <= high + 1e-9)
    return float(within[removed].mean())


def regress(numbers, target):
    """Return the coefficients of the other columns, and their variances."""
    inputs = np.delete(numbers, target, axis=1)
    inputs = np.column_stack([inputs, np.ones(len(inputs))])
    outcome = numbers[:, target]
    inverse = np.linalg.pinv(inputs.T @ inputs)
    coefficients = inverse @ inputs.T @ outcome
    residuals = outcome - inputs @ coefficients
    noise = np.square(residuals).sum() / (len(inputs) - inputs.shape[1])
    return coefficients[:-1], (noise * np.diag(inverse))[:-1]


def pool(draws, target):
    """Return the pooled coefficients and their standard errors (Rubin, 1987)."""
    of_draws = [regress(numbers, target) for numbers in draws]
    coefficients, variances = (np.array(values) for values in zip(*of_draws, strict=True))
    between = coefficients.var(axis=0, ddof=1)
    total = variances.mean(0) + (1 + 1 / len(draws)) * between
    return coefficients.mean(0), np.sqrt(total)


def measure(contender, frame, target, n_draws, seed):
    """Return the figures of a contender on a complete table, a dict."""
    incomplete, removed = remove_cells(frame, np.random.default_rng(seed))
    design = OneHot(incomplete)
    draws, seconds = timed(contender, incomplete, n_draws, seed)
    truth = design.standard(frame)
    removed = removed[:, [frame.columns.get_loc(name) for name in design.numbers]]
    column = design.numbers.index(target)
    complete, _ = regress(truth, column)
    pooled, errors = pool(draws, column)
    off = np.abs(pooled - complete) / errors
    return {
        "intervals": covered(draws, truth, removed),
        "slope": float(pooled @ complete / (complete @ complete)),
        "z": float(np.sqrt(np.square(off).mean())),
        "coverage": float((off < 1.96).mean()),
        "seconds": seconds,
    }


FIGURES = ("intervals", "slope", "z", "coverage", "seconds")


def run(loaders, known, args):
    heading(f"Intervals of {LEVEL:.0%} that hold, and regressions; {args.draws} draws")
    formats = {"table": "<10", "seed": ">4d", "": "<9", "intervals": ">9.3f"}
    formats |= {"slope": ">6.3f", "z": ">5.2f", "coverage": ">8.3f", "seconds": ">7.1f"}
    text = TextTable(formats)
    for seed in range(args.seeds):
        for table, load in loaders.items():
            frame = load().dropna()
            frame = frame.sample(min(args.max_rows, len(frame)), random_state=seed)
            frame = frame.reset_index(drop=True)
            for name in args.contenders:
                if (table, seed, name) in known:
                    continue
                with quiet():
                    figures = measure(
                        CONTENDERS[name], frame, TARGETS[table], args.draws, seed
                    )
                record = {"table": table, "seed": seed, "contender": name} | figures
                known[_records.key(record, "contender")] = record
                _records.append(args.store, record)
                text.row(table, seed, name, *map(figures.get, FIGURES))


def summarise(records):
    found = defaultdict(list)
    for record in records:
        found[record["contender"]].append([record[name] for name in FIGURES])
    heading("Means of all tables and seeds")
    for name in CONTENDERS:
        if name not in found:
            continue
        intervals, slope, z, coverage, seconds = np.mean(found[name], axis=0)
        verdict(
            f"{name}: removed numbers within intervals of {LEVEL:.0%}",
            f"{intervals:.1%}",
            f"{LEAST:.0%} to {MOST:.0%}",
            LEAST <= intervals <= MOST,
        )
        verdict(
            f"{name}: slope of pooled coefficients",
            f"{slope:.3f}",
            f"1 within {UNBIASED}",
            abs(slope - 1) <= UNBIASED,
        )
        remark(
            f"{name}: z {z:.2f}, coverage of coefficients {coverage:.1%}, {seconds:.1f} s"
        )


def main():
    parser = frame_arguments(__doc__, max_rows=1000)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument(
        "--contenders", nargs="*", choices=CONTENDERS, default=[*CONTENDERS], metavar="NAME"
    )
    _records.add_arguments(parser)
    args = parser.parse_args()
    describe_machine(args.threads)
    loaders = {
        "diabetes": lambda: load_diabetes(as_frame=True).data,
        "made": make_linear,
    }
    loaders |= all_loaders(args)
    loaders = choose(
        {name: loaders[name] for name in TARGETS if name in loaders}, args.only
    )
    known = _records.known(args, "contender")
    run(loaders, known, args)
    chosen = [
        record
        for record in known.values()
        if record["table"] in loaders and record["seed"] < args.seeds
    ]
    summarise(chosen)


if __name__ == "__main__":
    main()
