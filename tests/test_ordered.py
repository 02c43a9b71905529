"""Ordered categories: their order counts in codes, imputation, scores and explanations."""

import pickle
import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy.stats import spearmanr

from skae import (
    AdversarialAutoencoderTransformer,
    AEAnomalyDetector,
    AutoencoderTransformer,
    GANSampler,
    VAETransformer,
    VQVAETransformer,
)
from skae.corruption import Cells, SaltAndPepperNoise
from skae.models.losses import ColumnLosses, squared_error
from skae.models.pca_start import output_start
from skae.models.principal_axes import principal_axes
from skae.table.blocks import OBSERVED, UNKNOWN, CategoryBlock, OrderedBlock
from skae.table.declaring import declare
from skae.table.encoder import TableEncoder
from skae.table.frame import Frame
from skae.table.ordered_column import OrderedColumn

SIZES = ["S", "M", "L", "XL", "XXL"]


def _ordered(codes, levels=SIZES):
    return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(levels, ordered=True))


def _survey(n_rows=80, n_levels=15, noise=0.1, seed=0):
    """Four questions about one thing, every other one the other way round.

    Levels are many, for so few rows, and their names do not tell their order.
    """
    rng = np.random.default_rng(seed)
    attitude = rng.uniform(-1, 1, n_rows)
    names = [f"{11 * i % n_levels:02d}" for i in range(n_levels)]
    columns = {}
    for i in range(4):
        answer = attitude * (-1) ** i + noise * rng.normal(size=n_rows)
        codes = np.clip(((answer + 1) / 2 * n_levels).astype(int), 0, n_levels - 1)
        columns[f"q{i}"] = _ordered(codes, names)
    return pd.DataFrame(columns)


def _codes(frame):
    return np.column_stack([frame[name].cat.codes for name in frame])


def _unordered(frame):
    return frame.apply(lambda column: column.cat.as_unordered())


def _fit_table(frame, **parameters):
    rows = frame if isinstance(frame, np.ndarray) else Frame.of(frame)
    return TableEncoder(**parameters).fit(rows), rows


def _block(codes, levels=SIZES):
    table, rows = _fit_table(pd.DataFrame({"size": _ordered(codes, levels)}))
    x = torch.from_numpy(table.encode(rows, np.float64)[0])
    return table.design_.blocks[1], x


CODES = np.repeat([0, 1, 2, 3, 4], [30, 5, 20, 40, 5])

# ------------------------------------------------------------------ the design


def test_levels_are_cumulative_indicators_of_the_variance_of_a_number():
    block, x = _block(CODES)
    assert isinstance(block, OrderedBlock)
    assert x.shape == (100, 4)
    torch.testing.assert_close(x.mean(0), torch.zeros(4).double(), atol=0.02, rtol=0)
    assert x.var(dim=0, correction=0).sum().item() == pytest.approx(1.0, abs=0.02)
    distinct = torch.stack([x[level == CODES][0] for level in range(5)])
    steps = torch.cdist(distinct, distinct, p=1)
    # So many steps of equal size lie between two levels.
    expected = (torch.arange(5)[:, None] - torch.arange(5)).abs() * steps[0, 1]
    torch.testing.assert_close(steps, expected)


