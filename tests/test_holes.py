"""A cell missing in a column that was complete in fit is not observed: no more, no less."""

from types import SimpleNamespace

import numpy as np
import pytest
from frames import draw_rows
from registry import without_columns
from scipy.stats import multivariate_normal

from skae import AEAnomalyDetector, AutoencoderTransformer, VAETransformer


def _draw(n_rows, seed):
    """Three factors in eight columns, which are far from 0."""
    loadings = np.random.default_rng(99).normal(size=(3, 8))
    rng = np.random.default_rng(seed)
    noise = 0.3 * rng.normal(size=(n_rows, 8))
    return rng.normal(size=(n_rows, 3)) @ loadings + noise + 5.0


@pytest.fixture(scope="module")
def fresh():
    """Fresh rows, and the same with one cell hidden in each."""
    rows = _draw(3000, 2)
    holes = np.arange(3000), np.random.default_rng(0).integers(0, 8, 3000)
    holed = rows.copy()
    holed[holes] = np.nan
    return SimpleNamespace(rows=rows, holed=holed, holes=holes)


@pytest.fixture(scope="module")
def fitted():
    return AutoencoderTransformer(3, refit=False, random_state=0).fit(_draw(600, 1))


def test_rows_with_a_hole_score_like_others(fitted, fresh):
    """As the column's mean in its place, a fifth of them would be below."""
    threshold = np.quantile(fitted.score_samples(fresh.rows), 0.05)
    assert 0.02 < (fitted.score_samples(fresh.holed) < threshold).mean() < 0.08


def test_clones_in_the_detector_do_not_flag_holes(fresh):
    clones = AEAnomalyDetector(
        AutoencoderTransformer(3), n_estimators=2, contamination=0.0, false_alarm_rate=0.05
    )
    clones.set_params(random_state=0).fit(_draw(600, 1))
    assert 0.02 < (clones.predict(fresh.holed) < 0).mean() < 0.1


def test_code_of_a_row_with_a_hole_is_near_that_of_the_whole_row(fitted, fresh):
    means = fresh.rows.copy()
    means[fresh.holes] = _draw(600, 1).mean(axis=0)[fresh.holes[1]]
    codes, filled, by_mean = map(fitted.transform, (fresh.rows, fresh.holed, means))
    assert np.square(filled - codes).mean() < 0.3 * np.square(by_mean - codes).mean()


def test_rows_beside_rows_with_holes_score_as_alone(fitted, fresh):
    mixed = np.where(np.arange(3000)[:, None] % 2 == 0, fresh.rows, fresh.holed)
    np.testing.assert_allclose(
        fitted.score_samples(mixed)[::2], fitted.score_samples(fresh.rows[::2]), rtol=1e-9
    )


def test_density_of_the_observed_cells_after_complete_rows(ppca):
    """The hidden column tells most of the codes, and the encoder sees it filled."""
    vae = VAETransformer(2, max_iter=30, random_state=0, sampler="codes").fit(ppca.train)
    test = ppca.test[:1000].copy()
    test[:, 1] = np.nan
    kept = [0, 2, 3, 4, 5]
    covariance = ppca.covariance[np.ix_(kept, kept)]
    truth = multivariate_normal(ppca.mean[kept], covariance).logpdf(test[:, kept])
    error = vae.score_samples(test) - truth
    assert abs(error.mean()) < 0.1
    assert np.abs(error).mean() < 0.25


def test_holes_of_every_kind_of_column(transformer):
    """Each column hides in turn; the codes stay near those of the whole rows."""
    frame, fresh = draw_rows(400, 0), draw_rows(200, 1)
    params = {"max_iter": 20, "refit": False, "random_state": 0}
    fitted = without_columns(transformer, 1, **params).fit(frame)
    codes = fitted.transform(fresh)
    for name in ("size", "city", "rooms", "flag", "day", "grade", "wait"):
        holed = fresh.assign(**{name: None})
        found = fitted.transform(holed)
        assert np.corrcoef(codes[:, 0], found[:, 0])[0, 1] > 0.95, name
        contributions = fitted.explain(holed.iloc[:20])
        np.testing.assert_array_equal(contributions[name], 0.0)
        assert np.isfinite(contributions).all(axis=None)
