"""Autoencoders as scikit-learn estimators, on PyTorch."""

from skae._version import __version__
from skae.anomaly import AEAnomalyDetector
from skae.autoencoder import AutoencoderTransformer
from skae.corruption import (
    GaussianNoise,
    MaskingNoise,
    SaltAndPepperNoise,
    SwapNoise,
)
from skae.vae import VAETransformer

__all__ = [
    "AEAnomalyDetector",
    "AutoencoderTransformer",
    "GaussianNoise",
    "MaskingNoise",
    "SaltAndPepperNoise",
    "SwapNoise",
    "VAETransformer",
    "__version__",
]
