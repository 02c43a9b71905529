"""Data frames as they come: columns of every kind, with holes, through the estimators."""

import pickle
import warnings
from types import SimpleNamespace

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy.sparse import csc_array, csr_array, csr_matrix
from scipy.stats import entropy, multivariate_normal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from tables import assert_frames_equal

from skae import AEAnomalyDetector, AutoencoderTransformer, VAETransformer
from skae.models.losses import SquaredError
from skae.table.encoder import TableEncoder

CITIES = ["Rome", "Oslo", "Lima"]


def _draw(n_rows, seed, missing=0.0):
    """Rows that one hidden number nearly tells: size, city, flag and day all follow it."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(-1.0, 1.0, n_rows)
    frame = pd.DataFrame(
        {
            "size": 50.0 + 10.0 * t + 0.5 * rng.normal(size=n_rows),
            "city": pd.Categorical(
                np.array(CITIES)[np.digitize(t, [-0.4, 0.4])], categories=CITIES
            ),
            "rooms": pd.Series(np.rint(5 - 3 * t), dtype="Int64"),
            "flag": pd.Series(t > 0.0, dtype="boolean"),
            "day": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(np.rint(300 * (t + 1.0)), "D").astype("m8[s]"),
            "grade": pd.Series(np.array(["c", "b", "a"])[np.digitize(t, [-0.3, 0.5])]),
            "wait": pd.to_timedelta(np.rint(60 * (2 + t)), "min").astype("m8[ms]"),
            "other": rng.normal(size=n_rows),
        }
    )
    frame.index = pd.Index(np.arange(n_rows) + 1000, name="key")
    return frame.mask(rng.random(frame.shape) < missing)


def _as(library, frame):
    return frame if library == "pandas" else pl.from_pandas(frame)


def _quick_detector(**params):
    inner = AutoencoderTransformer(2, max_iter=4)
    return AEAnomalyDetector(inner, **{"n_estimators": 2, "random_state": 0, **params})


@pytest.fixture
def quick_detector():
    """Make a detector of two networks of a few short epochs."""
    return _quick_detector


@pytest.fixture(
    params=[AutoencoderTransformer, VAETransformer, AEAnomalyDetector],
    ids=lambda cls: cls.__name__,
)
def quick_any(request):
    """Make any of the three estimators, with a few short epochs."""
    if request.param is AEAnomalyDetector:
        return _quick_detector
    return lambda **params: request.param(2, **{"max_iter": 4, "random_state": 0, **params})


@pytest.fixture(params=["pandas", "polars"])
def library(request):
    return request.param


@pytest.fixture
def holed(library):
    return _as(library, _draw(150, 0, missing=0.15))


@pytest.fixture
def fitted(quick, holed):
    return quick().fit(holed)


def _missing(frame):
    if isinstance(frame, pl.DataFrame):
        frame = frame.to_pandas()
    return frame.isna().to_numpy()


def _assert_like(found, frame, index=False):
    """The same library, columns and dtypes; with `index`, the same index."""
    assert type(found) is type(frame)
    assert list(found.columns) == list(frame.columns)
    assert list(found.dtypes) == list(frame.dtypes)
    if index and isinstance(frame, pd.DataFrame):
        pd.testing.assert_index_equal(found.index, frame.index)


# ---------------------------------------------------------------- the way there and back


def test_codes_of_a_frame_are_an_array(fitted, holed):
    codes = fitted.transform(holed)
    assert isinstance(codes, np.ndarray)
    assert codes.shape == (150, 2)
    assert codes.dtype == np.float64
    assert np.isfinite(codes).all()
    assert fitted.score_samples(holed).shape == (150,)
    assert np.isfinite(fitted.score_samples(holed)).all()


def test_inverse_transform_gives_the_columns_back(fitted, holed):
    restored = fitted.inverse_transform(fitted.transform(holed))
    _assert_like(restored, holed)
    assert not _missing(restored).any()


def test_restored_rows_are_close_to_the_rows(transformer, library):
    frame = _draw(400, 0)
    fitted = transformer(2, max_iter=20, random_state=0).fit(_as(library, frame))
    restored = fitted.inverse_transform(fitted.transform(_as(library, frame)))
    restored = restored if library == "pandas" else restored.to_pandas()
    for name in ("city", "grade", "flag"):
        assert np.mean(restored[name].to_numpy() == frame[name].to_numpy()) > 0.9, name
    days = (restored["day"].to_numpy() - frame["day"].to_numpy()) / np.timedelta64(1, "D")
    assert np.abs(days).mean() < 30  # of 600
    assert np.abs(restored["size"].to_numpy() - frame["size"].to_numpy()).mean() < 1.5


def test_sampled_rows_are_rows_of_the_frame(fitted, holed):
    rows = fitted.sample(40, random_state=0)
    _assert_like(rows, holed)
    assert len(rows) == 40
    assert not _missing(rows).any()
    assert_frames_equal(fitted.sample(40, random_state=0), rows)
    assert set(rows["city"]) <= set(CITIES)


def test_whole_numbers_are_sampled_within_their_dtype(transformer, library):
    """A density reaches below 0; unsigned numbers do not."""
    rng = np.random.default_rng(0)
    count = pd.Series(rng.poisson(1.0, 200), dtype="UInt8")
    frame = _as(library, pd.DataFrame({"count": count, "x": rng.normal(size=200)}))
    rows = transformer(2, max_iter=4, random_state=0).fit(frame).sample(500, random_state=0)
    _assert_like(rows, frame)
    assert rows["count"].min() == 0


@pytest.mark.parametrize("cls", [AutoencoderTransformer, VAETransformer])
def test_samples_draw_categories_in_their_shares(cls):
    rng = np.random.default_rng(0)
    shares = {"a": 0.6, "b": 0.3, "c": 0.1}
    letters = rng.choice(list(shares), 600, p=list(shares.values()))
    frame = pd.DataFrame({"letter": letters, "x": rng.normal(size=600)})
    rows = cls(1, max_iter=8, random_state=0).fit(frame).sample(4000, random_state=0)
    found = rows["letter"].value_counts(normalize=True)
    for letter, share in shares.items():
        assert found[letter] == pytest.approx(share, abs=0.06)


def test_samples_keep_columns_together(transformer):
    """Size and city follow one number: samples must not mix them."""
    frame = _draw(400, 0)
    rows = (
        transformer(2, max_iter=20, random_state=0).fit(frame).sample(600, random_state=0)
    )
    means = rows.groupby("city", observed=True)["size"].mean()
    assert means["Rome"] < 46 < means["Oslo"] < 54 < means["Lima"]


# ---------------------------------------------------------------- filling holes


def test_impute_changes_missing_cells_only(fitted, holed):
    filled = fitted.impute(holed)
    _assert_like(filled, holed, index=True)
    missing = _missing(holed)
    assert not _missing(filled).any()
    for i, name in enumerate(holed.columns):
        there = np.flatnonzero(~missing[:, i])
        before, after = (
            [frame[name].to_list()[row] for row in there] for frame in (holed, filled)
        )
        assert before == after, name


def test_impute_leaves_what_it_is_given_alone(fitted, holed):
    before = holed.copy() if isinstance(holed, pd.DataFrame) else holed.clone()
    fitted.impute(holed)
    assert_frames_equal(holed, before)


def test_imputed_cells_are_closer_than_mean_and_mode(transformer):
    truth, holed = _draw(500, 0), _draw(500, 0, missing=0.2)
    filled = transformer(2, random_state=0, max_iter=40).fit(holed).impute(holed)
    for name in ("size", "rooms"):
        gone = holed[name].isna()
        error = (filled[name] - truth[name])[gone].abs().mean()
        by_mean = (holed[name].astype(float).mean() - truth[name])[gone].abs().mean()
        assert error < 0.5 * by_mean, name
    for name in ("city", "flag", "grade"):
        gone = holed[name].isna()
        right = (filled[name] == truth[name])[gone].mean()
        by_mode = (holed[name].mode()[0] == truth[name])[gone].mean()
        assert right > by_mode + 0.2, name


def test_array_with_holes_is_imputed_as_an_array(quick, X):
    holed = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    filled = quick().fit(holed).impute(holed)
    assert isinstance(filled, np.ndarray)
    there = ~np.isnan(holed)
    np.testing.assert_array_equal(filled[there], holed[there])
    assert np.isfinite(filled).all()
    assert np.abs(filled - X)[~there].max() > 0


# ---------------------------------------------------------------- missing cells


def test_missing_cells_cost_nothing(X):
    """The score is the mean over the observed cells, and no one else's."""
    holed = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
    fitted = AutoencoderTransformer(2, max_iter=4, random_state=0).fit(holed)
    missed = fitted.inverse_transform(fitted.transform(holed)) - holed
    expected = -np.nanmean((missed / np.nanstd(holed, axis=0)) ** 2, axis=1)
    np.testing.assert_allclose(fitted.score_samples(holed), expected, rtol=1e-6)


