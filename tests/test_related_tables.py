"""Relations of tables as they come: totals that are given, parts of dates, sparse counts."""

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest

from skae import AutoencoderImputer, VAETransformer
from skae.conditionals.relations.formula_search import find_formulas
from skae.conditionals.relations.ties import find_ties

N = 500


def _fit(frame):
    vae = VAETransformer(2, hidden_layer_sizes=(8,), max_iter=3, random_state=0)
    return vae.fit(frame)


@cache
def _fit_to(table):
    return _fit(table(np.random.default_rng(0)))


def _loans(rng):
    principal = (rng.lognormal(9.5, 0.6, N) / 100.0).round() * 100.0
    rate, months = rng.uniform(0.01, 0.09, N).round(4), rng.choice([12, 24, 36, 60], N)
    frame = pd.DataFrame({"principal": principal, "rate": rate, "months": months})
    frame["interest"] = (principal * rate * months / 12.0).round(2)
    frame["total"] = (principal + frame.interest).round(2)
    frame["instalment"] = (frame.total / months).round(2)
    return frame


def _bills(rng):
    frame = pd.DataFrame({"net": np.exp(rng.normal(4.0, 1.0, N)).round(2)})
    frame["rate"] = rng.choice([0, 7, 19], N, p=[0.1, 0.3, 0.6])
    frame["vat"] = (frame.net * frame.rate / 100.0).round(2)
    frame["levy"] = (0.025 * frame.net).round(2)
    frame["gross"] = (frame.net + frame.vat + frame.levy).round(2)
    return frame


def _payroll(rng):
    frame = pd.DataFrame({"hours": rng.normal(160, 15, N).round(1)})
    frame["rate"] = rng.choice([15.5, 18.0, 22.5, 30.0, 41.0], N)
    bonus = np.where(rng.random(N) < 0.6, 0.0, rng.gamma(2.0, 150.0, N))
    frame["bonus"] = bonus.round(2)
    frame["base"] = (frame.hours * frame.rate).round(2)
    frame["gross"] = (frame.base + frame.bonus).round(2)
    frame["tax"] = (0.22 * frame.gross).round(2)
    frame["net"] = (frame.gross - frame.tax).round(2)
    return frame


def _hotel(rng):
    nights = rng.geometric(0.3, N)
    arrival = pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 365, N), "D")
    departure = arrival + pd.to_timedelta(nights, "D")
    return pd.DataFrame({"arrival": arrival, "departure": departure, "nights": nights})


def _moments(rng):
    minutes = rng.integers(0, 730 * 24 * 60, N)
    moment = pd.Series(pd.Timestamp("2022-01-01") + pd.to_timedelta(minutes, "min"))
    frame = pd.DataFrame({"moment": moment, "month": moment.dt.month})
    frame["hour"], frame["day"] = moment.dt.hour, moment.dt.day_name()
    return frame


def _spread(rng):
    own = 20 + 5 * rng.normal(size=(N, 1)) + 2 * rng.normal(size=(N, 3))
    frame = pd.DataFrame(own.round(1), columns=list("xyz"))
    frame["least"], frame["most"] = frame.min(axis=1), frame[list("xyz")].max(axis=1)
    frame["range"] = (frame.most - frame.least).round(1)
    return frame


def _marks(rng):
    frame = _spread(rng)
    frame["mean"] = frame[list("xyz")].mean(axis=1).round(2)
    return frame


def _accounts(rng):
    opened = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 10**6, N), "min")
    plan = rng.choice(["free", "paid"], N)
    never = rng.random(N) < np.where(plan == "free", 0.7, 0.05)
    later = np.where(never, 0.0, rng.gamma(1.5, 300_000.0, N)).round()
    last = opened + pd.to_timedelta(later, "min")
    return pd.DataFrame({"opened": opened, "last": last, "plan": plan})


def _fares(rng):
    frame = pd.DataFrame({"toll": rng.choice([0.0, 6.12], N, p=[0.9, 0.1])})
    frame["fare"] = 3.0 + 0.5 * rng.geometric(0.07, N)
    frame["tip"] = (rng.uniform(0.1, 0.3, N) * frame.fare).round(2)
    return frame.assign(total=frame.sum(axis=1).round(2))


