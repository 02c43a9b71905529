"""Rows drawn, and cells filled, by the conditional networks of an estimator."""

from numbers import Integral
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skae._entry import EntryPoints
from skae._parameters import RandomState
from skae._typing import Table
from skae._warnings import warn
from skae.conditionals.conditions import LEAST_PROBABILITY, read_conditions
from skae.conditionals.model import MAX_ROWS, MAX_WIDTH, Conditionals, facts_of
from skae.table.private import conceal
from skae.table.validation import check_fitted_table, check_n_samples, with_index_of


class ConditionalsMixin(EntryPoints):
    """What an estimator with `_conditionals`, of the columns of its `_table`, can do."""

    _table: Any
    reveal: Any
    # `Conditionals`, where there are some.
    _conditionals: Any = None

    def _fit_conditionals(self, X, rows, sample_weight, max_steps=None):
        """Learn every column's distribution given others, from the rows that count."""
        rows = rows[:: max(1, len(rows) // MAX_ROWS)]
        weights = None if sample_weight is None else sample_weight[rows]
        conditionals = Conditionals().fit(
            self._table.values(X[rows]),
            facts_of(self._table.design_),
            weights,
            max_steps,
            least_rows=self._table.least_rows,
        )
        if conditionals.interrupted:
            warn(
                "The training of the columns' conditional distributions was interrupted; the "
                "best state so far is kept.",
                ConvergenceWarning,
            )
        self._conditionals = conditionals

    # ------------------------------------------------------------------ missing cells

    def impute(
        self, X: Table, *, n_draws: int | None = None, random_state: RandomState = None
    ) -> Any:
        """Fill the missing cells.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.
        n_draws : int, default=None
            None: every cell is filled with what is expected in its place, which is best
            where single cells matter. A number: so many times all missing cells are drawn,
            jointly, from their distribution given the others, so that what is computed from
            the tables varies as it should (multiple imputation).
        random_state : int, RandomState instance or None, default=None
            Seeds the draws.

        Returns
        -------
        X : data frame or ndarray of shape (n_samples, n_features_in_), or list of `n_draws`
            Copies, in which the cells that were missing are filled: with the mean of a
            number, the likeliest category, or with draws; within the range of their column
            and with the decimals of it in fit. Columns keep their dtypes; one without any
            cell gets that of the fit, if its own cannot hold the cells. A column that was
            wholly missing in fit stays as it is, and so do cells whose absence is a level.

        Raises
        ------
        ValueError
            If `n_draws` is not a whole number, 1 or more.

        References
        ----------
        Rubin, Multiple Imputation for Nonresponse in Surveys, 1987. Draws column by column:
        the conditionals are of one network, so that no chain has to settle.
        """
        check_is_fitted(self)
        _check_n_draws(n_draws)
        if self._conditionals is None:
            refuse_without_columns(n_draws=n_draws)
            return super().impute(X)  # type: ignore[misc]
        X = check_fitted_table(self, X, self._table)
        values = self._table.values(X.tocsr() if issparse(X) else X)
        if n_draws is None:
            filled = self._conditionals.expect(values)
            return self._table.fill_values(X, filled)
        rng = check_random_state(random_state)
        draws = (self._conditionals.draw(values, rng) for _ in range(n_draws))
        return [self._table.fill_values(X, filled) for filled in draws]

    # ------------------------------------------------------------------ new rows

    def _sample_conditionally(self, n_samples, rng, given, missing, revealed):
        """Return rows drawn column by column, as `sample` describes them.

        Identifiers that are given stay, the others in their column are missing; nothing
        is concealed in columns that are `revealed`.
        """
        conditionals, table = self._conditionals, self._table
        variables = conditionals.variables
        asked = read_conditions(given, n_samples, table, variables)
        values, log_p = conditionals.sample(
            asked.n_rows,
            rng,
            fixed=asked.fixed,
            ranges=asked.allowed,
            missing=missing,
            alike=asked.alike,
        )
        probability = float(np.exp(log_p).mean())
        if asked.alike and probability < LEAST_PROBABILITY:
            raise ValueError(
                f"given={given!r} asks for rows that hardly exist: their probability is "
                f"{probability:.1g}. Ask for wider ranges, more levels, or fewer columns."
            )
        for column, allowed in asked.allowed.items():
            if isinstance(allowed, tuple):  # decimals of the column may lie just outside
                values[:, column] = values[:, column].clip(*allowed)
        revealed = revealed | set(asked.allowed)
        for column in np.flatnonzero(table.identifiers_).tolist():
            is_given = ~np.isnan(asked.fixed[:, column])
            if column not in revealed and is_given.any():
                values[~is_given, column] = np.nan
                revealed.add(column)
        rows = conceal(table, table.tabulate(values, rng), revealed)
        return with_index_of(given, rows)


def _check_n_draws(n_draws):
    whole = isinstance(n_draws, Integral) and not isinstance(n_draws, bool)
    if n_draws is not None and (not whole or n_draws < 1):
        raise ValueError(
            f"n_draws={n_draws!r}; ask for a whole number of tables, 1 or more, or leave it "
            "out for the expected cells."
        )


def refuse_without_columns(**asked):
    """Raise if anything is `asked` that takes the columns' conditional distributions."""
    for name, value in asked.items():
        if value is not None:
            raise ValueError(
                f"{name}={value!r} is for cells that are drawn column by column, but "
                "sampler_='codes'; fit with sampler='columns', and to its end, a table that is "
                f"neither sparse nor wider than {MAX_WIDTH} numbers and categories."
            )


def check_sample_size(n_samples):
    """Raise unless `n_samples` is None or a whole number, 1 or more."""
    if n_samples is not None:
        check_n_samples(n_samples)
