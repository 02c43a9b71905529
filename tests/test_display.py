import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.manifold import TSNE
from sklearn.mixture import GaussianMixture
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skae import AutoencoderTransformer, VAETransformer
from skae.display import (
    AnomalyScoreDisplay,
    ExplanationDisplay,
    LatentSpaceDisplay,
    LatentTraversalDisplay,
    LossCurveDisplay,
    ReconstructionDisplay,
)


@pytest.fixture(autouse=True)
def plt():
    """Draw without a screen, and leave no figure open."""
    import matplotlib

    before = matplotlib.get_backend()
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.close("all")  # what other tests have left
    yield plt
    plt.close("all")
    matplotlib.use(before)


@pytest.fixture(scope="module")
def digits():
    return load_digits().data[:100]


@pytest.fixture(scope="module")
def mixed():
    """Six columns: three numbers, a date, a category with a hole, a boolean."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 3))
    return pd.DataFrame(
        {
            "a": x[:, 0],
            "b": 100.0 + 10.0 * x[:, 1],
            "c": x[:, 2],
            "day": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(np.round(30 * x[:, 0]), unit="D"),
            "kind": np.where(x[:, 0] > 0.5, "high", np.where(x[:, 0] < -0.5, None, "low")),
            "yes": x[:, 1] > 0,
        },
        index=[f"row{i}" for i in range(60)],
    )


@pytest.fixture(scope="module")
def fitted(mixed):
    return AutoencoderTransformer(2, max_iter=4, random_state=0).fit(mixed)


@pytest.fixture(scope="module")
def drawers(X):
    """A call of every display, which takes `ax`."""
    pca = PCA(2).fit(X)
    transformer = AutoencoderTransformer(2, max_iter=4, random_state=0).fit(X)
    forest = IsolationForest(n_estimators=10, random_state=0).fit(X)
    return {
        "latent": lambda **kw: LatentSpaceDisplay.from_estimator(pca, X, **kw),
        "images": lambda **kw: ReconstructionDisplay.from_estimator(
            pca, X, image_shape=(1, 5), **kw
        ),
        "columns": lambda **kw: ReconstructionDisplay.from_estimator(pca, X, **kw),
        "loss": lambda **kw: LossCurveDisplay.from_estimator(transformer, **kw),
        "grid": lambda **kw: LatentTraversalDisplay.from_estimator(
            pca, X, image_shape=(5, 1), **kw
        ),
        "lines": lambda **kw: LatentTraversalDisplay.from_estimator(pca, X, **kw),
        "scores": lambda **kw: AnomalyScoreDisplay.from_estimator(forest, X, **kw),
        "bars": lambda **kw: ExplanationDisplay.from_estimator(transformer, X[:1], **kw),
        "map": lambda **kw: ExplanationDisplay.from_estimator(transformer, X[:4], **kw),
    }


DRAWERS = sorted(
    "latent images columns loss grid lines scores bars map".split()  # noqa: SIM905
)


# ---------------------------------------------------------------- laws of all


@pytest.mark.parametrize("name", DRAWERS)
def test_draws_on_new_axes(drawers, name, plt):
    display = drawers[name]()
    assert display.figure_ is display.ax_.figure
    assert plt.get_fignums() == [display.figure_.number]
    display.figure_.canvas.draw()


@pytest.mark.parametrize("name", DRAWERS)
def test_draws_on_the_axes_given(drawers, name, plt):
    figure, axes = plt.subplots(1, 2)
    display = drawers[name](ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert not axes[0].has_data()
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("name", DRAWERS)
def test_every_axis_has_a_name(drawers, name):
    display = drawers[name]()
    panels = np.atleast_1d(getattr(display, "axes_", display.ax_))
    assert any(panel.get_xlabel() for panel in panels) or name == "map"
    named = any(panel.get_ylabel() for panel in panels)
    ticks = any(label.get_text() for label in panels[0].get_yticklabels())
    assert named or ticks


@pytest.mark.parametrize("name", DRAWERS)
def test_plots_again(drawers, name, plt):
    display = drawers[name]()
    first = display.ax_
    assert display.plot() is display
    assert display.ax_ is not first


BLOCKED = """
import sys
sys.modules["matplotlib"] = None
import numpy as np
from skae.display import AnomalyScoreDisplay
try:
    AnomalyScoreDisplay.from_predictions(np.arange(5.0))
