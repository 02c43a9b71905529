"""Codes as features for a supervised model, beside PCA's and beside the columns themselves.

Claims: a ridge or logistic regression, and gradient boosting, are on nine of ten tables at
least as good with skae's codes as with as many of PCA's, and better in the mean.

    python benchmarks/features.py --mixed FOLDER --data FOLDER [--only diabetes] [--threads 1]

The first tables are scikit-learn's, then frames of `--mixed` (.csv.gz) with a label or a
number to predict, and .npz tables of `--data` that are classification tables. Codes are of
the training rows alone, 30% are held out. PCA gets standardised numbers and one-hot
categories. Numbers are predicted with R², labels with their accuracy; a table counts as
equal within 0.01. Beside that stands how many cases are won and lost by more than a standard
error of the mean difference, paired over the splits: what is less may be the splits' doing.
Of three splits it is 0.01 and more where numbers are few, which is why there are eight.
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
    remark,
    sklearn_loaders,
    standard_error,
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
HELD_OUT = 0.3
EQUAL = 0.01
WON = 0.9


def pca(k, train, seed):
    return make_pipeline(to_numbers(train), PCA(width(k, train), random_state=seed))


def ours(transformer, k, train, seed):
    return transformer(width(k, train), random_state=seed)


def width(k, train):
    """Return how many codes there are, of all contenders: no more than PCA has."""
    return min(k, to_numbers(train).fit(train).transform(train[:2]).shape[1])


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
    """Return the scores of every split, (codes, k, predictor) -> ndarray of shape (n_seeds,)."""
    scores = {}
    for seed in range(args.seeds):
        rows = np.arange(len(X))
        labels = None if is_number(y) else y
        train, test = train_test_split(
            rows, test_size=HELD_OUT, random_state=seed, stratify=labels
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
    return {case: np.array(of_seeds) for case, of_seeds in scores.items()}


def judge(outcomes):
    for ours_name in ("AE", "VAE"):
        gains = {
            (table, *case[1:]): scores[case] - scores["PCA", *case[1:]]
            for table, scores in outcomes.items()
            for case in scores
            if case[0] == ours_name
        }
        for k in (*WIDTHS, None):
            splits = np.array([v for case, v in gains.items() if k in (None, case[1])])
            of_k = splits.mean(axis=1)
            kept = np.mean(of_k >= -EQUAL)
            verdict(
                f"{ours_name}, {k or 'all'} codes: at least PCA's",
                f"{kept:.0%} of {len(of_k)}, mean {of_k.mean():+.3f}",
                f"{WON:.0%}, > 0",
                kept >= WON and of_k.mean() > 0,
            )
            if splits.shape[1] < 2:
                continue
            clear = np.maximum(standard_error(splits, HELD_OUT), EQUAL)
            won, lost = (of_k > clear).sum(), (of_k < -clear).sum()
            remark(f"by more than a standard error: won {won}, lost {lost}")


def main():
    parser = table_arguments(__doc__, max_rows=5000, seeds=8)
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
                means = (scores[c, k, predictor].mean() for c in CODES)
                table.row(name, k, predictor, *means)
        figures = {"/".join(map(str, case)): v.tolist() for case, v in scores.items()}
        _records.append(args.json, {"table": name} | figures)
    heading("Summary")
    judge(outcomes)


if __name__ == "__main__":
    main()
