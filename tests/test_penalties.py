import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from skae import AutoencoderTransformer
from skae.architectures.architecture import Layers
from skae.metrics import reconstruction_r2
from skae.models.code_activations import CODE_ACTIVATIONS
from skae.models.deterministic import DeterministicModel
from skae.penalties import (
    Contractive,
    KLSparsity,
    L1Activity,
    NeighborEmbedding,
    Orthogonal,
    Penalty,
)
from skae.penalties.contractive import jacobian
from skae.penalties.together import Penalties, shared_code_activation
from skae.table.encoder import TableEncoder

pytestmark = pytest.mark.rounding

PENALTIES = [L1Activity(0.3), KLSparsity(0.1), Contractive(0.1), Orthogonal()]
PENALTIES += [NeighborEmbedding()]


def _normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _network(code_activation=None, activation="tanh"):
    layers = Layers((8, 4), activation, 0.0, 5.0, torch.Generator().manual_seed(0))
    design = TableEncoder().fit(np.eye(2, 6)).design_
    return DeterministicModel(
        design, 3, layers, code_activation=code_activation, train_linear=True
    )


@pytest.fixture(params=PENALTIES, ids=lambda penalty: type(penalty).__name__)
def penalty(request):
    return request.param


def test_costs_reach_every_parameter_of_the_encoder(penalty):
    network, x = _network(penalty.code_activation).train(), _normal(20, 6)
    output, costs = Penalties([penalty])(network, x)
    torch.testing.assert_close(output, network(x))
    (costs.mean()).backward()
    for name, parameter in network.encoder.named_parameters():
        # No bias moves a linear map's Jacobian, no shift a correlation.
        if name != "block.linear.bias" and not name.endswith("correction.4.bias"):
            assert parameter.grad.abs().sum() > 0, name


def test_costs_are_of_the_codes_of_transform(penalty):
    network, x = _network(penalty.code_activation), _normal(20, 6)
    network.encoder.code_scale.copy_(torch.tensor([1.0, 2.0, 5.0]))
    seen = []

    class Watch(type(penalty)):
        def penalise(self, codes, x, weights):
            seen.append(codes)
            return super().penalise(codes, x, weights)

    Penalties([Watch(**penalty.get_params())])(network, x)
    unit = network.encoder.code_scale if penalty.relative else 1.0
    torch.testing.assert_close(unit * seen[0], network.encode(x))


def test_without_gradients_costs_are_the_same(penalty):
    network, x = _network(penalty.code_activation).eval(), _normal(20, 6)
    expected = Penalties([penalty])(network, x)[1].detach()
    with torch.no_grad():
        output, costs = Penalties([penalty])(network, x)
    torch.testing.assert_close(costs, expected)
    assert not costs.requires_grad
    assert not output.requires_grad


@pytest.mark.parametrize("penalty", [p for p in PENALTIES if p.scale_free])
def test_scale_free_costs_have_no_unit(penalty):
    network, x = _network(), _normal(20, 6).requires_grad_()
    costs = [penalty.penalise(c * network.encode(x), x, None) for c in (1.0, 100.0)]
    torch.testing.assert_close(*costs)


def test_weight_of_two_costs_as_a_row_twice(penalty):
    network, x = _network(penalty.code_activation), _normal(6, 6)
    weights = torch.tensor([2.0, 1.0, 1.0, 0.0, 1.0, 1.0])
    rows = [0, 0, 1, 2, 4, 5]
    codes = network.encode(x.requires_grad_())
    weighted = penalty.penalise(codes, x, weights)
    if weighted.ndim:
        weighted = (weighted * weights).mean()
    again = x.detach()[rows].requires_grad_()
    repeated = penalty.penalise(network.encode(again), again, None).mean()
    torch.testing.assert_close(weighted, repeated)


@pytest.mark.parametrize("activation", ["tanh", "relu", "silu", "gelu", "logistic"])
@pytest.mark.parametrize("code_activation", [None, *CODE_ACTIVATIONS])
def test_contractive_is_the_exact_jacobian(activation, code_activation):
    network, x = _network(code_activation, activation), _normal(60, 6).requires_grad_()
    codes = network.encode(x)
    # The inverse covariance of 60 rows is 59 / 55 of what it should be, on average.
    inverse = torch.linalg.inv(torch.cov(codes.detach().T)) * 55 / 59
    costs = Contractive().penalise(codes, x, None)
    for row, cost in zip(x.detach()[:5], costs[:5], strict=True):
        jacobian = torch.autograd.functional.jacobian(network.encode, row[None])[0, :, 0]
        expected = torch.einsum("kp,kl,lp", jacobian, inverse, jacobian)
        torch.testing.assert_close(cost, expected, rtol=0.01, atol=0)