def test_likelihood_is_that_of_adjacent_categories():
    block, x = _block(CODES)
    output = torch.randn(100, 4, generator=torch.Generator().manual_seed(0)).double()
    block = block.to("cpu")
    log_p = block.log_probabilities(output)[:, 0]
    torch.testing.assert_close(log_p.exp().sum(1), torch.ones(100).double())
    # Agresti (2010), section 4.1: what a decoder returns are the adjacent levels' log odds.
    torch.testing.assert_close(log_p.diff(dim=1), output)
    found = block.negative_log_likelihood(output, x)[:, 0]
    expected = -log_p.gather(1, torch.from_numpy(CODES)[:, None])[:, 0]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_columns_of_different_numbers_of_levels_do_not_mix():
    """All columns are worked on at once; each alone must say the same."""
    rng = np.random.default_rng(0)
    codes = {3: rng.integers(0, 3, 60), 7: rng.integers(0, 7, 60), 1: np.zeros(60, int)}
    frame = pd.DataFrame(
        {f"{k}": _ordered(c, [f"l{i}" for i in range(k)]) for k, c in codes.items()}
    )
    table, rows = _fit_table(frame)
    design, block = table.design_, table.design_.blocks[1]
    assert block.sizes.tolist() == [2, 6, 0]
    x = torch.from_numpy(table.encode(rows)[0])
    output = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    unknown = torch.from_numpy(rng.random((60, 3)) < 0.3)
    found = block.to("cpu").negative_log_likelihood(output, x, unknown)
    likeliest = design.to_design(output)
    for j, one in enumerate(design.by_feature):
        alone, columns = one.to("cpu"), one.columns
        alone_nll = alone.negative_log_likelihood(
            output[:, columns], x[:, columns], unknown[:, [j]]
        )
        torch.testing.assert_close(found[:, [j]], alone_nll)
        torch.testing.assert_close(
            likeliest[:, columns], alone.to_design(output[:, columns])
        )


def test_reversing_the_order_mirrors_everything():
    block, x = _block(CODES)
    mirrored, y = _block(4 - CODES, SIZES[::-1])
    torch.testing.assert_close(y, -x.flip(1))
    output = torch.randn(100, 4, generator=torch.Generator().manual_seed(0)).double()
    back = -output.flip(1)
    log_p = block.to("cpu").log_probabilities(output)
    torch.testing.assert_close(mirrored.to("cpu").log_probabilities(back), log_p.flip(-1))
    torch.testing.assert_close(
        mirrored.to("cpu").to_design(back), -block.to("cpu").to_design(output).flip(1)
    )
    pca = 0.3 * x.float()
    gains, offsets = block.start(pca, x.float())
    other_gains, other_offsets = mirrored.start(-pca.flip(1), y.float())
    torch.testing.assert_close(other_gains, gains)
    torch.testing.assert_close(other_offsets, -offsets.flip(0))


def test_a_rising_output_raises_the_distribution():
    """Stochastic order: with a linear decoder more of the code is more of the level."""
    block = _block(CODES)[0].to("cpu")
    outputs = torch.linspace(-3, 3, 20).double()[:, None].expand(20, 4)
    below = block.log_probabilities(outputs)[:, 0].exp().cumsum(1)[:, :-1]
    assert (below.diff(dim=0) < 0).all()


def test_the_median_has_the_least_expected_distance():
    block = _block(CODES)[0]
    output = 2 * torch.randn(200, 4, generator=torch.Generator().manual_seed(0)).double()
    p = block.to("cpu").log_probabilities(output)[:, 0].exp()
    distance = (torch.arange(5)[:, None] - torch.arange(5)).abs().double()
    best = (p @ distance).amin(1)
    taken = torch.from_numpy(block.decode(output.numpy())[:, 0])
    torch.testing.assert_close((p @ distance).gather(1, taken[:, None])[:, 0], best)
    assert (taken != p.argmax(1)).any()


def test_levels_are_drawn_from_their_distribution():
    block = _block(CODES)[0]
    output = np.tile([1.0, -0.5, 0.3, -2.0], (20_000, 1))
    drawn = block.decode(output, np.random.RandomState(0))[:, 0]
    p = block.to("cpu").log_probabilities(torch.from_numpy(output[:1]))[0, 0].exp()
    found = np.bincount(drawn, minlength=5) / len(drawn)
    np.testing.assert_allclose(found, p.numpy(), atol=0.015)
    hard = block.to("cpu").hard_draw(
        torch.from_numpy(output), torch.Generator().manual_seed(0)
    )
    levels = block.decode(block.to("cpu").to_output(hard).numpy())[:, 0]
    np.testing.assert_allclose(
        np.bincount(levels, minlength=5) / len(levels), p.numpy(), atol=0.015
    )


