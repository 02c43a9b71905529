"""What codes mean, as bars."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_hex

from skae.display import CodeDisplay
from skae.display.codes import LEVELS, NUMBERS


def test_bars_are_the_strongest_effects(mixed, fitted):
    description = fitted.describe_codes(mixed)
    display = CodeDisplay.from_estimator(fitted, mixed, max_bars=4)
    assert len(display.bars_) == 2
    for code, (panel, bars) in enumerate(zip(display.axes_, display.bars_, strict=True)):
        part = description[description["code"] == code].iloc[:4]
        widths = [bar.get_width() for bar in bars]
        np.testing.assert_allclose(widths, part["effect"])
        labels = [label.get_text() for label in panel.get_yticklabels()]
        assert [label.split(" = ")[0] for label in labels] == part["column"].tolist()
        for bar, level in zip(bars, part["level"], strict=True):
            expected = NUMBERS if level is None else LEVELS
            assert to_hex(bar.get_facecolor()) == expected
        assert f"{part['explained'].iloc[0]:.0%}" in panel.get_title()
        low, high = panel.get_ylim()
        assert low > high  # the strongest on top
        assert panel.get_xlabel() == "change"


@pytest.mark.parametrize("layout", [None, "constrained"])
@pytest.mark.parametrize("codes", [[0], [0, 1]])
def test_names_of_bars_do_not_touch_in_a_small_place(mixed, fitted, plt, layout, codes):
    figure, axes = plt.subplots(2, 2, layout=layout)
    display = CodeDisplay.from_predictions(
        fitted.describe_codes(mixed), components=codes, ax=axes[0, 0]
    )
    figure.canvas.draw()
    for panel, bars in zip(display.axes_, display.bars_, strict=True):
        boxes = [label.get_window_extent() for label in panel.get_yticklabels()]
        assert len(boxes) == len(bars) >= 2
        for upper, lower in pairwise(boxes):
            assert upper.y0 >= lower.y1
    # What is left are the strongest, and one axis is for all.
    assert display.axes_[-1].get_xlabel() == "change"
    assert display.axes_[-1].xaxis.get_tick_params()["labelbottom"]


def test_bars_are_all_there_where_they_have_room(mixed, fitted, plt):
    _, ax = plt.subplots(figsize=(8, 8))
    description = fitted.describe_codes(mixed)
    display = CodeDisplay.from_predictions(description, ax=ax)
    counts = description["code"].value_counts().clip(upper=8)
    assert [len(bars) for bars in display.bars_] == counts.sort_index().tolist()


def test_some_codes(mixed, fitted):
    display = CodeDisplay.from_predictions(fitted.describe_codes(mixed), components=[1])
    assert [panel.get_title()[:6] for panel in display.axes_] == ["code 1"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"components": [2]}, r"components=\[2\].*\[0, 1\]"),
        ({"components": [0.5]}, r"components=\[0.5\].*\[0, 1\]"),
        ({"components": "01"}, r"components='01'.*such as \[0\]"),
        ({"components": 1}, r"components=1 .*such as \[0\]"),
        ({"components": []}, r"components=\[\]"),
        ({"max_bars": 0}, "max_bars=0"),
    ],
)
def test_bad_descriptions_are_an_error(mixed, fitted, params, message):
    description = fitted.describe_codes(mixed)
    with pytest.raises(ValueError, match=message):
        CodeDisplay.from_predictions(description, **params)
    with pytest.raises(ValueError, match=r"no columns \['effect'\]"):
        CodeDisplay.from_predictions(description.drop(columns="effect"))
