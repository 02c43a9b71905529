"""Convolutions over rows that are flattened images."""

import math
from dataclasses import replace
from numbers import Integral

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from skae.architectures.architecture import Network, check_numbers_only, initialise
from skae.architectures.images import as_image_shape, n_cells
from skae.architectures.linear_plus import ACTIVATIONS, Dropout, LinearPlus, linear

# Channels of the first stage and of the others, which leave SMALLEST pixels a side.
FIRST_CHANNELS, CHANNELS, SMALLEST = 16, 32, 4
POOLS = {"max_pool": nn.MaxPool2d, "average_pool": nn.AvgPool2d}


class Convolutional(Network):
    """Convolutions that halve the image, and mirrored ones that double it.

    Every stage of the encoder convolves and halves the size, every stage of the decoder
    doubles the size (each pixel becomes four) and convolves. As everywhere the linear
    map of PCA runs in parallel, and last layers start at zero.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width) or (height, width, channels) of the images whose flattened pixels
        are the columns, as in the displays.
    channels : int or tuple of int, default=None
        Channels of the encoder's stages; the decoder mirrors them. None: 16, then 32,
        until the smaller side has at most 4 pixels, but two stages at least.
    kernel_size : int, default=3
        Width of the kernels; at most the image's height and width.
    downsampling : {"stride", "max_pool", "average_pool"}, default="stride"
        How a stage of the encoder halves the image. "stride": the convolution has a stride
        of two, a quarter of the work. "max_pool", "average_pool": it has a stride of one,
        and the maximum or the mean of each four pixels is kept.
    activation : {"relu", "tanh", "logistic", "identity", "silu", "gelu", "elu"}, \
            default="silu"
        Activation of the stages; None: the estimator's. A smooth one reconstructs images
        clearly better than "relu": there are few channels, all of which are needed.

    Notes
    -----
    `hidden_layer_sizes` is not used; `dropout` is. A missing pixel is an
    average one to the convolutions, which are not told that it is missing. With
    ``scale=False`` in the estimator all pixels count alike, which suits images.

    References
    ----------
    Masci et al., Stacked Convolutional Auto-Encoders, 2011. Resizing before a convolution:
    Odena, Dumoulin & Olah, Deconvolution and Checkerboard Artifacts, 2016.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer
    >>> from skae.architectures import Convolutional
    >>> network = Convolutional((8, 8), channels=(8,))
    >>> X = load_digits().data[:300]
    >>> codes = AutoencoderTransformer(4, network=network, random_state=0).fit_transform(X)
    >>> codes.shape
    (300, 4)
    """

    _parameter_constraints: dict = {
        "image_shape": ["array-like"],
        "channels": ["array-like", Interval(Integral, 1, None, closed="left"), None],
        "kernel_size": [Interval(Integral, 1, None, closed="left")],
        "downsampling": [StrOptions({"stride", *POOLS})],
        "activation": [StrOptions(set(ACTIVATIONS)), None],
    }

    def __init__(
        self,
        image_shape,
        channels=None,
        kernel_size=3,
        downsampling="stride",
        activation="silu",
    ):
        self.image_shape = image_shape
        self.channels = channels
        self.kernel_size = kernel_size
        self.downsampling = downsampling
        self.activation = activation

    def check(self):
        super().check()
        stages = () if self._shape is None else self._channels
        whole = all(isinstance(size, Integral) and size >= 1 for size in stages)
        for name, good, wanted in (
            (
                "image_shape",
                self._shape is not None,
                "(height, width) or (height, width, channels)",
            ),
            ("channels", whole and len(stages) > 0, "one number of channels a stage"),
        ):
            if not good:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} of Convolutional; give {wanted}, "
                    "whole numbers from 1 on."
                )
        height, width, _ = self._shape
        if self.kernel_size > min(height, width):
            raise ValueError(
                f"kernel_size={self.kernel_size} of Convolutional is larger than the image "
                f"of {height} x {width} pixels; use at most {min(height, width)}."
            )

    @property
    def _shape(self):
        return as_image_shape(self.image_shape)

    @property
    def n_weight_uses(self):
        return self._shape[0] * self._shape[1]

    def check_design(self, design):
        meaning = " x ".join(map(str, self.image_shape))
        parameter = f"image_shape={self.image_shape!r}"
        check_numbers_only(self, design, n_cells(self._shape), parameter, meaning)

    def width(self, design):
        height, width, _ = self._shape
        return max(self._channels) * height * width

    def build_encoder(self, n_in, n_out, layers):
        layers, pool = self._own(layers), POOLS.get(self.downsampling)

        def make():
            return ConvolutionalEncoder(*self._settings, n_out, layers, pool)

        return LinearPlus(n_in, n_out, make, layers.clip, layers.generator)

    def build_decoder(self, n_in, n_out, layers):
        layers = self._own(layers)

        def make():
            return ConvolutionalDecoder(*self._settings, n_in, layers)

        return LinearPlus(n_in, n_out, make, layers.clip, layers.generator)

    def _own(self, layers):
        return (
            layers
            if self.activation is None
            else replace(layers, activation=self.activation)
        )

    @property
    def _settings(self):
        return self._shape, self._channels, int(self.kernel_size)

    @property
    def _channels(self):
        if isinstance(self.channels, Integral):
            return (int(self.channels),)
        if self.channels is not None:
            return tuple(self.channels)
        n_halvings = math.ceil(math.log2(min(self._shape[:2]) / SMALLEST))
        return (FIRST_CHANNELS,) + (CHANNELS,) * max(n_halvings - 1, 1)