def test_soft_draws_lie_about_hard_ones_and_pass_gradients():
    block = _block(CODES)[0].to("cpu")
    output = torch.tensor([[1.0, -0.5, 0.3, -2.0]]).expand(4000, 4).clone()
    output.requires_grad_()
    soft = block.soft_draw(output, torch.Generator().manual_seed(0), 0.01)
    hard = block.hard_draw(output, torch.Generator().manual_seed(0))
    torch.testing.assert_close(soft.mean(0), hard.mean(0), atol=0.05, rtol=0)
    block.soft_draw(output, torch.Generator().manual_seed(0), 0.5).sum().backward()
    assert torch.isfinite(output.grad).all()
    assert (output.grad != 0).any(dim=0).all()


def test_an_output_starts_at_the_proportions_of_its_rows():
    block, x = _block(CODES)
    output = block.to("cpu").start_output(x.mean(0, keepdim=True), 1e-3)
    p = block.to("cpu").log_probabilities(output)[0, 0].exp()
    np.testing.assert_allclose(p.numpy(), [0.3, 0.05, 0.2, 0.4, 0.05], atol=0.005)


def test_guessing_the_proportions_costs_one_as_guessing_a_number_does():
    frame = pd.DataFrame(
        {"size": _ordered(CODES), "x": np.random.default_rng(0).normal(size=100)}
    )
    table, rows = _fit_table(frame)
    x = torch.from_numpy(table.encode(rows)[0])
    _, offsets = output_start(table.design_, None, x)
    losses = ColumnLosses(table.design_, squared_error, weighted=True)
    guess = offsets.expand(100, -1)
    torch.testing.assert_close(
        losses.per_cell(guess, x).mean(0), torch.ones(2), rtol=0.02, atol=0
    )
    nats = ColumnLosses(table.design_, squared_error, weighted=False).per_cell(guess, x)
    p = np.array([0.3, 0.05, 0.2, 0.4, 0.05])
    assert nats[:, 0].mean().item() == pytest.approx(-(p * np.log(p)).sum(), rel=0.01)


def test_the_start_knows_of_the_levels_what_pca_knows():
    frame = _survey(300, 5)
    table, rows = _fit_table(frame)
    x = torch.from_numpy(table.encode(rows)[0])
    pca = principal_axes(x, None, 1, None)
    gains, offsets = output_start(table.design_, pca, x)
    output = gains * (x @ pca.axes @ pca.axes.T) + offsets
    block = table.design_.blocks[1]
    codes = _codes(frame)
    distance = np.abs(block.decode(output.numpy()) - codes).mean()
    assert distance < 0.5 * np.abs(np.median(codes, axis=0) - codes).mean()
    nll = block.to("cpu").negative_log_likelihood(output, x).mean()
    guess = block.to("cpu").negative_log_likelihood(offsets.expand(300, -1), x).mean()
    assert nll < 0.7 * guess


def test_salt_and_pepper_are_the_lowest_and_the_highest_level():
    table, rows = _fit_table(pd.DataFrame({"size": _ordered(CODES)}))
    x = torch.from_numpy(table.encode(rows)[0])
    noise, generator = SaltAndPepperNoise(0.9), torch.Generator().manual_seed(0)
    seen = noise.corrupt(x, None, Cells(table.design_, "cpu", x), generator)
    output = table.design_.to_output(seen).numpy()
    levels = table.design_.blocks[1].decode(output)[:, 0]
    changed = levels != CODES
    assert set(levels[changed]) == {0, 4}
    assert 0.3 < (levels == 4).mean() < 0.6


# ------------------------------------------------------------------ rare and unknown


