"""What the very value of a column says of others: article numbers, places, makers."""

import numpy as np
import pandas as pd
import pytest
import torch

from skae import AutoencoderImputer
from skae.conditionals.evidence import Evidence, WithEvidence
from skae.conditionals.evidence_weights import fitted_weights
from skae.conditionals.gaussian import Gaussian
from skae.conditionals.model import ColumnFacts
from skae.conditionals.seen import Group, Rows, Seen
from skae.conditionals.variables import Variables
from skae.conditionals.visibility import Visibility

MAKERS = list("abcdef")


def _articles(n_rows=600, n_each=6, as_text=False, seed=0):
    """Return rows of articles, whose price and maker go with the article's number alone."""
    rng = np.random.default_rng(seed)
    n_articles = n_rows // n_each
    article = rng.integers(0, n_articles, n_rows)
    numbers = rng.choice(10_000, n_articles, replace=False)[article]
    return pd.DataFrame(
        {
            "article": [f"no. {n}" for n in numbers] if as_text else numbers.astype(float),
            "weight": rng.normal(size=n_rows),
            "price": (10.0 * rng.normal(size=n_articles))[article]
            + rng.normal(size=n_rows),
            "maker": rng.choice(MAKERS, n_articles)[article],
        }
    )


def _without(frame, column, seed=1):
    hidden = np.random.default_rng(seed).random(len(frame)) < 0.2
    return frame.assign(**{column: frame[column].mask(hidden)}), hidden


# ------------------------------------------------------------------ what users notice


@pytest.mark.parametrize("as_text", [False, True])
def test_numbers_that_go_with_a_value_are_filled_by_it(as_text):
    frame = _articles(as_text=as_text)
    incomplete, hidden = _without(frame, "price")
    filled = AutoencoderImputer(random_state=0).fit_transform(incomplete)
    errors = (filled["price"] - frame["price"])[hidden]
    # The noise is 1; what an article's five other rows leave open is 0.1 more.
    assert np.sqrt(np.square(errors).mean()) < 2.0
    assert frame["price"].std() > 8.0


def test_levels_that_go_with_a_value_are_filled_by_it():
    frame = _articles()
    incomplete, hidden = _without(frame, "maker")
    filled = AutoencoderImputer(random_state=0).fit_transform(incomplete)
    assert (filled["maker"] == frame["maker"])[hidden].mean() > 0.9


def test_values_that_say_nothing_change_nothing():
    frame = _articles().assign(maker=np.random.default_rng(2).choice(MAKERS, 600))
    frame["price"] = np.random.default_rng(3).normal(size=600)
    imputer = AutoencoderImputer(max_iter=1, random_state=0).fit(frame)
    assert not isinstance(imputer._conditionals.base, WithEvidence)


# ------------------------------------------------------------------------- the tables


def _table(n_rows=400, seed=0, n_codes=40, least_rows=1):
    """Return `Variables` of a number that repeats, another number and levels, and rows."""
    rng = np.random.default_rng(seed)
    code = rng.integers(0, n_codes, n_rows)
    number = rng.normal(size=n_codes)[code] + 0.3 * rng.normal(size=n_rows)
    level = rng.integers(0, 3, n_codes)[code]
    values = np.column_stack([100.0 + code, number, level])
    values[rng.random(n_rows) < 0.1, 2] = np.nan
    facts = [ColumnFacts(), ColumnFacts(), ColumnFacts(3, False, np.ones(3, dtype=bool))]
    variables = Variables(values, facts, None, least_rows)
    x, known = variables.encode(values)
    return variables, values, np.where(known[:, variables.owner.numpy()], x, np.nan)


def test_log_ratios_are_those_of_counts():
    variables, values, x = _table()
    own = Evidence.of_all(variables, x, np.ones(len(x)))[0]
    p = variables.proportions[0]
    scores = variables.ranks[0].score(np.unique(values[:, 0]))
    np.testing.assert_allclose(own.values, scores)
    for code, log_ratios in zip(np.unique(values[:, 0]), own.log_ratios[:-1], strict=True):
        levels = values[(values[:, 0] == code) & ~np.isnan(values[:, 2]), 2].astype(int)
        counts = np.bincount(levels, minlength=3) + p
        np.testing.assert_allclose(log_ratios[:3], np.log(counts / (counts.sum() * p)))
    assert not own.log_ratios[-1].any()
    assert not own.shifts[-1].any()


