"""Measures of generated rows: each tells the good generator from a bad one of its kind."""

import time
import warnings
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import ks_2samp, spearmanr

from skae.metrics import (
    TrainOnSyntheticScore,
    associations,
    marginal_similarity,
    nearest_record_ratio,
    pair_similarity,
    train_on_synthetic_score,
    two_sample_auc,
)

LIBRARIES = {
    "pandas": lambda f: f,
    "categories": lambda f: f.astype({"job": "category"}),
    "polars": pl.from_pandas,
    "pyarrow": lambda f: pa.Table.from_pandas(f, preserve_index=False),
}


def _staff(n_rows, seed):
    """Mixed columns that depend on each other; some cells are missing."""
    rng = np.random.default_rng(seed)
    years = rng.gamma(2.0, 6.0, n_rows)
    job = np.array(["clerk", "nurse", "pilot"])[np.digitize(years, [6, 14])]
    pay = 1000 * (20 + years + 10 * (job == "pilot")) + rng.normal(0, 2000, n_rows)
    return pd.DataFrame(
        {
            "years": years,
            "job": np.where(rng.random(n_rows) < 0.1, None, job),
            "pay": np.where(rng.random(n_rows) < 0.1, np.nan, pay.round()),
            "hired": pd.Timestamp("2024-01-01") - pd.to_timedelta(365 * years, unit="D"),
            "chief": years + rng.normal(0, 4, n_rows) > 15,
        }
    )


def _independent(frame, seed=0):
    """The columns of a frame, each in an order of its own."""
    rng = np.random.default_rng(seed)
    order = [rng.permutation(len(frame)) for _ in frame]
    return pd.DataFrame(
        {name: frame[name].to_numpy()[i] for name, i in zip(frame, order, strict=True)}
    )


REAL, SAME, TEST = (_staff(600, seed) for seed in range(3))
# For what is the same, or another, whatever the figure.
FEW = tuple(frame[:200] for frame in (REAL, SAME, TEST))
MEASURES = {
    "auc": lambda real, other: two_sample_auc(real, other, random_state=0),
    "nearest": lambda real, other: nearest_record_ratio(real, other, real),
    "marginals": lambda real, other: marginal_similarity(real, other),
    "pairs": lambda real, other: pair_similarity(real, other),
    "train": lambda real, other: train_on_synthetic_score(
        real, other, real, "job", random_state=0
    ),
}


@cache
def _of_pandas(measure):
    return MEASURES[measure](*FEW[:2])


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("library", LIBRARIES)
def test_libraries_and_the_order_of_columns_make_no_difference(measure, library):
    as_library, (real, same, _) = LIBRARIES[library], FEW
    expected = _of_pandas(measure)
    found = MEASURES[measure](as_library(real), as_library(same[list(same)[::-1]]))
    if isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(found, expected)
    elif isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected)
    else:
        assert found == pytest.approx(expected)


@pytest.mark.parametrize("measure", MEASURES)
def test_columns_that_differ_are_an_error(measure):
    with pytest.raises(ValueError, match=r"lacks \['pay'\] and has \['wage'\] besides"):
        MEASURES[measure](REAL, SAME.rename(columns={"pay": "wage"}))
    with pytest.raises(ValueError, match=r"'hired' holds different things.*'category'"):
        MEASURES[measure](REAL, SAME.astype({"hired": str}))
    infinite = SAME.assign(years=np.inf)
    with pytest.raises(ValueError, match=r"infinite number in row 0 of column 'years'"):
        MEASURES[measure](REAL, infinite)
    with pytest.raises(ValueError, match=r"has 0 rows, but at least \d"):
        MEASURES[measure](REAL, SAME[:0])
    with pytest.raises(ValueError, match=r"has 4 columns, but .* 5"):
        MEASURES[measure](REAL, np.zeros((9, 4)))


# ------------------------------------------------------------------ two samples