def _near(left, right, slack=0.0051):
    return (left - right).abs() <= slack + 1e-9


@pytest.mark.parametrize(
    "given", [{"total": 10000.0}, {"instalment": (200.0, 300.0)}, {"months": 36}]
)
def test_a_total_is_the_sum_of_its_parts_whatever_is_given(given):
    rows = _fit_to(_loans).sample(200, random_state=0, given=given)
    # The interest may be off by the rounding of what it follows from, the sum may not.
    assert _near(rows.total, rows.principal + rows.interest).all()


def test_a_gross_sum_that_is_given_is_that_of_its_parts():
    vae = _fit_to(_bills)
    rows = vae.sample(200, random_state=0, given={"gross": (100.0, 120.0)})
    assert _near(rows.gross, rows.net + rows.vat + rows.levy).all()


def test_a_sum_holds_at_the_ends_of_its_range():
    rows = _fit_to(_loans).sample(3000, random_state=1)
    assert _near(rows.total, rows.principal + rows.interest).all()
    assert rows.total.value_counts().iloc[0] < 5


def test_a_tax_of_a_sum_that_is_paid_less_the_tax():
    rows = _fit_to(_payroll).sample(300, random_state=0)
    assert _near(rows.base, rows.hours * rows.rate).mean() > 0.98
    assert _near(rows.gross, rows.base + rows.bonus).mean() > 0.98
    assert _near(rows.tax, 0.22 * rows.gross).mean() > 0.98
    assert _near(rows.net, rows.gross - rows.tax).mean() > 0.98


def test_nights_are_those_between_two_dates():
    rows = _fit_to(_hotel).sample(300, random_state=0)
    assert ((rows.departure - rows.arrival).dt.days == rows.nights).all()


@pytest.mark.parametrize(
    "given", [{"month": 3, "hour": 5}, {"day": "Monday", "hour": 3, "month": 7}]
)
def test_a_date_has_the_parts_that_are_given(given):
    rows = _fit_to(_moments).sample(100, random_state=0, given=given)
    assert (rows.moment.dt.month == rows.month).all()
    assert (rows.moment.dt.hour == rows.hour).all()
    assert (rows.moment.dt.day_name() == rows.day).all()


@pytest.mark.parametrize("given", [{}, {"range": 2.0}, {"x": 15.0, "y": 20.0}])
def test_no_row_is_out_of_order(given):
    rows = _fit_to(_spread).sample(500, random_state=0, given=given)
    assert (rows.least <= rows[list("xyz")].min(axis=1) + 1e-9).all()
    assert (rows.most >= rows[list("xyz")].max(axis=1) - 1e-9).all()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"most": 25.0},
        {"most": (24.0, 26.0)},
        {"least": 18.0, "most": 25.0},
        {"range": 2.0},
        {"x": 25.0, "most": 25.0},
        {"x": 20.0, "y": 21.0, "most": 24.0},
        {"mean": 20.0},
    ],
)
def test_the_largest_is_one_of_those_it_is_the_largest_of(given):
    rows = _fit_to(_marks).sample(200, random_state=0, given=given)
    assert (rows.most == rows[list("xyz")].max(axis=1)).mean() > 0.99
    assert (rows.least == rows[list("xyz")].min(axis=1)).mean() > 0.99
    assert _near(rows["range"], rows.most - rows.least, 0.0).mean() > 0.99
    assert _near(rows["mean"], rows[list("xyz")].mean(axis=1)).mean() > 0.99


def test_a_cell_that_has_to_be_the_largest_is():
    frame = _marks(np.random.default_rng(0))
    holed = frame.drop(columns=["mean", "range"])
    is_most = frame.x > frame[["y", "z"]].max(axis=1)
    holed.loc[is_most & (frame.index % 2 == 0), "x"] = np.nan
    filled = AutoencoderImputer(max_iter=3, random_state=0).fit_transform(holed)
    pd.testing.assert_series_equal(filled.x, frame.x)


