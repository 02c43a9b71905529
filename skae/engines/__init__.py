"""Training, and methods for rows, on the workers of Dask, Ray and Spark, one room each.

Each is imported when a table of its engine arrives, which is known by names: a process that
has never heard of an engine loads none of it.
"""

from importlib import import_module

from skae.engines.fitting import fit

__all__ = ["engine_of", "fit"]

ENGINES = {
    ("dask", "DataFrame"): "skae.engines.on_dask",
    ("ray", "Dataset"): "skae.engines.on_ray",
    ("pyspark", "DataFrame"): "skae.engines.on_spark",
}


def engine_of(X):
    """Return the room of the engine that X is a table of, or None."""
    for kind in type(X).__mro__:
        package = kind.__module__
        if package.startswith("pyspark.pandas"):
            return None
        room = ENGINES.get((package.partition(".")[0], kind.__name__))
        if room is not None:
            return import_module(room)
    return None