def test_dtypes_do_not_tell():
    """The same cells, as generators and files often give them."""
    rng = np.random.default_rng(0)
    real = pd.DataFrame(
        {
            "price": rng.integers(0, 9, 300) / 10,
            "rooms": rng.integers(1, 5, 300),
            "grade": pd.Categorical(rng.integers(1, 4, 300)),
            "paid": rng.random(300) > 0.5,
        }
    )
    other = real.astype({"price": "float32", "rooms": "float64", "paid": object})
    other["grade"] = real["grade"].cat.rename_categories(float)
    assert (marginal_similarity(real, other) == 1.0).all()
    assert (marginal_similarity(other, real) == 1.0).all()
    assert (pair_similarity(real, other)["similarity"] > 1 - 1e-9).all()
    shuffled = other.sample(frac=1, random_state=0)
    assert nearest_record_ratio(real, shuffled, real) == 0.5


def test_arrays_of_booleans_are_compared_with_numbers():
    real = np.random.default_rng(0).random((60, 2)) > 0.4
    assert (marginal_similarity(real, real.astype(float)) == 1.0).all()


def test_rows_of_one_distribution_cannot_be_told():
    assert two_sample_auc(REAL, SAME, random_state=0) == pytest.approx(0.5, abs=0.07)


def test_rows_whose_columns_do_not_belong_together_are_told():
    assert two_sample_auc(REAL, _independent(REAL), random_state=0) > 0.85


def test_missing_cells_and_levels_tell():
    whole = SAME.assign(pay=SAME["pay"].fillna(SAME["pay"].median()))
    assert two_sample_auc(REAL, whole, random_state=0) > 0.53
    renamed = SAME.assign(job=SAME["job"].replace("pilot", "captain"))
    assert two_sample_auc(REAL, renamed, random_state=0) > 0.55


def test_very_many_levels_do_not_tell_by_their_names():
    """Boosting takes 255 levels at most; which of all are kept says nothing of the table."""
    real, other = (frame.drop(columns="job") for frame in (REAL, SAME))
    real["key"] = [f"a{i}" for i in range(len(real))]
    other["key"] = [f"b{i}" for i in range(len(other))]
    assert two_sample_auc(real, other, random_state=0) == pytest.approx(0.5, abs=0.07)
    rng = np.random.default_rng(0)
    real["key"] = rng.integers(0, 400, len(real)).astype(str)
    other["key"] = rng.integers(0, 400, len(other)).astype(str)
    other.loc[:400, "key"] = "7"
    assert two_sample_auc(real, other, random_state=0) > 0.75


def test_copies_are_told_by_a_warning_and_fresh_rows_are_not():
    """What a booster learns of a row misleads it about the copy: the area is small."""
    half = pd.concat([SAME[:300], REAL[:300]])
    for copies in REAL, half:
        with pytest.warns(UserWarning, match=r"The AUC is 0\.\d\d.*copies.*not seen"):
            assert two_sample_auc(REAL, copies, random_state=0) < 0.35
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n_rows in 30, 300:
            two_sample_auc(REAL[:n_rows], SAME[:n_rows], random_state=0)


def test_seed_decides_and_sizes_may_differ():
    pair = FEW[0], FEW[1][:100]
    first, again, other = (two_sample_auc(*pair, random_state=s) for s in (0, 0, 1))
    assert first == again != other
    assert two_sample_auc(*pair, cv=3, random_state=0) != first
    with pytest.raises(ValueError, match=r"real has 3 rows, but at least 5 are needed"):
        two_sample_auc(REAL[:3], SAME)
    with pytest.raises(ValueError, match="'cv' parameter"):
        two_sample_auc(REAL, SAME, cv=1)


# ------------------------------------------------------------------ nearest records


def test_copies_are_nearer_to_what_was_copied():
    assert nearest_record_ratio(REAL, TEST, SAME) == pytest.approx(0.5, abs=0.08)
    assert nearest_record_ratio(REAL, REAL[::2], SAME) > 0.99
    nearly = REAL.assign(years=REAL["years"] * 1.001)
    assert nearest_record_ratio(REAL, nearly, SAME) > 0.99
    half = pd.concat([REAL[:300], TEST[:300]])
    assert nearest_record_ratio(REAL, half, SAME) == pytest.approx(0.75, abs=0.05)


