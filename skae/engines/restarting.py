"""Training anew where a worker has died, for engines that do not do that by themselves."""

import tempfile
from contextlib import contextmanager

from skae.training.callback_copies import cloudpickle


def fit_until_done(plan, attempt):
    """Return the `Outcome` of the first attempt that no worker's death has ended.

    Parameters
    ----------
    plan : Plan
    attempt : callable (packed) -> Outcome
        Takes the pickled plan; goes on from the last checkpoint.
    """
    packed = cloudpickle.dumps(plan)
    for n_failures in range(plan.max_failures + 1):
        try:
            return attempt(packed)
        except Exception as error:
            if n_failures == plan.max_failures:
                raise RuntimeError(
                    f"Workers have failed {n_failures + 1} times, which is more than "
                    f"max_failures={plan.max_failures}, at last with: {error}"
                ) from error
    raise AssertionError("unreachable")


@contextmanager
def folder_of(plan, n_machines):
    """Yield the folder for checkpoints: a temporary one, if all workers are on a machine."""
    if plan.storage_path is not None:
        with tempfile.TemporaryDirectory(prefix="skae-", dir=plan.storage_path) as folder:
            yield folder
        return
    if n_machines > 1:
        raise ValueError(
            f"storage_path=None, but the workers run on {n_machines} machines; give a folder "
            "that all of them can reach."
        )
    with tempfile.TemporaryDirectory(prefix="skae-") as folder:
        yield folder
