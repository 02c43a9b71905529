"""Tables and verdicts of sampled rows, from the records of `generation.py`."""

from collections import defaultdict

import numpy as np
from _tables import TextTable, heading, remark, verdict

# The targets of the claims.
MOST_TOLD, LEAST_TRAINED, LEAST_KEPT = 0.65, 0.97, 0.99
NEAR_HALF, WON = 0.05, 9 / 11
# Of fewer training rows even the right family of distributions, fitted to them, is nearer to
# these: of 89 normal rows of 13 columns by maximum likelihood 0.57, of 500 0.52. What the
# normal distribution reaches that is fitted to the table is printed beside.
ENOUGH_ROWS = 1000
# Real rows drawn with replacement, and a normal distribution fitted to them.
BOOTSTRAP, NORMAL = "bootstrap", "normal"
# Figure -> what it is, and how it is printed.
FIGURES = {
    "auroc": ("Two-sample AUROC (0.5 is best)", ".3f"),
    "trained": ("Trained on as many rows, fraction of trained on the real ones", ".3f"),
    "trained_on_more": ("Trained on ten times as many, the same fraction", ".3f"),
    "nearer": ("Fraction nearer to training than to held-out rows (0.5 is new)", ".3f"),
    "seconds": ("Seconds of fit and sample", ".1f"),
}


def cells(records, generator):
    """Return the (table, seed) of which a generator has figures."""
    return {
        (record["table"], record["seed"])
        for record in records
        if record["generator"] == generator and "error" not in record
    }


def means_of(records):
    """Return generator -> table -> figure -> mean over the seeds.

    What a forest reaches is a fraction of what one trained on real rows does, of the sums
    over the seeds: where real rows teach little, the fraction of one seed says nothing. 0 is
    learning nothing, or worse. A figure that not all seeds have is left out.
    """
    real = {(r["table"], r["seed"]): r for r in records if r["generator"] == "real"}
    found = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for record in records:
        if "error" in record or record["generator"] == "real":
            continue
        of_table = found[record["generator"]][record["table"]]
        figures = {name: record.get(name) for name in FIGURES} | record["kept"]
        figures["reference"] = real[record["table"], record["seed"]]["trained"]
        for name, figure in figures.items():
            of_table[name].append(figure)
    means = {}
    for generator, tables in found.items():
        means[generator] = {}
        for table, figures in tables.items():
            of = {
                name: float(np.mean(values))
                for name, values in figures.items()
                if None not in values
            }
            scale = of.pop("reference")
            for name in of.keys() & {"trained", "trained_on_more"}:
                of[name] = max(of[name], 0.0) / scale
            means[generator][table] = of
    return means


def print_figure(means, tables, figure):
    title, spec = FIGURES[figure]
    means = {name: of for name, of in means.items() if any(figure in of[t] for t in of)}
    heading(title)
    text = TextTable(
        {"table": "<14"} | {name: f">{max(7, len(name))}{spec}" for name in means}
    )
    for table in tables:
        text.row(table, *(of.get(table, {}).get(figure) for of in means.values()))
    # Of the tables that all have, so that the columns can be compared.
    common = [
        table
        for table in tables
        if all(figure in of.get(table, {}) for of in means.values())
    ]
    if common:
        text.row(
            f"mean of {len(common)}",
            *(np.mean([of[t][figure] for t in common]) for of in means.values()),
        )


def print_relations(means):
    of_rides = {name: of["rides"] for name, of in means.items() if "rides" in of}
    names = [n for n in next(iter(of_rides.values()), {}) if n not in FIGURES]
    if not names:
        return
    heading("Rides: fraction that keeps a relation")
    text = TextTable({"": "<15"} | {name: f">{len(name)}.3f" for name in names})
    for generator, of in of_rides.items():
        text.row(generator, *map(of.get, names))


