import numpy as np
import pandas as pd
import pytest
import torch

from skae import AutoencoderTransformer
from skae.corruption import (
    BorrowedMissingness,
    Cells,
    GaussianNoise,
    MaskingNoise,
    SaltAndPepperNoise,
    SwapNoise,
)
from skae.table.blocks import MISSING
from skae.table.encoder import TableEncoder
from skae.table.frame import Frame


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
    rows = Frame.of(frame)
    encoder = TableEncoder().fit(rows)
    x, cells = map(torch.from_numpy, encoder.encode(rows))
    return encoder.design_, x, cells


def _hide(design, x, cells, seed=0):
    return BorrowedMissingness(design)(x, cells, torch.Generator().manual_seed(seed))


def test_cells_are_hidden_as_often_as_they_are_missing(table):
    design, x, cells = table
    hidden = _hide(design, x, cells)
    # number, number, three levels, then whether the category and the number are missing
    shown = cells[:, 1] != MISSING
    assert ((hidden[:, 0] == 0) & shown).sum() / shown.sum() == pytest.approx(0.3, abs=0.04)
    assert torch.equal(hidden[:, 1], x[:, 1])
    known = cells[:, 0] != MISSING
    none = (hidden[:, 2:5] == 0).all(dim=1) & known
    assert none.sum() / known.sum() == pytest.approx(0.1, abs=0.03)


def test_what_is_hidden_is_said_to_be_missing(table):
    design, x, cells = table
    hidden = _hide(design, x, cells)
    changed = (hidden[:, :5] != x[:, :5]).any(dim=1)
    said = (hidden[:, 5:] == 1).any(dim=1)
    assert changed.any()
    assert said[changed].all()
    # A hole of its own stays one.
    assert (hidden[:, 5:] >= x[:, 5:]).all()


def test_rows_without_holes_are_shown_as_they_are(table):
    design, x, _ = table
    assert _hide(design, x, None) is x


def test_holes_follow_the_generator_and_leave_the_rows_alone(table):
    design, x, cells = table
    before = x.clone()
    one, same, other = (_hide(design, x, cells, seed) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(x, before)


# ------------------------------------------------------------------------ noises

NOISES = [GaussianNoise(0.7), MaskingNoise(0.3), SwapNoise(0.3), SaltAndPepperNoise(0.3)]


@pytest.fixture(params=NOISES, ids=lambda noise: type(noise).__name__)
def noise(request):
    return request.param


def _corrupt(noise, table, seed=0):
    design, x, cells = table
    generator = torch.Generator().manual_seed(seed)
    return noise.corrupt(x, cells, Cells(design, x.device, x), generator)


def test_noise_follows_the_generator_and_leaves_the_rows_alone(noise, table):
    before, state = table[1].clone(), torch.get_rng_state()
    one, same, other = (_corrupt(noise, table, seed) for seed in (0, 0, 1))
    assert one.shape == before.shape
    assert one.dtype == before.dtype
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(table[1], before)
    assert torch.equal(torch.get_rng_state(), state)


def test_noise_of_size_zero_changes_nothing(noise, table):
    name = next(iter(noise.get_params()))
    silent = type(noise)(**{name: 0.0})
    assert torch.equal(_corrupt(silent, table), table[1])


def test_missing_cells_stay_missing_unless_swapped(noise, table):
    _layout, _x, cells = table
    seen = _corrupt(noise, table)
    if not isinstance(noise, SwapNoise):
        holes = cells[:, 1] == MISSING
        assert (seen[holes, 0] == 0).all()
        assert (seen[holes][:, 6] == 1).all()
    # A cell that is said to be missing looks missing.
    assert (seen[seen[:, 6] == 1, 0] == 0).all()
    assert (seen[seen[:, 5] == 1, 2:5] == 0).all()


def test_levels_stay_levels(table):
    """A block is a level less the shares, or nothing where it is hidden."""
    design = table[0]
    for noise in NOISES:
        blocks = _corrupt(noise, table)[:, 2:5]
        hidden = (blocks == 0).all(1)
        levels = blocks[~hidden] + design.blocks[1].proportions
        torch.testing.assert_close(levels.amax(1), torch.ones(len(levels)))
        torch.testing.assert_close(levels.sum(1), torch.ones(len(levels)))


def test_gaussian_noise_has_its_scale_on_every_number(table):
    _layout, x, cells = table
    noise = (_corrupt(GaussianNoise(0.7), table) - x)[:, :2]
    there = cells[:, 1:] != MISSING
    assert noise[~there].abs().sum() == 0
    assert noise[there].std().item() == pytest.approx(0.7, rel=0.05)
    assert noise[there].mean().item() == pytest.approx(0.0, abs=0.05)


def test_masking_hides_its_share_and_says_so(table):
    _layout, _x, cells = table
    seen = _corrupt(MaskingNoise(0.3), table)
    there = cells[:, 1] != MISSING
    hidden = seen[there, 6] == 1
    assert hidden.float().mean().item() == pytest.approx(0.3, abs=0.04)
    assert (seen[there][hidden, 0] == 0).all()
    # The whole column has no mark.
    assert (seen[:, 1] == 0).float().mean().item() == pytest.approx(0.3, abs=0.04)


def test_swapping_keeps_the_columns_and_breaks_the_rows(table):
    _layout, x, _cells = table
    seen = _corrupt(SwapNoise(0.9), table)
    assert set(seen[:, 1].tolist()) <= set(x[:, 1].tolist())
    assert (seen[:, 1] != x[:, 1]).float().mean().item() == pytest.approx(0.9, abs=0.03)
    twice = torch.stack([x[:, 1], x[:, 1]], dim=1)  # two columns that agree
    broken = SwapNoise(0.9).corrupt(
        twice,
        None,
        Cells(TableEncoder().fit(np.eye(2)).design_, "cpu", twice),
        torch.Generator().manual_seed(0),
    )
    assert np.corrcoef(broken.T.numpy())[0, 1] < 0.1


def test_salt_and_pepper_are_the_extremes_of_a_column(table):
    _layout, x, _cells = table
    seen = _corrupt(SaltAndPepperNoise(0.3), table)
    changed = seen[:, 1] != x[:, 1]
    assert changed.float().mean().item() == pytest.approx(0.3, abs=0.04)
    extremes = {x[:, 1].min().item(), x[:, 1].max().item()}
    assert set(seen[changed, 1].tolist()) == extremes


def test_what_was_learned_is_to_remove_noise(curved):
    """Held-out rows with noise come out nearer to the clean rows than they went in."""
    rng, train = np.random.default_rng(0), curved.train[:400]
    spread = train.std(axis=0)
    noisy = curved.test + 0.5 * spread * rng.normal(size=curved.test.shape)

    def error(rows):
        return (((rows - curved.test) / spread) ** 2).mean()

    def restored(**params):
        estimator = AutoencoderTransformer(
            3, max_iter=60, refit=False, random_state=0, **params
        )
        return estimator.inverse_transform(estimator.fit(train).transform(noisy))

    denoised = error(restored(corruption=GaussianNoise(0.5)))
    assert denoised < 0.6 * error(noisy)
    assert denoised < 0.8 * error(restored())
