"""Rows taken some at a time, where a single one must not wait."""

from functools import cache

import torch

# What is freed below this stays with the process, in the C library of Linux: it takes the
# size from a freed array, of up to 32 MB.
KEPT_BYTES = 16 * 2**20


def row_blocks(n_rows, size):
    """Return the slices of rows that `sklearn.utils.gen_batches` yields.

    That one checks its parameters, which takes longer than to encode a row.
    """
    _keep_freed_memory()
    return [slice(at, min(at + size, n_rows)) for at in range(0, n_rows, size)]


@cache
def _keep_freed_memory():
    """Have what a block of rows frees serve the next one.

    A process that has not yet held large arrays, such as a worker or a service that has
    loaded a model, gives each of them back to the system, and is given zeroed pages for the
    next: that took up to as long again as the scores.
    """
    torch.empty(KEPT_BYTES, dtype=torch.uint8)
