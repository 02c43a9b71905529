from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy

from skae import AutoencoderTransformer
from skae.metrics import reconstruction_r2
from skae.models.losses import (
    ERRORS,
    NUMBER_LOSSES,
    BinaryDivergence,
    ColumnLosses,
    squared_error,
)
from skae.table.blocks import MISSING
from skae.table.encoder import TableEncoder
from skae.table.frame import Frame

pytestmark = pytest.mark.rounding


def _numbers(n_columns):
    """The design of a table of numbers."""
    return TableEncoder().fit(np.eye(2, n_columns)).design_


def _squared(design):
    return ColumnLosses(design, squared_error, weighted=True)


def _cross_entropy(design):
    """The loss of the categories of a design, in nats."""
    return design.blocks[1].to("cpu").negative_log_likelihood


def _normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_mean_and_total_are_of_the_cells_of_each_row():
    x = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    output = torch.tensor([[3.0, 4.0], [1.0, 2.0]])
    losses = _squared(_numbers(2))
    assert losses.per_cell(output, x).tolist() == [[9.0, 16.0], [0.0, 0.0]]
    assert losses.mean(output, x).tolist() == [12.5, 0.0]
    assert losses.total(output, x).tolist() == [25.0, 0.0]


def test_no_loss_is_below_zero_where_probabilities_are_rounded():
    """A certain level costs -log 1; in float32 the sum of all may seem to be less than one."""
    levels = pd.DataFrame(
        {
            "category": ["a", "b", "c", "d"],
            "ordered": pd.Categorical(["a", "b", "c", "d"], ordered=True),
            "flag": [True, False, True, False],
        }
    )
    table = TableEncoder().fit(Frame(levels))
    x = torch.from_numpy(table.encode(Frame(levels))[0])
    sure = torch.linspace(4.0, 20.0, 1000)[:, None, None]
    output = sure * x + _normal(1000, *x.shape)
    losses = ColumnLosses(table.design_, squared_error, weighted=True).per_cell(output, x)
    assert (losses.amin(dim=(0, 1)) >= 0.0).all()
    t = torch.rand(100_000, 1, generator=torch.Generator().manual_seed(0))
    near = t + 1e-5 * _normal(*t.shape)
    assert BinaryDivergence(np.zeros(1), np.ones(1))(near, t).min() >= 0.0


def test_weight_of_two_is_a_row_twice_in_the_loss(X):
    """With all rows in one batch the first training loss is that of the start on them."""
    params = {"max_iter": 1, "batch_size": 1000, "early_stopping": False}
    estimator = AutoencoderTransformer(2, random_state=0, **params)
    counts = np.arange(len(X)) % 3
    weighted = estimator.fit(X, sample_weight=counts).loss_curve_[0]
    repeated = estimator.fit(np.repeat(X, counts, axis=0)).loss_curve_[0]
    np.testing.assert_allclose(weighted, repeated, rtol=1e-5)
    assert abs(estimator.fit(X).loss_curve_[0] / repeated - 1.0) > 1e-3


def test_weights_count_relative_to_each_other_only(quick, X):
    weights = np.linspace(0.5, 2.0, len(X))
    one = quick().fit(X, sample_weight=weights)
    other = quick().fit(X, sample_weight=8.0 * weights)
    np.testing.assert_allclose(one.transform(X), other.transform(X), rtol=1e-3, atol=1e-4)


def test_rows_of_weight_zero_are_left_out(quick_any, X):
    weights = np.linspace(0.5, 2.0, len(X))
    weights[::3] = 0.0
    spoilt = X.copy()
    spoilt[::3] = 1e6
    kept = weights > 0
    one = quick_any().fit(spoilt, sample_weight=weights)
    other = quick_any().fit(X[kept], sample_weight=weights[kept])
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(X))


