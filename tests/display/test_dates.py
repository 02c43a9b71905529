"""Ticks of dates: which day, month and year they are, and that none covers another."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from skae import AutoencoderTransformer
from skae.display import LatentSpaceDisplay, LatentTraversalDisplay, ReconstructionDisplay
from skae.display._panels import format_dates

# Start, and length: what the first label and a later one say.
SPANS = {
    "hours": ("2024-03-29 07:00", "70h", "2024-Mar-30", "Apr-01"),
    "days": ("2023-10-20", "190D", "2023-Nov", "2024-Jan"),
    "minutes": ("2024-02-03 23:57:13", "10min", "2024-Feb-04 00:00", "00:05"),
    "years": ("1990-05-03", "10957D", "2000", "2020"),
    "seconds": ("2024-02-03 23:57:13", "3s", "2024-Feb-03 23:57:13", ":15"),
    "fractions": ("2024-02-03 23:57:13", "300ms", "2024-Feb-03 23:57:13", ":13.2"),
    "a new year": ("2023-12-31 19:00", "9h", "2023-Dec-31 21:00", "2024-Jan-01 00:00"),
}


def _times(span, n=60):
    start, length = SPANS[span][:2]
    return pd.Series(pd.Timestamp(start) + np.linspace(0, 1, n) * pd.Timedelta(length))


def _labels(axis):
    return [label for label in axis.get_ticklabels() if label.get_text()]


def _check_labels(axis, first, later):
    axis.axes.figure.canvas.draw()
    texts = [label.get_text() for label in _labels(axis)]
    assert texts[0] == first
    assert later in texts
    assert not axis.get_offset_text().get_text()  # which would stand over a title
    boxes = [label.get_window_extent() for label in _labels(axis)]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


@pytest.mark.parametrize("span", SPANS)
def test_ticks_beside_an_axis_say_their_dates(span, plt):
    _, ax = plt.subplots()
    ax.plot(_times(span), _times(span))
    format_dates(ax.yaxis)
    _check_labels(ax.yaxis, *SPANS[span][2:])


@pytest.mark.parametrize(
    ("span", "first", "later"),
    [
        ("hours", "30\nMar\n2024", "01\nApr"),
        ("days", "Nov\n2023", "Jan\n2024"),
        ("minutes", "00:00\nFeb-04\n2024", "00:05"),
        ("years", "2000", "2020"),
        ("seconds", ":13\n23:57\nFeb-03\n2024", ":15"),
        ("fractions", ":13\n23:57\nFeb-03\n2024", ":13.2"),
        ("a new year", "21:00\nDec-31\n2023", "00:00\nJan-01\n2024"),
    ],
)
def test_ticks_below_small_axes_say_their_dates(span, first, later, plt):
    _, ax = plt.subplots(figsize=(2.6, 1.8), layout="constrained")
    ax.plot(_times(span), np.arange(60))
    format_dates(ax.xaxis)
    ax.set_xlabel("original")
    _check_labels(ax.xaxis, first, later)
    top = ax.xaxis.label.get_window_extent().y1
    assert all(label.get_window_extent().y0 >= top for label in _labels(ax.xaxis))


def test_ticks_of_a_window_that_is_moved_say_their_dates(plt):
    _, ax = plt.subplots()
    ax.plot(_times("days"), np.arange(60))
    format_dates(ax.xaxis)
    ax.set_xlim(pd.Timestamp("2024-02-03"), pd.Timestamp("2024-02-06"))
    _check_labels(ax.xaxis, "03\nFeb\n2024", "05")


@pytest.mark.parametrize("span", SPANS)
def test_displays_say_the_dates(span):
    times = _times(span).dt.round("ms").rename("when")
    codes = np.random.default_rng(0).normal(size=(60, 2))
    first = SPANS[span][2].split("-")[0][:2]  # of the century
    bar = LatentSpaceDisplay.from_predictions(codes, times)
    alone = LatentSpaceDisplay.from_predictions(codes[:, :1], times)
    X = pd.DataFrame({"when": times, "a": codes[:, 0]})
    model = AutoencoderTransformer(1, max_iter=2, random_state=0).fit(X)
    traversal = LatentTraversalDisplay.from_estimator(model, X)
    reconstruction = ReconstructionDisplay.from_estimator(model, X)
    for axis in (
        bar.artists_[0].colorbar.ax.yaxis,
        alone.ax_.yaxis,
        traversal.dates_[0]["when"].axes.yaxis,
        reconstruction.axes_[0].xaxis,
        reconstruction.axes_[0].yaxis,
    ):
        axis.axes.figure.canvas.draw()
        text = _labels(axis)[0].get_text()
        assert text.split("\n")[-1].startswith(first), text