def test_order_of_tables_is_that_of_the_ratio():
    forth, back = (
        nearest_record_ratio(a, TEST, b) for a, b in [(REAL, SAME), (SAME, REAL)]
    )
    assert forth + back == pytest.approx(1.0)
    assert nearest_record_ratio(REAL, TEST, REAL) == pytest.approx(0.5)


@pytest.mark.parametrize("n_train", [40, 13])
def test_ratio_is_the_mean_over_subsets_of_equal_size(n_train):
    rng = np.random.default_rng(0)
    train, holdout = rng.random((n_train, 2)), rng.random((53 - n_train, 2))
    rows = rng.random((30, 2))
    found = nearest_record_ratio(train, rows, holdout)
    # Ranks among both, as the distance takes them.
    both = np.concatenate([train, holdout])
    ranks = [
        np.column_stack(
            [
                np.interp(t[:, j], np.sort(both[:, j]), (np.arange(53) + 0.5) / 53)
                for j in (0, 1)
            ]
        )
        for t in (train, holdout, rows)
    ]
    to_train, to_holdout = (cdist(ranks[2], part, "cityblock") for part in ranks[:2])
    size, wins = min(n_train, 53 - n_train), []
    for _ in range(4000):
        one = to_train[:, rng.permutation(n_train)[:size]].min(axis=1)
        other = to_holdout[:, rng.permutation(53 - n_train)[:size]].min(axis=1)
        tied = np.isclose(one, other)  # on the lattice of ranks there are some
        wins.append(np.where(tied, 0.5, one < other).mean())
    assert found == pytest.approx(np.mean(wins), abs=0.01)
    assert found != pytest.approx((to_train.min(1) < to_holdout.min(1)).mean(), abs=0.05)


def test_missing_cells_are_like_each_other_and_nothing_else():
    """Rows that lack both cells are nearest to the training row that does."""
    train = pd.DataFrame({"x": [np.nan, 1.0], "a": [None, "u"]})
    holdout = pd.DataFrame({"x": [2.0, 3.0], "a": ["v", "u"]})
    rows = pd.DataFrame({"x": [np.nan] * 3, "a": [None] * 3}).astype({"x": float})
    assert nearest_record_ratio(train, rows, holdout) == 1.0
    assert nearest_record_ratio(holdout, rows, train) == 0.0
    equally = pd.DataFrame({"x": [np.nan], "a": ["w"]})
    assert nearest_record_ratio(train[1:], equally, holdout[:1]) == 0.5


# ------------------------------------------------------------------ learning


def test_rows_of_the_distribution_teach_as_well():
    scores = train_on_synthetic_score(REAL, SAME, TEST, "job", random_state=0)
    assert isinstance(scores, TrainOnSyntheticScore)
    synthetic, real, ratio = scores
    assert real > 0.9
    assert ratio == synthetic / real == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("target", "useless"), [("job", 0.5), ("chief", 0.5), ("pay", 0.0)]
)
def test_rows_whose_columns_do_not_belong_together_teach_nothing(target, useless):
    rows = _independent(REAL)
    scores = train_on_synthetic_score(REAL, rows, TEST, target, random_state=0)
    assert scores.real > 0.8
    assert scores.synthetic < useless + 0.2


def test_two_numbers_are_classes_unless_told_otherwise():
    pair = [frame.assign(chief=frame["chief"].astype(int)) for frame in (REAL, SAME, TEST)]
    as_classes = train_on_synthetic_score(*pair, "chief", random_state=0)
    same = train_on_synthetic_score(REAL, SAME, TEST, "chief", random_state=0)
    assert as_classes == pytest.approx(same, rel=0.02)
    as_numbers = train_on_synthetic_score(*pair, "chief", task="regression", random_state=0)
    assert as_numbers.real < as_classes.real - 0.1
    with pytest.raises(ValueError, match="'task' parameter"):
        train_on_synthetic_score(*pair, "chief", task="r2")


