"""Mixed data frames with missing cells: skae on the frame, its peers behind one-hot columns.

Four parts, each with its claim:

reconstruct  4 and 8 components, 30% of the rows held out: of their observed cells, skae
             reconstructs more categories and more of the numbers' variance than PCA on one-hot
             and standardised columns, and than FAMD.
impute       20% of the cells removed at random: on adult at least as good as the best of
             SimpleImputer, KNNImputer and IterativeImputer, within 5% of it elsewhere.
explain      one wrong cell per held-out row: of the rows that the detector finds, `explain`
             names the wrong column first in at least 80%.
detect       rare incomes, and five kinds of planted anomalies: a higher AUROC on average
             than IsolationForest, LocalOutlierFactor and PyOD's AutoEncoder.

    python benchmarks/mixed.py --data FOLDER [--part impute] [--only penguins] [--seeds 2]

Whole numbers are read as floats, so that no contender's reconstructions are rounded. What is
learned of the columns (means, deviations, levels) is learned from the training rows; a level
that only held-out rows have counts as lost for everyone. Numbers are compared in the
training rows' standard deviations, all cells alike.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from itertools import combinations, pairwise, product
from pathlib import Path

import _figures
import numpy as np
import pandas as pd
from _tables import (
    TextTable,
    arguments,
    choose,
    describe_machine,
    heading,
    quiet,
    remark,
    timed,
    verdict,
)
from pyod.models.auto_encoder import AutoEncoder
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest, RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  which IterativeImputer needs
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skae import AEAnomalyDetector, AutoencoderTransformer, VAETransformer

try:
    from prince import FAMD
except ImportError:
    FAMD = None

HELD_OUT = 0.3
WIDTHS = (4, 8)
REMOVED = 0.2
LARGE_TABLE, SLACK = "adult", 1.05
NAMED_FIRST = 0.8
# Planted cells: standard deviations that a number moves; a column is determined by the
# others if a forest explains this fraction of it, and contradicted at as many deviations of
# the forest's error.
MOVE, DETERMINED = 4.0, 0.5
LEAST_PLANTED, MOST_PLANTED = 300, 1000
# Fraction of anomalies in training rows that hold any, and among the incomes of the test.
RARE = 0.05
# Whether the training rows are free of anomalies.
PROTOCOLS = {"contaminated": False, "clean": True}
# A pair of levels that never meet is impossible if chance would bring so many together.
LEAST_EXPECTED = 5.0

# ------------------------------------------------------------------------- tables


def load_frame(path):
    frame = pd.read_csv(path)
    # Only says which rows the source trained on.
    frame = frame.drop(columns="split", errors="ignore")
    whole = frame.select_dtypes("integer").columns
    return frame.astype(dict.fromkeys(whole, np.float64))


def frame_loaders(folder):
    """Return name -> function that loads a frame."""
    names = ("penguins", "auto_imports", "adult")
    paths = {name: Path(folder) / f"{name}.csv.gz" for name in names}
    for path in paths.values():
        if not path.exists():
            raise SystemExit(f"--data: {path.name} is not in {folder}.")
    return {name: partial(load_frame, path) for name, path in paths.items()}


def split(frame, max_rows, seed):
    """Return training and held-out rows of at most `max_rows`."""
    frame = frame.sample(n=min(max_rows, len(frame)), random_state=seed)
    train, test = train_test_split(frame, test_size=HELD_OUT, random_state=seed)
    return train.reset_index(drop=True), test.reset_index(drop=True)


class OneHot:
    """Numbers in standard units, and a block of indicators a category; NaN: missing.

    Attributes
    ----------
    numbers, categories : list of str
        The columns.
    levels : dict of str to pandas.Index
        Those of every category.
    """

    def __init__(self, train):
        self.numbers = list(train.select_dtypes("number"))
        self.categories = [name for name in train if name not in self.numbers]
        self.mean = train[self.numbers].mean()
        self.std = train[self.numbers].std(ddof=0).replace(0.0, 1.0)
        self.levels = {
            name: pd.Index(sorted(train[name].dropna().unique()))
            for name in self.categories
        }
        self.usual = {name: train[name].mode()[0] for name in self.categories}

    def standard(self, frame):
        """Return the numbers in standard units, (n, n_numbers)."""
        return ((frame[self.numbers] - self.mean) / self.std).to_numpy()

    def level_numbers(self, frame):
        """Return the numbers of the levels, (n, n_categories); -1: missing or unknown."""
        codes = [self.levels[name].get_indexer(frame[name]) for name in self.categories]
        return np.column_stack([np.zeros((len(frame), 0), dtype=int), *codes])

    def encode(self, frame):
        """Return the design matrix, (n, n_numbers + n_levels)."""
        blocks = [self.standard(frame)]
        codes = self.level_numbers(frame)
        for name, code in zip(self.categories, codes.T, strict=True):
            block = np.eye(len(self.levels[name]))[code]
            block[code < 0] = np.nan
            blocks.append(block)
        return np.hstack(blocks)

    def complete(self, frame):
        """Fill with means and the most frequent levels, in place of unknown ones too."""
        filled = frame.fillna(self.mean)
        for name in self.categories:
            filled[name] = (
                frame[name]
                .where(frame[name].isin(self.levels[name]))
                .fillna(self.usual[name])
            )
        return filled

    @property
    def edges(self):
        """Where the blocks begin, and where the last one ends."""
        sizes = [len(self.levels[name]) for name in self.categories]
        return np.cumsum([len(self.numbers), *sizes])

    def drop_first(self, design):
        """Leave out the first indicator of every block: the others say it all."""
        return np.delete(design, self.edges[:-1], axis=1)

    def add_first(self, reduced):
        """Put back what `drop_first` left out."""
        design = reduced
        for begin, end in pairwise(self.edges):
            first = 1.0 - design[:, begin : end - 1].sum(axis=1)
            design = np.insert(design, begin, first, axis=1)
        return design

    def decode(self, design):
        """Return the numbers, and of every block the level with the largest entry."""
        codes = [design[:, a:b].argmax(axis=1) for a, b in pairwise(self.edges)]
        empty = np.zeros((len(design), 0), dtype=int)
        return design[:, : len(self.numbers)], np.column_stack([empty, *codes])

    def read(self, frame):
        return self.standard(frame), self.level_numbers(frame)


@dataclass(frozen=True)
class Reconstruction:
    """How cells were reconstructed.

    Attributes
    ----------
    rmse : float
        Of the numbers, in standard deviations.
    r2 : float
        Fraction of the numbers' squared distance to the training mean that is explained.
    accuracy : float
        Fraction of the categories.
    """

    rmse: float
    r2: float
    accuracy: float
    fit_seconds: float = 0.0
    seconds: float = 0.0


def compare(design, truth, reconstructed, which, seconds=(0.0, 0.0)):
    """Compare the cells of the mask `which`, (n, n_columns), with those of the frame."""
    which = pd.DataFrame(which, columns=truth.columns)
    numbers, codes = reconstructed
    of_numbers = which[design.numbers].to_numpy()
    true_numbers, true_codes = design.read(truth)
    errors = (numbers - true_numbers)[of_numbers]
    of_codes = which[design.categories].to_numpy()
    squared = np.square(errors)
    return Reconstruction(
        math.sqrt(squared.mean()),
        1.0 - squared.sum() / np.square(true_numbers[of_numbers]).sum(),
        float((codes == true_codes)[of_codes].mean()),
        *seconds,
    )


def means(results, *names):
    return [float(np.mean([getattr(r, name) for r in results])) for name in names]


# ---------------------------------------------------------------------- reconstruct
# Each takes training rows, what is known of the columns, a code width and a seed, and
# returns a function from a frame to its reconstructed cells.


def fit_pca(train, design, k, seed):
    pca = PCA(k, random_state=seed).fit(design.encode(design.complete(train)))

    def reconstruct(frame):
        codes = pca.transform(design.encode(design.complete(frame)))
        return design.decode(pca.inverse_transform(codes))

    return reconstruct


def fit_famd(train, design, k, seed):
    """FAMD has no way back: the best linear one from its coordinates."""
    train = design.complete(train)
    famd = FAMD(n_components=k, random_state=seed, handle_unknown="ignore").fit(train)
    decoder = LinearRegression().fit(
        famd.row_coordinates(train).to_numpy(), design.encode(train)
    )

    def reconstruct(frame):
        # It takes the frequencies of levels from the rows given: let most be known ones.
        rows = pd.concat([train, design.complete(frame)], ignore_index=True)
        codes = famd.row_coordinates(rows).to_numpy()[len(train) :]
        return design.decode(decoder.predict(codes))

    return reconstruct


def fit_ours(transformer, train, design, k, seed):
    model = transformer(k, random_state=seed).fit(train)
    return lambda frame: design.read(model.inverse_transform(model.transform(frame)))


OURS = "skae"
LINEAR = {"PCA": fit_pca, "FAMD": fit_famd}
METHODS = {
    **LINEAR,
    OURS: partial(fit_ours, AutoencoderTransformer),
    "skae VAE": partial(fit_ours, VAETransformer),
}
# As the pages call them.
COLUMNS = {"PCA": "PCA on one-hot columns", "FAMD": "FAMD", OURS: "skae"}
ROWS = {"penguins": "penguins", "auto_imports": "automobiles", "adult": "adult"}


def reconstruct(loaders, args):
    methods = dict(METHODS)
    if FAMD is None:
        print("\nFAMD is left out: the package prince is not installed.", flush=True)
        del methods["FAMD"]
    heading(
        f"Held-out rows at equal code widths: R2 of the numbers, fraction of the categories, "
        f"fit seconds; {args.seeds} seeds"
    )
    table = TextTable(
        {"table": "<12", "k": ">2d", "": "<8", "R2": ">7.4f", "categories": ">7.4f"}
        | {"fit s": ">7.2f"}
    )
    outcomes = {}
    for (name, load), k in product(loaders.items(), WIDTHS):
        results = defaultdict(list)
        for seed in range(args.seeds):
            train, test = split(load(), args.max_rows, seed)
            design = OneHot(train)
            for contender, fit in methods.items():
                with quiet():
                    reconstruct, seconds = timed(fit, train, design, k, seed)
                    reconstructed = reconstruct(test)
                observed = test.notna().to_numpy()
                result = compare(design, test, reconstructed, observed, (seconds, 0.0))
                results[contender].append(result)
        for contender, of_seeds in results.items():
            r2, accuracy, seconds = means(of_seeds, "r2", "accuracy", "fit_seconds")
            table.row(name, k, contender, r2, accuracy, seconds)
            if contender in COLUMNS:
                row, value = f"{ROWS[name]}, {k} codes", f"{r2:.3f} / {accuracy:.3f}"
                _figures.cell("mixed_reconstruction", row, COLUMNS[contender], value)
        outcomes[name, k] = results
    return outcomes


def judge_reconstruct(outcomes):
    for rival in LINEAR:
        if rival not in next(iter(outcomes.values())):
            continue
        for figure, label in (("r2", "R2"), ("accuracy", "categories")):
            gaps, behind = [], []
            for (name, k), results in outcomes.items():
                ours, other = (means(results[c], figure)[0] for c in (OURS, rival))
                gaps.append(ours - other)
                # A contender that reconstructs all cells can only be equalled.
                if ours < other or ours == other < 1.0:
                    behind.append(f"{name} k={k} by {other - ours:.4f}")
            verdict(
                f"reconstruct: cases of {len(gaps)} where {label} is not above {rival}'s",
                f"{', '.join(behind) or 'none'}; mean gap {np.mean(gaps):+.4f}",
                "none",
                not behind,
            )


# --------------------------------------------------------------------------- impute
# Each takes a seed and returns an imputer: ours of frames, the peers of one-hot columns.
# An iterative imputer predicts a block's indicators from one another, and stays where they
# start, because they sum to one; it is here both with all of them and with all but one.

PEER_IMPUTERS = {
    "Simple": None,
    "KNN": lambda seed: KNNImputer(keep_empty_features=True),
    "Iterative": lambda seed: IterativeImputer(keep_empty_features=True, random_state=seed),
    "Iter. n-1": lambda seed: IterativeImputer(keep_empty_features=True, random_state=seed),
}
# 0.9: as many codes as PCA needs for 90% of the variance; (): their default of 2.
IMPUTERS = {
    **PEER_IMPUTERS,
    "AE(0.9)": lambda seed: AutoencoderTransformer(0.9, random_state=seed),
    "AE()": lambda seed: AutoencoderTransformer(random_state=seed),
    "VAE(0.9)": lambda seed: VAETransformer(0.9, random_state=seed),
    "VAE()": lambda seed: VAETransformer(random_state=seed),
}


def remove_cells(frame, rng):
    """Return the frame with a fifth of its cells removed, and which of them were there."""
    removed = rng.random(frame.shape) < REMOVED
    return frame.mask(removed), removed & frame.notna().to_numpy()


def prepare_imputer(name, design, seed):
    """Return functions that fit to a frame, and that reconstruct a frame's cells."""
    if name == "Simple":
        # Most frequent levels and means, which are 0 in standard units.
        return lambda frame: None, lambda frame: design.read(design.complete(frame))
    model = IMPUTERS[name](seed)
    if name == "Iter. n-1":
        return (
            lambda frame: model.fit(design.drop_first(design.encode(frame))),
            lambda frame: design.decode(
                design.add_first(model.transform(design.drop_first(design.encode(frame))))
            ),
        )
    if name in PEER_IMPUTERS:
        return (
            lambda frame: model.fit(design.encode(frame)),
            lambda frame: design.decode(model.transform(design.encode(frame))),
        )
    return model.fit, lambda frame: design.read(model.impute(frame))


