"""How much a fit depends on its seed: five seeds a table, the same training and test rows.

Claims: of any table five seeds end within one nat (or 2%) of the best in score, and within
0.02 in R²; no fit stays at its start where another seed left it for something better.

    python benchmarks/seeds.py --data FOLDER [--mixed FOLDER] [--only digits wine] [--seeds 5]

Labels are not used. A third of the rows is held out, and the score is that of these. The
first table per line is scikit-learn's, of `--data` (.npz) or of `--mixed` (.csv.gz). A mean
of scores is often that of its few worst rows: beside it stands the spread of the mean of
scores without the lowest twentieth.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
from _tables import (
    TextTable,
    add_threads_argument,
    choose,
    describe_machine,
    folder_loaders,
    heading,
    quiet,
    sklearn_loaders,
    subsample,
    timed,
    verdict,
)
from mixed import frame_loaders
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, VAETransformer
from skae.metrics import reconstruction_r2

TRANSFORMERS = {"AE": AutoencoderTransformer, "VAE": VAETransformer}
# Tables of `--data` that are measured unless others are named: heavy tails among them.
FROM_FOLDER = ("vowels", "cardio", "WBC", "Wilt", "magic.gamma", "SpamBase", "thyroid")
# What is as good as the best.
NATS, FRACTION, R2 = 1.0, 0.02, 0.02
LOWEST = 0.05


@dataclass(frozen=True)
class Fit:
    """What came of one fit; scores of test rows."""

    score: float
    trimmed: float
    r2: float
    best_iter: int
    n_iter: int
    seconds: float


def measure(transformer, k, train, test, seed, **params):
    estimator = transformer(k, random_state=seed, **params)
    with quiet():
        _, seconds = timed(estimator.fit, train)
        scores = np.sort(estimator.score_samples(test))
        r2 = reconstruction_r2(estimator, test)
    trimmed = scores[int(LOWEST * len(scores)) :].mean()
    progress = estimator.best_iter_, estimator.n_iter_
    return Fit(float(scores.mean()), float(trimmed), r2, *progress, seconds)


def measure_start(transformer, k, train, test):
    still = {"learning_rate_init": 1e-30, "max_iter": 1, "early_stopping": False}
    return measure(transformer, k, train, test, 0, **still)


def tolerance(name, best):
    """Return how far below the best score a fit may be: nats, or units of the variance."""
    return max(NATS, FRACTION * abs(best)) if name == "VAE" else FRACTION


def n_components_for(X):
    n_features = X.shape[1]
    return 10 if n_features == 64 else min(max(2, round(n_features**0.5)), n_features - 1)


def report(name, X, y, args, table):
    """Measure a table; return (fits within the tolerance, at the start, stuck there)."""
    X, y = subsample(X, y, args.max_rows, 0)
    train, test = train_test_split(X, test_size=1 / 3, random_state=0)
    k, outcomes = n_components_for(X), {}
    for kind in args.kinds:
        transformer = TRANSFORMERS[kind]
        start = measure_start(transformer, k, train, test)
        fits = [
            measure(transformer, k, train, test, seed, **args.params)
            for seed in range(args.seeds)
        ]
        scores, r2s = ([getattr(fit, part) for fit in fits] for part in ("score", "r2"))
        trimmed = [fit.trimmed for fit in fits]
        most = max(scores)
        at_start = [fit for fit in fits if fit.best_iter == 0]
        within = tolerance(kind, most)
        stuck = [fit for fit in at_start if fit.score < most - within]
        # Neither a low R² is a fault where the score is as high, nor the reverse: the VAE's
        # best state is of the score.
        table.row(
            *(name, kind, len(train), X.shape[1], k, start.score, most, np.median(scores)),
            *(most - min(scores), max(trimmed) - min(trimmed)),
            *(start.r2, max(r2s), max(r2s) - min(r2s)),
            *(len(at_start), len(stuck)),
            np.mean([fit.n_iter for fit in fits]),
            np.mean([fit.seconds for fit in fits]),
        )
        outcomes[kind] = (
            most - min(scores) <= within,
            max(r2s) - min(r2s) <= R2,
            len(at_start),
            len(stuck),
        )
        if args.json:
            with open(args.json, "a", encoding="utf-8") as file:
                line = {"table": name, "kind": kind, "start": asdict(start)}
                file.write(json.dumps(line | {"fits": list(map(asdict, fits))}) + "\n")
    return outcomes


def load_mixed(load):
    frame = load()
    return frame, np.zeros(len(frame))


def loaders_of(args):
    found = sklearn_loaders()
    del found["linnerud"]
    if args.mixed:
        frames = frame_loaders(args.mixed)
        found |= {name: partial(load_mixed, load) for name, load in frames.items()}
    if args.data:
        folder = folder_loaders(args.data)
        found |= folder if args.only else {name: folder[name] for name in FROM_FOLDER}
    return choose(found, args.only)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="folder of .npz files with X and y")
    parser.add_argument("--mixed", help="folder of penguins.csv.gz and others")
    parser.add_argument("--max-rows", type=int, default=2000, help="rows a table at most")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="TABLE")
    parser.add_argument("--kinds", nargs="+", choices=TRANSFORMERS, default=TRANSFORMERS)
    parser.add_argument(
        "--params", type=json.loads, default={}, help="of the transformers, as JSON"
    )
    parser.add_argument("--json", help="file to append every fit's figures to")
    add_threads_argument(parser)
    args = parser.parse_args()

    describe_machine(args.threads)
    heading(f"Scores and R² of {args.seeds} seeds: best, median, best less worst")
    table = TextTable(
        {"table": "<13", "": "<3", "rows": ">5d", "cols": ">4d", "k": ">2d"}
        | {title: ">9.3f" for title in ("start", "best", "median", "spread", "trimmed")}
        | {title: ">7.3f" for title in ("R² start", "R² best", "R² spread")}
        | {"at start": ">2d", "stuck": ">2d", "epochs": ">6.1f", "fit s": ">6.2f"}
    )
    outcomes = []
    for name, load in loaders_of(args).items():
        outcomes += report(name, *load(), args, table).values()
    near, alike, at_start, stuck = (sum(part) for part in zip(*outcomes, strict=True))
    heading("Summary")
    n, n_fits = len(outcomes), len(outcomes) * args.seeds
    verdict("tables whose seeds are near the best in score", f"{near} of {n}", n, near == n)
    verdict("tables whose seeds are near the best in R²", f"{alike} of {n}", n, alike == n)
    verdict("fits that stay at a start that another leaves", stuck, 0, stuck == 0)
    print(f"{'':<8} fits at their start: {at_start} of {n_fits}")


if __name__ == "__main__":
    main()
