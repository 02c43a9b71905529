"""Rows of a Dask DataFrame: lazily, partition by partition. And training by its workers."""

import pickle
import socket
import time
from contextlib import suppress
from datetime import timedelta

from skae.engines.restarting import fit_until_done, folder_of
from skae.engines.rows import about, run


def map_rows(estimator, method, X, kwargs, names, options):
    """Return the results as a Dask DataFrame, or a Series where there is one per row."""
    import dask

    try:
        results = run(estimator, method, X._meta_nonempty, kwargs, names)
    except (ValueError, TypeError):
        # It may be that Dask's made-up cells are refused, such as categories.
        results = run(estimator, method, _first_row(X), kwargs, names)
    meta = _shaped(results, method).iloc[:0]
    # As a task of its own, the model is sent to a worker once, however many partitions.
    model = dask.delayed(estimator, pure=True)
    options = {"meta": meta, "enforce_metadata": False, **options}
    return X.map_partitions(_run, model, method, kwargs, names, meta, **options)


def _first_row(X):
    """Return a row of a Dask DataFrame; made-up ones if it has none."""
    for i in range(X.npartitions):
        row = X.get_partition(i).map_partitions(_head, meta=X._meta).compute()
        if len(row):
            return row
    return X._meta_nonempty


def _head(part):
    return part.iloc[:1]


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


# ---------------------------------------------------------------------- training

# Seconds after which workers that do not answer each other are given up.
TIMEOUT = timedelta(minutes=30)
# Seconds that workers have to start, or to come back.
START = 60


def fit(plan):
    """Return the `Outcome` of training by workers of Dask's cluster."""
    from distributed import get_client

    try:
        client = get_client()
    except ValueError as error:
        raise ValueError(
            "Dask has no cluster to train on; start one first, for example with "
            "dask.distributed.Client()."
        ) from error
    there = len(client.nthreads())
    if there < plan.n_workers:
        raise ValueError(
            f"n_workers={plan.n_workers}, but Dask's cluster has {there}; give n_workers="
            f"{max(there, 1)}, or start Dask with more."
        )
    hosts = {address.rpartition(":")[0] for address in client.nthreads()}
    with folder_of(plan, len(hosts)) as folder:
        return fit_until_done(plan, lambda packed: _attempt(client, plan, packed, folder))


def _attempt(client, plan, packed, folder):
    """Return the `Outcome` of one attempt; raise if a worker has died."""
    from distributed import wait

    addresses, first = _answering(client, plan.n_workers)
    futures = [
        client.submit(
            _train,
            *(packed, folder, rank, first),
            workers=[address],
            pure=False,
            allow_other_workers=False,
        )
        for rank, address in enumerate(addresses)
    ]
    try:
        # A worker that has died has no task that fails.
        while not all(future.done() for future in futures):
            with suppress(TimeoutError):
                wait(futures, timeout=1.0)
            for future in futures:
                if future.status == "error":
                    future.result()
            if set(addresses) - set(client.nthreads()):
                raise ConnectionError("a worker of Dask has died")
        return client.gather(futures)[0]
    finally:
        client.cancel(futures)


def _answering(client, n_workers):
    """Return the addresses of workers that are there, and where the first can be met."""
    end = time.monotonic() + START
    while time.monotonic() < end:
        addresses = sorted(client.nthreads())[:n_workers]
        if len(addresses) == n_workers:
            # The scheduler may not know yet who has died.
            with suppress(OSError, TimeoutError):
                places = client.run(_free_place, workers=addresses)
                return addresses, places[addresses[0]]
        time.sleep(1.0)
    raise TimeoutError(
        f"fewer than {n_workers} workers of Dask answer after {START} seconds"
    )


def _free_place(dask_worker):
    """Return a host and a port at which a worker can be reached by the others."""
    host = dask_worker.address.rpartition("://")[2].rpartition(":")[0]
    with socket.create_server((host, 0)) as server:
        return host, server.getsockname()[1]


def _train(packed, folder, rank, first):
    """Fit, as one of several workers; return the `Outcome` on the first."""
    import torch.distributed as dist

    from skae.distributed import Group
    from skae.distributed.checkpoints import FolderCheckpoints
    from skae.distributed.worker import outcome_in_worker

    plan = pickle.loads(packed)
    store = dist.TCPStore(*first, plan.n_workers, rank == 0, timedelta(seconds=START))
    joined = dist.ProcessGroupGloo(store, rank, plan.n_workers, TIMEOUT)
    workers = Group(joined, FolderCheckpoints(folder), plan.checkpoint_interval)
    outcome = outcome_in_worker(plan.estimator, plan.X, workers)
    return outcome if workers.is_first else None
