"""Laws of all displays."""

import sys
from itertools import combinations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import dok_array
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.manifold import TSNE
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AEAnomalyDetector, AutoencoderTransformer
from skae.display import (
    AnomalyScoreDisplay,
    CodeDisplay,
    ExplanationDisplay,
    LatentSpaceDisplay,
    LatentTraversalDisplay,
    LossCurveDisplay,
    ReconstructionDisplay,
    SampleDisplay,
)

FROM_ROWS = (
    LatentSpaceDisplay,
    LatentTraversalDisplay,
    ReconstructionDisplay,
    AnomalyScoreDisplay,
    ExplanationDisplay,
    SampleDisplay,
    CodeDisplay,
)


@pytest.fixture(scope="module")
def drawers(X):
    """A call of every display, which takes `ax`."""
    pca = PCA(2).fit(X)
    transformer = AutoencoderTransformer(2, max_iter=4, random_state=0).fit(X)
    forest = IsolationForest(n_estimators=10, random_state=0).fit(X)

    def sample(**kw):
        with pytest.MonkeyPatch.context() as patch:  # it takes longer than to draw it
            patch.setattr("skae.display.sample.two_sample_auc", lambda *args, **kw: 0.75)
            return SampleDisplay.from_estimator(transformer, X, **kw)

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
        "codes": lambda **kw: CodeDisplay.from_estimator(transformer, X, **kw),
        "sample": sample,
    }


DRAWERS = sorted(
    "latent images columns loss grid lines scores bars map codes sample".split()  # noqa: SIM905
)


@pytest.mark.parametrize("name", DRAWERS)
def test_draws_on_new_axes(drawers, name, plt):
    display = drawers[name]()
    assert display.figure_ is display.ax_.figure
    assert plt.get_fignums() == [display.figure_.number]
    display.figure_.canvas.draw()


@pytest.mark.parametrize("style", ["ggplot", "fivethirtyeight"])
@pytest.mark.parametrize("name", DRAWERS)
def test_nothing_is_cut_off_in_any_style(drawers, name, style, plt):
    with plt.style.context(style):
        figure = drawers[name]().figure_
        figure.draw_without_rendering()
        inches = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert -0.02 < inches.x0 < inches.x1 < width + 0.02
    assert -0.02 < inches.y0 < inches.y1 < height + 0.02


@pytest.mark.parametrize("name", ["images", "grid", "map", "sample"])
def test_no_grid_lies_over_pictures(drawers, name, plt):
    with plt.rc_context({"axes.grid": True}):
        display = drawers[name]()
    with_images = [ax for ax in display.figure_.axes if ax.get_images()]
    assert with_images
    for ax in with_images:
        lines = ax.get_xgridlines() + ax.get_ygridlines()
        assert not any(line.get_visible() for line in lines)


NAN = float("nan")
STRANGE = {
    "arrays of booleans": lambda z: np.column_stack([z > 0, z > 1]),
    "sparse, as a dict": lambda z: dok_array(np.column_stack([z * (z > 1), z])),
    "huge numbers": lambda z: pd.DataFrame(
        {"id": pd.array([2**64 - 2000] * 3 + [None] * (len(z) - 3), "UInt64"), "z": z}
    ),
    "a label that is NaN": lambda z: pd.DataFrame(
        np.column_stack([z, -z]), columns=[NAN, 1.0]
    ),
    "dates that are all missing": lambda z: pd.DataFrame(
        {"z": z, "day": np.full(len(z), np.datetime64("NaT", "ns"))}
    ),
    "text that is all missing": lambda z: pl.DataFrame(
        {"z": z, "k": pl.Series([None] * len(z), dtype=pl.String)}
    ),
}


@pytest.mark.filterwarnings("ignore:All cells of columns")
@pytest.mark.parametrize("name", STRANGE)
def test_strange_tables_are_drawn(name, plt):
    X = STRANGE[name](np.random.default_rng(0).normal(size=40))
    model = AutoencoderTransformer(2, max_iter=1, random_state=0).fit(X)
    for display in FROM_ROWS:
        rows = X if display is not ExplanationDisplay else model.reconstruct(X)[:3]
        display.from_estimator(model, rows).figure_.canvas.draw()
        plt.close("all")


