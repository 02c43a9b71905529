"""Levels that are unknown, rare or declared, and which columns are categories."""

import numpy as np
import pandas as pd
import pytest
from frames import as_library, assert_like, draw_rows, independent_levels
from registry import without_columns

from skae import AEAnomalyDetector, AutoencoderTransformer


def test_unknown_level_is_as_surprising_as_the_rarest(quick_any, library):
    frame = independent_levels()
    estimator = quick_any().fit(as_library(library, frame))
    often, rare, unknown = (
        estimator.score_samples(as_library(library, frame.assign(level=level)))
        for level in ("often", "rare", "never seen")
    )
    assert rare.mean() < often.mean()
    assert unknown.mean() <= rare.mean()
    assert np.isfinite(unknown).all()


@pytest.mark.parametrize("dtype", ["str", "category"])
def test_unknown_level_of_every_dtype(quick_any, dtype):
    frame = independent_levels().astype({"level": dtype})
    estimator = quick_any().fit(frame)
    rare, unknown = (
        estimator.score_samples(frame.assign(level=pd.Series([level] * 300, dtype=dtype)))
        for level in ("rare", "never seen")
    )
    assert unknown.mean() <= rare.mean()


def test_unknown_level_can_be_an_error(transformer, library):
    frame = as_library(library, independent_levels())
    later = as_library(library, independent_levels().assign(level="new"))
    strict = without_columns(transformer, 2, max_iter=2, handle_unknown="error")
    for estimator in (strict, AEAnomalyDetector(strict, n_estimators=2, random_state=0)):
        estimator.fit(frame)
        with pytest.raises(ValueError, match=r"'level' holds 'new'.*handle_unknown"):
            estimator.score_samples(later)


def test_unknown_level_can_be_restored(quick, library):
    frame = as_library(library, independent_levels())
    fitted = quick().fit(frame)
    later = as_library(library, independent_levels().assign(level="new"))
    restored = fitted.inverse_transform(fitted.transform(later))
    assert_like(restored, frame)
    assert set(restored["level"]) <= {"often", "usual", "rare"}


def _many_levels(n_rows=400):
    """Two common levels, and one of its own for every tenth row."""
    rng = np.random.default_rng(0)
    level = rng.choice(["a", "b"], n_rows).astype(object)
    level[::10] = [f"id{row}" for row in range(0, n_rows, 10)]
    return pd.DataFrame(
        {"level": pd.Series(level, dtype="str"), "x": rng.normal(size=n_rows)}
    )


@pytest.mark.parametrize(
    "params", [{"max_categories": 3}, {"min_frequency": 2}, {"min_frequency": 0.1}]
)
def test_rare_levels_are_one(quick, params):
    """They share a code and a score, and come back as one of themselves."""
    frame, unfitted = _many_levels(), quick(**params)
    if hasattr(unfitted, "sampler"):
        unfitted.set_params(sampler="columns")
    fitted = unfitted.fit(frame)
    one, other, common = (frame.assign(level=level) for level in ("id10", "id20", "a"))
    np.testing.assert_array_equal(fitted.transform(one), fitted.transform(other))
    np.testing.assert_array_equal(fitted.score_samples(one), fitted.score_samples(other))
    assert not np.allclose(fitted.transform(one), fitted.transform(common))
    restored = fitted.inverse_transform(fitted.transform(frame))
    assert len(set(restored["level"]) - {"a", "b"}) <= 1
    # Samples draw among the rare levels as often as each was.
    assert len(set(fitted.sample(600, random_state=0)["level"])) > 5


def test_levels_are_limited_to_a_hundred(quick):
    frame = _many_levels(2000)
    assert frame["level"].nunique() > 200
    fitted = quick().fit(frame)
    inputs = fitted.inverse_transform(fitted.transform(frame))
    assert_like(inputs, frame)
    rare = [frame.assign(level=level) for level in ("id1980", "id1990")]
    np.testing.assert_array_equal(*(fitted.transform(rows) for rows in rare))


NAMED = [["kind"], [1], [-2], [False, True, False], np.array([1]), ("kind",)]


def test_numbers_that_name_things(quick):
    """7 is a kind, not four more than 3: what comes back is 3, 7 or 11."""
    rng = np.random.default_rng(0)
    kind = rng.choice([3, 7, 11], 200)
    size = rng.normal(size=200)
    frame = pd.DataFrame({"size": size, "kind": kind, "far": size + 1})
    five = frame.assign(kind=5)
    for asked in NAMED:
        fitted = quick(categorical_features=asked).fit(frame)
        restored = fitted.inverse_transform(fitted.transform(five))
        assert_like(restored, frame)
        assert set(restored["kind"]) <= {3, 7, 11}, asked
    by_default = quick().fit(frame)
    numbers = by_default.inverse_transform(by_default.transform(five))["kind"]
    assert not set(numbers) <= {3, 7, 11}


