"""Anomaly detection: skae's detector beside scikit-learn's and PyOD's, at their defaults.

Claims: over all tables a mean AUROC above the best peer's by 0.02, and by two standard
errors, where the training rows hold anomalies, and by 0.03 where they are clean; in each
folder not below the best peer's; a mean average precision not below the best peer's; fit
and score together take no longer than PyOD's AutoEncoder, in both protocols.

    python benchmarks/anomaly.py --data FOLDER [FOLDER ...] [--only Wilt] [--seeds 3]

A folder holds tables (.npz with X and y) and mixed frames (.parquet, whose column `anomaly`
is the label). Two protocols. "contaminated": a stratified split, training on 70% of the rows
as they come, testing on the others. "clean": training on half of the normal rows, testing on
all others. Columns are standardised by the training rows. Of a frame, the peers get one-hot
columns and imputed medians in front of that, ours the frame; `--one-hot` adds ours behind
the same columns. A detector that fails on a table is reported, and counts there as one that
guesses: AUROC 0.5, average precision the fraction of anomalies. So does one whose time grows
with the cube of the columns, where there are over 500. Seconds are of the processor.

Results can be kept, made in parts and on several machines, and printed later:

    python benchmarks/anomaly.py --data FOLDER --store a.json --part 1/2
    python benchmarks/anomaly.py --data FOLDER --store b.json --part 2/2
    python benchmarks/anomaly.py --from a.json b.json

What the file of `--store` holds already is not run again; after a change of the code take
another. `--configuration` adds a configuration of ours, under a name. Where there are
several, all figures of ours are nested: a configuration is chosen on a random half of the
sources of tables, and gives the figures of the other half, `--nested` times.

    python benchmarks/anomaly.py --data FOLDER --configuration "no filter" max_trim=0.0
"""

import argparse
import ast
import math

import _figures
import numpy as np
from _detection import (
    MORE_PEERS,
    OURS,
    OURS_ONE_HOT,
    PEERS,
    RIVAL,
    is_ours,
    ours,
    warm_up,
)
from _results import N_IN_TRIO, Outcome, comparable, nested, trio
from _runs import add_run_arguments, run_protocol, stored_results
from _tables import (
    TextTable,
    describe_machine,
    heading,
    load_problems,
    remark,
    verdict,
)
from scipy.stats import wilcoxon

MARGINS = {"contaminated": 0.02, "clean": 0.03}
NESTED, TRIO = "skae, nested", "three best peers"

# --------------------------------------------------------------------------------- run


def run(args):
    """Run what the arguments ask for; return all results, stored ones first."""
    problems = load_problems(args.data, args.only, args.part)
    peers = PEERS | MORE_PEERS
    detectors = {name: peers[name] for name in args.detectors or PEERS}
    if not args.without_ours:
        configurations = {
            f"{OURS} {name}": ours(**dict(map(parse_setting, settings)))
            for name, *settings in args.configuration
        }
        one_hot = {OURS_ONE_HOT: ours()} if args.one_hot else {}
        detectors = {OURS: ours()} | configurations | one_hot | detectors
    results = stored_results(args)
    warm_up(detectors)
    for protocol in args.protocols:
        results += run_protocol(protocol, problems, detectors, args, results)
    return results


def parse_setting(text):
    """Return name and value of "max_trim=0.1"; a value that is no literal is a string."""
    name, value = text.split("=", maxsplit=1)
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


# ------------------------------------------------------------------------------ report


def print_means(protocol, outcome):
    collections = outcome.collections()
    n_tables = ", ".join(f"{mask.sum()} of {name}" for name, mask in collections.items())
    heading(f"{protocol}: AUROC (and average precision), {n_tables}, all; total seconds")
    formats = {"detector": "<20"}
    for name in (*collections, "all"):
        formats |= {name[:15]: ">7.4f", f"({name[:15]})": ">7.4f"}
    table = TextTable(formats | {"rank": ">5.2f", "seconds": ">8.1f", "failed": ">6d"})
    ranks = outcome.ranks()
    masks = [*collections.values(), slice(None)]
    for name in outcome.detectors:
        figures = outcome.of[name]
        means = [(figures.auroc[m].mean(), figures.ap[m].mean()) for m in masks]
        n_failed = sum(result.error is not None for result in outcome.of_detector(name))
        rank = ranks[name].mean()
        table.row(name, *np.ravel(means), rank, outcome.seconds(name), n_failed)


