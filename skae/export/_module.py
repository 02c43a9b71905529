"""A fitted estimator as one torch module, from raw cells to the result."""

from collections.abc import Sequence

import torch
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skae._isolation import usual_settings
from skae.export._given import given_columns, tensors_of
from skae.export._methods import check_methods, graph_for
from skae.table.graph import places_of
from skae.table.validation import check_fitted_table


class EstimatorModule(nn.Module):
    """A fitted estimator as a torch module; made by `skae.export.module`.

    It is in float64, and on the CPU until it is moved.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    methods : tuple of str

    Attributes
    ----------
    methods : tuple of str
        The methods whose results `forward` returns.
    columns : list of RawColumn
        What every column of the table is.
    is_array : bool
        Whether rows are given as one matrix of numbers, because an array was fitted.
    """

    def __init__(self, estimator, methods):
        super().__init__()
        self.methods = tuple(methods)
        self.columns = given_columns(estimator)
        self.is_array = estimator._table.template_ is None
        self.path = graph_for(estimator, self.columns)
        self._estimator = estimator
        numeric = [column for column in self.columns if column.levels is None]
        bases = torch.tensor([float(c.base) for c in numeric], dtype=torch.float64)
        self.any_base = bool(bases.any())
        self.register_buffer("bases", bases)
        # Times come back as whole steps; others as they are.
        steps = [float(c.step) if c.unit else -1.0 for c in numeric]
        self.register_buffer("steps", torch.tensor(steps, dtype=torch.float64))
        self.any_step = any(step >= 0 for step in steps)
        self._learn_matrix()

    def _learn_matrix(self):
        """Learn which columns of a matrix are numbers, and the levels of the others."""
        kinds = [column.levels is not None for column in self.columns]
        for name, wanted in (("number_columns", False), ("level_columns", True)):
            own = [i for i, of_levels in enumerate(kinds) if of_levels is wanted]
            self.register_buffer(name, torch.tensor(own, dtype=torch.int64))
        self._matched = own if self.is_array else []
        self.n_matched = len(self._matched)
        levels = [c.levels for c in self.columns if c.levels is not None]
        for j in range(self.n_matched):
            values = torch.tensor([float(v) for v in levels[j]], dtype=torch.float64)
            self.register_buffer(f"levels_{j}", values)

    # ------------------------------------------------------------------ rows

    def forward(self, numbers, indices=None):
        """Return what the methods make of rows.

        Parameters
        ----------
        numbers : torch.Tensor of shape (n, n_numbers)
            Where an array was fitted, all its columns. Else those that hold numbers, dates
            or durations, in the order of the table. NaN where missing. Times are in the
            unit of their dtype in fit (see `columns`), since 1970 in UTC.
        indices : torch.Tensor of int64 of shape (n, n_levels), default=None
            The columns of categories and booleans, in the order of the table: the places of
            cells in the `levels` of their column; -1 where missing, the number of levels or
            more for a level not seen in fit. None where there are no such columns.

        Returns
        -------
        result : torch.Tensor or tuple
            Of one method its result, of several a tuple of theirs. A reconstruction of the
            rows of a frame is a tuple of its own (numbers, indices).
        """
        distances, indices = self.split(numbers, indices)
        results = self.results(distances, indices)
        results = tuple(
            self._absolute(result) if name == "reconstruct" else result
            for name, result in zip(self.methods, results, strict=True)
        )
        return results[0] if len(results) == 1 else results

    def split(self, numbers, indices=None):
        """Return what `results` takes of what `forward` does."""
        numbers = numbers.to(self.bases.dtype)
        if not self.is_array:
            if indices is None:
                indices = numbers.new_zeros((numbers.shape[0], 0), dtype=torch.int64)
            return (numbers - self.bases if self.any_base else numbers), indices
        if not self.n_matched:
            return numbers, numbers.new_zeros((numbers.shape[0], 0), dtype=torch.int64)
        found = [
            match(numbers[:, i], self._buffers[f"levels_{j}"])
            for j, i in enumerate(self._matched)
        ]
        return numbers.index_select(1, self.number_columns), torch.stack(found, dim=1)

    def results(self, numbers, indices):
        """Return the methods' results, a tuple.

        Parameters
        ----------
        numbers : torch.Tensor of float64 of shape (n, n_numbers)
            Distances from `base`, which is 0 but for times and wide whole numbers.
        indices : torch.Tensor of int64 of shape (n, n_levels)
        """
        return self.finish(self.path(numbers, indices, self.methods))

    def finish(self, results):
        """Return the methods' results from those of the graph, a tuple."""
        return tuple(
            self._stepwise(*result) if name == "reconstruct" else result
            for name, result in zip(self.methods, results, strict=True)
        )

    def _stepwise(self, numbers, indices):
        """Return decoded numbers and indices, times a whole number of steps from their base."""
        if self.any_step:
            near = (numbers / self.steps.clamp(min=1.0)).round() * self.steps
            numbers = torch.where(self.steps >= 0, near, numbers)
        return numbers, indices

    def _absolute(self, decoded):
        """Return a reconstruction in raw units, a matrix where one was fitted."""
        numbers, indices = decoded
        if not self.is_array:
            return (numbers + self.bases if self.any_base else numbers), indices
        if not self.n_matched:
            return numbers
        values = [
            self._buffers[f"levels_{j}"][indices[:, j]] for j in range(self.n_matched)
        ]
        order = torch.cat([self.number_columns, self.level_columns]).argsort()
        return torch.cat([numbers, torch.stack(values, 1)], 1).index_select(1, order)

    # ------------------------------------------------------------------ outside of graphs

    def tensors(self, X):
        """Return the tensors that `forward` takes of rows of a table, a tuple.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.
        """
        X = check_fitted_table(self._estimator, X, self._estimator._table)
        return tensors_of(X, self.columns, self.is_array)

    def example(self, n_rows=3):
        """Return tensors that `forward` takes, of rows of no meaning."""
        widths = places_of(self.columns)[1]
        if self.is_array:
            return (torch.zeros(n_rows, len(self.columns), dtype=torch.float64),)
        return (
            torch.zeros(n_rows, widths[0], dtype=torch.float64),
            torch.zeros(n_rows, widths[1], dtype=torch.int64),
        )