def test_class_that_was_not_generated_costs():
    without = SAME[SAME["job"] != "pilot"]
    scores = train_on_synthetic_score(REAL, without, TEST, "job", random_state=0)
    assert 0.55 < scores.ratio < 0.95
    one = SAME[SAME["job"] == "pilot"]
    alone = train_on_synthetic_score(REAL, one, TEST, "job", random_state=0)
    assert alone.synthetic == 0.5


def test_two_numbers_that_are_not_whole_are_classes_too():
    tables = [
        frame.assign(chief=np.where(frame["chief"], 1.5, 0.5))
        for frame in (REAL, SAME, TEST)
    ]
    expected = train_on_synthetic_score(REAL, SAME, TEST, "chief", random_state=0)
    for task in "auto", "classification":
        scores = train_on_synthetic_score(*tables, "chief", task=task, random_state=0)
        assert scores == expected


@pytest.mark.parametrize(
    ("target", "task", "message"),
    [
        ("job", "regression", "'job' holds levels, such as 'clerk'"),
        ("years", "classification", r"'years' holds numbers .*not whole.*pandas\.cut"),
    ],
)
def test_targets_that_the_task_cannot_predict_are_an_error(target, task, message):
    with pytest.raises(ValueError, match=message):
        train_on_synthetic_score(REAL, SAME, TEST, target, task=task)


def test_target_of_an_array_is_a_position():
    names = ["years", "pay", "chief"]
    arrays = [f[names].to_numpy(dtype=float) for f in FEW]
    frames = [f[names].astype(float) for f in FEW]
    expected = train_on_synthetic_score(*frames, "chief", random_state=0)
    for target in (2, -1, "x2"):
        assert train_on_synthetic_score(*arrays, target, random_state=0) == expected


def test_targets_that_cannot_be_scored_are_an_error():
    with pytest.raises(ValueError, match=r"target='wage' is not a column .*'years', 'job'"):
        train_on_synthetic_score(REAL, SAME, TEST, "wage")
    with pytest.raises(ValueError, match="target=5 is not a column"):
        train_on_synthetic_score(REAL, SAME, TEST, 5)
    with pytest.raises(ValueError, match="target='pay' is the only column"):
        train_on_synthetic_score(*(f[["pay"]] for f in (REAL, SAME, TEST)), "pay")
    with pytest.raises(ValueError, match=r"synthetic holds no row .*'job' is not missing"):
        train_on_synthetic_score(REAL, SAME.assign(job=None), TEST, "job")
    with pytest.raises(ValueError, match=r"single value in real_test"):
        train_on_synthetic_score(REAL, SAME, TEST[TEST["chief"]], "chief")


def test_target_of_which_nothing_is_known_has_no_ratio():
    rng = np.random.default_rng(0)
    noise = [f.assign(pay=rng.normal(size=len(f))) for f in (REAL, SAME, TEST)]
    with pytest.warns(UserWarning, match="say nothing of 'pay', and the ratio is NaN"):
        scores = train_on_synthetic_score(*noise, "pay", random_state=0)
    assert np.isnan(scores.ratio)


# ------------------------------------------------------------------ marginals


def test_similarity_of_numbers_is_that_of_kolmogorov_and_smirnov():
    shifted = SAME.assign(years=SAME["years"] + 5)
    similarity = marginal_similarity(REAL, shifted)
    expected = 1 - ks_2samp(REAL["years"], shifted["years"]).statistic
    assert similarity["years"] == pytest.approx(expected)
    assert similarity["years"] < 0.8 < similarity.drop("years").min()
    assert similarity.index.tolist() == list(REAL)


def test_missing_cells_differ_from_all_others():
    real = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "a": ["u", "u", "v", None]})
    other = pd.DataFrame({"x": [1.0, 2.0, np.nan, np.nan], "a": ["u", None, None, None]})
    assert marginal_similarity(real, other).to_dict() == {"x": 0.5, "a": 0.5}
    assert marginal_similarity(real, real).to_dict() == {"x": 1.0, "a": 1.0}


