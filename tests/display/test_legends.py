"""Labels that can be told, in legends that stand over nothing."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.colors import to_hex, to_rgb
from sklearn.decomposition import PCA

from skae import AutoencoderTransformer
from skae.display import (
    AnomalyScoreDisplay,
    LatentSpaceDisplay,
    LatentTraversalDisplay,
    LossCurveDisplay,
)
from skae.display._style import LABEL_COLORS, MISSING_COLOR, OTHER_COLOR, text_on

CODES = np.random.default_rng(0).normal(size=(300, 2))


def _many_labels():
    """Labels of which the first are the most frequent, and some are missing."""
    numbers = np.repeat(np.arange(25), np.arange(25, 0, -1))[:300]
    labels = np.array([f"town {i:02d}" for i in numbers], dtype=object)
    labels[::30] = None
    return labels


def test_ten_labels_have_colours_others_and_missing_are_grey():
    y = _many_labels()
    message = r"y has \d+ different labels.*10 colours.*by joining the rare ones"
    with pytest.warns(UserWarning, match=message):
        display = LatentSpaceDisplay.from_predictions(CODES, y)
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    counts = pd.Series(y).value_counts()
    assert set(texts[:10]) == set(counts.index[:10])
    assert texts[10:] == ["missing", "other (15 labels)"] or texts[10:] == [
        "missing",
        f"other ({counts.size - 10} labels)",
    ]
    colors = {
        artist.get_label(): to_hex(artist.get_facecolor()[0]) for artist in display.artists_
    }
    assert colors["missing"] == MISSING_COLOR
    assert colors[texts[11]] == OTHER_COLOR
    assert len(set(colors.values())) == 12
    sizes = {a.get_label(): len(a.get_offsets()) for a in display.artists_}
    assert sizes["missing"] == 10
    assert sum(sizes.values()) == 300


@pytest.mark.filterwarnings("error")
def test_joined_labels_all_have_colours():
    """What the warning says is done."""
    y = pd.Series(_many_labels())
    rare = y.value_counts().index[9:]
    display = LatentSpaceDisplay.from_predictions(CODES, y.where(~y.isin(rare), "rest"))
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert len(texts) == 11
    assert texts[-1] == "missing"


def test_labels_that_matplotlib_would_hide_or_read_otherwise_are_drawn():
    y = np.resize(np.array(["missing", None, "_x", "$a$", 1, "1"], dtype=object), 300)
    for display in (
        LatentSpaceDisplay.from_predictions(CODES, y),
        AnomalyScoreDisplay.from_predictions(CODES[:, 0], y),
    ):
        texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
        assert sorted(texts) == [" _x", "1", "1", r"\$a\$", "missing", "without a label"]
    assert [sum(bar.get_height() for bar in bars) for bars in display.bars_] == [50] * 6


@pytest.mark.parametrize("form", ["object", "category", "Int64"])
def test_missing_labels_of_every_dtype(form):
    y = pd.Series(np.arange(300) % 3, dtype="Int64")
    y[::10] = pd.NA
    y = y if form == "Int64" else y.map({0: "a", 1: "b", 2: "c"}).astype(form)
    display = LatentSpaceDisplay.from_predictions(CODES, y)
    drawn = sum(len(c.get_offsets()) for c in display.ax_.collections)
    assert drawn == 300
    grey = [
        c for c in display.ax_.collections if to_hex(c.get_facecolor()[0]) == MISSING_COLOR
    ]
    assert [len(c.get_offsets()) for c in grey] == [30]


@pytest.mark.parametrize("hole", [None, np.nan, pd.NA])
def test_missing_labels_of_a_list_are_missing(hole):
    y = [hole if i % 10 == 0 else "ab"[i % 2] for i in range(300)]
    display = LatentSpaceDisplay.from_predictions(CODES, y)
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["a", "b", "missing"]


BANDS = pd.cut(CODES[:, 0], [-9, -1, 0, 1, 9])
LEVELS = pd.Categorical(
    np.resize(["mid", "low", "high"], 300), ["low", "none", "mid", "high"], ordered=True
)


@pytest.mark.parametrize(
    ("y", "order"),
    [
        (LEVELS, ["low", "mid", "high"]),
        (pd.Series(LEVELS, index=np.arange(300, 0, -1)), ["low", "mid", "high"]),
        (
            pl.Series("", LEVELS.tolist(), pl.Enum(["mid", "low", "high"])),
            ["mid", "low", "high"],
        ),
        (BANDS, ["(-9, -1]", "(-1, 0]", "(0, 1]", "(1, 9]"]),
        (BANDS.astype(object), ["(-9, -1]", "(-1, 0]", "(0, 1]", "(1, 9]"]),
        (pd.Categorical(np.resize([3, 1], 300), [3, 1]), ["3", "1"]),
    ],
)
def test_categories_keep_their_order(y, order):
    display = LatentSpaceDisplay.from_predictions(CODES, y)
    legends = [display.ax_.get_legend()]
    legends.append(AnomalyScoreDisplay.from_predictions(CODES[:, 0], y).ax_.get_legend())
    for legend in legends:
        assert [text.get_text() for text in legend.get_texts()] == order
    drawn = {a.get_label(): len(a.get_offsets()) for a in display.artists_}
    counts = pd.Series(np.asarray(y)).astype(str).value_counts()
    assert drawn == counts[order].to_dict()


def test_labels_that_are_all_missing_are_said_to_be():
    display = LatentSpaceDisplay.from_predictions(CODES, np.full(300, np.nan))
    (text,) = display.ax_.get_legend().get_texts()
    assert text.get_text() == "missing"


def test_a_series_of_polars_without_a_name_is_called_y():
    display = LatentSpaceDisplay.from_predictions(CODES, pl.Series(CODES[:, 0]))
    assert display.artists_[0].colorbar.ax.get_ylabel() == "y"


def test_few_whole_numbers_have_a_colour_bar_of_steps():
    y = np.arange(300) % 4 * 2
    display = LatentSpaceDisplay.from_predictions(CODES, y, label_name="rooms")
    bar = display.artists_[0].colorbar.ax
    assert bar.get_ylabel() == "rooms"
    assert [t.get_text() for t in bar.get_yticklabels()] == ["0", "2", "4", "6"]
    (points,) = display.artists_
    display.figure_.canvas.draw()
    assert len({to_hex(color) for color in points.get_facecolors()}) == 4
    labels = LatentSpaceDisplay.from_predictions(CODES, y, color_by="label")
    assert len(labels.artists_) == 4
    one = LatentSpaceDisplay.from_predictions(CODES, np.full(300, 7))
    ticks = one.artists_[0].colorbar.ax.get_yticklabels()
    assert [tick.get_text() for tick in ticks] == ["7"]


DATES = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(300), "D"))
FORMS = {
    "plain": DATES,
    "zoned": DATES.dt.tz_localize("Asia/Tokyo"),
    "period": DATES.dt.to_period("D"),
    "objects": DATES.dt.date,
    "holed": DATES.dt.date.where(np.arange(300) % 7 > 0),
}


@pytest.mark.parametrize("form", FORMS)
def test_dates_have_a_colour_bar(form):
    y = FORMS[form]
    display = LatentSpaceDisplay.from_predictions(CODES, y, label_name="day")
    display.figure_.canvas.draw()
    ticks = [
        label.get_text() for label in display.artists_[0].colorbar.ax.get_yticklabels()
    ]
    assert any("2024" in text or text[:3].isalpha() for text in ticks if text)


DRAW = {
    "latent": lambda ax: LatentSpaceDisplay.from_predictions(CODES, _many_labels(), ax=ax),
    "scores": lambda ax: AnomalyScoreDisplay.from_predictions(
        CODES[:, 0], _many_labels(), threshold=-1.0, ax=ax
    ),
    "loss": lambda ax: LossCurveDisplay.from_estimator(
        AutoencoderTransformer(1, max_iter=2, random_state=0).fit(CODES), ax=ax
    ),
}


@pytest.mark.parametrize("layout", [None, "constrained"])
@pytest.mark.parametrize("name", sorted(DRAW))
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_legend_stands_over_no_axes(name, layout, plt):
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout=layout)
    axes[1].plot([0, 1])
    display = DRAW[name](axes[0])
    figure.canvas.draw()
    legend = display.ax_.get_legend().get_window_extent()
    for ax in axes:
        assert not legend.overlaps(ax.get_window_extent())


def test_bands_are_the_probabilities_of_levels(mixed, fitted):
    display = LatentTraversalDisplay.from_estimator(fitted, mixed, n_steps=5)
    for code, drawn in enumerate(display.bands_):
        assert set(drawn) == {"kind", "yes"}
        codes = np.tile(np.median(fitted.transform(mixed), axis=0), (5, 1))
        codes[:, code] = display.steps[code]
        rows = fitted.inverse_transform(codes)
        # The band of False is the lowest: its upper edge is the probability.
        edge = drawn["yes"][0].get_paths()[0].vertices
        for step, said in zip(display.steps[code], rows["yes"], strict=True):
            top = edge[np.isclose(edge[:, 0], step), 1].max()
            assert (top > 0.5) == (not said) or abs(top - 0.5) < 1e-3


def test_categories_alone_are_bands_of_what_is_decoded(plt):
    frame = pd.DataFrame(
        {"k": np.resize(["a", "b", "b"], 60), "m": np.resize(["x", "y"], 60)}
    )

    class Decoder:
        def transform(self, X):
            return np.linspace(-1, 1, len(X))[:, None]

        def inverse_transform(self, codes):
            return pd.DataFrame({"k": np.where(codes[:, 0] > 0, "a", "b"), "m": "x"})

    display = LatentTraversalDisplay.from_estimator(Decoder(), frame, n_steps=4)
    assert display.lines_ == []
    assert list(display.bands_[0]) == ["k", "m"]


def test_text_on_bands_can_be_read():
    """WCAG asks for a ratio of 4.5 of small text; each of the two colours has one of 4.58."""
    for color in LABEL_COLORS:
        levels = np.array(to_rgb(color))
        linear = np.where(levels > 0.04, ((levels + 0.055) / 1.055) ** 2.4, levels / 12.92)
        luminance = float(linear @ [0.2126, 0.7152, 0.0722])
        text = 1.0 if text_on(color) == "white" else 0.0
        low, high = sorted((text, luminance))
        assert (high + 0.05) / (low + 0.05) > 4.5, color


def test_where_no_codes_are_is_grey():
    X = np.r_[np.linspace(-2, -1, 150), np.linspace(1, 2, 150)][:, None] * [1.0, 2.0]
    display = LatentTraversalDisplay.from_estimator(PCA(1).fit(X), X)
    panel = display.axes_[0]
    spans = [
        patch.get_extents().transformed(panel.transData.inverted())
        for patch in panel.patches
    ]
    limit = np.abs(PCA(1).fit_transform(X)).min()
    assert spans
    for span in spans:
        assert np.abs([span.x0, span.x1]).max() < limit * 1.15
    assert sum(span.width for span in spans) > limit


def _removed(plt):
    ax = plt.subplot()
    ax.remove()
    return ax


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda plt: plt.subplots(1, 2)[1], r"an array of shape \(2,\).*axes\[0\]"),
        (lambda plt: plt.subplots(2, 2)[1], r"shape \(2, 2\).*axes\[0, 0\]"),
        (lambda plt: list(plt.subplots(1, 2)[1]), r"ax is list.*axes\[0\]"),
        (lambda plt: plt.figure(), "ax is Figure.*subplots"),
        (lambda plt: "left", "ax is the text 'left'"),
        (_removed, "were removed from their figure"),
        (lambda plt: plt.subplot(projection="polar"), "projection='polar'"),
    ],
)
def test_axes_of_another_kind_are_an_error(plt, make, message):
    with pytest.raises(TypeError, match=message):
        LatentSpaceDisplay.from_predictions(CODES, ax=make(plt))


def test_layouts(monkeypatch):
    codes = np.random.default_rng(0).normal(size=(40, 4)) * [1.0, 5.0, 1.0, 3.0]
    display = LatentSpaceDisplay.from_predictions(codes)
    expected = PCA(2).fit_transform(codes.astype(np.float32))
    np.testing.assert_allclose(np.abs(display.embedding), np.abs(expected), atol=1e-3)
    assert display.ax_.get_xlabel() == "PCA of 4 codes, axis 1"
    with pytest.raises(ValueError, match=r"layout='mds'.*'tsne'"):
        LatentSpaceDisplay.from_predictions(codes, layout="mds")
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(ImportError, match=r"umap-learn.*layout='tsne'"):
        LatentSpaceDisplay.from_predictions(codes, layout="umap")
