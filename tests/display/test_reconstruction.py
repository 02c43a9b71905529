"""Rows beside their reconstructions."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.decomposition import PCA

from skae import AutoencoderTransformer
from skae.display import (
    ReconstructionDisplay,
)


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
    assert [ax.get_title().split("\n")[0] for ax in display.axes_] == ["x3", "x1"]
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


def test_columns_are_named_by_labels_that_are_tuples():
    labels = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")])
    table = pd.DataFrame([[1.0, 5.0], [2.0, 6.0]], columns=labels)
    display = ReconstructionDisplay.from_predictions(table, table, columns=[("a", "y")])
    assert display.artists_[0].get_offsets()[:, 0].tolist() == [5.0, 6.0]


def test_durations_have_their_unit():
    waits = pd.DataFrame({"wait": pd.to_timedelta([12, 24, 48], "h"), "n": [1, 2, 3]})
    display = ReconstructionDisplay.from_predictions(waits, waits)
    assert display.artists_[0].get_offsets()[:, 0].tolist() == [0.5, 1.0, 2.0]
    assert display.axes_[0].get_xlabel() == "original (days)"
    assert display.axes_[1].get_xlabel() == "original"


def test_levels_of_many_are_told_apart_and_the_rare_ones_are_one_bar():
    """Of which only the ends differ, beyond what is drawn of them."""
    levels = np.array([f"a street whose name is very long, number {i}" for i in range(12)])
    truth = np.repeat(levels, np.arange(24, 12, -1))
    guess = np.where(truth == levels[0], levels[1], truth)
    table, other = (pd.DataFrame({"street": cells}) for cells in (truth, guess))
    display = ReconstructionDisplay.from_predictions(table, other)
    heights = [bar.get_height() for bar in display.artists_[0]]
    assert heights == [0.0, *[1.0] * 8]
    (panel,) = display.axes_
    assert panel.get_xticklabels()[-1].get_text() == "4 others"
    assert panel.get_ylabel() == "proportion correct"


def test_polars_frame(mixed):
    frame = pl.from_pandas(mixed.reset_index(drop=True))
    model = AutoencoderTransformer(2, max_iter=2, random_state=0).fit(frame)
    display = ReconstructionDisplay.from_estimator(model, frame, columns=["kind", "a"])
    assert display.axes_[1].get_title().startswith("a\nR²")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"image_shape": (3, 2)}, r"image_shape=\(3, 2\) has 6 cells.*5 columns"),
        ({"image_shape": (5, 1, 2)}, "not the shape of an image"),
        ({"image_shape": 5}, "not the shape of an image"),
        ({"columns": ["nope"]}, r"columns holds 'nope'.*\['x0', 'x1'"),
        ({"columns": [7]}, r"columns holds 7.*\['x0', 'x1'"),
        ({"columns": [1.5]}, "columns holds 1.5, which is neither"),
        ({"columns": "x0"}, r"columns='x0'.*such as \['x0'\]"),
        ({"columns": []}, r"columns=\[\].*give a list of one or more"),
        ({"max_columns": 0}, "max_columns=0; give a whole number, 1 or more"),
        ({"max_columns": 2.5}, "max_columns=2.5"),
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


@pytest.mark.filterwarnings("error")
def test_levels_that_are_all_missing_have_no_bars(mixed):
    empty = mixed[["a", "kind"]].assign(
        kind=pd.Series([None] * 60, mixed.index, dtype="str")
    )
    display = ReconstructionDisplay.from_predictions(empty, mixed[["a", "kind"]])
    titles = [ax.get_title() for ax in display.figure_.axes]
    assert "kind\nno cells" in titles
