"""What every worker of a training does."""

import warnings
from dataclasses import dataclass, field
from typing import Any


def fit_in_worker(estimator, X, workers):
    """Fit an estimator to the part of a table that is this worker's.

    Parameters
    ----------
    estimator : estimator
        The same on every worker, with a seed for `random_state`.
    X : table that is read in chunks
        The same on every worker, which reads its own part.
    workers : Workers

    Returns
    -------
    estimator : estimator
        The fitted one on the first worker; what the others hold lacks what is learned after
        training.
    """
    estimator._workers = workers
    if not workers.is_first:
        estimator.set_params(verbose=0)
    try:
        return estimator.fit(X)
    finally:
        del estimator._workers


@dataclass(frozen=True)
class Outcome:
    """What the first worker sends back.

    Attributes
    ----------
    estimator : fitted estimator, or None
    error : Exception or None
        What all workers have raised: it would be raised again if they were started anew.
    warnings : list of Warning
    """

    estimator: Any = None
    error: Exception | None = None
    warnings: list[Warning] = field(default_factory=list)


def outcome_in_worker(estimator, X, workers):
    """Return the `Outcome` of `fit_in_worker`, in a process of this worker's own.

    Raises
    ------
    Exception
        If this worker alone has failed.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            fitted, error = fit_in_worker(estimator, X, workers), None
        except Exception as raised:
            if raised is not workers.error and workers.size > 1:
                raise
            fitted, error = None, raised
    workers.leave()
    return Outcome(fitted, error, [entry.message for entry in caught])
