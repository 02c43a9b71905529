"""Codes as points."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from skae.display import (
    LatentSpaceDisplay,
)


def test_two_codes_are_the_axes(X):
    pca = PCA(2).fit(X)
    display = LatentSpaceDisplay.from_estimator(pca, X)
    np.testing.assert_allclose(display.artists_[0].get_offsets(), pca.transform(X))
    assert display.ax_.get_xlabel() == "code 0"
    assert display.ax_.get_ylabel() == "code 1"


def test_each_label_has_its_points(X):
    y = pd.Series(np.where(X[:, 0] > 0, "plus", "minus"), name="sign")
    pca = PCA(2).fit(X)
    display = LatentSpaceDisplay.from_estimator(pca, X, y)
    codes = pca.transform(X)
    for artist, label in zip(display.artists_, ["minus", "plus"], strict=True):
        assert artist.get_label() == label
        np.testing.assert_allclose(artist.get_offsets(), codes[y == label])
    legend = display.ax_.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["minus", "plus"]
    assert legend.get_title().get_text() == "sign"


def test_small_groups_are_drawn_over_large_ones():
    codes = np.zeros((100, 2))
    y = np.array(
        ["rare"] * 5 + ["some"] * 20 + ["very many"] * 65 + [None] * 10, dtype=object
    )
    display = LatentSpaceDisplay.from_predictions(codes, y)
    drawn = sorted(display.artists_, key=lambda artist: artist.get_zorder())
    assert [a.get_label() for a in drawn] == ["missing", "very many", "some", "rare"]
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["rare", "some", "very many", "missing"]


@pytest.mark.parametrize("y", [np.linspace(0, 1, 120), np.arange(120)])
def test_values_have_a_colour_bar(X, y):
    display = LatentSpaceDisplay.from_estimator(PCA(2).fit(X), X, y, label_name="age")
    np.testing.assert_allclose(display.artists_[0].get_array(), y)
    assert display.ax_.get_ylabel() == "code 1"
    assert display.artists_[0].colorbar.ax.get_ylabel() == "age"


def test_more_than_two_codes_are_laid_out_by_tsne(X):
    display = LatentSpaceDisplay.from_estimator(PCA(4).fit(X), X, layout="tsne")
    codes = PCA(4).fit(X).transform(X).astype(np.float32)
    generator = np.random.RandomState(0)
    expected = TSNE(init="pca", random_state=generator).fit_transform(codes)
    np.testing.assert_allclose(display.embedding, expected, rtol=1e-4, atol=1e-3)
    assert display.ax_.get_xlabel() == "t-SNE of 4 codes, axis 1"


def test_one_code_is_a_histogram(X):
    y = (X[:, 0] > 0).astype(int)
    display = LatentSpaceDisplay.from_estimator(PCA(1).fit(X), X, y)
    heights = [sum(patch.get_height() for patch in bars) for bars in display.artists_]
    assert heights == [np.sum(y == 0), np.sum(y == 1)]
    assert display.ax_.get_ylabel() == "number of rows"


def test_one_code_against_a_value(X):
    pca = PCA(1).fit(X)
    display = LatentSpaceDisplay.from_estimator(pca, X, X[:, 1], label_name="x1")
    expected = np.column_stack([pca.transform(X)[:, 0], X[:, 1]])
    np.testing.assert_allclose(display.artists_[0].get_offsets(), expected)


def test_draws_some_rows_of_many(X):
    codes = np.arange(40.0).reshape(20, 2)
    display = LatentSpaceDisplay.from_predictions(codes, np.arange(20) % 2, subsample=7)
    assert len(display.codes) == len(display.y) == 7
    assert display.ax_.get_xlabel() == "code 0 (7 of 20 rows)"
    np.testing.assert_array_equal(display.codes[:, 0] // 2 % 2, display.y)


@pytest.mark.parametrize("subsample", [7, 0.35])
def test_draws_a_number_or_a_proportion_of_rows(subsample):
    codes = np.arange(40.0).reshape(20, 2)
    display = LatentSpaceDisplay.from_predictions(codes, subsample=subsample)
    assert len(display.codes) == 7


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("y", [None, np.arange(9.0), list("abcabcabc")])
@pytest.mark.parametrize("more", [{"c": "red"}, {"facecolors": "red"}, {"color": "red"}])
def test_settings_by_any_of_their_names(y, more):
    """Names of which matplotlib has several replace the display's own."""
    settings = {**more, "linewidth": 2.0, "sizes": [50.0]}
    display = LatentSpaceDisplay.from_predictions(np.eye(9, 2), y, scatter_kwargs=settings)
    for points in display.artists_:
        assert {to_hex(color) for color in points.get_facecolors()} == {to_hex("red")}
        assert points.get_linewidths() == [2.0]
        assert points.get_sizes() == [50.0]


@pytest.mark.parametrize(
    ("codes", "params", "message"),
    [
        (np.zeros(5), {}, r"codes has shape \(5,\).*transform"),
        (np.zeros((5, 2)), {"y": [1, 2]}, r"y has shape \(2,\).*5 rows"),
        (np.zeros((5, 2)), {"y": "kind"}, r"y='kind' is a text.*X\['kind'\]"),
        (np.zeros((3, 3)), {}, "3 rows are too few.*4 or more"),
        (np.zeros((5, 2)), {"color_by": "hue"}, "color_by='hue'.*'label'"),
        (np.zeros((5, 2)), {"color_by": "value", "y": list("abcde")}, "'a'.*use color_by="),
        (np.zeros((5, 2)), {"subsample": 0}, "subsample=0; give a number of rows"),
        (np.zeros((5, 2)), {"subsample": 1.5}, "subsample=1.5; .* a proportion"),
        (np.full((5, 3), np.nan), {}, "codes holds cells that are no finite"),
    ],
)
def test_bad_codes_are_an_error(codes, params, message):
    with pytest.raises(ValueError, match=message):
        LatentSpaceDisplay.from_predictions(codes, **params)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("step", [0.0, 1e-6])
def test_codes_that_are_all_alike_are_one_point(step):
    codes = 10.0 + step * np.eye(6)
    assert not LatentSpaceDisplay.from_predictions(codes).embedding.any()