def test_density_of_the_observed_cells_is_that_of_their_columns(ppca):
    """Leaving a cell out is integrating it out."""
    rng = np.random.default_rng(0)
    train = np.where(rng.random(ppca.train.shape) < 0.1, np.nan, ppca.train)
    vae = VAETransformer(2, max_iter=30, random_state=0).fit(train)
    test = ppca.test[:1000].copy()
    test[:, 4] = np.nan
    kept = [0, 1, 2, 3, 5]
    covariance = ppca.covariance[np.ix_(kept, kept)]
    truth = multivariate_normal(ppca.mean[kept], covariance).logpdf(test[:, kept])
    assert vae.score(test) == pytest.approx(truth.mean(), abs=0.25)


@pytest.mark.parametrize("hole", [None, np.nan, pd.NA, pd.NaT])
def test_holes_of_every_kind_are_alike(quick_any, hole):
    frame = _draw(60, 0)[["size", "grade"]].astype({"grade": object})
    holed = frame.copy()
    holed.loc[holed.index[::4], "grade"] = None
    estimator = quick_any().fit(holed)
    expected = estimator.score_samples(holed)
    holed["grade"] = pd.Series(
        [hole if row % 4 == 0 else cell for row, cell in enumerate(frame["grade"])],
        dtype=object,
        index=frame.index,
    )
    np.testing.assert_array_equal(estimator.score_samples(holed), expected)


