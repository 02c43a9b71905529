"""Autoencoders as scikit-learn estimators, on PyTorch."""

from skae.anomaly import AEAnomalyDetector
from skae.autoencoder import AutoencoderTransformer
from skae.vae import VAETransformer

__version__ = "0.1.0"

__all__ = ["AEAnomalyDetector", "AutoencoderTransformer", "VAETransformer"]
