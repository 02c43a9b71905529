"""Gradient boosting on mixed columns: what judges generated rows."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline

# Levels that scikit-learn's boosting tells apart at most, the one of all others included.
MAX_LEVELS = 254


def make_boosting(columns, is_classifier, random_state):
    """Return a gradient booster for the design of these columns, not fitted.

    Parameters
    ----------
    columns : list of Column
    is_classifier : bool
    random_state : int
    """
    # Slow to import.
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
    )

    make = (
        HistGradientBoostingClassifier if is_classifier else HistGradientBoostingRegressor
    )
    boosting = make(
        categorical_features=[not column.is_number for column in columns],
        random_state=random_state,
    )
    return make_pipeline(EmptyColumns(), boosting)


class EmptyColumns(TransformerMixin, BaseEstimator):
    """Puts 0 in columns of which no cell is there to be learned, which boosting cannot bin."""

    def fit(self, X, y=None):
        """Find the columns."""
        self.empty_ = np.isnan(X).all(axis=0)
        return self

    def transform(self, X):
        """Return X, 0 in these columns."""
        return np.where(self.empty_, 0.0, X)


def design_of(columns, table=None):
    """Return a table as numbers, shape (n_samples, n_columns), NaN where missing.

    Parameters
    ----------
    columns : list of Column
    table : str, default=None
        None: the rows of all tables, one after the other.
    """
    parts = []
    for column in columns:
        cells = column.joined if table is None else column[table]
        parts.append(cells if column.is_number else _frequent(column)(cells))
    return np.column_stack(parts)


def _frequent(column):
    """Return what maps levels to those that are told apart: the frequent ones, and others.

    Levels that are equally frequent are all kept, or none: which of them belong to which
    table would otherwise be told by their names.
    """
    there = column.joined
    counts = np.bincount(
        there[~np.isnan(there)].astype(np.int64), minlength=len(column.levels)
    )
    kept = np.ones(len(counts), dtype=bool)
    if len(counts) > MAX_LEVELS:
        kept = counts > np.sort(counts)[::-1][MAX_LEVELS - 1]
    places = np.where(kept, np.cumsum(kept) - 1, kept.sum()).astype(np.float64)
    places = np.append(places, np.nan)

    def of_cells(cells):
        return places[np.where(np.isnan(cells), -1, cells).astype(np.int64)]

    return of_cells
