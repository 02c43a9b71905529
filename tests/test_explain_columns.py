"""What `explain` and `impute` expect is what a column can be; `max_columns` of it."""

import numpy as np
import pandas as pd
import pytest
from frames import draw_rows, planted_errors

from skae import AEAnomalyDetector, AutoencoderTransformer
from skae.detector.batched_mlp import BatchedMLP
from skae.table.decimals import TOO_MANY, decimals_of


def follow_one_number(n_rows, seed):
    """Columns that one hidden number tells: a rate, a count, a price, a measurement."""
    rng = np.random.default_rng(seed)
    t = rng.normal(size=n_rows)
    noisy = t[:, None] + 0.3 * rng.normal(size=(n_rows, 4))
    return pd.DataFrame(
        {
            "rate": np.clip(0.5 * noisy[:, 0], 0.0, 1.0),
            "count": np.maximum(np.rint(3.0 * noisy[:, 1]), 0.0),
            "price": np.round(20.0 + 5.0 * noisy[:, 2], 2),
            "length": noisy[:, 3],
        }
    )


def assert_possible(found, rows):
    """Within the range of the rows' columns, and with their decimals."""
    found, rows = pd.DataFrame(np.asarray(found)), pd.DataFrame(np.asarray(rows))
    assert (found.min() >= rows.min()).all()
    assert (found.max() <= rows.max()).all()
    np.testing.assert_array_equal(found[1], found[1].round())
    np.testing.assert_allclose(found[2], found[2].round(2), rtol=1e-7)


FITTED = [
    lambda: AutoencoderTransformer(1, max_iter=20, random_state=0),
    lambda: AEAnomalyDetector(n_estimators=8, max_iter=60, random_state=0),
]
NAMES = ["transformer", "detector"]


@pytest.mark.parametrize("make", FITTED, ids=NAMES)
@pytest.mark.parametrize("form", ["frame", "array", "float32"])
def test_what_is_expected_is_what_the_column_can_be(make, form):
    rows, wrong = follow_one_number(300, 0), follow_one_number(80, 1)
    wrong.iloc[::2, 0] = 1.0 - wrong.iloc[::2, 0]
    wrong.iloc[::3, 1] = 25.0
    wrong.iloc[1::4, 2] = -40.0
    if form != "frame":
        dtype = "float32" if form == "float32" else "float64"
        rows, wrong = rows.to_numpy(dtype), wrong.to_numpy(dtype)
    _, expected = make().fit(rows).explain(wrong, expected=True)
    assert_possible(expected, rows)


@pytest.mark.parametrize("form", ["frame", "array"])
def test_missing_cells_are_filled_with_what_the_column_can_be(form):
    rows, holed = follow_one_number(300, 0), follow_one_number(80, 1)
    holed = holed.mask(np.random.default_rng(0).random(holed.shape) < 0.4)
    if form == "array":
        rows, holed = rows.to_numpy(), holed.to_numpy()
    filled = AutoencoderTransformer(1, max_iter=20, random_state=0).fit(rows).impute(holed)
    gone = np.isnan(np.asarray(holed))
    assert gone.any(axis=0).all()
    assert_possible(np.where(gone, filled, np.asarray(rows)[:80]), rows)


def test_a_stream_widens_what_a_column_can_be():
    rows = follow_one_number(200, 0)
    fitted = AutoencoderTransformer(1, max_iter=20, random_state=0).partial_fit(rows)
    later = rows.assign(price=rows["price"] + 100.0, count=rows["count"] + 0.5)
    fitted.partial_fit(later)
    _, expected = fitted.explain(later, expected=True)
    assert expected["price"].max() > rows["price"].max()
    assert expected["price"].max() <= later["price"].max()
    np.testing.assert_array_equal(expected["count"], expected["count"].round(1))
    assert (expected["count"] != expected["count"].round()).any()


