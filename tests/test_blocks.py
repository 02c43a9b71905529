"""Laws that every kind of columns keeps; a new kind is a case more."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from skae.table.blocks import BLOCKS, MISSING, UNKNOWN, BlockModule, NumberBlock
from skae.table.encoder import TableEncoder
from skae.table.frame import Frame


def _number(rng, n):
    return rng.normal(5, 2, n)


def _boolean(rng, n):
    return rng.random(n) < 0.3


def _category(rng, n):
    return rng.choice(["a", "b", "c", "d"], n, p=[0.4, 0.3, 0.2, 0.1])


def _ordered(rng, n):
    return pd.Categorical(_category(rng, n), list("bcad"), ordered=True)


def _date(rng, n):
    return pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 99, n), unit="D")


def _duration(rng, n):
    return pd.to_timedelta(rng.integers(0, 99, n), unit="h")


def _empty(rng, n):
    return np.full(n, None)


COLUMNS = {
    "number": _number,
    "date": _date,
    "duration": _duration,
    "empty": _empty,
    "boolean": _boolean,
    "category": _category,
    "ordered": _ordered,
}


def _encoded(kind, n=200, missing=0.0):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"c{i}": COLUMNS[kind](rng, n) for i in range(3)})
    if missing:
        frame = frame.astype({c: object for c in frame if frame[c].dtype == bool})
        frame = frame.mask(rng.random(frame.shape) < missing)
    rows = Frame.of(frame)
    table = TableEncoder().fit(rows, names=list(frame))
    x, observed = table.encode(rows, np.float64)
    design = table.design_
    block = next(b for b in design.blocks if isinstance(b, BLOCKS[kind]))
    return table, frame, block, torch.from_numpy(x)[:, block.columns], observed


def test_every_kind_is_held_to_the_laws():
    assert set(COLUMNS) == set(BLOCKS)


kinds = pytest.mark.parametrize("kind", COLUMNS)
levels = pytest.mark.parametrize(
    "kind", [kind for kind in COLUMNS if BLOCKS[kind] is not NumberBlock]
)


@kinds
def test_columns_have_mean_zero_and_together_at_most_the_variance_of_a_number(kind):
    *_, block, x, _ = _encoded(kind)
    torch.testing.assert_close(x.mean(0), torch.zeros_like(x[0]), atol=0.02, rtol=0)
    for one in block.split():
        own = slice(one.first - block.first, one.first - block.first + one.width)
        assert x[:, own].var(dim=0, correction=0).sum() < 1.05


@kinds
def test_missing_cells_are_zero(kind):
    table, frame, block, x, observed = _encoded(kind, missing=0.2)
    assert (observed[frame.isna()] == MISSING).all()
    for j, one in enumerate(block.split()):
        own = slice(one.first - block.first, one.first - block.first + one.width)
        assert (x[frame.iloc[:, j].isna().to_numpy(), own] == 0).all()
    assert table.missing_fraction_ == pytest.approx(0.2 * (kind != "empty"), abs=0.03)


@kinds
def test_an_output_that_stands_for_rows_decodes_as_them_and_is_likeliest_there(kind):
    table, frame, block, x, _ = _encoded(kind)
    ready = block.to("cpu")
    output = ready.to_output(x)
    torch.testing.assert_close(ready.to_design(output), x)
    values = block.decode(output.numpy())
    for j, name in enumerate(frame):
        template = table.template_[:, j]
        none = frame[name].isna().to_numpy()
        found = block.write(values[:, j], j, none, template).to_native()
        if kind == "number":
            np.testing.assert_allclose(found, frame[name], rtol=1e-12)
        else:
            assert found.tolist() == frame[name].tolist()


@levels
def test_rows_tell_their_levels(kind):
    _, frame, block, x, _ = _encoded(kind)
    found = block.to("cpu").one_hot(x)
    ends = np.cumsum(block.n_levels)
    for j, name in enumerate(frame):
        part = found[:, ends[j] - block.n_levels[j] : ends[j]]
        assert set(part.unique().tolist()) <= {0.0, 1.0}
        np.testing.assert_array_equal(part.sum(1), 1.0)
        levels = np.asarray(block.readers[j].levels, dtype=object)[part.argmax(1)]
        assert levels.tolist() == frame[name].tolist()


@kinds
def test_draws_and_extremes_are_rows_that_follow_the_generator(kind):
    *_, block, x, _ = _encoded(kind)
    ready, seed = block.to("cpu"), torch.Generator().manual_seed
    output = ready.start_output(x, 0.05)
    assert ready.soft_draw(output, seed(0), 0.5).shape == x.shape
    hard = ready.hard_draw(output, seed(0))
    torch.testing.assert_close(ready.to_design(ready.to_output(hard)), hard)
    lows, highs = x.amin(0), x.amax(0)
    one, same, other = (ready.extremes(x, seed(s), lows, highs) for s in (0, 0, 1))
    torch.testing.assert_close(ready.to_design(ready.to_output(one)), one.to(x))
    assert torch.equal(one, same)
    assert kind == "empty" or not torch.equal(one, other)


@levels
def test_blocks_in_a_network_follow_its_dtype_and_pickle(kind):
    *_, block, x, _ = _encoded(kind)
    x = x.float()
    output = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    expected = block.to("cpu").negative_log_likelihood(output, x)
    module = BlockModule(block)
    for other in (module, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        found = other.double().block.negative_log_likelihood(output.double(), x.double())
        torch.testing.assert_close(found, expected.double(), rtol=1e-4, atol=1e-5)
    # A network does not carry the table's readers around.
    assert not hasattr(module.block, "readers")


@levels
def test_unknown_levels_cost_the_least_likely_level_at_least(kind):
    *_, block, x, _ = _encoded(kind)
    output = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    ready, unknown = block.to("cpu"), torch.ones(200, 3, dtype=torch.bool)
    cost = ready.negative_log_likelihood(output, torch.zeros_like(output), unknown)
    for one in block.split():
        values = one.to("cpu").candidates(99)
        own = slice(one.first - block.first, one.first - block.first + one.width)
        for value in values:
            known = one.to("cpu").negative_log_likelihood(
                output[:, own], value.expand(200, -1)
            )
            j = [int(f) for f in block.features].index(int(one.features[0]))
            assert (known[:, 0] <= cost[:, j] + 1e-5).all()


def test_states_tell_missing_from_unknown():
    table, *_ = _encoded("category")
    frame = pd.DataFrame({f"c{i}": ["a", None, "new"] for i in range(3)})
    assert table.encode(Frame.of(frame))[1][:, 0].tolist() == [1, MISSING, UNKNOWN]


def test_several_rows_together_stand_for_the_level_that_most_of_them_have():
    """A rare level wins no vote because it lies far from its proportion."""
    frame = Frame.of(pd.DataFrame({"a": ["often"] * 90 + ["rare"] * 10}))
    table = TableEncoder().fit(frame)
    x = torch.from_numpy(table.encode(frame)[0])
    votes = (2 * x[:1] + x[-1:]) / 3
    assert votes.argmax() == 1
    assert table.design_.to_output(votes).argmax() == 0
