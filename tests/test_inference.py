"""Rows are encoded, scored and decoded in blocks, and each by itself."""

from itertools import product

import numpy as np
import pytest
import torch

from skae import AutoencoderTransformer

pytestmark = pytest.mark.rounding

METHODS = ("transform", "score_samples")
DTYPES = (np.float32, np.float64)


def test_two_scorings_agree_to_the_bit(quick, X):
    fitted = quick(dropout=0.3).fit(X)
    for method, dtype in product(METHODS, DTYPES):
        function, rows = getattr(fitted, method), X.astype(dtype)
        np.testing.assert_array_equal(function(rows), function(rows))


def test_batch_division_does_not_matter(quick, X):
    fitted = quick(dropout=0.3).fit(X)
    for method, dtype in product(METHODS, DTYPES):
        function, rows = getattr(fitted, method), X[:40].astype(dtype)
        whole = function(rows)
        for size in (1, 7, 39):
            parts = [function(rows[start : start + size]) for start in range(0, 40, size)]
            np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5, atol=1e-5)


def test_batch_division_does_not_matter_to_the_detector(quick_detector, X):
    fitted = quick_detector().fit(X)
    parts = [fitted.score_samples(X[start : start + 7]) for start in range(0, len(X), 7)]
    np.testing.assert_allclose(np.concatenate(parts), fitted.score_samples(X), atol=1e-5)
    np.testing.assert_array_equal(
        np.concatenate([fitted.predict(row[None]) for row in X]), fitted.predict(X)
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_private_block_size_does_not_matter(quick, X, dtype, monkeypatch):
    fitted, rows = quick().fit(X), X.astype(dtype)
    codes, scores = fitted.transform(rows), fitted.score_samples(rows)
    restored = fitted.inverse_transform(codes)
    monkeypatch.setattr("skae._blockwise.BLOCK_CELLS", 1000)
    tolerance = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(fitted.transform(rows), codes, **tolerance)
    np.testing.assert_allclose(fitted.score_samples(rows), scores, **tolerance)
    np.testing.assert_allclose(fitted.inverse_transform(codes), restored, **tolerance)


def test_order_of_the_rows_does_not_matter_to_their_scores(quick_any, X):
    fitted = quick_any().fit(X)
    np.testing.assert_allclose(
        fitted.score_samples(X[::-1])[::-1], fitted.score_samples(X), rtol=1e-10
    )


def test_block_is_halved_where_the_device_has_too_little_memory(holed, monkeypatch):
    fitted = AutoencoderTransformer(2, max_iter=2, random_state=0).fit(holed)
    plain, encode, sizes = fitted.transform(holed), type(fitted.encoder_).forward, []

    def encode_few(self, x):
        sizes.append(len(x))
        if len(x) > 20:
            raise torch.OutOfMemoryError
        return encode(self, x)

    monkeypatch.setattr(type(fitted.encoder_), "forward", encode_few)
    np.testing.assert_allclose(fitted.transform(holed), plain)
    assert max(sizes) > 20


def test_a_row_that_does_not_fit_into_memory_is_an_error(holed, monkeypatch):
    fitted = AutoencoderTransformer(2, max_iter=2, random_state=0).fit(holed)

    def encode_none(self, x):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(type(fitted.encoder_), "forward", encode_none)
    with pytest.raises(torch.OutOfMemoryError):
        fitted.transform(holed)
