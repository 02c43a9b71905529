"""Names that are cut to what can be drawn, and can still be told."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from skae import AutoencoderTransformer
from skae.display import (
    AnomalyScoreDisplay,
    CodeDisplay,
    ExplanationDisplay,
    LatentTraversalDisplay,
)
from skae.display._tables import LONGEST, shorten

LONG = "average of measurement {} over all of the stations"


@pytest.mark.parametrize(
    "names",
    [
        [LONG.format(i) for i in range(40)],
        [LONG.format(i) for i in range(3)] + ["a", "another name, which is long too"],
        ["the same beginning of names, then one", "the same beginning of names, then two!"],
        ["x" * 30 + "a" + "y" * 30, "x" * 30 + "b" + "y" * 30],
    ],
)
def test_long_names_show_where_they_differ(names):
    texts = shorten(names)
    assert len(set(texts)) == len(names)
    assert max(map(len, texts)) <= LONGEST
    for text, name in zip(texts, names, strict=True):
        assert text.strip("…") in name


def test_short_names_are_as_they_are():
    names = ["a", "b" * LONGEST, " c", "a"]
    assert shorten(names) == names


def test_names_stand_in_one_line_and_those_without_a_letter_in_quotes():
    names = ["rent\nin EUR", "tab\there", "", "  ", "bell\a", "line\u2028end"]
    shown = ["rent in EUR", "tab here", '""', '"  "', "bell ", "line end"]
    assert shorten(names) == shown


@pytest.mark.filterwarnings("error")
def test_names_are_no_formulas(plt):
    names = ["$ per m2, $", "$x_1", "$\\frac$"]
    display = ExplanationDisplay(np.ones((1, 3)), names)
    display.plot()
    display.figure_.canvas.draw()  # a formula that cannot be read would be an error
    shown = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert shown == [name.replace("$", r"\$") for name in names]


def test_columns_of_any_name_have_their_curve_and_entry():
    """matplotlib leaves out of legends what begins with an underscore or is empty."""
    X = np.random.default_rng(0).normal(size=(60, 2)) @ [[1.0, 2.0, 0.0], [0.0, 1.0, -1.0]]
    frame = pd.DataFrame(X, columns=["", "_private", "two\nlines"])
    model = AutoencoderTransformer(2, max_iter=2, random_state=0).fit(frame)
    display = LatentTraversalDisplay.from_estimator(model, frame)
    legend = display.legend_ax_.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [
        '""',
        " _private",
        "two lines",
    ]
    colors = [to_hex(line.get_color()) for line in legend.get_lines()]
    assert colors == [to_hex(line.get_color()) for line in display.lines_[0]]


@pytest.mark.parametrize("size", [10, 20])
def test_new_figures_have_room_for_large_fonts(size):
    X = pd.DataFrame(
        np.random.default_rng(0).normal(size=(60, 3)),
        columns=["length of the sepal", "width of the sepal", "petals"],
    )
    model = AutoencoderTransformer(3, max_iter=2, random_state=0).fit(X)
    with mpl.rc_context({"font.size": size}):
        display = CodeDisplay.from_estimator(model, X)
        display.figure_.canvas.draw()
        for panel in display.axes_:
            assert panel.get_window_extent().width > 0.12 * display.figure_.bbox.width
            around = panel.get_tightbbox()
            assert 0 <= around.x0 < around.x1 <= display.figure_.bbox.x1


def test_scores_of_many_numbers_are_drawn_by_quarters():
    scores, y = np.arange(100.0), np.arange(100.0)[::-1].copy()
    y[:8] = np.nan
    display = AnomalyScoreDisplay.from_predictions(scores, y)
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["0 to 22", "23 to 45", "46 to 68", "69 to 91", "missing"]
    drawn = {
        bars[0].get_label(): sum(bar.get_height() for bar in bars) for bars in display.bars_
    }
    assert drawn == {**dict.fromkeys(texts[:4], 23), "missing": 8}
