"""Robustness: how detection suffers when the training rows hold more and more anomalies.

    python benchmarks/robustness.py --data FOLDER [--seeds 3] [--threads 1]

Of five tables' normal rows, half are trained on, with 0 to 20% anomalies among them; the
AUROC is that of the other half against held-out anomalies of the same kind. Kinds:

scattered   normal rows with every column permuted by itself and widened by half
clustered   a tight Gaussian clump: half of the columns moved by two standard deviations
duplicated  eight real anomalies of the table, repeated to reach the fraction; held
            out are these eight again

Columns are standardised by the training rows. All detectors are at their defaults: they are
not given the fraction. Draws robustness.png.
"""

import argparse
from collections import defaultdict

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from _detection import anomaly_scores
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
)
from pyod.models.auto_encoder import AutoEncoder
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from skae import AEAnomalyDetector

PICTURE = "robustness.png"
TABLES = ("annthyroid", "letter", "thyroid", "vowels", "cardio")
FRACTIONS = (0.0, 0.01, 0.05, 0.1, 0.2)
MOST_NORMAL, N_HELD_OUT, N_REPEATED = 1500, 200, 8

# ------------------------------------------------------------------------ anomalies
# Each takes the standardised normal and odd rows, and a generator, and returns a function
# from a number to as many anomalies.


def scattered(normal, odd, rng):
    def draw(n):
        rows = rng.integers(len(normal), size=(n, normal.shape[1]))
        return 1.5 * np.take_along_axis(normal, rows, axis=0)

    return draw


def clustered(normal, odd, rng):
    n_columns = normal.shape[1]
    moved = rng.permutation(n_columns) < (n_columns + 1) // 2
    centre = 2.0 * moved * rng.choice([-1, 1], n_columns)
    return lambda n: centre + 0.1 * rng.standard_normal((n, n_columns))


def duplicated(normal, odd, rng):
    repeated = odd[rng.permutation(len(odd))[:N_REPEATED]]
    return lambda n: np.resize(repeated, (n, normal.shape[1]))


KINDS = {"scattered": scattered, "clustered": clustered, "duplicated": duplicated}

# -------------------------------------------------------------------- measurements

DETECTORS = {
    "skae": lambda seed: AEAnomalyDetector(random_state=seed),
    "IForest": lambda seed: IsolationForest(random_state=seed),
    "AutoEnc": lambda seed: AutoEncoder(random_state=seed, verbose=0),
}


def aurocs(train, test, is_odd, seed):
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    found = {}
    for name, build in DETECTORS.items():
        with quiet():
            scores = anomaly_scores(build(seed).fit(train), test)
        found[name] = roc_auc_score(is_odd, scores)
    return found


def measure(X, y, seed):
    """Yield (kind, fraction, detector -> AUROC) of one table and seed."""
    rng = np.random.default_rng(seed)
    normal, odd = X[y == 0], X[y != 0]
    normal = normal[rng.permutation(len(normal))[:MOST_NORMAL]]
    scaler = StandardScaler().fit(normal)
    normal, odd = scaler.transform(normal), scaler.transform(odd)
    known, fresh = np.array_split(normal, 2)
    for kind, build in KINDS.items():
        draw = build(normal, odd, rng)
        n_odd = N_HELD_OUT if kind != "duplicated" else N_REPEATED
        test = np.concatenate([fresh, draw(n_odd)])
        is_odd = np.arange(len(test)) >= len(fresh)
        for fraction in FRACTIONS:
            n = round(len(known) * fraction / (1 - fraction))
            train = np.concatenate([known, draw(n)])
            yield kind, fraction, aurocs(train, test, is_odd, seed)


# --------------------------------------------------------------------------- report


def print_table(means):
    heading("AUROC, mean over tables and seeds")
    formats = {"anomalies": "<10", "fraction": ">5.0%"}
    table = TextTable(formats | {name: ">8.3f" for name in DETECTORS})
    for kind in KINDS:
        for fraction in FRACTIONS:
            table.row(kind, fraction, *means[kind, fraction].values())
    for kind in KINDS:
        most = {
            name: means[kind, FRACTIONS[0]][name] - means[kind, FRACTIONS[-1]][name]
            for name in DETECTORS
        }
        losses = ", ".join(f"{name} {loss:+.3f}" for name, loss in most.items())
        remark(f"{kind}: lost between 0 and {FRACTIONS[-1]:.0%}: {losses}")


def draw(means, n_tables, n_seeds):
    colors = {"skae": "#d95f02", "IForest": "#7570b3", "AutoEnc": "#1b9e77"}
    labels = {
        "skae": "AEAnomalyDetector",
        "IForest": "IsolationForest",
        "AutoEnc": "PyOD AutoEncoder",
    }
    markers = dict(zip(DETECTORS, "osD", strict=True))
    # The fractions are drawn evenly spaced: 0 and 1% would touch.
    places = range(len(FRACTIONS))
    figure, axes = plt.subplots(
        1, len(KINDS), figsize=(10.5, 3.8), sharex=True, sharey=True, layout="constrained"
    )
    for ax, kind in zip(axes, KINDS, strict=True):
        for name in DETECTORS:
            heights = [means[kind, fraction][name] for fraction in FRACTIONS]
            ax.plot(
                places,
                heights,
                color=colors[name],
                marker=markers[name],
                label=labels[name],
            )
        ax.set_title(f"{kind} anomalies")
        ax.set_xticks(places, [f"{fraction:.0%}" for fraction in FRACTIONS])
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("AUROC on held-out rows")
    axes[0].legend(frameon=False, loc="lower left")
    figure.supxlabel(
        f"proportion of anomalies among the training rows (mean of {n_tables} tables, "
        f"{n_seeds} seeds)",
        fontsize=10,
    )
    figure.savefig(PICTURE, dpi=120)
    print(f"Picture: {PICTURE}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder of .npz files with X and y")
    parser.add_argument("--seeds", type=int, default=3, help="draws and fits a table")
    parser.add_argument("--only", nargs="+", metavar="TABLE", default=TABLES)
    add_threads_argument(parser)
    args = parser.parse_args()
    loaders = choose(folder_loaders(args.data), args.only)

    describe_machine(args.threads)
    found = defaultdict(list)
    for _, X, y in load_each(loaders):
        for seed in range(args.seeds):
            for kind, fraction, of_detectors in measure(X, y, seed):
                found[kind, fraction].append(of_detectors)
    means = {
        cell: {name: np.mean([run[name] for run in runs]) for name in DETECTORS}
        for cell, runs in found.items()
    }
    print_table(means)
    draw(means, len(loaders), args.seeds)


if __name__ == "__main__":
    main()
