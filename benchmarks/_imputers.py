"""Imputers of mixed frames that the field uses, with one signature.

Each takes an incomplete frame, what is known of its columns (`mixed.OneHot`) and a seed, and
returns the cells of the completed frame: numbers in standard units, (n, n_numbers), and
numbers of levels, (n, n_categories).
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  which IterativeImputer needs
from sklearn.impute import IterativeImputer, KNNImputer

MAX_ROUNDS = 10


@dataclass
class Chain:
    """Fill column after column by models of all other columns, until it gets no better.

    The loop of missForest (Stekhoven and Buehlmann, 2012): columns with the fewest missing
    cells first; rounds end when the completed table moves more than in the round before, in
    numbers and in categories, and the round before it counts.

    Parameters
    ----------
    regressor, classifier : callable
        Return a model of a number and of a category, from a mask of the inputs that are
        categories, and a seed.
    """

    regressor: callable
    classifier: callable

    def __call__(self, frame, design, seed):
        numbers, codes = design.standard(frame), design.level_numbers(frame)
        n_numbers = numbers.shape[1]
        missing = np.hstack([np.isnan(numbers), codes < 0])
        is_category = np.arange(missing.shape[1]) >= n_numbers
        cells = np.hstack([np.nan_to_num(numbers), codes.astype(float)])
        for column in np.flatnonzero(is_category):
            seen = codes[~missing[:, column], column - n_numbers]
            cells[missing[:, column], column] = np.bincount(seen).argmax()
        best, moved = cells, (np.inf, np.inf)
        for _ in range(MAX_ROUNDS):
            previous = best
            best = self._round(previous, missing, is_category, seed)
            now = _moved(best, previous, missing, is_category)
            if all(new >= old for new, old in zip(now, moved, strict=True)):
                best = previous
                break
            moved = now
        return best[:, ~is_category], best[:, is_category].astype(int)

    def _round(self, cells, missing, is_category, seed):
        cells = cells.copy()
        counts = missing.sum(0)
        for column in np.argsort(counts, kind="stable"):
            rows = missing[:, column]
            if not counts[column]:
                continue
            inputs = np.delete(cells, column, axis=1)
            make = self.classifier if is_category[column] else self.regressor
            model = make(np.delete(is_category, column), seed)
            target = cells[~rows, column]
            if len(np.unique(target)) < 2:
                continue
            model.fit(inputs[~rows], target)
            cells[rows, column] = model.predict(inputs[rows])
        return cells


def _moved(cells, previous, missing, is_category):
    """Return how far a round moved the missing cells: numbers, categories."""
    numbers = missing & ~is_category
    codes = missing & is_category
    squares = np.square(cells - previous)[numbers].sum()
    size = np.square(cells[numbers]).sum()
    differ = (cells != previous)[codes].mean() if codes.any() else 0.0
    return (squares / size if size else 0.0), differ


def _forest(model, is_category, seed):
    return model(n_estimators=100, random_state=seed)


def _boosting(model, is_category, seed):
    # The levels that boosting takes natively are 255 at most, which all tables here keep to.
    return model(categorical_features=is_category, random_state=seed)


def simple(frame, design, seed):
    return design.read(design.complete(frame))


def knn(frame, design, seed):
    filled = KNNImputer(keep_empty_features=True).fit_transform(design.encode(frame))
    return design.decode(filled)


def iterative(frame, design, seed):
    """All indicators of a block but one, as they would predict each other."""
    model = IterativeImputer(keep_empty_features=True, random_state=seed)
    filled = model.fit_transform(design.drop_first(design.encode(frame)))
    return design.decode(design.add_first(filled))


PEERS = {
    "Simple": simple,
    "KNN": knn,
    "Iterative": iterative,
    "missForest": Chain(
        partial(_forest, RandomForestRegressor), partial(_forest, RandomForestClassifier)
    ),
    "boosting": Chain(
        partial(_boosting, HistGradientBoostingRegressor),
        partial(_boosting, HistGradientBoostingClassifier),
    ),
}