def test_the_largest_that_is_given_is_not_below_another_cell():
    vae = _fit_to(_marks)
    with pytest.raises(ValueError, match="hardly exist"):
        vae.sample(
            10, random_state=0, given={"x": 20.0, "y": 21.0, "z": 22.0, "most": 24.0}
        )


@pytest.mark.parametrize("total", [(13.0, None), (20.0, 23.0), (12.0, 12.5), 15.17])
def test_parts_of_a_total_that_is_asked_for_are_such_as_the_table_has(total):
    rows = _fit_to(_fares).sample(200, random_state=0, given={"total": total})
    assert _near(rows.total, rows.toll + rows.fare + rows.tip, 0.0).all()
    assert rows.toll.isin([0.0, 6.12]).mean() > 0.95
    assert (rows.fare % 0.5 == 0.0).mean() > 0.9
    low, high = total if isinstance(total, tuple) else (total, total)
    assert rows.total.between(low, high or np.inf).all()


@pytest.mark.parametrize("plan", ["free", "paid"])
def test_cells_are_the_same_as_often_as_they_are(plan):
    frame = _accounts(np.random.default_rng(0))
    rows = _fit_to(_accounts).sample(400, random_state=0, given={"plan": plan})
    real = frame[frame.plan == plan]
    share, of_real = ((f["last"] == f.opened).mean() for f in (rows, real))
    assert abs(share - of_real) < 0.12
    assert (rows["last"] >= rows.opened).all()
    # Where they differ, it is by as much as in the table.
    days, of_real = ((f["last"] - f.opened)[f["last"] > f.opened] for f in (rows, real))
    assert 0.6 < days.median() / of_real.median() < 1.6


def test_what_a_level_makes_constant_is_not_the_same_as_another_cell():
    rng = np.random.default_rng(0)
    fee, state = rng.gamma(3.0, 20.0, N).round(2), rng.choice(["open", "closed"], N)
    part = np.where(rng.random(N) < 0.6, fee, (rng.uniform(0.1, 0.9, N) * fee).round(2))
    back = np.where(state == "open", 0.0, part)
    frame = pd.DataFrame({"fee": fee, "state": state, "back": back})
    rows = _fit(frame).sample(400, random_state=0)
    assert (rows.back[rows.state == "open"] == 0.0).all()
    assert 0.45 < (rows.back == rows.fee)[rows.state == "closed"].mean() < 0.75


def test_a_draw_of_a_hole_may_be_the_same_as_another_cell():
    frame = _accounts(np.random.default_rng(0))
    holed = frame.copy()
    holed.loc[::2, "last"] = pd.NaT
    imputer = AutoencoderImputer(sample_posterior=True, random_state=0)
    drawn = imputer.fit_transform(holed)[::2]
    share, of_real = ((f["last"] == f.opened).mean() for f in (drawn, frame[::2]))
    assert abs(share - of_real) < 0.12


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e8, 1e15])
def test_numbers_of_any_size_add_up(size):
    rng = np.random.default_rng(0)
    a, b = rng.lognormal(0.0, 0.5, (2, N)) * size
    frame = pd.DataFrame({"a": a, "b": b, "sum": a + b, "weighted": 2.5 * a + 0.3 * b})
    rows = _fit(frame).sample(200, random_state=0)
    assert rows["sum"].nunique() > 150
    assert ((rows.a + rows.b) / rows["sum"]).between(1 - 1e-4, 1 + 1e-4).all()
    weighted = 2.5 * rows.a + 0.3 * rows.b
    assert (weighted / rows.weighted).between(1 - 1e-4, 1 + 1e-4).all()


@pytest.mark.parametrize("n_shares", [3, 4, 5, 6, 7])
def test_shares_are_all_of_it(n_shares):
    rng = np.random.default_rng(0)
    shares = (100.0 * rng.dirichlet(np.full(n_shares, 2.0), N)).round(1)
    shares[:, -1] = (100.0 - shares[:, :-1].sum(axis=1)).round(1)
    ties = find_ties(shares)
    assert len(ties) + len(find_formulas(shares)) == 1


