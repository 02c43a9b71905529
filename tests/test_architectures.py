"""What each architecture is known for, inside an estimator."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from torch import nn

from skae import AutoencoderTransformer, VAETransformer
from skae.architectures import Convolutional, Modules, Recurrent
from skae.architectures.convolutional import PointwiseConvolution
from skae.metrics import reconstruction_r2

pytestmark = pytest.mark.rounding


def _n_weights(estimator):
    return sum(p.numel() for p in estimator.net_.module_.parameters())


@pytest.fixture(scope="module")
def moved():
    """A blot of light anywhere in an image of 12 x 12 pixels."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:12, :12]

    def draw(n):
        at = rng.uniform(1, 10, size=(n, 2, 1, 1))
        return np.exp(-((y - at[:, 0]) ** 2 + (x - at[:, 1]) ** 2) / 3).reshape(n, 144)

    return draw(600), draw(300)


@pytest.fixture(scope="module")
def waves():
    """Waves of random phase and speed."""
    rng = np.random.default_rng(0)

    def draw(n):
        phase, speed = rng.uniform(0, 6.3, (n, 1)), rng.uniform(0.3, 1.0, (n, 1))
        return np.sin(np.arange(16) * speed + phase) + 0.02 * rng.normal(size=(n, 16))

    return draw(500), draw(300)


def test_convolutions_restore_moved_images_better_with_no_more_weights(moved):
    train, test = moved
    settings = {"scale": False, "max_iter": 40, "refit": False, "random_state": 0}
    convolutional = AutoencoderTransformer(
        3, network=Convolutional((12, 12), channels=(8, 16)), **settings
    ).fit(train)
    dense = AutoencoderTransformer(3, hidden_layer_sizes=(32,), **settings).fit(train)
    assert _n_weights(convolutional) <= _n_weights(dense)
    r2 = [reconstruction_r2(e, test) for e in (convolutional, dense, PCA(3).fit(train))]
    assert r2[0] > r2[1] + 0.01
    assert r2[0] > r2[2] + 0.1


@pytest.mark.parametrize("downsampling", ["stride", "max_pool", "average_pool"])
@pytest.mark.parametrize("shape", [(8, 8), (9, 13), (28, 28), (5, 6, 3), (64, 64)])
def test_images_of_any_shape_are_restored_as_well_as_by_pca(shape, downsampling):
    """Planes in noise, on which there is nothing to gain but much to lose."""
    rng = np.random.default_rng(0)
    planes = rng.normal(size=(3, np.prod(shape)))
    X = rng.normal(size=(160, 3)) @ planes + 0.5 * rng.normal(size=(160, planes.shape[1]))
    network = Convolutional(shape, downsampling=downsampling)
    estimator = AutoencoderTransformer(
        3, network=network, scale=False, max_iter=2, random_state=0
    ).fit(X[:120])
    assert estimator.transform(X).shape == (160, 3)
    assert estimator.inverse_transform(estimator.transform(X[:4])).shape == (4, X.shape[1])
    pca = PCA(3).fit(X[:120])
    r2 = [reconstruction_r2(e, X[120:]) for e in (estimator, pca)]
    assert r2[0] > r2[1] - 0.002


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_recurrent_beats_pca_on_waves_of_random_phase(waves, cell):
    train, test = waves
    recurrent = AutoencoderTransformer(
        2,
        network=Recurrent(16, cell=cell, hidden_size=24),
        scale=False,
        max_iter=30,
        refit=False,
        random_state=0,
    ).fit(train)
    pca = reconstruction_r2(PCA(2).fit(train), test)
    assert reconstruction_r2(recurrent, test) > pca + 0.2


def test_layerwise_pretraining_helps_eight_logistic_layers():
    train, test = train_test_split(load_digits().data, random_state=0)
    settings = {
        "hidden_layer_sizes": (64, 48, 32),
        "activation": "logistic",
        "scale": False,
        "max_iter": 30,
        "random_state": 0,
    }
    for init in ("pca", "random"):
        without, stacked = (
            AutoencoderTransformer(8, init=init, pretraining=p, **settings).fit(train)
            for p in (None, "layerwise")
        )
        gain = reconstruction_r2(stacked, test) - reconstruction_r2(without, test)
        assert gain > 0.02, init


