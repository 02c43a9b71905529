"""`sample(given=, missing=)`: exact where something is given, and by the law elsewhere."""

import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.stats import ks_2samp

from skae import VAETransformer

DAY = pd.Timestamp("2020-01-01")
GRADES = ["low", "middle", "high", "top"]
CITIES = ["Rome", "Oslo", "Lima", "Unbuilt"]
# Tests that say nothing of how rows are distributed.
short = pytest.mark.usefixtures("short_conditionals")


def draw_people(n_rows, seed):
    """Rows of a known law: all but `other` follow x, which is normal around its city's."""
    rng = np.random.default_rng(seed)
    place = rng.choice(3, n_rows, p=[0.5, 0.3, 0.2])
    x = np.array([-1.0, 0.5, 2.0])[place] + rng.normal(size=n_rows)
    y = 2.0 * x + rng.normal(size=n_rows)
    grade = np.digitize(x + 0.5 * rng.normal(size=n_rows), [-1.0, 1.0])
    days = pd.to_timedelta((60 + 20 * x + 5 * rng.normal(size=n_rows)).round(), "D")
    return pd.DataFrame(
        {
            "city": pd.Categorical.from_codes(place, CITIES),
            "x": x,
            "y": y,
            "rooms": np.rint(5 + x).astype(int),
            "grade": pd.Categorical.from_codes(grade, GRADES, ordered=True),
            "day": (DAY + days).astype("M8[s]"),
            "flag": pd.Series(x + 0.5 * rng.normal(size=n_rows) > 0, dtype="boolean"),
            "other": rng.normal(size=n_rows),
        }
    )


@pytest.fixture(scope="module")
def fitted():
    params = {"max_iter": 20, "refit": False, "random_state": 0}
    vae = VAETransformer(1, hidden_layer_sizes=(8,), **params)
    return vae.fit(draw_people(800, 0))


@pytest.fixture(scope="module")
def law():
    return draw_people(20_000, 1)


def _meets(frame, name, condition):
    if name == "grade" and isinstance(condition, tuple):
        return frame[name].isin(GRADES[: 1 + GRADES.index(condition[1])])
    if isinstance(condition, tuple):
        low, high = condition
        inside = frame[name].notna()
        inside &= True if low is None else frame[name] >= low
        return inside & (True if high is None else frame[name] <= high)
    if isinstance(condition, list):
        return frame[name].isin(condition)
    return frame[name] == condition