def test_contractive_codes_that_are_mixed_cost_the_same():
    network, x = _network(), _normal(80, 6).requires_grad_()
    mixing = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0], [0.5, 0.0, 3.0]])
    codes = network.encode(x)
    costs = [Contractive().penalise(z, x, None) for z in (codes, codes @ mixing)]
    torch.testing.assert_close(*costs, rtol=0.01, atol=0)


def test_contractive_of_few_rows_takes_every_code_by_itself():
    """Its diagonal is what is known of a covariance then."""
    x = _normal(9, 6).requires_grad_()
    costs = Contractive().penalise(x * torch.arange(1.0, 7.0), x, None)
    expected = (6 / 8) * (1 / x.detach().var(dim=0)).sum()
    torch.testing.assert_close(costs, expected.expand(9))


@pytest.mark.parametrize("n_rows", [1, 2, 3])
def test_contractive_says_nothing_of_too_few_rows(n_rows):
    x = _normal(n_rows, 6).requires_grad_()
    assert Contractive().penalise(3.0 * x, x, None) == 0.0


def test_kl_sparsity_is_zero_at_its_target_only():
    codes = torch.full((10, 4), 0.2)
    assert KLSparsity(0.2).penalise(codes, None, None).item() == pytest.approx(
        0.0, abs=1e-6
    )
    expected = 0.1 * np.log(0.1 / 0.2) + 0.9 * np.log(0.9 / 0.8)
    assert KLSparsity(0.1).penalise(codes, None, None).item() == pytest.approx(
        expected, rel=1e-4
    )


def test_orthogonal_is_the_mean_squared_correlation():
    codes = _normal(50, 3) @ _normal(3, 3, seed=1) + 7.0
    correlations = np.corrcoef(codes.T.numpy())
    expected = (correlations[np.triu_indices(3, 1)] ** 2).mean()
    cost = Orthogonal().penalise(100.0 * codes, None, None)
    assert cost.item() == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("n_codes", [1, 2])
def test_orthogonal_of_one_row_or_one_code_or_none_that_varies(n_codes):
    for codes in (torch.ones(1, n_codes), torch.ones(5, n_codes)):
        codes.requires_grad_()
        cost = Orthogonal().penalise(codes, None, None)
        (cost + 0.0 * codes.sum()).backward()
        assert cost.item() == 0.0
        assert torch.isfinite(codes.grad).all()


def test_two_kinds_of_codes_are_an_error():
    assert shared_code_activation([L1Activity(), Contractive()]) == "shrink"
    with pytest.raises(ValueError, match=r"L1Activity and KLSparsity.*use one"):
        shared_code_activation([L1Activity(), KLSparsity()])


# ------------------------------------------------- what each of them is known for


def _dense(curved, n_components, *penalties, max_iter=50):
    params = {"max_iter": max_iter, "refit": False, "random_state": 0}
    estimator = AutoencoderTransformer(n_components, penalties=list(penalties), **params)
    return estimator.fit(curved.train)


def test_sparse_codes_are_zero_but_few(curved):
    sparse = _dense(curved, 16, L1Activity(1.2))
    codes = sparse.transform(curved.test)
    assert (codes == 0).mean() > 0.6
    assert (codes != 0).any(axis=0).sum() >= 8
    assert reconstruction_r2(sparse, curved.test) > 0.9


def test_wide_codes_start_at_pca():
    """Every one of them at work, and nothing lost."""
    X = np.random.default_rng(0).normal(size=(200, 4))
    start = AutoencoderTransformer(
        8, penalties=[L1Activity(0.0)], max_iter=1, learning_rate_init=1e-9, random_state=0
    ).fit(X)
    assert (start.transform(X).std(axis=0) > 0.1).all()
    assert reconstruction_r2(start, X) > 0.98


def test_codes_are_as_active_as_asked(curved):
    for target in (0.1, 0.3):
        codes = _dense(curved, 8, KLSparsity(target)).transform(curved.test)
        assert ((codes > 0) & (codes < 1)).all()
        assert codes.mean() == pytest.approx(target, rel=0.2)


def test_contractive_codes_move_less(curved):
    """By themselves and, as they keep the scale of PCA's, in units of their own."""

    def norms(estimator):
        x = ((curved.test - curved.train.mean(0)) / curved.train.std(0)).astype("f4")
        x = torch.from_numpy(x).to(estimator.device_).requires_grad_()
        codes = estimator.encoder_(x)
        raw = jacobian(codes, x).square().sum(dim=(0, 2)).mean()
        return torch.stack([raw, Contractive().penalise(codes, x, None).mean()])

    plain, contractive = _dense(curved, 2), _dense(curved, 2, Contractive(0.1))
    # Of four seeds 0.62 to 0.71 times; without the penalty as much.
    assert (norms(contractive) < 0.85 * norms(plain)).all()
    r2 = [reconstruction_r2(e, curved.test) for e in (plain, contractive)]
    assert r2[1] > r2[0] - 0.05
    codes = PCA(2).fit_transform(curved.train / curved.train.std(0))
    np.testing.assert_allclose(
        contractive.transform(curved.train).std(0), codes.std(0), rtol=0.1
    )