def test_means_of_numbers_are_those_of_values_shrunk():
    variables, values, x = _table(4000)
    own = Evidence.of_all(variables, x, np.ones(len(x)))[0]
    # Beside a normal distribution of all rows, in scores: mean 0, variance 1.
    precision = 1.0 + own.precisions[:-1, 1]
    mean = own.shifts[:-1, 1] / precision
    expected = pd.Series(x[:, 1]).groupby(values[:, 0]).mean()
    within = pd.Series(x[:, 1]).groupby(values[:, 0]).var().mean()
    np.testing.assert_allclose(mean, expected, atol=0.05)
    np.testing.assert_allclose(precision, 1.0 / within, rtol=0.1)


def test_a_row_that_weighs_two_is_two_rows():
    variables, _, x = _table()
    twice = np.arange(len(x)) % 2 == 0
    weighted = Evidence.of_all(variables, x, 1.0 + twice)
    repeated = Evidence.of_all(
        variables, np.vstack([x, x[twice]]), np.ones(len(x) + twice.sum())
    )
    for own, other in zip(weighted, repeated, strict=True):
        shared = np.isin(other.values, own.values)  # of one row of weight 2 there are two
        for part in range(2, 5):
            np.testing.assert_allclose(own[part][:-1], other[part][:-1][shared], atol=1e-9)


@pytest.mark.parametrize(("least_rows", "least"), [(1, 2), (5, 5)])
def test_values_are_of_several_rows(least_rows, least):
    variables, _, x = _table(n_codes=100, least_rows=least_rows)
    rows = torch.from_numpy(np.nan_to_num(x)), torch.from_numpy(~np.isnan(x))
    for own in Evidence.of_all(variables, x, np.ones(len(x))):
        counts = np.bincount(own.places(*rows), minlength=len(own.values) + 1)[:-1]
        assert (counts >= least).all()


@pytest.mark.parametrize("is_by_row", [False, True])
def test_a_base_with_evidence_is_a_distribution_that_hidden_values_say_nothing_of(
    is_by_row,
):
    variables, _, x = _table()
    base = Gaussian.fit(x)
    evidence = Evidence.of_all(variables, x, np.ones(len(x)))
    weights = np.full((len(evidence), variables.n_variables), 0.5)
    told = WithEvidence.of(base, evidence, weights, variables)
    rows = torch.from_numpy(np.nan_to_num(x)).float()
    shapes = ((rows[:, None], torch.arange(len(x)) % 2), (rows.expand(2, -1, -1), None))
    seen, own = shapes[0] if is_by_row else shapes[1]
    visible = torch.zeros(2, variables.width, dtype=torch.bool)
    visible[1, 0] = True
    mean, spread = told.given(seen, visible, own)
    plain = base.given(seen, visible, own)
    first = (slice(0, None, 2), 0) if is_by_row else (0,)
    second = (slice(1, None, 2), 0) if is_by_row else (1,)
    torch.testing.assert_close(mean[first], plain[0].expand(mean.shape)[first])
    assert (spread[second][:, 1] < plain[1].expand(spread.shape)[second][:, 1]).all()
    _, p, units = (torch.from_numpy(part[2:]).float() for part in variables.indicators)
    probabilities = p + units * mean[..., 2:]
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(mean.shape[:-1]))
    assert (probabilities > 0).all()
    assert (
        mean[second][:, 2:] - plain[0].expand(mean.shape)[second][:, 2:]
    ).abs().max() > 0.1


def test_weights_are_large_where_values_tell_and_zero_where_they_do_not():
    variables, values, x = _table(800)
    noise = values.copy()
    noise[:, 0] = np.random.default_rng(5).permutation(values[:, 0])
    found = {}
    for name, rows in (("told", values), ("noise", noise)):
        x, known = variables.encode(rows)
        x = np.where(known[:, variables.owner.numpy()], x, np.nan)
        evidence = Evidence.of_all(variables, x[:400], np.ones(400))
        held_out = Rows.of(variables, rows[400:], np.ones(400))
        group = Group(held_out, Gaussian.fit(x[:400]), torch.tensor([True]))
        visibility = Visibility(variables)
        mask = visibility.draw(16, torch.Generator().manual_seed(0))
        seen = Seen.of(group, mask, visibility)
        found[name] = fitted_weights([evidence], [seen], variables, 400)
    assert found["told"][0, 1:].min() > 0.5
    assert found["noise"][0].max() < 0.1