def judge(name, means, n_rows):
    """Print what is claimed of one of ours; `n_rows` are training rows of every table."""
    heading(f"{name} against the claims")
    ours = means[name]
    auroc = float(np.mean([of["auroc"] for of in ours.values()]))
    verdict(
        f"two-sample AUROC, mean of {len(ours)} tables",
        f"{auroc:.3f}",
        f"at most {MOST_TOLD}",
        auroc <= MOST_TOLD,
    )
    for figure, what in (("trained", "as many"), ("trained_on_more", "ten times as many")):
        fractions = [of[figure] for of in ours.values() if figure in of]
        if fractions:
            fraction = float(np.mean(fractions))
            verdict(
                f"trained on {what} of its rows, fraction of real",
                f"{fraction:.3f}",
                f"at least {LEAST_TRAINED}",
                fraction >= LEAST_TRAINED,
            )
    if BOOTSTRAP in means:
        fractions = [means[BOOTSTRAP][table]["trained"] for table in ours]
        remark(
            "trained on as many real rows, drawn with replacement: "
            f"{np.mean(fractions):.3f} of real"
        )
    judge_nearness(means, name, n_rows)
    for relation, fraction in ours.get("rides", {}).items():
        if relation not in FIGURES:
            verdict(
                f"rides: {relation}",
                f"{fraction:.1%}",
                f"at least {LEAST_KEPT:.0%}",
                fraction >= LEAST_KEPT,
            )


def judge_nearness(means, name, n_rows):
    """Print how near rows are to those that they were learned from, of large tables first."""
    claim = "nearer to training than to held-out rows"
    large = [table for table in means[name] if n_rows[table] >= ENOUGH_ROWS]
    small = [table for table in means[name] if n_rows[table] < ENOUGH_ROWS]
    if large:
        fraction = float(np.mean([means[name][table]["nearer"] for table in large]))
        verdict(
            f"{claim}, mean of {len(large)} tables of {ENOUGH_ROWS:,} training rows",
            f"{fraction:.3f}",
            f"0.5 within {NEAR_HALF}",
            abs(fraction - 0.5) <= NEAR_HALF,
        )
    for who in (name, NORMAL):
        if small and who in means:
            fraction = np.mean([means[who][table]["nearer"] for table in small])
            remark(f"{claim}, mean of {len(small)} tables of fewer, {who}: {fraction:.3f}")


def judge_against(name, peer, records):
    """Print on how many tables one of ours is better, of what both have been tried on."""
    both = cells(records, name) & cells(records, peer)
    if not both:
        return
    means = means_of([r for r in records if (r["table"], r["seed"]) in both])
    ours, theirs = means[name], means[peer]
    for figure, sign, what in (
        ("auroc", 1, "are told less well"),
        ("trained", -1, "train better"),
    ):
        lost = [
            table
            for table in ours
            if sign * (ours[table][figure] - theirs[table][figure]) > 0
        ]
        n_won = len(ours) - len(lost)
        verdict(
            f"rows {what} than those of {peer}",
            f"{n_won} of {len(ours)}, not {', '.join(lost) or 'none'}",
            "nine of eleven",
            n_won >= WON * len(ours),
        )
    pairs = [
        " / ".join(
            format(np.mean([of[figure] for of in tables.values()]), ".3f")
            for tables in (ours, theirs)
        )
        for figure in ("auroc", "trained")
    ]
    seconds = [sum(of["seconds"] for of in tables.values()) for tables in (ours, theirs)]
    remark(
        f"ours / {peer}, {len(ours)} tables: AUROC {pairs[0]}, trained {pairs[1]}, "
        f"{seconds[0]:.0f} s / {seconds[1]:.0f} s"
    )


def summarise(records, order, generators, ours):
    """Print the tables, then verdicts on those of `ours`."""
    means = means_of(records)
    means = {name: means[name] for name in generators if name in means}
    n_rows = {record["table"]: record["rows"] for record in records}
    tables = [table for table in order if any(table in of for of in means.values())]
    for figure in FIGURES:
        print_figure(means, tables, figure)
    print_relations(means)
    for name in ours:
        if name in means:
            judge(name, means, n_rows)
            for peer in (
                other for other in means if other not in [*ours, BOOTSTRAP, NORMAL]
            ):
                judge_against(name, peer, records)
