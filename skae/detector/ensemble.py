"""What the detector asks of its networks, whatever they are."""

from abc import ABC, abstractmethod

import numpy as np

# The parameters that say which columns hold what.
COLUMN_PARAMETERS = ("categorical_features", "ordinal_features")


class Ensemble(ABC):
    """Networks that each leave out one fold of the rows, and score rows of that fold.

    Networks stand fold by fold: those that leave out the first fold come first. Rows are
    given as an `EncodedTable` and the numbers of some of its rows.

    Parameters
    ----------
    encoder : TableEncoder
        Fitted.
    n_networks : int
        At least `n_folds`.
    n_folds : int
        With 1, there are too few rows to leave any out, and networks see all of them.

    Attributes
    ----------
    left_out : ndarray of int of shape (n_networks,)
        The fold that each network leaves out, ascending.
    sizes : ndarray of int of shape (n_networks,)
        Rows that each network is trained on.
    error_scales : array of shape (n_networks,) or (n_networks, n_errors)
        The median error of rows that a network has not seen. Networks differ in how well
        they reconstruct; only in this unit can their errors be compared.
    n_iter : int
        Steps, or epochs, of the latest training.
    interrupted : bool
        Whether it was interrupted (Ctrl-C), unless the networks warn of that themselves.
    n_diverged : int
        How many networks diverged in it, unless they warn of that themselves.
    """

    interrupted = False
    n_diverged = 0

    def __init__(self, encoder, n_networks, n_folds):
        self.encoder, self.n_folds = encoder, n_folds
        self.left_out = np.sort(np.arange(n_networks) % n_folds)

    # ------------------------------------------------------- to be implemented

    @classmethod
    @abstractmethod
    def for_detector(cls, detector, config, encoder, n_samples, n_folds, device, rng):
        """Return the ensemble that a detector's parameters ask for, not fitted.

        Parameters
        ----------
        detector : AEAnomalyDetector
        config : DetectorConfig
        encoder : TableEncoder
        n_samples, n_folds : int
            Of the rows to come.
        device : torch.device
        rng : numpy.random.RandomState
            Source of the seeds of the networks.
        """

    @classmethod
    @abstractmethod
    def column_parameters(cls, detector):
        """Return the parameters of `TableEncoder` that say what the columns hold."""

    @property
    @abstractmethod
    def n_tasks(self):
        """Subtasks of `fit` that callbacks are shown at most."""

    @abstractmethod
    def fit(self, table, folds, sample_weight, rng, tasks, keep_rows):
        """Train every network on rows outside its fold.

        Parameters
        ----------
        table : EncodedTable
        folds : ndarray of int of shape (n_samples,)
            The fold of each row.
        sample_weight : ndarray of shape (n_samples,) or None
        rng : numpy.random.RandomState
        tasks : FitTasks
            To be told of the subtasks.
        keep_rows : bool
            Whether `update` is to be called later.

        Returns
        -------
        self : Ensemble
        """

    @abstractmethod
    def update(self, table, folds, flagged, rng):
        """Train every network a little more, on new rows outside its fold.

        Parameters
        ----------
        table : EncodedTable
        folds : ndarray of int of shape (n_samples,)
        flagged : ndarray of bool of shape (n_samples,)
            Rows below the detector's threshold: an ensemble that trims its training rows
            does not learn from these.
        rng : numpy.random.RandomState
        """

    @abstractmethod
    def _fold_anomaly(self, table, rows, fold):
        """Return the anomaly of rows of one fold, see `anomaly`."""

    @abstractmethod
    def _fold_explanation(self, table, rows, fold):
        """Return the explanation of rows of one fold, see `explain`."""

    @abstractmethod
    def fitted_attributes(self):
        """Return the public attributes of the detector, a dict from name to value."""

    # ------------------------------------------------------------------ shared

    @property
    def n_networks(self):
        return len(self.left_out)

    def networks_of(self, fold):
        """Return the numbers of the networks that leave out a fold, a range."""
        first, last = np.searchsorted(self.left_out, [fold, fold + 1])
        return range(int(first), int(last))

    def anomaly(self, table, rows, folds):
        """Return the anomaly of rows, each by the networks that have not seen its fold.

        Parameters
        ----------
        table : EncodedTable
        rows : ndarray of int of shape (n,)
            Rows of the table.
        folds : ndarray of int of shape (n,)
            Their folds.

        Returns
        -------
        anomaly : ndarray of shape (n,)
            ``-score_samples``: not negative, about 1 for an ordinary row.
        """
        anomaly = np.empty(len(rows))
        for fold in np.unique(folds):
            here = folds == fold
            anomaly[here] = self._fold_anomaly(table, rows[here], fold)
        return anomaly

    def explain(self, table, rows, folds):
        """Attribute the anomaly of rows to their cells.

        Parameters
        ----------
        table, rows, folds
            As in `anomaly`.

        Returns
        -------
        contributions : ndarray of shape (n, n_features)
            Not negative; the contributions to a row sum to its anomaly.
        expected : ndarray of shape (n, n_outputs)
            What was expected in each cell, as a design matrix.
        """
        design = self.encoder.design_
        contributions = np.empty((len(rows), design.n_features))
        expected = np.empty((len(rows), design.n_outputs))
        for fold in np.unique(folds):
            here = folds == fold
            contributions[here], expected[here] = self._fold_explanation(
                table, rows[here], fold
            )
        return contributions, expected