# As the pages call them; what fails on some tables counts as 0.5 there.
SHOWN = {
    OURS: "AEAnomalyDetector",
    TRIO: "the mean ranks of the three best others",
    "KNN": "PyOD KNN",
    RIVAL: "PyOD AutoEncoder",
    "IForest": "IsolationForest",
    "CBLOF": "PyOD CBLOF (fails on some tables)",
    "HBOS": "PyOD HBOS",
    "ECOD": "PyOD ECOD",
    "LOF": "LOF",
}


def note_figures(protocol, outcome, others):
    for name, shown in SHOWN.items():
        figures = others.get(name) or outcome.of.get(name)
        if figures is not None:
            value = f"{figures.auroc.mean():.3f} / {figures.ap.mean():.3f}"
            _figures.cell("detection", shown, protocol, value)


def gain(figures, others):
    """Return the mean gain in AUROC over tables, and its standard error."""
    gaps = figures.auroc - others.auroc
    error = gaps.std(ddof=1) / math.sqrt(len(gaps)) if len(gaps) > 1 else math.nan
    return gaps.mean(), error


def compare(protocol, name, figures, others):
    """Print how far ahead of each of `others` ours is, table by table."""
    heading(f"{protocol}: {name} against each")
    formats = {"detector": "<20", "AUROC gain": ">+10.4f", "std error": ">9.4f"}
    formats |= {"AP gain": ">+8.4f", "won": ">4d", "lost": ">4d", "Wilcoxon p": ">10.2g"}
    table = TextTable(formats)
    for other, theirs in others.items():
        gaps = figures.auroc - theirs.auroc
        p = wilcoxon(gaps).pvalue if np.any(gaps) else 1.0
        precision = (figures.ap - theirs.ap).mean()
        won, lost = int((gaps > 0).sum()), int((gaps < 0).sum())
        table.row(other, *gain(figures, theirs), precision, won, lost, p)


def judge(protocol, name, figures, of_trio, outcome):
    margin, best = MARGINS[protocol], outcome.best_peer()
    gap, error = gain(figures, outcome.of[best])
    verdict(
        f"{protocol}: mean AUROC of {name} less the best peer's, {best}",
        f"{gap:+.4f} +- {error:.4f}",
        f">= {margin} and two standard errors",
        gap >= margin and gap >= 2 * error,
    )
    _figures.fact(f"gain_{protocol}", f"{gap:.3f} ± {error:.3f}")
    for collection, mask in outcome.collections().items():
        best = outcome.best_peer(mask)
        gap = figures.auroc[mask].mean() - outcome.of[best].auroc[mask].mean()
        claim = f"{protocol}: in {collection} alone, less {best}'s"
        verdict(claim, f"{gap:+.4f}", ">= 0", gap >= 0)
    best = outcome.best_peer(measure="ap")
    gap = figures.ap.mean() - outcome.of[best].ap.mean()
    claim = f"{protocol}: mean average precision less the best peer's, {best}"
    verdict(claim, f"{gap:+.4f}", ">= 0", gap >= 0)
    if of_trio is not None:
        gap, error = gain(figures, of_trio)
        remark(f"{protocol}: to aim at: less the {TRIO}' {gap:+.4f} +- {error:.4f}")


def judge_time(protocol, outcome):
    fraction = outcome.seconds(OURS) / outcome.seconds(RIVAL)
    _figures.fact(f"time_{protocol}", f"{fraction:.2f}")
    claim = f"{protocol}: fit and score, fraction of PyOD AutoEncoder's"
    verdict(claim, f"{fraction:.2f}", "<= 1", fraction <= 1)


