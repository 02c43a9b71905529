"""Torch modules that know nothing of scikit-learn or tables."""

from skae.networks.autoencoder import Autoencoder
from skae.networks.residual import ACTIVATIONS, LinearPlusMLP
from skae.networks.units import UNITS
from skae.networks.variational import VariationalAutoencoder

__all__ = [
    "ACTIVATIONS",
    "UNITS",
    "Autoencoder",
    "LinearPlusMLP",
    "VariationalAutoencoder",
]
