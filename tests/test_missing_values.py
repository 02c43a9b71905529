"""Missing cells cost nothing and say nothing."""

import warnings

import numpy as np
import pandas as pd
import pytest
from frames import as_library, assert_like, draw_rows, is_missing
from registry import without_columns
from scipy.stats import multivariate_normal

from skae import AutoencoderTransformer, VAETransformer


def test_missing_cells_cost_nothing(X):
    """The score is the mean over the observed cells, and no one else's."""
    holed = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
    fitted = AutoencoderTransformer(2, max_iter=4, random_state=0).fit(holed)
    missed = fitted.inverse_transform(fitted.transform(holed)) - holed
    expected = -np.nanmean((missed / np.nanstd(holed, axis=0)) ** 2, axis=1)
    np.testing.assert_allclose(fitted.score_samples(holed), expected, rtol=1e-6)


def test_density_of_the_observed_cells_is_that_of_their_columns(ppca):
    """Leaving a cell out is integrating it out."""
    rng = np.random.default_rng(0)
    train = np.where(rng.random(ppca.train.shape) < 0.1, np.nan, ppca.train)
    vae = VAETransformer(2, sampler="codes", max_iter=30, random_state=0).fit(train)
    test = ppca.test[:1000].copy()
    test[:, 4] = np.nan
    kept = [0, 1, 2, 3, 5]
    covariance = ppca.covariance[np.ix_(kept, kept)]
    truth = multivariate_normal(ppca.mean[kept], covariance).logpdf(test[:, kept])
    assert vae.score(test) == pytest.approx(truth.mean(), abs=0.25)


def test_holes_of_every_kind_are_alike(quick_any):
    frame = draw_rows(60, 0)[["size", "grade"]].astype({"grade": object})
    holed = frame.copy()
    holed.loc[holed.index[::4], "grade"] = None
    estimator = quick_any().fit(holed)
    expected = estimator.score_samples(holed)
    for hole in (None, np.nan, pd.NA, pd.NaT):
        holed["grade"] = pd.Series(
            [hole if row % 4 == 0 else cell for row, cell in enumerate(frame["grade"])],
            dtype=object,
            index=frame.index,
        )
        np.testing.assert_array_equal(estimator.score_samples(holed), expected)


def test_wholly_missing_row_has_about_the_average_code(transformer, library):
    frame = as_library(library, draw_rows(300, 0, missing=0.1))
    fitted = without_columns(transformer, 2, max_iter=10, random_state=0).fit(frame)
    nothing = as_library(library, draw_rows(300, 0, missing=1.1))[:2]
    codes = fitted.transform(frame)
    code = fitted.transform(nothing)
    assert np.isfinite(code).all()
    assert (np.abs(code - codes.mean(axis=0)) < 1.5 * codes.std(axis=0)).all()


def test_wholly_missing_row_has_a_score(quick_any, library):
    frame = as_library(library, draw_rows(100, 0, missing=0.1))
    estimator = quick_any().fit(frame)
    nothing = as_library(library, draw_rows(100, 0, missing=1.1))[:2]
    scores = estimator.score_samples(nothing)
    assert np.isfinite(scores).all()
    assert scores[0] == scores[1]
    # Nothing is known of the row that could make it an anomaly.
    ordinary = estimator.score_samples(frame)
    if isinstance(estimator, VAETransformer):
        assert scores[0] == pytest.approx(0.0, abs=1.0)  # the density of no cells is 1
    else:
        assert scores[0] > np.quantile(ordinary, 0.25)
    explained = np.asarray(estimator.explain(nothing))
    np.testing.assert_allclose(explained, 0.0, atol=1e-6)


def test_wholly_missing_column_says_nothing(quick_any):
    """What it holds later changes neither code nor score, and it comes back as missing."""
    frame = draw_rows(80, 0).assign(lost=np.nan, gone=pd.Series([None] * 80, dtype="str"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = quick_any().fit(frame)
    later = frame.assign(lost=np.arange(80.0), gone="here")
    assert np.isfinite(estimator.score_samples(later)).all()
    np.testing.assert_array_equal(
        estimator.score_samples(later), estimator.score_samples(frame)
    )
    explained = estimator.explain(later)
    assert (explained[["lost", "gone"]] == 0.0).all(axis=None)


def test_wholly_missing_columns_are_warned_of(quick_any):
    frame = draw_rows(80, 0).assign(lost=np.nan, gone=pd.Series([None] * 80, dtype="str"))
    with pytest.warns(UserWarning, match=r"'lost', 'gone'"):
        quick_any().fit(frame)


def test_wholly_missing_column_comes_back_missing(quick, library):
    frame = draw_rows(80, 0).assign(lost=np.nan, gone=pd.Series([None] * 80, dtype="str"))
    frame = as_library(library, frame)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = quick()
        if hasattr(fitted, "sampler"):
            fitted.set_params(sampler="columns")
        fitted.fit(frame)
    for rows in (
        fitted.inverse_transform(fitted.transform(frame)),
        fitted.sample(5, random_state=0),
        fitted.impute(frame),
    ):
        assert_like(rows, frame)
        missing = is_missing(rows)
        assert missing[:, -2:].all()
        assert not missing[:, :-2].any()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", ["robust", "quantile"])
def test_wholly_missing_column_is_warned_of_once(scale):
    frame = draw_rows(80, 0).assign(lost=np.nan)
    with pytest.warns(UserWarning, match="lost") as caught:
        AutoencoderTransformer(2, max_iter=2, scale=scale, random_state=0).fit(frame)
    assert len(caught) == 1


@pytest.mark.filterwarnings("error")
def test_subsets_that_lack_a_column_are_no_news(quick_detector):
    """A column with few cells: some networks of the detector see none of them."""
    frame = draw_rows(100, 0)
    frame.loc[frame.index[3:], "other"] = np.nan
    scores = quick_detector(max_samples=20).fit(frame).score_samples(frame)
    assert np.isfinite(scores).all()


def test_object_column_may_be_missing_in_a_few_rows_alone(quick_any):
    """Which kind None is nobody can tell from the row."""
    flags = pd.Series([True, None, False] * 30, dtype=object)
    frame = pd.DataFrame({"flag": flags, "x": np.arange(90.0)})
    estimator = quick_any().fit(frame)
    alone = estimator.score_samples(frame.iloc[[1]])
    np.testing.assert_allclose(alone, estimator.score_samples(frame)[[1]], rtol=1e-9)


def test_partial_fit_with_holes_that_come_later(quick, library):
    complete, holed = draw_rows(100, 0), draw_rows(100, 1, missing=0.2)
    estimator = quick().partial_fit(as_library(library, complete))
    estimator.partial_fit(as_library(library, holed))
    assert np.isfinite(estimator.score_samples(as_library(library, holed))).all()
    assert not is_missing(estimator.impute(as_library(library, holed))).any()
