"""New rows from a fitted estimator."""

from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skae._entry import EntryPoints
from skae._parameters import RandomState, SampleParameters
from skae.table.choice import positions_of
from skae.table.encoder import TableEncoder
from skae.table.identifiers import warn_of_identifiers
from skae.table.private import conceal
from skae.table.validation import check_n_samples


class SamplingMixin(EntryPoints, SampleParameters):
    """`sample`, for estimators that say how rows are drawn (`_sample`)."""

    _table: TableEncoder

    def sample(self, n_samples: int = 1, random_state: RandomState = None) -> Any:
        """Draw new rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance or None, default=None
            Seeds the draws.

        Returns
        -------
        rows : ndarray or data frame of shape (n_samples, n_features_in_)
            In the original columns and units; a frame of the library that was fitted, if
            one was, with its labels and dtypes. Categories are of those that rows of the
            fit hold. In a frame a column that held whole numbers only in fit holds whole
            numbers, within its range in fit.

        Notes
        -----
        Some values tell whom a row of the fit is about.

        - A column of text or categories in which nearly every value occurs once (of 20 or
          more) is given made-up values, unless `reveal` names it: "name_1", "name_2" and so
          on. Numbers that are declared to be categories continue beyond all that there are;
          dates are missing.
        - In other columns a category is sampled as often as it is in the fit, even if it is
          a single row's. With ``min_frequency=5`` those of fewer than five rows are one to
          the network: the rest of such a sampled row belongs to none of them, but that
          there is such a category is still told. Where that is too much, replace rare
          categories before the fit.
        - Numbers that rows share are given as they are. Between those of single rows new
          ones are interpolated, and of a smallest or largest number that only one row has a
          quarter of the distance to the next is left out.

        `skae.metrics.nearest_record_ratio` measures whether rows were learned by heart.
        """
        check_is_fitted(self)
        check_n_samples(n_samples)
        revealed = positions_of("reveal", self.reveal, self._table.names)
        rows = self._sample(n_samples, check_random_state(random_state))
        return conceal(self._table, rows, revealed)

    def _warn_of_identifiers(self):
        """Warn of columns of identifiers; raise if `reveal` names what is no column."""
        table = self._table
        revealed = positions_of("reveal", self.reveal, table.names)
        columns = set(np.flatnonzero(table.identifiers_).tolist())
        warn_of_identifiers(
            table,
            made_up=[table.names[i] for i in sorted(columns - revealed)],
            weigh_nothing=columns <= set(getattr(self, "_numbering", ())),
        )

    def _sample(self, n_samples, rng):
        """Return rows drawn with `rng`."""
        raise NotImplementedError