def impute(loaders, args):
    heading(
        f"{REMOVED:.0%} of the cells removed: RMSE of the numbers in standard deviations, fraction "
        f"of the categories, of the training rows and of fresh ones; {args.seeds} seeds"
    )
    formats = {"table": "<12", "": "<9", "RMSE": ">7.4f", "categories": ">7.4f"}
    formats |= {"RMSE fresh": ">7.4f", "cat. fresh": ">7.4f"}
    table = TextTable(formats | {"fit s": ">7.2f", "impute s": ">7.2f"})
    outcomes = {}
    for name, load in loaders.items():
        results = defaultdict(list)
        for seed in range(args.seeds):
            rng = np.random.default_rng(seed)
            parts = split(load(), args.max_rows, seed)
            incomplete = [remove_cells(part, rng) for part in parts]
            design = OneHot(incomplete[0][0])
            for imputer in IMPUTERS:
                with quiet():
                    fit, reconstruct = prepare_imputer(imputer, design, seed)
                    _, fit_seconds = timed(fit, incomplete[0][0])
                    pair = []
                    for part, (frame, removed) in zip(parts, incomplete, strict=True):
                        reconstructed, seconds = timed(reconstruct, frame)
                        times = fit_seconds, seconds
                        pair.append(compare(design, part, reconstructed, removed, times))
                results[imputer].append(pair)
        for imputer, pairs in results.items():
            own, fresh = zip(*pairs, strict=True)
            table.row(
                name,
                imputer,
                *means(own, "rmse", "accuracy"),
                *means(fresh, "rmse", "accuracy"),
                *means(own, "fit_seconds", "seconds"),
            )
        outcomes[name] = results
    return outcomes


