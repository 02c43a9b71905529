"""Whether generated rows can be told from real ones."""

from numbers import Integral

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from skae._parameters import RandomState
from skae._typing import Table
from skae._warnings import warn
from skae.metrics._boosting import design_of, make_boosting
from skae.metrics._columns import read_columns
from skae.training.generators import MAX_SEED

# How far below 0.5 a result is by chance at most: so much, and so many standard errors of the
# area under the curve of scores that say nothing (Hanley & McNeil, 1982).
LEAST_BELOW, N_ERRORS = 0.12, 5.0


@validate_params(
    {
        "cv": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def two_sample_auc(
    real: Table, synthetic: Table, *, cv: int = 5, random_state: RandomState = None
) -> float:
    """Return how well gradient boosting tells synthetic rows from real ones.

    A classifier two-sample test: a `HistGradientBoostingClassifier`, which takes mixed
    columns and missing cells as they are, learns to tell the rows of the two tables. The
    result is the area under the ROC curve of the rows that it has not been fitted to.

    Parameters
    ----------
    real : data frame, array-like or sparse matrix of shape (n_real, n_features)
        Real rows, preferably not those that the generator was fitted to: copies of these
        would pass for real. A few hundred at least; a booster learns nothing from fewer
        than 40 rows in all.
    synthetic : data frame, array-like or sparse matrix of shape (n_synthetic, n_features)
        Generated rows with the same columns, about as many. Text, categories and booleans
        are levels; numbers, dates and durations are numbers.
    cv : int, default=5
        Number of folds.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds and the booster.

    Returns
    -------
    auc : float
        The probability that a synthetic row looks more synthetic to the classifier than a
        real one does. 0.5: it cannot tell them; 1: it always can. Slightly below 0.5 is
        chance. Far below 0.5 is no merit: rows of one table are copies of the other's, and
        what the classifier has learned of a row misleads it about the copy.

    Raises
    ------
    ValueError
        If the columns of the tables differ, or one has fewer rows than there are folds.

    Warns
    -----
    UserWarning
        If the result is so far below 0.5 that rows must be copies.

    See Also
    --------
    nearest_record_ratio : Whether the rows are copies.
    marginal_similarity, pair_similarity : Which columns give them away.

    References
    ----------
    Lopez-Paz & Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017; the area under
    the ROC curve takes the place of their accuracy, which depends on the tables' sizes.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.metrics import two_sample_auc
    >>> rng = np.random.default_rng(0)
    >>> real, same, wider = (s * rng.normal(size=(400, 2)) for s in (1, 1, 3))
    >>> abs(two_sample_auc(real, same, random_state=0) - 0.5) < 0.1
    True
    >>> two_sample_auc(real, wider, random_state=0) > 0.7
    True
    """
    columns = read_columns(cv, real=real, synthetic=synthetic)
    labels = np.repeat([0, 1], [len(columns[0]["real"]), len(columns[0]["synthetic"])])
    rng = check_random_state(random_state)
    folds = StratifiedKFold(cv, shuffle=True, random_state=rng.randint(MAX_SEED))
    boosting = make_boosting(columns, True, rng.randint(MAX_SEED))
    probabilities = cross_val_predict(
        boosting, design_of(columns), labels, cv=folds, method="predict_proba"
    )
    auc = float(roc_auc_score(labels, probabilities[:, 1]))
    n_synthetic = int(labels.sum())
    n_real = len(labels) - n_synthetic
    error = np.sqrt((len(labels) + 1) / (12 * n_real * n_synthetic))
    if auc < 0.5 - max(LEAST_BELOW, N_ERRORS * error):
        warn(
            f"The AUC is {auc:.2f}, so far below 0.5 that it is no good sign: rows of one "
            "table are copies of the other's, or nearly. Compare with real rows that the "
            "generator has not seen, and see nearest_record_ratio."
        )
    return auc
