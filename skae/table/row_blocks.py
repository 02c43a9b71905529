"""Rows taken some at a time, where a single one must not wait."""


def row_blocks(n_rows, size):
    """Return the slices of rows that `sklearn.utils.gen_batches` yields.

    That one checks its parameters, which takes longer than to encode a row.
    """
    return [slice(at, min(at + size, n_rows)) for at in range(0, n_rows, size)]
