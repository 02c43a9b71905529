"""Rows of a Spark DataFrame: lazily, batch by batch, by `mapInPandas`."""

from types import SimpleNamespace

from skae.engines.rows import about, beside, run

# Methods that give the columns of the table.
LIKE_TABLE = {"reconstruct", "impute"}
# Methods that give a contribution per column of the table.
PER_COLUMN = {"explain"}


def map_rows(estimator, method, X, kwargs, names):
    """Return the rows with the results as a Spark DataFrame."""
    shared = _shared(estimator, X.sparkSession)

    def work(parts):
        for part in parts:
            if len(part):
                yield _run(part, shared.value, method, kwargs, names)

    return X.mapInPandas(work, _schema(X, method, names))


def _shared(estimator, session):
    """Return something whose `value` is the model, which a worker unpacks once."""
    context = getattr(session, "_sc", None)
    # Spark Connect has no broadcast variables: there it is sent with every task.
    if context is None:
        return SimpleNamespace(value=estimator)
    return context.broadcast(estimator)


def _run(part, estimator, method, kwargs, names):
    try:
        results = run(estimator, method, part, kwargs, names)
        return beside(part, results, method)
    except (ValueError, TypeError) as error:
        raise about("A batch of X", error) from error


def _schema(X, method, names):
    from pyspark.sql.types import DoubleType, LongType, StructField, StructType

    if method in LIKE_TABLE:
        return X.schema
    kind = LongType() if method == "predict" else DoubleType()
    if method in PER_COLUMN:
        return StructType([StructField(name, DoubleType()) for name in X.columns])
    return StructType([*X.schema.fields, *(StructField(name, kind) for name in names)])
