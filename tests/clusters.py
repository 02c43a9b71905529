"""The engines of clusters as tests use them, on this machine: each where it is installed."""

import os
import sys
import warnings
from contextlib import contextmanager
from multiprocessing import forkserver

import numpy as np
import pandas as pd
import pytest


class Dask:
    def __init__(self):
        self.frames = pytest.importorskip("dask.dataframe")

    def table(self, parts):
        import dask

        delayed = [dask.delayed(part) for part in parts]
        meta = parts[0].iloc[:0]
        return self.frames.from_delayed(delayed, meta=meta, verify_meta=False)

    def results(self, lazy):
        done = lazy.compute(scheduler="threads")
        return done.to_frame() if isinstance(done, pd.Series) else done


@contextmanager
def client_of_dask(n_workers):
    """Yield a client of workers that are forked from a process with skae in it.

    One that has died is there again at once, where it would else import torch for seconds.
    """
    dask = pytest.importorskip("dask")
    # First, as its import adds its own settings, which would be forgotten with ours.
    distributed = pytest.importorskip("distributed")
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        forkserver.set_forkserver_preload(["distributed", "dask.dataframe", "skae.engines"])
        forkserver.ensure_running()  # before Dask says what is to be in it
        with (
            distributed.LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


class Ray:
    def __init__(self):
        self.ray = pytest.importorskip("ray")
        pytest.importorskip("ray.data")
        if not self.ray.is_initialized():
            root = os.path.dirname(os.path.dirname(__file__))
            paths = os.pathsep.join([root, *filter(None, sys.path)])
            try:
                self.ray.init(
                    num_cpus=2,
                    include_dashboard=False,
                    log_to_driver=False,
                    runtime_env={"env_vars": {"PYTHONPATH": paths}},
                )
            except (OSError, RuntimeError, ConnectionError, TimeoutError) as error:
                pytest.skip(f"Ray does not start: {error}")
        self.ray.data.DataContext.get_current().enable_progress_bars = False

    def table(self, parts):
        return self.ray.data.from_pandas([part for part in parts if len(part)])

    def results(self, lazy):
        done = lazy.to_pandas()  # of Arrow's dtypes
        numbers = done.select_dtypes("number").columns
        return done.astype(dict.fromkeys(numbers, np.float64))


class Spark:
    def __init__(self):
        sql = pytest.importorskip("pyspark.sql")
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = sql.SparkSession.builder.master("local[2]")
        for key, value in {
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.shuffle.partitions": "2",
        }.items():
            builder = builder.config(key, value)
        try:
            self.session = builder.getOrCreate()
        except Exception as error:
            pytest.skip(f"Spark does not start, without a JVM for example: {error}")

    def table(self, parts):
        whole = pd.concat([part for part in parts if len(part)], ignore_index=True)
        return self.session.createDataFrame(whole).repartition(3)

    def results(self, lazy):
        with warnings.catch_warnings(action="ignore"):  # of its own about pandas
            return lazy.toPandas()