def judge_impute(outcomes):
    for name, results in outcomes.items():
        own = {
            imputer: means([own for own, _ in pairs], "rmse", "accuracy")
            for imputer, pairs in results.items()
        }
        least = min(own[peer][0] for peer in PEER_IMPUTERS)
        most = max(own[peer][1] for peer in PEER_IMPUTERS)
        slack = 1.0 if name == LARGE_TABLE else SLACK
        for imputer in [name for name in own if name not in PEER_IMPUTERS]:
            rmse, accuracy = own[imputer]
            claims = (
                ("RMSE", rmse, least, f"<= {least * slack:.4f}", rmse <= least * slack),
                (
                    "categories",
                    accuracy,
                    most,
                    f">= {most / slack:.4f}",
                    accuracy >= most / slack,
                ),
            )
            for label, figure, best, target, met in claims:
                claim = f"impute {name}, {imputer}: {label}, best peer {best:.4f}"
                verdict(claim, f"{figure:.4f}", target, met)


# -------------------------------------------------------------------------- explain


class Planter:
    """Plants one wrong cell per row, of three kinds.

    "swapped": a category becomes another level. "moved": a number moves by four standard
    deviations. "contradicting": a number that the other columns determine becomes another
    row's, far from what they say.
    """

    def __init__(self, train, design, seed):
        self.train, self.design, self.seed = train, design, seed
        self.rng = np.random.default_rng(seed)
        self.forests = {}

    def plant(self, kind, rows, besides=None):
        """Return the rows planted, the numbers of the columns, and which rows it is done in.

        `besides`, (n,), are the numbers of columns that are not to be planted again.
        """
        columns = self._columns_of(kind)
        places = rows.columns.get_indexer(columns)
        free = rows[columns].notna().to_numpy(copy=True)
        if besides is not None:
            free &= places != np.asarray(besides)[:, None]
        # Of the columns that are free, the one with the largest draw.
        chosen = (self.rng.random(free.shape) * free).argmax(axis=1) if columns else []
        planted, done = rows.copy(), np.zeros(len(rows), dtype=bool)
        for number, name in enumerate(columns):
            here = np.flatnonzero((chosen == number) & free[:, number])
            values = pd.Series(getattr(self, f"_{kind}")(name, rows.iloc[here]))
            values = values[values.notna()]
            here = here[values.index]
            planted.iloc[here, places[number]] = values.to_numpy()
            done[here] = True
        return planted, places[chosen], done

    def _columns_of(self, kind):
        if kind == "swapped":
            return [n for n in self.design.categories if len(self.design.levels[n]) > 1]
        varying = [n for n in self.design.numbers if self.train[n].std() > 0]
        if kind == "moved":
            return varying
        return [name for name in varying if self._forest(name).oob_score_ >= DETERMINED]

    def _swapped(self, name, rows):
        """Another of the levels, all alike."""
        levels = self.design.levels[name]
        own = levels.get_indexer(rows[name])
        # A level that is not in the training rows, -1, may become any.
        other = np.where(
            own < 0,
            self.rng.integers(len(levels), size=len(rows)),
            own + self.rng.integers(1, len(levels), size=len(rows)),
        )
        return levels.to_numpy()[other % len(levels)]

    def _moved(self, name, rows):
        signs = self.rng.choice([-1.0, 1.0], size=len(rows))
        return rows[name].to_numpy() + MOVE * self.design.std[name] * signs

    def _contradicting(self, name, rows):
        """Another row's value, far from what the other columns let one expect."""
        forest = self._forest(name)
        if not len(rows):
            return np.zeros(0)
        expected = forest.predict(self._others(name, rows))
        candidates = self.train[name].dropna().to_numpy()
        drawn = self.rng.choice(candidates, size=(len(rows), 50))
        far = np.abs(drawn - expected[:, None]) >= MOVE * forest.deviation
        far &= drawn != rows[name].to_numpy()[:, None]
        first = far.argmax(axis=1)
        values = drawn[np.arange(len(rows)), first]
        return np.where(far.any(axis=1), values, np.nan)

    def _others(self, name, rows):
        design = self.design.encode(self.design.complete(rows))
        return np.delete(design, self.design.numbers.index(name), axis=1)

    def _forest(self, name):
        if name not in self.forests:
            known = self.train[self.train[name].notna()]
            forest = RandomForestRegressor(
                50,
                min_samples_leaf=2,
                max_features=0.5,
                oob_score=True,
                random_state=self.seed,
            ).fit(self._others(name, known), known[name])
            errors = forest.oob_prediction_ - known[name].to_numpy()
            forest.deviation = float(errors.std())
            self.forests[name] = forest
        return self.forests[name]