def test_wholly_missing_row_has_about_the_average_code(transformer, library):
    frame = _as(library, _draw(300, 0, missing=0.1))
    fitted = transformer(2, max_iter=10, random_state=0).fit(frame)
    nothing = _as(library, _draw(300, 0, missing=1.1))[:2]
    codes = fitted.transform(frame)
    code = fitted.transform(nothing)
    assert np.isfinite(code).all()
    assert (np.abs(code - codes.mean(axis=0)) < 1.5 * codes.std(axis=0)).all()


def test_wholly_missing_row_has_a_score(quick_any, library):
    frame = _as(library, _draw(100, 0, missing=0.1))
    estimator = quick_any().fit(frame)
    nothing = _as(library, _draw(100, 0, missing=1.1))[:2]
    scores = estimator.score_samples(nothing)
    assert np.isfinite(scores).all()
    assert scores[0] == scores[1]
    # Nothing is known of the row that could make it an anomaly.
    ordinary = estimator.score_samples(frame)
    if isinstance(estimator, VAETransformer):
        assert scores[0] == pytest.approx(0.0, abs=1.0)  # the density of no cells is 1
    else:
        assert scores[0] > np.quantile(ordinary, 0.25)
    explained = np.asarray(estimator.explain(nothing))
    np.testing.assert_allclose(explained, 0.0, atol=1e-6)


