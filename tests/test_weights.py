"""Row weights: what counts is how they compare with each other, not how large they are."""

from functools import lru_cache

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from registry import ESTIMATORS, make
from sklearn import config_context
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import VAETransformer
from skae.table.row_metadata import relative_weights

N_ROWS = 60
COUNTS = 1.0 + np.arange(N_ROWS) % 3
WEIGHTS = {
    "counts": COUNTS,
    "counts without a one": 2.0 * COUNTS + 1.0,
    "any": np.where(np.arange(N_ROWS) % 7, np.linspace(0.2, 2.1, N_ROWS), 0.0),
}
FACTORS = {
    "of sum 1": lambda w: w / w.sum(),
    "of mean 1": lambda w: w / w.mean(),
    "times 1000": lambda w: 1000.0 * w,
    "huge": lambda w: 1e30 * w,
    "beyond float32": lambda w: 1e250 * w,
    "tiny": lambda w: 1e-30 * w,
    "below float32": lambda w: 1e-250 * w,
    "a series": lambda w: pd.Series(w / 7.0, index=np.arange(N_ROWS)[::-1]),
    "a list": lambda w: (3.0 * w).tolist(),
}
RARE = [{"min_frequency": 5}, {"min_frequency": 0.1, "max_categories": 3}]


def _frame():
    """Levels of 2 to 30 rows, ordered and not, and numbers."""
    rng = np.random.default_rng(0)
    level = np.array(list("aaaaaaaabbbbccd"))[np.arange(N_ROWS) % 15]
    level[-3:] = "e"
    size = rng.choice(["s", "m", "l", "xl"], N_ROWS, p=[0.5, 0.3, 0.15, 0.05])
    return pd.DataFrame(
        {
            "level": level,
            "size": pd.Categorical(size, ["s", "m", "l", "xl"], ordered=True),
            "flag": rng.random(N_ROWS) < 0.1,
            "x": rng.normal(size=N_ROWS),
            "y": rng.normal(size=N_ROWS),
        }
    )


def _scores(name, params, weights):
    frame = _frame()
    if "of clones" in name:
        params = {f"estimator__{key}": value for key, value in params.items()}
    if name == "VAETransformer":
        params = {"sampler": "codes", **params}
    estimator = make(name).set_params(**params)
    return estimator.fit(frame, sample_weight=weights).score_samples(frame)


@pytest.mark.parametrize("params", RARE)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_scale_of_weights_says_nothing(name, params):
    for weights, factors in (
        (np.ones(N_ROWS), ["of sum 1"]),
        (WEIGHTS["any"], ["of sum 1", "beyond float32"]),
    ):
        expected = _scores(name, params, None if (weights == 1.0).all() else weights)
        for factor in factors:
            found = _scores(name, params, FACTORS[factor](weights))
            np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=factor)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("factor", FACTORS)
def test_every_scale_of_weights(weights, factor):
    found = _quick_scores(FACTORS[factor](WEIGHTS[weights]))
    np.testing.assert_allclose(found, _expected(weights), rtol=1e-6)


@lru_cache
def _expected(weights):
    return _quick_scores(WEIGHTS[weights])


def _quick_scores(weights):
    frame = _frame()
    estimator = VAETransformer(
        1,
        hidden_layer_sizes=4,
        max_iter=1,
        min_frequency=5,
        n_importance_samples=2,
        sampler="codes",
        random_state=0,
    )
    return estimator.fit(frame, sample_weight=weights).score_samples(frame)


@pytest.mark.parametrize("factor", [1.0, 0.1, 1000.0])
def test_whole_weights_are_rows_repeated(factor):
    """Four rows of level e, of which two would be too few."""
    frame = pd.DataFrame({"level": list("aaaaaaaabe"), "x": np.arange(10.0)})
    weights = np.array([1, 1, 1, 1, 1, 1, 1, 2, 2, 4]) * factor
    fitted = make("AutoencoderTransformer", min_frequency=3).fit(
        frame, sample_weight=weights
    )
    column = fitted._table.columns_[0]
    assert column.group.tolist() == [0, 2, 1]  # b alone is rare
    np.testing.assert_allclose(column.counts, [9.0, 2.0, 4.0])


@given(
    st.lists(st.floats(1e-6, 1e6) | st.integers(0, 9).map(float), min_size=2, max_size=9),
    st.floats(1e-200, 1e200),
)
@settings(max_examples=200, deadline=None)
def test_relative_weights_of_a_multiple_are_the_same(weights, factor):
    weights = np.array(weights)
    one, other = relative_weights(weights), relative_weights(factor * weights)
    if one is None or other is None:
        assert one is other
        return
    np.testing.assert_allclose(one, other, rtol=1e-6)
    # Their mantissas are rounded.
    np.testing.assert_allclose(one * weights.sum(), weights * one.sum(), rtol=1e-5)


def test_a_chunk_of_a_stream_has_weights_of_its_own_scale(quick):
    frame = _frame()
    one, other = quick(min_frequency=5), quick(min_frequency=5)
    for estimator, factor in ((one, 1.0), (other, 1e-9)):
        for _ in range(2):
            estimator.partial_fit(frame, sample_weight=factor * WEIGHTS["any"])
    np.testing.assert_allclose(
        one.score_samples(frame), other.score_samples(frame), rtol=1e-6
    )


@pytest.fixture
def _routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("_routing")
def test_weights_of_a_score_are_routed_and_have_no_scale(quick):
    X = np.random.default_rng(0).normal(size=(40, 4))
    y, weights = np.arange(40), np.arange(40) % 4
    scoring = quick().set_score_request(sample_weight=True)
    pipeline = make_pipeline(StandardScaler(), scoring).fit(X)
    alone, rows = pipeline[-1], pipeline[0].transform(X)
    expected = np.average(alone.score_samples(rows), weights=weights)
    for of_rows in (
        weights,
        1e-300 * weights,
        1e300 * weights,
        pd.Series(weights),
        weights.tolist(),
    ):
        assert pipeline.score(X, y, sample_weight=of_rows) == pytest.approx(
            expected, rel=1e-9
        )
        assert alone.score(rows, y, of_rows) == pytest.approx(expected, rel=1e-9)
    assert alone.score(rows, y) == alone.score(rows) != pytest.approx(expected, rel=1e-6)