CONDITIONS = {
    "level": {"city": "Lima"},
    "levels": {"city": ["Oslo", "Lima"]},
    "array of levels": {"city": np.array(["Oslo", "Lima"])},
    "number": {"rooms": 6},
    "range": {"x": (0.5, 1.5)},
    "open range": {"x": (1.0, None)},
    "whole range": {"rooms": (3, 4)},
    "ordered level": {"grade": "high"},
    "range of levels": {"grade": ("low", "middle")},
    "ordered levels": {"grade": ["low", "middle"]},
    "date": {"day": DAY + pd.Timedelta(70, "D")},
    "dates": {"day": ("2020-03-10", pd.Timestamp("2020-04-15"))},
    "open dates": {"day": (None, np.datetime64("2020-02-15"))},
    "boolean": {"flag": False},
    "two ranges": {"x": (-0.5, 1.0), "rooms": (5, 6)},
    "level and range": {"city": ["Rome"], "y": (-1.0, 1.0)},
    "all kinds": {"flag": True, "grade": ["middle", "high"], "day": ("2020-03-01", None)},
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_rows_meet_the_conditions_and_have_the_distribution_of_those_that_do(
    fitted, law, name
):
    given = {key: list(v) if isinstance(v, np.ndarray) else v for key, v in _of(name)}
    rows = fitted.sample(600, random_state=0, given=CONDITIONS[name])
    assert len(rows) == 600
    pd.testing.assert_series_equal(rows.dtypes, law.dtypes)
    meets = np.ones(len(law), dtype=bool)
    for key, condition in given.items():
        assert _meets(rows, key, condition).all(), key
        meets &= _meets(law, key, condition).to_numpy(dtype=bool)
    expected = law[meets]
    assert len(expected) > 100
    for column in set(law) - set(given):
        if law[column].dtype.kind in "iufM":
            # Of other conditions the distance is 0.3 and more.
            distance = ks_2samp(rows[column], expected[column]).statistic
            assert distance < 0.2, column
        else:
            one, other = (
                f[column].astype(str).value_counts(normalize=True) for f in (rows, expected)
            )
            assert one.sub(other, fill_value=0).abs().max() < 0.13, column


def _of(name):
    return CONDITIONS[name].items()


def test_the_law_tells_conditions_apart(law):
    """What the test above would say of rows that were not drawn by their condition."""
    for given in ({"city": "Lima"}, {"x": (1.0, None)}, {"flag": False}):
        ((name, condition),) = given.items()
        inside = law[_meets(law, name, condition).to_numpy(dtype=bool)]
        assert ks_2samp(inside["y"], law["y"]).statistic > 0.3


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_each_row_of_a_frame_is_completed(fitted, law, library):
    inner = law[law["x"].between(-2, 3)]  # no cell is beyond those of the fit
    given = inner[["city", "x", "day", "flag"]].iloc[:600].reset_index(drop=True)
    given = given.mask(np.random.default_rng(0).random(given.shape) < 0.3)
    given["city"] = given["city"].astype(str).where(given["city"].notna(), None)
    asked = {
        "pandas": given,
        "polars": pl.from_pandas(given),
        "pyarrow": pa.Table.from_pandas(given),
    }[library]
    rows = fitted.sample(random_state=0, given=asked)
    assert len(rows) == 600
    assert rows.notna().all(axis=None)
    for name in given:
        there = given[name].notna()
        found, expected = (frame[name][there].astype(str) for frame in (rows, given))
        assert (found == expected).all(), name
    there = given["x"].notna()
    error = rows["y"][there] - 2.0 * given["x"][there]
    assert error.std() == pytest.approx(1.0, abs=0.2)
    assert abs(error.mean()) < 0.15
    drawn = rows["x"][~there & (given["city"] == "Lima")]
    assert drawn.mean() > 1.2


@short
@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_frames_of_other_libraries_are_fitted_and_sampled(library):
    people = draw_people(200, 0).drop(columns="grade")
    people["city"] = people["city"].astype(str)
    frame = pl.from_pandas(people) if library == "polars" else pa.Table.from_pandas(people)
    vae = VAETransformer(1, max_iter=4, random_state=0).fit(frame)
    rows = vae.sample(
        30, random_state=0, given={"city": "Oslo", "day": ("2020-02-01", None), "rooms": 5}
    )
    assert type(rows) is type(frame)
    rows = rows.to_pandas()
    assert (rows["city"] == "Oslo").all()
    assert (rows["rooms"] == 5).all()
    assert (rows["day"] >= "2020-02-01").all()


def test_columns_of_arrays_are_called_x0_and_so_on():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=300), rng.normal(size=300)])
    X = np.column_stack([X, X[:, 0] + 0.2 * rng.normal(size=300), rng.integers(0, 3, 300)])
    vae = VAETransformer(1, max_iter=20, categorical_features=[3], random_state=0).fit(X)
    rows = vae.sample(400, random_state=0, given={"x0": 1.0, "x3": [1, 2]})
    assert isinstance(rows, np.ndarray)
    assert (rows[:, 0] == 1.0).all()
    assert set(rows[:, 3]) == {1.0, 2.0}
    assert rows[:, 2].mean() == pytest.approx(1.0, abs=0.15)
    inside = vae.sample(400, random_state=0, given={"x1": (None, -0.5)})[:, 1]
    assert inside.max() <= -0.5