def test_wholly_missing_column_says_nothing(quick_any):
    """What it holds later changes neither code nor score, and it comes back as missing."""
    frame = _draw(80, 0).assign(lost=np.nan, gone=pd.Series([None] * 80, dtype="str"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = quick_any().fit(frame)
    later = frame.assign(lost=np.arange(80.0), gone="here")
    assert np.isfinite(estimator.score_samples(later)).all()
    np.testing.assert_array_equal(
        estimator.score_samples(later), estimator.score_samples(frame)
    )
    explained = estimator.explain(later)
    assert (explained[["lost", "gone"]] == 0.0).all(axis=None)


def test_wholly_missing_columns_are_warned_of(quick_any):
    frame = _draw(80, 0).assign(lost=np.nan, gone=pd.Series([None] * 80, dtype="str"))
    with pytest.warns(UserWarning, match=r"'lost', 'gone'"):
        quick_any().fit(frame)


def test_wholly_missing_column_comes_back_missing(quick, library):
    frame = _draw(80, 0).assign(lost=np.nan, gone=pd.Series([None] * 80, dtype="str"))
    frame = _as(library, frame)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = quick().fit(frame)
    for rows in (
        fitted.inverse_transform(fitted.transform(frame)),
        fitted.sample(5, random_state=0),
        fitted.impute(frame),
    ):
        _assert_like(rows, frame)
        missing = _missing(rows)
        assert missing[:, -2:].all()
        assert not missing[:, :-2].any()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", ["robust", "quantile"])
def test_wholly_missing_column_is_warned_of_once(scale):
    frame = _draw(80, 0).assign(lost=np.nan)
    with pytest.warns(UserWarning, match="lost") as caught:
        AutoencoderTransformer(2, max_iter=2, scale=scale, random_state=0).fit(frame)
    assert len(caught) == 1


@pytest.mark.filterwarnings("error")
def test_subsets_that_lack_a_column_are_no_news(quick_detector):
    """A column with few cells: some networks of the detector see none of them."""
    frame = _draw(100, 0)
    frame.loc[frame.index[3:], "other"] = np.nan
    scores = quick_detector(max_samples=20).fit(frame).score_samples(frame)
    assert np.isfinite(scores).all()


def test_object_column_may_be_missing_in_a_few_rows_alone(quick_any):
    """Which kind None is nobody can tell from the row."""
    flags = pd.Series([True, None, False] * 30, dtype=object)
    frame = pd.DataFrame({"flag": flags, "x": np.arange(90.0)})
    estimator = quick_any().fit(frame)
    alone = estimator.score_samples(frame.iloc[[1]])
    np.testing.assert_allclose(alone, estimator.score_samples(frame)[[1]], rtol=1e-9)


# ---------------------------------------------------------------- unknown and rare levels


def _shared(n_rows=300):
    """Levels that nothing predicts; `rare` holds 3% of the rows."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "level": rng.choice(["often", "usual", "rare"], n_rows, p=[0.6, 0.37, 0.03]),
            "x": rng.normal(size=n_rows),
            "y": rng.normal(size=n_rows),
        }
    )


def test_unknown_level_is_as_surprising_as_the_rarest(quick_any, library):
    frame = _shared()
    estimator = quick_any().fit(_as(library, frame))
    often, rare, unknown = (
        estimator.score_samples(_as(library, frame.assign(level=level)))
        for level in ("often", "rare", "never seen")
    )
    assert rare.mean() < often.mean()
    assert unknown.mean() <= rare.mean()
    assert np.isfinite(unknown).all()


@pytest.mark.parametrize("dtype", ["str", "category"])
def test_unknown_level_of_every_dtype(quick_any, dtype):
    frame = _shared().astype({"level": dtype})
    estimator = quick_any().fit(frame)
    rare, unknown = (
        estimator.score_samples(frame.assign(level=pd.Series([level] * 300, dtype=dtype)))
        for level in ("rare", "never seen")
    )
    assert unknown.mean() <= rare.mean()


def test_unknown_level_can_be_an_error(transformer, library):
    frame = _as(library, _shared())
    later = _as(library, _shared().assign(level="new"))
    strict = transformer(2, max_iter=2, handle_unknown="error")
    for estimator in (strict, AEAnomalyDetector(strict, n_estimators=2, random_state=0)):
        estimator.fit(frame)
        with pytest.raises(ValueError, match=r"'level' holds 'new'.*handle_unknown"):
            estimator.score_samples(later)


def test_unknown_level_can_be_restored(quick, library):
    frame = _as(library, _shared())
    fitted = quick().fit(frame)
    later = _as(library, _shared().assign(level="new"))
    restored = fitted.inverse_transform(fitted.transform(later))
    _assert_like(restored, frame)
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
    frame = _many_levels()
    fitted = quick(**params).fit(frame)
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
    _assert_like(inputs, frame)
    rare = [frame.assign(level=level) for level in ("id1980", "id1990")]
    np.testing.assert_array_equal(*(fitted.transform(rows) for rows in rare))


# ---------------------------------------------------------------- which are categories


@pytest.mark.parametrize(
    "asked", [["kind"], [1], [-2], [False, True, False], np.array([1]), ("kind",)]
)
def test_numbers_that_name_things(quick, asked):
    """7 is a kind, not four more than 3: what comes back is 3, 7 or 11."""
    rng = np.random.default_rng(0)
    kind = rng.choice([3, 7, 11], 200)
    size = rng.normal(size=200)
    frame = pd.DataFrame({"size": size, "kind": kind, "far": size + 1})
    fitted = quick(categorical_features=asked, max_iter=10).fit(frame)
    five = frame.assign(kind=5)
    restored = fitted.inverse_transform(fitted.transform(five))
    _assert_like(restored, frame)
    assert set(restored["kind"]) <= {3, 7, 11}
    by_default = quick(max_iter=10).fit(frame)
    numbers = by_default.inverse_transform(by_default.transform(five))["kind"]
    assert not set(numbers) <= {3, 7, 11}


@pytest.mark.parametrize("asked", [[1], [-2], [False, True, False]])
def test_categories_of_an_array_are_those_of_a_frame(quick, asked):
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [rng.normal(size=200), rng.choice([3.0, 7.0, 11.0], 200), rng.normal(size=200)]
    )
    X[::9, 1] = np.nan
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    one = quick(categorical_features=asked).fit(X)
    other = quick(categorical_features=["b"]).fit(frame)
    np.testing.assert_array_equal(one.transform(X), other.transform(frame))
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(frame))
    restored = one.inverse_transform(one.transform(X))
    assert isinstance(restored, np.ndarray)
    assert set(restored[:, 1]) <= {3.0, 7.0, 11.0}
    np.testing.assert_array_equal(
        restored, other.inverse_transform(other.transform(frame)).to_numpy()
    )


def test_no_categories_asked_is_no_categories(quick):
    frame = _draw(60, 0)[["size", "rooms", "other"]]
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


# ---------------------------------------------------------------- explaining


def test_contributions_are_a_frame_of_the_library(quick_any, holed):
    estimator = quick_any().fit(holed)
    found, expected = estimator.explain(holed, expected=True)
    assert type(found) is type(holed)
    assert list(found.columns) == list(holed.columns)
    assert found.shape == holed.shape
    _assert_like(expected, holed, index=True)
    if isinstance(holed, pd.DataFrame):
        pd.testing.assert_index_equal(found.index, holed.index)
    assert not _missing(expected).any()
    contributions = found.to_numpy()
    assert np.isfinite(contributions).all()
    assert (contributions >= 0.0).all()
    assert (contributions[_missing(holed)] == 0.0).all()
    assert (contributions.max(axis=1) > 0.0).all()


def test_contributions_of_an_array_are_a_frame_with_its_columns(quick_any, X):
    found, expected = quick_any().fit(X).explain(X, expected=True)
    assert list(found.columns) == [f"x{i}" for i in range(5)]
    assert isinstance(expected, np.ndarray)
    assert expected.shape == X.shape


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("unknown", [False, True])
def test_contributions_sum_to_the_anomaly_score(quick_any, missing, unknown):
    frame = _draw(120, 0, missing)
    estimator = quick_any().fit(frame)
    if unknown:
        frame = frame.assign(grade="z")
    total = estimator.explain(frame).sum(axis=1) + estimator.score_samples(frame)
    if not isinstance(estimator, VAETransformer):
        np.testing.assert_allclose(total, 0.0, atol=1e-5)
    elif not missing:
        # The height of the highest density that there can be.
        np.testing.assert_allclose(total, total.iloc[0], atol=1e-5)


def _planted(n_rows=200):
    """Ordinary rows, each with one cell that contradicts the others."""
    rows = _draw(n_rows, 1)
    far = rows["size"].mean() - (rows["size"] - rows["size"].mean())
    other = {"Rome": "Lima", "Lima": "Rome"}
    names = np.random.default_rng(0).choice(["size", "city", "day"], n_rows)
    outer = np.abs(rows["size"] - 50.0) > 5.0
    wrong = rows.copy()
    wrong["size"] = rows["size"].where(names != "size", far)
    wrong["city"] = rows["city"].where(
        names != "city", rows["city"].map(lambda city: other.get(city, city))
    )
    days = rows["day"].min() + (rows["day"].max() - rows["day"])
    wrong["day"] = rows["day"].where(names != "day", days)
    return SimpleNamespace(rows=rows[outer], wrong=wrong[outer], names=names[outer])


@pytest.mark.parametrize(
    "make",
    [
        lambda: AutoencoderTransformer(1, max_iter=40, random_state=0),
        lambda: VAETransformer(1, max_iter=40, random_state=0),
        lambda: AEAnomalyDetector(
            AutoencoderTransformer(1, max_iter=40), n_estimators=4, random_state=0
        ),
    ],
    ids=["AutoencoderTransformer", "VAETransformer", "AEAnomalyDetector"],
)
def test_the_wrong_cell_is_named(make):
    planted = _planted()
    # Eight columns of which one is noise, and seven say the same: the planted one differs.
    kept = ["size", "city", "rooms", "flag", "day", "grade", "wait"]
    estimator = make().fit(_draw(500, 0)[kept])
    found, expected = estimator.explain(planted.wrong[kept], expected=True)
    named = found.idxmax(axis=1).to_numpy()
    assert np.mean(named == planted.names) > 0.8
    swapped = planted.names == "city"
    right = expected["city"].astype(str) == planted.rows["city"].astype(str)
    assert right[swapped].mean() > 0.8
    moved = planted.names == "size"
    error = (expected["size"] - planted.rows["size"]).abs()[moved].mean()
    assert error < 0.5 * (planted.wrong["size"] - planted.rows["size"]).abs()[moved].mean()


# ---------------------------------------------------------------- losses by kind


def test_flipped_flag_lowers_the_score(transformer):
    frame = _draw(400, 0)
    fitted = transformer(2, max_iter=30, random_state=0).fit(frame)
    clear = frame[(frame["size"] - 50.0).abs() > 3.0]
    flipped = clear.assign(flag=~clear["flag"])
    assert np.mean(fitted.score_samples(flipped) < fitted.score_samples(clear)) > 0.95


@pytest.mark.parametrize("cls", [AutoencoderTransformer, VAETransformer])
def test_columns_of_booleans(cls):
    rng = np.random.default_rng(0)
    base = rng.random((200, 1)) < 0.5
    frame = pd.DataFrame(base ^ (rng.random((200, 5)) < 0.05), columns=list("abcde"))
    fitted = cls(1, max_iter=20, random_state=0).fit(frame)
    restored = fitted.inverse_transform(fitted.transform(frame))
    assert set(restored.dtypes) == {np.dtype(bool)}
    assert (restored == frame).mean(axis=None) > 0.9
    assert set(fitted.sample(5, random_state=0).dtypes) == {np.dtype(bool)}


def test_score_of_independent_categories_is_minus_their_entropy():
    """A proper log-likelihood: no model does better, and guessing the shares does it."""
    rng = np.random.default_rng(0)
    shares = [[0.5, 0.3, 0.2], [0.8, 0.2], [0.25] * 4]
    train, test = (
        pd.DataFrame(
            {
                f"c{i}": np.array(list("wxyz"))[rng.choice(len(p), 2000, p=p)]
                for i, p in enumerate(shares)
            }
        )
        for _ in range(2)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the latent dimension collapses, rightly
        vae = VAETransformer(1, max_iter=6, random_state=0).fit(train)
    assert vae.score(test) == pytest.approx(-sum(map(entropy, shares)), abs=0.05)


def test_score_of_mixed_columns_is_the_log_likelihood():
    """A normal number whose mean the category tells: log p = log p(c) + log N(x; m_c, 1)."""
    rng = np.random.default_rng(0)

    def draw(n_rows):
        is_b = rng.random(n_rows) < 0.3
        x = np.where(is_b, 6.0, 0.0) + rng.normal(size=n_rows)
        return pd.DataFrame({"c": np.where(is_b, "b", "a"), "x": x})

    vae = VAETransformer(1, random_state=0, max_iter=30).fit(draw(1000))
    truth = -entropy([0.7, 0.3]) - 0.5 * np.log(2 * np.pi * np.e)
    score = vae.score(draw(2000))
    assert truth - 0.3 < score < truth + 0.05


def test_no_column_counts_more_than_a_number_whatever_its_levels():
    """Guessing a number costs its variance; a level the chance that two rows differ."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "two": rng.choice(list("ab"), 2000),
            "twenty": rng.choice(list("abcdefghijklmnopqrst"), 2000),
            "number": rng.normal(size=2000),
            "more": rng.normal(size=2000),
        }
    )
    X = nw.from_native(frame, eager_only=True)
    table = TableEncoder().fit(X)
    layout = table.layout_
    x = torch.from_numpy(table.encode(X)[0])
    guess = torch.cat([torch.zeros(2), layout.shares.log()]).expand(len(x), -1)
    two, twenty, *numbers = SquaredError(layout).cells(guess, x).mean(0).tolist()
    assert numbers == pytest.approx([1.0, 1.0], abs=1e-3)
    assert two == pytest.approx(1 / 2, abs=0.01)
    assert twenty == pytest.approx(19 / 20, abs=0.01)


