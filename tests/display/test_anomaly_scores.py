"""Scores of anomalies and their threshold."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skae.display import (
    AnomalyScoreDisplay,
)
from skae.display._style import MISSING_COLOR


@pytest.mark.parametrize("detector", [IsolationForest(random_state=0), OneClassSVM(nu=0.1)])
def test_scores_and_threshold_are_the_detectors(X, detector):
    detector = detector.fit(X)
    display = AnomalyScoreDisplay.from_estimator(detector, X)
    np.testing.assert_array_equal(display.scores, detector.score_samples(X))
    assert display.line_.get_xdata()[0] == pytest.approx(
        float(np.squeeze(detector.offset_))
    )
    assert display.n_flagged_ == (detector.decision_function(X) < 0).sum()
    assert sum(bar.get_height() for bar in display.bars_[0]) == len(X)


def test_threshold_of_a_pipeline_is_its_detectors(X):
    pipeline = make_pipeline(StandardScaler(), IsolationForest(random_state=0)).fit(X)
    display = AnomalyScoreDisplay.from_estimator(pipeline, X)
    assert display.threshold == pipeline[-1].offset_
    assert display.n_flagged_ == (pipeline.predict(X) == -1).sum()
    assert "score of IsolationForest" in display.ax_.get_xlabel()


def test_detector_of_ours(X, quick_detector):
    detector = quick_detector().fit(X)
    display = AnomalyScoreDisplay.from_estimator(detector, X)
    assert display.n_flagged_ == (detector.predict(X) == -1).sum()
    assert "AEAnomalyDetector" in display.ax_.get_xlabel()


def test_density_has_no_threshold(X):
    display = AnomalyScoreDisplay.from_estimator(GaussianMixture().fit(X), X)
    assert display.line_ is None
    assert display.ax_.get_legend() is None


@pytest.mark.parametrize("label", [1, True])
def test_a_single_label_is_not_said_to_be_of_inliers(label):
    """It may as well say that rows are anomalies."""
    display = AnomalyScoreDisplay.from_predictions(np.arange(40.0), [label] * 40)
    (text,) = display.ax_.get_legend().get_texts()
    assert text.get_text() == str(label)


def test_quarters_of_few_dates_are_called_by_their_date():
    dates = pd.to_datetime(np.resize(["2024-01-01", "2024-06-01", "2025-01-01"], 60))
    display = AnomalyScoreDisplay.from_predictions(np.arange(60.0), pd.Series(dates))
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["2024-01-01", "2024-06-01", "2025-01-01"]


def test_labels_have_histograms_of_their_own():
    scores, y = np.r_[np.zeros(90), -np.ones(10)], np.r_[np.ones(90), -np.ones(10)]
    display = AnomalyScoreDisplay.from_predictions(scores, y.astype(int), threshold=-0.5)
    assert [sum(b.get_height() for b in bars) for bars in display.bars_] == [90, 10]
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts[:2] == ["inliers (1)", "anomalies (-1)"]
    assert texts[2].replace("\n", " ") == "threshold -0.5: 10 rows (10.0%) below"


def test_a_row_far_away_stands_in_the_first_bin():
    scores = np.r_[np.linspace(0, 1, 100), -1e9]
    display = AnomalyScoreDisplay.from_predictions(scores)
    assert display.ax_.get_xlim()[0] > -10
    assert sum(bar.get_height() for bar in display.bars_[0]) == 101
    assert display.ax_.texts[0].get_text() == "1 rows score\nlower still"


def test_missing_labels_are_grey_beside_a_single_label():
    display = AnomalyScoreDisplay.from_predictions(np.arange(9.0), ["a", None, "a"] * 3)
    colors = {
        bars[0].get_label(): to_hex(bars[0].get_facecolor()) for bars in display.bars_
    }
    assert colors["missing"] == MISSING_COLOR != colors["a"]


def test_few_beside_many_have_a_logarithmic_axis():
    scores, y = np.linspace(0, 1, 100), np.arange(100) < 3
    assert AnomalyScoreDisplay.from_predictions(scores, y).ax_.get_yscale() == "log"


@pytest.mark.parametrize("params", [{"bins": 0}, {"bins": 2.5}, {"log_scale": "yes"}])
def test_bad_settings_are_an_error(params):
    ((name, value),) = params.items()
    with pytest.raises(ValueError, match=f"{name}={value!r}"):
        AnomalyScoreDisplay.from_predictions(np.arange(9.0), **params)


@pytest.mark.parametrize(
    ("scores", "y", "message"),
    [
        (np.zeros((3, 2)), None, r"scores has shape \(3, 2\)"),
        ([0.0, np.nan], None, r"scores\[1\] is nan"),
        ([0.0, 1.0], [1], r"y has shape \(1,\).*2 rows of scores.*one label"),
        ([0.0, 1.0], [[1], [2]], r"y has shape \(2, 1\)"),
    ],
)
def test_bad_scores_are_an_error(scores, y, message):
    with pytest.raises(ValueError, match=message):
        AnomalyScoreDisplay.from_predictions(scores, y)