@pytest.mark.filterwarnings("ignore:All cells of columns")
def test_tables_without_any_cell_are_said_to_be():
    X = pd.DataFrame({"day": np.full(12, np.datetime64("NaT", "ns"))})
    model = AutoencoderTransformer(1, max_iter=1, random_state=0).fit(X)
    with pytest.raises(ValueError, match="nothing to draw: no column of the table holds"):
        CodeDisplay.from_estimator(model, X)
    with pytest.raises(ValueError, match="no column that could be drawn"):
        LatentTraversalDisplay.from_estimator(model, X)


def test_panels_may_be_removed_and_moved(drawers, plt):
    figure, axes = plt.subplots(1, 2, figsize=(12, 5))
    display = drawers["columns"](ax=axes[0])
    display.axes_[-1].remove()
    figure.set_size_inches(14, 6)
    figure.draw_without_rendering()
    alone = drawers["latent"](ax=axes[1])
    alone.ax_.set_position([0.7, 0.3, 0.2, 0.4])
    figure.draw_without_rendering()
    box = alone.ax_.get_position()
    assert 0.69 < box.x0 < box.x1 < 0.91
    assert 0.29 < box.y0 < box.y1 < 0.71


def _do_nothing(figure):
    pass


def _make_smaller(figure):
    figure.set_size_inches(11, 4.8)


@pytest.mark.parametrize(
    ("layout", "afterwards"),
    [
        (None, _do_nothing),
        (None, lambda figure: figure.tight_layout()),
        (None, _make_smaller),
        ("tight", _do_nothing),
        ("constrained", _do_nothing),
    ],
    ids=["none", "tight_layout()", "resized", "tight", "constrained"],
)
@pytest.mark.parametrize("name", DRAWERS)
def test_stays_in_the_place_of_the_axes_given(drawers, name, layout, afterwards, plt):
    """Nothing runs over a panel, a neighbour or the page, whoever lays them out."""
    figure, axes = plt.subplots(1, 2, figsize=(12, 5), layout=layout)
    display = drawers[name](ax=axes[0])
    assert display.ax_ is axes[0]
    assert display.figure_ is figure
    assert not axes[1].has_data()
    assert plt.get_fignums() == [figure.number]
    afterwards(figure)
    figure.draw_without_rendering()
    panels = [*getattr(display, "axes_", [display.ax_])]
    if display.legend_ax_ is not None:
        panels.append(display.legend_ax_)
    boxes = [panel.get_tightbbox().padded(-1.0) for panel in panels]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    for box in boxes:
        assert 0 <= box.x0 < box.x1 <= axes[1].get_window_extent().x0
        assert 0 <= box.y0 < box.y1 <= figure.bbox.y1


@pytest.mark.parametrize("name", DRAWERS)
def test_every_axis_has_a_name(drawers, name):
    display = drawers[name]()
    panels = np.atleast_1d(getattr(display, "axes_", display.ax_))
    titled = any(panel.get_xlabel() or panel.get_title() for panel in panels)
    assert titled or name == "map"
    named = any(panel.get_ylabel() for panel in panels)
    ticks = any(label.get_text() for label in panels[0].get_yticklabels())
    assert named or ticks


@pytest.mark.parametrize("name", DRAWERS)
def test_plots_again(drawers, name, plt):
    display = drawers[name]()
    first = display.ax_
    assert display.plot() is display
    assert display.ax_ is not first


def test_without_matplotlib_the_error_says_so(monkeypatch):
    for name in ("matplotlib", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"AnomalyScoreDisplay\.plot requires matplotlib"):
        AnomalyScoreDisplay.from_predictions(np.arange(5.0))


@pytest.mark.parametrize(
    ("display", "estimator"),
    [
        (LatentSpaceDisplay, GaussianMixture()),
        (ReconstructionDisplay, TSNE()),
        (LatentTraversalDisplay, TSNE()),
        (AnomalyScoreDisplay, StandardScaler()),
        (ExplanationDisplay, PCA()),
        (SampleDisplay, PCA()),
        (CodeDisplay, PCA()),
    ],
)
def test_estimator_without_the_method_is_an_error(X, display, estimator):
    with pytest.raises(TypeError, match=rf"{display.__name__} needs an estimator with"):
        display.from_estimator(estimator, X)