# ---------------------------------------------------------------- sparse matrices


def _counts(n_rows=90):
    rng = np.random.default_rng(0)
    topic = rng.random((n_rows, 1))
    rates = np.hstack([topic, 1 - topic, topic / 2, np.full_like(topic, 0.1)])
    return rng.poisson(rates @ np.repeat(np.eye(4), 2, axis=1)).astype(float)


@pytest.mark.parametrize("make", [csr_array, csc_array, csr_matrix])
def test_sparse_matrix_is_the_same_table(quick_any, make):
    X = _counts()
    dense, sparse = quick_any().fit(X), quick_any().fit(make(X))
    for name in ("transform", "score_samples", "explain", "impute", "predict", "score"):
        if not hasattr(dense, name):
            continue
        expected, found = getattr(dense, name)(X), getattr(sparse, name)(make(X))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(
            getattr(dense, name)(make(X)), expected, rtol=1e-9, atol=1e-12, err_msg=name
        )


def test_sparse_matrix_trains_with_weights_and_by_chunks(quick):
    X = _counts()
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


def test_sparse_matrix_is_never_dense_as_a_whole(monkeypatch, quick_any):
    X = csr_array(_counts(4000))
    monkeypatch.setattr("skae._inference.BLOCK_CELLS", 2000 * 128)
    for room in ("table.encoder", "table.blocks.numbers", "training.pca", "anomaly"):
        monkeypatch.setattr(f"skae.{room}.BLOCK", 2000)
    heights, toarray = [], csr_array.toarray

    def watched(self, *args, **kwargs):
        heights.append(self.shape[0])
        return toarray(self, *args, **kwargs)

    monkeypatch.setattr(csr_array, "toarray", watched)
    quick_any().fit(X).score_samples(X)
    assert heights
    assert max(heights) < 3000


