"""Workers in threads of this process, joined by torch's gloo as those of a cluster are."""

import copy
import tempfile
import threading
from datetime import timedelta
from pathlib import Path

import torch.distributed as dist

from skae.distributed import Group, fit_in_worker


def fit_by(n_workers, estimator, X, checkpoints=None):
    """Return what each of some workers makes of an estimator; raise what one of them raises."""
    fitted, errors = [None] * n_workers, []

    def work(rank, path):
        try:
            store = dist.FileStore(path, n_workers)
            joined = dist.ProcessGroupGloo(store, rank, n_workers, timedelta(seconds=60))
            group = Group(joined, checkpoints)
            fitted[rank] = fit_in_worker(copy.deepcopy(estimator), X, group)
        except Exception as error:
            errors.append(error)

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "store")
        threads = [
            threading.Thread(target=work, args=(rank, path)) for rank in range(n_workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
    return fitted
