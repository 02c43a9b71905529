import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from skae import _table
from skae._table import TableEncoder


def _fit(X, rows=None, sample_weight=None, scale=True):
    return TableEncoder(scale).fit(X, rows, sample_weight)


def _encode(table, X, dtype=np.float64):
    """Return the design matrix of rows without missing cells."""
    design, cells = table.encode(X, dtype)
    assert cells is None
    return design


def test_columns_are_standardised(X):
    np.testing.assert_allclose(
        _encode(_fit(X), X), StandardScaler().fit_transform(X), atol=1e-12
    )


def test_one_unit_for_all_columns_without_scaling(X):
    design = _encode(_fit(X, scale=False), X)
    np.testing.assert_allclose(design.var(axis=0).mean(), 1.0)
    shares = X.var(axis=0) / X.var(axis=0).sum()
    np.testing.assert_allclose(design.var(axis=0) / design.var(axis=0).sum(), shares)


@pytest.mark.parametrize("scale", [True, False])
def test_decode_takes_back_what_encode_does(X, scale):
    table = _fit(X, scale=scale)
    np.testing.assert_allclose(table.decode(_encode(table, X), np.float64), X, rtol=1e-12)


@pytest.mark.parametrize("scale", [True, False])
def test_constant_column_is_encoded_as_zero(X, scale):
    X = X.copy()
    X[:, 2] = 0.1
    table = _fit(X, scale=scale)
    design = _encode(table, X, np.float32)
    np.testing.assert_allclose(design[:, 2], 0.0, atol=1e-6)
    np.testing.assert_allclose(table.decode(design, np.float64)[:, 2], 0.1)


def test_only_the_given_rows_are_learned_from(X):
    spoilt = X.copy()
    spoilt[::2] = 1e6
    odd = np.arange(1, len(X), 2)
    table, expected = _fit(spoilt, rows=odd), _fit(X[1::2])
    np.testing.assert_array_equal(table.center_, expected.center_)
    np.testing.assert_array_equal(table.scale_, expected.scale_)


def test_weight_of_two_is_a_row_twice(X):
    counts = 1 + np.arange(len(X)) % 3
    weighted = _fit(X, sample_weight=counts.astype(float))
    repeated = _fit(np.repeat(X, counts, axis=0))
    np.testing.assert_allclose(weighted.center_, repeated.center_, rtol=1e-12)
    np.testing.assert_allclose(weighted.scale_, repeated.scale_, rtol=1e-12)
    assert not np.allclose(weighted.center_, _fit(X).center_)


def test_log_jacobian_is_that_of_the_encoding(X):
    table = _fit(X)
    step = np.eye(X.shape[1])
    slopes = _encode(table, step) - _encode(table, 0 * step)
    np.testing.assert_allclose(table.log_jacobian_, np.log(np.diag(slopes)))


@pytest.mark.parametrize("weighted", [True, False])
def test_block_size_does_not_matter(X, weighted, monkeypatch):
    weights = np.linspace(0.1, 2.0, len(X)) if weighted else None
    rows = np.random.default_rng(0).permutation(len(X))
    whole = _fit(X, rows, weights)
    expected, _ = whole.encode_rows(X, rows)
    monkeypatch.setattr(_table, "BLOCK", 7)
    table = _fit(X, rows, weights)
    np.testing.assert_allclose(table.center_, whole.center_, rtol=1e-10)
    np.testing.assert_allclose(table.scale_, whole.scale_, rtol=1e-10)
    np.testing.assert_array_equal(whole.encode_rows(X, rows)[0], expected)


def test_offsets_cost_no_precision():
    """In float32, 1e6 + N(0, 1) would be rounded to sixteenths."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 1))
    table = _fit(X + 1e6)
    np.testing.assert_allclose(
        _encode(table, X + 1e6, np.float32), _encode(_fit(X), X), atol=1e-5
    )


@pytest.mark.filterwarnings("error")
def test_squares_of_huge_cells_stay_finite(X):
    design = _encode(_fit(X), np.full((1, X.shape[1]), 1e300), np.float32)
    assert np.isfinite(np.square(design)).all()
    assert (design > 1e10).all()


@pytest.mark.filterwarnings("error")
def test_column_beyond_float64_is_named(X):
    X = X.copy()
    X[3, 2] = 1e200
    with pytest.raises(ValueError, match=r"'x2'.*1e\+200.*divide the column"):
        _fit(X)
