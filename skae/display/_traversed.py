"""What rows that are decoded along codes say: numbers, dates and categories of each code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from skae.display._tables import (
    Table,
    as_floats,
    as_levels,
    is_numeric,
    numeric_part,
    read_table,
    shorten,
)

Probabilities: TypeAlias = Mapping[str, tuple[list[Any], np.ndarray]]

# Columns that have a colour, and categories and levels that a code has bands of, at most.
MAX_CURVES, MAX_CATEGORIES, MAX_BANDS = 10, 2, 6
# Columns of dates that have a panel.
MAX_DATES = 2
# Letters that have room in a band near the edge of its panel.
LONGEST_LEVEL = 12


class Traversed(NamedTuple):
    """Decoded rows, divided into what each code moves.

    Attributes
    ----------
    curves : dict of str to list of ndarray of shape (n_steps,)
        Columns of numbers in standard units, an array per code.
    dates : dict of str to list of ndarray of shape (n_steps,)
        Columns of dates that change most, in days since 1970, an array per code.
    bands : list of list of tuple (name, levels, ndarray of shape (n_steps, n_levels))
        Of each code the categories that change most, and their probabilities.
    kept : list of str
        Columns of numbers that change most: those that have a colour.
    shown : dict of str to str
        What the columns are called on the page.
    """

    curves: dict[str, list]
    dates: dict[str, list]
    bands: list[list[tuple]]
    kept: list[str]
    shown: dict[str, str]

    @property
    def n_panels(self) -> int:
        """Panels of each code."""
        return bool(self.curves) + len(self.dates) + max(map(len, self.bands))

    @property
    def is_mixed(self) -> bool:
        return bool(self.dates) or any(self.bands)

    @property
    def entries(self) -> list[str]:
        """What the legend of the curves says: the columns with a colour, and how many others."""
        entries = [self.shown[name] for name in self.kept]
        n_others = len(self.curves) - len(self.kept)
        return [*entries, f"{n_others} other columns"] if n_others else entries


def read_traversed(
    rows: Table,
    n_codes: int,
    spread: tuple[np.ndarray, np.ndarray] | None,
    probabilities: Probabilities | None,
) -> Traversed:
    """Return what there is to draw of rows; see `LatentTraversalDisplay`.

    Raises
    ------
    ValueError
        If that is nothing.
    """
    table = read_table(rows)
    if probabilities is None:
        categories = {n: cells for n, cells in table.items() if not is_numeric(cells)}
        probabilities = {name: _indicators(cells) for name, cells in categories.items()}
    curves = {
        name: np.split(values, n_codes)
        for name, values in _standardised(table, spread).items()
    }
    shown = dict(zip(table, shorten(table), strict=True))
    dates, bands = _split_dates(table, n_codes), _choose_bands(probabilities, n_codes)
    if not curves and not dates and not any(bands):
        raise ValueError("X has no column that could be drawn.")
    return Traversed(curves, dates, bands, _most_changed(curves), shown)


def _standardised(
    table: pd.DataFrame, spread: tuple[np.ndarray, np.ndarray] | None
) -> dict[str, np.ndarray]:
    """Return the columns of numbers in units of their deviations; dates are none."""
    rows = numeric_part(
        table.loc[:, [cells.dtype.kind != "M" for _, cells in table.items()]]
    )
    places = table.columns.get_indexer(rows.columns)
    mean, deviation = np.stack(spread or spread_of(table))[:, places]
    values = ((rows - mean) / deviation).to_numpy()
    return dict(zip(rows.columns, values.T, strict=True))


def said_of(estimator: Any, codes: np.ndarray) -> Probabilities | None:
    """Return the probabilities of the levels that codes stand for, if the estimator has some."""
    said = getattr(estimator, "_said_of", None)
    if said is None:
        return None
    parts = [part for part in said(codes) if part.levels is not None]
    # Whether cells are missing is a column beside the cells themselves.
    named: dict[str, tuple[list[Any], np.ndarray]] = {}
    for part in parts:
        is_absence = part.levels == ["missing"]
        name = f"{part.name} missing" if is_absence else str(part.name)
        named[name] = part.levels, part.amounts
    return named


def _indicators(cells: pd.Series) -> tuple[list[str], np.ndarray]:
    """Return the levels of a column, and 1 where a row has them."""
    texts = np.where(cells.isna(), "missing", as_levels(cells))
    levels = sorted(set(texts.tolist()))
    return levels, (texts[:, None] == np.array(levels, dtype=object)).astype(float)


def spread_of(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns' means and standard deviations; 0 and 1 for categorical ones."""
    numbers = numeric_part(table).reindex(columns=table.columns)
    deviation = numbers.std(ddof=0).replace(0.0, np.nan).fillna(1.0)
    return numbers.mean().fillna(0.0).to_numpy(), deviation.to_numpy()


def _most_changed(curves: Mapping[str, list]) -> list[str]:
    """Return the columns that change most along any code, in their own order."""
    sizes = {name: max(map(np.ptp, parts)) for name, parts in curves.items()}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:MAX_CURVES]
    return [name for name in curves if name in largest]


def _split_dates(table: pd.DataFrame, n_codes: int) -> dict[str, list]:
    """Return the columns of dates that change most, in days since 1970 along each code."""
    days = {
        name: np.split(as_floats(cells), n_codes)
        for name, cells in table.items()
        if cells.dtype.kind == "M" and cells.notna().any()
    }
    sizes = {name: max(map(np.ptp, parts)) for name, parts in days.items()}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:MAX_DATES]
    return {name: days[name] for name in days if name in largest}


def _choose_bands(probabilities: Probabilities, n_codes: int) -> list[list[tuple]]:
    """Return the categories that change most along each code: name, levels, probabilities."""
    fewer = {name: _most_likely(*said) for name, said in probabilities.items()}
    chosen = []
    for code in range(n_codes):
        parts = [
            (name, levels, np.split(p, n_codes)[code])
            for name, (levels, p) in fewer.items()
        ]
        parts.sort(key=lambda part: -float(np.ptp(part[2], axis=0).max(initial=0.0)))
        chosen.append(parts[:MAX_CATEGORIES])
    return chosen


def _most_likely(levels: list[Any], p: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return the levels that are most likely, and others together, in the levels' order."""
    order = np.sort(np.argsort(-p.mean(axis=0), kind="stable")[:MAX_BANDS])
    names, kept = shorten([levels[i] for i in order], LONGEST_LEVEL), p[:, order]
    n_others = len(levels) - len(order)
    # A column of one outcome, as whether a cell is missing, is the other one otherwise.
    if n_others or len(levels) == 1:
        names.append(f"{n_others} others" if n_others else "not")
        kept = np.column_stack([kept, np.clip(1.0 - kept.sum(axis=1), 0.0, 1.0)])
    return names, kept