@pytest.mark.parametrize("display", FROM_ROWS)
def test_tables_that_are_not_in_memory_are_an_error(X, display):
    model = AutoencoderTransformer(2, max_iter=2, random_state=0).fit(X)
    for rows, remedy in (pl.LazyFrame({"a": [1.0]}), "collect"), ("rows.csv", "read_csv"):
        with pytest.raises(TypeError, match=rf"X is a .*give .*{remedy}\("):
            display.from_estimator(model, rows)


@pytest.mark.parametrize("display", [CodeDisplay, ExplanationDisplay, SampleDisplay])
def test_a_pipeline_without_the_method_is_told_to_give_its_last_step(X, display):
    model = AutoencoderTransformer(2, max_iter=2, random_state=0)
    pipeline = make_pipeline(StandardScaler(), model).fit(X)
    message = (
        r"Pipeline has no .*AutoencoderTransformer has.*pipeline\[:-1\].transform\(X\)"
    )
    with pytest.raises(TypeError, match=message):
        display.from_estimator(pipeline, X)
    display.from_estimator(pipeline[-1], pipeline[:-1].transform(X)[:20])  # as it says


@pytest.mark.parametrize("display", [CodeDisplay, ExplanationDisplay, SampleDisplay])
def test_a_search_without_the_method_is_told_to_give_its_best_estimator(X, display):
    model = AutoencoderTransformer(2, max_iter=2, random_state=0)
    search = GridSearchCV(model, {"n_components": [1, 2]}, cv=2).fit(X)
    message = r"GridSearchCV has no .*has: give that, search.best_estimator_\.$"
    with pytest.raises(TypeError, match=message):
        display.from_estimator(search, X)
    display.from_estimator(search.best_estimator_, X[:20])  # as it says
    pipeline = make_pipeline(StandardScaler(), model)
    grid = {"autoencodertransformer__n_components": [1, 2]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X)
    message = r"give that, search.best_estimator_\[-1\], .*best_estimator_\[:-1\].transform"
    with pytest.raises(TypeError, match=message):
        display.from_estimator(search, X)


def test_a_search_is_drawn_as_its_best_estimator(X):
    grid = {"n_components": [1, 2]}
    search = GridSearchCV(AutoencoderTransformer(max_iter=2, random_state=0), grid, cv=2)
    display = LossCurveDisplay.from_estimator(search.fit(X))
    assert display.ax_.get_ylabel() == "loss of AutoencoderTransformer"
    assert LatentSpaceDisplay.from_estimator(search, X).codes.shape == (len(X), 2)


@pytest.mark.parametrize("display", FROM_ROWS)
@pytest.mark.parametrize("as_rows", [pd.DataFrame, np.asarray, np.ndarray.tolist])
def test_swapped_arguments_are_an_error(X, display, as_rows):
    """A frame has methods of its own that are called transform and sample."""
    rows, estimator = as_rows(X), AutoencoderTransformer(2)
    message = (
        rf"{display.__name__}.from_estimator takes .* is of type {type(rows).__name__}"
    )
    with pytest.raises(TypeError, match=message):
        display.from_estimator(rows, estimator)


@pytest.mark.parametrize("display", FROM_ROWS)
def test_class_in_place_of_an_estimator_is_an_error(X, display):
    with pytest.raises(TypeError, match=r"give AEAnomalyDetector\(\).fit\(X\)"):
        display.from_estimator(AEAnomalyDetector, X)


@pytest.mark.filterwarnings("error")
def test_axes_without_a_place_for_panels_are_an_error(X, plt):
    ax = plt.figure().add_axes((0, 0, 1, 1))
    with pytest.raises(ValueError, match=r"ax is not part of a grid.*subplots"):
        ReconstructionDisplay.from_estimator(PCA(2).fit(X), X, ax=ax)