def judge_one_hot(protocol, results):
    """Compare the native treatment of frames with one-hot columns in front."""
    pair = [OURS, OURS_ONE_HOT]
    of_both = [result for result in results if result.detector in pair]
    cells = {result.cell for result in of_both if result.detector == OURS_ONE_HOT}
    of_frames = [result for result in of_both if result.cell in cells]
    outcome = Outcome.of_protocol(comparable(of_frames, pair), protocol, pair)
    if not outcome.results:
        return
    native, one_hot = (outcome.of[name] for name in pair)
    gap, error = gain(native, one_hot)
    verdict(
        f"{protocol}: AUROC on {len(outcome.tables)} frames less that behind one-hot columns",
        f"{gap:+.4f} +- {error:.4f}, AP {(native.ap - one_hot.ap).mean():+.4f}",
        ">= 0",
        gap >= 0,
    )


def names_to_compare(results, args):
    """Return the detectors of the results that are asked for; ours first."""
    present = dict.fromkeys(result.detector for result in results)
    wanted = set(args.detectors or present) | {name for name in present if is_ours(name)}
    names = [name for name in present if name in wanted and name != OURS_ONE_HOT]
    if args.without_ours:
        return [name for name in names if not is_ours(name)]
    return sorted(names, key=lambda name: not is_ours(name))


def print_derived(name, figures, counts):
    chosen = ", ".join(f"{other} {n}" for other, n in counts.items() if n)
    print(
        f"{name}: AUROC {figures.auroc.mean():.4f}, average precision "
        f"{figures.ap.mean():.4f} ({chosen})",
        flush=True,
    )


def report(protocol, outcome, n_halves):
    """Print what is known of one protocol; return name and figures of ours, and of the trio."""
    print_means(protocol, outcome)
    others = {name: outcome.of[name] for name in outcome.peers}
    if len(outcome.peers) >= N_IN_TRIO:
        others[TRIO], counts = trio(outcome)
        print_derived(f"{TRIO}, their mean ranks", others[TRIO], counts)
    note_figures(protocol, outcome, others)
    if not outcome.ours:
        return None
    name, figures = outcome.ours[0], outcome.of[outcome.ours[0]]
    if len(outcome.ours) > 1:
        name, (figures, counts) = NESTED, nested(outcome, n_halves)
        print_derived(f"{NESTED}, {n_halves} halves", figures, counts)
    compare(protocol, name, figures, others)
    return name, figures, others.get(TRIO)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_run_arguments(parser, max_rows=5000)
    parser.add_argument("--detectors", nargs="+", choices=PEERS | MORE_PEERS, help="peers")
    parser.add_argument("--without-ours", action="store_true", help="peers only")
    parser.add_argument("--one-hot", action="store_true", help="also ours behind one-hot")
    parser.add_argument(
        "--configuration",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME", "PARAMETER=VALUE"),
        help="a configuration of ours beside the default; may be repeated",
    )
    _figures.add_argument(parser)
    args = parser.parse_args()

    if args.data:
        describe_machine(args.threads)
    results = stored_results(args) if args.stored else run(args)
    names = names_to_compare(results, args)
    if not any(map(is_ours, names)):
        remark("of ours there are no results: the peers only")
    heading("Tables")
    whole = comparable(results, names)
    outcomes = {name: Outcome.of_protocol(whole, name, names) for name in args.protocols}
    judged = {
        protocol: report(protocol, outcome, args.nested)
        for protocol, outcome in outcomes.items()
        if outcome.results
    }
    heading("Summary")
    for protocol, mine in judged.items():
        if mine is not None and outcomes[protocol].peers:
            judge(protocol, *mine, outcomes[protocol])
        if {OURS, RIVAL} <= set(names):
            judge_time(protocol, outcomes[protocol])
        judge_one_hot(protocol, results)
    _figures.write(args)


if __name__ == "__main__":
    main()
