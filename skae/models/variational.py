"""The variational autoencoder."""

import numpy as np
import torch
from torch import nn

from skae.architectures.architecture import Layers
from skae.architectures.mlp import MLP
from skae.likelihoods import Gaussian
from skae.training.pca import PrincipalAxes


class Linked(nn.Module):
    """A decoder whose numbers pass a link."""

    def __init__(self, block, link):
        super().__init__()
        self.block, self.link = block, link

    def start_from(self, weight, bias):
        self.block.start_from(weight, bias)

    def forward(self, z):
        return self.link(self.block(z))


class VariationalAutoencoder(nn.Module):
    """q(z|x) = N(m(x), diag v(x)), p(z) = N(0, I), and p(x|z) about d(z) by a likelihood.

    Levels of categories are drawn with the softmax of their part of d(z).

    Parameters
    ----------
    min_noise_variance : float
        Floor of every noise variance, in units of the column's variance.
    network : Network, default=None
        Makes encoder and decoder; None: an `MLP`.
    likelihood : Likelihood, default=None
        Of the numbers; None: `Gaussian`.

    Attributes
    ----------
    encoder : LinearPlus
        Rows, shape (n, n_inputs), to [m, log v], shape (n, 2 n_components).
    decoder : LinearPlus
        Codes, shape (..., n_components), to d(z), shape (..., n_outputs): means of the
        numbers, then logits of the levels.
    likelihood : Likelihood
    prior : MixturePrior or None
        What p(z) was replaced by after training; None: N(0, I).
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
        likelihood=None,
    ):
        super().__init__()
        network = MLP() if network is None else network
        if likelihood is None:
            likelihood = Gaussian(
                np.zeros(n_numbers), np.ones(n_numbers), min_noise_variance
            )
        layers = Layers(tuple(hidden), activation, dropout, reach, generator)
        self.n_components = n_components
        self.encoder = network.build_encoder(n_inputs, 2 * n_components, layers)
        decoder = network.build_decoder(n_components, n_outputs, layers)
        link = likelihood.link
        self.decoder = decoder if link is None else Linked(decoder, link)
        self.likelihood = likelihood
        self.prior = None

    @torch.no_grad()
    def start_from_pca(self, pca: PrincipalAxes, gains, offsets):
        """Start at the maximum-likelihood probabilistic PCA, or near it with a link.

        With eigenvalues l_k, axes u_k and noise variance s (the mean of the discarded
        eigenvalues), W = U (L - s)^(1/2), and the posterior of z given x has mean
        L^-1 (L - s)^(1/2) U' x and variance s / l_k, which is diagonal: the encoder can
        hold it exactly, so the bound is tight before the first step.

        Parameters
        ----------
        pca : PrincipalAxes
        gains, offsets : torch.Tensor of shape (n_outputs,)
            1 and 0 for numbers; for levels, and numbers with a link, what turns PCA's
            columns into logits and logarithms.

        References
        ----------
        Tipping & Bishop, Probabilistic Principal Component Analysis, 1999, eq. 6 to 8.
        """
        n_components = self.n_components
        axes = pca.padded_axes(n_components)
        noise = max(pca.noise_variance, 2.0 * self.likelihood.floor)
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
        self.likelihood.start(noise)

    def noise_variance(self):
        """Return the noise variance of the numbers, shape (n_numbers,)."""
        return self.likelihood.variance()

    def posterior(self, x):
        """Return m and log v, each of shape (n, n_components)."""
        mean, log_variance = self.encoder(x).chunk(2, dim=-1)
        # exp stays finite in float32 whatever the row; no posterior is that wide or narrow.
        return mean, log_variance.clamp(-30.0, 30.0)

    def encode(self, x):
        """Return the posterior means of `x`, shape (n, n_components)."""
        return self.posterior(x)[0]

    def forward(self, x):
        """Return d(z) for one draw of z, what the likelihood needs besides, m and log v."""
        mean, log_variance = self.posterior(x)
        code = mean
        if self.training or self.generator is not None:
            draw = torch.empty_like(mean).normal_(generator=self.generator)
            code = torch.addcmul(mean, (0.5 * log_variance).exp(), draw)
        return self.decoder(code), self.likelihood.noise(), mean, log_variance
