"""New rows from a fitted estimator."""

from typing import Any

from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skae._entry import EntryPoints
from skae._parameters import RandomState
from skae.table.validation import check_n_samples


class SamplingMixin(EntryPoints):
    """`sample`, for estimators that say how rows are drawn (`_sample`)."""

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
        """
        check_is_fitted(self)
        check_n_samples(n_samples)
        return self._sample(n_samples, check_random_state(random_state))

    def _sample(self, n_samples, rng):
        """Return rows drawn with `rng`."""
        raise NotImplementedError
