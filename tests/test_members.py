"""The detector's own networks, and what they are made of."""

import numpy as np
import pytest
import torch

from skae import AEAnomalyDetector
from skae.detector.batched_mlp import BatchedMLP
from skae.detector.presets import ROBUST, SHARP, choose_config
from skae.detector.projection import PCAProjection
from skae.detector.space import CellSpace, compress
from skae.detector.trimming import typical_rows
from skae.table.encoder import TableEncoder
from skae.table.states import OBSERVED, UNKNOWN

pytestmark = pytest.mark.rounding


@pytest.fixture
def networks():
    return BatchedMLP.draw(3, 4, (6, 5), torch.Generator().manual_seed(0))


def _plain(networks, member, x):
    """Work one network out layer by layer."""
    last = len(networks.weights) - 1
    for layer in range(last + 1):
        x = x @ networks.weights[layer][member] + networks.biases[layer][member]
        if layer < last:
            x = x * torch.sigmoid(x)
    return x


# ---------------------------------------------------------------- networks


def test_a_batched_product_is_the_networks_one_by_one(networks):
    x = torch.randn(3, 7, 4, generator=torch.Generator().manual_seed(1))
    together = networks(x)
    for member in range(3):
        torch.testing.assert_close(together[member], _plain(networks, member, x[member]))


def test_gradient_reaches_every_weight(networks):
    networks(torch.ones(3, 2, 4)).square().sum().backward()
    for parameter in networks.parameters():
        assert (parameter.grad.abs().flatten(1).sum(1) > 0).all()


def test_a_group_is_those_networks_in_another_precision(networks):
    x = torch.randn(3, 7, 4, generator=torch.Generator().manual_seed(1))
    group = networks.select(slice(1, 3), torch.float64)
    assert group.n_networks == 2
    torch.testing.assert_close(
        group(x[1:].double()), networks(x)[1:].double(), rtol=1e-5, atol=1e-6
    )


def test_a_network_that_diverged_restores_nothing_and_the_others_stay(networks):
    x = torch.ones(3, 2, 4)
    before = networks(x)
    with torch.no_grad():
        networks.weights[1][1, 0, 0] = torch.nan
    assert networks.silence_diverged() == 1
    after = networks(x)
    assert (after[1] == 0).all()
    torch.testing.assert_close(after[[0, 2]], before[[0, 2]])


# ---------------------------------------------------------------- rows


def test_tails_count_by_their_logarithm():
    x = torch.tensor([-1e12, -6.0, -5.0, 0.0, 0.3, 5.0, 80.0], dtype=torch.float64)
    small = compress(x)
    assert (small.diff() > 0).all()
    assert small.abs().max() < 35
    torch.testing.assert_close(small[2:6], x[2:6])


def _mixed_layout():
    levels = np.repeat([0, 1, 2], [500, 300, 200])
    rows = np.column_stack([np.arange(1000.0), levels, np.arange(1000.0)])
    return TableEncoder(categorical_features=[1]).fit(rows).design_


def test_every_column_varies_alike_in_the_units_of_the_rows_that_are_given():
    table = TableEncoder(categorical_features=[1])
    levels = np.repeat([0, 1, 2], [500, 300, 200])
    numbers = np.random.default_rng(0).normal(size=(1000, 2))
    table.fit(np.column_stack([numbers[:, 0], levels, numbers[:, 1]]))
    some = np.column_stack([3.0 * numbers[:, 0], levels, 5.0 + numbers[:, 1]])[::2]
    rows = torch.from_numpy(table.encode(some)[0])
    space = CellSpace(table.design_, rows, None)
    x, states = space.enter(rows, None)
    assert states is None
    torch.testing.assert_close(x.mean(0), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        space.sum_to_cells(x.square().mean(0)), torch.ones(3), atol=1e-4, rtol=0
    )


def test_levels_that_the_given_rows_lack_are_unknown_and_cost_what_new_levels_would():
    table = TableEncoder(categorical_features=[0])
    levels = np.concatenate([np.repeat([0.0, 1.0], 50), [2.0], np.arange(3.0, 23.0)])
    table.fit(levels[:, None])
    rows = torch.from_numpy(table.encode(levels[:, None])[0])
    few, many = (
        CellSpace(table.design_, rows[:100], None),
        CellSpace(table.design_, rows[np.arange(121) != 100], None),
    )
    for space in few, many:
        x, states = space.enter(rows, None)
        assert states[100] == UNKNOWN
        assert (x[100] == 0).all()
        assert (states[:100] == OBSERVED).all()
    # Never a new level in 100 rows: odds of 100 to 1. 20 of 120 are: 100 to 21.
    assert few.unseen_cost.item() == pytest.approx(
        compress(torch.tensor(10.0)).item() ** 2, rel=1e-5
    )
    assert many.unseen_cost.item() == pytest.approx(100 / 21, rel=1e-5)


