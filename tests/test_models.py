"""Laws of the four models, with every architecture: shapes, gradients, starts, losses."""

import pickle
from functools import partial

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from skae.architectures import ACTIVATIONS, Convolutional, LinearPlusMLP, Modules, Recurrent
from skae.architectures.architecture import Layers
from skae.architectures.linear_plus import Dropout
from skae.architectures.recurrent import clock, with_clock
from skae.divergences import KL, MMD, SQUARED_ERRORS, Adversary, Unit
from skae.likelihoods import Gaussian
from skae.models.adversarial import AdversarialModel
from skae.models.code_activations import CODE_ACTIVATIONS
from skae.models.deterministic import DeterministicModel
from skae.models.discrepancy import prior_mmd
from skae.models.fitted_likelihood import FittedLikelihood
from skae.models.losses import ColumnLosses, squared_error
from skae.models.principal_axes import principal_axes
from skae.models.quantized import QuantizedModel
from skae.models.variational import VariationalModel
from skae.table.blocks import MISSING
from skae.table.encoder import TableEncoder
from skae.training.generators import use_generator

pytestmark = pytest.mark.rounding

N_FEATURES, N_COMPONENTS = 6, 2


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _numbers(n_features):
    """The design of a table of numbers."""
    return TableEncoder().fit(np.eye(2, n_features)).design_


DESIGN = _numbers(N_FEATURES)


def _layers(hidden=(8, 4), activation="tanh", dropout=0.0, clip=5.0, seed=0):
    return Layers(hidden, activation, dropout, clip, _generator(seed))


def _block(hidden=(8, 4), activation="tanh", dropout=0.0, clip=5.0, seed=0):
    settings = hidden, activation, dropout, clip, _generator(seed)
    return LinearPlusMLP(N_FEATURES, N_COMPONENTS, *settings)


def _squared(model, design=DESIGN):
    model.columns = ColumnLosses(design, squared_error, weighted=True)
    return model


def _deterministic(architecture=None, tied=False, code_activation=None, **layers):
    parts = DESIGN, N_COMPONENTS, _layers(**layers), architecture
    return _squared(DeterministicModel(*parts, tied=tied, code_activation=code_activation))


def _of_images(n_pixels, architecture, n_components=1, activation="identity"):
    layers = _layers((), activation)
    return DeterministicModel(_numbers(n_pixels), n_components, layers, architecture)


def _variational(architecture=None, divergence=None, **layers):
    center, scale = np.zeros(N_FEATURES), np.ones(N_FEATURES)
    likelihood = FittedLikelihood(Gaussian(), center, scale, 1e-4)
    divergence = KL() if divergence is None else divergence
    term = partial(divergence.build, N_COMPONENTS, Unit.nats(N_FEATURES))
    parts = DESIGN, N_COMPONENTS, _layers(**layers), likelihood, term, architecture
    model = VariationalModel(*parts)
    model.columns = ColumnLosses(DESIGN, likelihood, weighted=False)
    return model


def _quantized(architecture=None, seed=0, **layers):
    parts = DESIGN, N_COMPONENTS, _layers(seed=seed, **layers), 1, 9, architecture
    model = _squared(QuantizedModel(*parts))
    entries = torch.randn(1, 9, N_COMPONENTS, generator=_generator(seed))
    model.quantizer.start_from(entries, torch.full((1, 9), 1 / 9))
    model.commitment = 0.25
    return model


def _adversarial(architecture=None, **layers):
    term = partial(Adversary((8,), 0.1).build, N_COMPONENTS, SQUARED_ERRORS)
    parts = DESIGN, N_COMPONENTS, _layers(**layers), term, architecture
    return _squared(AdversarialModel(*parts))


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
MODELS = {
    "deterministic": _deterministic,
    "tied": partial(_deterministic, tied=True),
    "variational": _variational,
    "variational mmd": partial(_variational, divergence=MMD()),
    "variational adversary": partial(_variational, divergence=Adversary((8,))),
    "quantized": _quantized,
    "quantized image": partial(_quantized, ARCHITECTURES["image"]),
    "adversarial": _adversarial,
    "adversarial gru": partial(_adversarial, ARCHITECTURES["gru"]),
    **{name: partial(_deterministic, made) for name, made in ARCHITECTURES.items()},
    **{
        f"variational {name}": partial(_variational, made)
        for name, made in ARCHITECTURES.items()
    },
}
AS_IT_IS = torch.ones(N_FEATURES), torch.zeros(N_FEATURES)


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


@pytest.fixture
def x():
    mixing = torch.randn(N_FEATURES, N_FEATURES, generator=_generator(1))
    return torch.randn(40, N_FEATURES, generator=_generator(2)) @ mixing / 2


