"""Rows of a Dask DataFrame: lazily, partition by partition."""

from skae.engines.rows import about, run


def map_rows(estimator, method, X, kwargs, names):
    """Return the results as a Dask DataFrame, or a Series where there is one per row."""
    import dask

    meta = _shaped(run(estimator, method, X._meta_nonempty, kwargs, names), method).iloc[:0]
    # As a task of its own, the model is sent to a worker once, however many partitions.
    model = dask.delayed(estimator, pure=True)
    return X.map_partitions(
        _run, model, method, kwargs, names, meta, meta=meta, enforce_metadata=False
    )


def _run(part, estimator, method, kwargs, names, meta, partition_info=None):
    if not len(part):
        return meta
    try:
        return _shaped(run(estimator, method, part, kwargs, names), method)
    except (ValueError, TypeError) as error:
        number = "?" if partition_info is None else partition_info["number"]
        raise about(f"Partition {number}", error) from error


def _shaped(results, method):
    return results[method] if list(results.columns) == [method] else results
