import pickle
from functools import partial

import numpy as np
import pytest
import torch

from skae.adversarial import AdversarialError
from skae.architectures import ACTIVATIONS, Convolutional, LinearPlusMLP, Modules, Recurrent
from skae.architectures.linear_plus import Dropout
from skae.architectures.recurrent import clock, told_the_time
from skae.models.adversarial import AdversarialAutoencoder
from skae.models.code_activations import UNITS
from skae.models.deterministic import Autoencoder
from skae.models.losses import NegativeELBO, SquaredError
from skae.models.quantized import QuantizedAutoencoder
from skae.models.variational import VariationalAutoencoder
from skae.table.encoder import TableEncoder
from skae.models.principal_axes import principal_axes
from skae.vqvae import CommittedError

pytestmark = pytest.mark.rounding

N_FEATURES, N_COMPONENTS = 6, 2


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _block(hidden=(8, 4), activation="tanh", dropout=0.0, reach=5.0, seed=0):
    settings = hidden, activation, dropout, reach, _generator(seed)
    return LinearPlusMLP(N_FEATURES, N_COMPONENTS, *settings)


def _autoencoder(hidden=(8, 4), activation="tanh", dropout=0.0, reach=5.0, seed=0, **more):
    settings = hidden, activation, dropout, reach, _generator(seed)
    return Autoencoder(N_FEATURES, N_FEATURES, N_COMPONENTS, *settings, **more)


def _variational(hidden=(8, 4), activation="tanh", dropout=0.0, reach=5.0, seed=0, **more):
    settings = hidden, activation, dropout, reach, _generator(seed), 1e-4
    return VariationalAutoencoder(
        N_FEATURES, N_FEATURES, N_FEATURES, N_COMPONENTS, *settings, **more
    )


def _quantized(hidden=(8, 4), activation="tanh", dropout=0.0, reach=5.0, seed=0, **more):
    settings = hidden, activation, dropout, reach, _generator(seed)
    network = QuantizedAutoencoder(
        N_FEATURES, N_FEATURES, N_COMPONENTS, 1, 9, *settings, **more
    )
    entries = torch.randn(1, 9, N_COMPONENTS, generator=_generator(seed))
    network.quantizer.start_from(entries, torch.full((1, 9), 1 / 9))
    return network


def _adversarial(hidden=(8, 4), activation="tanh", dropout=0.0, reach=5.0, seed=0, **more):
    settings = hidden, activation, dropout, reach, (8,), 0.1, _generator(seed)
    return AdversarialAutoencoder(N_FEATURES, N_FEATURES, N_COMPONENTS, *settings, **more)


# An architecture is added here, in one line.
ARCHITECTURES = {
    "image": Convolutional((2, 3), (8, 8), kernel_size=1, activation=None),
    "channels": Convolutional((2, 1, 3), 8, kernel_size=1, activation=None),
    "even kernel": Convolutional((2, 3), 8, kernel_size=2, activation=None),
    "max_pool": Convolutional((3, 2), 8, 2, downsampling="max_pool", activation=None),
    "average_pool": Convolutional((2, 3), (8, 4), 1, downsampling="average_pool"),
    "gru": Recurrent(3, 2, hidden_size=8),
    "lstm": Recurrent(6, cell="lstm", hidden_size=8),
}
NETWORKS = {
    "autoencoder": _autoencoder,
    "variational": _variational,
    "tied": partial(_autoencoder, tied=True),
    "quantized": _quantized,
    "quantized image": partial(_quantized, network=ARCHITECTURES["image"]),
    "adversarial": _adversarial,
    "adversarial gru": partial(_adversarial, network=ARCHITECTURES["gru"]),
    **{name: partial(_autoencoder, network=made) for name, made in ARCHITECTURES.items()},
    **{
        f"variational {name}": partial(_variational, network=made)
        for name, made in ARCHITECTURES.items()
    },
}
LAYOUT = TableEncoder().fit(np.eye(2, N_FEATURES)).layout_
LOSSES = {
    _variational: NegativeELBO(LAYOUT, 1.0),
    _quantized: CommittedError(LAYOUT, 0.25),
    _adversarial: AdversarialError(LAYOUT, 1.0),
    _autoencoder: SquaredError(LAYOUT),
}
CRITERIA = {name: LOSSES[getattr(make, "func", make)] for name, make in NETWORKS.items()}
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
        network.likelihood.raw_noise.fill_(-100.0)
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


