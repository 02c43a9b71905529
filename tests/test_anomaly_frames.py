"""The detector on data frames."""

import numpy as np
import pytest
from frames import as_library, draw_rows, independent_levels, planted_errors

from skae import AEAnomalyDetector

pytestmark = pytest.mark.rounding


@pytest.mark.parametrize(("library", "missing"), [("pandas", 0.1), ("polars", 0.0)])
def test_detector_finds_wrong_cells(library, missing):
    """A city that contradicts the size is no rare city and no far size."""
    planted = planted_errors(200)
    wrong, ordinary = planted.wrong[planted.names == "city"], draw_rows(300, 5)
    detector = AEAnomalyDetector(random_state=0, n_estimators=4)
    detector.fit(as_library(library, draw_rows(300, 0, missing)))
    low = detector.score_samples(as_library(library, wrong))
    usual = detector.score_samples(as_library(library, ordinary))
    assert np.median(low) < np.quantile(usual, 0.05)


def test_ordinary_row_scores_about_minus_one(quick_detector, library):
    detector = quick_detector().fit(as_library(library, draw_rows(300, 0, missing=0.1)))
    scores = detector.score_samples(as_library(library, draw_rows(300, 1, missing=0.1)))
    assert (scores <= 0.0).all()
    assert np.median(scores) == pytest.approx(-1.0, abs=0.15)


def test_detector_networks_know_the_levels_of_all_rows(quick_detector, library):
    """A level of three rows in a hundred is missing in most subsets of ten."""
    frame = independent_levels(300)
    detector = quick_detector(max_samples=10).fit(as_library(library, frame))
    rare, unknown = (
        detector.score_samples(as_library(library, frame.assign(level=level)))
        for level in ("rare", "never seen")
    )
    assert np.isfinite(rare).all()
    assert unknown.mean() <= rare.mean()
    again = quick_detector(max_samples=10).fit(as_library(library, frame))
    np.testing.assert_array_equal(
        again.predict(as_library(library, frame)),
        detector.predict(as_library(library, frame)),
    )
