"""The adversarial autoencoder."""

import torch

from skae.architectures import MLP
from skae.models.arrangement import ArrangedDecoder, ArrangedEncoder
from skae.models.model import Model
from skae.models.pca_start import unit_axes
from skae.models.principal_axes import PrincipalAxes


class AdversarialModel(Model):
    """z = e(x), x' = d(z), and a critic that compares the codes with draws of the prior.

    Parameters
    ----------
    design : Design
    n_components : int
    layers : Layers
    adversary : callable (generator) -> AdversarialTerm
    architecture : Network, default=None
        Makes encoder and decoder; None: an `MLP`.

    Attributes
    ----------
    divergence : AdversarialTerm
    divergence_weight : float

    References
    ----------
    Makhzani et al., Adversarial Autoencoders, 2016, section 2.
    """

    arranges_codes = True

    def __init__(self, design, n_components, layers, adversary, architecture=None):
        super().__init__()
        architecture = MLP() if architecture is None else architecture
        self.n_components, self.divergence_weight = n_components, 1.0
        block = architecture.build_encoder(design.n_inputs, n_components, layers)
        self.encoder = ArrangedEncoder(block, n_components)
        block = architecture.build_decoder(n_components, design.n_outputs, layers)
        self.decoder = ArrangedDecoder(block)
        self.divergence = adversary(layers.generator)

    @property
    def has_dataset_loss(self):
        return bool(self.divergence_weight)

    @torch.no_grad()
    def start_from_pca(self, pca: PrincipalAxes, gains, offsets):
        """Start at PCA, with codes of unit variance, as the prior's are."""
        axes, scale = unit_axes(pca, self.n_components)
        self.encoder.start_from(
            pca.inputs((axes / scale).T),
            torch.zeros(self.n_components, dtype=torch.float32),
        )
        self.decoder.start_from(gains[:, None] * axes * scale, offsets)

    def losses(self, seen, x, observed, weights=None):
        codes = self.encode(seen)
        output = self.decode(codes)
        losses = self.columns.mean(output, x, observed)
        weight = self.divergence_weight
        codes = self.decoder.undo(codes)  # as the critic knows them
        return self.divergence.add_to(losses, codes, None, weight, weights), output

    def dataset_loss(self, x, weights):
        codes = self.decoder.undo(self.encode(x))
        return self.divergence.dataset_loss(codes, weights, self.divergence_weight)