@pytest.mark.parametrize(
    ("rare", "groups"),
    [
        ({}, [0, 1, 2, 3, 4]),
        # 5 joins 20, which is less frequent than 30; 6 joins 40.
        ({"min_frequency": 10}, [0, 1, 1, 2, 2]),
        ({"min_frequency": 0.1}, [0, 1, 1, 2, 2]),
        ({"max_categories": 4}, [0, 1, 1, 2, 3]),
        ({"max_categories": 2}, [0, 0, 0, 1, 1]),
        ({"min_frequency": 1000}, [0, 0, 0, 0, 0]),
    ],
)
def test_rare_levels_join_their_less_frequent_neighbour(rare, groups):
    column = OrderedColumn("size", "ordered")
    codes = np.repeat([0, 1, 2, 3, 4], [30, 5, 20, 40, 6])
    column.learn(Frame(pd.DataFrame({"a": _ordered(codes)})).column(0))
    column.merge_rare(rare.get("min_frequency"), rare.get("max_categories"))
    assert column.group.tolist() == groups


def test_unknown_levels_say_nothing_and_are_as_unlikely_as_the_rarest():
    table, _ = _fit_table(pd.DataFrame({"size": _ordered(CODES), "x": np.arange(100.0)}))
    other = pd.DataFrame({"size": ["XXXL", "M"], "x": [1.0, 2.0]})
    x, observed = table.encode(Frame.of(other))
    assert observed.tolist() == [[UNKNOWN, OBSERVED], [OBSERVED, OBSERVED]]
    assert (x[0, 1:] == 0).all()
    losses = ColumnLosses(table.design_, squared_error, weighted=False)
    x, observed = torch.from_numpy(x), torch.from_numpy(observed)
    output = torch.zeros(2, 5)
    cost = losses.per_cell(output, x, observed)[0, 0]
    assert cost.item() == pytest.approx(-np.log(5.5 / 102.5), rel=1e-4)
    strict, _ = _fit_table(pd.DataFrame({"size": _ordered(CODES)}), handle_unknown="error")
    with pytest.raises(ValueError, match="holds 'XXXL' in row 0, a level not seen"):
        strict.encode(Frame.of(other[["size"]]))


# ------------------------------------------------------------------ which columns


LIBRARIES = {
    "pandas ordered": (pd.DataFrame({"a": _ordered(CODES)}), "from_dtype"),
    "pandas category": (
        pd.DataFrame({"a": pd.Categorical(_ordered(CODES), SIZES, ordered=False)}),
        ["a"],
    ),
    "polars Enum": (
        pl.DataFrame({"a": pl.Series(np.array(SIZES)[CODES], dtype=pl.Enum(SIZES))}),
        ["a"],
    ),
    "pandas numbers": (pd.DataFrame({"a": 10 * CODES}), ["a"]),
    "pandas floats": (pd.DataFrame({"a": 0.5 * CODES}), [True]),
    "pandas Int64": (pd.DataFrame({"a": pd.array(CODES, dtype="Int64")}), [0]),
    "polars numbers": (pl.DataFrame({"a": CODES}), [-1]),
    "pyarrow numbers": (pa.table({"a": CODES}), ["a"]),
    "booleans": (pd.DataFrame({"a": CODES > 2}), ["a"]),
    "polars booleans": (pl.DataFrame({"a": CODES > 2}), ["a"]),
    "array": (10.0 * CODES[:, None], [0]),
}


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("holes", [False, True])
def test_what_is_decoded_is_what_was_encoded(name, holes):
    frame, asked = LIBRARIES[name]
    if holes and isinstance(frame, pd.DataFrame):
        if frame["a"].dtype.kind in "ib":
            frame = frame.convert_dtypes()
        frame = frame.mask(np.arange(100)[:, None] % 7 == 0)
    table, rows = _fit_table(frame, ordinal_features=asked)
    assert isinstance(table.design_.blocks[1], OrderedBlock)
    x, observed = table.encode(rows, np.float64)
    output = table.design_.to_output(torch.from_numpy(x)).numpy()
    found = table.decode(output, np.float64, observed)
    if isinstance(frame, pd.DataFrame):
        pd.testing.assert_frame_equal(found, frame)
    elif isinstance(frame, np.ndarray):
        np.testing.assert_array_equal(found, frame)
    else:
        assert found.equals(frame)
        assert found.schema == frame.schema
    levels = table.design_.blocks[1].decode(output)[:, 0]
    known = slice(None) if observed is None else observed[:, 0] == OBSERVED
    expected = CODES > 2 if "boolean" in name else CODES
    np.testing.assert_array_equal(levels[known], expected[known])


