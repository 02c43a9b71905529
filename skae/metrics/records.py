"""Whether generated rows are copies of the rows that a generator was fitted to."""

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import gammaln
from sklearn.utils import gen_batches

from skae._typing import Table
from skae.metrics._columns import read_columns

# Distances that are held at a time.
MAX_CELLS = 4_000_000
# Distances nearer to each other than this are the same but for rounding.
TIE = 1e-9


def nearest_record_ratio(train: Table, synthetic: Table, holdout: Table) -> float:
    """Return how many synthetic rows lie nearer to a training row than to any held-out one.

    A generator that has learned the distribution, and no row by heart, puts its rows as
    near to held-out rows as to training rows: the ratio is 0.5. With copies, exact ones or
    nearly so, it approaches 1.

    Parameters
    ----------
    train : data frame, array-like or sparse matrix of shape (n_train, n_features)
        The rows that the generator was fitted to.
    synthetic : data frame, array-like or sparse matrix of shape (n_synthetic, n_features)
        Generated rows with the same columns.
    holdout : data frame, array-like or sparse matrix of shape (n_holdout, n_features)
        Rows of the same source that the generator has not seen, ideally as many as `train`
        holds. No row should be in both.

    Returns
    -------
    ratio : float
        Proportion of the synthetic rows whose nearest row is a training row; ties count
        half. Its standard error is about ``0.5 / sqrt(n_synthetic)``, or more where few
        rows are nearest to many. Of the larger table of the two, random subsets of the
        smaller one's size count: the mean over all of them, in closed form.

    Raises
    ------
    ValueError
        If the columns of the tables differ, or one has no rows.

    See Also
    --------
    two_sample_auc : Whether the rows are good.

    Notes
    -----
    The distance of two rows is the mean over their columns (Gower, 1971): of numbers,
    dates and durations the difference of their ranks among `train` and `holdout`, from 0 to
    1; of levels 0 if they are equal and else 1. A missing cell equals a missing cell and is
    at distance 1 from any other.

    On small tables the values of the columns raise it by themselves: rows whose columns are
    drawn independently of each other from 100 to 200 training rows have 0.53 to 0.56.

    A ratio of 0.5 rules out that rows were learned by heart; it is no guarantee against
    every attack, as differential privacy is.

    References
    ----------
    Platzer & Reutterer, Holdout-Based Empirical Assessment of Mixed-Type Synthetic Data,
    2021, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.metrics import nearest_record_ratio
    >>> train, holdout, fresh = np.random.default_rng(0).normal(size=(3, 500, 4))
    >>> abs(nearest_record_ratio(train, fresh, holdout) - 0.5) < 0.1
    True
    >>> nearest_record_ratio(train, train[:100], holdout)  # copies
    1.0
    """
    columns = read_columns(train=train, holdout=holdout, synthetic=synthetic)
    numbers = [column for column in columns if column.is_number]
    levels = [column for column in columns if not column.is_number]
    n_rows = {name: len(part) for name, part in columns[0].parts.items()}
    rows = {
        name: (_places_of(numbers, name, n), _codes_of(levels, name, n))
        for name, n in n_rows.items()
    }
    n_train, n_holdout = n_rows["train"], n_rows["holdout"]
    large, small = ("train", "holdout") if n_train >= n_holdout else ("holdout", "train")
    sizes = max(n_train, n_holdout), min(n_train, n_holdout)
    nearer = []
    for batch in gen_batches(n_rows["synthetic"], max(1, MAX_CELLS // sizes[0])):
        block = tuple(part[batch] for part in rows["synthetic"])
        nearest = _distances(block, rows[small]).min(axis=1)[:, None]
        distances = _distances(block, rows[large])
        closer = (distances < nearest - TIE).sum(axis=1)
        level = (distances < nearest + TIE).sum(axis=1)
        nearer.append(0.5 * (_any_taken(closer, *sizes) + _any_taken(level, *sizes)))
    ratio = float(np.mean(np.concatenate(nearer)))
    return ratio if large == "train" else 1.0 - ratio


def _any_taken(n_close, n_rows, n_taken):
    """Return the probability that some of the close rows are among those taken of all.

    Hypergeometric: 1 - C(n - c, m) / C(n, m).
    """
    n_other = n_rows - n_close
    possible = n_other >= n_taken
    log_none = (
        gammaln(n_other + 1)
        - gammaln(np.where(possible, n_other - n_taken, 0) + 1)
        - gammaln(n_rows + 1)
        + gammaln(n_rows - n_taken + 1)
    )
    return np.where(possible, -np.expm1(np.minimum(log_none, 0.0)), 1.0)


def _distances(rows, others):
    """Return the distances of rows, summed over columns, shape (n_rows, n_others)."""
    (places, codes), (other_places, other_codes) = rows, others
    distances = np.zeros((len(places), len(other_places)))
    if places.shape[1]:
        distances += cdist(places, other_places, "cityblock")
    if codes.shape[1]:
        distances += codes.shape[1] * cdist(codes, other_codes, "hamming")
    return distances


def _stack(columns, n_rows):
    return np.column_stack([np.empty((n_rows, 0)), *columns])


def _codes_of(columns, table, n_rows):
    codes = [column.codes()[table].astype(np.float64) for column in columns]
    return _stack(codes, n_rows)


def _places_of(columns, table, n_rows):
    """Return points whose city-block distance is that of numbers and of missing cells.

    The number v in [0, 1] is (v / 2, (1 - v) / 2, 0), a missing one (0, 0, 1 / 2): two
    numbers are |v - w| apart, and a missing one 1 from any number.
    """
    points = []
    for column in columns:
        ranks = _rank(column)(column[table])
        missing = np.isnan(ranks)
        there = np.where(missing, 0.0, ranks)
        if np.isnan(column.joined).any():
            points += [there / 2, np.where(missing, 0.0, (1 - there) / 2), missing / 2]
        else:
            points.append(there)
    return _stack(points, n_rows)


def _rank(column):
    """Return what maps numbers to ranks among the real ones, from 0 to 1."""
    real = np.concatenate([column["train"], column["holdout"]])
    values, counts = np.unique(real[~np.isnan(real)], return_counts=True)
    if not len(values):
        values, counts = np.zeros(1), np.ones(1)
    ranks = (np.cumsum(counts) - 0.5 * counts) / counts.sum()

    def of_cells(cells):
        return np.where(np.isnan(cells), np.nan, np.interp(cells, values, ranks))

    return of_cells
