"""Training by the workers of an engine."""

import copy
import os
import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from sklearn.utils import check_random_state

from skae._fits import fits_of
from skae.lazy.sources import open_source
from skae.training.generators import MAX_SEED

ROOMS = {
    "ray": "skae.engines.on_ray",
    "dask": "skae.engines.on_dask",
    "spark": "skae.engines.on_spark",
}


@dataclass(frozen=True)
class Plan:
    """What the room of an engine has to know to train.

    Attributes
    ----------
    estimator : estimator
        With a seed for `random_state`.
    X : table
    n_workers : int
    storage_path : str or None
    max_failures : int
    checkpoint_interval : float
    """

    estimator: Any
    X: Any
    n_workers: int
    storage_path: str | None
    max_failures: int
    checkpoint_interval: float

    @property
    def use_gpu(self):
        """Whether every worker is to have a GPU."""
        device = getattr(self.estimator, "device", "auto")
        return str(device).startswith("cuda")


def fit(
    estimator: Any,
    X: Any,
    *,
    n_workers: int,
    engine: str | None = None,
    storage_path: str | os.PathLike | None = None,
    max_failures: int = 3,
    checkpoint_interval: float = 5.0,
) -> Any:
    """Fit an estimator by several workers of Ray, Dask or Spark.

    Every worker reads a part of the rows. The statistics of the columns are merged, the
    gradients of every step averaged, and held-out rows of all workers decide which state is
    kept. The networks of an `AEAnomalyDetector` are divided among the workers.

    With one worker the result is that of ``estimator.fit(X)``, to the bit where it runs on
    as many threads. With several it depends on their number, and on nothing else: not on
    when they run, nor on whether some have failed and were started anew.

    Parameters
    ----------
    estimator : AutoencoderTransformer, VAETransformer or AEAnomalyDetector
        Without callbacks.
    X : table
        A Dataset of Ray, a DataFrame of Dask; or what all workers can read by themselves,
        such as a folder of Parquet files, see `AutoencoderTransformer.fit`.
    n_workers : int
        A batch of `batch_size` rows is divided among them.
    engine : {"ray", "dask", "spark"}, default=None
        None: the one that X is a table of.
    storage_path : str or path, default=None
        Folder for checkpoints that all workers can reach. None: a temporary folder of this
        machine, if all workers run on it.
    max_failures : int, default=3
        How often workers are started anew where one has died.
    checkpoint_interval : float, default=5.0
        Seconds between two checkpoints at least, after which training goes on where a
        worker has died. 0: there is one after every epoch.

    Returns
    -------
    estimator : estimator
        The same object, fitted.

    Raises
    ------
    ValueError
        If a parameter is out of bounds or the engine has too few workers; and as `fit`
        does. The message names the file or partition of X, if it is about one.
    RuntimeError
        If workers have died more than `max_failures` times.
    TypeError
        If X is in memory, or the estimator is none of these.

    Notes
    -----
    ``refit="auto"`` does not train on the held-out rows again with several workers. With
    ``device="cuda"`` every worker gets a GPU. After training, the first worker alone learns
    what there is to learn from a sample of the rows, as in a fit to a table that memory does
    not hold.

    Examples
    --------
    >>> import ray  # doctest: +SKIP
    >>> from skae import AutoencoderTransformer
    >>> from skae.engines import fit
    >>> rides = ray.data.read_parquet("rides/")  # doctest: +SKIP
    >>> autoencoder = AutoencoderTransformer(8, random_state=0)
    >>> fit(autoencoder, rides, n_workers=4).transform(rides)  # doctest: +SKIP
    """
    _check(estimator, n_workers, max_failures)
    engine = _choose_engine(X, engine)
    sent = copy.copy(estimator)
    if estimator.random_state is None:
        sent.random_state = check_random_state(estimator.random_state).randint(MAX_SEED)
    path = None if storage_path is None else os.fspath(storage_path)
    X = os.path.abspath(X) if isinstance(X, (str, os.PathLike)) else X
    plan = Plan(sent, X, n_workers, path, max_failures, float(checkpoint_interval))
    with fits_of(estimator).turn(estimator):
        outcome = import_module(ROOMS[engine]).fit(plan)
        for message in outcome.warnings:
            warnings.warn(message, stacklevel=2)
        if outcome.error is not None:
            raise outcome.error
        params = estimator.get_params(deep=False)
        learned = vars(outcome.estimator)
        for name in set(vars(estimator)) - set(params):
            delattr(estimator, name)
        vars(estimator).update({k: v for k, v in learned.items() if k not in params})
        estimator._device_followed = estimator.device
    return estimator


def _check(estimator, n_workers, max_failures):
    name = type(estimator).__name__
    if not getattr(estimator, "_trains_in_parallel", False):
        raise TypeError(
            f"{name} is not trained by several workers; those that are are "
            "AutoencoderTransformer, VAETransformer and AEAnomalyDetector. Call its fit."
        )
    for parameter, value, least in (
        ("n_workers", n_workers, 1),
        ("max_failures", max_failures, 0),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(
                f"{parameter}={value!r}; give a whole number of {least} or more."
            )
    inner = getattr(estimator, "estimator", None)
    for part in (estimator, inner):
        given = getattr(part, "callbacks", None) or getattr(part, "_skl_callbacks", None)
        if given:
            raise ValueError(
                f"callbacks={given!r}: these run in this process, where no network is "
                "trained; leave callbacks out, or call fit."
            )


def _choose_engine(X, engine):
    """Return the name of the engine; raise if it cannot train on X."""
    package = type(X).__module__.partition(".")[0]
    own = {"ray": "ray", "dask": "dask", "pyspark": "spark"}.get(package)
    if engine is not None and engine not in ROOMS:
        raise ValueError(f"engine={engine!r}; give one of {sorted(ROOMS)}.")
    if own == "spark":
        raise TypeError(
            "X is a DataFrame of Spark, which only Spark's own workers can read; write it, "
            "X.write.parquet(path), and give the path and engine='spark'."
        )
    if own is not None and engine not in (None, own):
        raise ValueError(
            f"engine={engine!r}, but X is a table of {own}; give engine={own!r}."
        )
    if own is None and engine is None:
        raise ValueError(
            f"engine=None, but X is a {type(X).__name__}; give one of {sorted(ROOMS)}."
        )
    source = open_source(X) if own is None else None
    # A relation of DuckDB belongs to a connection of this process.
    if own is None and (source is None or source.read_from == "duckdb"):
        raise TypeError(
            f"X is a {type(X).__name__}, which workers cannot read in parts; write it to "
            "Parquet files and give their folder, or call estimator.fit(X)."
        )
    return own or engine
