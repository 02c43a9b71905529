"""Rows of a Ray Dataset: lazily, batch by batch. And training by Ray Train."""

import os
import pickle
import tempfile
from contextlib import ExitStack
from functools import partial

from skae.distributed.checkpoints import STATE, Checkpoints, write
from skae.engines.rows import about, beside, run
from skae.table.remedies import remedies_for


def map_rows(estimator, method, X, kwargs, names, options):
    """Return the rows with the results as a Ray Dataset."""
    from ray.data import ActorPoolStrategy

    given = {"estimator": estimator, "method": method, "kwargs": kwargs, "names": names}
    options = {"batch_format": "pandas", "batch_size": None, **options}
    if isinstance(options.get("compute"), ActorPoolStrategy):
        return X.map_batches(Scorer, fn_constructor_kwargs=given, **options)
    # What is bound to a function is sent to a worker once, with the function.
    return X.map_batches(partial(_run, **given), **options)


class Scorer:
    """What a worker that stays does: it is sent the model before the first rows."""

    def __init__(self, **given):
        self._given = given

    def __call__(self, part):
        return _run(part, **self._given)


def _run(part, estimator, method, kwargs, names):
    if not len(part):
        return part
    try:
        with remedies_for("ray"):
            return beside(part, run(estimator, method, part, kwargs, names), method)
    except (ValueError, TypeError) as error:
        raise about("A block of X", error) from error


# ---------------------------------------------------------------------- training

OUTCOME = "outcome.pkl"


class RayShards:
    """A Dataset of Ray in the store of objects, in parts for workers.

    Rows are divided by their numbers alone: how many blocks there are does not matter.

    Parameters
    ----------
    dataset : ray.data.Dataset
    n_workers : int
    """

    def __init__(self, dataset, n_workers):
        options = dataset.context.execution_options
        before, options.preserve_order = options.preserve_order, True
        try:
            whole = dataset.materialize()
        finally:
            options.preserve_order = before
        n_rows = whole.count()
        ends = [n_rows * i // n_workers for i in range(1, n_workers)]
        parts = whole.split_at_indices(ends) if ends else [whole]
        self._blocks = [part.to_arrow_refs() for part in parts]

    def chunks(self, ranks):
        """Yield the blocks of some workers."""
        import ray

        for rank in ranks:
            for block in self._blocks[rank]:
                yield ray.get(block)

    def __len__(self):
        return len(self._blocks)


class RayCheckpoints(Checkpoints):
    """Ray Train keeps the state, where its storage is."""

    def load(self):
        import ray.train

        checkpoint = ray.train.get_checkpoint()
        if checkpoint is None:
            return None
        with checkpoint.as_directory() as folder:
            return _read(folder, STATE)

    def save(self, state):
        losses = {} if state is None else state[0]["history"][-1]
        shown = {name: value for name, value in losses.items() if name.endswith("_loss")}
        _report(shown, STATE, state)


def fit(plan):
    """Return the `Outcome` of training by Ray Train's workers."""
    import ray
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    if not ray.is_initialized():
        ray.init()
    _check_cluster(plan)
    X = plan.X
    if type(X).__module__.startswith("ray."):
        X = RayShards(X, plan.n_workers)
    config = {"estimator": plan.estimator, "X": X, "interval": plan.checkpoint_interval}
    with ExitStack() as stack:
        path = plan.storage_path
        if path is None:
            path = stack.enter_context(tempfile.TemporaryDirectory(prefix="skae-"))
        result = TorchTrainer(
            _train,
            train_loop_config=config,
            scaling_config=ScalingConfig(num_workers=plan.n_workers, use_gpu=plan.use_gpu),
            run_config=RunConfig(
                storage_path=path,
                failure_config=FailureConfig(max_failures=plan.max_failures),
                checkpoint_config=CheckpointConfig(num_to_keep=2),
            ),
        ).fit()
        with result.checkpoint.as_directory() as folder:
            return _read(folder, OUTCOME)


def _check_cluster(plan):
    import ray

    kind = "GPU" if plan.use_gpu else "CPU"
    there = int(ray.cluster_resources().get(kind, 0))
    if there < plan.n_workers:
        raise ValueError(
            f"n_workers={plan.n_workers} take a {kind} each, of which Ray's cluster has "
            f"{there}; give n_workers={max(there, 1)}, or start Ray with more."
        )
    n_nodes = sum(node["Alive"] for node in ray.nodes())
    if plan.storage_path is None and n_nodes > 1:
        raise ValueError(
            f"storage_path=None, but Ray's cluster has {n_nodes} machines; give a folder, or "
            "an address of a storage, that all of them can reach."
        )


def _train(config):
    """Fit, as one of Ray Train's workers."""
    from skae.distributed import Group
    from skae.distributed.worker import outcome_in_worker

    workers = Group.of_world(RayCheckpoints(), config["interval"])
    outcome = outcome_in_worker(config["estimator"], config["X"], workers)
    _report({}, OUTCOME, outcome if workers.is_first else None)


def _report(metrics, name, value):
    """Report to Ray Train, with a checkpoint that holds a value, unless that is None."""
    import ray.train

    with tempfile.TemporaryDirectory() as folder:
        checkpoint = None
        if value is not None:
            write(os.path.join(folder, name), value)
            checkpoint = ray.train.Checkpoint.from_directory(folder)
        ray.train.report(metrics, checkpoint=checkpoint)


def _read(folder, name):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return None
    with open(path, "rb") as file:
        return pickle.load(file)
