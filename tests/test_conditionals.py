"""The rooms of the conditional networks: ranks, ties, the normal start, what is visible."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import log_ndtr, ndtr

from skae.conditionals import fitting
from skae.conditionals.division import CROSSED_BELOW, Division
from skae.conditionals.gaussian import Gaussian
from skae.conditionals.intervals import log_probability_between
from skae.conditionals.mixture import Levels, Mixture
from skae.conditionals.mixture_fitting import MixtureFits
from skae.conditionals.model import ColumnFacts, Conditionals
from skae.conditionals.network import ConditionalNetworks
from skae.conditionals.ranks import FARTHEST, N_KEPT, Ranks
from skae.conditionals.relations.rules import find_constants, find_hierarchies
from skae.conditionals.relations.ties import find_ties
from skae.conditionals.starts import fit_networks
from skae.conditionals.state import State
from skae.conditionals.units import Pooled, Units
from skae.conditionals.variables import Variables
from skae.conditionals.visibility import Visibility

SCORES = np.linspace(-FARTHEST, FARTHEST, 4001)


def _columns():
    rng = np.random.default_rng(0)
    return {
        "single values": rng.normal(size=300),
        "many single values": np.exp(rng.normal(size=3 * N_KEPT)),
        "whole numbers": rng.integers(0, 9, 300).astype(float),
        "zeros and prices": np.where(rng.random(300) < 0.6, 0.0, rng.gamma(2, 9, 300)),
        "one that repeats": np.r_[rng.normal(size=200), np.full(100, 0.25)],
        "two values": np.array([1.0, 2.0]),
        "one value": np.array([3.5]),
        "constant": np.full(50, -2.0),
        "tiny": 1e-300 * rng.normal(size=50),
        "large": 1e150 * rng.normal(size=50),
    }


COLUMNS = _columns()


def _single(values):
    unique, counts = np.unique(values, return_counts=True)
    return unique[counts == 1]


# ---------------------------------------------------------------- ranks


@pytest.mark.parametrize("name", COLUMNS)
def test_values_rise_with_the_scores_within_the_columns_range(name):
    column = COLUMNS[name]
    values = Ranks(column).value(SCORES)
    assert (np.diff(values) >= 0).all()
    assert values[0] >= column.min()
    assert values[-1] <= column.max()


@pytest.mark.parametrize("name", COLUMNS)
def test_interval_of_a_value_holds_its_score(name):
    ranks = Ranks(COLUMNS[name])
    low, high = ranks.intervals(COLUMNS[name])
    own = ranks.score(COLUMNS[name])
    assert (low < own).all()
    assert (own < high).all()


@pytest.mark.parametrize("name", ["whole numbers", "constant", "one that repeats"])
def test_values_that_repeat_come_back_exactly_from_all_of_their_interval(name):
    column = COLUMNS[name]
    unique, counts = np.unique(column, return_counts=True)
    repeated, ranks = unique[counts > 1], Ranks(column)
    low, high = ranks.intervals(repeated)
    for part in (0.001, 0.5, 0.999):
        np.testing.assert_array_equal(ranks.value(low + part * (high - low)), repeated)


@pytest.mark.parametrize(
    "name", ["single values", "many single values", "zeros and prices", "tiny", "large"]
)
def test_single_values_are_not_given_out(name):
    column = COLUMNS[name]
    given = Ranks(column).value(np.random.default_rng(1).normal(size=20_000))
    assert not np.isin(given, _single(column)).any()
    ordered = np.sort(column)
    end, gap = ordered[-1], ordered[-1] - ordered[-2]
    assert Ranks(column).value(SCORES).max() <= end - 0.249 * gap


def test_single_value_between_values_that_repeat_is_not_given_out():
    column = np.r_[np.repeat(np.arange(5.0), 20), 2.4]
    assert set(Ranks(column).value(SCORES)) == set(range(5))


def test_normal_scores_give_the_columns_distribution():
    column = COLUMNS["zeros and prices"]
    values = Ranks(column).value(np.random.default_rng(0).normal(size=20_000))
    assert (values == 0).mean() == pytest.approx((column == 0).mean(), abs=0.02)
    places = [0.7, 0.8, 0.9, 0.97]
    np.testing.assert_allclose(
        np.quantile(values, places), np.quantile(column, places), rtol=0.1
    )


def test_between_numbers_of_levels_there_is_nothing():
    ranks = Ranks(np.array([2.0, 5.0, 9.0]), is_level=True)
    assert set(ranks.value(SCORES)) == {2.0, 5.0, 9.0}
    scores, weights = np.array([[-2.0, 2.0, 0.1]]), np.array([[1.0, 1.0, 0.5]])
    assert ranks.median(scores, weights).tolist() == [5.0]


def test_weights_of_values_are_their_proportions():
    ranks = Ranks(np.repeat([0.0, 1.0], 50), np.repeat([1.0, 9.0], 50))
    assert ranks.value(np.random.default_rng(0).normal(size=20_000)).mean() == (
        pytest.approx(0.9, abs=0.01)
    )


@pytest.mark.parametrize("name", ["single values", "whole numbers", "zeros and prices"])
def test_scores_within_a_range_are_those_of_values_in_it(name):
    ranks, column = Ranks(COLUMNS[name]), COLUMNS[name]
    low, high = np.quantile(column, [0.3, 0.8])
    first, last = ranks.scores_within(low, high)
    scores = SCORES[1:-1]
    inside = (first < scores) & (last > scores)
    values = ranks.value(scores)
    np.testing.assert_array_equal(inside, (values >= low) & (values <= high))


def test_no_scores_where_no_value_lies():
    ranks = Ranks(COLUMNS["whole numbers"])
    for low, high in ((3.2, 3.8), (9, 20), (-5, -1)):
        assert ranks.scores_within(low, high) is None


# ---------------------------------------------------------------- ties


def _rides(n_rows, seed):
    rng = np.random.default_rng(seed)
    pickup = rng.uniform(0, 3e6, n_rows).round()
    fare, tip = rng.gamma(3, 5, n_rows).round(2), rng.gamma(1, 3, n_rows).round(2)
    tolls = np.where(rng.random(n_rows) < 0.2, 6.5, 0.0)
    ride = 60 + rng.gamma(3, 200, n_rows).round()
    total = (fare + tip + tolls).round(2)
    return np.column_stack([pickup, pickup + ride, fare, tip, tolls, total])


def test_ties_of_rides_are_found():
    rides = _rides(500, 0)
    ties = {frozenset(tie.columns): tie for tie in find_ties(rides)}
    assert set(ties) == {frozenset({0, 1}), frozenset({2, 3, 4, 5})}
    of_times, of_money = ties[frozenset({0, 1})], ties[frozenset({2, 3, 4, 5})]
    ride = np.abs(of_times.total(rides))
    np.testing.assert_array_equal(ride, rides[:, 1] - rides[:, 0])
    assert np.abs(of_money.total(rides)).max() == 0.0


@pytest.mark.parametrize("column", [2, 3, 4, 5])
def test_a_tie_gives_the_cell_that_is_missing(column):
    rides = _rides(500, 0)
    (tie,) = (tie for tie in find_ties(rides) if column in tie.columns)
    holed = rides.copy()
    holed[:, column] = np.nan
    assert np.isnan(tie.total(holed)).all()
    solved = tie.solve(holed, column, tie.total(rides))
    np.testing.assert_allclose(solved, rides[:, column], atol=1e-9)


def test_what_a_difference_is_belongs_to_its_tie():
    rides = _rides(600, 0)
    lasting = (rides[:, 1] - rides[:, 0])[:, None]
    ties = {frozenset(tie.columns) for tie in find_ties(np.hstack([rides, lasting]))}
    assert ties == {frozenset({0, 1, 6}), frozenset({2, 3, 4, 5})}


def test_ties_are_found_beside_missing_cells():
    rides = _rides(800, 1)
    rides[np.random.default_rng(0).random(rides.shape) < 0.15] = np.nan
    assert {frozenset(tie.columns) for tie in find_ties(rides)} == {
        frozenset({0, 1}),
        frozenset({2, 3, 4, 5}),
    }


@pytest.mark.parametrize("seed", range(5))
def test_no_ties_among_columns_that_are_not_tied(seed):
    rng = np.random.default_rng(seed)
    independent = rng.normal(size=(400, 6)) * [1, 1, 10, 1e6, 0.1, 1]
    related = independent[:, :1] + 0.3 * rng.normal(size=(400, 2))
    assert find_ties(np.hstack([independent, related])) == []
    assert find_ties(rng.integers(0, 2, (400, 4)).astype(float)) == []


def test_no_ties_among_columns_of_which_no_row_knows_two():
    values = np.random.default_rng(0).normal(size=(120, 3))
    values[np.arange(3) != np.arange(120)[:, None] % 3] = np.nan
    assert find_ties(values) == []


def test_levels_within_levels_are_found():
    rng = np.random.default_rng(0)
    zone = rng.integers(0, 12, 500)
    levels = np.column_stack([zone, zone % 3, rng.integers(0, 4, 500)])
    levels[rng.random(levels.shape) < 0.1] = -1
    (found,) = find_hierarchies(levels, [12, 3, 4])
    assert (found.child, found.parent) == (0, 1)
    np.testing.assert_array_equal(found.parent_of, np.arange(12) % 3)
    np.testing.assert_array_equal(
        found.allowed(0, np.array([1]), 12)[0], np.arange(12) % 3 == 1
    )
    np.testing.assert_array_equal(found.allowed(1, np.array([7]), 3)[0], [0, 1, 0])


@pytest.mark.parametrize("seed", range(5))
def test_no_levels_within_levels_by_chance(seed):
    rng = np.random.default_rng(seed)
    few = np.column_stack([rng.integers(0, 300, 300), rng.random(300) < 0.02])
    assert find_hierarchies(few.astype(int), [300, 2]) == []
    often = np.column_stack([rng.integers(0, 10, 300), np.ones(300)]).astype(int)
    assert find_hierarchies(often, [10, 2]) == []


def test_numbers_that_a_level_makes_constant_are_found():
    rng = np.random.default_rng(0)
    cash = rng.random(400) < 0.3
    tip = np.where(cash, 0.0, rng.gamma(2, 2, 400))
    mostly = np.where(rng.random(400) < 0.97, 0.0, 1.0)
    values = np.column_stack([cash, tip, rng.normal(size=400), mostly])
    (found,) = find_constants(values, [0], [1, 2, 3])
    assert (found.level, found.column, found.value) == (1, 1, 0.0)


def test_numbers_of_levels_are_found_of_rare_levels_too():
    """A grade and its number: most grades are too rare to show the rule alone."""
    rng = np.random.default_rng(0)
    grade = rng.choice(16, 300, p=np.r_[0.5, 0.3, np.full(14, 0.2 / 14)])
    number = rng.permutation(16)[grade] * 10.0
    age = rng.normal(size=300)
    found = find_constants(np.column_stack([grade, number, age]), [0], [1, 2])
    assert {(rule.level, rule.value) for rule in found} == set(
        zip(grade, number, strict=True)
    )
    number[5] += 10.0  # one exception, and it is a rule no more
    values = np.column_stack([grade, number])
    assert all(
        (grade == rule.level).sum() >= 30 for rule in find_constants(values, [0], [1])
    )


# ---------------------------------------------------------------- the normal start


def _covariance(n, seed=0):
    mixing = np.random.default_rng(seed).normal(size=(n, 2))
    covariance = mixing @ mixing.T + 0.5 * np.eye(n)
    deviation = np.sqrt(covariance.diagonal())
    return covariance / np.outer(deviation, deviation)


def test_given_is_the_conditional_normal_distribution():
    rng, n = np.random.default_rng(0), 6
    gaussian = Gaussian(rng.normal(size=(n, 3)), rng.uniform(0.1, 1.0, n))
    covariance = gaussian.loadings @ gaussian.loadings.T + np.diag(gaussian.noise)
    x = rng.normal(size=(n, 4, n))
    visible = rng.random((n, n)) < 0.5
    visible[0] = False
    mean, spread = gaussian.given(torch.from_numpy(x), torch.from_numpy(visible))
    for k, seen in enumerate(visible):
        own, hidden = covariance[np.ix_(seen, seen)], ~seen
        gain = covariance[np.ix_(hidden, seen)] @ np.linalg.inv(own)
        expected = x[k][:, seen] @ gain.T
        left = covariance[np.ix_(hidden, hidden)] - gain @ covariance[np.ix_(seen, hidden)]
        np.testing.assert_allclose(mean[k][:, hidden], expected, atol=1e-8)
        np.testing.assert_allclose(
            spread[k, 0][hidden], np.sqrt(left.diagonal()), rtol=1e-8, atol=1e-8
        )


def test_unknown_cells_do_not_bend_correlations():
    """Cells are missing where another one is large: the pairs that are there mislead."""
    covariance = _covariance(5)
    rng = np.random.default_rng(1)
    x = rng.multivariate_normal(np.zeros(5), covariance, 4000)
    holed = x.copy()
    holed[rng.random(x.shape) < 0.2] = np.nan
    holed[x[:, 0] > 0.3, 1] = np.nan
    holed[:, 0] = x[:, 0]
    found = Gaussian.fit(holed)
    found = found.loadings @ found.loadings.T + np.diag(found.noise)
    np.testing.assert_allclose(found, covariance, atol=0.1)


def test_rows_count_as_often_as_they_weigh():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 2))
    x[:1000, 1] = x[:1000, 0]
    weights = np.repeat([1.0, 0.0], 1000)
    found = Gaussian.fit(x, weights / weights.mean())
    covariance = found.loadings @ found.loadings.T + np.diag(found.noise)
    assert covariance[0, 1] > 0.9 * covariance[0, 0]
    unweighted = Gaussian.fit(x)
    assert (unweighted.loadings @ unweighted.loadings.T)[0, 1] < 0.65


def test_more_variables_than_rows_have_a_distribution():
    x = np.random.default_rng(0).normal(size=(5, 90))
    gaussian = Gaussian.fit(x)
    mean, spread = gaussian.given(
        torch.from_numpy(x[None]), torch.arange(90)[None] % 2 == 0
    )
    assert torch.isfinite(mean).all()
    assert (spread > 0).all()


def test_unknown_cells_are_completed_as_the_distribution_has_them():
    rng = np.random.default_rng(0)
    covariance = _covariance(4)
    x = rng.multivariate_normal(np.zeros(4), covariance, 4000)
    holed = np.where(rng.random(x.shape) < 0.3, np.nan, x)
    filled = Gaussian.fit(holed).completed(holed, 0)
    there = ~np.isnan(holed)
    np.testing.assert_array_equal(filled[there], x[there])
    np.testing.assert_allclose(np.cov(filled.T), np.cov(x.T), atol=0.12)


# ---------------------------------------------------------------- mixtures


def _levels(n_numbers, *proportions):
    p = [np.array(own) for own in proportions]
    units = [np.full(len(own), np.sqrt(1 - np.square(own).sum())) for own in p]
    ones, is_level = np.ones(n_numbers), np.repeat([False, True], [n_numbers, len(p) * 2])
    return Levels(is_level, np.concatenate([ones, *p]), np.concatenate([ones, *units]))


@pytest.mark.parametrize("shown", [[], [0, 2, 4], [1], [0, 1, 2, 3, 4]])
def test_given_is_the_conditional_distribution_of_a_mixture(shown):
    rng = np.random.default_rng(0)
    parts = [Gaussian(rng.normal(size=(5, 5)), rng.uniform(0.1, 1, 5)) for _ in range(3)]
    mixture = Mixture(
        parts, 2 * rng.normal(size=(3, 5)), np.array([0.2, 0.3, 0.5]), _levels(5)
    )
    x, visible = rng.normal(size=5), np.isin(np.arange(5), shown)
    log_p, means, variances = [], [], []
    for part, center, p in zip(parts, mixture.means, mixture.proportions, strict=True):
        whole = part.loadings @ part.loadings.T + np.diag(part.noise)
        own, cross = whole[np.ix_(visible, visible)], whole[np.ix_(~visible, visible)]
        away = x[visible] - center[visible]
        square = away @ np.linalg.solve(own, away) if shown else 0.0
        size = np.linalg.slogdet(2 * np.pi * own)[1] if shown else 0.0
        log_p.append(np.log(p) - 0.5 * (square + size))
        gain = cross @ np.linalg.pinv(own)
        means.append(center[~visible] + gain @ away)
        variances.append((whole[np.ix_(~visible, ~visible)] - gain @ cross.T).diagonal())
    p = np.exp(log_p) / np.exp(log_p).sum()
    mean = p @ np.array(means)
    spread = np.sqrt(p @ (np.array(variances) + np.square(means - mean)))
    found = mixture.given(torch.from_numpy(x[None, None]), torch.from_numpy(visible[None]))
    np.testing.assert_allclose(found[0][0, 0][~visible], mean, rtol=1e-6)
    np.testing.assert_allclose(found[1][0, 0][~visible], spread, rtol=1e-6)


def test_levels_tell_components_by_how_frequent_they_are_in_them():
    """Of numbers that stand apart, each cluster has its own odds of the level."""
    rng = np.random.default_rng(0)
    cluster = rng.integers(0, 2, 2000)
    level = rng.random(2000) < np.where(cluster, 0.9, 0.2)
    p = np.array([1 - level.mean(), level.mean()])
    levels = _levels(1, p)
    codes = np.column_stack([~level, level])
    x = np.column_stack(
        [8.0 * cluster - 4 + rng.normal(size=2000), (codes - p) / levels.units[1]]
    )
    [mixture] = MixtureFits(x, np.ones((1, 2000)), levels).fit(2, 0.2)
    rows = torch.from_numpy(x[[int(np.argmax(level)), int(np.argmax(~level))]])
    visible = torch.tensor([[False, True, True]])
    belongs = mixture._look(rows[None], visible)[0][:, 0]  # (n_components, 2)
    upper = int(np.argmax(mixture.means[:, 0]))
    assert belongs[upper, 0] == pytest.approx(0.9 / 1.1, abs=0.04)
    assert belongs[upper, 1] == pytest.approx(0.1 / 0.9, abs=0.04)


def test_a_mixture_knows_nothing_of_rows_that_its_part_holds_out():
    """Two clusters that both parts learn from, and one that only the second does."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2)) + np.repeat([-6.0, 6.0, 30.0], 100)[:, None]
    weights = np.ones((2, 300))
    weights[0, 200:] = 0.0
    without, whole = MixtureFits(x, weights, _levels(2)).fit(3, 0.2)
    assert sorted(without.means[:, 0].round()) == [-6.0, 0.0, 6.0]
    assert without.proportions.min() < 0.01
    assert max(part.noise.max() for part in without.parts) < 2.0
    assert sorted(whole.means[:, 0].round()) == [-6.0, 6.0, 30.0]
    np.testing.assert_allclose(whole.proportions, 1 / 3, atol=0.01)


