"""The variational autoencoder with a Gaussian decoder."""

import math

import torch
from torch import nn

from skae._pca import PrincipalAxes
from skae.networks.mlp import MLP
from skae.networks.network import Layers

# An optimiser that normalises gradients moves every parameter by the same steps. The
# logarithm of a noise variance has farther to go than weights have, and is worth more.
NOISE_GAIN = 4.0


class VariationalAutoencoder(nn.Module):
    """q(z|x) = N(m(x), diag v(x)), p(x|z) = N(d(z), diag s), p(z) = N(0, I).

    Levels of categories are drawn with the softmax of their part of d(z).

    Parameters
    ----------
    min_noise_variance : float
        Floor of every s_j, in units of the column's variance.
    network : Network, default=None
        Makes encoder and decoder; None: an `MLP`.

    Attributes
    ----------
    encoder : LinearPlus
        Rows, shape (n, n_inputs), to [m, log v], shape (n, 2 n_components).
    decoder : LinearPlus
        Codes, shape (..., n_components), to d(z), shape (..., n_outputs): means of the
        numbers, then logits of the levels.
    raw_noise : torch.nn.Parameter of shape (n_numbers,)
        s = floor + exp(raw_noise).
    generator : torch.Generator or None
        Source of the posterior draws; without one z is the posterior mean when
        evaluating, and drawn from torch's global generator when training.

    References
    ----------
    Kingma & Welling, Auto-Encoding Variational Bayes, 2014, section 3.
    """

    generator: torch.Generator | None = None

    def __init__(
        self,
        n_inputs,
        n_outputs,
        n_numbers,
        n_components,
        hidden,
        activation,
        dropout,
        reach,
        generator,
        min_noise_variance,
        network=None,
    ):
        super().__init__()
        network = MLP() if network is None else network
        layers = Layers(tuple(hidden), activation, dropout, reach, generator)
        self.n_components = n_components
        self.encoder = network.build_encoder(n_inputs, 2 * n_components, layers)
        self.decoder = network.build_decoder(n_components, n_outputs, layers)
        self.raw_noise = nn.Parameter(
            torch.full((n_numbers,), math.log(0.5) / NOISE_GAIN, dtype=torch.float32)
        )
        self.min_noise_variance = min_noise_variance

    @torch.no_grad()
    def start_from_pca(self, pca: PrincipalAxes, gains, offsets):
        """Start at the maximum-likelihood probabilistic PCA.

        With eigenvalues l_k, axes u_k and noise variance s (the mean of the discarded
        eigenvalues), W = U (L - s)^(1/2), and the posterior of z given x has mean
        L^-1 (L - s)^(1/2) U' x and variance s / l_k, which is diagonal: the encoder can
        hold it exactly, so the bound is tight before the first step.

        Parameters
        ----------
        pca : PrincipalAxes
        gains, offsets : torch.Tensor of shape (n_outputs,)
            1 and 0 for numbers; for levels, what turns PCA's columns into logits.

        References
        ----------
        Tipping & Bishop, Probabilistic Principal Component Analysis, 1999, eq. 6 to 8.
        """
        n_components = self.n_components
        axes = pca.padded_axes(n_components)
        noise = max(pca.noise_variance, 2.0 * self.min_noise_variance)
        variances = torch.full((n_components,), noise, dtype=torch.float32)
        variances[: len(pca.variances)] = pca.variances.clamp(min=noise)
        loadings = (variances - noise).sqrt()
        mean_weight = (axes * (loadings / variances)).T
        log_variance = torch.log(noise / variances)
        self.encoder.start_from(
            torch.cat([mean_weight, torch.zeros_like(mean_weight)]),
            torch.cat([torch.zeros(n_components), log_variance]),
        )
        self.decoder.start_from(gains[:, None] * axes * loadings, offsets)
        self.raw_noise.fill_(math.log(noise - self.min_noise_variance) / NOISE_GAIN)

    def noise_variance(self):
        """Return s, shape (n_numbers,)."""
        return self.min_noise_variance + (NOISE_GAIN * self.raw_noise).exp()

    def posterior(self, x):
        """Return m and log v, each of shape (n, n_components)."""
        mean, log_variance = self.encoder(x).chunk(2, dim=-1)
        # exp stays finite in float32 whatever the row; no posterior is that wide or narrow.
        return mean, log_variance.clamp(-30.0, 30.0)

    def encode(self, x):
        """Return the posterior means of `x`, shape (n, n_components)."""
        return self.posterior(x)[0]

    def forward(self, x):
        """Return d(z) for one draw of z, s, m and log v."""
        mean, log_variance = self.posterior(x)
        code = mean
        if self.training or self.generator is not None:
            draw = torch.empty_like(mean).normal_(generator=self.generator)
            code = torch.addcmul(mean, (0.5 * log_variance).exp(), draw)
        return self.decoder(code), self.noise_variance(), mean, log_variance
