"""What a fitted detector does with rows: scores, labels, p-values, explanations."""

from numbers import Real
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control
from sklearn.base import OutlierMixin
from sklearn.utils.validation import check_is_fitted

from skae._entry import EntryPoints
from skae._typing import Frame, Table
from skae._warnings import warn
from skae.attribution.division import check_max_columns
from skae.detector.calibration import CrossConformal, ordinary_proportion
from skae.detector.encoded_table import EncodedTable, max_kept_rows
from skae.detector.ensemble import Ensemble
from skae.lazy.results import LazyRows
from skae.table.encoder import BLOCK, TableEncoder
from skae.table.row_blocks import row_blocks
from skae.table.validation import as_frame_like, check_fitted_table, with_index_of


class ScoresRows(OutlierMixin, EntryPoints):
    """Scores of rows by the networks of all folds.

    Rows are worked on block by block, and each is encoded once.
    """

    n_features_in_: int
    contamination: Any
    n_folds_: int
    offset_: float
    _table: TableEncoder
    _ensemble: Ensemble
    _calibration: CrossConformal

    def score_samples(self, X: Table) -> NDArray[np.float64]:
        """Return the score of each row; the lower, the more anomalous.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype float64
            At most 0. An ordinary row scores about -1, and a row scores lower by 1 where
            its errors are twice as large.
        """
        check_is_fitted(self)
        X = check_fitted_table(self, X, self._table)
        return self._fold_scores(X).mean(axis=1)

    def decision_function(self, X: Table) -> NDArray[np.float64]:
        """Return ``score_samples(X) - offset_``, which is negative for anomalies.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        decision : ndarray of shape (n_samples,), dtype float64
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Table) -> NDArray[np.int_]:
        """Tell anomalies from ordinary rows.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        is_inlier : ndarray of shape (n_samples,), dtype int
            -1 for an anomaly, 1 otherwise.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def pvalues(self, X: Table) -> NDArray[np.float64]:
        """Return the probability that a row like the training rows scores as low.

        The cross-conformal p-value of a row is its rank among the training rows. It is
        compared with each of them by the networks of that row's fold, which have seen
        neither. If X comes from the distribution of the training rows, a proportion of
        about `a` of its rows has a p-value of at most `a`, for every `a`: in theory at most
        2 a and a little more, whatever the networks are, and in practice hardly more than
        `a`. P-values of the training rows themselves only rank them: a tenth of these is at
        most 0.1, whatever they hold. Anomalies among the training rows make p-values larger, which errs on the safe
        side. Weights of training rows do not count here. After `partial_fit` the training
        rows are the latest ones.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        pvalues : ndarray of shape (n_samples,), dtype float64
            Positive: the smallest is ``1 / (n + 1)`` with n the training rows, at most
            20,000.

        References
        ----------
        Vovk, Cross-Conformal Predictors, 2015; the bound of 2 a: Barber, Candes, Ramdas &
        Tibshirani, Predictive Inference with the Jackknife+, 2021, theorem 4.
        """
        check_is_fitted(self)
        X = check_fitted_table(self, X, self._table)
        return self._calibration.pvalues(self._fold_scores(X))

    def select(self, X: Table, *, fdr: float = 0.05) -> NDArray[np.bool_]:
        """Select the anomalies, at a bounded false discovery rate.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Fresh rows, which are judged together.
        fdr : float, default=0.05
            False discovery rate: the expected proportion of ordinary rows among those
            that are selected.

        Returns
        -------
        is_anomaly : ndarray of shape (n_samples,), dtype bool

        Warns
        -----
        UserWarning
            If no row is selected though `predict` flags some, after a fit to rows that may
            have held anomalies.

        Notes
        -----
        k of m rows can be selected only if the smallest p-value, ``1 / (n + 1)`` with n
        the training rows, is at most ``fdr * k / m``: to find few anomalies among many rows
        takes many training rows, and clean ones: of n training rows of which a are
        anomalies no p-value of such an anomaly is much below ``a / n``. Among 20 rows or more the proportion of ordinary ones is
        estimated, and the rate is met in view of it: where anomalies are many, more of them
        are selected.

        References
        ----------
        Benjamini & Hochberg, Controlling the False Discovery Rate, 1995, with the estimate
        of Storey, Taylor & Siegmund, Strong Control, Conservative Point Estimation and
        Simultaneous Conservative Consistency of False Discovery Rates, 2004. On conformal
        p-values: Bates et al., Testing for Outliers with Conformal p-values, 2023.
        """
        if not isinstance(fdr, Real) or not 0.0 < fdr < 1.0:
            raise ValueError(
                f"fdr={fdr!r}; ask for a proportion between 0 and 1, such as 0.05."
            )
        pvalues = self.pvalues(X)
        if isinstance(pvalues, LazyRows):
            pvalues = pvalues.to_numpy().ravel()
        selected = false_discovery_control(pvalues) * ordinary_proportion(pvalues) <= fdr
        if not selected.any() and self.contamination != 0.0:
            self._warn_of_none_selected(pvalues, fdr)
        return selected

    def _warn_of_none_selected(self, pvalues, fdr):
        """Warn if rows are about as anomalous as those that `predict` flags."""
        at_threshold = np.full((1, self.n_folds_), self.offset_)
        n_flagged = int((pvalues < self._calibration.pvalues(at_threshold)).sum())
        if n_flagged:
            warn(
                f"select(fdr={fdr!r}) selects no row, though predict flags {n_flagged} or so: "
                "anomalies among the training rows make all p-values larger. Fit with "
                "contamination=0.0 to rows that are known to be ordinary, or use predict, or "
                "look at the lowest of score_samples."
            )

    @overload
    def explain(
        self, X: Table, *, expected: Literal[False] = False, max_columns: int | None = None
    ) -> Frame: ...

    @overload
    def explain(
        self, X: Table, *, expected: Literal[True], max_columns: int | None = None
    ) -> tuple[Frame, Any]: ...

    @overload
    def explain(
        self, X: Table, *, expected: bool, max_columns: int | None = None
    ) -> Frame | tuple[Frame, Any]: ...

    def explain(self, X, *, expected=False, max_columns=None):
        """Attribute the anomaly of each row to its cells.

        The cells of a row with the largest errors are set in turn to what the networks make
        of them, given the others. Each contributes in proportion to how far this lowers the
        anomaly.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.
        expected : bool, default=False
            Whether to return also what was expected in each cell.
        max_columns : int, default=None
            Number of cells of a row that its anomaly is divided among: those with the
            largest errors; all others contribute 0. None: those whose errors stand out,
            at most 6.

        Returns
        -------
        contributions : data frame of shape (n_samples, n_features_in_)
            The contribution of each cell to the anomaly of its row, which is minus
            `score_samples`. None is negative, and that of a missing cell is 0 unless that
            is a level.
        expected : data frame or ndarray of shape (n_samples, n_features_in_)
            Only with ``expected=True``: for each cell the value that makes the row most
            ordinary, or its own if no other does better, within the range of its column
            and with the decimals of it in fit. Missing cells are filled, unless they are a
            level.

        Raises
        ------
        ValueError
            If `max_columns` is not a whole number, 1 or more.
        """
        check_is_fitted(self)
        check_max_columns(max_columns)
        X = check_fitted_table(self, X, self._table)
        explained = [
            self._ensemble.explain(table, np.arange(len(table)), max_columns)
            for table in self._blocks(X)
        ]
        contributions, output = np.hsplit(np.concatenate(explained), [self.n_features_in_])
        contributions = as_frame_like(self, X, contributions)
        if not expected:
            return contributions
        decoded = self._table.decode(output, np.float64, possible=True)
        return contributions, with_index_of(X, decoded)

    def _move_to(self, device):
        self._ensemble.move_to(device)

    def _fold_scores(self, X):
        """Return the scores of checked rows by the networks of every fold, (n, n_folds)."""
        parts = [
            -self._ensemble.fold_anomalies(table, np.arange(len(table)))
            for table in self._blocks(X)
        ]
        return np.concatenate(parts)

    def _blocks(self, X):
        """Yield some rows at a time, as an `EncodedTable`."""
        for block in row_blocks(X.shape[0], min(BLOCK, max_kept_rows(self._table))):
            yield EncodedTable(X[block], self._table)
