"""Missing cells filled by the estimators of this package, beside the field's imputers.

Claims: of eight tables without a fifth of their cells, numbers (RMSE in standard deviations)
and categories (accuracy) are filled at least as well as by the best of all peers in the
mean, and on no table with more than 1.2 times its error; missing drop-off times of rides
within 6 minutes in the median, and nearer than the median ride's.

    python benchmarks/imputation.py --data ANOMALY_FOLDER --mixed MIXED_FOLDER \
        --tables CSV_FOLDER [--seeds 3] [--only mpg] [--imputers skae missForest] \
        [--store new.jsonl] [--from peers.jsonl ...] [--threads 1]

Everyone sees the incomplete table only, and fills that table. The peers (`_imputers.py`) are
scikit-learn's imputers on one-hot columns, missForest, and the same chain of gradient
boosting, which takes categories natively. At most 2,000 rows of penguins, automobiles, adult,
mpg, titanic, diamonds (CSV files that `export_tables.py` writes), breast_cancer and cardio.
The rides' drop-off is missing in a tenth of 6,000 rows; pickup and the median ride is what
one would do by hand. Figures of earlier runs are read by `--from`, and not measured again.
"""

from functools import partial
from pathlib import Path

import _records
import numpy as np
import pandas as pd
from _imputation_summary import BY_HAND, RIDES, summarise
from _imputers import PEERS
from _rides import make_rides, minutes_of
from _synthetic import moments_to_numbers
from _tables import (
    TextTable,
    choose,
    describe_machine,
    folder_loaders,
    frame_arguments,
    heading,
    quiet,
    sklearn_loaders,
    timed,
)
from mixed import OneHot, compare, load_frame, remove_cells

import skae
from skae import AutoencoderTransformer, VAETransformer

MIXED = ("penguins", "auto_imports", "adult")
OF_TABLES = ("mpg", "titanic", "diamonds")
MISSING_RIDES = 0.1


def fill_by_transformer(make, frame, seed):
    return make(random_state=seed).fit(frame).impute(frame)


def fill_by_imputer(make, frame, seed):
    return make(random_state=seed).fit_transform(frame)


OURS = {
    "VAE(0.9)": partial(fill_by_transformer, partial(VAETransformer, 0.9)),
    "AE()": partial(fill_by_transformer, AutoencoderTransformer),
}
# Packages of before it have no such class; their figures are compared with today's.
if hasattr(skae, "AutoencoderImputer"):
    OURS["Imputer"] = partial(fill_by_imputer, skae.AutoencoderImputer)
IMPUTERS = [*OURS, *PEERS, BY_HAND]

# ------------------------------------------------------------------------- tables


def load_csv(folder, name):
    return load_frame(Path(folder) / f"{name}.csv")


def load_numbers(load):
    X = load()[0]
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])


def all_loaders(args):
    """Return name -> function that loads a frame."""
    loaders = {}
    if args.mixed:
        paths = {name: Path(args.mixed) / f"{name}.csv.gz" for name in MIXED}
        loaders |= {name: partial(load_frame, path) for name, path in paths.items()}
    if args.tables:
        loaders |= {name: partial(load_csv, args.tables, name) for name in OF_TABLES}
    loaders["breast_cancer"] = partial(load_numbers, sklearn_loaders()["breast_cancer"])
    loaders["cardio"] = partial(load_numbers, folder_loaders(args.data)["cardio"])
    return loaders


# ------------------------------------------------------------------------- figures


def fill(name, frame, design, seed):
    """Return the cells of the completed frame, as `_imputers` has them."""
    if name in OURS:
        return design.read(OURS[name](frame, seed))
    return PEERS[name](frame, design, seed)


def measure(name, frame, seed):
    """Return the figures of an imputer on a table, a dict."""
    incomplete, removed = remove_cells(frame, np.random.default_rng(seed))
    design = OneHot(incomplete)
    cells, seconds = timed(fill, name, incomplete, design, seed)
    # Levels that no cell is left of are lost for everyone.
    if design.categories:
        result = compare(design, frame, cells, removed)
        return {"rmse": result.rmse, "accuracy": result.accuracy, "seconds": seconds}
    errors = (cells[0] - design.standard(frame))[removed]
    return {"rmse": float(np.sqrt(np.square(errors).mean())), "seconds": seconds}


def incomplete_rides(seed):
    """Return rides, the same without a tenth of the drop-offs, and which these are."""
    rides = make_rides(seed=seed)
    removed = np.random.default_rng(seed).random(len(rides)) < MISSING_RIDES
    return rides, rides.assign(dropoff=rides["dropoff"].mask(removed)), removed


def measure_rides(name, seed):
    """Return the figures of the drop-offs, a dict."""
    rides, incomplete, removed = incomplete_rides(seed)

    def filled():
        if name == BY_HAND:
            usual = pd.Timedelta(minutes=minutes_of(incomplete).median())
            return incomplete["pickup"] + usual
        if name in OURS:
            return OURS[name](incomplete, seed)["dropoff"]
        numbers = moments_to_numbers(incomplete)
        design = OneHot(numbers)
        standard = PEERS[name](numbers, design, seed)[0]
        column = design.numbers.index("dropoff")
        seconds = standard[:, column] * design.std["dropoff"] + design.mean["dropoff"]
        return pd.to_datetime(pd.Series(seconds), unit="s")

    dropoff, seconds = timed(filled)
    dropoff = pd.Series(dropoff).reset_index(drop=True)
    errors = (dropoff - rides["dropoff"])[removed].dt.total_seconds().abs() / 60
    early = (dropoff < rides["pickup"])[removed]
    return {
        "minutes": float(errors.median()),
        "early": float(early.mean()),
        "seconds": seconds,
    }


def run(loaders, known, args):
    """Add the figures that are not known; print and store them as they come."""
    heading("RMSE of numbers in standard deviations, accuracy of categories")
    formats = {"table": "<14", "seed": ">4d", "": "<11", "RMSE": ">6.3f"}
    formats |= {"accuracy": ">8.3f", "minutes": ">7.2f", "early": ">6.3f", "s": ">6.1f"}
    text = TextTable(formats)
    for seed in range(args.seeds):
        for table, load in loaders.items():
            for name in args.imputers:
                if (table, seed, name) in known or (name == BY_HAND and table != RIDES):
                    continue
                with quiet():
                    if table == RIDES:
                        figures = measure_rides(name, seed)
                    else:
                        frame = load()
                        n_rows = min(args.max_rows, len(frame))
                        frame = frame.sample(n_rows, random_state=seed)
                        figures = measure(name, frame.reset_index(drop=True), seed)
                record = {"table": table, "seed": seed, "imputer": name} | figures
                known[_records.key(record, "imputer")] = record
                _records.append(args.store, record)
                columns = ("rmse", "accuracy", "minutes", "early", "seconds")
                text.row(table, seed, name, *map(figures.get, columns))


def main():
    parser = frame_arguments(__doc__)
    parser.add_argument(
        "--imputers", nargs="*", choices=IMPUTERS, default=IMPUTERS, metavar="NAME"
    )
    _records.add_arguments(parser)
    args = parser.parse_args()
    describe_machine(args.threads)
    loaders = choose(all_loaders(args) | {RIDES: None}, args.only)
    known = _records.known(args, "imputer")
    run(loaders, known, args)
    chosen = [
        record
        for record in known.values()
        if record["table"] in loaders
        and record["seed"] < args.seeds
        and record["imputer"] in IMPUTERS
    ]
    summarise(chosen, [table for table in loaders if table != RIDES], IMPUTERS, OURS)


if __name__ == "__main__":
    main()