def test_orthogonal_codes_are_uncorrelated(curved):
    def correlation(estimator):
        codes = estimator.transform(curved.test)
        return np.abs(np.corrcoef(codes.T)[np.triu_indices(3, 1)]).mean()

    plain, orthogonal = (
        AutoencoderTransformer(
            3,
            penalties=penalties,
            init="random",
            max_iter=40,
            refit=False,
            random_state=0,
        ).fit(curved.train)
        for penalties in ([Orthogonal(1e-6)], [Orthogonal()])
    )
    assert correlation(orthogonal) < 0.1 < correlation(plain)


def test_scores_are_of_the_reconstruction_alone(curved):
    estimator = _dense(curved, 2, Contractive(0.1), max_iter=5)
    back = estimator.inverse_transform(estimator.transform(curved.test))
    errors = (((back - curved.test) / curved.train.std(axis=0)) ** 2).mean(axis=1)
    np.testing.assert_allclose(estimator.score_samples(curved.test), -errors, rtol=1e-3)


def test_neighbors_stay_neighbors_of_fresh_rows_too():
    X, y = load_digits(return_X_y=True)
    train, test = slice(0, 900), slice(900, 1400)
    accuracies = {}
    for name, penalties in {"plain": None, "map": NeighborEmbedding()}.items():
        fitted = AutoencoderTransformer(
            2, penalties=penalties, early_stopping=False, max_iter=60, random_state=0
        ).fit(X[train])
        codes = [fitted.transform(X[part]) for part in (train, test)]
        labels = KNeighborsClassifier(10).fit(codes[0], y[train])
        accuracies[name] = labels.score(codes[1], y[test])
    assert accuracies["map"] > accuracies["plain"] + 0.04


def test_codes_of_neighbors_cost_least_where_they_are_near():
    x = _normal(40, 6)
    penalty = NeighborEmbedding()
    costs = [penalty.penalise(codes, x, None) for codes in (x, _normal(40, 6, seed=1))]
    assert costs[0] < costs[1] - 0.5
    # All pairs alike cost nothing, either way.
    assert penalty.penalise(torch.eye(40), x, None) == pytest.approx(0.0, abs=1e-5)


def test_distances_count_beside_neighbors():
    """Groups that lie in a row stay in it; neighbours alone may put the last in the middle."""
    ends, noise = torch.arange(3.0).repeat_interleave(20) * 10, _normal(20, 3).repeat(3, 1)
    x = ends[:, None] * torch.tensor([1.0, 0.0, 0.0]) + noise
    swapped = x.clone()
    swapped[20:] = swapped[20:].roll(20, 0)
    neighbors = NeighborEmbedding(global_weight=0.0)
    costs = [neighbors.penalise(codes, x, None).item() for codes in (x, swapped)]
    assert costs[0] == pytest.approx(costs[1], abs=0.02)
    both = NeighborEmbedding(global_weight=1.0)
    costs = [both.penalise(codes, x, None) for codes in (x, swapped)]
    assert costs[0] < costs[1] - 0.5


def test_equal_rows_are_no_neighbors():
    x = torch.cat([_normal(5, 6)] * 4)
    codes = _normal(20, 2).requires_grad_()
    cost = NeighborEmbedding(n_neighbors=3).penalise(codes, x, None)
    cost.backward()
    assert torch.isfinite(codes.grad).all()
    for alike in (torch.ones(7, 6), torch.zeros(7, 6), torch.ones(1, 6)):
        assert NeighborEmbedding().penalise(_normal(len(alike), 2), alike, None) == 0
    equal = torch.zeros(20, 2).requires_grad_()
    NeighborEmbedding().penalise(equal, x, None).backward()
    assert torch.isfinite(equal.grad).all()


def test_a_penalty_of_ones_own(curved):
    class Small(Penalty):
        def __init__(self, weight=1.0):
            self.weight = weight

        def penalise(self, codes, x, weights):
            return codes.square().mean(dim=1)

    plain, small = (_dense(curved, 2, *p, max_iter=20) for p in ([], [Small(1.0)]))
    assert small.transform(curved.test).std() < 0.5 * plain.transform(curved.test).std()


@pytest.mark.parametrize("value", [True, np.True_, 0, 1.5])
def test_neighbors_are_counted_in_whole_numbers(value):
    model = AutoencoderTransformer(2, penalties=NeighborEmbedding(n_neighbors=value))
    with pytest.raises(ValueError, match=r"'n_neighbors' .* must be an int .*Got"):
        model.fit(np.random.default_rng(0).normal(size=(40, 4)))