def z_scores(train, design, frame):
    """Return |z| of every cell, 0 where missing: of a number, or of its level's indicator.

    The indicator of a level of frequency p has z = sqrt((1 - p) / p).
    """
    scores = pd.DataFrame(0.0, index=frame.index, columns=frame.columns)
    scores[design.numbers] = np.abs(design.standard(frame))
    for name in design.categories:
        fraction = frame[name].map(train[name].value_counts(normalize=True))
        # Never seen: rarer than any.
        fraction = fraction.where(fraction.notna() | frame[name].isna(), 0.5 / len(train))
        scores[name] = np.sqrt((1.0 - fraction) / fraction)
    return scores.fillna(0.0).to_numpy()


def rows_to_plant(test, rng):
    """Return rows of `test`, repeated where there are few, and some where many."""
    if len(test) < LEAST_PLANTED:
        copies = math.ceil(LEAST_PLANTED / len(test))
        return pd.concat([test] * copies, ignore_index=True)
    rows = rng.permutation(len(test))[:MOST_PLANTED]
    return test.iloc[rows].reset_index(drop=True)


KINDS = ("swapped", "moved", "contradicting")


def explain(loaders, args):
    heading(
        f"One wrong cell per row: fraction of the rows found, and of those found, the fraction whose "
        f"wrong column comes first by explain and by |z|; the same of all rows; {args.seeds} "
        "seeds"
    )
    table = TextTable(
        {"table": "<12", "kind": "<13", "planted": ">7d", "found": ">7.3f"}
        | {"explain": ">7.3f", "|z|": ">7.3f", "of all": ">7.3f", "|z| of all": ">7.3f"}
        | {"s": ">7.2f"}
    )
    hits = []
    for name, load in loaders.items():
        of_table = []
        for seed in range(args.seeds):
            train, test = split(load(), args.max_rows, seed)
            of_table += explain_one(train, test, seed)
        for kind in KINDS:
            rows = [hit for hit in of_table if hit["kind"] == kind]
            n_planted = sum(len(hit["found"]) for hit in rows)
            if not n_planted:
                print(
                    f"{name:<12}  {kind:<13}  left out: no column is determined", flush=True
                )
                continue
            found, ours, z = (
                np.concatenate([hit[key] for hit in rows]) for key in ("found", "ours", "z")
            )
            seconds = np.mean([hit["seconds"] for hit in rows])
            fractions = [part[found].mean() if found.any() else None for part in (ours, z)]
            fractions += [ours.mean(), z.mean()]
            table.row(name, kind, n_planted, found.mean(), *fractions, seconds)
        hits += [hit | {"table": name} for hit in of_table]
    return hits


