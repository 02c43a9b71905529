"""What a refit on all rows gains on small tables: scores of a test third, five splits.

Claims: on average over the tables the scores with ``refit=True`` are higher than with
``refit=False``, and it takes at most half as long again.

    python benchmarks/refit.py --data FOLDER [--mixed FOLDER] [--max-rows 600] [--splits 5]

Both fits of a pair have the same seed, and with it the same held-out rows: they differ by
the refit alone. Labels are not used.
"""

import argparse

import numpy as np
from _tables import TextTable, add_threads_argument, describe_machine, heading, subsample
from _tables import verdict as judge
from seeds import TRANSFORMERS, Fit, loaders_of, measure, n_components_for
from sklearn.model_selection import train_test_split

SMALL = (
    *("iris", "wine", "breast_cancer", "diabetes", "digits", "penguins", "auto_imports"),
    *("adult", "vowels", "cardio", "WBC", "Wilt", "magic.gamma", "thyroid"),
    *("breastw", "WPBC", "Hepatitis", "fault"),
)
LONGER = 1.5


def compare(kind, X, y, args):
    """Return the fits of every split without and with a refit."""
    pairs: list[tuple[Fit, Fit]] = []
    for seed in range(args.splits):
        rows, _ = subsample(X, y, args.max_rows, seed)
        train, test = train_test_split(rows, test_size=1 / 3, random_state=seed)
        case = TRANSFORMERS[kind], n_components_for(X), train, test, seed
        pairs.append(tuple(measure(*case, refit=refit) for refit in (False, True)))
    return pairs


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="folder of .npz files with X and y")
    parser.add_argument("--mixed", help="folder of penguins.csv.gz and others")
    parser.add_argument("--max-rows", type=int, default=600, help="rows a table at most")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="TABLE", default=SMALL)
    parser.add_argument("--kinds", nargs="+", choices=TRANSFORMERS, default=TRANSFORMERS)
    add_threads_argument(parser)
    args = parser.parse_args()

    describe_machine(args.threads)
    heading(f"Without and with a refit, {args.splits} splits: means")
    table = TextTable(
        {"table": "<13", "": "<3", "left start": ">2d"}
        | {title: ">9.3f" for title in ("without", "with", "gain", "std error", "trimmed")}
        | {"R² gain": ">7.3f", "time": ">5.2f"}
    )
    gains = {kind: [] for kind in args.kinds}
    times = []
    for name, load in loaders_of(args).items():
        X, y = load()
        for kind in args.kinds:
            pairs = compare(kind, X, y, args)
            without, with_refit = (
                np.array([f.score for f in fits]) for fits in zip(*pairs, strict=True)
            )
            gain = with_refit - without
            trimmed = np.mean([b.trimmed - a.trimmed for a, b in pairs])
            r2 = np.mean([b.r2 - a.r2 for a, b in pairs])
            times.append(
                sum(b.seconds for _, b in pairs) / sum(a.seconds for a, _ in pairs)
            )
            gains[kind].append(gain.mean())
            table.row(
                *(name, kind, sum(a.best_iter > 0 for a, _ in pairs)),
                *(without.mean(), with_refit.mean(), gain.mean()),
                *(gain.std(ddof=1) / np.sqrt(len(gain)), trimmed, r2, times[-1]),
            )
    heading("Summary")
    for kind, of_tables in gains.items():
        lost = sum(gain < 0 for gain in of_tables)
        judge(
            f"{kind}: mean gain over {len(of_tables)} tables",
            f"{np.mean(of_tables):+.4f}, median {np.median(of_tables):+.4f}, {lost} lose",
            "> 0",
            np.mean(of_tables) > 0,
        )
    judge("time of both to one", f"{np.mean(times):.2f}", LONGER, np.mean(times) <= LONGER)


if __name__ == "__main__":
    main()
