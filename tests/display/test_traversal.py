"""What the codes decode to."""

import calendar

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer
from skae.display import (
    LatentTraversalDisplay,
)


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
    assert labels == {"a", "b", "c"}


def test_dates_have_an_axis_of_dates(mixed, fitted):
    display = LatentTraversalDisplay.from_estimator(fitted, mixed, n_steps=5)
    for number, lines in enumerate(display.dates_):
        days = pd.to_datetime(lines["day"].get_ydata(), unit="D")
        rows = display.rows["day"].iloc[5 * number : 5 * number + 5]
        assert abs(days - rows.to_numpy()).max() < pd.Timedelta("1s")
        panel = lines["day"].axes
        panel.figure.canvas.draw()
        ticks = [label.get_text() for label in panel.get_yticklabels()]
        assert any(month in "".join(ticks) for month in calendar.month_abbr[1:]), ticks


def test_levels_are_written_inside_their_panel():
    z = np.linspace(-2, 2, 200)
    species = np.where(
        z > 0, "Gentoo penguin (Pygoscelis papua)", "Adelie Penguin (Pygoscelis)"
    )
    frame = pd.DataFrame({"z": z, "species": species})
    model = AutoencoderTransformer(1, max_iter=2, random_state=0).fit(frame)
    display = LatentTraversalDisplay.from_estimator(model, frame)
    display.figure_.canvas.draw()
    panel = display.axes_[1]
    assert len(panel.texts) == 2
    box = panel.get_window_extent()
    for text in panel.texts:
        extent = text.get_window_extent()
        assert box.x0 <= extent.x0 < extent.x1 <= box.x1


def test_dates_alone_are_drawn(mixed):
    frame = mixed[["day"]].assign(zoned=mixed["day"].dt.tz_localize("Asia/Tokyo"))
    model = AutoencoderTransformer(1, max_iter=2, random_state=0).fit(frame)
    display = LatentTraversalDisplay.from_estimator(model, frame)
    assert set(display.dates_[0]) == {"day", "zoned"}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kind": "spiral"}, "kind='spiral'.*'grid'"),
        ({"kind": "grid"}, "kind='grid' shows images.*use kind='each'"),
        ({"components": [0, 5]}, r"components=\[0, 5\].*\[0, 1, 2\]"),
        ({"components": [0.5]}, r"components=\[0.5\]"),
        ({"components": 1}, r"components=1 .*such as \[0\]"),
        ({"n_steps": 1}, "n_steps=1"),
        ({"proportion": 1.5}, "proportion=1.5"),
        ({"start": [0.0]}, "start has shape .* 3 codes"),
        ({"start": [0.0, np.nan, 0.0]}, "start=.* not finite"),
        ({"image_shape": (2, 2)}, "has 4 cells"),
    ],
)
def test_bad_traversals_are_an_error(X, params, message):
    with pytest.raises(ValueError, match=message):
        LatentTraversalDisplay.from_estimator(PCA(3).fit(X), X, **params)
