"""Which cells make a row's anomaly score."""

import numpy as np
import pandas as pd
import pytest
from frames import assert_like, draw_rows, is_missing, planted_errors

from skae import AEAnomalyDetector, AutoencoderTransformer, VAETransformer


def test_contributions_are_a_frame_of_the_library(quick_any, holed):
    estimator = quick_any().fit(holed)
    found, expected = estimator.explain(holed, expected=True)
    assert type(found) is type(holed)
    assert list(found.columns) == list(holed.columns)
    assert found.shape == holed.shape
    assert_like(expected, holed, index=True)
    if isinstance(holed, pd.DataFrame):
        pd.testing.assert_index_equal(found.index, holed.index)
    assert not is_missing(expected).any()
    contributions = found.to_numpy()
    assert np.isfinite(contributions).all()
    assert (contributions >= 0.0).all()
    assert (contributions[is_missing(holed)] == 0.0).all()
    assert (contributions.max(axis=1) > 0.0).all()


def test_contributions_of_an_array_are_a_frame_with_its_columns(quick_any, X):
    found, expected = quick_any().fit(X).explain(X, expected=True)
    assert list(found.columns) == [f"x{i}" for i in range(5)]
    assert isinstance(expected, np.ndarray)
    assert expected.shape == X.shape


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_contributions_sum_to_the_anomaly_score(quick_any, missing):
    known = draw_rows(120, 0, missing)
    estimator = quick_any().fit(known)
    for frame in (known, known.assign(grade="z")):
        total = estimator.explain(frame).sum(axis=1) + estimator.score_samples(frame)
        if not isinstance(estimator, VAETransformer):
            np.testing.assert_allclose(total, 0.0, atol=1e-5)
        else:
            # The height of the highest density that there can be of the cells of a whole row.
            total = total[frame.notna().all(axis=1)]
            assert len(total) > 10
            np.testing.assert_allclose(total, total.iloc[0], atol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: AutoencoderTransformer(1, max_iter=20, refit=False, random_state=0),
        lambda: VAETransformer(
            1, sampler="codes", max_iter=20, refit=False, random_state=0
        ),
        lambda: AEAnomalyDetector(
            AutoencoderTransformer(1, max_iter=20), n_estimators=2, random_state=0
        ),
    ],
    ids=["AutoencoderTransformer", "VAETransformer", "AEAnomalyDetector"],
)
def test_the_wrong_cell_is_named(make):
    planted = planted_errors()
    # Eight columns of which one is noise, and seven say the same: the planted one differs.
    kept = ["size", "city", "rooms", "flag", "day", "grade", "wait"]
    estimator = make().fit(draw_rows(500, 0)[kept])
    found, expected = estimator.explain(planted.wrong[kept], expected=True)
    named = found.idxmax(axis=1).to_numpy()
    assert np.mean(named == planted.names) > 0.8
    swapped = planted.names == "city"
    right = expected["city"].astype(str) == planted.rows["city"].astype(str)
    assert right[swapped].mean() > 0.8
    moved = planted.names == "size"
    error = (expected["size"] - planted.rows["size"]).abs()[moved].mean()
    assert error < 0.5 * (planted.wrong["size"] - planted.rows["size"]).abs()[moved].mean()
