"""What all numbers of a column lie on, drawn and filled ones lie on: tens, quarters, months."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from skae import AutoencoderImputer, VAETransformer
from skae.conditionals.grids import Steps, grid_of
from skae.conditionals.ranks import Ranks
from skae.table.decimals import decimals_of

RNG = np.random.default_rng(0)


def _grid(values, **facts):
    decimals = int(decimals_of(values[:, None])[0])
    return grid_of(values, decimals, (values.min(), values.max()), **facts)


@pytest.mark.parametrize(
    ("values", "grid"),
    [
        (RNG.integers(0, 4000, 300) * 10.0, Steps(10, 0, 0)),
        (RNG.integers(-900, 900, 300) * 5.0 + 3.0, Steps(5, 3, 0)),
        (RNG.integers(-9000, 9000, 300) / 4, Steps(25, 0, 2)),
        (RNG.integers(1, 3000, 300) + 0.99, Steps(100, 99, 2)),
        ((RNG.integers(0, 900, 300) / np.float32(5.0)).astype(np.float64), Steps(2, 0, 1)),
        (RNG.integers(0, 700 * 1440, 300) * 6e10, Steps(60_000_000_000, 0, 0)),
        (RNG.integers(0, 4000, 300) * 1.0, None),
        (RNG.normal(size=300), None),
        # Of float64, and multiples of a power of two for it.
        (RNG.normal(size=300) * 1e17, None),
        # By chance.
        (np.arange(9) * 1000.0, None),
        (2.0 * np.array([1, 5, 8, 9, 12, 20, 31, 40, 47, 51, 60, 66]), None),
        (np.full(50, 20.0), None),
    ],
    ids=lambda one: repr(one) if one is None or isinstance(one, Steps) else "",
)
def test_a_grid_is_told_by_values_that_are_not_on_it_by_chance(values, grid):
    assert _grid(values) == grid


def test_what_times_are_written_as_is_known():
    """However few they are, and whatever other step these happen to have."""
    minutes = np.array([0.0, 4.0, 6.0, 20.0]) * 60.0
    assert _grid(minutes, step=60.0) == Steps(60, 0, 0)
    assert _grid(minutes) is None


def test_numbers_in_a_range_are_on_the_grid_if_it_has_any_there():
    ranks = Ranks(10.0 * np.unique(RNG.integers(0, 4000, 300)))
    scores = np.linspace(-3.0, 3.0, 500)
    for low, high, expected in (
        (5005, 5035, {5010, 5020, 5030}),
        (5001, 5004, {5001, 5002, 5003, 5004}),
    ):
        first, last = ranks.scores_within(low, high)
        drawn = ranks.value(scores.clip(first + 1e-9, last - 1e-9), low, high)
        assert {*drawn.tolist()} <= expected
        assert len({*drawn.tolist()}) >= 2
    assert (ranks.value(scores) % 10 == 0).all()
    np.testing.assert_array_equal(ranks.rounded(np.array([26.0]), 20.0, 29.0), 20.0)


def test_ranks_of_older_files_have_no_grid():
    ranks = Ranks(10.0 * np.unique(RNG.integers(0, 4000, 300)))
    del ranks.grid
    assert ranks.rounded(np.array([12.3]))[0] == 12.0
    assert ranks.scores_within(5001.0, 5004.0) is not None


# ---------------------------------------------------------------- numbers


@cache
def _amounts(n=300):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "ten": rng.integers(0, 4000, n) * 10,
            "five": rng.integers(0, 4000, n) * 5,
            "quarter": rng.integers(0, 9000, n) / 4,
            "price": rng.integers(1, 3000, n) + 0.99,
            "c": rng.choice(list("ab"), n),
        }
    )


@cache
def _drawer_of_amounts():
    return VAETransformer(1, random_state=0, max_iter=2).fit(_amounts())


def _lie_on_grids(rows):
    cents = (rows[["ten", "five", "quarter", "price"]] * 100).round()
    return (cents % [1000, 500, 25, 100] == [0, 0, 0, 99]).to_numpy()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_drawn_numbers_lie_on_the_grid():
    drawn = _drawer_of_amounts().sample(500, random_state=0)
    assert _lie_on_grids(_amounts()).all()
    assert _lie_on_grids(drawn).all()
    # Not the table's own.
    assert (~drawn.price.isin(_amounts().price)).mean() > 0.3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_filled_numbers_lie_on_the_grid():
    holed = _amounts().astype({"ten": float, "five": float})
    for at, name in enumerate(["ten", "five", "quarter", "price"]):
        holed.loc[at * 50 : at * 50 + 49, name] = np.nan
    for posterior in (False, True):
        imputer = AutoencoderImputer(max_iter=2, random_state=0, sample_posterior=posterior)
        assert _lie_on_grids(imputer.fit_transform(holed)).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_is_given_need_not_lie_on_the_grid():
    vae = _drawer_of_amounts()
    one = vae.sample(20, given={"ten": 1234}, random_state=0)
    assert (one.ten == 1234).all()
    between = vae.sample(20, given={"ten": (5001, 5008)}, random_state=0)
    assert between.ten.between(5001, 5008).all()
    wider = vae.sample(20, given={"ten": (5001, 5032)}, random_state=0)
    assert {*wider.ten} <= {5010, 5020, 5030}


# ---------------------------------------------------------------- times


@cache
def _stays(n=300):
    rng = np.random.default_rng(7)
    starts = pd.Timestamp("2021-01-01") + pd.to_timedelta(
        rng.integers(0, 700 * 1440, n), unit="min"
    )
    durations = pd.to_timedelta(rng.integers(1, 2000, n), unit="min")
    return pd.DataFrame({"start": starts, "end": starts + durations, "for": durations})


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_end_is_its_start_and_the_duration_to_the_minute():
    drawn = VAETransformer(1, random_state=0, max_iter=2).fit(_stays()).sample(300)
    assert (drawn.end - drawn.start == drawn["for"]).all()
    holed = _stays().copy()
    holed.loc[:99, ["start", "end"]] = pd.NaT
    holed.loc[100:199, ["end", "for"]] = pd.NaT
    filled = AutoencoderImputer(max_iter=2, random_state=0).fit_transform(holed)
    assert (filled.end - filled.start == filled["for"]).mean() > 0.99


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
@pytest.mark.parametrize(
    "offset",
    [
        pd.offsets.MonthBegin(),
        pd.offsets.MonthEnd(),
        pd.offsets.QuarterBegin(startingMonth=1),
        pd.offsets.BDay(),
        pd.offsets.BMonthEnd(),
        pd.offsets.Week(weekday=1),
    ],
    ids=lambda offset: type(offset).__name__,
)
def test_dates_keep_their_calendar(offset, zone):
    dates = pd.date_range("1980-01-01", periods=200, freq=offset).tz_localize(zone)
    v = np.random.default_rng(0).normal(size=len(dates)).round(2)
    frame = pd.DataFrame({"date": dates, "v": v})
    holed = frame.copy()
    holed.loc[::5, "date"] = pd.NaT
    drawn = VAETransformer(1, random_state=0, max_iter=1).fit(frame).sample(200)
    filled = AutoencoderImputer(max_iter=1, random_state=0).fit_transform(holed)
    for rows in (drawn, filled):
        assert all(offset.is_on_offset(date) for date in rows.date)
        assert (rows.date.dt.normalize() == rows.date).all()
    assert drawn.date.nunique() > 50


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_dates_that_are_moved_to_a_month_are_the_first_of_it():
    dates = pd.date_range("1980-01-01", periods=300, freq="MS")
    frame = pd.DataFrame({"date": dates, "month": dates.month_name()})
    frame["v"] = np.random.default_rng(0).normal(size=len(dates)).round(2)
    vae = VAETransformer(1, random_state=0, max_iter=1).fit(frame)
    drawn = vae.sample(200, given={"month": "March"}, random_state=0)
    assert (drawn.date.dt.month == 3).all()
    assert (drawn.date.dt.day == 1).all()


def test_dates_of_any_day_stay_so():
    """Nor are those of few days told to have something in common."""
    rng = np.random.default_rng(0)
    for days in (rng.integers(0, 9000, 300), 7 * rng.integers(0, 900, 5)):
        dates = pd.Timestamp("1990-01-01") + pd.to_timedelta(days, unit="D")
        frame = pd.DataFrame({"date": dates, "v": rng.normal(size=len(days))})
        vae = VAETransformer(1, random_state=0, max_iter=1)
        ranks = vae.fit(frame)._conditionals.variables.ranks[0]
        assert isinstance(ranks.grid, Steps)
