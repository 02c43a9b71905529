"""Sparse matrices are the tables that they stand for."""

import sys

import numpy as np
import pytest
from registry import make
from scipy.sparse import csc_array, csr_array, csr_matrix

from skae import AutoencoderTransformer


def counts(n_rows=90):
    rng = np.random.default_rng(0)
    topic = rng.random((n_rows, 1))
    rates = np.hstack([topic, 1 - topic, topic / 2, np.full_like(topic, 0.1)])
    return rng.poisson(rates @ np.repeat(np.eye(4), 2, axis=1)).astype(float)


def test_sparse_matrix_is_the_same_table(quick_any):
    X = counts()
    dense = quick_any().fit(X)
    names = ("transform", "score_samples", "explain", "impute", "predict", "score")
    expected = {name: getattr(dense, name)(X) for name in names if hasattr(dense, name)}
    for sparse_of in (csr_array, csc_array, csr_matrix):
        sparse = quick_any().fit(sparse_of(X))
        for name, cells in expected.items():
            found, of_dense = (getattr(e, name)(sparse_of(X)) for e in (sparse, dense))
            said = f"{name} of {sparse_of.__name__}"
            np.testing.assert_allclose(found, cells, rtol=1e-5, atol=1e-6, err_msg=said)
            np.testing.assert_allclose(of_dense, cells, rtol=1e-9, atol=1e-12, err_msg=said)


def test_sparse_matrix_trains_with_weights_and_by_chunks(quick):
    X = counts()
    weights = np.linspace(0.1, 2.0, len(X))
    np.testing.assert_allclose(
        quick().fit(csr_array(X), sample_weight=weights).transform(X),
        quick().fit(X, sample_weight=weights).transform(X),
        rtol=1e-5,
        atol=1e-6,
    )
    dense, sparse = quick(), quick()
    for chunk in np.array_split(X, 3):
        dense.partial_fit(chunk)
        sparse.partial_fit(csr_array(chunk))
    np.testing.assert_allclose(
        sparse.transform(X), dense.transform(X), rtol=1e-5, atol=1e-6
    )


@pytest.mark.filterwarnings("ignore:n_quantiles")
@pytest.mark.parametrize("scale", [False, "robust", "quantile"])
@pytest.mark.parametrize("fit", ["fit", "partial_fit"])
def test_sparse_codes_are_held_to_a_prior_where_no_rows_are_held_out(scale, fit):
    X, settings = counts(), {"scale": scale, "early_stopping": False}
    dense, sparse = (
        getattr(make("AdversarialAutoencoderTransformer", **settings), fit)(rows)
        for rows in (X, csr_array(X))
    )
    np.testing.assert_allclose(
        sparse.transform(X), dense.transform(X), rtol=1e-4, atol=1e-4
    )


def test_sparse_matrix_is_never_dense_as_a_whole(monkeypatch, quick_any):
    X = csr_array(counts(4000))
    rooms = [room for name, room in sys.modules.items() if name.startswith("skae.")]
    for name, size in {
        "BLOCK": 2000,
        "BLOCK_CELLS": 2000 * 128,
        "N_CLUSTERED": 2000,
    }.items():
        for room in rooms:
            if hasattr(room, name):
                monkeypatch.setattr(room, name, size)
    heights, toarray = [], csr_array.toarray

    def watched(self, *args, **kwargs):
        heights.append(self.shape[0])
        return toarray(self, *args, **kwargs)

    monkeypatch.setattr(csr_array, "toarray", watched)
    estimator = quick_any()
    if hasattr(estimator, "sampler"):
        estimator.set_params(sampler="columns")
    estimator.fit(X).score_samples(X)
    assert heights
    assert max(heights) < 3000


def test_restored_sparse_rows_are_an_array(quick):
    fitted = quick().fit(csr_array(counts()))
    restored = fitted.inverse_transform(fitted.transform(csr_array(counts())))
    assert isinstance(restored, np.ndarray)
    assert restored.shape == (90, 8)


def test_categories_in_a_sparse_matrix_are_refused():
    with pytest.raises(ValueError, match=r"categorical_features .* sparse"):
        AutoencoderTransformer(2, categorical_features=[0]).fit(csr_array(counts()))