@pytest.fixture
def observed():
    """Most cells are; those of row 3 are all missing."""
    observed = torch.ones(40, N_FEATURES, dtype=torch.uint8)
    observed[:10, 0] = MISSING
    observed[5:15, 1] = MISSING
    observed[3] = MISSING
    return observed


def _losses(model, x):
    """Return the losses of rows, with the same draws at every call."""
    with use_generator(_generator(3), model):
        return model.losses(x, x, None)[0]


@pytest.mark.parametrize("hidden", [(), (8,), (8, 4)])
def test_shapes(name, x, observed, hidden):
    model = MODELS[name](hidden=hidden)
    assert model.encode(x).shape == (40, N_COMPONENTS)
    assert model.decode(model.encode(x)).shape == x.shape
    losses, reconstruction = model.losses(x, x, observed)
    assert losses.shape == (40,)
    assert reconstruction.shape == model(x).shape == x.shape
    assert model.score(x, observed).shape == model.error(x, observed).shape == (40,)
    assert model.cell_errors(x, observed).shape == (40, N_FEATURES)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradient_reaches_every_parameter(name, x, activation):
    model = MODELS[name](activation=activation)
    _losses(model, x).mean().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().sum() > 0, key


def test_three_steps_from_the_pca_start_move_every_correction(name, x):
    """Last layers start at zero: first the decoder's learns, then the encoder's, then all."""
    model = MODELS[name]()
    model.start_from_pca(_pca(x), *AS_IT_IS)
    before = {key: value.clone() for key, value in model.named_parameters()}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        _losses(model, x).mean().backward()
        optimizer.step()
    for key, value in model.named_parameters():
        if value.requires_grad:
            assert not torch.equal(value, before[key]), key
    learned = {key for key, value in model.named_parameters() if value.requires_grad}
    assert {key for key in before if "correction" in key} <= learned


def test_deterministic_in_eval(name, x):
    model = MODELS[name](dropout=0.5).eval()
    state = torch.get_rng_state()
    for function in (model, model.encode, lambda x: model.losses(x, x, None)[0]):
        torch.testing.assert_close(function(x), function(x), rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), state)


def test_pickles(name, x):
    model = MODELS[name]().eval()
    again = pickle.loads(pickle.dumps(model))
    assert torch.equal(again(x), model(x))
    assert torch.equal(again.score(x, None), model.score(x, None))


def test_state_dict_holds_all_that_is_learned(name, x):
    model = MODELS[name]().eval()
    model.start_from_pca(_pca(x), *AS_IT_IS)
    other = MODELS[name](seed=1).eval()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(x), model(x))
    assert torch.equal(other.encode(x), model.encode(x))
    assert torch.equal(other.score(x, None), model.score(x, None))


def test_initial_weights_follow_the_generator(name, x):
    state = torch.get_rng_state()
    one, same, other = (MODELS[name](seed=seed).eval() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one.encode(x), same.encode(x))
    assert not torch.allclose(one.encode(x), other.encode(x))


def _pca(x):
    return principal_axes(x - x.mean(0), None, N_COMPONENTS, None)


def test_start_is_the_projection_on_the_principal_axes(x):
    pca = _pca(x)
    model = _deterministic()
    model.start_from_pca(pca, *AS_IT_IS)
    torch.testing.assert_close(model.encode(x), x @ pca.axes)
    torch.testing.assert_close(model(x), x @ pca.axes @ pca.axes.T)


def test_forward_is_decoder_after_encoder(name, x):
    model = MODELS[name]().eval()
    model.start_from_pca(_pca(x), *AS_IT_IS)
    torch.testing.assert_close(model(x), model.decoder(model.encode(x)))


def test_variational_start_is_the_exact_posterior(x):
    """q(z|x) = N(M^-1 W'x, s M^-1) with M = W'W + s I (Tipping & Bishop, eq. 6)."""
    x = x - x.mean(0)
    model = _variational()
    model.start_from_pca(_pca(x), *AS_IT_IS)
    loadings, noise = model.decoder.block.linear.weight, model.likelihood.variance()
    torch.testing.assert_close(noise, noise[:1].expand(N_FEATURES))
    inner = loadings.T @ loadings + noise[0] * torch.eye(N_COMPONENTS)
    mean, log_variance = model.posterior(x)
    torch.testing.assert_close(mean, torch.linalg.solve(inner, loadings.T @ x.T).T)
    covariance = noise[0] * torch.linalg.inv(inner)
    torch.testing.assert_close(log_variance[0].exp(), covariance.diag())
    torch.testing.assert_close(covariance, covariance.diag().diag(), atol=1e-5, rtol=0)


