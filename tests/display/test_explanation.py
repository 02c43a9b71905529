"""Contributions as bars and as a map."""

import numpy as np
import pandas as pd
import pytest

from skae.display import ExplanationDisplay
from skae.display._tables import as_text


def test_bars_are_the_contributions_of_a_row(mixed, fitted):
    contributions, expected = fitted.explain(mixed.iloc[:1], expected=True)
    display = ExplanationDisplay.from_estimator(fitted, mixed.iloc[:1], max_columns=3)
    row = contributions.iloc[0].sort_values(ascending=False)
    widths = [bar.get_width() for bar in display.bars_]
    np.testing.assert_allclose(widths, [*row[:3], row[3:].sum()])
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert [label.split(" = ")[0] for label in labels[:3]] == list(row.index[:3])
    assert labels[3] == "3 other columns"
    assert "row row0" in display.ax_.get_xlabel()
    for text, column in zip(display.text_, row.index[:3], strict=True):
        cell = expected[column].iloc[0]
        if column in "abc":
            assert text.get_text() == f"expected {cell:.4g}"


def test_map_has_a_row_a_row(mixed, fitted):
    contributions = fitted.explain(mixed.iloc[:5])
    display = ExplanationDisplay.from_estimator(fitted, mixed.iloc[:5])
    order = [mixed.columns[i] for i in display.shown_]
    np.testing.assert_allclose(display.im_.get_array(), contributions[order])
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == [f"row{i}" for i in range(5)]


def test_contributions_alone(X):
    contributions = np.abs(X[:3])
    display = ExplanationDisplay.from_predictions(contributions)
    assert display.im_.get_array().shape == (3, 5)
    assert display.text_ == []


@pytest.mark.parametrize(
    ("arguments", "params", "message"),
    [
        ((np.ones((2, 3)), np.ones((2, 4))), {}, r"X has shape \(2, 4\)"),
        ((np.ones((2, 3)), None, np.ones((1, 3))), {}, r"expected has shape \(1, 3\)"),
        ((np.ones((31, 3)),), {}, "31 rows cannot be read.*30 or fewer"),
        ((np.ones((1, 3)),), {"max_columns": 0}, "max_columns=0"),
        ((np.full((1, 3), np.nan),), {}, "contributions holds cells that are no finite"),
    ],
)
def test_bad_explanations_are_an_error(arguments, params, message):
    with pytest.raises(ValueError, match=message):
        ExplanationDisplay.from_predictions(*arguments, **params)


def test_durations_are_written_as_such():
    contributions = pd.DataFrame({"lasting": [0.9], "size": [0.1]})
    row = pd.DataFrame({"lasting": [pd.Timedelta(148, "s")], "size": [1.0]})
    display = ExplanationDisplay.from_predictions(contributions, row)
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels[0] == "lasting = 00:02:28"


def test_cells_of_the_map_write_no_farther_than_their_edge(plt):
    rows = pd.DataFrame({"a": ["a very long remark of somebody"] * 3, "b": ["$" * 25] * 3})
    display = ExplanationDisplay.from_predictions(np.ones((3, 2)), rows, rows)
    display.figure_.canvas.draw()
    assert len(display.text_) == 6
    cell = display.ax_.get_window_extent().width / 2
    for text in display.text_:
        assert text.get_window_extent().width < cell


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (11595.0, "11595"),
        (-1234567.8, "-1234568"),
        (999.96, "1000"),
        (0.012346, "0.01235"),
        (1e12, "1e+12"),
        (np.float32(45000), "45000"),
    ],
)
def test_numbers_are_written_as_people_do(cell, text):
    assert as_text(cell) == text


def test_dates_of_a_zone_are_those_of_its_clocks():
    days = pd.date_range("2024-01-01", periods=3, tz="Asia/Tokyo")  # 15:00 the day before
    rows = pd.DataFrame({"day": days, "late": days + pd.Timedelta("90min")})
    display = ExplanationDisplay.from_predictions(np.ones((3, 2)), rows, rows)
    for shown in vars(display)["values"], display.expected:
        assert shown[0].tolist() == ["2024-01-01", "2024-01-01 01:30"]