@short
@pytest.mark.filterwarnings("ignore:.*latent dimensions have collapsed")
def test_dates_of_a_zone_and_durations():
    rng = np.random.default_rng(0)
    day = pd.Timestamp("2020-01-01", tz="Europe/Berlin")
    frame = pd.DataFrame(
        {
            "day": [day + pd.DateOffset(days=int(n)) for n in rng.integers(0, 300, 150)],
            "wait": pd.to_timedelta(rng.integers(0, 90, 150), "min"),
        }
    )
    vae = VAETransformer(1, max_iter=2, random_state=0).fit(frame)
    given = {"day": ("2020-03-29", "2020-04-02"), "wait": ("20min", pd.Timedelta("40min"))}
    rows = vae.sample(100, random_state=0, given=given)
    low, high = (pd.Timestamp(end, tz="Europe/Berlin") for end in given["day"])
    assert rows["day"].between(low, high).all()
    assert (rows["day"].dt.hour == 0).all()
    assert rows["wait"].between("20min", "40min").all()
    # Between whole days no cell can lie.
    with pytest.raises(ValueError, match="between which no row can lie"):
        vae.sample(given={"day": ("2020-03-29 06:00", "2020-03-29 18:00")})


def test_whole_numbers_beyond_those_of_float64():
    n = 2**60 + np.random.default_rng(0).integers(0, 1000, 200)
    frame = pd.DataFrame({"n": n, "x": (n - 2**60) / 1000.0})
    vae = VAETransformer(1, max_iter=10, random_state=0).fit(frame)
    one = int(n[3])
    assert (vae.sample(20, random_state=0, given={"n": one})["n"] == one).all()
    low, high = 2**60 + 100, 2**60 + 300
    rows = vae.sample(200, random_state=0, given={"n": (low, high)})
    assert rows["n"].between(low, high).all()
    assert rows["x"].mean() == pytest.approx(0.2, abs=0.05)
    rows = vae.sample(random_state=0, given=frame[["n"]].iloc[:9])
    np.testing.assert_array_equal(rows["n"], n[:9])
    with pytest.raises(ValueError, match="'n', whose cells lie from 1152921504606846"):
        vae.sample(given={"n": 12})


@short
def test_identifiers_are_given_out_only_where_they_were_given():
    frame = draw_people(100, 0)
    frame["name"] = [f"person {i}" for i in range(100)]
    with pytest.warns(UserWarning, match="identifiers"):
        vae = VAETransformer(1, max_iter=2, random_state=0).fit(frame)
    names = set(frame["name"])
    assert not names & set(vae.sample(50, random_state=0)["name"])
    assert not names & set(vae.sample(50, random_state=0, given={"x": 0.0})["name"])
    rows = vae.sample(5, random_state=0, given={"name": "person 7"})
    assert set(rows["name"]) == {"person 7"}
    given = pd.DataFrame({"name": ["person 7", None, None], "x": [None, 0.0, None]})
    rows = vae.sample(random_state=0, given=given)
    assert rows["name"].to_list()[0] == "person 7"
    assert rows["name"].isna().tolist() == [False, True, True]
    vae.set_params(reveal=["name"])
    assert set(vae.sample(50, random_state=0)["name"]) <= names


def test_equal_seeds_give_equal_rows_also_after_pickling(fitted):
    given, copy = {"x": (0.0, 1.0)}, pickle.loads(pickle.dumps(fitted))
    rows = fitted.sample(50, random_state=3, given=given)
    pd.testing.assert_frame_equal(rows, fitted.sample(50, random_state=3, given=given))
    pd.testing.assert_frame_equal(rows, copy.sample(50, random_state=3, given=given))
    assert not rows.equals(fitted.sample(50, random_state=4, given=given))


def test_number_of_rows(fitted):
    assert len(fitted.sample()) == 1
    assert len(fitted.sample(given={"x": 1.0})) == 1
    assert len(fitted.sample(given=pd.DataFrame({"x": [1.0, None, 0.0]}))) == 3
    assert len(fitted.sample(3, given=pd.DataFrame({"x": [1.0, None, 0.0]}))) == 3
    assert len(fitted.sample(4500, random_state=0, given={})) == 4500


# ---------------------------------------------------------------- errors

