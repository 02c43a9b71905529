"""What each ingredient of the detector's default is worth, and how far choosing misleads.

    python benchmarks/ablation.py --data FOLDER [FOLDER ...] [--only Wilt] [--max-rows 2000]

Tables, protocols, `--store`, `--part` and `--from` are those of anomaly.py. One row an
ingredient that is changed, all else at the default: mean AUROC of each folder, and of all
tables with the average precision; the difference to the default with its standard error
over tables. An ingredient earns its place if taking it away loses something; a parameter of
the presets that nothing here changes is named.

Then tables are left out: on a random half of their sources the best row is chosen, and
measured on the other half, `--nested` times. The default must not be worse there than what
was chosen: it would have been fitted to these tables.
"""

import argparse
import math
import warnings

import numpy as np
from _detection import OURS, ours, warm_up
from _results import Outcome, comparable, nested
from _runs import add_run_arguments, run_protocol, stored_results
from _tables import (
    TextTable,
    describe_machine,
    heading,
    load_problems,
    remark,
    verdict,
)

from skae import AEAnomalyDetector
from skae.detector.presets import ROBUST, SHARP

TIE = 0.002
PRESETS = {"contaminated": ROBUST, "clean": SHARP}
# Parameter -> what it may be instead, and in words; what the preset says itself is skipped.
ALTERNATIVES = {
    "n_estimators": {"4 networks": 4},
    "max_samples": {
        "16 rows per network": 16,
        "64 rows per network": 64,
        "256 rows per network": 256,
        "1024 rows per network": 1024,
        "sizes mixed": (64, 256, 1024),
    },
    "hidden_layer_sizes": {
        "128 units": (128,),
        "two hidden layers": (64, 64),
        "bottleneck of 4": (64, 4, 64),
    },
    "noise": {"no noise": 0.0, "noise 0.3": 0.3, "noises mixed": (0.1, 0.2, 0.4)},
    "code_weight": {
        "no code distance": 0.0,
        "code distance": 0.5,
        "code distance alike": 1.0,
    },
    "max_trim": {"no filter": 0.0, "filter of a tenth": 0.1, "filter of a fifth": 0.2},
    "max_iter": {"half the steps": 0.5, "twice the steps": 2.0},
    "batch_size": {"batches of 128": 128},
    "learning_rate_init": {"learning rate 0.003": 0.003},
    "n_folds": {"2 folds": 2, "4 folds": 4},
}


def variants(protocol):
    """Return name -> detector: the default, and every change of one ingredient."""
    preset, known = PRESETS[protocol], AEAnomalyDetector().get_params(deep=False)
    found = {OURS: ours()}
    for parameter, alternatives in ALTERNATIVES.items():
        if parameter not in known:
            continue
        default = preset.get(parameter, known[parameter])
        for name, value in alternatives.items():
            if parameter == "max_iter":
                value = round(value * default)
            # A tuple of one is that one.
            if tuple(np.ravel(value)) != tuple(np.ravel(default)):
                found[f"{OURS} {name}"] = ours(**{parameter: value})
    return found


def report(protocol, outcome):
    collections = outcome.collections()
    heading(f"{protocol}: {len(outcome.tables)} tables")
    formats = {"changed": "<26"} | {name: ">6.4f" for name in (*collections, "all")}
    formats |= {"avg prec": ">8.4f", "gain": ">+7.4f", "std error": ">9.4f"}
    table = TextTable(formats | {"AP gain": ">+7.4f", "times default": ">6.2f"})
    default = outcome.of[OURS]
    for name in outcome.detectors:
        figures = outcome.of[name]
        means = [figures.auroc[mask].mean() for mask in collections.values()]
        gains = figures.auroc - default.auroc
        error = gains.std(ddof=1) / math.sqrt(len(gains)) if len(gains) > 1 else math.nan
        table.row(
            name.removeprefix(f"{OURS} ") if name != OURS else "default",
            *means,
            figures.auroc.mean(),
            figures.ap.mean(),
            gains.mean(),
            error,
            (figures.ap - default.ap).mean(),
            outcome.seconds(name) / outcome.seconds(OURS),
        )


def leave_out(protocol, outcome, n_halves):
    """Judge the default by tables that a choice did not see."""
    chosen, counts = nested(outcome, n_halves)
    # A table that no half left out has no figure.
    gap = np.nanmean(outcome.of[OURS].auroc - chosen.auroc)
    verdict(
        f"{protocol}: the default on left-out tables, less what was chosen on the others",
        f"{gap:+.4f}",
        f">= -{TIE}",
        gap >= -TIE,
    )
    most = sorted(counts, key=counts.get, reverse=True)[:3]
    remark(f"{protocol}: chosen " + ", ".join(f"{name}: {counts[name]}" for name in most))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_run_arguments(parser, max_rows=2000)
    args = parser.parse_args()

    results = stored_results(args)
    if args.data:
        describe_machine(args.threads)
        problems = load_problems(args.data, args.only, args.part)
        for protocol in args.protocols:
            changed = variants(protocol)
            warm_up(changed)
            with warnings.catch_warnings():
                # Some ask for more rows than there are.
                warnings.simplefilter("ignore", UserWarning)
                results += run_protocol(
                    protocol, problems, changed, args, results, shown=[OURS]
                )
    outcomes = {}
    for protocol in args.protocols:
        names = list(variants(protocol))
        of_protocol = [result for result in results if result.protocol == protocol]
        outcome = Outcome.of_protocol(comparable(of_protocol, names), protocol, names)
        if outcome.results:
            outcomes[protocol] = outcome
            report(protocol, outcome)
        unknown = set(PRESETS[protocol]) - set(ALTERNATIVES)
        if unknown:
            remark(f"{protocol}: nothing here changes {', '.join(sorted(unknown))}")
    heading("Summary")
    for protocol, outcome in outcomes.items():
        if len(set(outcome.sources)) > 1:
            leave_out(protocol, outcome, args.nested)


if __name__ == "__main__":
    main()