class ConvolutionalEncoder(nn.Module):
    """Rows, shape (n, n_inputs), of which the first columns are cells of pixels, to (n, n_out).

    `pool` makes what halves the size of a stage; None: the convolutions do, by strides.
    """

    def __init__(self, shape, channels, kernel_size, n_out, layers, pool=None):
        super().__init__()
        self.shape, self.n_cells = shape, n_cells(shape)
        stages, sizes = [], _sizes(shape, len(channels), kernel_size)
        for n_in, n_channels in zip((shape[2], *channels), channels, strict=False):
            stride = 2 if pool is None else 1
            stages += _stage(n_in, n_channels, kernel_size, layers, stride)
            if pool is not None:
                # The edge of an odd size is pooled too: as many pixels as strides leave.
                stages.append(pool(2, ceil_mode=True))
        self.stages = nn.Sequential(*stages, nn.Flatten())
        height, width = sizes[-1]
        self.last = linear(channels[-1] * height * width, n_out, layers.generator)

    def forward(self, x):
        images = x[:, : self.n_cells].reshape(-1, *self.shape).permute(0, 3, 1, 2)
        return self.last(self.stages(images))


class ConvolutionalDecoder(nn.Module):
    """Codes, shape (*, n_in), to cells of pixels, shape (*, n_cells)."""

    def __init__(self, shape, channels, kernel_size, n_in, layers):
        super().__init__()
        sizes = _sizes(shape, len(channels), kernel_size)
        self.shape, self.first_shape = shape, (channels[-1], *sizes[-1])
        self.first = linear(n_in, n_cells(self.first_shape), layers.generator)
        self.activation = ACTIVATIONS[layers.activation]()
        stages: list[nn.Module] = []
        for stage in range(len(channels) - 1, 0, -1):
            stages.append(nn.Upsample(size=sizes[stage]))
            stages += _stage(channels[stage], channels[stage - 1], kernel_size, layers)
        stages.append(nn.Upsample(size=sizes[0]))
        self.stages = nn.Sequential(*stages)
        self.last = _convolution(channels[0], shape[2], kernel_size, layers)

    def forward(self, z):
        flat = z.reshape(-1, z.shape[-1])
        first = self.activation(self.first(flat)).reshape(-1, *self.first_shape)
        images = self.last(self.stages(first))[..., : self.shape[0], : self.shape[1]]
        return images.permute(0, 2, 3, 1).reshape(*z.shape[:-1], -1)


def _stage(n_in, n_out, kernel_size, layers, stride=1):
    convolution = _convolution(n_in, n_out, kernel_size, layers, stride)
    dropout = [Dropout(layers.dropout)] if layers.dropout else []
    return [convolution, ACTIVATIONS[layers.activation](), *dropout]


class PointwiseConvolution(nn.Module):
    """A convolution with a kernel of one pixel: a slice and a matrix product.

    `torch.nn.Conv2d` is the same, but its backward pass with a stride, few channels and
    channels last damages the heap on processors of AVX2 capability (oneDNN).
    """

    def __init__(self, n_in, n_out, generator, stride=1):
        super().__init__()
        layer = linear(n_in, n_out, generator)
        self.weight, self.bias, self.stride = layer.weight, layer.bias, stride

    def forward(self, images):
        pixels = images[:, :, :: self.stride, :: self.stride].permute(0, 2, 3, 1)
        return nn.functional.linear(pixels, self.weight, self.bias).permute(0, 3, 1, 2)


def _convolution(n_in, n_out, kernel_size, layers, stride=1):
    if kernel_size == 1:
        return PointwiseConvolution(n_in, n_out, layers.generator, stride)
    layer = nn.utils.skip_init(
        nn.Conv2d,
        n_in,
        n_out,
        kernel_size,
        stride=stride,
        padding=kernel_size // 2,
        dtype=torch.float32,
    )
    layer = initialise(layer, n_in * kernel_size**2, layers.generator)
    # Twice as fast on a CPU; a row already has the channels of a pixel side by side.
    return layer.to(memory_format=torch.channels_last)


def _sizes(shape, n_stages, kernel_size):
    """Return height and width before the first stage and after each."""
    sizes, lost = [shape[:2]], kernel_size - 2 * (kernel_size // 2)
    for _ in range(n_stages):
        sizes.append(tuple((size - lost) // 2 + 1 for size in sizes[-1]))
    return sizes
