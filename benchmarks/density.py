"""Log densities of skae's VAE beside those of probabilistic PCA, in nats per row.

Claims: where the rows are probabilistic PCA's own, the VAE's score is PCA's to 0.1 nats and
not above the truth, as a lower bound must; on tables with continuous columns it is at least
PCA's on nine of ten.

    python benchmarks/density.py --data FOLDER [--only wilt skin] [--max-rows 5000]

On the tables, labels are not used, 30% of the rows are held out, columns are standardised by
the training rows, and normal noise of standard deviation 0.05 is added to every cell, so
that repeated values cannot have an unbounded density.
"""

import argparse
import math
from dataclasses import dataclass

import _figures
import numpy as np
from _tables import (
    TextTable,
    add_threads_argument,
    choose,
    describe_machine,
    folder_loaders,
    heading,
    load_each,
    quiet,
    subsample,
    timed,
    verdict,
)
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import VAETransformer

N_FACTORS, N_FEATURES, FACTOR_NOISE = 3, 10, 0.5
NEAR_PCA = 0.1
N_ERRORS = 3.0
FEW_VALUES = 20
NOISE = 0.05
# What draws rows takes no part in their density.
WITHOUT_SAMPLES = {"sampler": "codes", "match_marginals": False}
FRACTION = 0.9
# Nats. Training starts at PCA in float32, and may end there.
ROUNDING = 1e-3

# ------------------------------------------------------------------ a known density


def factor_model(rng):
    """Return the normal distribution of x = W z + m + noise."""
    loadings = rng.standard_normal((N_FEATURES, N_FACTORS))
    covariance = loadings @ loadings.T + FACTOR_NOISE**2 * np.eye(N_FEATURES)
    return multivariate_normal(rng.standard_normal(N_FEATURES), covariance)


def compare_with_truth(n_rows, seed):
    """Return the log densities of new rows: of the truth, PCA and the VAE."""
    rng = np.random.default_rng(seed)
    truth = factor_model(rng)
    train, test = (truth.rvs(n_rows, random_state=rng) for _ in range(2))
    return {
        "truth": truth.logpdf(test),
        "PCA": PCA(N_FACTORS, random_state=seed).fit(train).score_samples(test),
        "VAE": VAETransformer(N_FACTORS, random_state=seed).fit(train).score_samples(test),
    }


def report_truth(densities):
    heading(
        f"{len(densities['truth'])} new rows of a probabilistic PCA model, {N_FEATURES} "
        f"columns, {N_FACTORS} factors: nats per row"
    )
    table = TextTable(
        {"": "<5", "mean": ">9.4f", "to truth": ">9.4f", "std error": ">9.4f"}
    )
    for name, figures in densities.items():
        gap, error = paired_gap(figures, densities["truth"])
        table.row(name, figures.mean(), gap, error)


def paired_gap(first, second):
    """Return the mean of the rows' differences, and its standard error."""
    gaps = first - second
    return gaps.mean(), gaps.std(ddof=1) / math.sqrt(len(gaps))


def judge_truth(densities):
    gap, _ = paired_gap(densities["VAE"], densities["PCA"])
    verdict(
        "(a) VAE to PCA on PCA's own rows",
        f"{gap:+.4f} nats",
        f"within {NEAR_PCA}",
        abs(gap) <= NEAR_PCA,
    )
    gap, error = paired_gap(densities["VAE"], densities["truth"])
    verdict(
        "(a) VAE above the truth",
        f"{gap:+.4f} nats, standard error {error:.4f}",
        f"<= {N_ERRORS:g} standard errors",
        gap <= N_ERRORS * error,
    )


# --------------------------------------------------------------------- real tables


@dataclass(frozen=True)
class Figures:
    """Mean held-out log density in nats per row, and seconds."""

    density: float
    fit_seconds: float
    score_seconds: float