def test_decoders_take_codes_of_any_shape(name):
    """Scoring a density decodes many draws of every row at once."""
    network = NETWORKS[name]().eval()
    codes = torch.randn(5, 4, N_COMPONENTS, generator=_generator())
    rows = network.decoder(codes)
    assert rows.shape == (5, 4, N_FEATURES)
    torch.testing.assert_close(rows[2], network.decoder(codes[2]))


@pytest.mark.parametrize("downsampling", ["stride", "max_pool", "average_pool"])
@pytest.mark.parametrize("size", [8, 9, 28, 33, 64])
@pytest.mark.parametrize("channels", [(4,), (4, 8, 8)])
@pytest.mark.parametrize("kernel_size", [3, 4])
def test_images_of_any_size(size, channels, kernel_size, downsampling):
    shape = size, size - 1, 2
    network = Convolutional(shape, channels, kernel_size, downsampling)
    n_pixels = 2 * size * (size - 1)
    settings = (), "relu", 0.0, 5.0, _generator()
    autoencoder = Autoencoder(n_pixels, n_pixels, 3, *settings, network=network)
    rows = torch.randn(2, n_pixels, generator=_generator(1))
    assert autoencoder.encode(rows).shape == (2, 3)
    assert autoencoder(rows).shape == rows.shape


def test_convolutions_see_rows_as_images():
    """Neighbours in both directions reach a pixel's unit, and no others."""
    network = Convolutional((8, 8), channels=(1,), kernel_size=3, activation=None)
    settings = (), "identity", 0.0, 5.0, _generator()
    stages = Autoencoder(64, 64, 1, *settings, network=network).encoder.block.correction
    x = torch.zeros(1, 64, requires_grad=True)
    stages.stages(x.reshape(1, 1, 8, 8)).reshape(4, 4)[1, 2].backward()
    rows, columns = x.grad.reshape(8, 8).nonzero().T
    assert sorted(set(rows.tolist())) == [1, 2, 3]
    assert sorted(set(columns.tolist())) == [3, 4, 5]


def test_pools_keep_the_largest_or_the_mean_of_four_pixels():
    image = torch.arange(15.0).reshape(1, 15)
    for downsampling, expected in (
        ("max_pool", [[6, 8, 9], [11, 13, 14]]),
        ("average_pool", [[3, 5, 6.5], [10.5, 12.5, 14]]),
    ):
        network = Convolutional((3, 5), 1, 1, downsampling, activation=None)
        settings = (), "identity", 0.0, 5.0, _generator()
        encoder = Autoencoder(15, 15, 1, *settings, network=network).encoder
        convolution, *rest = encoder.block.correction.stages
        with torch.no_grad():
            convolution.weight.fill_(1.0)
            convolution.bias.zero_()
            pooled = torch.nn.Sequential(convolution, *rest)(image.reshape(1, 1, 3, 5))
        assert pooled.reshape(2, 3).tolist() == expected