def test_variational_draws_have_the_posterior_distribution(x):
    model, draws = _variational().train(), []
    model.start_from_pca(_pca(x), *AS_IT_IS)
    decode, x = model.decode, x[:3]
    model.decode = lambda codes: draws.append(codes) or decode(codes)
    with torch.no_grad(), use_generator(_generator(), model):
        for _ in range(4000):
            model.losses(x, x, None)
        mean, log_variance = model.posterior(x)
    draws = torch.stack(draws)
    torch.testing.assert_close(draws.mean(0), mean, atol=0.08, rtol=0)
    torch.testing.assert_close(draws.var(0), log_variance.exp(), rtol=0.1, atol=0)


# ------------------------------------------------------------------ what a row costs


def test_error_is_minus_the_score_where_there_is_no_density(name, x, observed):
    model = MODELS[name]().eval()
    errors = model.error(x, observed)
    assert (errors >= 0).all()
    if "variational" not in name:
        assert torch.equal(errors, -model.score(x, observed))
        parts = model.cell_errors(x, observed)
        n_observed = (observed > 0).sum(dim=1).clamp(min=1)
        torch.testing.assert_close(errors, parts.sum(dim=1) / n_observed)


def test_missing_cells_cost_nothing(name, x, observed):
    model, other = MODELS[name]().eval(), x.clone()
    parts = model.cell_errors(x, observed)
    assert (parts[observed == MISSING] == 0).all()
    assert (parts[15:].mean(dim=0) > 0).all()
    other[observed == MISSING] = 50.0
    losses, expected = (model.losses(x, rows, observed)[0] for rows in (other, x))
    assert torch.equal(losses, expected)
    assert not torch.equal(model.losses(x, other, None)[0], model.losses(x, x, None)[0])


