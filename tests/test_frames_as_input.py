"""What scikit-learn users do with estimators, done on data frames."""

import pickle

import numpy as np
import pandas as pd
import pytest
from frames import as_library, draw_rows, independent_levels
from registry import TRANSFORMERS, with_columns
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from tables import assert_frames_equal


@pytest.fixture(scope="module")
def _fits():
    return {}


@pytest.fixture
def estimator(request, _fits, library, quick_any, holed):
    """One fit of each estimator on the rows of each library, to be left as it is."""
    key = request.node.callspec.params["quick_any"], library
    if key not in _fits:
        _fits[key] = with_columns(quick_any()).fit(holed)
    return _fits[key]


def _of_short_training(quick_any):
    return quick_any() if quick_any().max_iter is None else quick_any(max_iter=1)


def test_pickled_fit_on_a_frame(estimator, holed):
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(
        again.score_samples(holed), estimator.score_samples(holed)
    )
    if hasattr(estimator, "sample"):
        assert_frames_equal(
            again.sample(5, random_state=0), estimator.sample(5, random_state=0)
        )
    if hasattr(estimator, "impute"):
        assert_frames_equal(again.impute(holed), estimator.impute(holed))


def test_pickle_holds_no_rows_of_a_frame(quick_any):
    """Levels are kept, and a frame of no rows; a detector keeps a score a row."""
    frame = draw_rows(3200, 0)
    small, large = (
        len(pickle.dumps(with_columns(_of_short_training(quick_any)).fit(frame[:n])))
        for n in (2200, 3200)
    )
    # One column of 1000 rows beside the scores would be 8,000 bytes more.
    assert large - small < 20_000


def test_clone_fits_a_frame_to_the_same_bits(estimator, holed):
    again = clone(estimator).fit(holed)
    np.testing.assert_array_equal(
        again.score_samples(holed), estimator.score_samples(holed)
    )


def test_refit_on_another_frame_forgets_the_first(estimator, quick_any, holed):
    again = quick_any().fit(independent_levels()).fit(holed)
    np.testing.assert_array_equal(
        again.score_samples(holed), estimator.score_samples(holed)
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_codes_of_a_frame_feed_a_classifier(quick, transformer):
    """Each by one library: `test_frames` says that those of the other are the same rows."""
    library = ("pandas", "polars")[list(TRANSFORMERS).index(transformer.__name__) % 2]
    frame = draw_rows(200, 0, missing=0.1)
    y = (draw_rows(200, 0)["size"] > 50.0).to_numpy()
    columns = frame.drop(columns="size")
    pipeline = make_pipeline(quick(), LogisticRegression())
    search = GridSearchCV(pipeline, {f"{pipeline.steps[0][0]}__n_components": [1, 2]}, cv=2)
    search.fit(as_library(library, columns), y)
    assert search.score(as_library(library, columns), y) > 0.85


def test_set_output_keeps_the_index(quick):
    frame = draw_rows(60, 0)
    codes = quick().set_output(transform="pandas").fit_transform(frame)
    pd.testing.assert_index_equal(codes.index, frame.index)


def test_feature_names_are_those_of_the_frame(estimator, holed):
    assert list(estimator.feature_names_in_) == list(holed.columns)


@pytest.mark.filterwarnings("ignore:The generated rows are near")
@pytest.mark.filterwarnings("ignore:The fit stays at its start")
@pytest.mark.filterwarnings("error")
def test_frames_are_left_alone(quick_any, library):
    frame = as_library(library, draw_rows(60, 0, missing=0.1))
    before = frame.copy() if library == "pandas" else frame.clone()
    estimator = quick_any().fit(frame)
    for method in ("transform", "score_samples", "explain", "impute", "predict"):
        getattr(estimator, method, len)(frame)
    assert_frames_equal(frame, before)


def test_weight_zero_leaves_rows_of_a_frame_out(quick_any, library):
    frame = draw_rows(90, 0)
    weights = np.where(np.arange(90) % 3 == 0, 0.0, 1.0)
    spoilt = frame.copy()
    spoilt.loc[spoilt.index[::3], "size"] = 1e6
    one = quick_any().fit(as_library(library, spoilt), sample_weight=weights)
    other = quick_any().fit(
        as_library(library, frame[weights > 0]), sample_weight=weights[weights > 0]
    )
    np.testing.assert_allclose(
        one.score_samples(as_library(library, frame)),
        other.score_samples(as_library(library, frame)),
        rtol=1e-9,
    )