def explain_one(train, test, seed):
    design = OneHot(train)
    planter = Planter(train, design, seed)
    # Ours may warn: that is news.
    detector = AEAnomalyDetector(contamination=0.0, random_state=seed).fit(train)
    rows, hits = rows_to_plant(test, planter.rng), []
    flagged = detector.score_samples(rows) < detector.offset_
    for kind in KINDS:
        planted, places, done = planter.plant(kind, rows)
        if not done.any():
            continue
        planted, places = planted[done], places[done]
        contributions, seconds = timed(detector.explain, planted)
        found = -contributions.sum(axis=1).to_numpy() < detector.offset_
        hits.append(
            {
                "kind": kind,
                "found": found,
                "new": found & ~flagged[done],
                "ours": contributions.to_numpy().argmax(axis=1) == places,
                "z": z_scores(train, design, planted).argmax(axis=1) == places,
                "seconds": seconds,
            }
        )
    return hits


def judge_explain(hits):
    groups = {"all": hits}
    for key in ("kind", "table"):
        for value in dict.fromkeys(hit[key] for hit in hits):
            groups[value] = [hit for hit in hits if hit[key] == value]
    for label, chosen in groups.items():
        ours, z, found, new = (
            np.concatenate([hit[key] for hit in chosen])
            for key in ("ours", "z", "found", "new")
        )
        claim = f"explain, {label}: wrong column first in the rows found"
        if not found.any():
            remark(f"{claim}: none of {len(found)} is found")
            continue
        figure = f"{ours[found].mean():.1%}, |z| {z[found].mean():.1%}"
        if new.any():
            figure += f"; {ours[new].mean():.1%} where only the wrong cell made the row odd"
        if label == "all":
            met = ours[found].mean() >= NAMED_FIRST
            verdict(claim, figure, f">= {NAMED_FIRST:.0%}", met)
            _figures.fact("explained_first", f"{ours[found].mean():.0%}")
            _figures.fact("largest_z_first", f"{z[found].mean():.0%}")
        else:
            remark(f"{claim}: {figure}")