def is_continuous(X):
    """Tell whether at least half of the columns have 20 distinct values or more."""
    n_values = np.array([len(np.unique(column)) for column in X.T])
    return np.mean(n_values < FEW_VALUES) <= 0.5


def prepare(X, seed):
    """Return training and held-out rows, in standard units with noise."""
    train, test = train_test_split(X, test_size=0.3, random_state=seed)
    # What never varies in training has no density to compare.
    varies = train.min(axis=0) < train.max(axis=0)
    train, test = train[:, varies], test[:, varies]
    scaler = StandardScaler().fit(train)
    rng = np.random.default_rng(seed)
    return [
        scaler.transform(part) + NOISE * rng.standard_normal(part.shape)
        for part in (train, test)
    ]


def n_components_for(n_features):
    return min(max(2, round(math.sqrt(n_features))), n_features - 1)


def measure(model, train, test):
    _, fit_seconds = timed(model.fit, train)
    density, score_seconds = timed(model.score, test)
    return Figures(density, fit_seconds, score_seconds)


def compare_on_tables(loaders, max_rows, seed):
    """Print a row per table; return name -> (PCA's figures, the VAE's)."""
    heading("Mean held-out log density, nats per row, and seconds")
    table = TextTable(
        {"table": "<14", "rows": ">6d", "cols": ">4d", "k": ">2d"}
        | {title: ">9.3f" for title in ("PCA", "VAE", "VAE - PCA")}
        | {
            f"{what} {name}": ">9.2f"
            for name in ("PCA", "VAE")
            for what in ("fit s", "score s")
        }
    )
    outcomes = {}
    for name, X, y in load_each(loaders):
        if not is_continuous(X):
            print(f"{name:<14}  left out: few of its columns are continuous", flush=True)
            continue
        X, _ = subsample(X, y, max_rows, seed)
        train, test = prepare(X, seed)
        k = n_components_for(train.shape[1])
        pca = measure(PCA(k, random_state=seed), train, test)
        vae = measure(VAETransformer(k, **WITHOUT_SAMPLES, random_state=seed), train, test)
        outcomes[name] = pca, vae
        table.row(
            name,
            *train.shape,
            k,
            pca.density,
            vae.density,
            vae.density - pca.density,
            *(pca.fit_seconds, pca.score_seconds),
            *(vae.fit_seconds, vae.score_seconds),
        )
    return outcomes


def judge_tables(outcomes):
    below = [
        name
        for name, (pca, vae) in outcomes.items()
        if vae.density < pca.density - ROUNDING
    ]
    _figures.fact("density_tables", str(len(outcomes) - len(below)))
    fraction = 1.0 - len(below) / len(outcomes)
    verdict(
        f"(b) tables of {len(outcomes)} with a log density of at least PCA's",
        f"{fraction:.0%}, below on {', '.join(below) or 'none'}",
        f">= {FRACTION:.0%}",
        fraction >= FRACTION,
    )


def warm_up():
    """Let torch load what it loads at first use, outside the first table's time."""
    X = np.random.default_rng(0).standard_normal((200, 4))
    VAETransformer(1, max_iter=1, random_state=0).fit(X).score(X)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder of .npz files with X and y")
    parser.add_argument("--max-rows", type=int, default=5000, help="rows a table at most")
    parser.add_argument(
        "--model-rows", type=int, default=20_000, help="rows of the PCA model"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", metavar="TABLE")
    add_threads_argument(parser)
    _figures.add_argument(parser)
    args = parser.parse_args()
    loaders = choose(folder_loaders(args.data), args.only)

    describe_machine(args.threads)
    with quiet():
        warm_up()
    densities = compare_with_truth(args.model_rows, args.seed)
    report_truth(densities)
    outcomes = compare_on_tables(loaders, args.max_rows, args.seed)
    heading("Summary")
    judge_truth(densities)
    if outcomes:
        judge_tables(outcomes)
    _figures.write(args)


if __name__ == "__main__":
    main()
