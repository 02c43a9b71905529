"""New rows and densities of the VAE, beside those of other generators and mixtures.

Row 7 of the family's table. Two parts, each with its claims:

samples  a classifier two-sample test: gradient boosting is to tell held-out rows from as
         many new ones (AUROC of rows that it was not fitted on; 0.5: it cannot). The VAE's
         are told less well than those of a normal distribution, than those sampled from a
         plain autoencoder's codes, and not better than TVAE's.
density  held-out log density of the VAE with as many components as columns is at least that
         of the best GaussianMixture of 1 to 10 components on most continuous tables.

    python benchmarks/family_generation.py --data ANOMALY_FOLDER --mixed MIXED_FOLDER \
        [--part samples density] [--only wilt adult] [--tvae-python PATH] [--threads 1]

For the samples the VAE and the autoencoder have as many components as explain 95% of the
variance; everything else is default. Rows with missing values are left out of the mixed
tables, as no generator here generates missing values. The normal distribution of a mixed table is that of its one-hot columns, and the level with the
largest entry is taken; whole numbers are rounded. TVAE (package `ctgan`) wants another
pandas than this project: `--tvae-python` is the interpreter of an environment that has it.
The densities are measured as `density.py` does; the mixture is full, its size chosen on
held-out training rows and then fitted to all of them.
"""

import argparse
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import _figures
import numpy as np
import pandas as pd
from _tables import (
    TextTable,
    add_threads_argument,
    choose,
    describe_machine,
    folder_loaders,
    heading,
    load_each,
    quiet,
    remark,
    sklearn_loaders,
    subsample,
    timed,
    verdict,
)
from density import is_continuous, prepare
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, VAETransformer
from skae.metrics import two_sample_auc

HELD_OUT = 0.5
MIXED = ("penguins", "auto_imports", "adult")
OF_SKLEARN = ("wine", "breast_cancer", "diabetes")
OF_FOLDER = ("Wilt", "magic.gamma", "vowels", "annthyroid", "pendigits")
FRACTION = 0.95
LARGEST_MIXTURE = 10
# What draws rows takes no part in their density.
WITHOUT_SAMPLES = {"sampler": "codes", "match_marginals": False}

# ------------------------------------------------------------------------- tables


def load_mixed(folder, name):
    frame = pd.read_csv(Path(folder) / f"{name}.csv.gz").drop(
        columns="split", errors="ignore"
    )
    # Half of the automobiles lack this one.
    return frame.drop(columns="normalized_losses", errors="ignore").dropna()


def load_numbers(load):
    X = load()[0]
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])


def frame_loaders(anomaly, mixed):
    """Return name -> function that loads a frame without missing values."""
    loaders = {name: partial(load_mixed, mixed, name) for name in MIXED} if mixed else {}
    of_sklearn = sklearn_loaders()
    loaders |= {name: partial(load_numbers, of_sklearn[name]) for name in OF_SKLEARN}
    of_folder = folder_loaders(anomaly)
    return loaders | {name: partial(load_numbers, of_folder[name]) for name in OF_FOLDER}


def categories_of(frame):
    return [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]


# --------------------------------------------------------------------- generators


def normal_rows(train, n_rows, seed):
    """Rows of the normal distribution of the one-hot columns, read back."""
    categories = categories_of(train)
    design = pd.get_dummies(train, columns=categories, prefix_sep="\0").astype(float)
    rng = np.random.default_rng(seed)
    drawn = pd.DataFrame(
        rng.multivariate_normal(design.mean(), np.cov(design.T), n_rows, method="eigh"),
        columns=design.columns,
    )
    rows = {}
    for name in train:
        if name in categories:
            block = drawn.filter(regex=f"^{name}\0")
            rows[name] = block.idxmax(axis=1).str.split("\0").str[1]
        else:
            whole = (train[name] % 1 == 0).all()
            rows[name] = drawn[name].round() if whole else drawn[name]
    return pd.DataFrame(rows)


def skae_rows(estimator, train, n_rows, seed):
    return estimator(random_state=seed).fit(train).sample(n_rows, random_state=seed)