# --------------------------------------------------------------------------- detect
# Each kind takes rows, what is known of the table and a generator, and returns the rows
# as anomalies.


def two_cells(kind, rows, train, rng):
    """Two cells of a kind in every row that has two."""
    planter = Planter(train, OneHot(train), int(rng.integers(2**31)))
    once, places, _ = planter.plant(kind, rows)
    return planter.plant(kind, once, besides=places)[0]


def permuted_numbers(rows, train, rng):
    """Every number from another row."""
    planted = rows.copy()
    for name in train.select_dtypes("number"):
        planted[name] = rng.choice(train[name].to_numpy(), size=len(rows))
    return planted


def impossible_combinations(rows, train, rng):
    """Two levels that are common and never meet."""
    design, pairs = OneHot(train), []
    for a, b in combinations(design.categories, 2):
        counts = pd.crosstab(train[a], train[b])
        total = counts.to_numpy().sum()
        expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total
        never = (counts.to_numpy() == 0) & (expected >= LEAST_EXPECTED)
        pairs += [(a, counts.index[i], b, counts.columns[j]) for i, j in np.argwhere(never)]
    planted = rows.copy()
    for row, drawn in zip(
        planted.index, rng.integers(len(pairs), size=len(rows)), strict=True
    ):
        a, level_a, b, level_b = pairs[drawn]
        planted.loc[row, [a, b]] = [level_a, level_b]
    return planted