def test_without_a_request_only_ordered_categories_of_pandas_are_ordered():
    for name, (frame, _) in LIBRARIES.items():
        blocks = _fit_table(frame)[0].design_.blocks
        ordered = any(isinstance(block, OrderedBlock) for block in blocks)
        assert ordered == (name == "pandas ordered")
    frame = LIBRARIES["pandas ordered"][0]
    for parameters in ({"ordinal_features": None}, {"categorical_features": ["a"]}):
        assert isinstance(
            _fit_table(frame, **parameters)[0].design_.blocks[1], CategoryBlock
        )


# ------------------------------------------------------------------ messages


def _follow(message, X):
    """Return X after the remedy that a message gives, an expression of the user's library."""
    found = re.search(r"(?:with|:) ((?:pd\.|X)\S.*\))[.,]", message).group(1)
    value = eval(found, {"X": X, "pd": pd, "pl": pl, "pa": pa})
    return X.assign(a=value) if isinstance(X, pd.DataFrame) else value


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_text_has_no_order(make):
    X = make({"a": ["S", "M", "L"] * 10})
    with pytest.raises(
        ValueError, match=r"Column 'a' is among ordinal_features.*text"
    ) as e:
        _fit_table(X, ordinal_features=["a"])
    mended = _follow(str(e.value), X)
    block = _fit_table(mended, ordinal_features=["a"])[0].design_.blocks[1]
    assert isinstance(block, OrderedBlock)


def test_text_of_pyarrow_is_sent_to_a_library_that_knows_order():
    X = pa.table({"a": ["S", "M", "L"] * 10})
    with pytest.raises(ValueError, match=r"X\.to_pandas\(\)"):
        _fit_table(X, ordinal_features=["a"])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_another_order_than_in_fit_is_an_error_that_shows_both(library):
    mine, other = ["S", "M", "L"], ["L", "S", "M"]
    cells = ["M", "L", "S"] * 10
    if library == "pandas":
        X, Y = (
            pd.DataFrame({"a": pd.Categorical(cells, order, ordered=True)})
            for order in (mine, other)
        )
    else:
        X, Y = (
            pl.DataFrame({"a": pl.Series(cells, dtype=pl.Enum(o))}) for o in (mine, other)
        )
    table, rows = _fit_table(X, ordinal_features=["a"])
    with pytest.raises(
        ValueError, match=r"'a' was ordered S < M < L in fit.*L < S < M"
    ) as e:
        table.check(Frame.of(Y))
    mended = Frame.of(_follow(str(e.value), Y))
    table.check(mended)
    np.testing.assert_array_equal(table.encode(mended)[0], table.encode(rows)[0])


@pytest.mark.parametrize(
    "cells",
    [
        pd.Categorical(["L", "S"], ["S", "L"], ordered=True),  # a part, in order
        pd.Categorical(["L", "S"], ["S", "X", "L"], ordered=True),  # and something new
        pd.Categorical(["L", "S"], ["L", "S"]),  # without order
        ["L", "S"],
    ],
)
def test_levels_are_read_by_name_where_no_order_contradicts(cells):
    fit_to = pd.DataFrame({"a": pd.Categorical(["S", "M", "L"] * 9, SIZES, ordered=True)})
    table, rows = _fit_table(fit_to)
    given = Frame.of(pd.DataFrame({"a": cells}))
    table.check(given)
    np.testing.assert_array_equal(table.encode(given)[0], table.encode(rows)[0][[2, 0]])


def test_a_column_is_either_a_category_or_ordered():
    with pytest.raises(ValueError, match="'a' is in both categorical_features and ordinal"):
        _fit_table(
            pd.DataFrame({"a": [1, 2]}), ordinal_features=["a"], categorical_features=[0]
        )


