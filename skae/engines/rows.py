"""What the workers of all engines do with a part of a table, a pandas data frame."""

import numpy as np
import pandas as pd


def run(estimator, method, part, kwargs, names):
    """Return the results for a part that has rows, as a data frame with its index."""
    result = getattr(estimator, method)(part, **kwargs)
    if isinstance(result, np.ndarray):
        columns = result if result.ndim == 2 else result[:, None]
        return pd.DataFrame(columns, index=part.index, columns=columns_for(names, columns))
    return result


def columns_for(names, columns):
    """Return the names of columns of results, numbered if there are others."""
    n_columns = columns.shape[1]
    return names if len(names) == n_columns else [f"x{i}" for i in range(n_columns)]


def beside(part, results, method):
    """Return the columns of a part, followed by those of its results.

    Of methods that give the columns of the table themselves, the results only.
    """
    if gives_rows(results, part):
        return results
    taken = sorted(set(results.columns) & set(part.columns))
    if taken:
        raise ValueError(
            f"{method} gives columns {taken}, which X has already; rename these first."
        )
    return pd.concat([part, results], axis=1)


def gives_rows(results, part):
    """Tell whether the results have the columns of the table."""
    return list(results.columns) == list(part.columns)


def about(where, error):
    """Return an error that says in which part of a table another one happened."""
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(f"{where}: {error}")
