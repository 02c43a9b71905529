"""Columns in which nearly every value is new, such as keys and e-mail addresses."""

import numpy as np

from skae._warnings import warn

# A column in which more than this fraction of the cells, of this many or more, hold a
# level of their own is an identifier.
MOSTLY_NEW, LEAST_CELLS = 0.9, 20


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


def refuse_identifiers_only(table):
    """Raise if all columns of the table that are not empty hold identifiers."""
    if np.all(table.identifiers_ | table.empty_):
        raise ValueError(
            f"All columns, {table.names}, hold identifiers: nearly all of their values "
            "occur once, and there is nothing to tell rows apart by. Add columns whose "
            "values recur, or convert numbers and dates that came as text."
        )


def warn_of_identifiers(table, made_up=()):
    """Warn of columns whose levels nearly always are new, if there are any.

    Parameters
    ----------
    table : TableEncoder
    made_up : sequence of str, default=()
        The columns among them of which `sample` gives made-up values.
    """
    names = [table.names[i] for i in np.flatnonzero(table.identifiers_)]
    if names:
        what_becomes = (
            "They are left out of the scores"
            if table.leave_out_identifiers
            else "They tell the network nothing"
        )
        if made_up:
            what_becomes += (
                ", and `sample` gives made-up values in their place, unless "
                f"reveal={list(made_up)} allows the real ones"
            )
        warn(
            f"Columns {names} hold identifiers: nearly all of their values occur once, so "
            f"that nearly all values of fresh rows will be new. {what_becomes}; drop them, "
            "or convert numbers and dates that came as text, and name numbers in "
            "categorical_features and ordinal_features only if their values recur.",
        )
