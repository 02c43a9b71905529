import pickle

import numpy as np
import pytest
import torch

from skae._pca import principal_axes
from skae._table import TableEncoder
from skae.losses import NegativeELBO, SquaredError
from skae.networks import ACTIVATIONS, Autoencoder, LinearPlusMLP, VariationalAutoencoder
from skae.networks.residual import Dropout

N_FEATURES, N_COMPONENTS = 6, 2


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _block(hidden=(8, 4), activation="tanh", dropout=0.0, reach=5.0, seed=0):
    settings = hidden, activation, dropout, reach, _generator(seed)
    return LinearPlusMLP(N_FEATURES, N_COMPONENTS, *settings)


def _autoencoder(hidden=(8, 4), activation="tanh", dropout=0.0, reach=5.0, seed=0):
    settings = hidden, activation, dropout, reach, _generator(seed)
    return Autoencoder(N_FEATURES, N_FEATURES, N_COMPONENTS, *settings)


def _variational(hidden=(8, 4), activation="tanh", dropout=0.0, reach=5.0, seed=0):
    settings = hidden, activation, dropout, reach, _generator(seed), 1e-4
    return VariationalAutoencoder(
        N_FEATURES, N_FEATURES, N_FEATURES, N_COMPONENTS, *settings
    )


NETWORKS = {"autoencoder": _autoencoder, "variational": _variational}
LAYOUT = TableEncoder().fit(np.eye(2, N_FEATURES)).layout_
CRITERIA = {"autoencoder": SquaredError(LAYOUT), "variational": NegativeELBO(LAYOUT, 1.0)}
AS_IT_IS = torch.ones(N_FEATURES), torch.zeros(N_FEATURES)


@pytest.fixture(params=NETWORKS)
def name(request):
    return request.param


@pytest.fixture
def x():
    mixing = torch.randn(N_FEATURES, N_FEATURES, generator=_generator(1))
    return torch.randn(40, N_FEATURES, generator=_generator(2)) @ mixing / 2


def _reconstruction(network, x):
    output = network(x)
    return output[0] if isinstance(output, tuple) else output


@pytest.mark.parametrize("hidden", [(), (8,), (8, 4)])
def test_shapes(name, x, hidden):
    network = NETWORKS[name](hidden)
    assert network.encode(x).shape == (40, N_COMPONENTS)
    assert network.decoder(network.encode(x)).shape == x.shape
    assert _reconstruction(network, x).shape == x.shape
    assert CRITERIA[name](network(x), x).shape == (40,)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradient_reaches_every_parameter(name, x, activation):
    network = NETWORKS[name](activation=activation)
    CRITERIA[name](network(x), x).mean().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().sum() > 0, key


def test_three_steps_from_the_pca_start_move_every_correction(name, x):
    """Last layers start at zero: first the decoder's learns, then the encoder's, then all."""
    network = NETWORKS[name]()
    network.start_from_pca(_pca(x), *AS_IT_IS)
    before = {key: value.clone() for key, value in network.named_parameters()}
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        CRITERIA[name](network(x), x).mean().backward()
        optimizer.step()
    for key, value in network.named_parameters():
        if value.requires_grad:
            assert not torch.equal(value, before[key]), key
    learned = {key for key, value in network.named_parameters() if value.requires_grad}
    assert {key for key in before if "correction" in key} <= learned


def test_deterministic_in_eval(name, x):
    network = NETWORKS[name](dropout=0.5).eval()
    state = torch.get_rng_state()
    torch.testing.assert_close(
        _reconstruction(network, x), _reconstruction(network, x), rtol=0, atol=0
    )
    assert torch.equal(torch.get_rng_state(), state)


def test_pickles(name, x):
    network = NETWORKS[name]().eval()
    again = pickle.loads(pickle.dumps(network))
    assert torch.equal(_reconstruction(again, x), _reconstruction(network, x))


def test_state_dict_holds_all_that_is_learned(name, x):
    network = NETWORKS[name]().eval()
    network.start_from_pca(_pca(x), *AS_IT_IS)
    other = NETWORKS[name](seed=1).eval()
    other.load_state_dict(network.state_dict())
    assert torch.equal(_reconstruction(other, x), _reconstruction(network, x))
    assert torch.equal(other.encode(x), network.encode(x))


