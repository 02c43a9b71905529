"""How columns depend on each other, and whether they do so in generated rows."""

from itertools import combinations

import numpy as np
import pandas as pd

from skae._typing import Table
from skae.metrics._columns import read_columns


def associations(X: Table) -> pd.DataFrame:
    """Return how strongly every two columns of a mixed table depend on each other.

    Of two columns of numbers, dates or durations Spearman's rank correlation, from -1 to 1.
    Of two columns of levels Cramér's V, and of numbers and levels the correlation ratio of
    the numbers' ranks, both from 0 to 1 and corrected for chance, so that columns that do
    not depend on each other are at about 0, however many levels they have.

    Parameters
    ----------
    X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
        Text, categories and booleans are levels, of which missing is one. Missing numbers
        are left out, pair by pair.

    Returns
    -------
    associations : pandas.DataFrame of shape (n_features, n_features)
        Symmetric, with ones on the diagonal; 0 where a column does not vary or all of its
        levels occur once.

    Raises
    ------
    ValueError
        If X has no rows, or holds infinite numbers.

    See Also
    --------
    pair_similarity : Compares those of two tables.

    References
    ----------
    Cramér's V: Bergsma, A Bias-Correction for Cramér's V and Tschuprow's T, 2013, eq. 6 to
    8. The correlation ratio: Kelley, An Unbiased Correlation Ratio Measure, 1935.

    Examples
    --------
    >>> import pandas as pd
    >>> from skae.metrics import associations
    >>> X = pd.DataFrame({"km": [1, 2, 3, 4] * 5, "minutes": [9, 4, 3, 1] * 5})
    >>> X["far"] = X["km"] > 2
    >>> associations(X).round(2).loc["km"].to_dict()
    {'km': 1.0, 'minutes': -1.0, 'far': 0.89}
    """
    return matrix_of(read_columns(X=X), "X")


def pair_similarity(real: Table, synthetic: Table) -> pd.DataFrame:
    """Return whether every two columns depend on each other as in the real table.

    The similarity of a pair is ``1 - |a - b|``, at least 0, with a and b its associations
    in the two tables (see `associations`).

    Parameters
    ----------
    real : data frame, array-like or sparse matrix of shape (n_real, n_features)
        Real rows.
    synthetic : data frame, array-like or sparse matrix of shape (n_synthetic, n_features)
        Generated rows with the same columns.

    Returns
    -------
    pairs : pandas.DataFrame of shape (n_features * (n_features - 1) / 2, 5)
        A row per pair: the labels "first" and "second", the associations "real" and
        "synthetic", and their "similarity". ``pairs.nsmallest(5, "similarity")`` are the
        pairs that differ most; ``pairs["similarity"].mean()`` is one number for all.

    Raises
    ------
    ValueError
        If the columns of the tables differ, or one has no rows.

    See Also
    --------
    associations : Of one table.
    marginal_similarity : Compares single columns.
    skae.display.SampleDisplay : The same as a picture.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.metrics import pair_similarity
    >>> real = np.column_stack([np.arange(50), np.arange(50)])
    >>> synthetic = np.column_stack([np.arange(50), np.arange(50) * 7 % 50])
    >>> pair_similarity(real, synthetic).round(2).to_dict("records")
    [{'first': 'x0', 'second': 'x1', 'real': 1.0, 'synthetic': 0.06, 'similarity': 0.06}]
    """
    columns = read_columns(real=real, synthetic=synthetic)
    matrices = [matrix_of(columns, name).to_numpy() for name in ("real", "synthetic")]
    pairs = list(combinations(range(len(columns)), 2))
    first, second = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    of_pairs = [matrix[first, second] for matrix in matrices]
    similarity = np.maximum(1.0 - np.abs(of_pairs[0] - of_pairs[1]), 0.0)
    return pd.DataFrame(
        {
            "first": [columns[i].name for i in first],
            "second": [columns[i].name for i in second],
            "real": of_pairs[0],
            "synthetic": of_pairs[1],
            "similarity": similarity,
        }
    )


