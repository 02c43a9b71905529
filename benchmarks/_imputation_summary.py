"""Tables and verdicts of filled cells, from the records of `imputation.py`."""

from collections import defaultdict

import numpy as np
from _tables import TextTable, heading, verdict

RIDES, BY_HAND = "rides", "median ride"
# The targets of the claims.
MOST_TIMES, MOST_MINUTES = 1.2, 6.0


def means_of(records, imputers):
    """Return imputer -> table -> figure -> mean over the seeds."""
    found = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for record in records:
        for figure, value in record.items():
            if figure not in ("table", "seed", "imputer"):
                found[record["imputer"]][record["table"]][figure].append(value)
    return {
        name: {
            table: {figure: float(np.mean(values)) for figure, values in figures.items()}
            for table, figures in found[name].items()
        }
        for name in imputers
        if name in found
    }


def print_figure(means, tables, figure, title):
    """Print a row per table, and the means of the tables that all imputers have."""
    heading(title)
    text = TextTable(
        {"table": "<14"} | {name: f">{max(8, len(name))}.3f" for name in means}
    )
    rows = {
        table: [of.get(table, {}).get(figure) for of in means.values()] for table in tables
    }
    rows = {table: row for table, row in rows.items() if any(v is not None for v in row)}
    for table, row in rows.items():
        text.row(table, *row)
    common = [row for row in rows.values() if None not in row]
    if common:
        text.row(f"mean of {len(common)}", *np.mean(common, axis=0))


def shared(records, names):
    """Return the records of those tables and seeds of which all `names` have figures."""
    of_cell = defaultdict(set)
    for record in records:
        of_cell[record["table"], record["seed"]].add(record["imputer"])
    return [r for r in records if set(names) <= of_cell[r["table"], r["seed"]]]


def judge(name, peers, records):
    """Print what is claimed of one of ours against the best peer of each table."""
    tables = means_of(
        shared([r for r in records if r["table"] != RIDES], [name, *peers]), [name, *peers]
    )
    heading(f"{name} against the best peer of each table")
    for figure, label, sign in (("rmse", "RMSE", 1), ("accuracy", "accuracy", -1)):
        ours = {t: of[figure] for t, of in tables.get(name, {}).items() if figure in of}
        if not ours or not peers:
            continue
        theirs = {peer: [tables[peer][table][figure] for table in ours] for peer in peers}
        best = sign * np.min([np.multiply(sign, of) for of in theirs.values()], axis=0)
        alone = min(theirs, key=lambda peer: sign * np.mean(theirs[peer]))
        own = np.array(list(ours.values()))
        for whose, figures in (("of each table", best), (f", {alone},", theirs[alone])):
            verdict(
                f"{label}, mean of {len(ours)} tables",
                f"{own.mean():.3f}",
                f"of the best peer{' ' if whose[0] != ',' else ''}{whose} {np.mean(figures):.3f}",
                sign * own.mean() <= sign * np.mean(figures),
            )
        # The error of categories is what is not right.
        ratios = own / best if sign > 0 else (1.0 - own) / (1.0 - best)
        worst = int(np.argmax(ratios))
        verdict(
            f"{label}: error over the best peer's, at worst",
            f"{ratios[worst]:.2f} on {list(ours)[worst]}",
            f"at most {MOST_TIMES}",
            ratios[worst] <= MOST_TIMES,
        )


def judge_rides(name, means):
    minutes = means[name][RIDES]["minutes"]
    most = min(MOST_MINUTES, means.get(BY_HAND, {}).get(RIDES, {}).get("minutes", np.inf))
    verdict(
        f"rides, {name}: median error of the drop-off, minutes",
        f"{minutes:.1f}",
        f"at most {MOST_MINUTES:g}, and what is done by hand: {most:.1f}",
        minutes <= most,
    )


def summarise(records, tables, imputers, ours):
    """Print the tables, then verdicts on those of `ours`."""
    means = means_of(records, imputers)
    of_tables = {name: of for name, of in means.items() if name != BY_HAND}
    print_figure(of_tables, tables, "rmse", "RMSE of numbers, standard deviations")
    print_figure(of_tables, tables, "accuracy", "Accuracy of categories")
    print_figure(of_tables, tables, "seconds", "Seconds of fit and fill")
    if any(RIDES in of for of in means.values()):
        heading("Rides without a tenth of the drop-offs")
        text = TextTable(
            {"": "<11", "minutes": ">7.2f", "before pickup": ">13.3f", "s": ">6.1f"}
        )
        for name, of in means.items():
            if RIDES in of:
                text.row(name, *map(of[RIDES].get, ("minutes", "early", "seconds")))
    peers = [name for name in of_tables if name not in ours]
    for name in (name for name in ours if name in means):
        judge(name, peers, records)
        if RIDES in means[name]:
            judge_rides(name, means)
