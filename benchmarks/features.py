"""Codes as features for a supervised model, beside PCA's and beside the columns themselves.

Claims: a ridge or logistic regression, and gradient boosting, are on nine of ten tables at
least as good with skae's codes as with as many of PCA's, and better in the mean.

    python benchmarks/features.py --mixed FOLDER --data FOLDER [--only diabetes] [--threads 1]

The first tables are scikit-learn's, then frames of `--mixed` (.csv.gz) with a label or a
number to predict, and .npz tables of `--data` that are classification tables. Codes are of
the training rows alone, 30% are held out. PCA gets standardised numbers and one-hot
categories. Numbers are predicted with R², labels with their accuracy; a table counts as
equal within 0.01.
"""

from functools import partial

import _records
import numpy as np
import pandas as pd
from _tables import (
    TextTable,
    choose,
    describe_machine,
    folder_loaders,
    heading,
    quiet,
    sklearn_loaders,
    subsample,
    table_arguments,
    verdict,
)
from mixed import frame_loaders, to_numbers
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer, VAETransformer

# What is predicted in the frames; the rest of their columns are the features.
TARGETS = {"adult": "income", "auto_imports": "price", "penguins": "species"}
FROM_SKLEARN = ("wine", "breast_cancer", "diabetes", "digits")
FROM_FOLDER = ("magic.gamma", "SpamBase", "landsat", "annthyroid")
WIDTHS = (2, 8)
EQUAL = 0.01
WON = 0.9


def pca(k, train, seed):
    n_columns = to_numbers(train).fit(train).transform(train[:2]).shape[1]
    return make_pipeline(to_numbers(train), PCA(min(k, n_columns), random_state=seed))


def ours(transformer, k, train, seed):
    return transformer(min(k, train.shape[1]), random_state=seed)


def raw(k, train, seed):
    return to_numbers(train)


CODES = {
    "raw": raw,
    "PCA": pca,
    "AE": partial(ours, AutoencoderTransformer),
    "VAE": partial(ours, partial(VAETransformer, sampler="codes")),
}


def predictors(y, seed):
    """Return name -> what predicts labels, or numbers where there are many."""
    if is_number(y):
        linear = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 7)))
        return {
            "linear": linear,
            "boosting": HistGradientBoostingRegressor(random_state=seed),
        }
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return {
        "linear": linear,
        "boosting": HistGradientBoostingClassifier(random_state=seed),
    }


def is_number(y):
    return y.dtype.kind == "f" or len(np.unique(y)) > 20


def loaders_of(args):
    found = sklearn_loaders()
    loaders = {name: partial(as_frame, found[name]) for name in FROM_SKLEARN}
    if args.mixed:
        frames = frame_loaders(args.mixed)
        loaders |= {name: partial(part, frames[name], TARGETS[name]) for name in TARGETS}
    if args.data:
        arrays = folder_loaders(args.data)
        loaders |= {name: partial(as_frame, arrays[name]) for name in FROM_FOLDER}
    return choose(loaders, args.only)


def as_frame(load):
    X, y = load()
    return pd.DataFrame(np.asarray(X, dtype=float)).add_prefix("x"), np.asarray(y)


def part(load, target):
    """Return a frame without the column to predict, and that column."""
    frame = load().dropna(subset=[target])
    y = frame.pop(target)
    return frame, y.to_numpy(float if y.dtype.kind == "f" else None)


def measure(X, y, args):
    """Return the mean over seeds of every score, (codes, k, predictor) -> score."""
    scores = {}
    for seed in range(args.seeds):
        rows = np.arange(len(X))
        labels = None if is_number(y) else y
        train, test = train_test_split(
            rows, test_size=0.3, random_state=seed, stratify=labels
        )
        for k in WIDTHS:
            for name, build in CODES.items():
                with quiet():
                    encoder = build(k, X.iloc[train], seed)
                    fitted = encoder.fit(X.iloc[train])
                    codes = [fitted.transform(X.iloc[part]) for part in (train, test)]
                    for predictor, model in predictors(y, seed).items():
                        model.fit(np.asarray(codes[0]), y[train])
                        score = model.score(np.asarray(codes[1]), y[test])
                        scores.setdefault((name, k, predictor), []).append(score)
    return {case: float(np.mean(of_seeds)) for case, of_seeds in scores.items()}


def judge(outcomes):
    for ours_name in ("AE", "VAE"):
        gains = {
            (table, *case[1:]): scores[case] - scores["PCA", *case[1:]]
            for table, scores in outcomes.items()
            for case in scores
            if case[0] == ours_name
        }
        for k in (*WIDTHS, None):
            of_k = [gain for case, gain in gains.items() if k in (None, case[1])]
            kept = np.mean([gain >= -EQUAL for gain in of_k])
            verdict(
                f"{ours_name}, {k or 'all'} codes: at least PCA's",
                f"{kept:.0%} of {len(of_k)}, mean {np.mean(of_k):+.3f}",
                f"{WON:.0%}, > 0",
                kept >= WON and np.mean(of_k) > 0,
            )


def main():
    parser = table_arguments(__doc__, max_rows=5000, seeds=3)
    parser.add_argument("--mixed", metavar="FOLDER", help="of penguins, adult, ...")
    args = parser.parse_args()
    loaders = loaders_of(args)

    describe_machine(args.threads)
    heading(f"R² or accuracy of held-out rows, mean of {args.seeds} splits")
    formats = {"table": "<14", "codes": ">5d", "predictor": "<9"}
    table, outcomes = TextTable(formats | {name: ">7.3f" for name in CODES}), {}
    for name, load in loaders.items():
        X, y = subsample(*load(), args.max_rows, 0)
        outcomes[name] = scores = measure(X.reset_index(drop=True), y, args)
        for k in WIDTHS:
            for predictor in ("linear", "boosting"):
                table.row(name, k, predictor, *(scores[c, k, predictor] for c in CODES))
        figures = {"/".join(map(str, case)): v for case, v in scores.items()}
        _records.append(args.json, {"table": name} | figures)
    heading("Summary")
    judge(outcomes)


if __name__ == "__main__":
    main()
