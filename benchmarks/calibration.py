"""Calibration: what the detector promises beside what fresh rows show.

Three parts, each with its claim:

splits   Over at least 200 random splits (5 tables by 40): P(p <= 0.05) of clean fresh rows
         lies within [0.04, 0.055]; of fresh rows of the mix that was trained on, the
         fraction that is flagged at contamination=0.05 lies within 20% of it; of the rows
         that `select(fdr=0.1)` chooses, a fraction of at most 0.1 is normal, within the
         confidence interval, and they hold a quarter of the anomalies.
cases    On frames as they are met (many levels, identifiers, rare values, missing cells,
         repeated measurements) no more fresh rows are flagged, or have a low p-value, than
         is promised, within three standard errors; a change of dtype or of a digit far
         behind the point changes no score by more than 1e-5.
stream   After a shift the threshold follows: 5 chunks of one distribution, 20 of another.

    python benchmarks/calibration.py --data FOLDER [--splits 200] [--threads 1]
    python benchmarks/calibration.py --part cases stream [--draws 10] [--threads 1]

Splits: "clean": up to 1000 normal rows to train on, up to 1000 fresh normal rows, and real anomalies
of the table, a tenth of the fresh rows at most. "mix": 5% of the training rows and of the
fresh rows are real anomalies. PyOD's detectors know a threshold, which they take from their
scores of the training rows (`decision_scores_`); their p-values here are ranks among these.
The AutoEncoder is slow, so that it sees a tenth of the splits.

Cases: 500 training rows and 1,000 fresh ones, all ordinary; a draw and a fit `--draws` times.
Where none is an anomaly, every row that `select` chooses is a false discovery, so that it may
choose any in a tenth of the draws.
"""

import argparse
import math
from collections import defaultdict
from dataclasses import astuple

import _figures
import numpy as np
from _promises import (
    ALPHA,
    CASES,
    FALSE_ALARMS,
    FDR,
    Observed,
    observe,
    shifted_stream,
    smoothness,
    takes_groups,
)
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
MOST_ROWS, ODD_FRACTION = 1000, 0.05
# Three times what p-values by a row's own fold found.
LEAST_FOUND = 0.24
SAME_SCORE = 1e-5
LEAST_FOUND_IN_STREAM = 0.9
PARTS = "splits", "cases", "stream"
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
    if name == OURS:
        _figures.fact("pvalues", f"{p:.1%}")
        _figures.fact("flagged", f"{flagged:.1%}")
        _figures.fact("false_discoveries", f"{mistakes:.1%}")
        _figures.fact("selected", f"{found:.0%}")
        verdict(
            f"{name}: fraction of the anomalies that are chosen",
            f"{found:.3f}",
            f">= {LEAST_FOUND}",
            found >= LEAST_FOUND,
        )
    else:
        remark(f"{name}: fraction of the anomalies that are chosen: {found:.3f}")
    if name == SLOW:
        _figures.fact("pvalues_pyod", f"{p:.1%}")


def run_splits(loaders, n_splits):
    """Print the figures of every table; return detector -> figures of all splits."""
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
    return {name: np.concatenate(of_tables) for name, of_tables in everything.items()}


def run_cases(n_draws):
    heading(f"Fresh rows as they are met, {n_draws} draws and fits each")
    formats = {"case": "<26", "figure": "<28", "promised": ">8.1%", "observed": ">8.1%"}
    table = TextTable(formats | {"at most": ">7.1%", "": "<7"})
    n_met = n_figures = 0
    for case in CASES:
        for figure, observed in observe(case, n_draws).items():
            cells = observed.promised, observed.fraction, observed.bound
            table.row(case.name, figure, *cells, in_words(observed.met))
            n_met, n_figures = n_met + observed.met, n_figures + 1
    if not takes_groups():
        remark("fit takes no groups: the subjects were not told")
    heading("Scores after a change that means nothing: largest difference, flags that flip")
    table = TextTable({"change": "<32", "score": ">9.1e", "flips": ">6.1%", "": "<7"})
    for change, gap, flips in smoothness():
        met = gap <= SAME_SCORE
        table.row(change, gap, flips, in_words(met))
        n_met, n_figures = n_met + met, n_figures + 1
    return n_met, n_figures


def in_words(met):
    return "met" if met else "NOT MET"


def run_stream(n_draws):
    """Print a row per stream; return figures, a stream a row."""
    heading(
        f"After a shift: 5 chunks of one distribution, 20 of another, {n_draws} streams"
    )
    formats = {"stream": ">6d", "AUROC": ">6.3f", "flagged": ">7.1%", "found": ">6.1%"}
    table = TextTable(formats | {"1000 times as far": ">8.1%", "offset": ">7.2f"})
    streams = [shifted_stream(seed) for seed in range(n_draws)]
    for number, figures in enumerate(streams):
        table.row(number, *astuple(figures))
    return np.array([astuple(figures) for figures in streams])


def judge_stream(streams):
    auroc, flagged, found, far, _ = streams.mean(axis=0)
    # A threshold of the last few thousand rows; all rows of the chunks count alike.
    alarms = Observed(FALSE_ALARMS, [flagged] * len(streams), n_known=500, n_fresh=1000)
    verdict(
        "stream: ordinary rows flagged after the shift",
        f"{flagged:.4f}",
        f"<= {alarms.bound:.4f}",
        alarms.met,
    )
    target, met = f">= {LEAST_FOUND_IN_STREAM}", min(found, far) >= LEAST_FOUND_IN_STREAM
    claim = "stream: planted anomalies found, and 1000 times as large"
    verdict(claim, f"{found:.3f}, {far:.3f}", target, met)
    remark(f"stream: AUROC on planted anomalies {auroc:.4f}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="folder of .npz files with X and y, for the splits")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--splits", type=int, default=200, help="of all tables together")
    parser.add_argument("--draws", type=int, default=10, help="of every case")
    parser.add_argument("--only", nargs="+", metavar="TABLE", default=TABLES)
    add_threads_argument(parser)
    _figures.add_argument(parser)
    args = parser.parse_args()
    if "splits" in args.part and args.data is None:
        parser.error("--data is needed for the splits; see --part for what needs none.")

    describe_machine(args.threads)
    everything, cases, streams = {}, None, None
    if "splits" in args.part:
        loaders = choose(folder_loaders(args.data), args.only)
        everything = run_splits(loaders, max(1, args.splits // len(loaders)))
    if "cases" in args.part:
        cases = run_cases(args.draws)
    if "stream" in args.part:
        streams = run_stream(args.draws)
    heading("Summary")
    for name, figures in everything.items():
        judge(name, figures)
    if cases is not None:
        n_met, n_figures = cases
        claim, met = "cases: promises that hold", n_met == n_figures
        verdict(claim, f"{n_met} of {n_figures}", "all", met)
    if streams is not None:
        judge_stream(streams)
    _figures.write(args)


if __name__ == "__main__":
    main()
