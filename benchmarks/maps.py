"""Two codes as a map: what the usual maps keep of neighbourhoods, fresh rows placed as well.

Claims: with `NeighborEmbedding` two codes are above PCA's in trustworthiness, continuity
and the accuracy of nearest neighbours on every table, and in the mean at least those of
parametric UMAP.

    python benchmarks/maps.py --data FOLDER [--only digits] [--threads 1]

30% of the rows are held out and placed by `transform`; columns are standardised by the
training rows for all contenders. Trustworthiness is of 15 neighbours among the held-out
rows (Venna & Kaski, 2001), continuity the same with rows and codes exchanged, accuracy
that of 10 neighbours on the training rows' map. UMAP and parametric UMAP take part where
umap-learn and tensorflow are installed. t-SNE has no `transform`: it stands for what a map
of the training rows alone can keep, and is measured on those.
"""

from functools import partial

import _records
import numpy as np
from _tables import (
    TextTable,
    choose,
    describe_machine,
    folder_loaders,
    heading,
    processor_timed,
    quiet,
    remark,
    sklearn_loaders,
    standard_error,
    subsample,
    table_arguments,
    verdict,
)
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer, NeighborEmbedding

FROM_SKLEARN = ("digits", "wine", "breast_cancer")
FROM_FOLDER = ("pendigits", "optdigits", "landsat", "satimage-2", "magic.gamma", "vowels")
HELD_OUT = 0.3
MEASURES = ("trust", "continuity", "accuracy")
OURS = "AE neighbours"


def umap(seed):
    from umap import UMAP

    return UMAP(random_state=seed, n_jobs=1)


def parametric_umap(seed):
    import tensorflow
    from umap.parametric_umap import ParametricUMAP

    tensorflow.keras.utils.set_random_seed(seed)
    return ParametricUMAP(verbose=False, n_jobs=1)


CONTENDERS = {
    "PCA": lambda seed: PCA(2, random_state=seed),
    "AE": lambda seed: AutoencoderTransformer(2, scale=False, random_state=seed),
    OURS: lambda seed: AutoencoderTransformer(
        2, scale=False, penalties=NeighborEmbedding(), random_state=seed
    ),
    "UMAP": umap,
    "parametric UMAP": parametric_umap,
}


def installed():
    """Return the contenders that can be made."""
    found = {}
    for name, make in CONTENDERS.items():
        try:
            with quiet():
                make(0)
        except ImportError as error:
            print(f"{name} is left out: {error}", flush=True)
        else:
            found[name] = make
    return found


def figures(X, Z, y, accuracy):
    n_neighbors = min(15, len(X) // 3)
    return {
        "trust": trustworthiness(X, Z, n_neighbors=n_neighbors),
        "continuity": trustworthiness(Z, X, n_neighbors=n_neighbors),
        "accuracy": accuracy,
    }


def measure(X, y, contenders, seed):
    """Return contender -> measure -> figure, of one split."""
    train, test, y_train, y_test = train_test_split(
        X, y, test_size=HELD_OUT, random_state=seed
    )
    scaler = StandardScaler().fit(train)
    train, test = (scaler.transform(rows).astype(np.float32) for rows in (train, test))
    outcome = {}
    for name, make in contenders.items():
        with quiet():
            fitted, seconds = processor_timed(make(seed).fit, train)
            codes = [np.asarray(fitted.transform(rows)) for rows in (train, test)]
        labels = KNeighborsClassifier(10).fit(codes[0], y_train)
        accuracy = labels.score(codes[1], y_test)
        outcome[name] = figures(test, codes[1], y_test, accuracy) | {"seconds": seconds}
    with quiet():
        codes, seconds = processor_timed(TSNE(random_state=seed).fit_transform, train)
    accuracy = KNeighborsClassifier(10).fit(codes, y_train).score(codes, y_train)
    outcome["t-SNE, training"] = figures(train, codes, y_train, accuracy)
    outcome["t-SNE, training"]["seconds"] = seconds
    return outcome


def judge(outcomes, contenders):
    """Print the verdicts on outcomes, table -> contender -> measure -> figures of the splits."""

    def of_splits(name, measure):
        return np.array([outcome[name][measure] for outcome in outcomes.values()])

    def of(name, measure):
        return of_splits(name, measure).mean(axis=1)

    for measure in MEASURES:
        gains = of_splits(OURS, measure) - of_splits("PCA", measure)
        ours, means = of(OURS, measure), gains.mean(axis=1)
        figure = f"{(means >= 0).sum()} of {len(ours)}, mean {means.mean():+.3f}"
        verdict(f"{measure}: at least PCA's", figure, "all", bool((means >= 0).all()))
        if gains.shape[1] > 1:
            n_below = (means < -standard_error(gains, HELD_OUT)).sum()
            remark(f"below it by more than a standard error: {n_below} of {len(ours)}")
        for peer in ("UMAP", "parametric UMAP"):
            if peer in contenders:
                gap = (ours - of(peer, measure)).mean()
                figure = f"{gap:+.3f} ({ours.mean():.3f})"
                verdict(f"{measure}: mean less {peer}'s", figure, ">= 0", gap >= 0)
    for peer in ("UMAP", "parametric UMAP"):
        if peer in contenders:
            ratio = of(OURS, "seconds").sum() / of(peer, "seconds").sum()
            verdict(f"processor time of {peer}'s", f"{ratio:.2f}", "<= 1", ratio <= 1)


def main():
    args = table_arguments(__doc__, max_rows=3000).parse_args()
    found = sklearn_loaders()
    loaders = {name: partial(found[name]) for name in FROM_SKLEARN}
    if args.data:
        arrays = folder_loaders(args.data)
        loaders |= {name: arrays[name] for name in FROM_FOLDER}
    loaders = choose(loaders, args.only)

    describe_machine(args.threads)
    contenders = installed()
    heading(f"Held-out rows on a map of two codes, mean of {args.seeds} splits")
    formats = {"table": "<14", "map": "<16"} | dict.fromkeys(MEASURES, ">10.3f")
    table, outcomes = TextTable(formats | {"seconds": ">8.1f"}), {}
    for name, load in loaders.items():
        X, y = subsample(*load(), args.max_rows, 0)
        splits = [measure(X, y, contenders, seed) for seed in range(args.seeds)]
        outcomes[name] = {
            contender: {
                key: [float(split[contender][key]) for split in splits]
                for key in (*MEASURES, "seconds")
            }
            for contender in splits[0]
        }
        for contender, of_one in outcomes[name].items():
            table.row(name, contender, *map(np.mean, of_one.values()))
        _records.append(args.json, {"table": name, **outcomes[name]})
    heading("Summary")
    judge(outcomes, contenders)


if __name__ == "__main__":
    main()