WRONG = {
    "unknown column": ({"hight": 1.0}, ValueError, "'hight'.*its columns are"),
    "level never seen": ({"city": "Paris"}, ValueError, "'Paris' in column 'city'.*'Rome'"),
    "declared level of no row": ({"city": "Unbuilt"}, ValueError, "no row of the fit"),
    "level among others": ({"city": ["Rome", "Paris"]}, ValueError, "'Paris'"),
    "ordered level never seen": ({"grade": "top"}, ValueError, "'top'.*'high'"),
    "ordered levels apart": ({"grade": ["low", "high"]}, ValueError, "follow each other"),
    "no level": ({"city": []}, ValueError, "allows no level in column 'city'"),
    "range turned round": ({"x": (2.0, 1.0)}, ValueError, "no row can lie"),
    "range beyond": ({"x": (90.0, 99.0)}, ValueError, r"\(90.0, 99.0\).*cells lie from"),
    "range between": ({"rooms": (5.2, 5.8)}, ValueError, "no row can lie"),
    "range of dates beyond": ({"day": ("2050-01-01", None)}, ValueError, "lie from 20"),
    "range of three": ({"x": (0.0, 1.0, 2.0)}, ValueError, "tuple"),
    "number beyond": ({"x": 99.0}, ValueError, "99 in column 'x', whose cells lie from"),
    "part of a room": ({"rooms": 5.5}, ValueError, "5.5 in column 'rooms'.*whole"),
    "noon in days": ({"day": "2020-03-01 12:00"}, ValueError, "12:00.*'day'.*whole"),
    "missing": ({"x": None}, ValueError, "missing=True"),
    "missing level": ({"city": np.nan}, ValueError, "missing=True"),
    "text for a number": ({"x": "tall"}, TypeError, "'tall' in column 'x'.*'number'"),
    "boolean for a number": ({"rooms": True}, TypeError, "True in column 'rooms'"),
    "list of numbers": ({"rooms": [4, 5]}, TypeError, r"a range as a tuple \(low, high\)"),
    "number for a date": ({"day": 3}, TypeError, "3 in column 'day'.*'date'"),
    "no date": ({"day": "soon"}, TypeError, "'soon' in column 'day'"),
    "time of a zone": (
        {"day": pd.Timestamp("2020-03-01", tz="UTC")},
        ValueError,
        "have no time zone",
    ),
    "no table": ([1.0, 2.0], TypeError, "given is a list"),
    "frame without rows": (pd.DataFrame({"x": []}), ValueError, "without rows"),
    "frame with another column": (pd.DataFrame({"z": [1.0]}), ValueError, "'z'"),
    "frame of another dtype": (
        pd.DataFrame({"x": ["a"]}),
        TypeError,
        "'category' in column 'x'.*'number'",
    ),
    "frame with another level": (pd.DataFrame({"city": ["Paris"]}), ValueError, "'Paris'"),
    "frame beyond": (pd.DataFrame({"x": [0.0, 99.0]}), ValueError, "99 in column 'x'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_met_is_an_error_that_says_why(fitted, name):
    given, error, message = WRONG[name]
    with pytest.raises(error, match=f"(?s){message}"):
        fitted.sample(given=given)


def test_rows_that_hardly_exist_are_an_error():
    n = np.arange(400)
    frame = pd.DataFrame(
        {"zone": [f"z{i % 6}" for i in n], "part": [f"p{i % 3}" for i in n]}
    )
    vae = VAETransformer(1, max_iter=4, random_state=0).fit(frame)
    assert len(vae.sample(9, random_state=0, given={"zone": "z4", "part": "p1"})) == 9
    with pytest.raises(ValueError, match=r"hardly exist.*Ask for wider ranges"):
        vae.sample(9, random_state=0, given={"zone": "z4", "part": "p2"})


@short
@pytest.mark.parametrize("ordered", [False, True])
def test_rare_levels_that_are_drawn_as_one_cannot_be_told_apart(ordered):
    levels = ["often"] * 50 + ["rare", "scarce", "scarce"]
    frame = pd.DataFrame({"c": pd.Categorical(levels, ordered=ordered)})
    frame["x"] = np.arange(53.0) % 7
    vae = VAETransformer(1, max_iter=2, min_frequency=4, random_state=0).fit(frame)
    if not ordered:  # rare levels that are ordered join their neighbours
        assert set(vae.sample(9, given={"c": "often"})["c"]) == {"often"}
        rows = vae.sample(40, random_state=0, given={"c": ["rare", "scarce"]})
        assert set(rows["c"]) == {"rare", "scarce"}
    for given in ({"c": "rare"}, {"c": ["rare"]}, frame[["c"]].tail(2)):
        with pytest.raises(ValueError, match=r"'c', which are rare.*min_frequency"):
            vae.sample(given=given)


def test_number_of_rows_beside_a_frame(fitted):
    with pytest.raises(ValueError, match="n_samples=5, but given has 2 rows"):
        fitted.sample(5, given=pd.DataFrame({"x": [0.0, 1.0]}))


@pytest.mark.parametrize("n_samples", [0, -1, 1.5, True])
def test_number_of_rows_that_is_none(fitted, n_samples):
    with pytest.raises(ValueError, match=f"n_samples={n_samples}"):
        fitted.sample(n_samples, given={"x": 0.0})


def test_missing_is_true_or_false(fitted):
    with pytest.raises(ValueError, match="missing='no'; give True"):
        fitted.sample(2, missing="no")


@pytest.fixture(scope="module")
def by_codes():
    vae = VAETransformer(1, max_iter=2, sampler="codes", random_state=0)
    return vae.fit(draw_people(60, 0))


@short
def test_codes_meet_no_conditions(by_codes):
    assert by_codes.sampler_ == "codes"
    assert len(by_codes.sample(4, random_state=0)) == 4
    for asked in ({"given": {"x": 0.0}}, {"missing": True}):
        with pytest.raises(ValueError, match="sampler='columns'"):
            by_codes.sample(4, **asked)
    with pytest.raises(ValueError, match=r"n_draws=2.*sampler='columns'"):
        by_codes.impute(draw_people(5, 0), n_draws=2)
    with pytest.raises(ValueError, match="n_draws=0"):
        VAETransformer(1, max_iter=1).fit(draw_people(30, 0)).impute(
            draw_people(5, 0), n_draws=0
        )


def test_unknown_sampler():
    with pytest.raises(ValueError, match="'sampler' parameter"):
        VAETransformer(1, sampler="rows").fit(draw_people(30, 0))


# ---------------------------------------------------------------- missing cells


def _holed(n_rows, seed):
    """a and b are missing together, c where x is large, d at random."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n_rows)
    frame = pd.DataFrame({name: x + rng.normal(size=n_rows) for name in "abcd"})
    frame.loc[rng.random(n_rows) < 0.3, ["a", "b"]] = np.nan
    frame.loc[rng.random(n_rows) < 1 / (1 + np.exp(-8 * (x - 0.7))), "c"] = np.nan
    frame.loc[rng.random(n_rows) < 0.1, "d"] = np.nan
    return frame.assign(x=x)


@pytest.fixture(scope="module")
def holed():
    frame, params = _holed(1000, 0), {"max_iter": 20, "refit": False, "random_state": 0}
    return VAETransformer(1, hidden_layer_sizes=(8,), **params).fit(frame), frame


def test_cells_are_missing_as_often_and_together_as_in_the_table(holed):
    vae, frame = holed
    rows = vae.sample(3000, random_state=0, missing=True)
    gone, expected = rows.isna(), frame.isna()
    np.testing.assert_allclose(gone.mean(), expected.mean(), atol=0.05)
    assert not gone["x"].any()
    assert (gone["a"] == gone["b"]).mean() > 0.98
    assert abs(gone["a"].corr(gone["d"])) < 0.1


def test_missing_cells_depend_on_what_they_depend_on(holed):
    """Also where that is given."""
    vae, frame = holed
    rows = vae.sample(3000, random_state=0, missing=True)
    for inside in ((-9.0, -0.5), (0.8, 9.0)):
        found, expected = (
            f["c"].isna()[f["x"].between(*inside)].mean() for f in (rows, frame)
        )
        assert found == pytest.approx(expected, abs=0.12), inside
    # All of them: 0.25.
    for inside, low, high in (((0.8, None), 0.6, 1.0), ((None, -0.5), 0.0, 0.15)):
        given = vae.sample(1000, random_state=0, given={"x": inside}, missing=True)
        assert low < given["c"].isna().mean() < high, inside


def test_cells_that_are_given_are_not_missing(holed):
    vae, _ = holed
    rows = vae.sample(500, random_state=0, given={"a": (-9.0, 9.0), "c": 0.5}, missing=True)
    assert rows[["a", "c"]].notna().all(axis=None)
    assert rows["d"].isna().any()
    rows = vae.sample(
        random_state=0, given=pd.DataFrame({"a": [0.0, None] * 200}), missing=True
    )
    assert rows["a"][::2].notna().all()
    assert 0.15 < rows["a"][1::2].isna().mean() < 0.5


def test_no_cell_is_missing_unasked(holed):
    assert holed[0].sample(500, random_state=0).notna().all(axis=None)


@pytest.mark.parametrize(
    "make", [pd.Series, pd.Index, pd.Categorical, dict.fromkeys, set, pl.Series, pa.array]
)
def test_levels_in_whatever_holds_them(fitted, make):
    levels = make(["Oslo", "Lima"])
    levels = levels.keys() if isinstance(levels, dict) else levels
    levels = levels.to_pylist() if isinstance(levels, pa.Array) else levels
    rows = fitted.sample(50, random_state=0, given={"city": levels})
    assert set(rows["city"]) == {"Oslo", "Lima"}


def test_ranges_of_ordered_levels_may_be_open(fitted):
    for condition, levels in (
        (("middle", None), {"middle", "high"}),
        ((None, "middle"), {"low", "middle"}),
        (("low", "high"), {"low", "middle", "high"}),
    ):
        rows = fitted.sample(200, random_state=0, given={"grade": condition})
        assert set(rows["grade"]) == levels
    with pytest.raises(ValueError, match="'low' to 'high'"):
        fitted.sample(given={"grade": ("high", "low")})


def test_rows_of_a_frame_keep_its_index(fitted):
    given = pd.DataFrame({"x": [0.5, -0.5]}, index=["one", "other"])
    assert fitted.sample(given=given, random_state=0).index.tolist() == ["one", "other"]


@short
def test_decimals_are_given_as_such():
    prices = [Decimal(i) / 4 for i in range(40)]
    frame = pd.DataFrame({"price": prices, "size": np.arange(40.0)})
    vae = VAETransformer(1, max_iter=2, random_state=0).fit(frame)
    assert vae.sample(given={"price": Decimal("2.5")})["price"].tolist() == [Decimal("2.5")]


@short
def test_periods_are_given_as_such():
    months = pd.period_range("2020-01", periods=60, freq="M")
    frame = pd.DataFrame({"month": months, "size": np.arange(60.0)})
    vae = VAETransformer(1, max_iter=2, random_state=0).fit(frame)
    for given in (months[5], (months[5], months[8]), ("2020-06", "2020-09")):
        rows = vae.sample(20, random_state=0, given={"month": given})["month"]
        last = months[8] if isinstance(given, tuple) else months[5]
        assert ((rows >= months[5]) & (rows <= last)).all()


@short
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_times_of_another_zone_are_an_error_that_says_what_to_give(zone):
    days = pd.Series(pd.date_range("2024-01-01", periods=60, tz=zone))
    frame = pd.DataFrame({"day": days, "size": np.arange(60.0)})
    vae = VAETransformer(1, max_iter=2, random_state=0).fit(frame)
    wrong = pd.Timestamp("2024-02-01", tz=None if zone else "UTC")
    with pytest.raises(ValueError, match="or text"):
        vae.sample(given={"day": wrong})
    (drawn,) = vae.sample(given={"day": "2024-02-01"})["day"]
    assert drawn == pd.Timestamp("2024-02-01", tz=zone)


def test_a_list_of_rows_is_sent_to_a_frame(fitted):
    with pytest.raises(TypeError, match="given is a list"):
        fitted.sample(given=[{"x": 0.5}])


# ---------------------------------------------------------------- columns that are tied


def draw_bills(n_rows, seed):
    """Rides with their duration, of which cash has no tip, and bills with a sum of a sum."""
    rng = np.random.default_rng(seed)
    start = DAY + pd.to_timedelta(rng.integers(0, 90 * 86_400, n_rows), "s")
    lasting = pd.to_timedelta((60 + rng.gamma(2, 300, n_rows)).round(), "s")
    pay = rng.choice(["cash", "card"], n_rows)
    fare = (3 + rng.gamma(2, 4, n_rows)).round(2)
    tip = np.where(pay == "cash", 0.0, (fare * rng.uniform(0.1, 0.3, n_rows)).round(2))
    toll = rng.gamma(2, 1, n_rows).round(2)
    return pd.DataFrame(
        {
            "start": start,
            "end": start + lasting,
            "lasting": lasting,
            "pay": pay,
            "fare": fare,
            "tip": tip,
            "paid": (fare + tip).round(2),
            "toll": toll,
            "total": (fare + tip + toll).round(2),
        }
    )


@pytest.fixture(scope="module")
def billed():
    vae = VAETransformer(1, hidden_layer_sizes=(8,), max_iter=5, random_state=0)
    return vae.fit(draw_bills(400, 0))


FEBRUARY = ("2020-02-01", "2020-03-01")


@pytest.mark.parametrize(
    "given",
    [
        None,
        {"start": FEBRUARY, "end": FEBRUARY},
        {"end": FEBRUARY, "start": FEBRUARY},
        {"start": ("2020-02-01", "2020-02-02"), "lasting": ("10min", "20min")},
        {"start": "2020-02-01 10:00", "end": ("2020-02-01", "2020-02-02")},
        {"start": "2020-02-01 10:00", "end": "2020-02-01 10:10"},
        {"end": "2020-02-01 10:00"},
        {"total": 20.0},
        {"total": (20.0, 21.0), "fare": (8.0, 12.0)},
        {"paid": 15.0, "fare": (11.0, 15.0)},
        {"fare": (5.0, 8.0), "total": (5.0, 9.0), "pay": "cash"},
        {"tip": (1.0, 2.0), "total": 15.0},
    ],
)
def test_tied_columns_stay_tied_whatever_is_given(billed, given):
    rows = billed.sample(200, random_state=0, given=given)
    second = pd.Timedelta(1, "s")  # to which dates are rounded
    assert ((rows["end"] - rows["start"] - rows["lasting"]).abs() <= second).all()
    assert rows["lasting"].between(pd.Timedelta("1min"), pd.Timedelta("1h")).all()
    assert (rows["fare"] + rows["tip"] - rows["paid"]).abs().max() < 0.006
    assert (rows["paid"] + rows["toll"] - rows["total"]).abs().max() < 0.006
    assert (rows.loc[rows["pay"] == "cash", "tip"] == 0.0).all()
    for name, condition in (given or {}).items():
        kind = pd.Timedelta if name == "lasting" else pd.Timestamp
        ends = condition if isinstance(condition, tuple) else (condition, condition)
        ends = [
            kind(end) if isinstance(end, str) and name != "pay" else end for end in ends
        ]
        assert rows[name].between(*ends).all(), name


def test_durations_within_a_range_of_dates_are_distributed_as_others(billed):
    rows = billed.sample(500, random_state=0, given={"start": FEBRUARY, "end": FEBRUARY})
    others = draw_bills(20_000, 1)["lasting"]
    assert ks_2samp(rows["lasting"], others).statistic < 0.15


@pytest.mark.parametrize(
    "given",
    [
        {"start": ("2020-03-01", None), "end": (None, "2020-02-01")},
        {"start": "2020-03-01", "end": "2020-02-01"},
        {"fare": 10.0, "tip": 1.0, "paid": 15.0},
        {"fare": 12.0, "paid": 10.0},
        {"fare": (15.0, 20.0), "total": (5.0, 10.0)},
        {"pay": "cash", "tip": (1.0, 2.0)},
        {"tip": (1.0, 2.0), "pay": "cash"},
        {"pay": "cash", "fare": (5.0, 6.0), "paid": (7.0, 9.0)},
    ],
)
def test_what_ties_rule_out_is_an_error(billed, given):
    with pytest.raises(ValueError, match="hardly exist"):
        billed.sample(20, random_state=0, given=given)
