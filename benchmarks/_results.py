"""Results of detection on many tables: kept in files, compared table by table."""

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
from _detection import Result, is_ours, unpack_labels, unpack_ranks
from _tables import remark, source
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, roc_auc_score

N_IN_TRIO = 3


def read(paths):
    """Return the results in files of one JSON object a line; the last of equals counts."""
    lines = chain.from_iterable(Path(path).read_text().splitlines() for path in paths)
    results = [Result(**json.loads(line)) for line in lines]
    return list({(result.cell, result.detector): result for result in results}.values())


def append(path, result):
    with Path(path).open("a") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def comparable(results, detectors):
    """Return the results on those splits that all `detectors` have; say what is lost."""
    of_cell = defaultdict(set)
    for result in results:
        of_cell[result.cell].add(result.detector)
    whole = {cell for cell, names in of_cell.items() if set(detectors) <= names}
    if len(whole) < len(of_cell):
        missing = {name for names in of_cell.values() for name in set(detectors) - names}
        remark(
            f"{len(of_cell) - len(whole)} of {len(of_cell)} splits are left out: not all "
            f"have {', '.join(sorted(missing))}"
        )
    return [result for result in results if result.cell in whole]


# --------------------------------------------------------------------------- figures


@dataclass
class Figures:
    """AUROC and average precision of one detector, arrays with an item per table."""

    auroc: np.ndarray
    ap: np.ndarray


@dataclass
class Outcome:
    """All results of one protocol."""

    results: list
    detectors: list
    of: dict = field(init=False)

    def __post_init__(self):
        self._cells = defaultdict(dict)
        for result in self.results:
            self._cells[result.cell][result.detector] = result
        self.of = {name: self._figures(name) for name in self.detectors if self.results}

    @classmethod
    def of_protocol(cls, results, protocol, detectors):
        return cls([result for result in results if result.protocol == protocol], detectors)

    @cached_property
    def tables(self):
        """Return (collection, table) of every table, in the order of all arrays."""
        return sorted({(result.collection, result.table) for result in self.results})

    @cached_property
    def sources(self):
        return np.array([source(name) for _, name in self.tables])

    @property
    def ours(self):
        return [name for name in self.detectors if is_ours(name)]

    @property
    def peers(self):
        return [name for name in self.detectors if not is_ours(name)]

    def collections(self):
        """Return name -> mask of its tables."""
        names = np.array([collection for collection, _ in self.tables])
        return {name: names == name for name in np.unique(names)}

    def of_detector(self, name):
        return [result for result in self.results if result.detector == name]

    def seconds(self, name):
        return sum(r.fit_seconds + r.score_seconds for r in self.of_detector(name))

    def best_peer(self, mask=slice(None), measure="auroc"):
        return max(
            self.peers, key=lambda name: getattr(self.of[name], measure)[mask].mean()
        )

    def ranks(self):
        """Return detector -> its rank by AUROC per table, 1 the best."""
        ranks = rankdata([-self.of[name].auroc for name in self.detectors], axis=0)
        return dict(zip(self.detectors, ranks, strict=True))

    def _figures(self, name):
        return self._mean_over_seeds(
            {cell: (of[name].auroc, of[name].ap) for cell, of in self._cells.items()}
        )

    def _mean_over_seeds(self, of_cells):
        of_tables = defaultdict(list)
        for cell, figures in of_cells.items():
            of_tables[cell[:2]].append(figures)
        means = [np.mean(of_tables[table], axis=0) for table in self.tables]
        return Figures(*np.transpose(means))


def trio(outcome):
    """Return the figures of the mean of the ranks that three peers give the test rows.

    The peers are the best on the tables of other sources. Also returns how often each was
    one of the three.
    """
    aurocs = np.array([outcome.of[name].auroc for name in outcome.peers])
    chosen = {}
    for table, own in zip(outcome.tables, outcome.sources, strict=True):
        # A table alone has nothing else to choose by.
        others = outcome.sources != own
        means = aurocs[:, others].mean(axis=1) if others.any() else aurocs.mean(axis=1)
        best = np.argsort(-means)[:N_IN_TRIO]
        chosen[table] = [outcome.peers[i] for i in best]
    of_cells = {}
    for cell, of in outcome._cells.items():
        results = [of[name] for name in chosen[cell[:2]]]
        is_odd = unpack_labels(results[0].labels)
        ranks = np.mean([unpack_ranks(result.ranks) for result in results], axis=0)
        figures = roc_auc_score(is_odd, ranks), average_precision_score(is_odd, ranks)
        of_cells[cell] = figures
    counts = {
        name: sum(name in names for names in chosen.values()) for name in outcome.peers
    }
    return outcome._mean_over_seeds(of_cells), counts


def nested(outcome, n_halves, seed=0):
    """Return the figures of ours where the configuration was chosen on other tables.

    On a random half of the sources the configuration with the highest mean AUROC is
    chosen, and gives the figures of the other half; a table's are the mean over the
    halves that left it out. Also returns how often each configuration was chosen.
    """
    names, rng = outcome.ours, np.random.default_rng(seed)
    aurocs, precisions = (
        np.array([getattr(outcome.of[name], measure) for name in names])
        for measure in ("auroc", "ap")
    )
    sources = np.unique(outcome.sources)
    sums, n_times = np.zeros((2, len(outcome.tables))), np.zeros(len(outcome.tables))
    counts = dict.fromkeys(names, 0)
    if len(sources) < 2:
        raise SystemExit("--nested: tables of one source leave nothing to choose by.")
    for _ in range(n_halves):
        half = np.isin(outcome.sources, rng.permutation(sources)[: len(sources) // 2])
        best = aurocs[:, half].mean(axis=1).argmax()
        counts[names[best]] += 1
        sums[:, ~half] += aurocs[best, ~half], precisions[best, ~half]
        n_times += ~half
    # With few halves some table may always be in the one that chooses.
    with np.errstate(invalid="ignore"):
        return Figures(*(sums / n_times)), counts
