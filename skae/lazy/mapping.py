"""A method for rows, on tables that are read in chunks or lie on a cluster."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils.validation import check_is_fitted

from skae.engines import engine_of
from skae.lazy.chunks import Part
from skae.lazy.results import LazyRows
from skae.lazy.sources import open_source
from skae.table.sources import refuse_source

# Methods whose result for a row depends on that row alone.
OF_ROWS = {
    "transform",
    "inverse_transform",
    "reconstruct",
    "impute",
    "explain",
    "score_samples",
    "decision_function",
    "predict",
    "predict_proba",
    "pvalues",
    "posterior_variances",
    "code_divergences",
}
# Of these there is a number for each code.
OF_CODES = {"transform", "posterior_variances", "code_divergences"}


def map_rows(estimator, method, X, *, engine_options=None, **kwargs):
    """Run a method of a fitted estimator on a table that is not in memory.

    The methods of skae's own estimators do that by themselves; this is for a `Pipeline` and
    whatever else has a method that takes rows and gives as many.

    Parameters
    ----------
    estimator : fitted estimator
        Any of skae or scikit-learn.
    method : str
        "transform", "inverse_transform", "reconstruct", "impute", "explain",
        "score_samples", "decision_function", "predict", "predict_proba", "pvalues",
        "posterior_variances" or "code_divergences".
    X : lazy table
        Chunk by chunk are read: a polars LazyFrame, a dataset of pyarrow, a relation of
        DuckDB, a path, folder or pattern of Parquet or CSV files, an iterable of frames or
        arrays that begins anew each time. By the engine's workers: a DataFrame of Dask or
        Spark, a Dataset of Ray.
    engine_options : dict, default=None
        Further arguments of what the engine maps by: `map_batches` of Ray, `map_partitions`
        of Dask, `mapInPandas` of Spark. With ``{"num_gpus": 1}`` Ray gives every task a GPU; with
        ``{"compute": ray.data.ActorPoolStrategy(size=8)}`` it keeps eight workers, of which
        each has the model from the start and its next rows at hand.
    **kwargs
        Further arguments of the method.

    Returns
    -------
    results : LazyRows, or a lazy table of the engine
        Of chunks, the results as data frames, to iterate or write to a file. Of Dask a
        DataFrame or Series with the index of X. Of Spark and Ray the columns of X, followed
        by those of the results, unless these are the columns of X themselves.

    Raises
    ------
    ValueError
        If the method is not one for rows, or `engine_options` are given for a table that no
        engine holds.
    TypeError
        If X is no such table.

    Examples
    --------
    >>> import polars as pl
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skae import AEAnomalyDetector
    >>> from skae.lazy import map_rows
    >>> rows = pl.DataFrame({"a": range(100), "b": range(100, 200)})
    >>> pipeline = make_pipeline(StandardScaler(), AEAnomalyDetector(random_state=0))
    >>> scores = map_rows(pipeline.fit(rows), "score_samples", rows.lazy())
    >>> scores.collect().shape
    (100, 1)
    """
    if method not in OF_ROWS or not hasattr(estimator, method):
        own = sorted(name for name in OF_ROWS if hasattr(estimator, name))
        raise ValueError(
            f"method={method!r} is none that {type(estimator).__name__} has for rows; those "
            f"are {own}."
        )
    results = map_lazily(estimator, method, X, kwargs, engine_options)
    if results is None:
        refuse_source(X)
        raise TypeError(
            f"X is a {type(X).__name__}, which is in memory; use estimator.{method}(X)."
        )
    return results


def map_lazily(estimator, method, X, kwargs, engine_options=None):
    """Return the results for a lazy table, None for any other; see `map_rows`."""
    if isinstance(X, (np.ndarray, pd.DataFrame)) or issparse(X):
        return None
    engine = engine_of(X)
    source = open_source(X) if engine is None else None
    if engine is None and source is None:
        return None
    check_is_fitted(estimator)
    if kwargs.get("expected"):
        raise ValueError(
            "expected=True gives two tables, but of a table that is not in memory only one "
            "can be had at a time; use expected=False, and reconstruct."
        )
    if kwargs.get("n_draws") is not None:
        raise ValueError(
            f"n_draws={kwargs['n_draws']!r} gives several tables, but of a table that is not "
            "in memory only one can be had at a time; collect X first."
        )
    names = names_of(estimator, method)
    if engine is not None:
        options = engine_options or {}
        return engine.map_rows(estimator, method, X, kwargs, names, options)
    if engine_options:
        raise ValueError(
            f"engine_options={engine_options!r} are for tables of Dask, Ray and Spark, but X "
            f"is a {source.kind}, which is read here, chunk by chunk; leave them out."
        )

    def run(chunk):
        return getattr(estimator, method)(chunk, **kwargs)

    if not any(kind.__module__.startswith("skae.") for kind in type(estimator).__mro__):
        source = of_pandas(source)
    return LazyRows(source, run, names)


def of_pandas(source):
    """Return a source whose tables of pyarrow, which scikit-learn does not know, are pandas'."""

    def read():
        with closing(source.parts()) as parts:
            for chunk, where in parts:
                if type(chunk).__module__.partition(".")[0] == "pyarrow":
                    chunk = chunk.to_pandas(date_as_object=False)
                yield Part(chunk, where)

    return replace(source, read=read)


def names_of(estimator, method):
    """Return the columns of what a method gives as an array."""
    if method in OF_CODES and hasattr(estimator, "get_feature_names_out"):
        return list(estimator.get_feature_names_out())
    if method == "predict_proba":
        return [f"probability_{label}" for label in estimator.classes_]
    if method == "inverse_transform":
        return list(getattr(estimator, "feature_names_in_", []))
    return [method]