def test_rows_of_zeros_say_nothing_of_a_formula():
    # Four rows of numbers, and three coefficients to fit them with.
    values = np.zeros((120, 4))
    values[:4] = [[2, 2, 2, 3], [2, 1, 3, 3], [2, 2, 3, 2], [2, 3, 2, 2]]
    assert find_formulas(values) == []


def test_zero_times_anything_is_no_warning():
    frame = _bills(np.random.default_rng(0))
    frame["shipping"] = np.random.default_rng(1).choice([0.0, 4.9, 9.9], N)
    frame["gross"] = (frame.gross + frame.shipping).round(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        find_formulas(frame.to_numpy())


@pytest.mark.parametrize(
    ("table", "given"),
    [
        (_moments, {"moment": "2022-05-05 10:00", "hour": 3}),
        (_loans, {"principal": 5000.0, "total": 4000.0}),
    ],
)
def test_what_can_never_be_is_an_error(table, given):
    vae = _fit_to(table)
    with pytest.raises(ValueError, match="hardly exist"):
        vae.sample(10, random_state=0, given=given)


def test_a_band_that_is_given_is_that_of_a_number_that_is_told():
    rng = np.random.default_rng(0)
    pieces = rng.poisson(40, N) * np.where(rng.random(N) < 0.1, 0, 1)
    reserved = np.minimum(pieces, rng.poisson(10, N))
    frame = pd.DataFrame({"pieces": pieces, "reserved": reserved})
    frame["free"] = frame.pieces - frame.reserved
    frame["low"] = frame.free < 20
    most = int(frame.reserved.max())
    given = {"low": True, "pieces": most + 18}
    rows = _fit(frame).sample(100, random_state=0, given=given)
    assert (rows.free < 20).all()
    assert (rows.free == rows.pieces - rows.reserved).all()


def test_bands_as_pandas_cuts_them():
    rng = np.random.default_rng(0)
    age = rng.integers(18, 90, N)
    frame = pd.DataFrame({"age": age, "x": rng.normal(size=N)})
    frame["band"] = pd.cut(frame.age, [0, 35, 60, 200], labels=list("abc"))
    assert frame["band"].cat.ordered
    rows = _fit(frame).sample(300, random_state=0)
    told = pd.cut(rows.age, [0, 35, 60, 200], labels=list("abc"))
    assert (rows.band.astype(str) == told.astype(str)).all()


def test_the_mean_of_nearly_the_same():
    rng = np.random.default_rng(0)
    bid = rng.lognormal(3.0, 0.5, N).round(2)
    ask = (bid + rng.uniform(0.01, 0.2, N)).round(2)
    values = np.column_stack([bid, ask, ((bid + ask) / 2.0).round(3)])
    (found,) = find_formulas(values)
    assert found.is_exact(values).mean() > 0.98


@pytest.mark.parametrize("n_draws", [None, 1])
def test_filled_parts_add_up_to_a_total_that_is_there(n_draws):
    frame = _loans(np.random.default_rng(0))
    imputer = AutoencoderImputer(max_iter=3, random_state=0).fit(frame)
    hidden = frame.copy()
    hidden.loc[::2, ["principal", "interest"]] = np.nan
    if n_draws is None:
        rows = imputer.transform(hidden)
    else:
        (rows,) = imputer.impute(hidden, n_draws=n_draws, random_state=0)
    assert _near(rows.total, rows.principal + rows.interest).mean() > 0.95


def _whole_index(rng):
    height = rng.normal(1.72, 0.09, N).round(2)
    weight = (22.0 * height**2 * np.exp(rng.normal(0.1, 0.15, N))).round(1)
    return height, weight, (weight / height**2).round()


def _share(rng):
    n = rng.poisson(50, N) + 1
    positive = rng.binomial(n, 0.3)
    return n, positive, (positive / n).round(2)


@pytest.mark.parametrize("table", [_whole_index, _share])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_rounded_coarsely_is_found(table, seed):
    values = np.column_stack(table(np.random.default_rng(seed))).astype(float)
    (found,) = find_formulas(values)
    assert found.columns[-1] == values.shape[1] - 1
    assert found.is_exact(values).mean() > 0.99
