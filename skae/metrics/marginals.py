"""Whether the single columns of generated rows are distributed as the real ones are."""

import numpy as np
import pandas as pd

from skae._typing import Table
from skae.metrics._columns import read_columns


def marginal_similarity(real: Table, synthetic: Table) -> pd.Series:
    """Return how alike every column is distributed in two tables.

    Of numbers, dates and durations ``1 - D``, with D the Kolmogorov-Smirnov statistic, the
    largest difference of the two distribution functions; a missing cell counts as smaller
    than any number. Of levels ``1 - V``, with V the total variation, half of the sum of the
    absolute differences of the proportions; missing is a level.

    Parameters
    ----------
    real : data frame, array-like or sparse matrix of shape (n_real, n_features)
        Real rows.
    synthetic : data frame, array-like or sparse matrix of shape (n_synthetic, n_features)
        Generated rows with the same columns. Text, categories and booleans are levels.

    Returns
    -------
    similarity : pandas.Series of shape (n_features,)
        Of every column of `real`, by its label. 1: distributed alike; 0: no value in
        common (levels), or all numbers of one table below all of the other. Two samples of
        n rows of one distribution have about ``1 - 1 / sqrt(n)``.

    Raises
    ------
    ValueError
        If the columns of the tables differ, or one has no rows.

    See Also
    --------
    pair_similarity : Whether pairs of columns depend on each other as in the real table.
    skae.display.SampleDisplay : The same as a picture.

    References
    ----------
    Massey, The Kolmogorov-Smirnov Test for Goodness of Fit, 1951. In this use: Patki et
    al., The Synthetic Data Vault, 2016, and Zhang et al. (TabSyn), ICLR 2024, appendix.

    Examples
    --------
    >>> import pandas as pd
    >>> from skae.metrics import marginal_similarity
    >>> real = pd.DataFrame({"age": [20, 30, 40, 50], "sex": ["f", "f", "m", "m"]})
    >>> synthetic = pd.DataFrame({"age": [20, 30, 40, 41], "sex": ["f", "m", "m", "m"]})
    >>> marginal_similarity(real, synthetic).to_dict()
    {'age': 0.75, 'sex': 0.75}
    """
    columns = read_columns(real=real, synthetic=synthetic)
    return pd.Series(
        [1.0 - _distance(column) for column in columns],
        index=pd.Index([column.name for column in columns], tupleize_cols=False),
        name="similarity",
        dtype=np.float64,
    )


def _distance(column):
    if not column.is_number:
        proportions = [
            np.bincount(codes, minlength=len(column.levels) + 1) / len(codes)
            for codes in column.codes().values()
        ]
        return float(np.abs(proportions[0] - proportions[1]).sum() / 2)
    # Missing cells first.
    parts = [np.sort(np.nan_to_num(part, nan=-np.inf)) for part in column.parts.values()]
    places = np.concatenate(parts)
    reached = [np.searchsorted(part, places, side="right") / len(part) for part in parts]
    return float(np.abs(reached[0] - reached[1]).max())
