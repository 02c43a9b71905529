"""Before the first step the decoder says of the levels what PCA says of them."""

import numpy as np
import pandas as pd
import pytest
import torch

from skae.models.pca_start import output_start
from skae.models.principal_axes import principal_axes
from skae.table.encoder import TableEncoder
from skae.table.frame import Frame

pytestmark = pytest.mark.rounding


def _encoded(frame):
    rows = Frame.of(frame)
    table = TableEncoder().fit(rows)
    return table.design_, torch.from_numpy(table.encode(rows)[0])


def _reconstruction(x, pca, gains, offsets):
    return x @ pca.axes @ (gains[:, None] * pca.axes).T + offsets


@pytest.fixture
def told():
    """A level that the sign of a number tells, beside noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    frame = {
        "x": x,
        "twin": x + 0.1 * rng.normal(size=500),
        "level": np.where(x > 0, "a", "b"),
    }
    return _encoded(pd.DataFrame(frame))


def _surprise(x, logits):
    return -(logits.log_softmax(dim=1) * (x > 0)).sum(dim=1).mean()


def test_numbers_start_as_pca(told):
    design, x = told
    pca = principal_axes(x, None, 1, None)
    gains, offsets = output_start(design, pca, x)
    assert gains[:2].tolist() == [1.0, 1.0]
    assert offsets[:2].tolist() == [0.0, 0.0]


def test_levels_start_better_than_their_shares(told):
    design, x = told
    pca = principal_axes(x, None, 1, None)
    logits = _reconstruction(x, pca, *output_start(design, pca, x))[:, 2:]
    by_shares = _surprise(x[:, 2:], design.blocks[1].proportions.log().expand(500, 2))
    assert _surprise(x[:, 2:], logits) < 0.6 * by_shares
    right = logits.argmax(dim=1) == x[:, 2:].argmax(dim=1)
    assert right.float().mean() > 0.95


def test_levels_of_noise_start_at_their_shares():
    """A code that knows nothing of the level must not pretend to."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=500)
    frame = {"x": noise, "twin": noise, "level": rng.choice(["a", "b"], 500, p=[0.8, 0.2])}
    design, x = _encoded(pd.DataFrame(frame))
    pca = principal_axes(x, None, 1, None)
    logits = _reconstruction(x, pca, *output_start(design, pca, x))[:, 2:]
    by_shares = _surprise(x[:, 2:], design.blocks[1].proportions.log().expand(500, 2))
    assert _surprise(x[:, 2:], logits) == pytest.approx(by_shares.item(), rel=0.03)


def test_without_axes_levels_start_at_their_shares(told):
    design, x = told
    gains, offsets = output_start(design, None, x)
    assert gains.tolist() == [1.0] * 4
    torch.testing.assert_close(offsets[2:].softmax(dim=0), design.blocks[1].proportions)
