import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
import torch

from skae._layout import MISSING
from skae._table import TableEncoder
from skae.corruption import BorrowedHoles


@pytest.fixture
def table():
    """Rows with holes in a number and in a category, encoded; 30% and 10% are missing."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "level": rng.choice(["a", "b", "c"], 2000),
            "holed": 5.0 + rng.random(2000),
            "whole": 5.0 + rng.random(2000),
        }
    )
    frame["holed"] = frame["holed"].where(rng.random(2000) > 0.3)
    frame["level"] = frame["level"].where(rng.random(2000) > 0.1)
    rows = nw.from_native(frame)
    encoder = TableEncoder().fit(rows)
    x, cells = map(torch.from_numpy, encoder.encode(rows))
    return encoder.layout_, x, cells


def _hide(layout, x, cells, seed=0):
    return BorrowedHoles(layout)(x, cells, torch.Generator().manual_seed(seed))


def test_cells_are_hidden_as_often_as_they_are_missing(table):
    layout, x, cells = table
    hidden = _hide(layout, x, cells)
    # number, number, three levels, then whether the category and the number are missing
    shown = cells[:, 1] != MISSING
    assert ((hidden[:, 0] == 0) & shown).sum() / shown.sum() == pytest.approx(0.3, abs=0.04)
    assert torch.equal(hidden[:, 1], x[:, 1])
    known = cells[:, 0] != MISSING
    none = (hidden[:, 2:5] == 0).all(dim=1) & known
    assert none.sum() / known.sum() == pytest.approx(0.1, abs=0.03)


def test_what_is_hidden_is_said_to_be_missing(table):
    layout, x, cells = table
    hidden = _hide(layout, x, cells)
    changed = (hidden[:, :5] != x[:, :5]).any(dim=1)
    said = (hidden[:, 5:] == 1).any(dim=1)
    assert changed.any()
    assert said[changed].all()
    # A hole of its own stays one.
    assert (hidden[:, 5:] >= x[:, 5:]).all()


def test_rows_without_holes_are_shown_as_they_are(table):
    layout, x, _ = table
    assert _hide(layout, x, None) is x


def test_holes_follow_the_generator_and_leave_the_rows_alone(table):
    layout, x, cells = table
    before = x.clone()
    one, same, other = (_hide(layout, x, cells, seed) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(x, before)
