"""Calibration: what the detector promises beside what fresh rows show.

Claims, over at least 200 random splits (5 tables by 40): P(p <= 0.05) of clean fresh rows
lies within [0.04, 0.055]; of fresh rows of the mix that was trained on, the fraction that is
flagged at contamination=0.05 lies within 20% of it; of the rows that `select(fdr=0.1)`
chooses, a fraction of at most 0.1 is normal, within the confidence interval.

    python benchmarks/calibration.py --data FOLDER [--splits 200] [--threads 1]

"clean": up to 1000 normal rows to train on, up to 1000 fresh normal rows, and real anomalies
of the table, a tenth of the fresh rows at most. "mix": 5% of the training rows and of the
fresh rows are real anomalies. PyOD's detectors know a threshold, which they take from their
scores of the training rows (`decision_scores_`); their p-values here are ranks among these.
The AutoEncoder is slow, so that it sees a tenth of the splits.
"""

import argparse
import math
from collections import defaultdict

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
    remark,
    verdict,
)
from pyod.models.auto_encoder import AutoEncoder
from pyod.models.knn import KNN
from scipy.stats import false_discovery_control

from skae import AEAnomalyDetector

TABLES = ("thyroid", "pendigits", "breastw", "cardio", "magic.gamma")
OURS, SLOW = "skae", "AutoEnc"
MOST_ROWS, ODD_FRACTION, ALPHA, FDR = 1000, 0.05, 0.05, 0.1
FIGURES = ("p <= 0.05", "flagged", "false disc", "found")

# --------------------------------------------------------------------------- splits