def test_tables_with_nothing_in_common_are_not_alike():
    real = pd.DataFrame({"x": [1.0, 2.0], "a": ["u", "v"]})
    other = pd.DataFrame({"x": [8.0, 9.0], "a": ["w", "z"]})
    assert marginal_similarity(real, other).to_dict() == {"x": 0.0, "a": 0.0}


# ------------------------------------------------------------------ pairs


def test_associations_of_wide_tables_take_no_time():
    """Ranks and correlations of whole columns are found once, not pair by pair."""
    X = np.random.default_rng(0).normal(size=(200, 300))
    started = time.perf_counter()
    found = associations(X).to_numpy()
    took = time.perf_counter() - started
    np.testing.assert_allclose(found, spearmanr(X).statistic, atol=1e-12)
    started = time.perf_counter()
    for column in X.T[:100]:
        spearmanr(column, X[:, 0])
    # 44,850 pairs, in the time of some hundred.
    assert took < 20 * (time.perf_counter() - started)


def test_association_of_numbers_is_spearmans():
    found = associations(REAL)
    there = REAL.dropna(subset="pay")
    expected = spearmanr(there["years"], there["pay"]).statistic
    assert found.loc["years", "pay"] == pytest.approx(expected)
    assert found.loc["years", "hired"] == pytest.approx(-1.0)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diag(found), 1.0)


@pytest.mark.parametrize("n_levels", [2, 30])
def test_associations_of_levels_are_one_and_about_zero(n_levels):
    """However many levels there are: Cramér's V as it is would be 0.3 with thirty."""
    rng = np.random.default_rng(0)
    levels = rng.integers(0, n_levels, 600)
    X = pd.DataFrame(
        {
            "level": levels.astype(str),
            "same": np.char.add("s", levels.astype(str)),
            "other": rng.integers(0, n_levels, 600).astype(str),
            "number": levels.astype(float),
            "noise": rng.normal(size=600),
        }
    )
    found = associations(X)["level"]
    assert found["same"] == pytest.approx(1.0, abs=0.01)
    assert found["number"] == pytest.approx(1.0, abs=0.01)
    assert found["other"] < 0.12
    assert found["noise"] < 0.15


def test_columns_that_say_nothing_have_no_association():
    X = REAL.assign(key=[f"k{i}" for i in range(600)], one="a", zero=0.0, none=None)
    found = associations(X)
    for name in ("key", "one", "zero", "none"):
        assert (found[name].drop(name) == 0.0).all(), name


def test_pairs_that_lost_their_relation_are_the_least_similar():
    rng = np.random.default_rng(0)
    rows = SAME.assign(years=rng.permutation(SAME["years"]))
    pairs = pair_similarity(REAL, rows)
    assert len(pairs) == 10
    of_years = (pairs["first"] == "years") | (pairs["second"] == "years")
    assert pairs["similarity"][of_years].max() < 0.5
    assert pairs["similarity"][~of_years].min() > 0.85
    np.testing.assert_allclose(
        pairs["similarity"], (1 - (pairs["real"] - pairs["synthetic"]).abs()).clip(0)
    )
    opposite = pair_similarity(REAL, SAME.assign(hired=SAME["hired"].to_numpy()[::-1]))
    assert (
        opposite.query("second == 'hired' and first == 'years'")["similarity"].item() < 0.1
    )


@pytest.mark.parametrize("n_cells", [0, 1])
def test_columns_with_hardly_a_cell_are_no_hindrance(n_cells):
    """Of one cell the rows of some fold have none."""
    real, new, test = (_staff(200, seed) for seed in range(3))
    for frame in (real, new, test):
        frame["phone"] = np.nan
    real.loc[: n_cells - 1, "phone"] = 1.0
    plain = two_sample_auc(
        real.drop(columns="phone"), new.drop(columns="phone"), random_state=0
    )
    auc = two_sample_auc(real, new, random_state=0)
    assert auc == pytest.approx(plain, abs=0.03)
    score = train_on_synthetic_score(real, new, test, target="pay", random_state=0)
    assert score.ratio > 0.8
