"""Torch modules that know nothing of scikit-learn or tables, and what chooses them."""

from skae.networks.adversarial import Critic, Generator
from skae.networks.adversarial_autoencoder import AdversarialAutoencoder
from skae.networks.aggregate import AggregateAutoencoder
from skae.networks.autoencoder import Autoencoder
from skae.networks.choice import choose_network
from skae.networks.convolutional import Convolutional
from skae.networks.mlp import MLP
from skae.networks.modules import Modules
from skae.networks.network import Network
from skae.networks.quantized import QuantizedAutoencoder
from skae.networks.recurrent import Recurrent
from skae.networks.residual import ACTIVATIONS, LinearPlus, LinearPlusMLP
from skae.networks.units import UNITS
from skae.networks.variational import VariationalAutoencoder

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "UNITS",
    "AdversarialAutoencoder",
    "AggregateAutoencoder",
    "Autoencoder",
    "Convolutional",
    "Critic",
    "Generator",
    "LinearPlus",
    "LinearPlusMLP",
    "Modules",
    "Network",
    "QuantizedAutoencoder",
    "Recurrent",
    "VariationalAutoencoder",
    "choose_network",
]