def far_cluster(rows, train, rng):
    """Rows as they are, but for all their numbers, moved alike by three deviations each.

    As clustered anomalies are made by Han et al., ADBench, 2022: normal rows' spread around
    another centre.
    """
    design = OneHot(train)
    signs = rng.choice([-1.0, 1.0], size=len(design.numbers))
    planted = rows.copy()
    planted[design.numbers] += 3.0 * signs * design.std
    return planted


ANOMALIES = {
    "swapped": partial(two_cells, "swapped"),
    "outlying": partial(two_cells, "moved"),
    "permuted": permuted_numbers,
    "impossible": impossible_combinations,
    "cluster": far_cluster,
}


def planted_case(kind, frame, is_clean, max_rows, seed):
    """Return training rows, test rows of which half are anomalies, and which those are."""
    train, test = split(frame, max_rows, seed)
    rng = np.random.default_rng(seed)
    n_rare = 0 if is_clean else math.ceil(RARE * len(train))
    # One call, so that a cluster in training is the cluster in the test.
    rows = pd.concat([train.iloc[:n_rare], test], ignore_index=True)
    planted = ANOMALIES[kind](rows, train, rng)
    train = pd.concat([planted.iloc[:n_rare], train.iloc[n_rare:]], ignore_index=True)
    anomalies = planted.iloc[n_rare:]
    y = np.repeat([0, 1], [len(test), len(anomalies)])
    return train, pd.concat([test, anomalies], ignore_index=True), y


def income_case(frame, is_clean, max_rows, seed):
    """High incomes are the anomalies, rare in training (or not there) and in the test."""
    frame = frame.sample(frac=1.0, random_state=seed, ignore_index=True)
    rich = frame.pop("income").str.contains(">").to_numpy()
    usual, odd = np.flatnonzero(~rich), np.flatnonzero(rich)
    n_rows = min(max_rows, len(usual))
    n_odd = round(RARE * n_rows)
    usual, odd = usual[: n_rows - n_odd], odd[:n_odd]
    n_usual_test, n_odd_test = (round(HELD_OUT * len(part)) for part in (usual, odd))
    train = usual[n_usual_test:]
    if not is_clean:
        train = np.concatenate([train, odd[n_odd_test:]])
    test = np.concatenate([usual[:n_usual_test], odd[:n_odd_test]])
    y = np.repeat([0, 1], [n_usual_test, n_odd_test])
    return frame.iloc[train], frame.iloc[test], y


def to_numbers(train):
    """Return what the peers stand behind."""
    design = OneHot(train)
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), design.numbers),
            (
                "categories",
                make_pipeline(
                    SimpleImputer(strategy="most_frequent"),
                    OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                ),
                design.categories,
            ),
        ]
    )


def score_peer(build, train, test, is_clean, seed):
    transformer = to_numbers(train)
    detector = build(seed).fit(transformer.fit_transform(train))
    rows = transformer.transform(test)
    if hasattr(detector, "score_samples"):
        return -detector.score_samples(rows)
    return detector.decision_function(rows)


def score_ours(train, test, is_clean, seed):
    # What a user who knows the protocol says.
    contamination = 0.0 if is_clean else "auto"
    detector = AEAnomalyDetector(contamination=contamination, random_state=seed)
    return -detector.fit(train).score_samples(test)