def test_channels_of_a_pixel_stand_side_by_side():
    """Rows are images of shape (height, width, channels), as numpy flattens them."""
    network = Convolutional((4, 5, 3), channels=(2,), kernel_size=1, activation=None)
    settings = (), "identity", 0.0, 5.0, _generator()
    autoencoder = Autoencoder(60, 60, 1, *settings, network=network)
    encoder = autoencoder.encoder.block.correction
    x = torch.zeros(1, 60, requires_grad=True)
    encoder(x).sum().backward()
    seen = x.grad.reshape(4, 5, 3).abs().sum(dim=2) > 0
    assert seen[::2, ::2].all()
    assert seen.sum() == 6  # kernels of one pixel, in strides of two
    decoder = autoencoder.decoder.block.correction
    decoder.stages = torch.nn.Upsample(size=(4, 5))
    decoder.first_shape = 2, 2, 3
    decoder.last.weight.data.copy_(
        torch.tensor([[1.0, 0], [0, 1], [1, 1]])[..., None, None]
    )
    decoder.last.bias.data.zero_()
    decoder.first.weight.data.zero_()
    decoder.first.bias.data.copy_(torch.arange(12.0))
    pixels = decoder(torch.zeros(1, 1)).reshape(4, 5, 3)
    assert pixels[0, 0].tolist() == [0.0, 6.0, 6.0]
    assert pixels[3, 4].tolist() == [5.0, 11.0, 16.0]


def test_recurrent_encoder_reads_the_steps_in_order():
    network = Recurrent(3, 2, hidden_size=8)
    block = _autoencoder(network=network).encoder.block.correction
    steps = torch.randn(1, 3, 2, generator=_generator())
    expected = block.last(block.cell(told_the_time(steps, block.clock))[0][:, 2])
    torch.testing.assert_close(block(steps.reshape(1, 6)), expected)


@pytest.mark.parametrize("n_steps", [1, 5, 64])
def test_the_clock_tells_steps_apart(n_steps):
    times = clock(n_steps)
    apart = torch.cdist(times, times) + torch.eye(n_steps)
    assert apart.min() > 0.04


def test_tied_decoder_has_no_weights_of_its_own(x):
    network = _autoencoder(tied=True)
    matrices = {key for key, value in network.named_parameters() if value.ndim == 2}
    assert all(key.startswith("encoder.") for key in matrices)
    pca = _pca(x)
    network.start_from_pca(pca, *AS_IT_IS)
    torch.testing.assert_close(network(x), x @ pca.axes @ pca.axes.T)
    torch.testing.assert_close(
        network.decoder.block.layer(0, torch.ones(1, 8)),
        torch.ones(1, 8) @ network.encoder.block.correction[0].weight
        + network.decoder.block.biases[0],
    )


@pytest.mark.parametrize("unit", UNITS)
def test_units_start_near_pca(x, unit):
    network, pca = _autoencoder(unit=unit), _pca(x)
    network.start_from_pca(pca, *AS_IT_IS)
    restored = x @ pca.axes @ pca.axes.T
    assert (network(x) - restored).norm() < 0.3 * restored.norm()


def test_modules_are_copied_and_trained_as_they_are(x):
    pair = (
        torch.nn.Linear(N_FEATURES, N_COMPONENTS),
        torch.nn.Linear(N_COMPONENTS, N_FEATURES),
    )
    network = _autoencoder(network=Modules(*pair))
    torch.testing.assert_close(network.encode(x), pair[0](x))
    torch.testing.assert_close(network(x), pair[1](pair[0](x)))
    with torch.no_grad():
        network.encoder.block.correction.weight.zero_()
    assert pair[0].weight.abs().sum() > 0


@pytest.mark.parametrize(
    ("encoder", "decoder", "message"),
    [
        (torch.nn.Linear(6, 3), torch.nn.Linear(2, 6), r"encoder .*\(2, 3\).*\(n, 2\)"),
        (torch.nn.Linear(6, 2), torch.nn.Linear(2, 5), r"decoder .*\(2, 5\).*\(n, 6\)"),
        (torch.nn.Linear(7, 2), torch.nn.Linear(2, 6), r"encoder .*takes 6 columns"),
        (torch.nn.Flatten(0), torch.nn.Linear(2, 6), r"encoder .*\(12,\)"),
    ],
)
def test_modules_of_other_shapes_are_an_error(encoder, decoder, message):
    with pytest.raises(ValueError, match=message):
        _autoencoder(network=Modules(encoder, decoder))
