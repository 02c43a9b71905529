"""Tables that break other packages: tiny, flat, wide, huge, repeated."""

import numpy as np
import pandas as pd
import pytest
from registry import TRANSFORMERS, make, without_columns
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from skae import AEAnomalyDetector, AutoencoderTransformer, VAETransformer

COLLAPSED = (
    "ignore:.*latent dimensions have collapsed:sklearn.exceptions.ConvergenceWarning"
)
UNUSED = "ignore:Only .* of the codebook is in use:sklearn.exceptions.ConvergenceWarning"
UNLIKE = "ignore:The generated rows are near:sklearn.exceptions.ConvergenceWarning"
AT_START = "ignore:The fit stays at its start:sklearn.exceptions.ConvergenceWarning"
TOO_FEW = "ignore:.*too few to hold any out:UserWarning"
pytestmark = [
    pytest.mark.filterwarnings("error"),
    *map(pytest.mark.filterwarnings, (COLLAPSED, UNUSED, UNLIKE, AT_START, TOO_FEW)),
]
RNG = np.random.default_rng(0)


def _constant_columns():
    X = RNG.normal(size=(40, 4))
    X[:, 1], X[:, 3] = 0.0, 1e8
    return X


def _huge_cell():
    X = RNG.normal(size=(40, 4))
    X[7, 2] = 1e30
    return X


TABLES = {
    "2 rows": RNG.normal(size=(2, 4)),
    "3 rows": RNG.normal(size=(3, 4)),
    "5 rows": RNG.normal(size=(5, 4)),
    "1 column": RNG.normal(size=(40, 1)),
    "2 rows, 1 column": np.array([[1.0], [2.0]]),
    "wide": RNG.normal(size=(10, 50)),
    "constant columns": _constant_columns(),
    "nothing but constants": np.full((30, 3), 7.0),
    "2 equal rows": np.ones((2, 3)),
    "repeated rows": np.repeat(RNG.normal(size=(4, 3)), 20, axis=0),
    "two values": RNG.integers(0, 2, size=(60, 4)).astype(float),
    "a cell of 1e30": _huge_cell(),
    "all of about 1e30": 1e30 * RNG.normal(size=(40, 4)),
    "all of about 1e-30": 1e-30 * RNG.normal(size=(40, 4)),
    "far from zero": 1e12 + RNG.normal(size=(40, 4)),
    "last batch of one row": RNG.normal(size=(33, 4)),
}
FAR = [1e-3, 1.0, 1e6, 1e30, -1e30]


def _rows(table):
    """The table itself and rows far away from it."""
    far = np.outer(FAR, np.ones(table.shape[1]))
    return np.vstack([table, table + far[:1], far])


def _fits():
    """Yield fits of every table, of few codes and of many, and all pairs of settings."""
    for k, table in enumerate(TABLES):
        for n_components, dtype in ((1, np.float32), (6, np.float64)):
            yield table, n_components, dtype, (n_components == 1) == bool(k % 2)


@pytest.mark.parametrize(("table", "n_components", "dtype", "early_stopping"), _fits())
def test_transformer_gives_finite_outputs(
    transformer, table, n_components, dtype, early_stopping
):
    table = TABLES[table]
    fitted = transformer(
        n_components, max_iter=3, early_stopping=early_stopping, random_state=0
    ).fit(table.astype(dtype))
    rows = _rows(table).astype(dtype)
    codes = fitted.transform(rows)
    restored = fitted.inverse_transform(codes)
    assert codes.shape == (len(rows), n_components)
    assert restored.shape == rows.shape
    for output in (codes, restored, fitted.score_samples(rows), fitted.loss_curve_):
        assert np.isfinite(output).all()
    assert np.isfinite(fitted.sample(3, random_state=0)).all()


@pytest.mark.parametrize("table", TABLES)
def test_detector_gives_finite_scores(table):
    table = TABLES[table]
    fitted = AEAnomalyDetector(n_estimators=2, random_state=0).fit(table)
    rows = _rows(table)
    assert np.isfinite(fitted.offset_)
    assert np.isfinite(fitted.score_samples(rows)).all()
    assert set(fitted.predict(rows)) <= {1, -1}


def test_one_row_can_be_scored(quick_any, X):
    fitted = quick_any().fit(X)
    for row in X[:5]:
        assert np.isfinite(fitted.score_samples(row[None])).all()


@pytest.mark.parametrize("n_components", [4, 5, 9])
def test_as_many_codes_as_columns_restore_the_rows(n_components):
    X = load_iris().data
    fitted = AutoencoderTransformer(n_components, random_state=0).fit(X)
    restored = fitted.inverse_transform(fitted.transform(X))
    np.testing.assert_allclose(restored, X, atol=0.02)


def test_all_components_of_two_rows_restore_them():
    X = np.array([[1.0, 5.0, -2.0], [2.0, 3.0, -2.0]])
    fitted = AutoencoderTransformer(1, max_iter=5, random_state=0).fit(X)
    np.testing.assert_allclose(fitted.inverse_transform(fitted.transform(X)), X, atol=1e-4)


