"""The distribution of an autoencoder's codes."""

import numpy as np

from skae._processes import one_blas_thread, one_openmp_thread

MAX_COMPONENTS = 16
# Codes that a component needs for each of its dimensions, to have a covariance.
ROWS_PER_DIMENSION = 5


def fit_code_mixture(codes):
    """Return a `GaussianMixture` of the codes, its size chosen by least BIC.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)

    Returns
    -------
    mixture : sklearn.mixture.GaussianMixture
    """
    # Imported here: half of scikit-learn comes with it.
    from sklearn.mixture import GaussianMixture

    codes = codes.astype(np.float64)
    n_codes, width = codes.shape
    if n_codes == 1:
        codes = np.repeat(codes, 2, axis=0)
    full = n_codes > ROWS_PER_DIMENSION * width
    needed = ROWS_PER_DIMENSION * (width if full else 1)
    largest = min(MAX_COMPONENTS, max(1, n_codes // needed), len(np.unique(codes, axis=0)))
    sizes = [2**power for power in range(largest.bit_length()) if 2**power <= largest]
    with one_openmp_thread(), one_blas_thread():
        mixtures = [
            GaussianMixture(
                size,
                covariance_type="full" if full else "diag",
                # Relative to the codes, whose units are the user's columns'.
                reg_covar=1e-6 * float(codes.var(axis=0).mean()) + 1e-12,
                max_iter=200,
                random_state=0,
            ).fit(codes)
            for size in sizes
        ]
    return min(mixtures, key=lambda mixture: mixture.bic(codes))
