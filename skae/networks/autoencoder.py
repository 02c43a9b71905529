"""The deterministic autoencoder."""

import torch
from torch import nn

from skae._pca import PrincipalAxes
from skae.networks.residual import LinearPlusMLP


class Autoencoder(nn.Module):
    """z = A x + f(x), x' = B z + g(z).

    Attributes
    ----------
    encoder : LinearPlusMLP
        Rows in standard units, shape (n, n_features), to codes, shape (n, n_components).
    decoder : LinearPlusMLP
        Codes to rows in standard units.
    """

    def __init__(self, n_features, n_components, hidden, activation, dropout, generator):
        super().__init__()
        block = activation, dropout, generator
        self.encoder = LinearPlusMLP(n_features, n_components, hidden, *block)
        self.decoder = LinearPlusMLP(n_components, n_features, hidden[::-1], *block)

    def start_from_pca(self, pca: PrincipalAxes):
        """Make the network PCA: A the principal axes, B their transpose, f = g = 0."""
        axes = pca.padded_axes(self.encoder.linear.out_features)
        self.encoder.start_from(axes.T, torch.zeros(axes.shape[1]))
        self.decoder.start_from(axes, torch.zeros(axes.shape[0]))

    def encode(self, x):
        """Return the codes of `x`, shape (n, n_components)."""
        return self.encoder(x)

    def forward(self, x):
        return self.decoder(self.encoder(x))