DETECTORS = {
    OURS: score_ours,
    "IForest": partial(score_peer, lambda seed: IsolationForest(random_state=seed)),
    "LOF": partial(score_peer, lambda seed: LocalOutlierFactor(novelty=True)),
    "AutoEnc": partial(score_peer, lambda seed: AutoEncoder(random_state=seed, verbose=0)),
}
# As the pages call them.
SHOWN = {
    OURS: "AEAnomalyDetector",
    "IForest": "IsolationForest",
    "LOF": "LOF",
    "AutoEnc": "PyOD AutoEncoder",
}


def cases(loaders):
    """Yield (table, kind, function of rows and seed that returns train, test, y)."""
    for name, load in loaders.items():
        if name == LARGE_TABLE:
            yield name, "income", partial(income_case, load())
        for kind in ANOMALIES:
            yield name, kind, partial(planted_case, kind, load())


def detect(loaders, args):
    return {protocol: detect_by(protocol, loaders, args) for protocol in PROTOCOLS}


def detect_by(protocol, loaders, args):
    heading(
        f"Detection, {protocol}: AUROC and average precision; seconds of fit and score; "
        f"{args.seeds} seeds"
    )
    table = TextTable(
        {"table": "<12", "kind": "<10"}
        | {name: ">7.3f" for name in DETECTORS}
        | {f"ap {name}": ">7.3f" for name in DETECTORS}
        | {f"s {name}": ">7.2f" for name in DETECTORS}
    )
    outcomes, is_clean = {}, PROTOCOLS[protocol]
    for name, kind, draw in cases(loaders):
        results = defaultdict(list)
        for seed in range(args.seeds):
            train, test, y = draw(is_clean, args.max_rows, seed)
            for detector, score in DETECTORS.items():
                with quiet():
                    scores, seconds = timed(score, train, test, is_clean, seed)
                results[detector].append(
                    (roc_auc_score(y, scores), average_precision_score(y, scores), seconds)
                )
        figures = {
            detector: np.mean(of_seeds, axis=0) for detector, of_seeds in results.items()
        }
        table.row(name, kind, *np.transpose(list(figures.values())).ravel())
        outcomes[name, kind] = figures
    return outcomes


def judge_detect(outcomes):
    for protocol, figures in outcomes.items():
        cases = list(figures.values())
        mean = {name: np.mean([f[name][0] for f in cases]) for name in DETECTORS}
        for detector, shown in SHOWN.items():
            column = f"trained on {protocol} rows"
            _figures.cell("mixed_detection", shown, column, f"{mean[detector]:.3f}")
        for rival in DETECTORS:
            if rival == OURS:
                continue
            gaps = np.array([f[OURS][:2] - f[rival][:2] for f in cases])
            gap, precision = gaps.mean(axis=0)
            verdict(
                f"detect, {protocol}: mean AUROC over {len(cases)} cases less {rival}'s",
                f"{gap:+.4f} ({mean[OURS]:.4f} - {mean[rival]:.4f}), higher on "
                f"{int((gaps[:, 0] > 0).sum())}; average precision {precision:+.4f}",
                "> 0",
                gap > 0,
            )
        for kind in dict.fromkeys(kind for _, kind in figures):
            of_kind = [f for (_, k), f in figures.items() if k == kind]
            aurocs = (f"{n} {np.mean([f[n][0] for f in of_kind]):.3f}" for n in DETECTORS)
            remark(f"detect, {protocol}, {kind}: {', '.join(aurocs)}")


# --------------------------------------------------------------------------- report

PARTS = {
    "reconstruct": (reconstruct, judge_reconstruct),
    "impute": (impute, judge_impute),
    "explain": (explain, judge_explain),
    "detect": (detect, judge_detect),
}


def warm_up():
    """Let torch load what it loads at first use, outside the first fit's time."""
    X = np.random.default_rng(0).standard_normal((64, 4))
    AutoencoderTransformer(2, max_iter=1, random_state=0).fit(X)


def main():
    parser = arguments(__doc__, max_rows=10_000, seeds=2)
    parser.add_argument("--data", required=True, help="folder of penguins, adult, ...")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    _figures.add_argument(parser)
    args = parser.parse_args()
    loaders = choose(frame_loaders(args.data), args.only)

    describe_machine(args.threads)
    warm_up()
    outcomes = {part: PARTS[part][0](loaders, args) for part in args.part}
    heading("Summary")
    for part, outcome in outcomes.items():
        PARTS[part][1](outcome)
    _figures.write(args)


if __name__ == "__main__":
    main()