def test_cells_that_nothing_improves_are_expected_as_they_are():
    rows = follow_one_number(300, 0)
    detector = AEAnomalyDetector(n_estimators=8, max_iter=60, random_state=0).fit(rows)
    wrong = rows.iloc[:20].copy()
    wrong["price"] += 200.0
    contributions, expected = detector.explain(wrong, expected=True, max_columns=1)
    assert (contributions["price"] > 0.0).all()
    for name in ("rate", "count", "length"):
        np.testing.assert_allclose(expected[name], wrong[name], rtol=1e-12, atol=1e-12)


def test_max_columns_divides_the_score_among_the_worst_cells(quick_any):
    frame = draw_rows(120, 0, missing=0.1)
    estimator = quick_any().fit(frame)
    whole = estimator.explain(frame)
    found, expected = estimator.explain(frame, expected=True, max_columns=2)
    assert ((found > 0.0).sum(axis=1) <= 2).all()
    np.testing.assert_allclose(found.sum(axis=1), whole.sum(axis=1), rtol=1e-6)
    assert not expected.isna().any(axis=None)
    most = estimator.explain(frame, max_columns=1000)
    np.testing.assert_allclose(most.sum(axis=1), whole.sum(axis=1), rtol=1e-6)


@pytest.mark.parametrize("make", FITTED, ids=NAMES)
def test_the_wrong_cell_is_among_the_worst(make):
    planted = planted_errors()
    kept = ["size", "city", "rooms", "flag", "day", "grade", "wait"]
    found = make().fit(draw_rows(500, 0)[kept]).explain(planted.wrong[kept], max_columns=2)
    named = found.idxmax(axis=1).to_numpy()
    assert np.mean(named == planted.names) > 0.8


def test_two_wrong_cells_are_the_first_two():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(3, 20))
    rows = rng.normal(size=(800, 3)) @ mixing + 0.3 * rng.normal(size=(800, 20))
    X, wrong = rows[:600], rows[600:].copy()
    cells = np.array([rng.choice(20, 2, replace=False) for _ in wrong])
    at = np.arange(len(wrong))[:, None]
    wrong[at, cells] += 4.0 * X.std(axis=0)[cells] * rng.choice([-1.0, 1.0], cells.shape)
    detector = AEAnomalyDetector(random_state=0).fit(X)
    found, expected = detector.explain(wrong, expected=True)
    first = np.argsort(-found.to_numpy(), axis=1)[:, :2]
    assert np.mean(np.sort(first, axis=1) == np.sort(cells, axis=1)) > 0.85
    error = np.abs(expected[at, cells] - rows[600:][at, cells]) / X.std(axis=0)[cells]
    assert np.median(error) < 1.0


def test_explaining_reconstructs_few_rows_more_than_scoring(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 30))
    detector = AEAnomalyDetector(n_estimators=8, max_iter=20, random_state=0).fit(X)
    n_rows, encode = [], BatchedMLP.encode

    def counted(self, x):
        n_rows.append(x.shape[0] * x.shape[1])
        return encode(self, x)

    monkeypatch.setattr(BatchedMLP, "encode", counted)
    detector.score_samples(X)
    scored = sum(n_rows)
    detector.explain(X)
    # Half of the precision of a score takes half the time.
    assert sum(n_rows) - scored < 20 * scored


@pytest.mark.parametrize("max_columns", [0, -1, 2.5, True, "3"])
@pytest.mark.parametrize("make", FITTED, ids=NAMES)
def test_max_columns_is_a_whole_number(make, max_columns):
    rows = follow_one_number(60, 0)
    fitted = make().set_params(max_iter=2).fit(rows)
    with pytest.raises(ValueError, match=r"max_columns=.*1 or more"):
        fitted.explain(rows, max_columns=max_columns)


def test_decimals_of_columns():
    raw = np.array([[1.0, 5.2, 0.25, np.pi], [2.0, 7.0, np.nan, 1.0]])
    assert decimals_of(raw).tolist() == [0, 1, 2, TOO_MANY]
    assert decimals_of(raw.astype(np.float32).astype(float)).tolist() == [0, 1, 2, TOO_MANY]
    assert decimals_of(raw, np.array([1, 0, 3, 2])).tolist() == [1, 1, 3, TOO_MANY]
    late = np.vstack([np.ones((100, 1)), [[0.125]]])
    assert decimals_of(late).tolist() == [3]