@pytest.mark.parametrize("n_components", [1, 3])
def test_rows_that_share_a_pattern_are_given_as_if_each_had_its_own(n_components):
    rng = np.random.default_rng(0)
    p = np.array([0.3, 0.7])
    parts = [Gaussian(rng.normal(size=(4, 4)), np.full(4, 0.3)) for _ in range(3)]
    base = parts[0]
    if n_components > 1:
        means, proportions = 0.2 * rng.normal(size=(3, 4)), np.array([0.2, 0.3, 0.5])
        base = Mixture(parts, means, proportions, _levels(2, p))
    x = torch.from_numpy(rng.normal(size=(12, 1, 4)))
    visible = torch.from_numpy(rng.random((3, 4)) < 0.5)
    own = torch.arange(12) % 3
    for shared, each in zip(
        base.given(x, visible, own), base.given(x, visible[own]), strict=True
    ):
        torch.testing.assert_close(shared.expand_as(each), each)


# ---------------------------------------------------------------- numbers in own units


def _units(values):
    variables = Variables(values, [ColumnFacts()] * values.shape[1])
    scores, _ = variables.encode(values)
    chosen = np.arange(values.shape[1])
    return Units.of(chosen, variables.ranks, scores, np.ones(len(values))), scores


@pytest.mark.parametrize("name", COLUMNS)
def test_units_are_those_of_the_column(name):
    column = COLUMNS[name]
    if len(np.unique(column)) == 1:
        pytest.skip("what does not vary has no unit")
    units, scores = _units(column[:, None])
    found = units.apply(torch.from_numpy(scores)).numpy()[:, 0]
    scaled = column / np.abs(column).max()
    expected = (scaled - scaled.mean()) / scaled.std()
    # Few points stand for the outermost.
    inner = np.abs(scores[:, 0]) < 2.0
    np.testing.assert_allclose(found[inner], expected[inner], rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", ["single values", "whole numbers"])
def test_numbers_of_which_nothing_is_known_have_the_scores_of_their_column(name):
    """Whatever the shape of the column: a normal distribution is not."""
    units, scores = _units(COLUMNS[name][:, None])
    mean, spread = units.in_scores(*torch.tensor([[0.0], [1.0]]).double())
    assert mean.item() == pytest.approx(scores.mean(), abs=0.12)
    assert spread.item() == pytest.approx(scores.std(), abs=0.12)


def test_a_number_that_is_nearly_known_has_the_score_of_its_value():
    values = np.random.default_rng(0).gamma(1.5, size=(500, 1))
    units, scores = _units(values)
    numbers = units.apply(torch.from_numpy(scores))
    inner = np.abs(scores[:, 0]) < 1.0
    mean, spread = units.in_scores(numbers, torch.full_like(numbers, 0.02))
    np.testing.assert_allclose(mean[inner], scores[inner], atol=0.1)
    assert (spread[inner] < 0.1).all()


def test_a_pool_is_the_normalised_geometric_mean_of_two_densities():
    """Of numbers that it is better for; of others the first density stays."""
    rng = np.random.default_rng(0)
    units, scores = _units(rng.normal(size=(3000, 3)))
    first, second = (
        Gaussian(0.4 * rng.normal(size=(3, 3)), np.full(3, noise)) for noise in (0.3, 0.6)
    )
    chosen = np.array([True, False, True])
    x, visible = torch.from_numpy(scores[None, :5]), torch.tensor([[False, False, True]])
    mean, spread = Pooled(first, second, units, chosen).given(x, visible)
    (m, s), (other, t) = (
        (part.expand(mean.shape)[0, :, 0].numpy() for part in base.given(x, visible))
        for base in (first, second)
    )
    grid = np.linspace(-12, 12, 4001)
    log_p = [
        -0.5 * ((grid - a[:, None]) / b[:, None]) ** 2 for a, b in ((m, s), (other, t))
    ]
    p = np.exp(0.5 * sum(log_p))
    p /= p.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(mean[0, :, 0], p @ grid, atol=0.05)
    deviation = np.sqrt(p @ grid**2 - (p @ grid) ** 2)
    np.testing.assert_allclose(spread[0, :, 0], deviation, atol=0.1)
    np.testing.assert_array_equal(mean[..., 1], first.given(x, visible)[0][..., 1])


def test_linear_relations_of_skewed_numbers_are_kept_by_draws():
    """Normal scores bend them: from these alone the sum is off by 0.28 of its deviation."""
    rng = np.random.default_rng(0)
    parts = rng.gamma(1.0, size=(400, 2))
    values = np.column_stack([parts, parts @ [1.0, 1.0] + 0.1 * rng.normal(size=400)])
    model = Conditionals().fit(values, [ColumnFacts()] * 3, max_steps=1)
    assert isinstance(model.base, Pooled)
    asked = values.copy()
    asked[:, 2] = np.nan
    off = model.draw(asked, np.random.RandomState(0))[:, 2] - values[:, 2]
    assert off.std() / values[:, 2].std() < 0.2


# ---------------------------------------------------------------- which rows are held out


@pytest.mark.parametrize("n", [2, 3, 4, 11, 300, CROSSED_BELOW, 5000])
def test_every_network_holds_rows_out_and_has_others_to_learn_from(n):
    division = Division.of(n, 0)
    assert sorted(torch.cat(division.parts).tolist()) == list(range(n))
    held = [
        sum(len(p) for p, own in zip(division.parts, by, strict=True) if own)
        for by in division.held_by.T
    ]
    assert all(h < n / 2 + 1 for h in held)
    assert all(held) == (n > 3)
    # All of few rows are learned from.
    assert len(division.learned) == (n if n < CROSSED_BELOW else n - round(0.15 * n))


@pytest.mark.parametrize("n", [4, 300, 5000])
def test_rows_that_tell_of_a_part_are_learned_ones_of_others(n):
    division = Division.of(n, 0)
    learned = set(division.learned.tolist())
    for k, part in enumerate(division.parts):
        others = division.learned_for(k).tolist()
        assert set(others) == learned - set(part.tolist())


def test_what_rows_start_from_has_not_seen_them():
    """Otherwise the start seems better than it is, and is left too seldom."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 12))
    variables = Variables(values, [ColumnFacts()] * 12)
    fitted = fit_networks(variables, Visibility(variables), values, np.ones(40), 1, 0)
    # Columns are independent: honestly judged, knowing others is of no use.
    scores = torch.from_numpy(variables.encode(values)[0])
    own, of_all = [], []
    for group in fitted.training.learned:
        for base, errors in ((group.base, own), (fitted.base, of_all)):
            for j in range(12):
                visible = (torch.arange(12) != j)[None]
                mean, _ = base.given(group.rows.x[None].double(), visible)
                errors.append((mean[0, :, j] - group.rows.x[:, j]).square().mean())
    assert torch.stack(own).mean() > scores.square().mean()
    assert torch.stack(of_all).mean() < scores.square().mean()


def test_held_out_rows_count_as_often_as_they_weigh(mixed):
    """What rows of no weight hold does not change the loss that networks are judged by."""
    values, facts = mixed
    variables = Variables(values[:60], facts)
    fitted = fit_networks(
        variables, Visibility(variables), values[:60], np.ones(60), 1, seed=0
    )
    rows = [seen.rows for seen in fitted.training.checked]
    losses = []
    for weight, moved in ((0.0, 0.0), (0.0, 4.0), (1.0, 0.0)):
        for part in rows:
            part.weights[::2] = weight
            part.low[::2] += moved
            part.high[::2] += moved
        losses.append(fitted.training.check())
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    assert losses[2] > losses[0] + 1.0


# ---------------------------------------------------------------- networks


@pytest.fixture(scope="module")
def mixed():
    """Correlated numbers, and a category and its missing cells that follow them."""
    rng = np.random.default_rng(0)
    x = rng.multivariate_normal(np.zeros(3), _covariance(3), 600)
    level = (x[:, 0] + 0.5 * rng.normal(size=600) > 0).astype(float)
    values = np.column_stack([x, level])
    values[x[:, 1] + 0.3 * rng.normal(size=600) > 1.0, 2] = np.nan
    facts = [ColumnFacts()] * 3 + [ColumnFacts(2, False, np.ones(2, dtype=bool))]
    return values, facts


@pytest.fixture(scope="module")
def learned(mixed):
    return Conditionals().fit(*mixed, max_steps=200)


def test_networks_start_at_the_normal_distribution(mixed):
    values, facts = mixed
    variables = Variables(values, facts)
    networks = ConditionalNetworks(variables, 2, 16, 2, 0.0, torch.Generator())
    x = torch.randn(50, variables.width, generator=torch.Generator().manual_seed(0))
    visible = torch.zeros(50, variables.n_variables, dtype=torch.bool)
    mean, spread = 0.3 * x, torch.full_like(x, 0.7)
    hidden = networks.hidden(x, visible, mean, spread)
    log_weights, means, scales = (
        part.detach() for part in networks.mixture(hidden, mean, spread)
    )
    weights, n = log_weights.exp(), variables.n_ranked
    center = (weights * means).sum(-1)
    variance = (weights * (means**2 + scales**2)).sum(-1) - center**2
    torch.testing.assert_close(center[0], mean[:, :n], atol=1e-5, rtol=0)
    assert (variance.sqrt() / 0.7 - 1).abs().max() < 0.05
    # Without anything known a level is as likely as it is frequent.
    p = networks.log_probabilities(hidden, 0.0 * mean, 0).detach().exp()
    found = p.mean((0, 1)).numpy()
    np.testing.assert_allclose(found, variables.proportions[0], atol=1e-5)


def test_training_ends_no_worse_than_it_started(learned):
    assert min(learned.losses) <= learned.losses[0]
    assert learned.n_steps == 200


def test_rows_drawn_keep_to_what_columns_nearly_add_up_to():
    """Where correlations are taken back as everywhere else, 0.28 of the total is lost."""
    lost = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(80, 3)) @ rng.normal(size=(3, 11))
        x += 0.3 * rng.normal(size=x.shape)
        total = x.sum(axis=1)
        rows = np.column_stack([x, total + 0.01 * total.std() * rng.normal(size=80)])
        model = Conditionals().fit(rows, [ColumnFacts()] * 12, max_steps=1)
        drawn, _ = model.sample(500, np.random.RandomState(0))
        off = drawn[:, -1] - drawn[:, :-1].sum(axis=1)
        lost.append(off.std() / total.std())
    assert np.mean(lost) < 0.23


def test_levels_that_change_from_one_number_to_the_next_are_learned():
    """Every eighth of a column's range has another level than the one beside it."""
    rng = np.random.default_rng(0)
    x = rng.random(400)
    level = (np.floor(8 * x) % 2).astype(float)
    values = np.column_stack([x, level])
    facts = [ColumnFacts(), ColumnFacts(2, False, np.ones(2, dtype=bool))]
    model = Conditionals().fit(values, facts, max_steps=150)
    asked = np.column_stack([rng.random(1000), np.full(1000, np.nan)])
    right = model.expect(asked)[:, 1] == np.floor(8 * asked[:, 0]) % 2
    assert right.mean() > 0.95  # by the score alone 0.91


def test_interrupted_training_keeps_the_best_state(mixed, monkeypatch):
    losses, taken = fitting.loss_of_learned, []

    def interrupt(*args):
        taken.append(1)
        if len(taken) > 100:
            raise KeyboardInterrupt
        return losses(*args)

    monkeypatch.setattr(fitting, "loss_of_learned", interrupt)
    stopped = Conditionals().fit(*mixed)
    assert stopped.interrupted
    assert 50 < stopped.n_steps <= 100
    drawn, _ = stopped.sample(50, np.random.RandomState(0))
    assert np.isfinite(drawn).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("width", [1e-2, 1.0, 8.0])
def test_log_probability_between_is_that_of_the_normal_distribution(dtype, width):
    """Near and far, in both tails, and so are its slopes."""
    low = torch.tensor(
        [-300.0, -31.0, -9.5, -3.0, -0.5, 0.0, 2.0, 9.9, 11.0, 40.0], dtype=dtype
    )
    low.requires_grad_()
    high = (low.detach() + width).requires_grad_()
    found = log_probability_between(low, high)
    found.sum().backward()
    left, right = (end.detach().double().numpy() for end in (low, high))
    # In the upper tail the differences are those of the lower one.
    left, right = (
        np.where(left > 0, -right, left),
        np.where(left > 0, -left, right),
    )
    expected = log_ndtr(right) + np.log(-np.expm1(log_ndtr(left) - log_ndtr(right)))
    # A narrow interval is a small difference of numbers, in float32 not known much better.
    atol = 1e-6 if dtype == torch.float64 else 2e-2 if width < 1.0 else 1e-4
    precision = {"rtol": 1e-5, "atol": atol}
    np.testing.assert_allclose(found.detach(), expected, **precision)
    for end, sign in ((low, -1.0), (high, 1.0)):
        log_density = -0.5 * np.square(end.detach().double().numpy()) - 0.5 * np.log(
            2 * np.pi
        )
        slopes = sign * np.exp(log_density - expected)
        rtol = 1e-5 if dtype == torch.float64 else 3e-2 if width < 1.0 else 1e-2
        precision = {"rtol": rtol, "atol": 1e-6}
        np.testing.assert_allclose(end.grad, slopes, **precision)


def test_no_probability_is_lost_beyond_the_last_value():
    low = torch.tensor([-torch.inf, 1.0]).requires_grad_()
    high = torch.tensor([1.0, torch.inf]).requires_grad_()
    found = log_probability_between(low, high)
    found.sum().backward()
    np.testing.assert_allclose(found.detach(), np.log([ndtr(1.0), ndtr(-1.0)]), rtol=1e-6)
    density = np.exp(-0.5) / np.sqrt(2.0 * np.pi)
    np.testing.assert_allclose(low.grad, [0.0, -density / ndtr(-1.0)], rtol=1e-6)
    np.testing.assert_allclose(high.grad, [density / ndtr(1.0), 0.0], rtol=1e-6)


def test_whether_a_cell_is_missing_is_asked_for_regardless_of_that(mixed):
    """Otherwise cells would seem to be missing more often than they are."""
    variables = Variables(*mixed)
    visibility = Visibility(variables)
    known = torch.from_numpy(variables.encode(mixed[0])[1])
    mask = visibility.draw(len(known), torch.Generator().manual_seed(0))
    hole, is_there = variables.hole_of[2], known[:, variables.of_column[2]]
    one, other = known.clone(), known.clone()
    one[:, variables.of_column[2]], other[:, variables.of_column[2]] = True, False
    asked = [visibility.of_rows(mask, part)[1][:, hole] for part in (one, other, known)]
    assert torch.equal(asked[0], asked[1])
    assert 0.0 < asked[2].float().mean() < 1.0
    assert not is_there.all()


def test_a_tie_is_asked_for_in_place_of_the_one_column_that_is_hidden():
    variables = Variables(_rides(300, 0), [ColumnFacts()] * 6)
    places = {frozenset(tie.columns): v for v, tie in variables.tie_variables.items()}
    tie, column = places[frozenset({0, 1})], variables.of_column
    known = torch.ones(3, variables.n_variables, dtype=torch.bool)
    mask = known.clone()
    mask[0, column[1]] = False
    mask[1, [column[0], column[1]]] = False
    visible, asked = Visibility(variables).of_rows(mask, known)
    assert asked[:, tie].tolist() == [True, False, False]
    assert asked[:, column[1]].tolist() == [False, True, False]
    assert visible[:, tie].tolist() == [False, False, True]


def test_missing_cells_are_a_variable_where_they_depend_on_others(mixed):
    values, facts = mixed
    assert list(Variables(values, facts).holed) == [2]
    shuffled = values.copy()
    shuffled[:, 2] = np.random.default_rng(0).normal(size=len(values))
    shuffled[np.random.default_rng(1).random(len(values)) < 0.2, 2] = np.nan
    variables = Variables(shuffled, facts)
    assert list(variables.with_holes) == [2]
    assert list(variables.holed) == []


def test_encoded_rows_say_nothing_of_unknown_cells(mixed):
    values, facts = mixed
    variables = Variables(values, facts)
    x, known = variables.encode(np.full((2, 4), np.nan))
    of_cells = variables.n_ranked + 1  # then whether cells are missing
    assert (x[:, variables.owner < of_cells] == 0).all()
    assert not known[:, :of_cells].any()
    x, known = variables.encode(values)
    there = x[known[:, 0], 0]
    assert abs(there.mean()) < 0.05
    assert there.std() == pytest.approx(1.0, abs=0.05)


def test_columns_that_are_put_are_as_if_encoded(mixed):
    values, facts = mixed
    variables = Variables(values, facts)
    whole = values[~np.isnan(values).any(axis=1)][:20]
    state = State(variables, np.full_like(whole, np.nan))
    for column in (2, 0, 3, 1):
        state.put(np.arange(20), column, whole[:, column])
    x, known = variables.encode(whole)
    np.testing.assert_allclose(state.x, x, atol=1e-6)
    assert known.all()
    assert state.visible.all()


# ---------------------------------------------------------------- draws


def test_draws_have_the_tables_distribution(learned, mixed):
    values, _ = mixed
    drawn, log_p = learned.sample(3000, np.random.RandomState(0))
    assert (log_p == 0).all()
    frame = pd.DataFrame(values)
    # Column 2 is missing at random given column 1: what is drawn is what is behind that.
    for one, other in ((0, 1), (0, 3), (1, 3)):
        expected = frame[one].corr(frame[other])
        found = np.corrcoef(drawn[:, one], drawn[:, other])[0, 1]
        assert found == pytest.approx(expected, abs=0.1), (one, other)
    assert drawn[:, 0].std() == pytest.approx(values[:, 0].std(), rel=0.1)


def test_drawn_cells_leave_others_as_they_are(learned, mixed):
    values, _ = mixed
    holed = values.copy()
    holed[np.random.default_rng(0).random(values.shape) < 0.3] = np.nan
    there = ~np.isnan(holed)
    for filled in (learned.expect(holed), learned.draw(holed, np.random.RandomState(0))):
        np.testing.assert_array_equal(filled[there], holed[there])
        assert np.isfinite(filled).all()


def test_log_p_is_that_of_the_range(learned, mixed):
    low, high = np.quantile(mixed[0][:, 0], [0.2, 0.5])
    drawn, log_p = learned.sample(500, np.random.RandomState(0), ranges={0: (low, high)})
    assert ((drawn[:, 0] >= low) & (drawn[:, 0] <= high)).all()
    assert np.exp(log_p).mean() == pytest.approx(0.3, abs=0.06)


def test_sums_and_orders_of_tied_columns_hold_in_draws():
    rides = _rides(600, 2)
    conditionals = Conditionals().fit(rides, [ColumnFacts()] * 6, max_steps=100)
    drawn, _ = conditionals.sample(1000, np.random.RandomState(0))
    sums = np.abs(drawn[:, 5] - drawn[:, 2:5].sum(axis=1))
    assert (sums < 0.006).mean() > 0.97
    ride, known = drawn[:, 1] - drawn[:, 0], rides[:, 1] - rides[:, 0]
    within = (ride >= known.min()) & (ride <= known.max())
    assert within.mean() > 0.97
    assert np.median(ride) == pytest.approx(np.median(known), rel=0.2)


def test_sums_of_sums_hold_in_fills():
    rng = np.random.default_rng(0)
    parts = rng.gamma(2, [5, 8, 1], (400, 3)).round(2)
    between = parts[:, :2].sum(axis=1)
    bills = np.column_stack([parts, between, between + parts[:, 2]]).round(2)
    conditionals = Conditionals().fit(bills, [ColumnFacts()] * 5, max_steps=20)
    holed = np.where(rng.random(bills.shape) < 0.4, np.nan, bills)
    for filled in (
        conditionals.expect(holed),
        conditionals.draw(holed, np.random.RandomState(0)),
    ):
        sums = filled[:, [3, 4]] - filled[:, [0, 3]] - filled[:, [1, 2]]
        # But for cells beyond the range of their column.
        assert (np.abs(sums) < 0.006).all(axis=1).mean() > 0.96
    lone = np.isnan(holed).sum(axis=1) == 1
    same = np.abs(conditionals.expect(holed)[lone] - bills[lone]) < 0.006
    assert same.all(axis=1).mean() > 0.97


def test_what_ties_determine_is_seen_by_other_columns():
    rng = np.random.default_rng(0)
    start, lasting = rng.integers(0, 10**6, 500), 60 + rng.gamma(2, 300, 500).round()
    far = (lasting * rng.lognormal(0.0, 0.1, 500)).round()
    rides = np.column_stack([start, start + lasting, lasting, far]).astype(float)
    conditionals = Conditionals().fit(rides, [ColumnFacts()] * 4, max_steps=100)
    holed = rides.copy()
    holed[:, 2:] = np.nan
    for filled in (
        conditionals.expect(holed),
        conditionals.draw(holed, np.random.RandomState(0)),
    ):
        assert (np.abs(filled[:, 2] - lasting) <= 1).mean() > 0.98  # not the outermost
        assert np.corrcoef(filled[:, 3], far)[0, 1] > 0.9


def test_levels_within_levels_and_constants_hold_in_draws():
    rng = np.random.default_rng(0)
    zone, cash = rng.integers(0, 6, 500), rng.random(500) < 0.4
    tip = np.where(cash, 0.0, 1.0 + rng.gamma(2, 2, 500))
    values = np.column_stack([zone, zone % 3, cash, tip]).astype(float)
    facts = [ColumnFacts(n, False, np.ones(n, dtype=bool)) for n in (6, 3, 2)]
    conditionals = Conditionals().fit(values, [*facts, ColumnFacts()], max_steps=60)
    drawn, _ = conditionals.sample(1000, np.random.RandomState(0))
    np.testing.assert_array_equal(drawn[:, 0] % 3, drawn[:, 1])
    assert (drawn[drawn[:, 2] == 1, 3] == 0.0).all()
    assert (drawn[drawn[:, 2] == 0, 3] > 0.0).mean() > 0.85
    assert (drawn[:, 2] == 1).mean() == pytest.approx(0.4, abs=0.08)


def test_a_level_and_its_number_agree_in_draws_and_fills():
    rng = np.random.default_rng(0)
    grade = rng.choice(12, 300, p=np.r_[0.5, 0.3, np.full(10, 0.02)])
    number = rng.permutation(12) * 10.0
    values = np.column_stack([grade, number[grade], rng.normal(size=300)])
    facts = [ColumnFacts(12, False, np.bincount(grade, minlength=12) > 0), ColumnFacts()]
    conditionals = Conditionals().fit(values, [*facts, ColumnFacts()], max_steps=20)
    drawn, _ = conditionals.sample(300, np.random.RandomState(0))
    np.testing.assert_array_equal(number[drawn[:, 0].astype(int)], drawn[:, 1])
    for hidden in (0, 1):
        holes = values.copy()
        holes[:, hidden] = np.nan
        for filled in (
            conditionals.expect(holes),
            conditionals.draw(holes, np.random.RandomState(0)),
        ):
            np.testing.assert_array_equal(filled[:, hidden], values[:, hidden])


def test_tables_of_few_different_rows_cause_no_warning(recwarn):
    levels = np.arange(200.0)[:, None] % 3
    facts = [ColumnFacts(3, False, np.ones(3, dtype=bool))]
    Conditionals().fit(levels, facts, max_steps=5)
    assert [str(warning.message) for warning in recwarn] == []