def test_restored_sparse_rows_are_an_array(quick):
    fitted = quick().fit(csr_array(_counts()))
    restored = fitted.inverse_transform(fitted.transform(csr_array(_counts())))
    assert isinstance(restored, np.ndarray)
    assert restored.shape == (90, 8)


# ---------------------------------------------------------------- scales


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
    frame = _as(library, _draw(100, 0, missing=0.1))
    fitted = AutoencoderTransformer(2, scale=scale, max_iter=3, random_state=0).fit(frame)
    _assert_like(fitted.impute(frame), frame, index=True)
    assert np.isfinite(fitted.score_samples(frame)).all()


def test_robust_density_is_in_the_original_units(ppca):
    one, other = (
        VAETransformer(2, scale=scale, max_iter=8, random_state=0).fit(ppca.train)
        for scale in (True, "robust")
    )
    assert one.score(ppca.test) == pytest.approx(other.score(ppca.test), abs=0.1)


# ---------------------------------------------------------------- streams


def test_chunks_of_a_frame_train_like_the_frame(library):
    estimator = AutoencoderTransformer(1, random_state=0)
    for seed in range(14):
        estimator.partial_fit(_as(library, _draw(200, seed, missing=0.05)))
    test = _as(library, _draw(300, 99))
    whole = AutoencoderTransformer(1, max_iter=40, random_state=0)
    whole.fit(_as(library, _draw(500, 50)))
    assert estimator.score(test) > 1.5 * whole.score(test)  # scores are negative
    _assert_like(estimator.sample(5, random_state=0), test)


def test_declared_category_may_come_later(transformer):
    """The first chunk holds Rome alone; the dtype says that there are others."""
    chunks = [_draw(300, seed)[["size", "rooms", "city"]] for seed in range(12)]
    first = chunks[0].copy()
    first.loc[:, "city"] = "Rome"
    estimator = transformer(1, random_state=0).partial_fit(first.astype(chunks[0].dtypes))
    for chunk in chunks * 2:
        estimator.partial_fit(chunk)
    found = estimator.inverse_transform(estimator.transform(chunks[0]))["city"]
    assert np.mean(found.to_numpy() == chunks[0]["city"].to_numpy()) > 0.7


