"""What each ingredient of the detector's default is worth, and how far choosing misleads.

    python benchmarks/ablation.py --data FOLDER [--only Wilt] [--max-rows 2000] [--seeds 2]

Tables and protocols are those of anomaly.py. One row an ingredient that is changed, all
else at the default: mean AUROC, mean average precision, the difference to the default in
AUROC with its standard error over tables.

Then tables are left out: on a random half of them the best row is chosen, and measured on
the other half, 500 times. The default must not be worse there than what was chosen: it
would have been fitted to these tables.
"""

import argparse
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
    subsample,
    verdict,
)
from anomaly import CONTAMINATION, PROTOCOLS
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from skae import AEAnomalyDetector

DEFAULT = "default"
N_HALVES = 500
TIE = 0.002

VARIANTS = {
    "contaminated": {
        DEFAULT: {},
        "16 rows per network": {"max_samples": 16},
        "256 rows per network": {"max_samples": 256},
        "1024 rows per network": {"max_samples": 1024},
        "no filter": {"max_trim": 0.0},
        "no noise": {"noise": 0.0},
        "noise 0.3": {"noise": 0.3},
        "noises mixed": {"noise": [0.05, 0.1, 0.2]},
        "4 networks": {"n_estimators": 4},
        "code distance": {"code_weight": 0.5},
        "two hidden layers": {"hidden_layer_sizes": (64, 64)},
        "bottleneck of 4": {"hidden_layer_sizes": (64, 4, 64)},
        "4 folds": {"n_folds": 4},
    },
    "clean": {
        DEFAULT: {},
        "64 rows per network": {"max_samples": 64},
        "256 rows per network": {"max_samples": 256},
        "sizes mixed": {"max_samples": [64, 256, 1024]},
        "filter": {"max_trim": 0.2},
        "no noise": {"noise": 0.0},
        "noise 0.5": {"noise": 0.5},
        "noises mixed": {"noise": [0.1, 0.2, 0.4]},
        "4 networks": {"n_estimators": 4},
        "no code distance": {"code_weight": 0.0},
        "code distance alike": {"code_weight": 1.0},
        "two hidden layers": {"hidden_layer_sizes": (128, 128)},
        "bottleneck of 4": {"hidden_layer_sizes": (128, 4, 128)},
        "2 folds": {"n_folds": 2},
    },
}


def measure(protocol, loaders, args):
    """Return variant -> AUROC and average precision, arrays with a row per table."""
    found = defaultdict(list)
    for _, X, y in load_each(loaders):
        y = (y != 0).astype(int)
        of_table = defaultdict(list)
        for seed in range(args.seeds):
            rows = subsample(X, y, args.max_rows, seed, stratify=True)
            train, test, _, y_test = PROTOCOLS[protocol](*rows, seed)
            scaler = StandardScaler().fit(train)
            train, test = scaler.transform(train), scaler.transform(test)
            for variant, settings in VARIANTS[protocol].items():
                detector = AEAnomalyDetector(
                    contamination=CONTAMINATION[protocol], random_state=seed, **settings
                )
                with quiet():  # some ask for more rows than there are
                    scores = -detector.fit(train).score_samples(test)
                figures = (
                    roc_auc_score(y_test, scores),
                    average_precision_score(y_test, scores),
                )
                of_table[variant].append(figures)
        for variant, figures in of_table.items():
            found[variant].append(np.mean(figures, axis=0))
    return {variant: np.array(figures) for variant, figures in found.items()}


def report(protocol, found):
    heading(f"{protocol}: {len(found[DEFAULT])} tables")
    formats = {"changed": "<20", "AUROC": ">6.4f", "avg prec": ">8.4f"}
    table = TextTable(formats | {"gain": ">+7.4f", "std error": ">9.4f"})
    for variant, figures in found.items():
        gains = figures[:, 0] - found[DEFAULT][:, 0]
        error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else np.nan
        table.row(variant, *figures.mean(axis=0), gains.mean(), error)


def leave_out(protocol, found):
    """Judge the default by tables that a choice did not see."""
    names, aurocs = list(found), np.array([figures[:, 0] for figures in found.values()])
    n_tables, rng = aurocs.shape[1], np.random.default_rng(0)
    chosen, default = [], []
    for _ in range(N_HALVES):
        order = rng.permutation(n_tables)
        half, rest = order[: n_tables // 2], order[n_tables // 2 :]
        best = aurocs[:, half].mean(axis=1).argmax()
        chosen.append(aurocs[best, rest].mean())
        default.append(aurocs[names.index(DEFAULT), rest].mean())
    chosen, default = np.mean(chosen), np.mean(default)
    verdict(
        f"{protocol}: the default on left-out tables, less what was chosen on the others",
        f"{default - chosen:+.4f}",
        f">= -{TIE}",
        default >= chosen - TIE,
    )
    remark(f"{protocol}: mean AUROC there {default:.4f} and {chosen:.4f}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder of .npz files with X and y")
    parser.add_argument("--max-rows", type=int, default=2000, help="rows a table at most")
    parser.add_argument("--seeds", type=int, default=2, help="splits and fits a table")
    parser.add_argument("--only", nargs="+", metavar="TABLE")
    add_threads_argument(parser)
    args = parser.parse_args()
    loaders = choose(folder_loaders(args.data), args.only)

    describe_machine(args.threads)
    outcomes = {protocol: measure(protocol, loaders, args) for protocol in PROTOCOLS}
    for protocol, found in outcomes.items():
        report(protocol, found)
    heading("Summary")
    for protocol, found in outcomes.items():
        leave_out(protocol, found)


if __name__ == "__main__":
    main()
