"""What the workers of all engines do with a part of a table, a pandas data frame."""

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skae.lazy.results import named


def run(estimator, method, part, kwargs, names):
    """Return the results for a part that has rows, as a data frame with its index."""
    table = vectors_in(part)
    table = part if table is None else table
    results = named(getattr(estimator, method)(table, **kwargs), names, part)
    if isinstance(results, pd.DataFrame):
        return results
    # Of another library by `set_output`.
    frame = nw.from_native(results, eager_only=True).to_pandas()
    return frame.set_axis(part.index, axis=0)


def vectors_in(part):
    """Return the array whose rows are the cells of the only column of a part, or None."""
    if part.shape[1] != 1 or not isinstance(part.iloc[0, 0], np.ndarray):
        return None
    return np.stack(part.iloc[:, 0].to_list())


def beside(part, results, method):
    """Return the columns of a part, followed by those of its results.

    Of methods that give the columns of the table themselves, the results only.
    """
    if list(results.columns) == list(part.columns):
        return results
    taken = sorted(set(results.columns) & set(part.columns))
    if taken:
        raise ValueError(
            f"{method} gives columns {taken}, which X has already; rename these first."
        )
    return pd.concat([part, results], axis=1)


def about(where, error):
    """Return an error that says in which part of a table another one happened."""
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(f"{where}: {error}")
