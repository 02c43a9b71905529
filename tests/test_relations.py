"""What holds in every row holds in sampled and filled ones: formulas, orders, lookups."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

from skae import AutoencoderImputer, VAETransformer
from skae.conditionals.model import ColumnFacts
from skae.conditionals.relations.equals import find_equals
from skae.conditionals.relations.extremes import find_extremes
from skae.conditionals.relations.formula_search import find_formulas
from skae.conditionals.relations.lookups import Calendar, find_lookups
from skae.conditionals.relations.orders import find_orders
from skae.conditionals.relations.ties import find_ties


def _with_holes(values, proportion=0.15, seed=0):
    holes = np.random.default_rng(seed).random(values.shape) < proportion
    return (
        values.mask(holes) if hasattr(values, "mask") else np.where(holes, np.nan, values)
    )


# ---------------------------------------------------------------- formulas


def _prices(rng, n):
    return np.exp(rng.normal(3.0, 0.8, n)).round(2)


def _amount(rng, n):
    pieces, price = rng.geometric(0.3, n), _prices(rng, n)
    return pieces, price, (pieces * price).round(2)


def _amount_of_returns(rng, n):
    pieces = rng.geometric(0.3, n) * rng.choice([1, 1, 1, -1], n)
    price = np.where(rng.random(n) < 0.05, 0.0, _prices(rng, n))
    return pieces, price, (pieces * price).round(2)


def _tax(rng, n):
    net = _prices(rng, n)
    return net, (0.19 * net).round(2)


def _degrees(rng, n):
    celsius = rng.normal(15.0, 8.0, n).round(1)
    return celsius, (1.8 * celsius + 32.0).round(1)


def _body_mass(rng, n):
    height, weight = rng.normal(172, 9, n).round(), rng.normal(75, 12, n).round(1)
    return height, weight, (weight / (height / 100.0) ** 2).round(1)


def _speed(rng, n):
    way, time = rng.uniform(1, 90, n).round(1), rng.uniform(0.2, 3.0, n).round(2)
    return way, time, (way / time).round(3)


def _volume(rng, n):
    sides = rng.uniform(1.0, 9.0, (3, n)).round(1)
    return *sides, sides.prod(axis=0).round(3)


def _mean_mark(rng, n):
    marks = rng.integers(0, 101, (3, n)).astype(float)
    return *marks, marks.mean(axis=0).round(2)


def _discount(rng, n):
    price, discount = _prices(rng, n), rng.choice([0, 0, 5, 10, 20], n)
    return price, discount, (price * (1.0 - discount / 100.0)).round(2)


def _interest(rng, n):
    sum_, rate = rng.uniform(100, 5000, n).round(), rng.uniform(0.01, 0.09, n).round(3)
    return sum_, rate, (sum_ * (1.0 + rate)).round(2)


def _year(rng, n):
    months = rng.gamma(3.0, 20.0, (12, n)).round(2)
    return *months, months.sum(axis=0).round(2)


def _shares(rng, n):
    shares = (100.0 * rng.dirichlet(np.full(7, 2.0), n)).round(1)
    shares[:, -1] = (100.0 - shares[:, :-1].sum(axis=1)).round(1)
    return tuple(shares.T)


def _five_shares(rng, n):
    shares = (100.0 * rng.dirichlet(np.full(5, 2.0), n)).round(1)
    shares[:, -1] = (100.0 - shares[:, :-1].sum(axis=1)).round(1)
    return tuple(shares.T)


def _pressure(rng, n):
    hectopascals = rng.normal(1013.0, 8.0, n).round(1)
    return hectopascals, (0.750062 * hectopascals).round(1)


def _tax_of_two_rates(rng, n):
    net, rate = _prices(rng, n), rng.choice([0.19, 0.2], n)
    return net, rate, (net * rate).round(2)


def _small(rng, n):
    a, b = rng.lognormal(0.0, 0.5, (2, n)) * 1e-12
    return a, b, 2.5 * a + 0.3 * b


def _large(rng, n):
    a, b = (rng.lognormal(0.0, 0.5, (2, n)) * 1e15).round()
    return a, b, a * b


FORMULAS = [_amount, _amount_of_returns, _tax, _degrees, _body_mass, _speed, _volume]
FORMULAS += [_mean_mark, _discount, _interest, _year, _shares, _five_shares, _pressure]
FORMULAS += [_tax_of_two_rates, _small, _large]


def _table_of(formula, n, seed):
    """Return columns of a formula with two others beside them, one of which goes with it."""
    rng = np.random.default_rng(seed)
    columns = np.column_stack(formula(rng, n)).astype(float)
    near = columns[:, 0] + columns[:, 0].std() * rng.normal(size=n)
    return np.column_stack([rng.normal(size=n), columns, near])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: formula.__name__[1:])
def test_a_formula_is_found(formula, holes, seed):
    values = _table_of(formula, 600, seed)
    width = values.shape[1]
    shown = _with_holes(values, 0.1, seed) if holes else values
    (found,) = find_formulas(shown)
    assert set(found.columns) == set(range(1, width - 1))
    # What it gives, where its last cell is not known, is the cell to the last decimal.
    last = found.columns[-1]
    hidden = values.copy()
    hidden[:, last] = np.nan
    off = np.abs(found.solve(hidden, last) - values[:, last])
    assert np.mean(off < 1e-9 * np.abs(values[:, last]).max()) > 0.95
    # Halves of the last decimal are rounded as binary fractions have it.
    step = 10.0 ** -found.decimals[-1]
    assert off.max() < 1.01 * step + 1e-9 * np.abs(values[:, last]).max()
    assert not found.is_broken(values).any()
    values[:, last] += 2.0 * values[:, last].std()
    assert found.is_broken(values).all()


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: formula.__name__[1:])
def test_a_formula_gives_any_cell_back_as_far_as_rounding_allows(formula):
    values = _table_of(formula, 600, 0)
    (found,) = find_formulas(values)
    for column in found.columns:
        hidden = values.copy()
        hidden[:, column] = np.nan
        cells = found.solve(hidden, column)
        tells = found.tells(hidden, column)
        np.testing.assert_array_equal(tells, ~np.isnan(cells))
        # Nothing times any price is nothing.
        assert tells.mean() > 0.9
        put = np.where(tells, cells, values[:, column])
        filled = values.copy()
        filled[:, column] = put
        assert not found.is_broken(filled).any()
        assert np.corrcoef(put, values[:, column])[0, 1] > 0.99


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: formula.__name__[1:])
def test_columns_lie_where_a_formula_leaves_them(formula):
    values = _table_of(formula, 600, 0)
    (found,) = find_formulas(values)
    own = values[:, found.columns]
    slack = 0.05 * own.std(axis=0)
    for at, column in enumerate(found.columns):
        # All of the others are known nearly, this one not at all.
        low, high = own - slack, own + slack
        low[:, at], high[:, at] = own[:, at].min(), own[:, at].max()
        ends = found.column_range(low, high, column)
        rounding = 1e-6 * np.abs(own[:, at]).max()
        assert np.all(ends[0] <= own[:, at] + rounding)
        assert np.all(own[:, at] <= ends[1] + rounding)


REAL = {
    "breast_cancer": load_breast_cancer,
    "diabetes": load_diabetes,
    "digits": load_digits,
    "wine": load_wine,
}


@pytest.mark.parametrize("name", REAL)
def test_real_columns_without_formulas_have_none(name):
    assert find_formulas(REAL[name]().data.astype(float)) == []


@pytest.mark.parametrize("seed", range(3))
def test_columns_that_go_together_have_no_formula(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(5.0, 1.0, (500, 4))
    nearly = (x[:, 0] * x[:, 1] * (1.0 + 0.02 * rng.normal(size=500))).round(2)
    blurred = (x[:, 2] + 2.0 * x[:, 3] + 0.05 * rng.normal(size=500)).round(2)
    walk = rng.normal(size=(500, 12)).cumsum(axis=1)
    flags = rng.integers(0, 2, (500, 6)).astype(float)
    values = np.column_stack([x.round(2), nearly, blurred, walk, flags])
    assert find_formulas(values) == []
    assert find_formulas(values[:20]) == []


def test_what_follows_from_itself_is_left_out():
    # Net tells tax and gross, and gross is their sum: no circle of them.
    rng = np.random.default_rng(0)
    net = _prices(rng, 500)
    tax = (0.19 * net).round(2)
    bills = np.column_stack([net, tax, (net + tax).round(2)])
    told = [(set(f.columns[:-1]), f.columns[-1]) for f in find_formulas(bills)]
    assert told[:2] == [({0}, 1), ({0}, 2)]
    assert 0 not in {last for _, last in told}
    assert find_ties(bills, find_formulas(bills)) == []


# ---------------------------------------------------------------- orders


def _orders(values, facts=None):
    facts = facts or [ColumnFacts()] * values.shape[1]
    gaps = find_orders(values, np.arange(values.shape[1]), facts).gaps
    return {
        tuple(pair): gaps[tuple(pair)] for pair in np.argwhere(np.isfinite(gaps)).tolist()
    }


def test_orders_are_found_and_what_follows_from_them():
    rng = np.random.default_rng(0)
    low = rng.normal(size=500)
    middle = low + rng.exponential(0.5, 500)
    high = middle + rng.exponential(0.5, 500)
    values = np.column_stack([high, low, middle, rng.normal(size=500), low + 100.0])
    assert set(_orders(values)) == {(1, 0), (1, 2), (2, 0)}
    orders = find_orders(values, np.arange(5), [ColumnFacts()] * 5)
    assert not orders.are_broken(values).any()
    assert orders.are_broken(values[:, [1, 0, 2, 3, 4]]).all()
    hidden = values.copy()
    hidden[:, 2] = np.nan
    np.testing.assert_array_equal(orders.bounds(hidden, 2), [low, high])


def test_one_row_that_is_out_of_order_says_that_there_is_none():
    rng = np.random.default_rng(0)
    low = rng.normal(size=5000)
    values = np.column_stack([low, low + rng.exponential(size=5000)])
    assert set(_orders(values)) == {(0, 1)}
    values[4321] = [1.0, 0.9]
    assert _orders(values) == {}


def test_ranks_that_are_never_equal_differ_by_a_step():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 30, 3000)
    below, up_to = first + rng.geometric(0.2, 3000), first + rng.geometric(0.2, 3000) - 1
    orders = _orders(np.column_stack([first, below, up_to]).astype(float))
    assert orders[0, 1] == 1.0
    assert orders[0, 2] == 0.0


def test_dates_are_compared_whatever_they_are_counted_from():
    rng = np.random.default_rng(0)
    start = rng.integers(0, 1000, 500).astype(float)
    end = start + rng.integers(0, 900, 500)
    facts = [ColumnFacts(unit="day"), ColumnFacts(unit="day", origin=300.0), ColumnFacts()]
    values = np.column_stack([start, end - 300.0, start - 2000.0])
    assert set(_orders(values, facts)) == {(0, 1)}


# ---------------------------------------------------------------- extremes, equal cells


def _extremes(values):
    n = values.shape[1]
    orders = find_orders(values, np.arange(n), [ColumnFacts()] * n)
    return find_extremes(values, orders)


def _equals(values):
    return find_equals(
        values, range(values.shape[1]), [ColumnFacts()] * values.shape[1], []
    )


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_the_largest_of_others_is_found(sign, holes):
    rng = np.random.default_rng(0)
    own = rng.normal(size=(400, 3)).round(2)
    last = sign * (sign * own).max(axis=1)
    below = last - sign * rng.gamma(2.0, 1.0, 400).round(2)
    values = np.column_stack([below, own, last])
    whole = values.copy()
    values[rng.random(values.shape) < holes] = np.nan
    (found,) = _extremes(values)
    assert found.columns == (1, 2, 3, 4)
    np.testing.assert_array_equal(found.told(whole, 4), last)
    told = found.told(whole, 1)
    np.testing.assert_array_equal(
        ~np.isnan(told), sign * own[:, 0] > (sign * own[:, 1:]).max(1)
    )
    np.testing.assert_array_equal(told[~np.isnan(told)], own[~np.isnan(told), 0])


def test_one_row_in_which_no_other_is_the_largest_says_that_it_is_none():
    own = np.random.default_rng(0).normal(size=(400, 3))
    values = np.column_stack([own, own.max(axis=1)])
    values[7, 3] += 1.0
    assert _extremes(values) == []


def test_columns_that_are_often_the_same_are_found():
    rng = np.random.default_rng(0)
    asked = np.exp(rng.normal(9.0, 1.0, 500)).round()
    granted = np.where(rng.random(500) < 0.3, asked, asked * rng.uniform(0.2, 0.9, 500))
    other = np.exp(rng.normal(9.0, 1.0, 500)).round()
    values = np.column_stack([other, asked, granted.round()])
    (found,) = _equals(values)
    assert found.columns == (1, 2)
    np.testing.assert_array_equal(found.codes(values), values[:, 1] == values[:, 2])


def test_what_is_the_same_by_chance_is_not_found():
    rng = np.random.default_rng(0)
    # Few steps apart, zeros, few values.
    near = rng.normal(50.0, 8.0, (500, 1)) + rng.normal(size=(500, 2))
    zeros = np.where(rng.random((500, 2)) < 0.7, 0.0, rng.gamma(2.0, 10.0, (500, 2)))
    few = rng.integers(0, 4, (500, 2))
    values = np.column_stack([near.round(), zeros, few])
    assert (values[:, 0] == values[:, 1]).mean() > 0.2
    assert (values[:, 2] == values[:, 3]).mean() > 0.4
    assert _equals(values) == []


# ---------------------------------------------------------------- lookups


def _lookup(x, y, calendar=None, least_rows=1):
    facts = [ColumnFacts(calendar=calendar), ColumnFacts()]
    values = np.column_stack([x, y]).astype(float)
    return find_lookups(values, [0], [1], facts, least_rows=least_rows)


def test_bands_are_looked_up_and_end_at_round_numbers():
    rng = np.random.default_rng(0)
    age = rng.uniform(18, 90, 800)
    (bands,) = _lookup(age, np.digitize(age, [25, 40, 65]))
    np.testing.assert_array_equal(bands.keys, [25, 40, 65])
    np.testing.assert_array_equal(bands.told(np.array([24.9, 25.0, 64, 70])), [0, 1, 2, 3])
    low, high = bands.bounds(np.array([0.0, 1.0, 3.0, np.nan]))
    np.testing.assert_array_equal(low, [-np.inf, 25, 65, -np.inf])
    np.testing.assert_allclose(high, [25, 40, np.inf, np.inf])


def test_what_lies_outside_of_a_range_is_looked_up():
    pressure = np.random.default_rng(0).normal(120, 15, 900).round(1)
    is_odd = (pressure < 100) | (pressure >= 140)
    (flags,) = _lookup(pressure, is_odd)
    np.testing.assert_array_equal(flags.told(pressure), is_odd)
    low, high = flags.bounds(np.array([0.0, 1.0]))
    np.testing.assert_allclose([low[0], high[0]], [100, 140], atol=0.2)
    assert np.isinf([low[1], high[1]]).all()


def test_parts_of_dates_are_looked_up():
    rng = np.random.default_rng(0)
    days = rng.integers(0, 1500, 800)
    first = pd.Timestamp("2018-03-05")
    calendar = Calendar("D", (first - pd.Timestamp("1970-01-01")).days, None, 1.0)
    dates = pd.DatetimeIndex(first + pd.to_timedelta(days, "D"))
    for part in ("year", "quarter", "month", "day_of_week"):
        cells = getattr(dates, part).to_numpy()
        (found,) = _lookup(days, cells, calendar)
        np.testing.assert_array_equal(found.told(days + 0.4), cells)
        assert found.part == part
    (weekend,) = _lookup(days, dates.day_of_week >= 5, calendar)
    np.testing.assert_array_equal(weekend.told(days.astype(float)), dates.day_of_week >= 5)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_looked_up_by_what_only_goes_with_it(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=600)
    assert _lookup(x, x + 0.1 * rng.normal(size=600) > 0) == []
    assert _lookup(x, rng.integers(0, 3, 600)) == []
    # The same number with two levels.
    rooms = rng.integers(0, 9, 600)
    assert _lookup(rooms, (rooms > 4) | (rng.random(600) < 0.05)) == []


def test_no_end_of_an_interval_is_kept_where_no_value_of_a_row_is():
    age = np.random.default_rng(0).uniform(18, 90, 800)
    assert _lookup(age, age > 50, least_rows=5) == []


# ---------------------------------------------------------------- rows


class Table(NamedTuple):
    """A frame, and what holds in all of its rows: functions of a frame, by name."""

    frame: pd.DataFrame
    holds: dict


def _is(column, of_others, slack=1e-6):
    return lambda frame: (frame[column] - of_others(frame)).abs() <= slack


def _sales(n=400, seed=0):
    rng = np.random.default_rng(seed)
    pieces, price = rng.geometric(0.3, n), _prices(rng, n)
    discount = rng.choice([0, 5, 10, 20], n)
    full = (pieces * price).round(2)
    frame = pd.DataFrame(
        {
            "article": rng.choice(["a", "b", "c"], n),
            "pieces": pieces,
            "price": price,
            "full": full,
            "discount": discount,
            "paid": (full * (1.0 - discount / 100.0)).round(2),
        }
    )
    holds = {
        "full": _is("full", lambda f: f.pieces * f.price, 0.0051),
        "paid": _is("paid", lambda f: f.full * (1.0 - f.discount / 100.0), 0.0051),
        "paid <= full": lambda f: f.paid <= f.full,
    }
    return Table(frame, holds)


def _marks(n=400, seed=0):
    rng = np.random.default_rng(seed)
    marks = (50 + 15 * rng.normal(size=(n, 3)) + 10 * rng.normal(size=(n, 1))).round()
    frame = pd.DataFrame(marks.clip(0, 100).astype(int), columns=["math", "art", "sport"])
    frame["mean"] = frame.mean(axis=1).round(2)
    frame["best"] = frame[["math", "art", "sport"]].max(axis=1)
    frame["passed"] = frame["mean"] >= 50.0
    frame["grade"] = pd.cut(frame["mean"], [-1, 39.99, 49.99, 60, 101], labels=list("dcba"))
    marks = ["math", "art", "sport"]
    holds = {
        "mean": _is("mean", lambda f: f[marks].mean(axis=1), 0.0051),
        "best": lambda f: f["best"] >= f[marks].max(axis=1),
        "passed": lambda f: f["passed"] == (f["mean"] >= 50.0),
    }
    return Table(frame, holds)


def _stays(n=400, seed=0):
    rng = np.random.default_rng(seed)
    arrival = pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D")
    stay = pd.DataFrame({"arrival": arrival})
    stay["departure"] = stay.arrival + pd.to_timedelta(rng.integers(0, 400, n), "D")
    stay["year"], stay["month"] = stay.arrival.dt.year, stay.arrival.dt.month_name()
    stay["season"] = np.where(stay.arrival.dt.quarter == 3, "high", "low")
    holds = {
        "order": lambda f: f.arrival <= f.departure,
        "year": lambda f: f.year == f.arrival.dt.year,
        "month": lambda f: f.month == f.arrival.dt.month_name(),
        "season": lambda f: (f.season == "high") == (f.arrival.dt.quarter == 3),
    }
    return Table(stay, holds)


def _trips(n=400, seed=0):
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2023-01-01") + pd.to_timedelta(
        rng.integers(0, 31_536_000, n), "s"
    )
    lasting = rng.gamma(3.0, 300.0, n).round()
    frame = pd.DataFrame({"start": start, "end": start + pd.to_timedelta(lasting, "s")})
    frame["minutes"] = (lasting / 60.0).round(1)
    frame["km"] = (lasting / 60.0 * rng.uniform(0.3, 0.7, n)).round(2)
    frame["hour"] = start.hour

    def minutes(f):
        return (f.end - f.start).dt.total_seconds() / 60.0

    holds = {
        "minutes": _is("minutes", minutes, 0.0501),
        "hour": lambda f: f.hour == f.start.dt.hour,
        "order": lambda f: f.start <= f.end,
    }
    return Table(frame, holds)


def _wages(n=400, seed=0):
    rng = np.random.default_rng(seed)
    hours, rate = rng.normal(160, 15, n).round(1), rng.choice([15.5, 18, 22.5, 30], n)
    frame = pd.DataFrame({"hours": hours, "rate": rate})
    frame["bonus"] = np.where(rng.random(n) < 0.6, 0.0, rng.gamma(2.0, 150.0, n)).round(2)
    frame["base"] = (hours * rate).round(2)
    frame["gross"] = (frame.base + frame.bonus).round(2)
    frame["tax"] = (0.22 * frame.gross).round(2)
    frame["net"] = (frame.gross - frame.tax).round(2)
    holds = {
        "base": _is("base", lambda f: f.hours * f.rate, 0.0051),
        "gross": _is("gross", lambda f: f.base + f.bonus),
        "tax": _is("tax", lambda f: 0.22 * f.gross, 0.0051),
        "net": _is("net", lambda f: f.gross - f.tax),
    }
    return Table(frame, holds)


TABLES = {
    "sales": _sales(),
    "marks": _marks(),
    "stays": _stays(),
    "trips": _trips(),
    "wages": _wages(),
}


@pytest.fixture(scope="module", params=TABLES)
def table(request):
    table = TABLES[request.param]
    for name, holds in table.holds.items():
        assert holds(table.frame).all(), name
    return table


@cache
def _fitted(name):
    vae = VAETransformer(2, hidden_layer_sizes=(8,), max_iter=3, random_state=0)
    return vae.fit(TABLES[name].frame)


@pytest.fixture(scope="module")
def filler(table):
    return AutoencoderImputer(max_iter=20, random_state=0).fit(_with_holes(table.frame))


def _proportions(table, rows):
    return {name: float(holds(rows).mean()) for name, holds in table.holds.items()}


@pytest.mark.parametrize("name", TABLES)
def test_it_holds_in_sampled_rows(name):
    rows = _fitted(name).sample(500, random_state=0)
    assert min(_proportions(TABLES[name], rows).values()) == 1.0


def test_it_holds_in_filled_rows(table, filler):
    holed = _with_holes(table.frame, 0.2, 1)
    one_hole = holed[holed.isna().sum(axis=1) == 1]
    assert len(one_hole) > 50
    filled = filler.transform(one_hole)
    assert not filled.isna().any(axis=None)
    for rows in (filled, *filler.impute(one_hole, n_draws=2, random_state=0)):
        # Of a rounded amount and its price the pieces are told, and only nearly the price;
        # and an expected date need not lie in the month that is given.
        proportions = _proportions(table, rows)
        assert min(proportions.values()) > 0.85, proportions
        assert np.mean(list(proportions.values())) > 0.95, proportions


def test_what_is_filled_is_the_cell_where_the_others_tell_it():
    sales = TABLES["sales"].frame
    imputer = AutoencoderImputer(max_iter=5, random_state=0).fit(sales)
    for column in ("full", "pieces", "paid"):
        hidden = sales.assign(**{column: pd.Series(dtype=sales[column].dtype)})
        filled = imputer.transform(hidden.astype({column: "float64"}))
        told = sales["full"] / sales["price"] if column == "pieces" else sales[column]
        np.testing.assert_allclose(
            filled[column], told, atol=0.6 if column == "pieces" else 0.011
        )


GIVEN = {
    "sales": [
        {"pieces": 3},
        {"full": (40.0, 60.0)},
        {"paid": (20.0, 50.0), "discount": 10},
        {"price": 10.0, "pieces": 2},
    ],
    "marks": [{"passed": True}, {"mean": (55.0, 60.0)}, {"math": 70, "grade": "a"}],
    "stays": [{"month": "July"}, {"year": 2022, "season": "high"}],
}


@pytest.mark.parametrize(
    ("name", "given"), [(n, g) for n, several in GIVEN.items() for g in several]
)
def test_it_holds_in_rows_that_meet_conditions(name, given):
    table = TABLES[name]
    vae = _fitted(name)
    rows = vae.sample(200, random_state=0, given=given)
    for column, asked in given.items():
        ends = asked if isinstance(asked, tuple) else (asked, asked)
        assert (
            rows[column].between(*ends).all()
            if not isinstance(asked, str)
            else (rows[column] == asked).all()
        )
    assert min(_proportions(table, rows).values()) > 0.98


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("sales", {"pieces": 2, "price": 10.0, "full": 50.0}),
        ("sales", {"full": 20.0, "paid": 40.0}),
        ("marks", {"mean": 30.0, "passed": True}),
        ("stays", {"arrival": "2022-01-05", "departure": "2021-12-01"}),
        ("stays", {"arrival": "2022-01-05", "month": "May"}),
    ],
)
def test_what_can_never_be_is_an_error(name, given):
    with pytest.raises(ValueError, match="hardly exist"):
        _fitted(name).sample(10, random_state=0, given=given)


@pytest.mark.parametrize("name", TABLES)
def test_frames_of_polars_and_arrays_hold_it_too(name):
    table = TABLES[name]
    frame = table.frame.copy()
    if "grade" in frame:
        frame = frame.drop(columns="grade")
    vae = VAETransformer(2, hidden_layer_sizes=(8,), max_iter=2, random_state=0)
    rows = vae.fit(pl.from_pandas(frame)).sample(200, random_state=0)
    assert isinstance(rows, pl.DataFrame)
    assert min(_proportions(table, rows.to_pandas()).values()) == 1.0
    numbers = frame.select_dtypes("number")
    rows = vae.fit(numbers.to_numpy()).sample(200, random_state=0)
    rows = pd.DataFrame(rows, columns=numbers.columns)
    for column in ("full", "mean"):
        if column in rows:
            assert table.holds[column](rows).all()


def test_dates_of_a_time_zone_have_the_months_of_its_clocks():
    rng = np.random.default_rng(0)
    start = pd.Timestamp("2021-01-01", tz="Asia/Tokyo")
    days = pd.Series(start + pd.to_timedelta(rng.integers(0, 700, 400), "D"))
    frame = pd.DataFrame({"day": days, "month": days.dt.month, "x": rng.normal(size=400)})
    vae = VAETransformer(1, hidden_layer_sizes=(8,), max_iter=2, random_state=0)
    rows = vae.fit(frame).sample(300, random_state=0)
    assert (rows["month"] == rows["day"].dt.month).all()


@pytest.mark.parametrize("missing", ["level", "unknown"])
def test_what_is_missing_stays_missing_where_a_formula_would_tell_it(missing):
    rng = np.random.default_rng(0)
    days, has_left = rng.exponential(300, 400).round(), rng.random(400) < 0.4
    joined = pd.Timestamp("2019-01-01") + pd.to_timedelta(rng.integers(0, 900, 400), "D")
    staff = pd.DataFrame({"status": np.where(has_left, "left", "here"), "days": days})
    staff["joined"] = joined
    staff["until"] = (joined + pd.to_timedelta(days, "D")).where(has_left)
    vae = VAETransformer(
        2, hidden_layer_sizes=(8,), max_iter=20, missing=missing, random_state=0
    )
    rows = vae.fit(staff).sample(400, random_state=0, missing=missing == "unknown")
    there = rows["until"].notna()
    assert 0.2 < there.mean() < 0.6
    assert ((rows["status"] == "left") == there).mean() > 0.97
    lasted = (rows["until"] - rows["joined"]).dt.days
    assert (lasted == rows["days"])[there].all()


def test_a_formula_is_found_beside_some_rows_that_break_it():
    sales = _sales(800).frame
    sales.loc[::150, "full"] += 7.0
    rows = VAETransformer(2, hidden_layer_sizes=(8,), max_iter=2, random_state=0)
    rows = rows.fit(sales[["pieces", "price", "full"]]).sample(300, random_state=0)
    off = (rows["full"] - rows["pieces"] * rows["price"]).abs()
    assert (off <= 0.0051).all()
