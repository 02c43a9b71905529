"""Scores for anything with `transform` and `inverse_transform`."""

from sklearn.metrics import r2_score
from sklearn.utils import check_array


def reconstruction_r2(estimator, X, y=None, *, multioutput="variance_weighted"):
    """Return the share of the variance of X that survives the way there and back.

    ``1 - sum((X - X')**2) / sum((X - mean)**2)``, with X' the rows that
    ``inverse_transform(transform(X))`` gives.

    Parameters
    ----------
    estimator : fitted estimator
        Anything with `transform` and `inverse_transform`: `PCA`, `KernelPCA`, a
        `Pipeline`, skae's transformers.
    X : array-like of shape (n_samples, n_features)
        Rows, best not those of the fit; at least two.
    y : Ignored
        Present so that the function serves as `scoring=` in a search.
    multioutput : {"variance_weighted", "uniform_average", "raw_values"}, \
            default="variance_weighted"
        "variance_weighted" counts columns by their variance in the units of X, as PCA's
        explained variance does. "uniform_average" counts them alike, whatever their
        units. "raw_values" returns a number a column.

    Returns
    -------
    r2 : float or ndarray of shape (n_features,)
        1 is perfect, 0 is what the mean gives, below 0 is worse.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae.metrics import reconstruction_r2
    >>> X = load_iris().data
    >>> round(reconstruction_r2(PCA(2).fit(X), X), 3)
    0.978
    """
    reconstruction = estimator.inverse_transform(estimator.transform(X))
    return r2_score(check_array(X), check_array(reconstruction), multioutput=multioutput)
