"""The deterministic autoencoder."""

import torch
from torch import nn

from skae._pca import PrincipalAxes
from skae.networks.residual import LinearPlusMLP

# Codes of less than this share of the largest code's variance are not blown up further.
LEAST_VARIANCE = 1e-4


class Encoder(nn.Module):
    """z = s (A x + f(x)), with s the scale of the codes."""

    def __init__(self, block, code_scale):
        super().__init__()
        self.block = block
        self.register_buffer("code_scale", code_scale)

    def forward(self, x):
        return self.block(x) * self.code_scale


class Decoder(nn.Module):
    """x' = B (z / s) + g(z / s)."""

    def __init__(self, block, code_scale):
        super().__init__()
        self.block = block
        self.register_buffer("code_scale", code_scale)

    def forward(self, z):
        return self.block(z / self.code_scale)


class Autoencoder(nn.Module):
    """Encoder and decoder, each a linear map plus an MLP correction.

    Between the two the codes have unit variance at the start, which is what layers and
    optimisers are made for; outside they have the scale of the principal components.

    Attributes
    ----------
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
    ):
        super().__init__()
        settings = activation, dropout, reach, generator
        scale = torch.ones(n_components, dtype=torch.float32)
        self.encoder = Encoder(
            LinearPlusMLP(n_inputs, n_components, hidden, *settings), scale
        )
        self.decoder = Decoder(
            LinearPlusMLP(n_components, n_outputs, hidden[::-1], *settings), scale.clone()
        )

    @torch.no_grad()
    def start_from_pca(self, pca: PrincipalAxes, gains, offsets):
        """Make the network PCA: z = U'x, x' = c + g U z with U the principal axes.

        Parameters
        ----------
        pca : PrincipalAxes
        gains, offsets : torch.Tensor of shape (n_outputs,)
            g and c: 1 and 0 for numbers; for levels, what turns PCA's columns into logits.
        """
        n_components = self.decoder.block.linear.in_features
        axes = pca.padded_axes(n_components)
        least = float(LEAST_VARIANCE * pca.variances.max()) or 1.0
        variances = torch.full((n_components,), least, dtype=torch.float32)
        variances[: len(pca.variances)] = pca.variances.clamp(min=least)
        scale = variances.sqrt()
        self.encoder.code_scale.copy_(scale)
        self.decoder.code_scale.copy_(scale)
        self.encoder.block.start_from((axes / scale).T, torch.zeros(n_components))
        self.decoder.block.start_from(gains[:, None] * axes * scale, offsets)

    def encode(self, x):
        """Return the codes of `x`, shape (n, n_components)."""
        return self.encoder(x)

    def forward(self, x):
        # The scale cancels on the way through.
        return self.decoder.block(self.encoder.block(x))