def test_weight_of_two_moves_the_model_like_a_row_twice(name, x):
    model = MODELS[name]().eval()  # in which codes are not drawn
    weights = torch.tensor([2.0, 1.0, 1.0, 0.0, 1.0, 1.0])

    def gradients(rows, weights):
        model.zero_grad()
        losses, _ = model.losses(rows, rows, None, weights)
        (losses if weights is None else losses * weights).mean().backward()
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        return torch.cat([grad.flatten() for grad in grads])

    weighted = gradients(x[:6], weights)
    repeated = gradients(x[[0, 0, 1, 2, 4, 5]], None)
    torch.testing.assert_close(weighted, repeated, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(weighted, gradients(x[:6], None), rtol=0.01)


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_variational_loss_is_distortion_plus_beta_times_divergence(x, observed, beta):
    model = _variational().train()
    model.divergence_weight = beta
    with use_generator(_generator(), model):
        losses, mean = model.losses(x, x, observed)
    noise = Normal(mean, model.likelihood.variance().sqrt())
    distortion = (-noise.log_prob(x) * (observed > 0)).sum(dim=-1)
    torch.testing.assert_close(losses, distortion + beta * _kl(model, x))


def _kl(model, x):
    mean, log_variance = model.posterior(x)
    posterior = Normal(mean, (0.5 * log_variance).exp())
    return kl_divergence(posterior, Normal(0.0, 1.0)).sum(dim=-1)


def test_annealing_counts_in_training_only(x):
    model = _variational()
    model.divergence_weight, model.annealing = 2.0, 0.25
    for training, weight in ((True, 0.5), (False, 2.0)):
        model.train(training).divergence_weight = 2.0
        losses = _losses(model, x)
        model.divergence_weight = 0.0
        torch.testing.assert_close(losses - _losses(model, x), weight * _kl(model, x))


def test_free_bits_are_given_in_training_only(x):
    model = _variational(divergence=KL(free_bits=100.0))
    free, whole = (_losses(model.train(mode), x) for mode in (True, False))
    model.divergence_weight = 0.0
    distortion = _losses(model.train(), x)
    torch.testing.assert_close(free - distortion, torch.full((40,), 200.0))
    torch.testing.assert_close(whole - _losses(model.eval(), x), _kl(model, x))


def test_quantized_codes_are_drawn_to_their_entries_in_training_only(x):
    model = _quantized()
    codes = model.encoder(x)
    squares = (codes - model.encode(x)).square().sum(dim=1)
    plain = model.columns.mean(model(x), x)
    torch.testing.assert_close(_losses(model.eval(), x), plain)
    torch.testing.assert_close(_losses(model.train(), x), plain + 0.25 * squares)


@pytest.mark.parametrize("make", [_adversarial, partial(_variational, divergence=MMD())])
def test_held_out_rows_are_compared_with_the_prior_together(x, make):
    """Rows by themselves cost their reconstruction; all of them their discrepancy."""
    model = make().eval()
    model.divergence_weight = 0.5
    unit = model.divergence.unit.discrepancy
    assert model.has_dataset_loss
    expected = 0.5 * unit * prior_mmd(model.encode(x), most_rows=1024)
    torch.testing.assert_close(model.dataset_loss(x, None), expected)
    before = _losses(model, x)
    model.divergence_weight = 0.0
    assert not model.has_dataset_loss
    assert torch.equal(_losses(model, x), before)


# ------------------------------------------------------------------ the parts


def test_noise_variance_has_a_floor():
    likelihood = _variational().likelihood
    with torch.no_grad():
        likelihood.learned["log_noise"].fill_(-100.0)
    torch.testing.assert_close(likelihood.variance(), torch.full((N_FEATURES,), 1e-4))


def test_beyond_the_clipping_bound_only_the_linear_map_goes_on():
    block = _block(clip=2.0)
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


def test_dropout_draws_from_the_generator_it_is_given():
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
    network = MODELS[name]().eval()
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
    autoencoder = _of_images(n_pixels, network, n_components=3, activation="relu")
    rows = torch.randn(2, n_pixels, generator=_generator(1))
    assert autoencoder.encode(rows).shape == (2, 3)
    assert autoencoder(rows).shape == rows.shape


def test_convolutions_see_rows_as_images():
    """Neighbours in both directions reach a pixel's unit, and no others."""
    network = Convolutional((8, 8), channels=(1,), kernel_size=3, activation=None)
    stages = _of_images(64, network).encoder.block.correction
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
        encoder = _of_images(15, network).encoder
        convolution, *rest = encoder.block.correction.stages
        with torch.no_grad():
            convolution.weight.fill_(1.0)
            convolution.bias.zero_()
            pooled = torch.nn.Sequential(convolution, *rest)(image.reshape(1, 1, 3, 5))
        assert pooled.reshape(2, 3).tolist() == expected


def test_channels_of_a_pixel_stand_side_by_side():
    """Rows are images of shape (height, width, channels), as numpy flattens them."""
    network = Convolutional((4, 5, 3), channels=(2,), kernel_size=1, activation=None)
    autoencoder = _of_images(60, network)
    encoder = autoencoder.encoder.block.correction
    x = torch.zeros(1, 60, requires_grad=True)
    encoder(x).sum().backward()
    seen = x.grad.reshape(4, 5, 3).abs().sum(dim=2) > 0
    assert seen[::2, ::2].all()
    assert seen.sum() == 6  # kernels of one pixel, in strides of two
    decoder = autoencoder.decoder.block.correction
    decoder.stages = torch.nn.Upsample(size=(4, 5))
    decoder.first_shape = 2, 2, 3
    decoder.last.weight.data.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 1]]))
    decoder.last.bias.data.zero_()
    decoder.first.weight.data.zero_()
    decoder.first.bias.data.copy_(torch.arange(12.0))
    pixels = decoder(torch.zeros(1, 1)).reshape(4, 5, 3)
    assert pixels[0, 0].tolist() == [0.0, 6.0, 6.0]
    assert pixels[3, 4].tolist() == [5.0, 11.0, 16.0]


def test_recurrent_encoder_reads_the_steps_in_order():
    network = Recurrent(3, 2, hidden_size=8)
    block = _deterministic(network).encoder.block.correction
    steps = torch.randn(1, 3, 2, generator=_generator())
    expected = block.last(block.cell(with_clock(steps, block.clock))[0][:, 2])
    torch.testing.assert_close(block(steps.reshape(1, 6)), expected)


@pytest.mark.parametrize("n_steps", [1, 5, 64])
def test_the_clock_tells_steps_apart(n_steps):
    times = clock(n_steps)
    apart = torch.cdist(times, times) + torch.eye(n_steps)
    assert apart.min() > 0.04


def test_tied_decoder_has_no_weights_of_its_own(x):
    network = _deterministic(tied=True)
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


@pytest.mark.parametrize("activation", CODE_ACTIVATIONS)
def test_activated_codes_start_near_pca(x, activation):
    model, pca = _deterministic(code_activation=activation), _pca(x)
    model.start_from_pca(pca, *AS_IT_IS)
    expected = x @ pca.axes @ pca.axes.T
    assert (model(x) - expected).norm() < 0.3 * expected.norm()


def test_modules_are_copied_and_trained_as_they_are(x):
    pair = (
        torch.nn.Linear(N_FEATURES, N_COMPONENTS),
        torch.nn.Linear(N_COMPONENTS, N_FEATURES),
    )
    network = _deterministic(Modules(*pair))
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
        _deterministic(Modules(encoder, decoder))