def test_level_that_is_not_declared_stays_unknown(quick):
    frame = _shared()
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


def test_partial_fit_with_holes_that_come_later(quick, library):
    complete, holed = _draw(100, 0), _draw(100, 1, missing=0.2)
    estimator = quick().partial_fit(_as(library, complete))
    estimator.partial_fit(_as(library, holed))
    assert np.isfinite(estimator.score_samples(_as(library, holed))).all()
    assert not _missing(estimator.impute(_as(library, holed))).any()


# ---------------------------------------------------------------- numbers as before


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("frame_type", [pd.DataFrame, pl.DataFrame])
def test_numbers_in_a_frame_are_numbers_in_an_array(quick, X, dtype, frame_type):
    X = X.astype(dtype)
    frame = frame_type({name: X[:, i] for i, name in enumerate("abcde")})
    one, other = quick().fit(X), quick().fit(frame)
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(frame))
    codes, same = one.transform(X), other.transform(frame)
    np.testing.assert_array_equal(codes, same)
    assert codes.dtype == same.dtype == dtype
    np.testing.assert_array_equal(
        one.inverse_transform(codes), other.inverse_transform(codes).to_numpy()
    )


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_array_after_a_frame_of_numbers(quick_any, X):
    """As everywhere in scikit-learn: a warning, and the numbers are taken."""
    estimator = quick_any().fit(pd.DataFrame(X, columns=list("abcde")))
    expected = estimator.score_samples(pd.DataFrame(X, columns=list("abcde")))
    np.testing.assert_array_equal(estimator.score_samples(X), expected)


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_frame_of_numbers_after_an_array(quick_any, X):
    estimator = quick_any().fit(X)
    frame = pd.DataFrame(X, columns=list("abcde"))
    np.testing.assert_array_equal(
        estimator.score_samples(frame), estimator.score_samples(X)
    )


def test_columns_with_numbers_for_names(quick_any, X):
    """What `pd.DataFrame(X)` makes."""
    named = pd.DataFrame(X, columns=list("abcde"))
    estimator = quick_any().fit(pd.DataFrame(X))
    np.testing.assert_array_equal(
        estimator.score_samples(pd.DataFrame(X)),
        quick_any().fit(named).score_samples(named),
    )


def test_rows_of_the_other_library_are_the_same_rows(quick_any):
    frame = _draw(80, 0)
    estimator = quick_any().fit(frame)
    np.testing.assert_array_equal(
        estimator.score_samples(pl.from_pandas(frame)), estimator.score_samples(frame)
    )


def test_impute_takes_rows_of_the_other_library(quick):
    frame = _draw(80, 0, missing=0.1)
    fitted = quick().fit(frame)
    found, expected = fitted.impute(pl.from_pandas(frame)), fitted.impute(frame)
    found = found if isinstance(found, pd.DataFrame) else found.to_pandas()
    np.testing.assert_array_equal(
        found.astype(str).to_numpy(), expected.astype(str).to_numpy()
    )


def test_arrow_table(quick_any):
    """Anything that narwhals reads."""
    frame = _draw(60, 0, missing=0.1)[["size", "grade", "flag"]]
    types = {"size": pa.float64(), "grade": pa.string(), "flag": pa.bool_()}
    table = pl.from_pandas(frame).to_arrow().cast(pa.schema(types))
    estimator = quick_any().fit(table)
    contributions, expected = estimator.explain(table, expected=True)
    assert type(contributions) is type(expected) is type(table)
    assert expected.schema == table.schema


@pytest.mark.parametrize("part", [slice(0, 1), slice(7, 8), slice(1, 60)])
def test_rows_do_not_depend_on_their_neighbours(quick_any, library, part):
    """Row 0 alone has a hole; the others are complete with it and without."""
    frame = _draw(60, 0)
    frame.loc[frame.index[0], "size"] = np.nan
    frame = _as(library, frame)
    estimator = quick_any().fit(frame)
    expected = estimator.score_samples(frame)[part]
    np.testing.assert_allclose(estimator.score_samples(frame[part]), expected, rtol=1e-9)


# ---------------------------------------------------------------- as an estimator


def test_pickled_fit_on_a_frame(quick_any, holed):
    estimator = quick_any().fit(holed)
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(
        again.score_samples(holed), estimator.score_samples(holed)
    )
    if hasattr(estimator, "sample"):
        assert_frames_equal(
            again.sample(5, random_state=0), estimator.sample(5, random_state=0)
        )
        assert_frames_equal(again.impute(holed), estimator.impute(holed))


def test_pickle_holds_no_rows_of_a_frame(quick_any):
    """Levels are kept, and a frame of no rows; a detector keeps a score a row."""
    frame = _draw(6000, 0)
    small, large = (len(pickle.dumps(quick_any().fit(frame[:n]))) for n in (5000, 6000))
    # One column of 1000 rows beside the scores would be 8,000 bytes more.
    assert large - small < 12_000


