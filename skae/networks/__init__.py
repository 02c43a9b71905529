"""Torch modules that know nothing of scikit-learn or tables."""

from skae.networks.adversarial import Critic, Generator
from skae.networks.adversarial_autoencoder import AdversarialAutoencoder
from skae.networks.autoencoder import Autoencoder
from skae.networks.quantized import QuantizedAutoencoder
from skae.networks.residual import ACTIVATIONS, LinearPlusMLP
from skae.networks.variational import VariationalAutoencoder

__all__ = [
    "ACTIVATIONS",
    "AdversarialAutoencoder",
    "Autoencoder",
    "Critic",
    "Generator",
    "LinearPlusMLP",
    "QuantizedAutoencoder",
    "VariationalAutoencoder",
]