def test_ordinal_features_that_are_not_there():
    X = pd.DataFrame({"a": [1, 2]})
    for asked, message in (
        (["b"], r"ordinal_features names 'b'.*columns are \['a'\]"),
        ([3], "ordinal_features holds 3, but X has 1 columns"),
        ([True, False], "ordinal_features is a mask of 2 columns"),
    ):
        with pytest.raises(ValueError, match=message):
            _fit_table(X, ordinal_features=asked)


# A frame that was fitted, one that comes later with a column of another kind.
CHANGED = {
    "pandas text for booleans": (
        pd.DataFrame({"a": [True, False]}),
        pd.DataFrame({"a": ["True", "False"]}),
    ),
    "pandas text for numbers": (
        pd.DataFrame({"a": [1.0, 2.0]}),
        pd.DataFrame({"a": ["1", "2"]}),
    ),
    "pandas numbers for booleans": (
        pd.DataFrame({"a": [True, False]}),
        pd.DataFrame({"a": [1, 0]}),
    ),
    "pandas numbers for text": (
        pd.DataFrame({"a": ["1", "0"]}),
        pd.DataFrame({"a": [1, 0]}),
    ),
    "pandas text for dates": (
        pd.DataFrame({"a": pd.to_datetime(["2020-01-01", "2021-01-01"])}),
        pd.DataFrame({"a": ["2020-01-01", "2021-01-01"]}),
    ),
    "polars text for booleans": (
        pl.DataFrame({"a": [True, False]}),
        pl.DataFrame({"a": ["True", "False"]}),
    ),
    "polars text for numbers": (
        pl.DataFrame({"a": [1.0, 2.0]}),
        pl.DataFrame({"a": ["1", "2"]}),
    ),
    "polars numbers for text": (
        pl.DataFrame({"a": ["1", "0"]}),
        pl.DataFrame({"a": [1, 0]}),
    ),
    "polars text for dates": (
        pl.DataFrame({"a": pd.to_datetime(["2020-01-01", "2021-01-01"])}),
        pl.DataFrame({"a": ["2020-01-01 00:00:00", "2021-01-01 00:00:00"]}),
    ),
    "pyarrow numbers for text": (pa.table({"a": ["1", "0"]}), pa.table({"a": [1, 0]})),
    "pyarrow text for numbers": (pa.table({"a": [1.0, 2.0]}), pa.table({"a": ["1", "2"]})),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_column_of_another_kind_is_mended_in_the_user_s_library(name):
    fitted, later = CHANGED[name]
    table, rows = _fit_table(fitted)
    with pytest.raises(ValueError, match="Column 'a' was of kind") as e:
        table.check(Frame.of(later))
    mended = Frame.of(_follow(str(e.value), later))
    table.check(mended)
    np.testing.assert_array_equal(table.encode(mended)[0], table.encode(rows)[0])


@pytest.mark.parametrize(
    "X",
    [
        pd.DataFrame({"a": [1, "b"], "b": [1, 2]}),
        pl.DataFrame({"a": [[1], [2]], "b": [1, 2]}),
        pa.table({"a": [[1], [2]], "b": [1, 2]}),
    ],
    ids=["pandas", "polars", "pyarrow"],
)
def test_cells_of_no_kind_are_mended_in_the_user_s_library(X):
    with pytest.raises(ValueError, match=r"Column 'a' \(dtype .* cells of type") as e:
        _fit_table(X)
    _fit_table(_follow(str(e.value), X))


# ------------------------------------------------------------------ what users notice


@pytest.fixture(scope="module")
def survey():
    return _survey()


@pytest.fixture(scope="module")
def imputed(survey):
    """Mean distance in levels of imputed cells, and the codes, with the order and without."""
    hidden = np.random.default_rng(1).random(survey.shape) < 0.25
    found = {}
    for name, frame in (("ordered", survey), ("unordered", _unordered(survey))):
        given = frame.mask(hidden)
        params = {"max_iter": 60, "refit": False, "random_state": 0}
        estimator = AutoencoderTransformer(1, **params).fit(given)
        distance = np.abs(_codes(estimator.impute(given)) - _codes(survey))[hidden]
        found[name] = distance.mean(), estimator.transform(given)[:, 0]
    return found


def test_imputed_levels_are_near_the_truth(imputed):
    assert imputed["ordered"][0] < 1.2
    assert imputed["ordered"][0] < 0.5 * imputed["unordered"][0]


def test_one_code_follows_the_order(imputed, survey):
    code = imputed["ordered"][1]
    for levels in _codes(survey).T:
        assert abs(spearmanr(code, levels).statistic) > 0.9
        assert abs(spearmanr(imputed["unordered"][1], levels).statistic) < 0.7


@pytest.mark.parametrize("cls", [AutoencoderTransformer, VAETransformer, AEAnomalyDetector])
def test_the_farther_off_a_level_is_the_more_it_is_blamed(cls):
    frame = _survey(300, 7, noise=0.05)
    settings = {"max_iter": 40, "n_components": 1, "refit": False}
    if cls is AEAnomalyDetector:
        settings = {}
    elif cls is VAETransformer:
        settings["sampler"] = "codes"
    estimator = cls(random_state=0, **settings).fit(frame)
    low = frame[_codes(frame)[:, 0] < 3][:20]
    codes = low["q0"].cat.codes.to_numpy()
    blamed = []
    for steps in (1, 3):
        moved = low.copy()
        moved["q0"] = _ordered(codes + steps, frame["q0"].cat.categories)
        blamed.append(estimator.explain(moved)["q0"].to_numpy())
    assert np.mean(blamed[1]) > 1.5 * np.mean(blamed[0])
    assert (blamed[1] > blamed[0]).mean() > 0.7


def test_the_expected_level_is_near_where_it_was():
    frame = _survey(300, 7, noise=0.05)
    estimator = AutoencoderTransformer(1, random_state=0, max_iter=40, refit=False)
    estimator.fit(frame)
    moved, codes = frame.copy(), _codes(frame)
    moved["q0"] = _ordered(6 - codes[:, 0], frame["q0"].cat.categories)
    _, expected = estimator.explain(moved, expected=True)
    assert expected["q0"].dtype == frame["q0"].dtype
    assert np.abs(expected["q0"].cat.codes - codes[:, 0]).mean() < 0.8


def test_score_of_a_vae_is_a_log_probability_of_levels():
    """Over all rows that there can be the probabilities sum to 1, the bounds to less."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 3, 400)
    b = np.clip(a + rng.integers(0, 2, 400), 0, 3)
    frame = pd.DataFrame({"a": _ordered(a, SIZES[:3]), "b": _ordered(b, SIZES[:4])})
    estimator = VAETransformer(
        1,
        sampler="codes",
        random_state=0,
        max_iter=60,
        refit=False,
        n_importance_samples=256,
    ).fit(frame)
    every = pd.DataFrame(
        {
            "a": _ordered(np.repeat(range(3), 4), SIZES[:3]),
            "b": _ordered([0, 1, 2, 3] * 3, SIZES[:4]),
        }
    )
    p = np.exp(estimator.score_samples(every))
    assert 0.9 < p.sum() < 1.05
    counts = pd.crosstab(a, b).to_numpy().ravel() / 400
    np.testing.assert_allclose(p, counts, atol=0.06)


# ------------------------------------------------------------------ laws of estimators


def _mixed():
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 5, 120)
    frame = pd.DataFrame(
        {
            "x": levels + rng.normal(size=120),
            "size": _ordered(levels),
            "colour": rng.choice(["red", "blue"], 120),
            "grade": _ordered(rng.integers(0, 2, 120), ["low", "high"]),
        }
    )
    return frame.mask(rng.random(frame.shape) < 0.1)


TRANSFORMERS = [
    AutoencoderTransformer(2, max_iter=3, random_state=0),
    AutoencoderTransformer(
        2, max_iter=3, random_state=0, corruption=SaltAndPepperNoise(), loss="huber"
    ),
    VAETransformer(2, max_iter=3, random_state=0),
    VAETransformer(2, max_iter=3, random_state=0, divergence="mmd"),
    VQVAETransformer(2, max_iter=3, random_state=0),
    AdversarialAutoencoderTransformer(2, max_iter=3, random_state=0),
]


def _assert_levels(found, frame):
    for name in ("size", "grade"):
        assert found[name].dtype == frame[name].dtype
    assert list(found.columns) == list(frame.columns)


@pytest.mark.parametrize("estimator", TRANSFORMERS, ids=lambda e: type(e).__name__)
def test_transformers_take_ordered_columns(estimator):
    frame = _mixed()
    estimator.fit(frame)
    codes = estimator.transform(frame)
    assert np.isfinite(codes).all()
    _assert_levels(estimator.inverse_transform(codes), frame)
    _assert_levels(estimator.sample(30, random_state=0), frame)
    filled = estimator.impute(frame)
    _assert_levels(filled, frame)
    assert not filled.isna().any().any()
    pd.testing.assert_frame_equal(filled.where(frame.notna()), frame.where(frame.notna()))
    contributions, expected = estimator.explain(frame[:9], expected=True)
    _assert_levels(expected, frame)
    np.testing.assert_allclose(
        contributions.sum(axis=1),
        estimator._errors(_checked(frame[:9])),
        rtol=1e-4,
        atol=1e-6,
    )
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(again.transform(frame), codes)
    if hasattr(estimator, "partial_fit"):
        assert np.isfinite(estimator.partial_fit(frame).score_samples(frame)).all()


def _checked(frame):
    return Frame.of(frame)


@pytest.mark.parametrize(
    "detector",
    [
        AEAnomalyDetector(random_state=0, n_estimators=4),
        AEAnomalyDetector(
            AutoencoderTransformer(2, max_iter=3), random_state=0, n_estimators=4
        ),
    ],
    ids=["own networks", "clones"],
)
def test_detectors_take_ordered_columns(detector):
    frame = _mixed()
    scores = detector.fit(frame).score_samples(frame)
    assert np.isfinite(scores).all()
    contributions, expected = detector.explain(frame[:20], expected=True)
    _assert_levels(expected, frame)
    assert (contributions.to_numpy() >= 0).all()
    unseen = frame[:20].assign(size=["XS"] * 20)
    assert detector.score_samples(unseen).mean() < scores[:20].mean() - 0.2


def test_a_gan_samples_ordered_columns():
    frame = _mixed()
    sampler = GANSampler(max_iter=40, random_state=0).fit(frame)
    rows = sampler.sample(300, random_state=0)
    _assert_levels(rows, frame)
    known = frame.dropna()
    assert spearmanr(known["x"], known["size"].cat.codes).statistic > 0.7
    assert np.isfinite(sampler.score_samples(frame)).all()


def test_all_rows_of_clones_know_the_levels_of_text():
    """Levels that are declared for the clones' parts of the rows do not become ordered."""
    frame = pd.DataFrame({"a": ["x", "y", "z"] * 10})
    table, rows = _fit_table(frame)
    declared = declare(table, rows).native
    assert not declared["a"].cat.ordered
    assert declared["a"].cat.categories.tolist() == ["x", "y", "z"]


def test_a_missing_level_is_filled_beyond_the_first_one_met():
    """What is put in its place lies between levels until it has settled; else 0.65."""
    levels = ["none", "school", "college", "master", "phd"]
    distances = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        q = rng.normal(size=400)
        codes = np.digitize(q + 0.3 * rng.normal(size=400), [-1, -0.3, 0.3, 1])
        noise = rng.normal(size=(2, 400)) * [[1.0], [2.0]]
        frame = pd.DataFrame(
            {"income": 50 + 10 * q + noise[0], "age": 40 + 5 * q + noise[1]}
        )
        frame["degree"] = pd.Categorical.from_codes(codes, levels, ordered=True)
        model = AutoencoderTransformer(1, refit=False, random_state=0).fit(frame)
        given = frame.assign(degree=frame["degree"].where(np.arange(400) >= 100))
        filled = model.impute(given)["degree"].cat.codes[:100]
        distances.append(np.abs(filled - codes[:100]).mean())
    assert np.mean(distances) < 0.58