def test_pretraining_keeps_the_start_at_pca(curved):
    pretrained = AutoencoderTransformer(
        2, pretraining="layerwise", max_iter=1, learning_rate_init=1e-12, random_state=0
    ).fit(curved.train)
    scaled = (curved.train - curved.train.mean(0)) / curved.train.std(0)
    codes = PCA(2).fit_transform(scaled)
    np.testing.assert_allclose(
        np.abs(pretrained.transform(curved.train)), np.abs(codes), atol=1e-2
    )
    # The layers are no longer as they were drawn.
    plain = clone(pretrained).set_params(pretraining=None).fit(curved.train)
    layers = [e.encoder_.block.correction[0].weight for e in (pretrained, plain)]
    assert not torch.allclose(*layers, atol=1e-3)


def test_tied_weights_restore_with_half_the_weights(curved):
    tied, free = (
        AutoencoderTransformer(
            2, tied_weights=t, max_iter=n, refit=False, random_state=0
        ).fit(curved.train)
        for t, n in ((True, 60), (False, 1))
    )
    assert _n_weights(tied) < 0.6 * _n_weights(free)
    r2 = [reconstruction_r2(e, curved.test) for e in (tied, PCA(2).fit(curved.train))]
    assert r2[0] > r2[1] + 0.1


def test_pixelwise_convolutions_with_stride_leave_the_process_alive():
    """oneDNN's backward pass of these damages the heap on some processors."""
    fit = """
import numpy as np
from skae import AutoencoderTransformer
from skae.architectures import Convolutional

X = np.random.default_rng(0).normal(size=(96, 32))
for channels, width in ((1, 4), (2, 4), (2, 8)):
    network = Convolutional((4, 4, channels), channels=(width,), kernel_size=1)
    model = AutoencoderTransformer(2, network=network, max_iter=20, random_state=0)
    model.fit(X[:, : 16 * channels])
    assert np.isfinite(model.loss_curve_).all()
"""
    ended = subprocess.run([sys.executable, "-c", fit], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-500:]


@pytest.mark.parametrize("stride", [1, 2])
def test_pixelwise_convolution_is_torchs(stride):
    layer = PointwiseConvolution(3, 5, torch.Generator().manual_seed(0), stride)
    other = nn.Conv2d(3, 5, 1, stride=stride)
    other.load_state_dict(
        {"weight": layer.weight[:, :, None, None], "bias": layer.bias}, strict=True
    )
    images = torch.randn(7, 3, 5, 6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(layer(images), other(images))


def _pair(n_in, n_codes, n_more=0):
    torch.manual_seed(0)
    encoder = nn.Sequential(
        nn.Linear(n_in, 32), nn.Dropout(0.1), nn.Tanh(), nn.Linear(32, n_codes + n_more)
    )
    decoder = nn.Sequential(nn.Linear(n_codes, 32), nn.Tanh(), nn.Linear(32, n_in))
    return encoder, decoder


def test_a_pair_of_torch_modules_is_trained(curved):
    pair = _pair(6, 2)
    before = [value.clone() for value in pair[0].parameters()]
    params = {"max_iter": 60, "refit": False, "random_state": 0}
    estimator = AutoencoderTransformer(2, network=pair, **params)
    estimator.fit(curved.train)
    assert reconstruction_r2(estimator, curved.test) > 0.7
    assert all(torch.equal(a, b) for a, b in zip(before, pair[0].parameters(), strict=True))
    one, same = (
        clone(estimator).set_params(network=network, max_iter=3).fit(curved.train)
        for network in (pair, Modules(*pair))
    )
    np.testing.assert_array_equal(same.transform(curved.test), one.transform(curved.test))


def test_global_generator_is_as_it_was_with_dropout_in_ones_own_modules(curved):
    estimator = VAETransformer(
        2, network=_pair(6, 2, n_more=2), sampler="codes", max_iter=3, random_state=0
    )
    state = torch.get_rng_state()
    one = estimator.fit(curved.train).transform(curved.test)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    np.testing.assert_array_equal(estimator.fit(curved.train).transform(curved.test), one)


def test_warm_start_keeps_to_its_architecture(waves):
    estimator = AutoencoderTransformer(2, warm_start=True, max_iter=2).fit(waves[0])
    estimator.set_params(network=Recurrent(16))
    with pytest.raises(ValueError, match=r"goes on .*network=Recurrent"):
        estimator.fit(waves[0])