def tvae_rows(python, train, n_rows, seed):
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("train.csv", "samples.csv")]
        train.to_csv(paths[0], index=False)
        subprocess.run(
            [python, str(Path(__file__).with_name("_generators.py")), "TVAE", *paths]
            + [*map(str, (n_rows, n_rows, seed)), *categories_of(train)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return pd.read_csv(paths[1])


# ------------------------------------------------------------------------- samples


def compare_samples(loaders, max_rows, seeds, tvae_python):
    """Print a row per table and seed; return name -> generator -> AUROCs."""
    heading(
        "AUROC of gradient boosting: held-out rows against as many others (0.5 is best)"
    )
    generators = {
        "VAE": partial(skae_rows, partial(VAETransformer, FRACTION)),
        "normal": normal_rows,
        "autoencoder": partial(skae_rows, partial(AutoencoderTransformer, FRACTION)),
    }
    if tvae_python:
        generators["TVAE"] = partial(tvae_rows, tvae_python)
    table = TextTable(
        {"table": "<14", "rows": ">5d", "cols": ">4d", "seed": ">4d", "train": ">6.3f"}
        | {name: f">{max(6, len(name))}.3f" for name in generators}
        | {f"{name} s": ">6.1f" for name in generators}
    )
    outcomes = {}
    for name, load in loaders.items():
        frame = load()
        for seed in range(seeds):
            taken = frame.sample(n=min(max_rows, len(frame)), random_state=seed)
            train, test = train_test_split(taken, test_size=HELD_OUT, random_state=seed)
            train, test = train.reset_index(drop=True), test.reset_index(drop=True)
            figures, seconds = {}, []
            for generator, make in generators.items():
                with quiet():
                    rows, took = timed(make, train, len(test), seed)
                rows = rows if hasattr(rows, "columns") else pd.DataFrame(rows)
                figures[generator] = two_sample_auc(test, rows, random_state=seed)
                seconds.append(took)
                outcomes.setdefault(name, {}).setdefault(generator, []).append(
                    figures[generator]
                )
            floor = two_sample_auc(test, train, random_state=seed)
            table.row(name, *train.shape, seed, floor, *figures.values(), *seconds)
    return outcomes


def judge_samples(outcomes):
    """Print the verdicts; return rows for the family's table."""
    mean = {
        name: {generator: float(np.mean(values)) for generator, values in figures.items()}
        for name, figures in outcomes.items()
    }
    summary = []
    for other in next(iter(mean.values())):
        if other == "VAE":
            continue
        ours, theirs = (
            np.mean([m[name] for m in mean.values()]) for name in ("VAE", other)
        )
        known_for = f"two-sample AUROC of its rows, {len(mean)} tables"
        summary.append(("variational", known_for, ours, other, theirs))
        lost = [name for name, figure in mean.items() if figure["VAE"] > figure[other]]
        n_won = len(mean) - len(lost)
        verdict(
            f"samples of the VAE are told less well than those of {other}",
            f"{n_won} of {len(mean)} tables, not {', '.join(lost) or 'none'}",
            "3 tables" if other == "TVAE" else "all",
            n_won >= 3 if other == "TVAE" else not lost,
        )
    if "TVAE" not in next(iter(mean.values())):
        remark("TVAE was left out: give --tvae-python, an interpreter that has ctgan.")
    return summary


# ------------------------------------------------------------------------- density


def best_mixture(train, seed):
    """Return the full mixture of 1 to 10 components that held-out rows choose."""
    part, held_out = train_test_split(train, test_size=0.2, random_state=seed)

    def make(size):
        return GaussianMixture(size, random_state=seed, max_iter=200, reg_covar=1e-6)

    sizes = range(1, LARGEST_MIXTURE + 1)
    return make(max(sizes, key=lambda size: make(size).fit(part).score(held_out))).fit(
        train
    )


def compare_densities(loaders, max_rows, seed):
    heading("Mean held-out log density, nats per row")
    table = TextTable(
        {"table": "<14", "rows": ">6d", "cols": ">4d", "size": ">4d"}
        | {name: ">9.3f" for name in ("mixture", "VAE", "VAE - mix", "VAE 95%")}
        | {name: ">7.1f" for name in ("mix s", "VAE s", "score s")}
    )
    gains = {}
    for name, X, y in load_each(loaders):
        if not is_continuous(X):
            continue
        X, _ = subsample(X, y, max_rows, seed)
        train, test = prepare(X, seed)
        vae, fewer = (
            VAETransformer(k, **WITHOUT_SAMPLES, random_state=seed)
            for k in (train.shape[1], FRACTION)
        )
        with quiet():
            mixture, mixture_seconds = timed(best_mixture, train, seed)
            _, seconds = timed(vae.fit, train)
            density, score_seconds = timed(vae.score, test)
            of_fewer = fewer.fit(train).score(test)
        theirs = mixture.score(test)
        gains[name] = density - theirs
        table.row(
            *(name, *train.shape, mixture.n_components),
            *(theirs, density, gains[name], of_fewer),
            *(mixture_seconds, seconds, score_seconds),
        )
    return gains


def judge_densities(gains):
    lost = [name for name, gain in gains.items() if gain < 0]
    verdict(
        "log density of the VAE at least the best mixture's",
        f"{len(gains) - len(lost)} of {len(gains)} tables, not {', '.join(lost) or 'none'}",
        "most",
        2 * len(lost) < len(gains),
    )
    _figures.fact("mixtures", str(len(gains) - len(lost)))
    won = 1.0 - len(lost) / len(gains)
    known_for = f"fraction of {len(gains)} tables: higher density"
    return [("variational", known_for, won, "best of 10 mixtures", 1.0 - won)]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder of .npz files with X and y")
    parser.add_argument("--mixed", help="folder of penguins, auto_imports and adult")
    parser.add_argument(
        "--part", nargs="+", choices=("samples", "density"), default=["samples", "density"]
    )
    parser.add_argument("--only", nargs="+", metavar="TABLE")
    parser.add_argument("--max-rows", type=int, default=5000, help="rows a table at most")
    parser.add_argument("--seeds", type=int, default=1, help="of the samples")
    parser.add_argument("--tvae-python", help="an interpreter that has ctgan")
    add_threads_argument(parser)
    _figures.add_argument(parser)
    args = parser.parse_args()
    describe_machine(args.threads)
    if "samples" in args.part:
        loaders = choose(frame_loaders(args.data, args.mixed), args.only)
        outcomes = compare_samples(loaders, args.max_rows, args.seeds, args.tvae_python)
        judge_samples(outcomes)
    if "density" in args.part:
        loaders = choose(folder_loaders(args.data), args.only)
        judge_densities(compare_densities(loaders, args.max_rows, 0))
    _figures.write(args)


if __name__ == "__main__":
    main()