def test_categories_of_an_array_are_those_of_a_frame(quick):
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [rng.normal(size=200), rng.choice([3.0, 7.0, 11.0], 200), rng.normal(size=200)]
    )
    X[::9, 1] = np.nan
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    other = quick(categorical_features=["b"]).fit(frame)
    codes, scores = other.transform(frame), other.score_samples(frame)
    rows = other.inverse_transform(codes).to_numpy()
    for asked in ([1], [-2], [False, True, False]):
        one = quick(categorical_features=asked).fit(X)
        np.testing.assert_array_equal(one.transform(X), codes)
        np.testing.assert_array_equal(one.score_samples(X), scores)
        restored = one.inverse_transform(one.transform(X))
        assert isinstance(restored, np.ndarray)
        assert set(restored[:, 1]) <= {3.0, 7.0, 11.0}
        np.testing.assert_array_equal(restored, rows)


def test_no_categories_asked_is_no_categories(quick):
    frame = draw_rows(60, 0)[["size", "rooms", "other"]]
    np.testing.assert_array_equal(
        quick(categorical_features=None).fit(frame).transform(frame),
        quick().fit(frame).transform(frame),
    )


def test_detector_hands_the_categories_on():
    """A level next to the usual one is an unknown one, no ordinary number."""
    rng = np.random.default_rng(0)
    kind = rng.choice([1.0, 9.0], 300, p=[0.96, 0.04])
    X = np.column_stack([kind, *rng.normal(size=(3, 300))])
    inner = AutoencoderTransformer(2, max_iter=10, categorical_features=[0])
    detector = AEAnomalyDetector(inner, n_estimators=4, random_state=0).fit(X)
    usual, rare, unknown = X.copy(), X.copy(), X.copy()
    usual[:, 0], rare[:, 0], unknown[:, 0] = 1.0, 9.0, 1.5
    scores = [detector.score_samples(rows).mean() for rows in (usual, rare, unknown)]
    assert scores[2] <= scores[1] < scores[0]


def test_declared_category_may_come_later(transformer):
    """The first chunk holds Rome alone; the dtype says that there are others."""
    chunks = [draw_rows(300, seed)[["size", "rooms", "city"]] for seed in range(12)]
    first = chunks[0].copy()
    first.loc[:, "city"] = "Rome"
    estimator = transformer(1, random_state=0).partial_fit(first.astype(chunks[0].dtypes))
    for chunk in chunks * 2:
        estimator.partial_fit(chunk)
    found = estimator.inverse_transform(estimator.transform(chunks[0]))["city"]
    assert np.mean(found.to_numpy() == chunks[0]["city"].to_numpy()) > 0.7


def test_level_that_is_not_declared_stays_unknown(quick):
    frame = independent_levels()
    first = frame[frame["level"] != "rare"]
    estimator = quick().partial_fit(first).partial_fit(frame)
    rows = estimator.inverse_transform(estimator.transform(frame))
    assert "rare" not in set(rows["level"])
    assert np.isfinite(estimator.score_samples(frame)).all()


def test_level_costs_its_surprise_after_the_shares_have_moved():
    """The loss and the encoding must go by the same shares."""
    rng = np.random.default_rng(0)

    def draw(share):
        level = np.where(rng.random(400) < share, "a", "b")
        return pd.DataFrame({"level": level, "x": rng.normal(size=400) + (level == "a")})

    estimator = AutoencoderTransformer(1, random_state=0).partial_fit(draw(0.5))
    for _ in range(10):
        estimator.partial_fit(draw(0.95))
    rows = draw(0.5)
    costs = estimator.explain(rows)["level"]
    assert (costs >= 0.0).all()
    # With two levels the surprises are those of p and 1 - p: exp(-s) sum to 1.
    a, b = (estimator.explain(rows.assign(level=level))["level"] for level in "ab")
    assert a.mean() < b.mean()


LABELS = {
    "tuples": pd.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", "")]),
    "dates": pd.date_range("2024-01-01", periods=3),
    "numbers": pd.Index([1.5, 2.5, 3.5]),
    "text": pd.Index(["u", "v", "w"]),
}


@pytest.mark.parametrize("form", LABELS)
def test_columns_are_named_by_labels_of_any_kind(form):
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, 90)
    X = pd.DataFrame(np.column_stack([group, group + rng.normal(size=90), group * 0.5]))
    X.columns = LABELS[form]
    first, second, third = X.columns.tolist()
    X.iloc[::6, 1] = np.nan
    model = AutoencoderTransformer(
        1,
        categorical_features=[first],
        missing={second: "level"},
        column_weight={third: 0},
        max_iter=2,
        random_state=0,
    ).fit(X)
    described = model.describe_codes(X)
    of_levels = described[described["level"].notna()]
    assert set(of_levels["column"]) == {first, second}  # values, and whether there is one
    assert model.column_weight == {third: 0}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ([("a", "z")], r"names \('a', 'z'\), which is not a column"),
        ([["a"]], r"names \['a'\], which is not a column"),
        ([7], "holds 7, but X has 3 columns"),
        (["x", 1], "names 'x', which is not a column"),
        ([1.0], r"names 1\.0, which is not a column"),
    ],
)
def test_labels_that_are_none_are_an_error(asked, message):
    X = pd.DataFrame(np.eye(3), columns=LABELS["tuples"])
    with pytest.raises(ValueError, match=f"categorical_features {message}"):
        AutoencoderTransformer(1, categorical_features=asked).fit(X)
