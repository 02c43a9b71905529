"""The deterministic autoencoder."""

import torch
from torch import nn

from skae.architectures.architecture import Layers
from skae.architectures.mlp import MLP
from skae.architectures.tied import TiedDecoder
from skae.models.code_activations import UNITS, Logistic
from skae.training.pca import PrincipalAxes

# Codes of less than this share of the largest code's variance are not blown up further.
LEAST_VARIANCE = 1e-4


class Encoder(nn.Module):
    """z = s u(A x + f(x)), with s the scale of the codes and u what they pass, if anything."""

    def __init__(self, block, code_scale, unit=None):
        super().__init__()
        self.block = block
        self.register_buffer("code_scale", code_scale)
        self.unit = unit

    def inner(self, x):
        """Return the codes in the unit of the layers, z / s."""
        z = self.block(x)
        return z if self.unit is None else self.unit(z)

    def forward(self, x):
        return self.inner(x) * self.code_scale


class Decoder(nn.Module):
    """x' = h(B (z / s) + g(z / s)), with h a link, if there is one."""

    def __init__(self, block, code_scale, link=None):
        super().__init__()
        self.block = block
        self.register_buffer("code_scale", code_scale)
        self.link = link

    def outer(self, z):
        """Return the rows of codes in the unit of the layers, z / s."""
        y = self.block(z)
        return y if self.link is None else self.link(y)

    def forward(self, z):
        return self.outer(z / self.code_scale)


class Autoencoder(nn.Module):
    """Encoder and decoder, each a linear map plus a correction.

    Between the two the codes have unit variance at the start, which is what layers and
    optimisers are made for; outside they have the scale of the principal components.

    Parameters
    ----------
    unit : str, default=None
        A key of `UNITS`, which the codes pass.
    free : bool, default=False
        Whether A and B are trained as well when they start from PCA.
    network : Network, default=None
        Makes the two blocks; None: an `MLP`.
    link : Link, default=None
        What the decoder's numbers pass.
    tied : bool, default=False
        Whether the decoder uses the encoder's weights, transposed; an `MLP` can.

    Attributes
    ----------
    scale : torch.Tensor of shape (n_components,)
        Standard deviations of the codes at the start; 0 without one at PCA.
    encoder : Encoder
        Rows of the design matrix, shape (n, n_inputs), to codes, shape (n, n_components).
    decoder : Decoder
        Codes to numbers in standard units and logits of levels, shape (n, n_outputs).
    """

    def __init__(
        self,
        n_inputs,
        n_outputs,
        n_components,
        hidden,
        activation,
        dropout,
        reach,
        generator,
        unit=None,
        free=False,
        network=None,
        tied=False,
        link=None,
    ):
        super().__init__()
        network = MLP() if network is None else network
        layers = Layers(tuple(hidden), activation, dropout, reach, generator)
        scale = torch.ones(n_components, dtype=torch.float32)
        self.n_components, self.free, self.tied = n_components, free, tied
        self.encoder = Encoder(
            network.build_encoder(n_inputs, n_components, layers),
            scale,
            None if unit is None else UNITS[unit](n_components),
        )
        block = (
            TiedDecoder(self.encoder.block, n_outputs)
            if tied
            else network.build_decoder(n_components, n_outputs, layers)
        )
        self.decoder = Decoder(block, scale.clone(), link)
        self.register_buffer("scale", torch.zeros_like(scale))

    @torch.no_grad()
    def start_from_pca(self, pca: PrincipalAxes, gains, offsets):
        """Make the network PCA: z = U'x, x' = c + g U z with U the principal axes.

        With a unit it is PCA as far as the unit is linear about zero.

        Parameters
        ----------
        pca : PrincipalAxes
        gains, offsets : torch.Tensor of shape (n_outputs,)
            g and c: 1 and 0 for numbers; for levels, and numbers with a link, what turns
            PCA's columns into logits and logarithms.
        """
        n_components, unit = self.n_components, self.encoder.unit
        wide = unit is not None and n_components > len(pca.variances)
        axes, scale = (_wide_axes if wide else unit_axes)(pca, n_components)
        self.scale.copy_(scale)
        if self.tied:  # the way back is the transposed way forth: neither can be scaled
            scale = torch.ones_like(scale)
        encoder, decoder = (axes / scale).T, gains[:, None] * axes * scale
        if unit is not None:
            decoder = decoder / unit.slope
            offsets = offsets - unit.offset * decoder.sum(1)
        if not isinstance(unit, Logistic):  # whose codes are rates: they have no other unit
            self._set_code_scale(scale)
        self.encoder.block.start_from(encoder, torch.zeros(n_components), free=self.free)
        self.decoder.block.start_from(decoder, offsets, free=self.free)

    @torch.no_grad()
    def restore_scale(self, x):
        """Give the codes of rows x the scale of the start; reconstructions stay the same."""
        spread = self.encoder.inner(x).std(dim=0, correction=0)
        known = (spread > 0) & (self.scale > 0)
        now = self.encoder.code_scale
        self._set_code_scale(torch.where(known, self.scale / spread, now))

    def _set_code_scale(self, scale):
        self.encoder.code_scale.copy_(scale)
        self.decoder.code_scale.copy_(scale)

    def encode(self, x):
        """Return the codes of `x`, shape (n, n_components)."""
        return self.encoder(x)

    def restore(self, x):
        """Return the reconstruction of `x`."""
        # The scale cancels on the way through.
        return self.decoder.outer(self.encoder.inner(x))

    def forward(self, x):
        return self.restore(x)

    def codes_and_output(self, x):
        """Return what `encode` and `forward` do, in one pass."""
        inner = self.encoder.inner(x)
        return inner * self.encoder.code_scale, self.decoder.outer(inner)


def unit_axes(pca, n_components):
    """Return the principal axes, a column a code, and the scales of the codes."""
    least = float(LEAST_VARIANCE * pca.variances.max()) or 1.0
    variances = torch.full((n_components,), least, dtype=torch.float32)
    variances[: len(pca.variances)] = pca.variances.clamp(min=least)
    return pca.padded_axes(n_components), variances.sqrt()


def _wide_axes(pca, n_components):
    """Return more directions than there are axes, all at work, and the codes' scales.

    With Q of shape (n_components, n_axes) and Q'Q = I the codes QU'x restore U Q'Q U'x,
    which is what PCA restores. A code without a direction would never find one.
    """
    n_axes = len(pca.variances)
    generator = torch.Generator().manual_seed(0)
    frame, _ = torch.linalg.qr(torch.randn(n_components, n_axes, generator=generator))
    scale = (pca.variances.sum() / n_components).sqrt()
    return pca.axes @ frame.T, (scale if scale > 0 else 1.0) * torch.ones(n_components)
