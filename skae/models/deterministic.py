"""The deterministic autoencoder."""

import torch

from skae.architectures import MLP
from skae.architectures.tied import TiedDecoder
from skae.models.arrangement import Arranged
from skae.models.code_activations import CODE_ACTIVATIONS, Logistic
from skae.models.model import Model
from skae.models.pca_start import unit_axes, wide_axes
from skae.models.principal_axes import PrincipalAxes


class Encoder(Arranged):
    """z = s a(A x + f(x)), with s the scale of the codes and a their activation, if any.

    The codes may be arranged.
    """

    def __init__(self, block, code_scale, activation=None):
        super().__init__()
        self.block = block
        self.register_buffer("code_scale", code_scale)
        self.activation = activation

    def inner(self, x):
        """Return the codes in the scale of the layers, z / s."""
        z = self.block(x)
        return self.arrange(z if self.activation is None else self.activation(z))

    def forward(self, x):
        return self.inner(x) * self.code_scale


class Decoder(Arranged):
    """x' = h(B (z / s) + g(z / s)), with h a link, if there is one; codes may be arranged."""

    def __init__(self, block, code_scale, link=None):
        super().__init__()
        self.block = block
        self.register_buffer("code_scale", code_scale)
        self.link = link

    def outer(self, z):
        """Return the rows of codes in the scale of the layers, z / s."""
        y = self.block(self.undo(z))
        return y if self.link is None else self.link(y)

    def forward(self, z):
        return self.outer(z / self.code_scale)


class DeterministicModel(Model):
    """Encoder and decoder, each a linear map plus a correction.

    Between the two the codes have unit variance at the start, which is what layers and
    optimisers are made for; outside they have the scale of the principal components.

    Parameters
    ----------
    design : Design
    n_components : int
    layers : Layers
    architecture : Network, default=None
        Makes the two blocks; None: an `MLP`.
    code_activation : str, default=None
        A key of `CODE_ACTIVATIONS`.
    train_linear : bool, default=False
        Whether A and B are trained as well when they start from PCA.
    link : Link, default=None
        Of the decoder's numbers.
    tied : bool, default=False
        Whether the decoder uses the encoder's weights, transposed; an `MLP` can.

    Attributes
    ----------
    scale : torch.Tensor of shape (n_components,)
        Standard deviations of the codes at the start; 0 where it is not PCA.
    penalties : Penalties or None
        Added to the losses of training and held-out rows.
    """

    arranges_codes = True

    encoder: Encoder
    decoder: Decoder
    scale: torch.Tensor

    def __init__(
        self,
        design,
        n_components,
        layers,
        architecture=None,
        *,
        code_activation=None,
        train_linear=False,
        link=None,
        tied=False,
    ):
        super().__init__()
        architecture = MLP() if architecture is None else architecture
        scale = torch.ones(n_components, dtype=torch.float32)
        self.n_components, self.train_linear, self.tied = n_components, train_linear, tied
        activation = None
        if code_activation is not None:
            activation = CODE_ACTIVATIONS[code_activation](n_components)
        block = architecture.build_encoder(design.n_inputs, n_components, layers)
        self.encoder = Encoder(block, scale, activation)
        block = (
            TiedDecoder(block, design.n_outputs)
            if tied
            else architecture.build_decoder(n_components, design.n_outputs, layers)
        )
        self.decoder = Decoder(block, scale.clone(), link)
        self.register_buffer("scale", torch.zeros_like(scale))
        self.penalties = None

    @torch.no_grad()
    def start_from_pca(self, pca: PrincipalAxes, gains, offsets):
        """Make the network PCA: z = U'x, x' = c + g U z with U the principal axes.

        With a code activation it is PCA as far as the activation is linear about zero.
        """
        n_components, activation = self.n_components, self.encoder.activation
        wide = activation is not None and n_components > len(pca.variances)
        axes, scale = (wide_axes if wide else unit_axes)(pca, n_components)
        self.scale.copy_(scale)
        if self.tied:  # the decoder is the transposed encoder: neither can be scaled
            scale = torch.ones_like(scale)
        encoder = pca.inputs((axes / scale).T)
        decoder = gains[:, None] * axes * scale
        if activation is not None:
            decoder = decoder / activation.slope
            offsets = offsets - activation.offset * decoder.sum(1)
        if not isinstance(activation, Logistic):  # whose codes are rates, without a unit
            self._set_code_scale(scale)
        free, zeros = self.train_linear, torch.zeros(n_components, dtype=torch.float32)
        self.encoder.block.start_from(encoder, zeros, free=free)
        self.decoder.block.start_from(decoder, offsets, free=free)

    def losses(self, seen, x, observed, weights=None):
        if self.penalties is None:
            return super().losses(seen, x, observed, weights)
        output, costs = self.penalties(self, seen, weights)
        return self.columns.mean(output, x, observed) + costs, output

    def watched(self):
        of_penalties = [] if self.penalties is None else self.penalties.watched
        return super().watched() + of_penalties

    def forward(self, x):
        # The scale cancels on the way through.
        return self.decoder.outer(self.encoder.inner(x))

    def codes_and_output(self, x):
        """Return what `encode` and `forward` do, in one pass."""
        inner = self.encoder.inner(x)
        return inner * self.encoder.code_scale, self.decoder.outer(inner)

    @torch.no_grad()
    def after_fit(self, x):
        """Give the codes the scale of the start where no penalty holds them at any."""
        if self.penalties is None or not self.penalties.scale_free:
            return
        spread = self.encoder.inner(x).std(dim=0, correction=0)
        known = (spread > 0) & (self.scale > 0)
        now = self.encoder.code_scale
        self._set_code_scale(torch.where(known, self.scale / spread, now))

    def rearrange(self, order, signs):
        scale = self.encoder.code_scale[order]
        self.scale.copy_(self.scale[order])
        super().rearrange(order, signs)
        self._set_code_scale(scale)

    @property
    def codes_have_signs(self):
        return not isinstance(self.encoder.activation, Logistic)  # these are rates

    @property
    def turns_codes(self):
        # A penalty and an activation are of these codes and no others.
        return self.penalties is None and self.encoder.activation is None

    @property
    def repeats_steps(self):
        return self.penalties is None  # some of which remember

    @torch.no_grad()
    def turn(self, matrix, inverse, centre):
        # Inside, the codes are without their scale; the new ones have that of the start again.
        scale = self.encoder.code_scale
        super().turn(scale[:, None] * matrix, inverse / scale, centre / scale)
        self._set_code_scale(torch.where(self.scale > 0, self.scale, 1.0))

    def _set_code_scale(self, scale):
        self.rescale_completion(scale / self.encoder.code_scale)
        self.encoder.code_scale.copy_(scale)
        self.decoder.code_scale.copy_(scale)
