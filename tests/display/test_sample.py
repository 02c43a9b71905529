"""Generated rows beside real ones: what differs is drawn first, and as it is."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.neighbors import KernelDensity

from skae.display import SampleDisplay
from skae.metrics import associations, marginal_similarity, two_sample_auc


@pytest.fixture(scope="module")
def tables(mixed):
    """Real rows and others: `b` is shifted, `yes` says nothing of it, the rest is as it was."""
    rng = np.random.default_rng(0)
    real = pd.concat([mixed] * 3, ignore_index=True)
    real["name"] = [f"person {i}" for i in range(len(real))]
    synthetic = real.assign(
        b=real["b"] + 100, yes=rng.permutation(real["yes"]), name="nobody"
    )
    return real, synthetic


def test_columns_that_differ_most_are_drawn_first(tables):
    display = SampleDisplay.from_tables(*tables, random_state=0)
    similarity = marginal_similarity(*tables)
    pd.testing.assert_series_equal(display.marginal_similarity_, similarity)
    assert next(iter(display.bars_)) == "b"
    assert "name" not in display.bars_
    panel = display.axes_[0]
    assert panel.get_title() == f"b\nsimilarity {similarity['b']:.2f}"
    labels = [text.get_text() for text in display.legend_ax_.get_legend().get_texts()]
    assert labels == ["real", "synthetic"]


def test_bars_are_the_proportions_of_rows(tables):
    columns = ["kind", "b", "c"]
    display = SampleDisplay.from_tables(*tables, columns=columns, random_state=0)
    assert list(display.bars_) == columns
    real = tables[0]["kind"].fillna("missing").value_counts(normalize=True)
    ticks = [label.get_text() for label in display.axes_[0].get_xticklabels()]
    assert ticks == real.index.tolist()
    for bars in display.bars_["kind"]:
        np.testing.assert_allclose([bar.get_height() for bar in bars], real)
    for bars in display.bars_["c"]:
        assert sum(bar.get_height() for bar in bars) == pytest.approx(1.0)
    # All of the shifted rows lie beyond the real ones: in the last bin.
    assert display.bars_["b"][1][-1].get_height() == pytest.approx(1.0)


def test_matrices_are_the_associations_and_their_difference(tables):
    display = SampleDisplay.from_tables(*tables, random_state=0)
    real, synthetic, difference = (
        np.asarray(image.get_array()) for image in display.images_
    )
    np.testing.assert_allclose(real, associations(tables[0]))
    np.testing.assert_allclose(synthetic, associations(tables[1]))
    np.testing.assert_allclose(difference, synthetic - real)
    b, yes = (list(tables[0]).index(name) for name in ("b", "yes"))
    assert abs(difference[b, yes]) > 0.4
    names = [label.get_text() for label in display.axes_[-3].get_yticklabels()]
    assert names == list(tables[0])


def test_durations_have_their_unit_beside_what_is_missing():
    wait = pd.Series(pd.to_timedelta(np.arange(40), "D"))
    real = pd.DataFrame({"wait": wait, "n": np.arange(40)})
    display = SampleDisplay.from_tables(real, real, columns=["wait", "n"])
    assert [panel.get_xlabel() for panel in display.axes_[:2]] == ["days", ""]
    holed = real.copy()
    holed.loc[::4, "wait"] = None
    display = SampleDisplay.from_tables(real, holed, columns=["wait"])
    assert display.axes_[0].get_xlabel() == "days\nmissing: 0% real,\n25% synthetic"


def test_title_says_how_well_rows_are_told(tables):
    display = SampleDisplay.from_tables(*tables, name="X", random_state=0)
    auc = two_sample_auc(*tables, random_state=0)
    assert display.auc == auc
    assert f"Generated rows of X: two-sample AUROC {auc:.2f}" in display.title_.get_text()


def test_rows_are_sampled_as_the_seed_says(mixed, fitted):
    display = SampleDisplay.from_estimator(fitted, mixed, n_samples=30, random_state=3)
    pd.testing.assert_frame_equal(
        display.synthetic, fitted.sample(30, random_state=3), check_exact=True
    )
    assert len(SampleDisplay.from_estimator(fitted, mixed).synthetic) == len(mixed)
    assert "of AutoencoderTransformer" in display.title_.get_text()


@pytest.mark.filterwarnings("ignore:The AUC is")  # rows are nearly copies
def test_another_generator_and_an_array(X):
    display = SampleDisplay.from_estimator(KernelDensity(bandwidth=0.1).fit(X), X)
    assert set(display.bars_) == {"x0", "x1", "x2", "x3", "x4"}


def test_frames_of_other_libraries_and_missing_cells(tables):
    real = tables[0].drop(columns="name")
    holed = real.assign(a=real["a"].where(np.arange(len(real)) % 4 > 0))
    display = SampleDisplay.from_tables(pl.from_pandas(holed), real, columns=["a", "day"])
    assert display.axes_[0].get_xlabel() == "missing: 25% real,\n0% synthetic"
    heights = [sum(bar.get_height() for bar in bars) for bars in display.bars_["a"]]
    assert heights == pytest.approx([0.75, 1.0])
    display.figure_.canvas.draw()
    ticks = [label.get_text() for label in display.axes_[1].get_xticklabels()]
    assert any("2024" in tick or "-" in tick for tick in ticks)


def test_one_column_has_no_pairs(tables):
    one = [table[["kind"]] for table in tables]
    display = SampleDisplay.from_tables(*one)
    assert display.images_ == []
    assert len(display.axes_) == 1


def test_very_many_columns_have_matrices_without_names():
    X = np.random.default_rng(0).normal(size=(60, 25))
    display = SampleDisplay.from_tables(X[:30], X[30:], max_columns=2)
    assert len(display.axes_) == 2 + 3
    assert display.axes_[-3].get_ylabel() == "25 columns"


def test_columns_that_are_not_there_are_an_error(tables):
    with pytest.raises(ValueError, match="columns holds 'z', which is neither"):
        SampleDisplay.from_tables(*tables, columns=["z"])
    with pytest.raises(ValueError, match="max_columns=0; give a whole number"):
        SampleDisplay.from_tables(*tables, max_columns=0)
    with pytest.raises(ValueError, match=r"synthetic lacks \['b'\]"):
        SampleDisplay.from_tables(tables[0], tables[1].drop(columns="b"))
