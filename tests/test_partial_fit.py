"""Learning from chunks of a stream."""

import numpy as np
import pytest
import torch
from arrays import pca_score
from frames import as_library, assert_like, draw_rows
from skorch.callbacks import Callback

from skae import AutoencoderTransformer
from skae.table.blocks import numbers
from skae.table.encoder import TableEncoder


def _assert_same_codes(one, other, X):
    np.testing.assert_array_equal(one.transform(X), other.transform(X))


def test_partial_fit_learns_from_chunks():
    rng = np.random.default_rng(0)

    def draw(n_rows):
        t = rng.uniform(-2, 2, n_rows)
        rows = np.column_stack([t, t**2, np.sin(2 * t), np.cos(2 * t)])
        return rows + 0.05 * rng.normal(size=rows.shape)

    estimator, test = AutoencoderTransformer(1, random_state=0), draw(500)
    start = estimator.partial_fit(draw(500)).score(test)
    for _ in range(40):
        estimator.partial_fit(draw(500))
    assert estimator.n_iter_ == 41
    assert estimator.score(test) > 0.3 * start  # scores are negative
    assert estimator.score(test) > 0.3 * pca_score(draw(2000), test, 1)


def test_partial_fit_goes_on_learning_where_the_rows_lie(quick, X):
    """The code 0 stands for about the mean of all rows so far."""
    estimator, origin = quick().partial_fit(X), np.zeros((1, 2))
    spread = X.std(axis=0).max()
    found = estimator.inverse_transform(origin)[0]
    np.testing.assert_allclose(found, X.mean(axis=0), atol=spread)
    estimator.partial_fit(X + 1e3)
    found = estimator.inverse_transform(origin)[0]
    np.testing.assert_allclose(found, X.mean(axis=0) + 500.0, atol=100.0)


def test_partial_fit_learns_the_statistics_of_a_fit(X):
    """Whatever the chunks: the score's unit is the standard deviation of all rows."""
    X = X * np.linspace(0.1, 3.0, len(X))[:, None]
    estimator = AutoencoderTransformer(2, random_state=0)
    for chunk in np.array_split(X, 4):
        estimator.partial_fit(chunk)
    missed = estimator.inverse_transform(estimator.transform(X)) - X
    expected = -np.mean((missed / X.std(axis=0)) ** 2, axis=1)
    np.testing.assert_allclose(estimator.score_samples(X), expected, rtol=1e-6)


def test_partial_fits_agree_to_the_bit(quick, X):
    one, other = (quick().partial_fit(X).partial_fit(X[::-1]) for _ in range(2))
    _assert_same_codes(one, other, X)


def test_partial_fit_takes_another_order_every_time(quick, X):
    orders = []

    class Watch(Callback):
        def on_batch_end(self, net, batch, **kwargs):
            orders.append(batch[0].clone())

    estimator = quick(batch_size=200, callbacks=[Watch()])
    estimator.partial_fit(X).partial_fit(X)
    assert not torch.equal(*orders)
    torch.testing.assert_close(orders[0].sort(0).values, orders[1].sort(0).values)


def test_partial_fit_takes_a_last_chunk_of_one_row(quick, X):
    estimator = quick().partial_fit(X)
    assert estimator.partial_fit(X[:1]).n_iter_ == 2


def test_chunks_of_a_frame_train_like_the_frame(library):
    estimator = AutoencoderTransformer(1, random_state=0)
    for seed in range(14):
        estimator.partial_fit(as_library(library, draw_rows(200, seed, missing=0.05)))
    test = as_library(library, draw_rows(300, 99))
    whole = AutoencoderTransformer(1, max_iter=40, refit=False, random_state=0)
    whole.fit(as_library(library, draw_rows(500, 50)))
    assert estimator.score(test) > 1.5 * whole.score(test)  # scores are negative
    assert_like(estimator.sample(5, random_state=0), test)


def test_a_chunk_without_cells_of_a_column_leaves_its_statistics_alone(quick, X):
    """And a block of rows of a fit, such as the days before a sensor was there."""
    holed, rest = X[:40].copy(), X[40:]
    holed[:, 2] = np.nan
    stream = quick().partial_fit(rest).partial_fit(holed).partial_fit(rest)
    again = quick().partial_fit(rest).partial_fit(rest)
    np.testing.assert_allclose(stream._table.center_[2], again._table.center_[2])
    np.testing.assert_allclose(stream._table.scale_[2], again._table.scale_[2])
    assert np.isfinite(stream.score_samples(X)).all()


@pytest.mark.parametrize("empty", [slice(0, 40), slice(40, 80), slice(80, 120)])
def test_a_block_without_cells_of_a_column_says_nothing_of_it(monkeypatch, X, empty):
    monkeypatch.setattr(numbers, "BLOCK", 40)
    holed = X.copy()
    holed[empty, 2] = np.nan
    table = TableEncoder().fit(holed)
    np.testing.assert_allclose(table.center_[2], np.nanmean(holed[:, 2]))
    np.testing.assert_allclose(table.scale_[2], np.nanstd(holed[:, 2]))
