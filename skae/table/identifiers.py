"""Columns in which nearly every value is new, such as keys and e-mail addresses."""

import re

import numpy as np

from skae._warnings import warn
from skae.table.frame import Frame

# A column in which more than this fraction of the cells, of this many or more, hold a
# level of their own is an identifier.
MOSTLY_NEW, LEAST_CELLS = 0.9, 20
# What columns of keys are called: "id", "Id", "customer_id", "PassengerId", "Unnamed: 0".
KEY = re.compile(
    r"(.*[a-z0-9])?(ID|Id)|(.*[\s_.-])?(id|key|index|idx|uuid|guid)|"
    r"(?i:unnamed:? ?\d*|row[\s_.-]?(id|names?|numbers?|nr|no)?)"
)
# A correlation with another column of more than this many standard errors is no chance.
N_ERRORS, N_COMPARED = 5.0, 2000


def is_identifier(counts):
    """Return whether a cell of a fresh row is nearly sure to hold a new level.

    Parameters
    ----------
    counts : ndarray of int of shape (n_levels,)
        How many cells hold each level.

    References
    ----------
    Good, The Population Frequencies of Species and the Estimation of Population
    Parameters, 1953: the next cell holds a new level with the probability s / n, where s of
    n cells hold a level of their own.
    """
    n_cells, n_alone = counts.sum(), (counts == 1).sum()
    return bool(n_cells >= LEAST_CELLS and n_alone > MOSTLY_NEW * n_cells)


def numbered_columns(table, X, rows):
    """Return the columns of whole numbers that only tell the rows of a frame apart, list of int.

    All of their numbers are different, and the column is called as keys are; or they
    follow each other without a gap, and go up or down with no other column.

    Parameters
    ----------
    table : TableEncoder
        Fitted to these rows.
    X : Frame, ndarray or csr matrix
    rows : ndarray of int
    """
    if not isinstance(X, Frame):  # an array says neither names nor dtypes
        return []
    numeric, found = table.design_.numeric, []
    for column in numeric.features.tolist():
        cells = X.column(column)
        if cells.kind != "number" or cells.data.dtype.kind not in "iu":
            continue
        there = rows if cells.missing is None else rows[~cells.missing[rows]]
        values = np.sort(cells.data[there])
        if len(values) < LEAST_CELLS or (values[1:] == values[:-1]).any():
            continue
        is_dense = int(values[-1]) - int(values[0]) == len(values) - 1
        if KEY.fullmatch(str(table.names[column])) or (
            is_dense and not _goes_with_others(table, X, column, rows)
        ):
            found.append(column)
    return found


def _goes_with_others(table, X, column, rows):
    """Return whether a column of numbers is correlated with another, beyond chance.

    So is one that is alone in its table: there is nothing else to learn.
    """
    rows = rows[:N_COMPARED]
    design = table.design_
    others = (design.feature_of_output != column).numpy()
    x = table.encode_rows(X, rows)[0][:, : design.n_outputs][:, others].astype(np.float64)
    x = x[:, x.std(axis=0) > 0]
    if not x.shape[1]:
        return True
    ranks = X.column(column).floats()[rows].argsort().argsort()
    ranks = (ranks - ranks.mean()) / ranks.std()
    correlations = ranks @ ((x - x.mean(axis=0)) / x.std(axis=0)) / len(rows)
    return bool(np.abs(correlations).max() > N_ERRORS / np.sqrt(len(rows)))


def refuse_identifiers_only(table):
    """Raise if all columns of the table that are not empty hold identifiers."""
    if np.all(table.identifiers_ | table.empty_):
        raise ValueError(
            f"All columns, {table.names}, hold identifiers: nearly all of their values "
            "occur once, and there is nothing to tell rows apart by. Add columns whose "
            "values recur, or convert numbers and dates that came as text."
        )


def warn_of_identifiers(table, made_up=(), is_filled=False, weigh_nothing=False):
    """Warn of columns whose levels nearly always are new, if there are any.

    Parameters
    ----------
    table : TableEncoder
    made_up : sequence of str, default=()
        The columns among them of which `sample` gives made-up values.
    is_filled : bool, default=False
        Whether missing cells are filled.
    weigh_nothing : bool, default=False
        Whether they weigh nothing unless `column_weight` names them.
    """
    names = [table.names[i] for i in np.flatnonzero(table.identifiers_)]
    if names:
        what_becomes = "They tell the network nothing"
        if table.leave_out_identifiers:
            what_becomes = "They are left out of the scores"
        elif weigh_nothing:
            what_becomes = "They take no code, unless column_weight names them"
        if made_up:
            what_becomes += (
                ", and `sample` gives made-up values in their place, unless "
                f"reveal={list(made_up)} allows the real ones"
            )
        if is_filled:
            what_becomes += ", and what is missing is filled with values of other rows"
        warn(
            f"Columns {names} hold identifiers: nearly all of their values occur once, so "
            f"that nearly all values of fresh rows will be new. {what_becomes}; drop them, "
            "or convert numbers and dates that came as text, and name numbers in "
            "categorical_features and ordinal_features only if their values recur.",
        )