def test_axes_and_what_lies_beyond_them_make_up_the_whole_error():
    x = torch.randn(400, 150, generator=torch.Generator().manual_seed(0)).double()
    projection = PCAProjection(x[:200].float(), np.random.RandomState(0))
    z = projection.transform(x)
    restored = z + 0.3
    by_cell = (x - projection.inverse_transform(restored)).square().sum(1)
    torch.testing.assert_close(
        (restored - z).square().sum(1) + projection.squared_residual(x, z),
        by_cell,
        rtol=1e-4,
        atol=1e-4,
    )


# ---------------------------------------------------------------- the filter


def test_far_rows_are_left_out_and_ordinary_ones_stay():
    rng = np.random.default_rng(0)
    ordinary = rng.normal(size=(500, 3)) @ rng.normal(size=(3, 3))
    far = 30 + rng.normal(size=(20, 3))
    kept = typical_rows(np.vstack([ordinary, far]), 0.2)
    assert (kept < 500).all()
    assert len(kept) > 480


def test_no_more_rows_are_left_out_than_allowed_and_the_farthest_go_first():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(100, 1)), 50.0 + np.arange(30)[:, None]])
    assert len(typical_rows(x, 0.0)) == 130
    kept = typical_rows(x, 0.1)
    assert set(range(130)) - set(kept) == set(range(117, 130))


def test_rows_that_are_mostly_alike_are_not_far_from_each_other():
    """Half of the distances are equal: their spread is rounding."""
    x = np.repeat([[0.0, 0.0], [1.0, 0.5], [0.5, 1.0]], [60, 25, 25], axis=0)
    assert len(typical_rows(x, 0.2)) == 110


# ---------------------------------------------------------------- the configuration


def test_what_is_known_of_the_rows_settles_the_configuration():
    robust, sharp = (
        choose_config(AEAnomalyDetector(contamination=c)) for c in ("auto", 0.0)
    )
    assert robust.max_samples == ROBUST["max_samples"]
    assert sharp.max_samples == SHARP["max_samples"]
    assert choose_config(AEAnomalyDetector(contamination=0.1)).max_trim == 0.1
    chosen = choose_config(
        AEAnomalyDetector(
            n_estimators=6, max_samples=[8, 0.5], noise=[0.1, 0.4], hidden_layer_sizes=7
        )
    )
    assert (chosen.n_estimators, chosen.max_samples, chosen.noise) == (
        6,
        (8, 0.5),
        (0.1, 0.4),
    )
    assert chosen.hidden_layer_sizes == (7,)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_samples": [16, 1]}, r"max_samples=\[16, 1\] holds 1; .*2 or more"),
        ({"max_samples": []}, r"max_samples=\[\] is empty"),
        ({"noise": [0.1, -1.0]}, r"noise=\[0.1, -1.0\] holds -1.0; .*0 or more"),
        ({"hidden_layer_sizes": (8, 0)}, r"hidden_layer_sizes=\(8, 0\) holds 0"),
        ({"n_estimators": 2, "n_folds": 3}, "n_estimators=2 is less than n_folds=3"),
        (
            {"n_estimators": 1, "contamination": 0.0},
            "n_estimators=1 is less than n_folds=2",
        ),
    ],
)
def test_impossible_configuration(X, parameters, message):
    with pytest.raises(ValueError, match=message):
        AEAnomalyDetector(**parameters).fit(X)


def test_members_differ_in_their_rows(X):
    detector = AEAnomalyDetector(
        max_samples=[8, 0.5, 40], n_estimators=6, max_trim=0.0, random_state=0
    )
    detector.fit(X)
    assert sorted(set(detector.max_samples_)) == [8, 30, 40]
    assert detector.network_.n_networks == 6


def test_a_clump_does_not_hide_itself():
    """Its weight pulls the mean and the covariance of all rows towards it."""
    rng = np.random.default_rng(0)
    clump = np.r_[6.0, 6.0, 6.0, 0.0, 0.0, 0.0] + 0.1 * rng.normal(size=(70, 6))
    kept = typical_rows(np.vstack([rng.normal(size=(700, 6)), clump]), 0.2)
    assert (kept < 700).all()
    assert len(kept) > 670


def test_the_larger_the_share_of_anomalies_the_smaller_the_subsets():
    sizes = [
        choose_config(AEAnomalyDetector(contamination=c)).max_samples
        for c in (0.001, 0.02, 0.3)
    ]
    assert sizes == [(256, 512, 1024), (25, 50, 100), (8, 16, 32)]
