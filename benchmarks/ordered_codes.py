"""The first k of K codes against PCA(k): do codes come in an order, as components do?

Claims: for every k the first k codes reconstruct held-out rows at least as PCA(k) does, on
nine of ten tables.

    python benchmarks/ordered_codes.py --data FOLDER [--only iris wine] [--max-rows 3000]

30% of the rows are held out, columns are standardised by the training rows. The first k codes
are what `reconstruct(X, n_components=k)` takes; PCA's other components are 0.
"""

import argparse

import numpy as np
from _tables import (
    TextTable,
    add_threads_argument,
    choose,
    describe_machine,
    folder_loaders,
    heading,
    load_each,
    sklearn_loaders,
    subsample,
    timed,
    verdict,
)
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer, VAETransformer

# Small differences are the rounding of float32.
ROUNDING = 1e-3
CONTENDERS = {
    "AE": lambda k, seed: AutoencoderTransformer(k, random_state=seed),
    "VAE": lambda k, seed: VAETransformer(k, sampler="codes", random_state=seed),
}


def explained(estimator, X, k, center):
    """Return what the first k codes explain of held-out rows."""
    if isinstance(estimator, PCA):
        codes = estimator.transform(X)
        codes[:, k:] = 0.0
        rows = estimator.inverse_transform(codes)
    else:
        rows = estimator.reconstruct(X, n_components=k)
    lost = np.square(rows - X).sum()
    return 1.0 - lost / np.square(X - center).sum()


def measure(X, n_codes, seed, contenders):
    """Return name -> fractions that the first 1 to n_codes explain, and seconds."""
    train, test = train_test_split(X, test_size=0.3, random_state=seed)
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    n_codes = min(n_codes, X.shape[1])
    makers = {"PCA": lambda k, seed: PCA(k, random_state=seed)}
    makers |= {name: CONTENDERS[name] for name in contenders}
    curves, seconds = {}, {}
    for name, make in makers.items():
        estimator, seconds[name] = timed(make(n_codes, seed).fit, train)
        ks, center = range(1, n_codes + 1), train.mean(axis=0)
        curves[name] = np.array([explained(estimator, test, k, center) for k in ks])
    return curves, seconds


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder of .npz files with X and y")
    parser.add_argument("--max-rows", type=int, default=3000)
    parser.add_argument("--n-codes", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", metavar="TABLE")
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS))
    add_threads_argument(parser)
    args = parser.parse_args()
    describe_machine(args.threads)
    loaders = choose({**sklearn_loaders(), **folder_loaders(args.data)}, args.only)
    heading("R2 of the first k codes less that of PCA(k): least over k; left/PCA of all")
    table = TextTable(
        {"table": "<14", "codes": "<7", "least": ">8.4f", "left": ">6.3f", "s": ">6.2f"}
        | {f"k={k}": ">7.3f" for k in range(1, args.n_codes + 1)}
    )
    least, left = {}, {}
    for name, X, y in load_each(loaders):
        X, _ = subsample(X, y, args.max_rows, args.seed)
        curves, seconds = measure(X, args.n_codes, args.seed, args.contenders)
        pca = curves.pop("PCA")
        for contender, curve in curves.items():
            gains = curve - pca
            ratio = (1.0 - curve[-1] + 1e-6) / (1.0 - pca[-1] + 1e-6)
            least.setdefault(contender, []).append(gains.min())
            left.setdefault(contender, []).append(ratio)
            cells = [*gains, *[None] * (args.n_codes - len(gains))]
            row = name, contender, gains.min(), ratio, seconds[contender], *cells
            table.row(*row)
    heading("Summary")
    for contender, gains in least.items():
        held = int((np.array(gains) >= -ROUNDING).sum())
        verdict(
            f"{contender}: tables where every first k is at least PCA(k)",
            f"{held} of {len(gains)}; median left of all codes "
            f"{np.median(left[contender]):.3f}",
            "9 of 10",
            held >= 0.9 * len(gains),
        )


if __name__ == "__main__":
    main()
