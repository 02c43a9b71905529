"""Data frames as they come: columns of every kind through the estimators and back."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from frames import CITIES, as_library, assert_like, draw_rows, is_missing
from registry import without_columns
from tables import assert_frames_equal

from skae import AutoencoderTransformer, VAETransformer


@pytest.fixture(scope="module")
def _fits():
    return {}


@pytest.fixture
def fitted(_fits, quick, transformer, library, holed):
    """One fit of each transformer on the rows of each library, to be left as it is."""
    key = transformer, library
    if key not in _fits:
        _fits[key] = quick().fit(holed)
    return _fits[key]


def test_codes_of_a_frame_are_an_array(fitted, holed):
    codes = fitted.transform(holed)
    assert isinstance(codes, np.ndarray)
    assert codes.shape == (150, 2)
    assert codes.dtype == np.float64
    assert np.isfinite(codes).all()
    assert fitted.score_samples(holed).shape == (150,)
    assert np.isfinite(fitted.score_samples(holed)).all()


def test_inverse_transform_gives_the_columns_back(fitted, holed):
    restored = fitted.inverse_transform(fitted.transform(holed))
    assert_like(restored, holed)
    assert not is_missing(restored).any()


def test_restored_rows_are_close_to_the_rows(transformer, library):
    frame = draw_rows(250, 0)
    params = {"max_iter": 20, "refit": False, "random_state": 0}
    fitted = without_columns(transformer, 2, **params)
    fitted.fit(as_library(library, frame))
    restored = fitted.inverse_transform(fitted.transform(as_library(library, frame)))
    restored = restored if library == "pandas" else restored.to_pandas()
    for name in ("city", "grade", "flag"):
        assert np.mean(restored[name].to_numpy() == frame[name].to_numpy()) > 0.9, name
    days = (restored["day"].to_numpy() - frame["day"].to_numpy()) / np.timedelta64(1, "D")
    assert np.abs(days).mean() < 30  # of 600
    assert np.abs(restored["size"].to_numpy() - frame["size"].to_numpy()).mean() < 1.5


def test_sampled_rows_are_rows_of_the_frame(fitted, holed):
    rows = fitted.sample(40, random_state=0)
    assert_like(rows, holed)
    assert len(rows) == 40
    assert not is_missing(rows).any()
    assert_frames_equal(fitted.sample(40, random_state=0), rows)
    assert set(rows["city"]) <= set(CITIES)


def test_whole_numbers_are_sampled_within_their_dtype(transformer, library):
    """A density reaches below 0; unsigned numbers do not."""
    rng = np.random.default_rng(0)
    count = pd.Series(rng.poisson(1.0, 200), dtype="UInt8")
    frame = as_library(library, pd.DataFrame({"count": count, "x": rng.normal(size=200)}))
    rows = transformer(2, max_iter=4, random_state=0).fit(frame).sample(500, random_state=0)
    assert_like(rows, frame)
    assert rows["count"].min() == 0


@pytest.mark.parametrize("cls", [AutoencoderTransformer, VAETransformer])
def test_samples_draw_categories_in_their_shares(cls):
    rng = np.random.default_rng(0)
    shares = {"a": 0.6, "b": 0.3, "c": 0.1}
    letters = rng.choice(list(shares), 600, p=list(shares.values()))
    frame = pd.DataFrame({"letter": letters, "x": rng.normal(size=600)})
    rows = cls(1, max_iter=8, random_state=0).fit(frame).sample(4000, random_state=0)
    found = rows["letter"].value_counts(normalize=True)
    for letter, share in shares.items():
        assert found[letter] == pytest.approx(share, abs=0.06)


def test_samples_keep_columns_together(transformer):
    """Size and city follow one number: samples must not mix them."""
    frame = draw_rows(400, 0)
    fitted = transformer(2, max_iter=20, refit=False, random_state=0).fit(frame)
    rows = fitted.sample(600, random_state=0)
    means = rows.groupby("city", observed=True)["size"].mean()
    assert means["Rome"] < 46 < means["Oslo"] < 54 < means["Lima"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("frame_type", [pd.DataFrame, pl.DataFrame])
def test_numbers_in_a_frame_are_numbers_in_an_array(quick, X, dtype, frame_type):
    X = X.astype(dtype)
    frame = frame_type({name: X[:, i] for i, name in enumerate("abcde")})
    one, other = quick().fit(X), quick().fit(frame)
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(frame))
    codes, same = one.transform(X), other.transform(frame)
    np.testing.assert_array_equal(codes, same)
    assert codes.dtype == same.dtype == dtype
    np.testing.assert_array_equal(
        one.inverse_transform(codes), other.inverse_transform(codes).to_numpy()
    )


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_array_after_a_frame_of_numbers(quick_any, X):
    """As everywhere in scikit-learn: a warning, and the numbers are taken."""
    estimator = quick_any().fit(pd.DataFrame(X, columns=list("abcde")))
    expected = estimator.score_samples(pd.DataFrame(X, columns=list("abcde")))
    np.testing.assert_array_equal(estimator.score_samples(X), expected)


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_frame_of_numbers_after_an_array(quick_any, X):
    estimator = quick_any().fit(X)
    frame = pd.DataFrame(X, columns=list("abcde"))
    np.testing.assert_array_equal(
        estimator.score_samples(frame), estimator.score_samples(X)
    )


def test_columns_with_numbers_for_names(quick_any, X):
    """What `pd.DataFrame(X)` makes."""
    named = pd.DataFrame(X, columns=list("abcde"))
    estimator = quick_any().fit(pd.DataFrame(X))
    np.testing.assert_array_equal(
        estimator.score_samples(pd.DataFrame(X)),
        quick_any().fit(named).score_samples(named),
    )


def test_rows_of_the_other_library_are_the_same_rows(quick_any):
    frame = draw_rows(80, 0)
    estimator = quick_any().fit(frame)
    np.testing.assert_array_equal(
        estimator.score_samples(pl.from_pandas(frame)), estimator.score_samples(frame)
    )


def test_arrow_table(quick_any):
    """Anything that narwhals reads."""
    frame = draw_rows(60, 0, missing=0.1)[["size", "grade", "flag"]]
    types = {"size": pa.float64(), "grade": pa.string(), "flag": pa.bool_()}
    table = pl.from_pandas(frame).to_arrow().cast(pa.schema(types))
    estimator = quick_any().fit(table)
    contributions, expected = estimator.explain(table, expected=True)
    assert type(contributions) is type(expected) is type(table)
    assert expected.schema == table.schema


def test_rows_do_not_depend_on_their_neighbours(quick_any, library):
    """Row 0 alone has a hole; the others are complete with it and without."""
    frame = draw_rows(60, 0)
    frame.loc[frame.index[0], "size"] = np.nan
    frame = as_library(library, frame)
    estimator = quick_any().fit(frame)
    expected = estimator.score_samples(frame)
    for part in (slice(0, 1), slice(7, 8), slice(1, 60)):
        found = estimator.score_samples(frame[part])
        np.testing.assert_allclose(found, expected[part], rtol=1e-9)