def matrix_of(columns, table):
    """Return the `associations` of columns as they are in one of their tables."""
    places = [_places_of(column, table) for column in columns]
    is_number = [column.is_number for column in columns]
    # Of columns without missing cells ranks are the same beside any other one.
    ranks = [
        _ranks(own) if of_numbers and (own >= 0).all() else None
        for own, of_numbers in zip(places, is_number, strict=True)
    ]
    matrix = _correlations_of_whole(ranks)
    for i, j in combinations(range(len(columns)), 2):
        kinds = is_number[i], is_number[j]
        if all(kinds):
            if ranks[i] is not None and ranks[j] is not None:
                continue
            found = _rank_correlation(places[i], places[j])
        elif not any(kinds):
            found = _cramers_v(places[i], places[j])
        else:
            number, levels = (i, j) if kinds[0] else (j, i)
            found = _correlation_ratio(places[number], ranks[number], places[levels])
        matrix[i, j] = matrix[j, i] = found
    labels = pd.Index([column.name for column in columns], tupleize_cols=False)
    return pd.DataFrame(matrix, labels, labels)


def _places_of(column, table):
    """Return every cell's place among the different ones, in their order; -1: missing.

    Of levels missing is one.
    """
    cells = column[table] if column.is_number else column.codes()[table]
    values, places = np.unique(cells, return_inverse=True)
    if column.is_number and len(values) and np.isnan(values[-1]):
        places[places == len(values) - 1] = -1
    return places


def _ranks(places):
    """Return ranks from 1, those of equal cells their mean."""
    counts = np.bincount(places)
    return (np.cumsum(counts) - 0.5 * (counts - 1))[places]


def _correlations_of_whole(ranks):
    """Return the correlations of the columns whose ranks there are, ones on the diagonal."""
    matrix = np.eye(len(ranks))
    whole = [i for i, own in enumerate(ranks) if own is not None]
    if whole:
        x = np.column_stack([ranks[i] for i in whole])
        x -= x.mean(axis=0)
        spread = np.sqrt(np.square(x).sum(axis=0))
        x /= np.where(spread > 0, spread, 1.0)
        found = np.clip(x.T @ x, -1.0, 1.0)
        np.fill_diagonal(found, 1.0)
        matrix[np.ix_(whole, whole)] = found
    return matrix


def _rank_correlation(a, b):
    there = (a >= 0) & (b >= 0)
    x, y = _ranks(a[there]), _ranks(b[there])
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def _correlation_ratio(places, ranks, levels):
    """Return the root of Kelley's epsilon squared of the numbers' ranks."""
    x = ranks
    if x is None:
        there = places >= 0
        x, levels = _ranks(places[there]), np.unique(levels[there], return_inverse=True)[1]
    n_rows, n_levels = len(x), levels.max(initial=-1) + 1
    if n_levels < 2 or n_rows <= n_levels or np.ptp(x) == 0:
        return 0.0
    means = np.bincount(levels, x) / np.bincount(levels)
    unexplained = np.square(x - means[levels]).sum() / (n_rows - n_levels)
    total = np.square(x - x.mean()).sum() / (n_rows - 1)
    return float(np.sqrt(max(0.0, 1.0 - unexplained / total)))


def _cramers_v(a, b):
    """Return Bergsma's V."""
    n_rows = len(a)
    n_a, n_b = a.max() + 1, b.max() + 1
    if min(n_a, n_b) < 2 or n_rows < 2:
        return 0.0
    # The cells of the table that are not empty: it may be large.
    if n_a * n_b <= n_rows:
        counts = np.bincount(a * n_b + b, minlength=n_a * n_b)
        cells = np.flatnonzero(counts)
        counts = counts[cells]
    else:
        cells, counts = np.unique(a * n_b + b, return_counts=True)
    expected = np.bincount(a)[cells // n_b] * np.bincount(b)[cells % n_b] / n_rows
    phi2 = np.square(counts).astype(np.float64) @ (1.0 / expected) / n_rows - 1.0
    phi2 = max(0.0, phi2 - (n_a - 1) * (n_b - 1) / (n_rows - 1))
    sizes = [n - (n - 1) ** 2 / (n_rows - 1) for n in (n_a, n_b)]
    least = min(sizes) - 1.0
    return float(min(1.0, np.sqrt(phi2 / least))) if least > 0 else 0.0
