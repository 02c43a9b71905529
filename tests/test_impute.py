"""Missing cells are filled, and no other cell changes."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from frames import assert_like, draw_rows, is_missing
from tables import assert_frames_equal

from skae import AutoencoderTransformer


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


def test_impute_changes_missing_cells_only(fitted, holed):
    filled = fitted.impute(holed)
    assert_like(filled, holed, index=True)
    missing = is_missing(holed)
    assert not is_missing(filled).any()
    for i, name in enumerate(holed.columns):
        there = np.flatnonzero(~missing[:, i])
        before, after = (
            [frame[name].to_list()[row] for row in there] for frame in (holed, filled)
        )
        assert before == after, name


def test_impute_leaves_what_it_is_given_alone(fitted, holed):
    before = holed.copy() if isinstance(holed, pd.DataFrame) else holed.clone()
    fitted.impute(holed)
    assert_frames_equal(holed, before)


def test_imputed_cells_are_closer_than_mean_and_mode(transformer):
    truth, holed = draw_rows(500, 0), draw_rows(500, 0, missing=0.2)
    fitted = transformer(2, max_iter=15, refit=False, random_state=0).fit(holed)
    filled = fitted.impute(holed)
    for name in ("size", "rooms"):
        gone = holed[name].isna()
        error = (filled[name] - truth[name])[gone].abs().mean()
        by_mean = (holed[name].astype(float).mean() - truth[name])[gone].abs().mean()
        assert error < 0.5 * by_mean, name
    for name in ("city", "flag", "grade"):
        gone = holed[name].isna()
        right = (filled[name] == truth[name])[gone].mean()
        by_mode = (holed[name].mode()[0] == truth[name])[gone].mean()
        assert right > by_mode + 0.2, name


def test_array_with_holes_is_imputed_as_an_array(quick, X):
    holed = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    filled = quick().fit(holed).impute(holed)
    assert isinstance(filled, np.ndarray)
    there = ~np.isnan(holed)
    np.testing.assert_array_equal(filled[there], holed[there])
    assert np.isfinite(filled).all()


def test_impute_takes_rows_of_the_other_library(quick):
    frame = draw_rows(80, 0, missing=0.1)
    fitted = quick().fit(frame)
    found, expected = fitted.impute(pl.from_pandas(frame)), fitted.impute(frame)
    found = found if isinstance(found, pd.DataFrame) else found.to_pandas()
    np.testing.assert_array_equal(
        found.astype(str).to_numpy(), expected.astype(str).to_numpy()
    )


def test_what_fills_a_hole_does_not_depend_on_the_rows_beside_it():
    """Column a had holes in fit, column b had none."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 1)) + 0.3 * rng.normal(size=(200, 4))
    train = X.copy()
    train[::4, 0] = np.nan
    fitted = AutoencoderTransformer(2, random_state=0).fit(train)
    rows = X[:2].copy()
    rows[0, 0] = rows[1, 1] = np.nan
    together = fitted.impute(rows)
    np.testing.assert_allclose(fitted.impute(rows[:1]), together[:1], rtol=1e-9)
    np.testing.assert_allclose(fitted.impute(rows[1:]), together[1:], rtol=1e-9)
    assert np.isfinite(together).all()
