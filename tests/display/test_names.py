"""Names that are cut to what can be drawn, and can still be told."""

import numpy as np
import pytest

from skae.display import AnomalyScoreDisplay, ExplanationDisplay
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
    names = ["a", "b" * LONGEST, "", "a"]
    assert shorten(names) == names


@pytest.mark.filterwarnings("error")
def test_names_are_no_formulas(plt):
    names = ["$ per m2, $", "$x_1", "$\\frac$"]
    display = ExplanationDisplay(np.ones((1, 3)), names)
    display.plot()
    display.figure_.canvas.draw()  # a formula that cannot be read would be an error
    shown = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert shown == [name.replace("$", r"\$") for name in names]


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