def split_clean(X, is_odd, rng):
    """Return normal training rows, fresh rows, and which of the fresh are anomalies."""
    normal = rng.permutation(np.flatnonzero(~is_odd))
    n = min(MOST_ROWS, len(normal) // 2)
    odd = rng.permutation(np.flatnonzero(is_odd))[: n // 10]
    fresh = np.concatenate([normal[n : 2 * n], odd])
    return X[normal[:n]], X[fresh], is_odd[fresh]


def split_mix(X, is_odd, rng):
    """Return training and fresh rows, `ODD_FRACTION` of both real anomalies."""
    normal = rng.permutation(np.flatnonzero(~is_odd))
    odd = rng.permutation(np.flatnonzero(is_odd))
    n = min(MOST_ROWS, len(normal) / (1 - ODD_FRACTION) / 2, len(odd) / ODD_FRACTION / 2)
    n_odd = int(ODD_FRACTION * n)
    n_normal = round(n_odd * (1 / ODD_FRACTION - 1))
    train, fresh = (
        np.concatenate([normal[i * n_normal :][:n_normal], odd[i * n_odd :][:n_odd]])
        for i in (0, 1)
    )
    return X[train], X[fresh]


# ------------------------------------------------------------------------ detectors


class Ours:
    def __init__(self, train, contamination, seed):
        self.detector = AEAnomalyDetector(contamination=contamination, random_state=seed)
        self.detector.fit(train)

    def pvalues(self, X):
        return self.detector.pvalues(X)

    def select(self, X):
        return self.detector.select(X, fdr=FDR)

    def flags(self, X):
        return self.detector.predict(X) == -1


class Peer:
    """A detector of PyOD; its p-values are ranks among its scores of training rows."""

    def __init__(self, train, contamination, seed):
        self.detector = self.build(contamination or ALPHA, seed)
        with quiet():
            self.detector.fit(train)
        self.known = np.sort(-self.detector.decision_scores_)

    def pvalues(self, X):
        with quiet():
            scores = -self.detector.decision_function(X)
        rank = np.searchsorted(self.known, scores, side="right")
        return (1 + rank) / (1 + len(self.known))

    def select(self, X):
        return false_discovery_control(self.pvalues(X)) <= FDR

    def flags(self, X):
        with quiet():
            return self.detector.predict(X) == 1


class PeerKNN(Peer):
    def build(self, contamination, seed):
        return KNN(contamination=contamination)


class PeerAutoEncoder(Peer):
    def build(self, contamination, seed):
        return AutoEncoder(contamination=contamination, random_state=seed, verbose=0)


DETECTORS = {OURS: Ours, "KNN": PeerKNN, SLOW: PeerAutoEncoder}

# --------------------------------------------------------------------- measurements


def measure(build, X, is_odd, seed):
    """Return the `FIGURES` of one detector on one split."""
    rng = np.random.default_rng(seed)
    train, fresh, odd = split_clean(X, is_odd, rng)
    detector = build(train, 0.0, seed)
    alarms = np.mean(detector.pvalues(fresh[~odd]) <= ALPHA)
    chosen = detector.select(fresh)
    mistakes = np.sum(chosen & ~odd) / max(np.sum(chosen), 1)
    found = np.mean(chosen[odd])
    train, fresh = split_mix(X, is_odd, rng)
    flagged = np.mean(build(train, ODD_FRACTION, seed).flags(fresh))
    return alarms, flagged, mistakes, found


def measure_table(X, is_odd, n_splits):
    """Return detector -> array of shape (n_splits, n_figures)."""
    figures = {}
    for name, build in DETECTORS.items():
        n = n_splits if name != SLOW else max(1, n_splits // 10)
        splits = [measure(build, X, is_odd, seed) for seed in range(n)]
        figures[name] = np.array(splits)
    return figures


def interval(fractions):
    """Return mean and 95% half-width; splits of a table overlap, so that it is narrow."""
    fractions = np.asarray(fractions)
    half = (
        1.96 * fractions.std(ddof=1) / math.sqrt(len(fractions))
        if len(fractions) > 1
        else 0.0
    )
    return fractions.mean(), half


# --------------------------------------------------------------------------- report


def judge(name, figures):
    """Hold the figures of one detector, of all tables and splits, to what is promised."""
    (p, p_half), (flagged, flagged_half), (mistakes, half), (found, _) = map(
        interval, figures.T
    )
    verdict(
        f"{name}: P(p <= {ALPHA}) of clean fresh rows",
        f"{p:.4f} +- {p_half:.4f}",
        "[0.04, 0.055]",
        0.04 <= p <= 0.055,
    )
    verdict(
        f"{name}: fraction flagged at contamination={ODD_FRACTION}",
        f"{flagged:.4f} +- {flagged_half:.4f}",
        "[0.04, 0.06]",
        abs(flagged / ODD_FRACTION - 1) <= 0.2,
    )
    verdict(
        f"{name}: false discovery rate at fdr={FDR}",
        f"{mistakes:.4f} +- {half:.4f}",
        f"<= {FDR}",
        mistakes - half <= FDR,
    )
    remark(f"{name}: {found:.0%} of the anomalies are among the chosen rows")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder of .npz files with X and y")
    parser.add_argument("--splits", type=int, default=200, help="of all tables together")
    parser.add_argument("--only", nargs="+", metavar="TABLE", default=TABLES)
    add_threads_argument(parser)
    args = parser.parse_args()
    loaders = choose(folder_loaders(args.data), args.only)
    n_splits = max(1, args.splits // len(loaders))

    describe_machine(args.threads)
    heading(f"Means over {n_splits} splits a table (AutoEnc: {max(1, n_splits // 10)})")
    formats = {"table": "<12", "train": ">5d", "detector": "<8"}
    table = TextTable(formats | {figure: ">10.4f" for figure in FIGURES})
    everything = defaultdict(list)
    for name, X, y in load_each(loaders):
        is_odd = y != 0
        n_train = min(MOST_ROWS, int((~is_odd).sum()) // 2)
        for detector, figures in measure_table(X, is_odd, n_splits).items():
            table.row(name, n_train, detector, *figures.mean(axis=0))
            everything[detector].append(figures)
    heading(f"Summary: {n_splits * len(loaders)} splits")
    for name, of_tables in everything.items():
        judge(name, np.concatenate(of_tables))


if __name__ == "__main__":
    main()
