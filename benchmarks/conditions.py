"""Rows drawn under a condition, beside the held-out rows that meet it.

Claims: every drawn row meets its condition, and gradient boosting tells the other columns of
drawn rows from those of the held-out rows that meet it with a mean AUROC of at most 0.65, as
it does rows drawn without a condition.

    python benchmarks/conditions.py --data ANOMALY_FOLDER --mixed MIXED_FOLDER \
        [--tables CSV_FOLDER] [--seeds 3] [--only adult] [--max-rows 2000] [--threads 1]

Tables and halves are those of `generation.py`. Conditions are the most frequent level of the
first two categories, the upper third of the first two and of the last number, and the first
of both kinds together; those that fewer than 40 held-out rows meet are left out, as are
columns that a level fixes. Beside stand the training rows that meet a condition, which shows
what chance alone gives, and as many rows that the same model draws without one.
"""

import numpy as np
import pandas as pd
from _synthetic import moments_to_numbers
from _tables import (
    TextTable,
    choose,
    describe_machine,
    frame_arguments,
    heading,
    quiet,
    verdict,
)
from generation import all_loaders, halves

from skae import VAETransformer
from skae.metrics import two_sample_auc

LEAST_ROWS = 40
# The target of the claim.
MOST_TOLD = 0.65


def conditions_of(train):
    """Return conditions as `sample` takes them, list of dict."""
    is_number = {name: pd.api.types.is_numeric_dtype(train[name]) for name in train}
    numbers = [name for name in train if is_number[name] and train[name].nunique() > 2]
    categories = [name for name in train if not is_number[name]]
    levels = [{name: train[name].mode()[0]} for name in categories[:2]]
    upper = [
        {name: (float(train[name].quantile(2 / 3)), None)}
        for name in dict.fromkeys([*numbers[:2], *numbers[-1:]])
    ]
    both = [levels[0] | upper[0]] if levels and upper else []
    return [*levels, *upper, *both]


def told_of(item):
    name, asked = item
    return f"{name} >= {asked[0]:.4g}" if isinstance(asked, tuple) else f"{name}: {asked}"


def meets(rows, condition):
    """Return which rows meet a condition, ndarray of bool."""
    met = np.ones(len(rows), dtype=bool)
    for name, asked in condition.items():
        is_range = isinstance(asked, tuple)
        met &= rows[name] >= asked[0] if is_range else rows[name] == asked
    return met


def told(real, rows, condition, seed):
    """Return the AUROC of what a condition leaves open."""
    fixed = [name for name, asked in condition.items() if not isinstance(asked, tuple)]
    real, rows = (moments_to_numbers(part).drop(columns=fixed) for part in (real, rows))
    return two_sample_auc(real, rows, random_state=seed)


def measure(model, train, test, condition, seed):
    """Return met, and AUROCs of drawn and of training rows, and of others; None: too few."""
    real, fit = (part[meets(part, condition)] for part in (test, train))
    if min(len(real), len(fit)) < LEAST_ROWS:
        return None
    rows = model.sample(len(real), random_state=seed, given=condition)
    free = model.sample(len(real), random_state=seed)
    some = test.sample(len(real), random_state=seed)
    return {
        "rows": len(real),
        "met": float(meets(rows, condition).mean()),
        "auroc": told(real, rows, condition, seed),
        "by chance": told(real, fit, condition, seed),
        "without": told(some, free, {}, seed),
    }


def run(loaders, args):
    """Measure all conditions; return their figures, a list of dict."""
    heading("Held-out rows that meet a condition against drawn ones: two-sample AUROC")
    formats = {"table": "<14", "condition": "<34", "rows": ">5d", "met": ">6.3f"}
    formats |= {"AUROC": ">6.3f", "by chance": ">9.3f", "without": ">7.3f"}
    text, found = TextTable(formats), []
    for seed in range(args.seeds):
        for name, load in loaders.items():
            train, test = halves(load(), args.max_rows, seed)
            with quiet():
                model = VAETransformer(8, random_state=seed).fit(train)
            for condition in conditions_of(train):
                with quiet():
                    figures = measure(model, train, test, condition, seed)
                if figures is not None:
                    found.append(figures)
                    text.row(
                        name,
                        ", ".join(map(told_of, condition.items()))[:34],
                        *figures.values(),
                    )
    return found


def main():
    args = frame_arguments(__doc__).parse_args()
    args.missing = False
    describe_machine(args.threads)
    found = pd.DataFrame(run(choose(all_loaders(args), args.only), args))
    heading("Summary")
    met, auroc, chance, free = found[["met", "auroc", "by chance", "without"]].mean()
    verdict("rows that meet their condition", f"{met:.1%}", "all", met == 1)
    verdict(
        f"two-sample AUROC, mean of {len(found)} conditions",
        f"{auroc:.3f} (training rows {chance:.3f}, rows without a condition {free:.3f})",
        f"at most {MOST_TOLD}",
        auroc <= MOST_TOLD,
    )


if __name__ == "__main__":
    main()