def test_wide_table_is_not_worse_than_pca():
    factors = RNG.normal(size=(60, 3))
    X = factors @ RNG.normal(size=(3, 200)) + 0.3 * RNG.normal(size=(60, 200))
    scaler = StandardScaler().fit(X[:40])
    train, test = scaler.transform(X[:40]), scaler.transform(X[40:])
    pca = PCA(3).fit(train)
    expected = -np.mean((test - pca.inverse_transform(pca.transform(test))) ** 2)
    fitted = AutoencoderTransformer(3, random_state=0).fit(train)
    assert fitted.score(test) > 1.005 * expected  # scores are negative


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8, -1e30])
def test_constant_column_costs_nothing(value):
    """It is restored exactly and leaves the other columns' codes as they were."""
    X = np.random.default_rng(0).normal(size=(100, 3))
    flat = np.column_stack([X, np.full(100, value)])
    fitted = AutoencoderTransformer(2, max_iter=4, random_state=0).fit(flat)
    restored = fitted.inverse_transform(fitted.transform(flat))
    np.testing.assert_allclose(restored[:, 3], value, rtol=1e-6)
    start = AutoencoderTransformer(2, max_iter=1, learning_rate_init=1e-30).fit(X)
    expected = start.inverse_transform(start.transform(X))
    with_flat = AutoencoderTransformer(2, max_iter=1, learning_rate_init=1e-30).fit(flat)
    found = with_flat.inverse_transform(with_flat.transform(flat))[:, :3]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_constant_column_flags_a_row_only_when_it_moves():
    X = np.random.default_rng(0).normal(size=(300, 3))
    X[:, 1] = 5.0
    fitted = AEAnomalyDetector(contamination=0.0, random_state=0).fit(X)
    fresh = np.random.default_rng(1).normal(size=(300, 3))
    fresh[:, 1] = 5.0
    assert np.mean(fitted.predict(fresh) == -1) < 0.06
    fresh[:, 1] = 25.0
    assert np.mean(fitted.predict(fresh) == -1) > 0.9


@pytest.mark.parametrize("n_rows", [33, 65, 97])
@pytest.mark.parametrize("batch_size", [32])
def test_last_batch_of_one_row_is_trained_on(transformer, n_rows, batch_size):
    X = np.random.default_rng(0).normal(size=(n_rows, 4))
    params = {"early_stopping": False, "max_iter": 2, "random_state": 0}
    fitted = without_columns(transformer, 2, batch_size=batch_size, **params).fit(X)
    assert np.isfinite(fitted.loss_curve_).all()


def test_batch_larger_than_the_table_is_one_batch(transformer, X):
    params = {"max_iter": 3, "random_state": 0, "early_stopping": False}
    one = without_columns(transformer, 2, batch_size=120, **params).fit(X)
    other = without_columns(transformer, 2, batch_size=10_000, **params).fit(X)
    np.testing.assert_array_equal(one.transform(X), other.transform(X))


def test_repeated_rows_score_alike(quick_any):
    X = np.repeat(np.random.default_rng(0).normal(size=(10, 3)), 12, axis=0)
    scores = quick_any().fit(X).score_samples(X).reshape(10, 12)
    np.testing.assert_allclose(scores, np.repeat(scores[:, :1], 12, axis=1), rtol=1e-9)


@pytest.mark.parametrize("rows", [np.ones((20, 3)), np.arange(6.0).reshape(2, 3)])
def test_detector_says_when_no_row_can_be_held_out(rows):
    with pytest.warns(UserWarning, match=r"rows, \d of them distinct, are too few"):
        AEAnomalyDetector(n_estimators=2, random_state=0).fit(rows)


def test_one_weighted_row_is_no_error(transformer, X):
    weights = np.zeros(len(X))
    weights[3] = 1.0
    fitted = transformer(1, max_iter=2, random_state=0).fit(X, sample_weight=weights)
    codes = fitted.transform(X[3:4])
    np.testing.assert_allclose(fitted.inverse_transform(codes), X[3:4], rtol=1e-4)


@pytest.mark.parametrize(
    "estimator", [VAETransformer(2, max_iter=2), VAETransformer(9, max_iter=9)]
)
def test_collapse_of_a_flat_table_is_said(estimator):
    with pytest.warns(ConvergenceWarning, match="latent dimensions have collapsed"):
        estimator.fit(np.full((50, 3), 2.0))
    assert estimator.n_active_components_ == 0


@pytest.mark.parametrize("groups", [None, [0] * 10 + [1]])
@pytest.mark.parametrize(
    "detector",
    [
        AEAnomalyDetector(n_estimators=2, random_state=0),
        AEAnomalyDetector(AutoencoderTransformer(1, max_iter=1), n_estimators=2),
    ],
)
def test_all_rows_but_one_are_alike(detector, groups):
    """A fold without them would leave a single row to learn from."""
    rows = np.zeros((11, 2))
    rows[10] = 1.0
    with pytest.warns(
        UserWarning, match="11 rows, 2 of them distinct, are too few to hold"
    ):
        detector.fit(rows, groups=groups)
    assert detector.n_folds_ == 1
    assert np.isfinite(detector.score_samples(rows)).all()


@pytest.mark.parametrize("name", [*TRANSFORMERS, "GANSampler", "AEAnomalyDetector"])
@pytest.mark.parametrize(
    ("levels", "settings"), [("aaaa", {}), ("aaab", {"min_frequency": 3})]
)
def test_ordered_columns_of_one_level_leave_nothing_to_learn(name, levels, settings):
    if not settings.keys() <= make(name).get_params().keys():
        pytest.skip("has no such parameter")
    frame = pd.DataFrame({"grade": pd.Categorical(list(levels), ordered=True)})
    with pytest.raises(
        ValueError, match=r"Columns \['grade'\] are ordered and hold a single"
    ):
        make(name, **settings).fit(frame)
    plain = make(name, ordinal_features=None, **settings).fit(frame)
    assert np.isfinite(plain.score_samples(frame)).all()