except ImportError as error:
    print(error)
"""


def test_without_matplotlib_the_error_says_so():
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True)
    assert "AnomalyScoreDisplay.plot requires matplotlib" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("display", "estimator"),
    [
        (LatentSpaceDisplay, GaussianMixture()),
        (ReconstructionDisplay, TSNE()),
        (LatentTraversalDisplay, TSNE()),
        (AnomalyScoreDisplay, StandardScaler()),
        (ExplanationDisplay, PCA()),
    ],
)
def test_estimator_without_the_method_is_an_error(X, display, estimator):
    with pytest.raises(TypeError, match=rf"{display.__name__} needs an estimator with"):
        display.from_estimator(estimator, X)


# ---------------------------------------------------------------- codes


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


@pytest.mark.parametrize("y", [np.linspace(0, 1, 120), np.arange(120)])
def test_values_have_a_colour_bar(X, y):
    display = LatentSpaceDisplay.from_estimator(PCA(2).fit(X), X, y, label_name="age")
    np.testing.assert_allclose(display.artists_[0].get_array(), y)
    assert [ax.get_ylabel() for ax in display.figure_.axes] == ["code 1", "age"]


def test_more_than_two_codes_are_laid_out_by_tsne(X):
    display = LatentSpaceDisplay.from_estimator(PCA(4).fit(X), X)
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
    display = LatentSpaceDisplay.from_predictions(codes, np.arange(20) % 2, max_samples=7)
    assert len(display.codes) == len(display.y) == 7
    assert display.ax_.get_xlabel() == "code 0 (7 of 20 rows)"
    np.testing.assert_array_equal(display.codes[:, 0] // 2 % 2, display.y)


@pytest.mark.parametrize(
    ("codes", "params", "message"),
    [
        (np.zeros(5), {}, r"codes has shape \(5,\).*transform"),
        (np.zeros((5, 2)), {"y": [1, 2]}, r"y has shape \(2,\).*5 rows"),
        (np.zeros((3, 3)), {}, "3 rows are too few.*4 or more"),
        (np.zeros((5, 2)), {"color_by": "hue"}, "color_by='hue'.*'label'"),
    ],
)
def test_bad_codes_are_an_error(codes, params, message):
    with pytest.raises(ValueError, match=message):
        LatentSpaceDisplay.from_predictions(codes, **params)


# ---------------------------------------------------------------- reconstructions


def test_images_are_the_rows_and_their_reconstructions(digits):
    pca = PCA(5).fit(digits)
    display = ReconstructionDisplay.from_estimator(
        pca, digits, image_shape=(8, 8), max_images=4
    )
    picture = np.asarray(display.im_.get_array().filled(np.nan))
    assert picture.shape == (17, 35)
    restored = pca.inverse_transform(pca.transform(digits))
    for i in range(4):
        columns = slice(9 * i, 9 * i + 8)
        np.testing.assert_allclose(picture[:8, columns].ravel(), digits[i])
        np.testing.assert_allclose(picture[9:, columns].ravel(), restored[i])
    errors = [float(label.get_text()) for label in display.ax_.get_xticklabels()]
    expected = np.sqrt(np.square(restored - digits).mean(axis=1))[:4]
    np.testing.assert_allclose(errors, expected, rtol=0.05)


def test_several_restorations_stand_below_each_other(digits):
    restored = {f"PCA, {k}": PCA(k).fit(digits) for k in (2, 8)}
    restored = {
        name: pca.inverse_transform(pca.transform(digits)) for name, pca in restored.items()
    }
    display = ReconstructionDisplay.from_predictions(digits, restored, image_shape=(8, 8))
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["original", "PCA, 2", "PCA, 8"]
    picture = np.asarray(display.im_.get_array().filled(np.nan))
    for line, rows in enumerate((digits, *restored.values())):
        lines = slice(9 * line, 9 * line + 8)
        np.testing.assert_allclose(picture[lines, :8].ravel(), rows[0])


def test_bad_dicts_of_restorations_are_an_error(X):
    with pytest.raises(ValueError, match=r"reconstruction is a dict.*image_shape"):
        ReconstructionDisplay.from_predictions(X, {"PCA": X})
    with pytest.raises(ValueError, match=r"reconstruction\['PCA'\] has shape \(120, 4\)"):
        ReconstructionDisplay.from_predictions(X, {"PCA": X[:, :4]}, image_shape=(1, 5))


def test_images_in_colours(digits):
    rows = digits[:, :48] / 16.0
    display = ReconstructionDisplay.from_predictions(
        rows, rows, image_shape=(4, 4, 3), max_images=2
    )
    picture = display.im_.get_array()
    assert picture.shape == (9, 9, 3)
    np.testing.assert_allclose(picture[:4, :4].ravel(), rows[0], atol=1e-6)


def test_columns_are_restored_against_original(X):
    pca = PCA(2).fit(X)
    restored = pca.inverse_transform(pca.transform(X))
    display = ReconstructionDisplay.from_estimator(pca, X, columns=[3, 1])
    assert [ax.get_title().split(",")[0] for ax in display.axes_] == ["x3", "x1"]
    for points, column in zip(display.artists_, [3, 1], strict=True):
        expected = np.column_stack([X[:, column], restored[:, column]])
        np.testing.assert_allclose(points.get_offsets(), expected)


def test_mixed_columns(mixed, fitted):
    display = ReconstructionDisplay.from_estimator(fitted, mixed)
    restored = fitted.inverse_transform(fitted.transform(mixed))
    assert len(display.axes_) == 6
    there = mixed["kind"].notna().to_numpy()
    truth, guess = (table["kind"].to_numpy()[there] for table in (mixed, restored))
    share = (truth == guess)[truth == "high"].mean()
    bars = dict(
        zip(
            [label.get_text() for label in display.axes_[4].get_xticklabels()],
            [bar.get_height() for bar in display.artists_[4]],
            strict=True,
        )
    )
    assert bars["high"] == pytest.approx(share)
    days = display.artists_[3].get_offsets()[:, 0]
    expected = (mixed["day"] - pd.Timestamp("1970-01-01")).dt.days
    np.testing.assert_allclose(days, expected)


def test_polars_frame(mixed):
    frame = pl.from_pandas(mixed.reset_index(drop=True))
    model = AutoencoderTransformer(2, max_iter=2, random_state=0).fit(frame)
    display = ReconstructionDisplay.from_estimator(model, frame, columns=["kind", "a"])
    assert display.axes_[1].get_title().startswith("a, R²")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"image_shape": (3, 2)}, r"image_shape=\(3, 2\) has 6 cells.*5 columns"),
        ({"image_shape": (5, 1, 2)}, "not the shape of an image"),
        ({"image_shape": 5}, "not the shape of an image"),
        ({"columns": ["nope"]}, "'nope', which is not a column"),
        ({"columns": [7]}, "columns holds 7, but X has 5"),
    ],
)
def test_bad_reconstructions_are_an_error(X, params, message):
    with pytest.raises(ValueError, match=message):
        ReconstructionDisplay.from_predictions(X, X, **params)


def test_tables_of_different_shapes_are_an_error(X):
    with pytest.raises(
        ValueError, match=r"reconstruction has shape \(120, 4\).*\(120, 5\)"
    ):
        ReconstructionDisplay.from_predictions(X, X[:, :4])


def test_images_of_text_are_an_error(mixed):
    with pytest.raises(ValueError, match=r"Columns \['kind', 'yes'\] are not numeric"):
        ReconstructionDisplay.from_predictions(mixed, mixed, image_shape=(2, 3))


# ---------------------------------------------------------------- loss


def test_curves_are_the_estimators(X):
    model = VAETransformer(2, max_iter=6, random_state=0).fit(X)
    display = LossCurveDisplay.from_estimator(model)
    training, held_out = display.lines_.values()
    np.testing.assert_array_equal(training.get_ydata(), model.loss_curve_)
    np.testing.assert_array_equal(training.get_xdata(), np.arange(1, model.n_iter_ + 1))
    np.testing.assert_array_equal(held_out.get_ydata(), model.validation_loss_curve_)
    assert held_out.get_xdata()[0] == 0
    assert display.best_line_.get_xdata()[0] == model.best_iter_
    assert display.ax_.get_xlabel() == "epoch"


def test_curve_of_a_pipeline_of_scikit_learn(X):
    network = MLPRegressor(hidden_layer_sizes=(4,), max_iter=5, random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        pipeline = make_pipeline(StandardScaler(), network).fit(X, X)
    display = LossCurveDisplay.from_estimator(pipeline)
    assert list(display.lines_) == ["training rows"]
    assert display.best_line_ is None
    assert display.ax_.get_ylabel() == "loss of MLPRegressor"


@pytest.mark.parametrize(("last", "scale"), [(0.5, "linear"), (0.01, "log")])
def test_long_falls_have_a_logarithmic_axis(last, scale):
    model = SimpleNamespace(loss_curve_=[1.0, last])
    assert LossCurveDisplay.from_estimator(model).ax_.get_yscale() == scale


def test_estimator_without_curve_is_an_error():
    with pytest.raises(TypeError, match="PCA has no loss_curve_; fit it first"):
        LossCurveDisplay.from_estimator(PCA())


# ---------------------------------------------------------------- traversals


def test_grid_decodes_the_codes_at_its_ticks(digits):
    pca = PCA(2).fit(digits)
    display = LatentTraversalDisplay.from_estimator(
        pca, digits, image_shape=(8, 8), n_steps=3
    )
    assert display.kind == "grid"
    picture = display.im_.get_array().filled(np.nan)
    first, second = display.steps
    low, high = np.quantile(pca.transform(digits), [0.025, 0.975], axis=0)
    np.testing.assert_allclose(first, np.linspace(low[0], high[0], 3))
    # Rows of the picture from the top: the second code falls.
    for row in range(3):
        for column in range(3):
            expected = pca.inverse_transform([[first[column], second[2 - row]]])
            image = picture[9 * row : 9 * row + 8, 9 * column : 9 * column + 8]
            np.testing.assert_allclose(image.ravel(), expected[0], rtol=1e-5, atol=1e-5)
    ticks = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert ticks == [f"{value:.2g}" for value in second[::-1]]


def test_each_code_moves_alone(digits):
    pca = PCA(4).fit(digits)
    start = pca.transform(digits[:1])[0]
    display = LatentTraversalDisplay.from_estimator(
        pca, digits, image_shape=(8, 8), n_steps=3, components=[2, 0, 3], start=start
    )
    assert display.kind == "each"
    codes = pca.transform(display.rows).reshape(3, 3, 4)
    for number, component in enumerate([2, 0, 3]):
        rest = np.delete(np.arange(4), component)
        np.testing.assert_allclose(codes[number, :, component], display.steps[number])
        np.testing.assert_allclose(codes[number][:, rest], [start[rest]] * 3)


def test_lines_are_decoded_columns(X):
    pca = make_pipeline(StandardScaler(), PCA(3)).fit(X)
    display = LatentTraversalDisplay.from_estimator(pca, X, n_steps=4)
    codes = np.tile(np.median(pca.transform(X), axis=0), (4, 1))
    codes[:, 1] = display.steps[1]
    decoded = (pca.inverse_transform(codes) - X.mean(axis=0)) / X.std(axis=0)
    for line in display.lines_[1]:
        column = int(line.get_label().removeprefix("x"))
        np.testing.assert_allclose(line.get_ydata(), decoded[:, column], atol=1e-9)
        np.testing.assert_allclose(line.get_xdata(), display.steps[1])


def test_lines_of_a_mixed_frame(mixed, fitted):
    display = LatentTraversalDisplay.from_estimator(fitted, mixed)
    labels = {line.get_label() for line in display.lines_[0]}
    assert labels == {"a", "b", "c", "day"}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kind": "spiral"}, "kind='spiral'.*'grid'"),
        ({"kind": "grid"}, "kind='grid' shows images.*use kind='each'"),
        ({"components": [0, 5]}, "counted from 0 to 2"),
        ({"n_steps": 1}, "n_steps=1"),
        ({"proportion": 1.5}, "proportion=1.5"),
        ({"start": [0.0]}, "start has shape .* 3 codes"),
        ({"image_shape": (2, 2)}, "has 4 cells"),
    ],
)
def test_bad_traversals_are_an_error(X, params, message):
    with pytest.raises(ValueError, match=message):
        LatentTraversalDisplay.from_estimator(PCA(3).fit(X), X, **params)


# ---------------------------------------------------------------- scores


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


def test_detector_of_ours(X, quick_detector):
    detector = quick_detector().fit(X)
    display = AnomalyScoreDisplay.from_estimator(detector, X)
    assert display.n_flagged_ == (detector.predict(X) == -1).sum()
    assert "AEAnomalyDetector" in display.ax_.get_xlabel()


def test_density_has_no_threshold(X):
    display = AnomalyScoreDisplay.from_estimator(GaussianMixture().fit(X), X)
    assert display.line_ is None
    assert display.ax_.get_legend() is None


def test_labels_have_histograms_of_their_own():
    scores, y = np.r_[np.zeros(90), -np.ones(10)], np.r_[np.ones(90), -np.ones(10)]
    display = AnomalyScoreDisplay.from_predictions(scores, y.astype(int), threshold=-0.5)
    assert [sum(b.get_height() for b in bars) for bars in display.bars_] == [90, 10]
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts[:2] == ["inliers (1)", "anomalies (-1)"]
    assert texts[2] == "threshold -0.5: 10 rows (10.0%) below"


def test_a_row_far_away_stands_in_the_first_bin():
    scores = np.r_[np.linspace(0, 1, 100), -1e9]
    display = AnomalyScoreDisplay.from_predictions(scores)
    assert display.ax_.get_xlim()[0] > -10
    assert sum(bar.get_height() for bar in display.bars_[0]) == 101
    assert display.ax_.texts[0].get_text() == "1 rows score\nlower still"


def test_few_beside_many_have_a_logarithmic_axis():
    scores, y = np.linspace(0, 1, 100), np.arange(100) < 3
    assert AnomalyScoreDisplay.from_predictions(scores, y).ax_.get_yscale() == "log"


@pytest.mark.parametrize(
    ("scores", "y", "message"),
    [
        (np.zeros((3, 2)), None, r"scores has shape \(3, 2\)"),
        ([0.0, np.nan], None, r"scores\[1\] is nan"),
        ([0.0, 1.0], [1], "inconsistent numbers of samples"),
    ],
)
def test_bad_scores_are_an_error(scores, y, message):
    with pytest.raises(ValueError, match=message):
        AnomalyScoreDisplay.from_predictions(scores, y)


# ---------------------------------------------------------------- explanations


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
    ],
)
def test_bad_explanations_are_an_error(arguments, params, message):
    with pytest.raises(ValueError, match=message):
        ExplanationDisplay.from_predictions(*arguments, **params)


@pytest.mark.filterwarnings("error")
def test_axes_without_a_place_for_panels_are_an_error(X, plt):
    ax = plt.figure().add_axes((0, 0, 1, 1))
    with pytest.raises(ValueError, match=r"ax is not part of a grid.*subplots"):
        ReconstructionDisplay.from_estimator(PCA(2).fit(X), X, ax=ax)