def test_initial_weights_follow_the_generator(name, x):
    state = torch.get_rng_state()
    one, same, other = (NETWORKS[name](seed=seed).eval() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one.encode(x), same.encode(x))
    assert not torch.allclose(one.encode(x), other.encode(x))


def _pca(x):
    return principal_axes(x - x.mean(0), None, N_COMPONENTS, None)


def test_start_is_the_projection_on_the_principal_axes(x):
    pca = _pca(x)
    network = _autoencoder()
    network.start_from_pca(pca, *AS_IT_IS)
    torch.testing.assert_close(network.encode(x), x @ pca.axes)
    torch.testing.assert_close(network(x), x @ pca.axes @ pca.axes.T)


def test_forward_is_decoder_after_encoder(name, x):
    network = NETWORKS[name]().eval()
    network.start_from_pca(_pca(x), *AS_IT_IS)
    torch.testing.assert_close(
        _reconstruction(network, x), network.decoder(network.encode(x))
    )


def test_variational_start_is_the_exact_posterior(x):
    """q(z|x) = N(M^-1 W'x, s M^-1) with M = W'W + s I (Tipping & Bishop, eq. 6)."""
    x = x - x.mean(0)
    network = _variational()
    network.start_from_pca(_pca(x), *AS_IT_IS)
    loadings, noise = network.decoder.linear.weight, network.noise_variance()
    torch.testing.assert_close(noise, noise[:1].expand(N_FEATURES))
    inner = loadings.T @ loadings + noise[0] * torch.eye(N_COMPONENTS)
    mean, log_variance = network.posterior(x)
    torch.testing.assert_close(mean, torch.linalg.solve(inner, loadings.T @ x.T).T)
    covariance = noise[0] * torch.linalg.inv(inner)
    torch.testing.assert_close(log_variance[0].exp(), covariance.diag())
    torch.testing.assert_close(covariance, covariance.diag().diag(), atol=1e-5, rtol=0)


def test_variational_draws_have_the_posterior_distribution(x):
    network = _variational().train()
    network.start_from_pca(_pca(x), *AS_IT_IS)
    network.decoder = torch.nn.Identity()  # shows the code itself
    network.generator = _generator()
    with torch.no_grad():
        draws = torch.stack([network(x[:3])[0] for _ in range(4000)])
        mean, log_variance = network.posterior(x[:3])
    torch.testing.assert_close(draws.mean(0), mean, atol=0.08, rtol=0)
    torch.testing.assert_close(draws.var(0), log_variance.exp(), rtol=0.1, atol=0)


def test_noise_variance_has_a_floor():
    network = _variational()
    with torch.no_grad():
        network.raw_noise.fill_(-100.0)
    torch.testing.assert_close(network.noise_variance(), torch.full((N_FEATURES,), 1e-4))


def test_beyond_the_reach_only_the_linear_map_goes_on():
    block = _block(reach=2.0)
    edge, far = torch.full((1, N_FEATURES), 2.0), torch.full((1, N_FEATURES), 50.0)
    torch.testing.assert_close(
        block(far) - block(edge), block.linear(far) - block.linear(edge)
    )
    inside = torch.full((1, N_FEATURES), 1.0)
    bent = (block(edge) - block(inside)) - (block.linear(edge) - block.linear(inside))
    assert bent.abs().max() > 1e-3


def test_no_hidden_layer_is_a_linear_map(x):
    block = _block(hidden=())
    torch.testing.assert_close(block(2 * x) - block(x), block(x) - block(0 * x))


def test_dropout_draws_from_the_generator_it_is_lent():
    dropout = Dropout(0.25).train()
    dropout.generator = _generator()
    state = torch.get_rng_state()
    out = dropout(torch.ones(100, 100))
    assert torch.equal(torch.get_rng_state(), state)
    assert out.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert out.mean().item() == pytest.approx(1.0, abs=0.03)


def test_dropout_without_a_generator_is_the_ordinary_one():
    dropout = Dropout(0.25)
    assert torch.equal(dropout.eval()(torch.ones(50)), torch.ones(50))
    assert 0.0 in dropout.train()(torch.ones(50))