def test_clone_fits_a_frame_to_the_same_bits(quick_any, holed):
    estimator = quick_any().fit(holed)
    again = clone(estimator).fit(holed)
    np.testing.assert_array_equal(
        again.score_samples(holed), estimator.score_samples(holed)
    )


def test_refit_on_another_frame_forgets_the_first(quick_any, holed):
    again = quick_any().fit(_shared()).fit(holed)
    np.testing.assert_array_equal(
        again.score_samples(holed), quick_any().fit(holed).score_samples(holed)
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_codes_of_a_frame_feed_a_classifier(quick, library):
    frame = _draw(200, 0, missing=0.1)
    y = (_draw(200, 0)["size"] > 50.0).to_numpy()
    columns = frame.drop(columns="size")
    pipeline = make_pipeline(quick(), LogisticRegression())
    search = GridSearchCV(pipeline, {f"{pipeline.steps[0][0]}__n_components": [1, 2]}, cv=2)
    search.fit(_as(library, columns), y)
    assert search.score(_as(library, columns), y) > 0.85


def test_set_output_keeps_the_index(quick):
    frame = _draw(60, 0)
    codes = quick().set_output(transform="pandas").fit_transform(frame)
    pd.testing.assert_index_equal(codes.index, frame.index)


def test_feature_names_are_those_of_the_frame(quick_any, holed):
    assert list(quick_any().fit(holed).feature_names_in_) == list(holed.columns)


@pytest.mark.filterwarnings("error")
def test_frames_are_left_alone(quick_any, library):
    frame = _as(library, _draw(60, 0, missing=0.1))
    before = frame.copy() if library == "pandas" else frame.clone()
    estimator = quick_any().fit(frame)
    estimator.explain(frame, expected=True)
    assert_frames_equal(frame, before)


def test_weight_zero_leaves_rows_of_a_frame_out(quick_any, library):
    frame = _draw(90, 0)
    weights = np.where(np.arange(90) % 3 == 0, 0.0, 1.0)
    spoilt = frame.copy()
    spoilt.loc[spoilt.index[::3], "size"] = 1e6
    one = quick_any().fit(_as(library, spoilt), sample_weight=weights)
    other = quick_any().fit(
        _as(library, frame[weights > 0]), sample_weight=weights[weights > 0]
    )
    np.testing.assert_array_equal(
        one.score_samples(_as(library, frame)), other.score_samples(_as(library, frame))
    )


# ---------------------------------------------------------------- the detector


@pytest.mark.parametrize(("library", "missing"), [("pandas", 0.1), ("polars", 0.0)])
def test_detector_finds_wrong_cells(library, missing):
    """A city that contradicts the size is no rare city and no far size."""
    planted = _planted(200)
    wrong, ordinary = planted.wrong[planted.names == "city"], _draw(300, 5)
    detector = AEAnomalyDetector(random_state=0, n_estimators=4)
    detector.fit(_as(library, _draw(300, 0, missing)))
    low = detector.score_samples(_as(library, wrong))
    usual = detector.score_samples(_as(library, ordinary))
    assert np.median(low) < np.quantile(usual, 0.05)


def test_ordinary_row_scores_about_minus_one(quick_detector, library):
    detector = quick_detector().fit(_as(library, _draw(300, 0, missing=0.1)))
    scores = detector.score_samples(_as(library, _draw(300, 1, missing=0.1)))
    assert (scores <= 0.0).all()
    assert np.median(scores) == pytest.approx(-1.0, abs=0.15)


def test_detector_networks_know_the_levels_of_all_rows(quick_detector, library):
    """A level of three rows in a hundred is missing in most subsets of ten."""
    frame = _shared(300)
    detector = quick_detector(max_samples=10).fit(_as(library, frame))
    rare, unknown = (
        detector.score_samples(_as(library, frame.assign(level=level)))
        for level in ("rare", "never seen")
    )
    assert np.isfinite(rare).all()
    assert unknown.mean() <= rare.mean()
    again = quick_detector(max_samples=10).fit(_as(library, frame))
    np.testing.assert_array_equal(
        again.predict(_as(library, frame)), detector.predict(_as(library, frame))
    )


# ---------------------------------------------------------------- memory


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


def test_categories_in_a_sparse_matrix_are_refused():
    with pytest.raises(ValueError, match=r"categorical_features .* sparse"):
        AutoencoderTransformer(2, categorical_features=[0]).fit(csr_array(_counts()))


def test_what_fills_a_hole_does_not_depend_on_the_rows_beside_it():
    """Column a had holes in fit, column b had none."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 1)) + 0.3 * rng.normal(size=(200, 4))
    train = X.copy()
    train[::4, 0] = np.nan
    fitted = AutoencoderTransformer(2, random_state=0).fit(train)
    rows = X[:2].copy()
    rows[0, 0] = rows[1, 1] = np.nan
    together = fitted.impute(rows)
    np.testing.assert_allclose(fitted.impute(rows[:1]), together[:1], rtol=1e-9)
    np.testing.assert_allclose(fitted.impute(rows[1:]), together[1:], rtol=1e-9)
    assert np.isfinite(together).all()
