"""What the detector asks of its networks, whatever they are."""

from abc import ABC, abstractmethod

import numpy as np


class Ensemble(ABC):
    """Networks that each leave out one fold of the training rows, and score rows.

    The networks of a fold have seen nothing of it: they judge its rows as they judge a
    fresh row.

    Networks stand fold by fold: those that leave out the first fold come first. Rows are
    given as an `EncodedTable` and the numbers of some of its rows.

    Parameters
    ----------
    config : SimpleNamespace
        Of `choose_config`.
    n_networks : int
        At least `n_folds`.
    n_folds : int
        With 1, there are too few rows to leave any out, and networks see all of them.
    n_tasks : int
        Subtasks of `fit` that callbacks are shown at most.

    Attributes
    ----------
    attribute : str
        Where the detector shows the networks to the user.
    networks : torch.nn.Module or list of estimators
    left_out : ndarray of int of shape (n_networks,)
        The fold that each network leaves out, ascending.
    sizes : ndarray of int of shape (n_networks,)
        Rows that each network is trained on.
    error_scales : ndarray of shape (n_networks,) or (n_networks, n_errors)
        The median error of rows that a network has not seen. Networks differ in how well
        they reconstruct; only in this unit can their errors be compared.
    n_iter : int
        Steps, or epochs, of the latest training.
    loss_curve : list of float
        Loss of each step, or epoch, of it: the mean over the networks.
    """

    attribute: str
    n_iter: int
    loss_curve: list[float]

    def __init__(self, config, n_networks, n_folds, n_tasks):
        self.config, self.n_folds, self.n_tasks = config, n_folds, n_tasks
        self.n_networks = n_networks
        self.left_out = np.sort(np.arange(n_networks) % n_folds)

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
        """

    @abstractmethod
    def branch(self):
        """Return an ensemble to `update` in place of this one, which stays as it is."""

    @abstractmethod
    def move_to(self, device):
        """Move all that is on a device to another."""

    @abstractmethod
    def update(self, table, folds, flagged, rng):
        """Train every network a little more, on new rows outside its fold.

        Parameters
        ----------
        table : EncodedTable
        folds : ndarray of int of shape (n_samples,)
        flagged : ndarray of bool of shape (n_samples,)
            Rows that look like anomalies: an ensemble that trims its training rows does
            not learn from these.
        rng : numpy.random.RandomState
        """

    @abstractmethod
    def set_error_scales(self, parts, weight, rng):
        """Learn the error scales.

        A fold without rows keeps what it knows.

        Parameters
        ----------
        parts : list of (EncodedTable, ndarray of int)
            Rows, and their folds.
        weight : float in [0, 1]
            What the rows count; what is known counts the rest.
        rng : numpy.random.RandomState
        """

    @abstractmethod
    def anomaly(self, table, rows, fold):
        """Return the anomaly of rows by the networks that leave out a fold.

        Parameters
        ----------
        table : EncodedTable
        rows : ndarray of int of shape (n,)
            Rows of the table.
        fold : int

        Returns
        -------
        anomaly : ndarray of shape (n,)
            Not negative, about 1 for an ordinary row.
        """

    @abstractmethod
    def explain(self, table, rows, max_columns):
        """Attribute the mean of the folds' anomalies to the cells of rows.

        Parameters
        ----------
        table, rows
            As in `anomaly`.
        max_columns : int or None
            Cells of a row that bear the anomaly, at most.

        Returns
        -------
        explained : ndarray of shape (n, n_features + n_outputs)
            The contributions of the cells, not negative, which sum to the anomaly of their
            row; then what was expected in the cells, as a decoder's output.
        """

    def how_it_ended(self):
        """Return what to warn of after training, or None.

        None too where the networks warn of it themselves.
        """
        return None

    def networks_of(self, fold):
        """Return which networks leave out a fold, a slice."""
        return slice(*np.searchsorted(self.left_out, [fold, fold + 1]).tolist())

    def fold_anomalies(self, table, rows):
        """Return the anomaly of rows by the networks of every fold, (n, n_folds)."""
        folds = [self.anomaly(table, rows, fold) for fold in range(self.n_folds)]
        return np.stack(folds, axis=1)


def n_drawn(size, n_rows):
    """Return a size, rows (int) or a proportion of `n_rows` (float), as a number of rows."""
    return size if isinstance(size, int) else max(round(size * n_rows), 2)
