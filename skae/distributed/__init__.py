"""Training by several workers, each of which has a part of the rows; `Group` joins them.

What a worker does is `estimator.fit`: the fit asks its `skae.training.workers.Workers` for
what concerns all of them. `skae.engines.fit` starts the workers.
"""

from skae.distributed.group import Group
from skae.distributed.worker import fit_in_worker

__all__ = ["Group", "fit_in_worker"]
