"""Which rows a fit holds out: some of its own, or those that the user gives."""

from contextlib import contextmanager

import numpy as np
from scipy.sparse import csr_array, issparse

from skae import _defaults
from skae.table.row_metadata import check_groups, check_weights
from skae.table.rows import SparseRows, weighted_rows
from skae.table.validation import check_fitted_table

# Random choices of groups, of which the one with the number of rows that comes nearest to
# what is wanted is taken: groups may be of any size.
N_CHOICES = 10


class HeldOutMixin:
    """The held-out rows of `BaseAutoencoder.fit`."""

    def _check_held_out(self, X, sample_weight, groups, X_val, sample_weight_val):
        """Return the groups as numbers; raise if it is not clear which rows to hold out."""
        if X_val is None and sample_weight_val is not None:
            raise ValueError(
                "sample_weight_val is for the rows of X_val, which is None; pass X_val, or "
                "leave sample_weight_val out."
            )
        if X_val is not None and not self.early_stopping:
            raise ValueError(
                f"X_val is for early stopping, but early_stopping={self.early_stopping!r}; "
                "set it to True, or leave X_val out."
            )
        holds_out = self.early_stopping and X_val is None
        return check_groups(groups, X, sample_weight, least=2 if holds_out else 1)

    def _hold_out(self, rows, groups, X_val, rng):
        """Return the rows, those that are held out last, and how many these are.

        Parameters
        ----------
        rows : ndarray of int
            In random order.
        groups : ndarray of int of shape (n_samples,) or None
        X_val : table or None
        rng : numpy.random.RandomState
        """
        self.validation_fraction_ = None
        if not self.early_stopping or X_val is not None:
            return rows, 0
        fraction = self.validation_fraction
        if fraction is None:
            fraction = _defaults.choose_validation_fraction(len(rows))
        self.validation_fraction_ = fraction
        if groups is None:
            return rows, _part(fraction, len(rows))
        held_out = _choose_groups(groups[rows], fraction, rng)
        return np.concatenate([rows[~held_out], rows[held_out]]), int(held_out.sum())

    def _check_validation_rows(self, X_val, sample_weight_val):
        """Return X_val, as rows of the table that was learned, and their weights."""
        if X_val is None:
            return None, None
        with _about("X_val"):
            X_val = check_fitted_table(self, X_val, self._table)
        with _about("sample_weight_val"):
            weights = check_weights(sample_weight_val, X_val)
        with _about("X_val"):
            self._check_support(X_val, weighted_rows(X_val, weights))
        return X_val, weights

    def _with_validation_rows(self, data, X_val, sample_weight_val):
        """Return `TrainingRows`, all of which are trained on, with X_val held out."""
        if X_val is None:
            return data
        rows = weighted_rows(X_val, sample_weight_val)
        if isinstance(data.source, SparseRows):
            X_val = csr_array(X_val)
        elif issparse(X_val):
            X_val = X_val.toarray()
        with _about("X_val"):
            source = self._encode(X_val, rows)
        weights = None if sample_weight_val is None else sample_weight_val[rows]
        return data.with_held_out(source, weights)


def _part(fraction, n):
    """Return how many of `n` are held out: one at least, and not all."""
    return min(max(1, round(fraction * n)), n - 1)


def _choose_groups(groups, fraction, rng):
    """Return which rows are of groups that are held out, about that fraction of the groups."""
    # Imported here: half of scikit-learn comes with it.
    from sklearn.model_selection import GroupShuffleSplit

    n_groups = _part(fraction, len(np.unique(groups)))
    choices = GroupShuffleSplit(N_CHOICES, test_size=n_groups, random_state=rng)
    splits = (held_out for _, held_out in choices.split(groups, groups=groups))
    wanted = fraction * len(groups)
    chosen = min(splits, key=lambda held_out: abs(len(held_out) - wanted))
    is_held_out = np.zeros(len(groups), dtype=bool)
    is_held_out[chosen] = True
    return is_held_out


@contextmanager
def _about(argument):
    """Let errors say which argument they are about."""
    try:
        yield
    except (ValueError, TypeError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"{argument}: {error}") from error
