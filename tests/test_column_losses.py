"""What each kind of column adds to loss and score."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from frames import draw_rows
from registry import without_columns
from scipy.stats import entropy

from skae import AutoencoderTransformer, VAETransformer
from skae.models.losses import ColumnLosses, squared_error
from skae.table.encoder import TableEncoder
from skae.table.frame import Frame

pytestmark = pytest.mark.rounding


def test_flipped_flag_lowers_the_score(transformer):
    frame = draw_rows(400, 0)
    params = {"max_iter": 30, "refit": False, "random_state": 0}
    fitted = without_columns(transformer, 2, **params).fit(frame)
    clear = frame[(frame["size"] - 50.0).abs() > 3.0]
    flipped = clear.assign(flag=~clear["flag"])
    assert np.mean(fitted.score_samples(flipped) < fitted.score_samples(clear)) > 0.95


@pytest.mark.parametrize("cls", [AutoencoderTransformer, VAETransformer])
def test_columns_of_booleans(cls):
    rng = np.random.default_rng(0)
    base = rng.random((200, 1)) < 0.5
    frame = pd.DataFrame(base ^ (rng.random((200, 5)) < 0.05), columns=list("abcde"))
    fitted = cls(1, max_iter=20, random_state=0).fit(frame)
    restored = fitted.inverse_transform(fitted.transform(frame))
    assert set(restored.dtypes) == {np.dtype(bool)}
    assert (restored == frame).mean(axis=None) > 0.9
    assert set(fitted.sample(5, random_state=0).dtypes) == {np.dtype(bool)}


def test_score_of_independent_categories_is_minus_their_entropy():
    """A proper log-likelihood: no model does better, and guessing the shares does it."""
    rng = np.random.default_rng(0)
    shares = [[0.5, 0.3, 0.2], [0.8, 0.2], [0.25] * 4]
    train, test = (
        pd.DataFrame(
            {
                f"c{i}": np.array(list("wxyz"))[rng.choice(len(p), 2000, p=p)]
                for i, p in enumerate(shares)
            }
        )
        for _ in range(2)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the latent dimension collapses, rightly
        vae = VAETransformer(1, sampler="codes", max_iter=6, random_state=0).fit(train)
    assert vae.score(test) == pytest.approx(-sum(map(entropy, shares)), abs=0.05)


def test_score_of_mixed_columns_is_the_log_likelihood():
    """A normal number whose mean the category tells: log p = log p(c) + log N(x; m_c, 1)."""
    rng = np.random.default_rng(0)

    def draw(n_rows):
        is_b = rng.random(n_rows) < 0.3
        x = np.where(is_b, 6.0, 0.0) + rng.normal(size=n_rows)
        return pd.DataFrame({"c": np.where(is_b, "b", "a"), "x": x})

    vae = VAETransformer(1, sampler="codes", random_state=0, max_iter=30).fit(draw(1000))
    truth = -entropy([0.7, 0.3]) - 0.5 * np.log(2 * np.pi * np.e)
    score = vae.score(draw(2000))
    assert truth - 0.3 < score < truth + 0.05


def test_no_column_counts_more_than_a_number_whatever_its_levels():
    """Guessing a number costs its variance; a level the chance that two rows differ."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "two": rng.choice(list("ab"), 2000),
            "twenty": rng.choice(list("abcdefghijklmnopqrst"), 2000),
            "number": rng.normal(size=2000),
            "more": rng.normal(size=2000),
        }
    )
    X = Frame.of(frame)
    table = TableEncoder().fit(X)
    design = table.design_
    x = torch.from_numpy(table.encode(X)[0])
    levels = design.blocks[1].proportions.log()
    guess = torch.cat([torch.zeros(2), levels]).expand(len(x), -1)
    losses = ColumnLosses(design, squared_error, weighted=True)
    two, twenty, *numbers = losses.per_cell(guess, x).mean(0).tolist()
    assert numbers == pytest.approx([1.0, 1.0], abs=1e-3)
    assert two == pytest.approx(1 / 2, abs=0.01)
    assert twenty == pytest.approx(19 / 20, abs=0.01)