def match(cells, levels):
    """Return the places of numbers among levels, -1 for NaN and beyond all for others."""
    same = cells[:, None] == levels
    place = torch.where(same.any(dim=1), same.to(torch.int64).argmax(dim=1), len(levels))
    return torch.where(cells.isnan(), -1, place)


def module(estimator, method: str | Sequence[str] = "score_samples") -> EstimatorModule:
    """Return a fitted estimator as one torch module, from raw cells to the result.

    It holds what encodes the columns, the networks, thresholds and calibration, and equals
    the estimator to 1e-5 of the results' scale. `torch.export`, `torch.compile` and
    AOTInductor take it, with a batch of any size.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    method : str or sequence of str, default="score_samples"
        What the module computes: "transform", "reconstruct" or "score_samples" of a
        transformer; "score_samples", "decision_function", "predict" or "pvalues" of a
        detector; "score_samples" of a `GANSampler`.

    Returns
    -------
    module : EstimatorModule
        Ready for inference; `module.tensors(X)` makes what it takes of a table.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If it lacks the method, or no graph can express it.

    Notes
    -----
    A graph refuses nothing: an infinite number is as far away as can be (1e15 standard
    deviations), and a level not seen in fit is unknown also with
    ``handle_unknown="error"``. Rows with missing cells make all rows of their batch take
    the longer way, in which these cells are filled first.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> import skae.export
    >>> from skae import AEAnomalyDetector
    >>> X = load_iris().data
    >>> detector = AEAnomalyDetector(max_iter=50, random_state=0).fit(X)
    >>> scorer = skae.export.module(detector, "score_samples")
    >>> scores = scorer(*scorer.tensors(X))
    >>> float(abs(scores.numpy() - detector.score_samples(X)).max()) < 1e-5
    True
    """
    check_is_fitted(estimator)
    methods = check_methods(estimator, method)
    with usual_settings():
        return EstimatorModule(estimator, methods).eval()
