"""Rows of a Ray Dataset: lazily, batch by batch."""

from functools import partial

from skae.engines.rows import about, beside, run


def map_rows(estimator, method, X, kwargs, names):
    """Return the rows with the results as a Ray Dataset."""
    # What is bound to a function is sent to a worker once, with the function.
    work = partial(_run, estimator=estimator, method=method, kwargs=kwargs, names=names)
    return X.map_batches(work, batch_format="pandas", batch_size=None)


def _run(part, estimator, method, kwargs, names):
    if not len(part):
        return part
    try:
        return beside(part, run(estimator, method, part, kwargs, names), method)
    except (ValueError, TypeError) as error:
        raise about("A block of X", error) from error
