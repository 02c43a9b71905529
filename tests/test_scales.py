"""What `scale` does to scores, reconstructions and densities."""

import numpy as np
import pytest
from frames import as_library, assert_like, draw_rows

from skae import AutoencoderTransformer, VAETransformer
from skae.table.encoder import TableEncoder


def test_robust_score_is_in_units_that_far_cells_do_not_move(curved):
    """The interquartile range over 1.349, which is 1 for a standard normal column."""
    X = curved.train.copy()
    X[::50, 3] = 1e4
    fitted = AutoencoderTransformer(2, scale="robust", max_iter=4, random_state=0).fit(X)
    low, high = np.quantile(X, [0.25, 0.75], axis=0)
    missed = fitted.inverse_transform(fitted.transform(X)) - X
    expected = -np.mean((missed / ((high - low) / 1.3489795)) ** 2, axis=1)
    np.testing.assert_allclose(fitted.score_samples(X), expected, rtol=1e-5)


def test_quantile_scale_restores_within_the_columns_ranges():
    rng = np.random.default_rng(0)
    X = np.exp(2 * rng.normal(size=(300, 2)) @ rng.normal(size=(2, 4)))
    fitted = AutoencoderTransformer(2, scale="quantile", random_state=0).fit(X)
    restored = fitted.inverse_transform(fitted.transform(X))
    assert (restored >= X.min(axis=0) * (1 - 1e-9)).all()
    assert (restored <= X.max(axis=0) * (1 + 1e-9)).all()
    ranks = np.argsort(np.argsort(X, axis=0), axis=0)
    found = np.argsort(np.argsort(restored, axis=0), axis=0)
    for column in range(4):
        assert np.corrcoef(ranks[:, column], found[:, column])[0, 1] > 0.95


@pytest.mark.parametrize("scale", [True, False, "robust", "quantile"])
def test_every_scale_takes_mixed_frames(scale, library):
    frame = as_library(library, draw_rows(100, 0, missing=0.1))
    fitted = AutoencoderTransformer(2, scale=scale, max_iter=3, random_state=0).fit(frame)
    assert_like(fitted.impute(frame), frame, index=True)
    assert np.isfinite(fitted.score_samples(frame)).all()


def test_robust_density_is_in_the_original_units(ppca):
    one, other = (
        VAETransformer(2, scale=scale, sampler="codes", max_iter=8, random_state=0).fit(
            ppca.train
        )
        for scale in (True, "robust")
    )
    assert one.score(ppca.test) == pytest.approx(other.score(ppca.test), abs=0.1)


@pytest.mark.filterwarnings("error")
@pytest.mark.filterwarnings("ignore:n_quantiles")
def test_subnormal_numbers_have_quantiles():
    large = [9.413611595388e-311, 7.481551399463e-311, 6.920342883154e-311]
    large += [6.3712815519155e-311, 7.583192450058e-311, 6.57850249086e-311]
    large += [9.7310042260377e-311, 8.9067745714187e-311, 6.1343844108447e-311]
    X = np.array([*large, 9.294326049437e-311, *[5e-324] * 7, *[0.0] * 4])[:, None]
    x, states = TableEncoder("quantile").fit(X).encode(X)
    assert np.isfinite(x).all()
    assert states is None
