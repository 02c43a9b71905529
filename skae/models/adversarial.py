"""The autoencoder whose codes a critic compares with draws of the prior."""

import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import softplus

from skae.architectures.architecture import Layers
from skae.architectures.mlp import MLP
from skae.models.deterministic import unit_axes
from skae.models.gan import Critic
from skae.training.pca import PrincipalAxes


class CodeGame(nn.Module):
    """A critic D learns to tell codes from draws of p(z) = N(0, I), which codes shall pass for.

    Parameters
    ----------
    n_components : int
    hidden : sequence of int
        Units of the critic's hidden layers.
    gradient_penalty : float
        Weight of the penalty on the critic's squared gradient at draws of the prior.
    generator : torch.Generator
        Source of the initial weights (CPU).

    Attributes
    ----------
    critic : Critic
    generator : torch.Generator or None
        Source of the prior's draws; without one torch's global generator.

    References
    ----------
    Makhzani et al., Adversarial Autoencoders, 2016, section 2. The penalty on the critic:
    Mescheder, Geiger & Nowozin, Which Training Methods for GANs do actually Converge?, 2018.
    """

    generator: torch.Generator | None = None

    def __init__(self, n_components, hidden, gradient_penalty, generator):
        super().__init__()
        self.critic = Critic(n_components, n_components, hidden, False, generator)
        self.gradient_penalty = gradient_penalty

    def forward(self, codes):
        """Return the two players' losses.

        Returns
        -------
        of_encoder : torch.Tensor of shape (n,)
            ``-log s(D(codes))``, which moves the encoder only.
        of_critic : torch.Tensor of shape (n,)
            ``-log s(D(z)) - log s(-D(codes))`` and the penalty, which move the critic only.
        """
        fixed = {name: value.detach() for name, value in self.critic.named_parameters()}
        of_encoder = softplus(-functional_call(self.critic, fixed, (codes,)))
        prior = torch.empty_like(codes).normal_(generator=self.generator)
        prior.requires_grad_(self.gradient_penalty > 0)
        of_prior = self.critic(prior)
        of_critic = softplus(-of_prior) + softplus(self.critic(codes.detach()))
        if self.gradient_penalty > 0:
            slopes = torch.autograd.grad(of_prior.sum(), prior, create_graph=True)[0]
            of_critic = of_critic + self.gradient_penalty * slopes.square().sum(dim=1)
        return of_encoder, of_critic


class AdversarialAutoencoder(nn.Module):
    """z = e(x), x' = d(z), and a game in which the codes shall pass for draws of the prior.

    Parameters
    ----------
    critic_hidden, gradient_penalty
        See `CodeGame`.
    network : Network, default=None
        Makes encoder and decoder; None: an `MLP`.

    Attributes
    ----------
    encoder : LinearPlus
        Rows, shape (n, n_inputs), to codes, shape (n, n_components).
    decoder : LinearPlus
        Codes to numbers in standard units and logits of levels, shape (n, n_outputs).
    game : CodeGame
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
        critic_hidden,
        gradient_penalty,
        generator,
        network=None,
    ):
        super().__init__()
        network = MLP() if network is None else network
        layers = Layers(tuple(hidden), activation, dropout, reach, generator)
        self.n_components = n_components
        self.encoder = network.build_encoder(n_inputs, n_components, layers)
        self.decoder = network.build_decoder(n_components, n_outputs, layers)
        self.game = CodeGame(n_components, critic_hidden, gradient_penalty, generator)

    @torch.no_grad()
    def start_from_pca(self, pca: PrincipalAxes, gains, offsets):
        """Start at PCA, with codes of unit variance, as the prior's are.

        Parameters
        ----------
        pca : PrincipalAxes
        gains, offsets : torch.Tensor of shape (n_outputs,)
            1 and 0 for numbers; for levels, what turns PCA's columns into logits.
        """
        axes, scale = unit_axes(pca, self.n_components)
        self.encoder.start_from((axes / scale).T, torch.zeros(self.n_components))
        self.decoder.start_from(gains[:, None] * axes * scale, offsets)

    def encode(self, x):
        """Return the codes of `x`, shape (n, n_components)."""
        return self.encoder(x)

    codes = encode

    def restore(self, x):
        """Return the reconstruction of `x`."""
        return self.decoder(self.encoder(x))

    def forward(self, x):
        """Return reconstruction and codes; in training the two players' losses as well.

        Returns
        -------
        reconstruction : torch.Tensor of shape (n, n_outputs)
        codes : torch.Tensor of shape (n, n_components)
        of_encoder, of_critic : torch.Tensor of shape (n,), or None
            See `CodeGame`.
        """
        codes = self.encoder(x)
        of_encoder, of_critic = self.game(codes) if self.training else (None, None)
        return self.decoder(codes), codes, of_encoder, of_critic
