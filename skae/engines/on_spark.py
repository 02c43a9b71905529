"""Rows of a Spark DataFrame: lazily, batch by batch, by `mapInPandas`. And training."""

import pickle
from types import SimpleNamespace

from skae.engines.restarting import fit_until_done, folder_of
from skae.engines.rows import about, beside, run
from skae.table.remedies import remedies_for

# Methods that give the columns of the table.
LIKE_TABLE = {"reconstruct", "impute"}
# Methods that give a contribution per column of the table.
PER_COLUMN = {"explain"}


def map_rows(estimator, method, X, kwargs, names, options):
    """Return the rows with the results as a Spark DataFrame."""
    shared, columns = _shared(estimator, X.sparkSession), X.columns

    def work(parts):
        for part in parts:
            if len(part):
                part = part.set_axis(columns, axis=1)
                yield _run(part, shared.value, method, kwargs, names)

    # Spark asks for the columns by name, and takes a dot for a field, "x" for "X".
    numbered = X.toDF(*(f"x{i}" for i in range(len(columns))))
    return numbered.mapInPandas(work, _schema(X, method, names), **options)


def _shared(estimator, session):
    """Return something whose `value` is the model, which a worker unpacks once."""
    context = getattr(session, "_sc", None)
    # Spark Connect has no broadcast variables: there it is sent with every task.
    if context is None:
        return SimpleNamespace(value=estimator)
    return context.broadcast(estimator)


def _run(part, estimator, method, kwargs, names):
    try:
        with remedies_for("spark"):
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


# ---------------------------------------------------------------------- training


def fit(plan):
    """Return the `Outcome` of training by processes that Spark's `TorchDistributor` starts."""
    from pyspark.ml.torch.distributor import TorchDistributor
    from pyspark.sql import SparkSession

    master = SparkSession.builder.getOrCreate().conf.get("spark.master")
    is_local = master.startswith("local")
    distributor = TorchDistributor(plan.n_workers, is_local, plan.use_gpu)
    with folder_of(plan, 1 if is_local else 2) as folder:
        return fit_until_done(
            plan, lambda packed: distributor.run(_train, packed, folder, plan.use_gpu)
        )


def _train(packed, folder, use_gpu):
    """Fit, as one of several workers; return the `Outcome`, which counts on the first."""
    import torch.distributed as dist

    from skae.distributed import Group
    from skae.distributed.checkpoints import FolderCheckpoints
    from skae.distributed.worker import outcome_in_worker

    plan = pickle.loads(packed)
    dist.init_process_group("nccl" if use_gpu else "gloo")
    try:
        kept = FolderCheckpoints(folder)
        workers = Group.of_world(kept, plan.checkpoint_interval)
        return outcome_in_worker(plan.estimator, plan.X, workers)
    finally:
        dist.destroy_process_group()
