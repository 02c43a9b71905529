"""Mixtures of normal distributions are those of scikit-learn."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from skae.models.normal_mixture import fit_mixture

SETTINGS = {"reg_covar": 1e-4, "random_state": 0}


def _rows(n_rows, n_columns, seed=0):
    """Two clusters."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_rows, n_columns)) + 4.0 * (rng.random((n_rows, 1)) < 0.4)


def _fit(x, start, max_iter=30):
    return fit_mixture(x, start, max_iter=max_iter, regularisation=SETTINGS["reg_covar"])


def _assert_same(found, expected):
    for name, value in found._asdict().items():
        np.testing.assert_allclose(
            value, getattr(expected, f"{name}_"), rtol=1e-6, atol=1e-9
        )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("max_iter", [1, 30, 200])
@pytest.mark.parametrize(("n_columns", "size"), [(1, 2), (2, 1), (2, 8), (5, 4)])
def test_a_fit_is_that_of_scikit_learn(n_columns, size, max_iter):
    x = _rows(150, n_columns)
    theirs = GaussianMixture(size, max_iter=max_iter, **SETTINGS).fit(x)
    ours = _fit(x, size, max_iter)
    _assert_same(ours, theirs)
    more = _rows(200, n_columns, 1)
    given = {
        "weights_init": theirs.weights_ / theirs.weights_.sum(),
        "means_init": theirs.means_,
        "precisions_init": theirs.precisions_,
    }
    again = GaussianMixture(size, max_iter=10, **SETTINGS, **given).fit(more)
    assert np.abs(again.means_ - theirs.means_).max() > 0.01
    _assert_same(_fit(more, ours, 10), again)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("far", [np.inf, np.nan, 1e200])
def test_there_is_none_of_rows_too_far_apart(far):
    x = _rows(40, 2)
    mixture = _fit(x, 2)
    x[0, 0] = far
    with np.errstate(all="ignore"):
        assert _fit(x, 2) is None
        assert _fit(x, mixture) is None


def test_rows_that_are_alike_have_a_mixture():
    mixture = _fit(np.ones((20, 2)), 4)
    assert np.isfinite(np.concatenate([part.ravel() for part in mixture])).all()
    assert mixture.weights.sum() == pytest.approx(1.0)