def test_weights_say_which_rows_are_restored_well():
    """Two arms of a cross and one code: the heavy arm gets it."""
    rng = np.random.default_rng(0)
    t, thin = rng.normal(size=(200, 1)), 0.01 * rng.normal(size=(200, 1))
    one, other = np.hstack([t, thin]), np.hstack([thin, t])
    X = np.vstack([one, other])
    for heavy, light, weights in (
        (one, other, np.repeat([100.0, 1.0], 200)),
        (other, one, np.repeat([1.0, 100.0], 200)),
    ):
        estimator = AutoencoderTransformer(1, scale=False, max_iter=5, random_state=0)
        estimator.fit(X, sample_weight=weights)
        assert estimator.score(heavy) > 5 * estimator.score(light)  # scores are negative
        assert estimator.score(heavy) > 0.1 * estimator.score(light)


# ---------------------------------------------------------------- levels and holes


@pytest.fixture
def mixed():
    """A design of number, category of three, number, flag; 40 encoded rows, and cells."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "one": rng.normal(size=40),
            "level": rng.choice(["a", "b", "c"], 40, p=[0.6, 0.3, 0.1]),
            "two": rng.normal(size=40),
            "flag": rng.random(40) < 0.3,
        }
    )
    rows = Frame.of(frame)
    table = TableEncoder().fit(rows)
    x = torch.from_numpy(table.encode(rows)[0])
    return SimpleNamespace(design=table.design_, x=x, output=_normal(*x.shape), frame=frame)


def test_surprise_is_the_cross_entropy_of_the_levels(mixed):
    surprise = _cross_entropy(mixed.design)(mixed.output[:, 2:], mixed.x[:, 2:])
    levels = torch.from_numpy(pd.Categorical(mixed.frame["level"]).codes.astype(np.int64))
    flags = torch.from_numpy(mixed.frame["flag"].to_numpy().astype(np.int64))
    expected = [
        cross_entropy(mixed.output[:, 2:5], levels, reduction="none"),
        cross_entropy(mixed.output[:, 5:7], flags, reduction="none"),
    ]
    torch.testing.assert_close(surprise, torch.stack(expected, dim=1))


def test_cells_are_in_the_order_of_the_columns(mixed):
    cells = _squared(mixed.design).per_cell(mixed.output, mixed.x)
    squares = (mixed.output - mixed.x)[:, :2].square()
    torch.testing.assert_close(cells[:, [0, 2]], squares)
    surprise = _cross_entropy(mixed.design)(mixed.output[:, 2:], mixed.x[:, 2:])
    ratio = cells[:, [1, 3]] / surprise
    torch.testing.assert_close(ratio, ratio[:1].expand(40, 2))


def _cells(rows=40):
    cells = torch.ones(rows, 4, dtype=torch.uint8)
    cells[:10, 0] = MISSING
    cells[5:15, 1] = MISSING
    cells[3] = MISSING
    return cells


def test_missing_cells_are_no_part_of_a_row_s_loss(mixed):
    cells, loss = _cells(), _squared(mixed.design)
    every = loss.per_cell(mixed.output, mixed.x)
    found = loss.mean(mixed.output, mixed.x, cells)
    for row in range(40):
        there = cells[row] > 0
        expected = every[row][there].mean() if there.any() else torch.tensor(0.0)
        torch.testing.assert_close(found[row], expected)


def test_what_stands_in_a_missing_cell_does_not_count(mixed):
    cells, loss = _cells(), _squared(mixed.design)
    other = mixed.x.clone()
    other[:10, 0] = 1e3
    expected = loss.mean(mixed.output, mixed.x, cells)
    assert torch.equal(loss.mean(mixed.output, other, cells), expected)
    assert not torch.equal(loss.mean(mixed.output, other), loss.mean(mixed.output, mixed.x))


def test_missing_cells_have_no_gradient(mixed):
    output = mixed.output.clone().requires_grad_()
    _squared(mixed.design).mean(output, mixed.x, _cells()).sum().backward()
    assert (output.grad[:10, 0] == 0).all()
    assert (output.grad[5:15, 2:5] == 0).all()
    assert (output.grad[15:] != 0).any(dim=0).all()


@pytest.mark.parametrize("sure", [0.1, 1.0, 10.0])
def test_unknown_level_surprises_as_the_rarest_at_least(mixed, sure):
    """And as the level that the network expects least."""
    logits, unknown = sure * mixed.output[:, 2:], torch.ones(40, 2, dtype=torch.bool)
    found = _cross_entropy(mixed.design)(logits, torch.zeros(40, 5), unknown)
    rarest = [
        -np.log(part.min())
        for part in np.split(mixed.design.blocks[1].proportions.numpy(), [3])
    ]
    least = [
        -part.log_softmax(dim=1).amin(dim=1) for part in (logits[:, :3], logits[:, 3:])
    ]
    expected = torch.maximum(torch.stack(least, dim=1), torch.tensor(rarest))
    torch.testing.assert_close(found, expected)


def test_surprise_stays_finite_for_logits_of_any_size(mixed):
    logits = torch.full((40, 5), 1e30)
    logits[:, ::2] = -1e30
    assert torch.isfinite(_cross_entropy(mixed.design)(logits, mixed.x[:, 2:])).all()


def test_guessing_the_shares_costs_the_variance_of_the_indicators(mixed):
    """A column of numbers costs 1 when it is guessed; one of levels less."""
    output = torch.zeros_like(mixed.x)
    output[:, 2:] = mixed.design.blocks[1].proportions.log()
    found = _squared(mixed.design).per_cell(output, mixed.x).mean(0)
    torch.testing.assert_close(found[[0, 2]], torch.ones(2), rtol=1e-4, atol=0)
    for column, start, stop in ((1, 2, 5), (3, 5, 7)):
        variance = mixed.x[:, start:stop].var(dim=0, correction=0).sum()
        torch.testing.assert_close(found[column], variance, rtol=0.1, atol=0)


# ------------------------------------------------------------ what numbers cost


def test_errors_of_numbers():
    output, x = torch.zeros(4), torch.tensor([0.5, -0.5, 3.0, -3.0])
    costs = {name: cost(output, x).tolist() for name, cost in ERRORS.items()}
    assert costs == {
        "squared": [0.25, 0.25, 9.0, 9.0],
        "absolute": [0.5, 0.5, 3.0, 3.0],
        "huber": [0.25, 0.25, 5.0, 5.0],
    }


def test_binary_divergence_is_the_cross_entropy_above_its_least():
    center, scale = np.array([0.4, 0.5]), np.array([0.2, 0.1])
    t, p = torch.tensor([[0.0, 0.3], [1.0, 0.5]]), torch.tensor([[0.2, 0.3], [0.9, 0.7]])

    def design(share):
        return (share - torch.from_numpy(center).float()) / torch.from_numpy(scale).float()

    losses = BinaryDivergence(center, scale)(design(p), design(t))
    entropy = torch.nn.functional.binary_cross_entropy
    expected = entropy(p, t, reduction="none") - entropy(t, t, reduction="none")
    torch.testing.assert_close(losses, expected, atol=1e-5, rtol=1e-4)
    assert losses[0, 1].abs() < 1e-6


@pytest.mark.parametrize("name", ERRORS)
def test_missing_cells_cost_nothing_in_any_unit(name):
    x, output = _normal(5, 3), _normal(5, 3, seed=1)
    cells = torch.ones(5, 3, dtype=torch.uint8)
    cells[0, 1] = MISSING
    loss = ColumnLosses(_numbers(3), ERRORS[name], weighted=True)
    costs = ERRORS[name](output, x)
    assert loss.per_cell(output, x, cells)[0, 1] == 0
    torch.testing.assert_close(loss.mean(output, x, cells)[0], costs[0, [0, 2]].mean())
    torch.testing.assert_close(loss.mean(output, x, cells)[1:], costs[1:].mean(1))


@pytest.fixture(scope="module")
def shares():
    """The shares of a table of ten columns that hang on two numbers."""
    rng = np.random.default_rng(0)
    return 1 / (1 + np.exp(-3 * rng.normal(size=(300, 2)) @ rng.normal(size=(2, 10))))


@pytest.mark.parametrize("loss", NUMBER_LOSSES)
@pytest.mark.parametrize("scale", [True, False])
def test_what_trains_is_what_scores(shares, loss, scale):
    """The held-out loss of the start is minus the mean score of the start."""
    estimator = AutoencoderTransformer(
        2, loss=loss, scale=scale, max_iter=1, learning_rate_init=1e-12, random_state=0
    ).fit(shares)
    scores = -estimator.score_samples(shares)
    trained = (
        0.3 * estimator.validation_loss_curve_[0] + 0.7 * estimator.loss_curve_[0]
    )  # weights of the two parts; equal rows on average
    assert scores.mean() == pytest.approx(trained, rel=0.1)
    assert (scores >= 0).all()


def test_absolute_errors_do_not_mind_outliers(curved):
    rng = np.random.default_rng(0)
    spoilt = curved.train.copy()
    hit = rng.random(spoilt.shape) < 0.03
    spoilt[hit] += 30 * rng.choice([-1, 1], hit.sum())
    settings = {"init": "random", "scale": "robust", "max_iter": 40, "random_state": 0}
    errors = {
        loss: np.abs(
            (
                e := AutoencoderTransformer(3, loss=loss, refit=False, **settings).fit(
                    spoilt
                )
            ).inverse_transform(e.transform(curved.test))
            - curved.test
        ).mean()
        for loss in ("squared", "absolute", "huber")
    }
    assert errors["absolute"] < 0.8 * errors["squared"]
    assert errors["huber"] < 0.9 * errors["squared"]


def test_shares_are_restored_as_shares(shares):
    bound, free = (
        AutoencoderTransformer(2, loss=loss, max_iter=60, refit=False, random_state=0).fit(
            shares
        )
        for loss in ("binary_cross_entropy", "squared")
    )
    back = bound.inverse_transform(10 * bound.transform(shares))
    assert back.min() >= 0
    assert back.max() <= 1
    assert reconstruction_r2(bound, shares) > reconstruction_r2(free, shares)
    for fitted, within in ((bound, True), (free, False)):
        rows = fitted.sample(500, random_state=0)
        assert ((rows >= 0) & (rows <= 1)).all() == within


def test_imputed_shares_are_shares():
    """A cell that a straight line would put beyond 1, where no cell of the column is."""
    t = np.random.default_rng(0).uniform(-1, 1, (300, 1))
    shares = np.clip(0.5 + t * [[0.4, 0.45, 0.5, 0.9]], 0.0, 1.0)
    holed = shares.copy()
    holed[t[:, 0] > 0.7, 3] = np.nan
    for loss in ("binary_cross_entropy", "squared"):
        estimator = AutoencoderTransformer(1, loss=loss, max_iter=20, random_state=0)
        filled = estimator.fit(holed).impute(holed)[np.isnan(holed)]
        assert filled.max() <= 1.0
        assert filled.min() > 0.9
        back = estimator.inverse_transform(estimator.transform(holed))[np.isnan(holed)]
        assert bool(back.max() <= 1.0) is (loss == "binary_cross_entropy")


def test_a_stream_of_shares_keeps_its_units(shares):
    """The units of the table move with every chunk, and those of the network with them."""
    estimator = AutoencoderTransformer(2, loss="binary_cross_entropy", random_state=0)
    for chunk in np.split(np.sort(shares, axis=0), 5):
        estimator.partial_fit(chunk)
    back = estimator.inverse_transform(estimator.transform(shares))
    np.testing.assert_allclose(back, np.clip(back, 0, 1), atol=1e-5)


@pytest.mark.parametrize("bad", [-0.5, 1.5])
def test_numbers_that_are_no_shares_are_an_error(shares, bad):
    spoilt = shares.copy()
    spoilt[3, 4] = bad
    estimator = AutoencoderTransformer(2, loss="binary_cross_entropy", max_iter=2)
    message = (
        rf"loss='binary_cross_entropy' needs numbers in \[0, 1\].*'x4' holds {bad}.*Min"
    )
    with pytest.raises(ValueError, match=message):
        estimator.fit(spoilt)
    with pytest.raises(ValueError, match=message):
        estimator.fit(shares).score_samples(spoilt)
    assert estimator.transform(spoilt).shape == (300, 2)  # a noisy row has codes


def test_quantiles_are_no_shares(shares):
    estimator = AutoencoderTransformer(2, loss="binary_cross_entropy", scale="quantile")
    with pytest.raises(ValueError, match=r"scale='quantile' turns into others; use"):
        estimator.fit(shares)
