"""Compare two records of `record_outputs.py`, case by case.

    python tools/compare_outputs.py BEFORE.npz AFTER.npz [--tolerance 1e-6] [--only TEXT] [--quiet]

A difference is told as a share of the array's scale, the largest size of a number in it
before. What cannot be told in numbers is beyond any tolerance: another shape or dtype,
another text, a hole in another place, or an output that is gone. Outputs that only AFTER
has are named, but are no difference. The exit status is 1 where a case is beyond the
tolerance.
"""

import argparse
import sys
from collections import defaultdict

import numpy as np


def load(path, only):
    """Return case -> output -> array, for the cases whose names hold the text `only`."""
    cases = defaultdict(dict)
    with np.load(path) as record:
        for key in record.files:
            case, _, output = key.partition("|")
            if only in case:
                cases[case][output] = record[key]
    return cases


def difference(before, after):
    """Return the difference as a share of the scale, and what it is where it is infinite.

    None stands for arrays that are equal to the bit.
    """
    if before.shape != after.shape:
        return np.inf, f"shape {before.shape} became {after.shape}"
    if before.dtype.kind == after.dtype.kind == "U":
        if np.array_equal(before, after):
            return None
        if before.ndim == 0:
            return np.inf, f"{str(before)!r} became {str(after)!r}"
        return np.inf, f"{np.mean(before != after):.0%} of the texts differ"
    if before.dtype != after.dtype:
        return np.inf, f"{before.dtype} became {after.dtype}"
    if before.tobytes() == after.tobytes():
        return None
    before, after = before.astype(float), after.astype(float)
    finite = np.isfinite(before)
    if not np.array_equal(before[~finite], after[~finite], equal_nan=True):
        return np.inf, "other cells are missing or infinite"
    before, after = before[finite], after[finite]
    if not np.isfinite(after).all():
        return np.inf, "other cells are missing or infinite"
    scale = np.abs(before).max(initial=0.0) or 1.0
    return float(np.abs(after - before).max(initial=0.0) / scale), ""


def compare(before, after, tolerance):
    """Return a verdict in words on a case, and its largest difference: None, or a number."""
    differences = {
        output: difference(array, after[output])
        for output, array in before.items()
        if output in after
    }
    differences = {name: found for name, found in differences.items() if found is not None}
    gone = sorted(before.keys() - after.keys())
    new = sorted(after.keys() - before.keys())
    largest = max((share for share, _ in differences.values()), default=None)
    words = []
    if gone:
        largest = np.inf
        words.append(f"missing: {_first(gone)}")
    if differences:
        beyond = {
            name: found for name, found in differences.items() if not found[0] <= tolerance
        }
        worst = max(differences, key=lambda name: differences[name][0])
        share, what = differences[worst]
        what = what or f"largest relative difference {share:.1e}"
        count = f"differs in {len(beyond)} of {len(before)} outputs, " if beyond else ""
        words.append(f"{count}{what} ({worst})")
    if not words:
        words.append("equal to the bit")
    raised = [name for name in after if name.endswith("|exception")]
    if raised:
        words.append(f"raises: {_first(raised)}")
    new = [name for name in new if name not in raised]
    if new:
        words.append(f"new: {_first(new)}")
    return "; ".join(words), largest


def _first(names, most=3):
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--tolerance", type=float, default=1e-6)
    parser.add_argument("--only", default="", help="cases whose names hold this text")
    parser.add_argument("--quiet", action="store_true", help="leave out equal cases")
    args = parser.parse_args()

    before, after = load(args.before, args.only), load(args.after, args.only)
    n_equal = n_within = n_beyond = 0
    for case, outputs in before.items():
        if case not in after:
            verdict, largest = "missing", np.inf
        else:
            verdict, largest = compare(outputs, after[case], args.tolerance)
        if largest is None:
            n_equal += 1
        elif largest <= args.tolerance:
            n_within += 1
        else:
            n_beyond += 1
        if not (args.quiet and verdict == "equal to the bit"):
            print(f"{case}: {verdict}")
    n_new = len(after.keys() - before.keys())
    print(
        f"{len(before)} cases: {n_equal} equal to the bit, {n_within} within "
        f"{args.tolerance:g}, {n_beyond} beyond it or missing; {n_new} new."
    )
    sys.exit(int(n_beyond > 0))


if __name__ == "__main__":
    main()
