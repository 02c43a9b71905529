"""Autoencoders as scikit-learn estimators, on PyTorch."""

from skae._version import __version__
from skae.adversarial import AdversarialAutoencoderTransformer
from skae.anomaly import AEAnomalyDetector
from skae.autoencoder import AutoencoderTransformer
from skae.gan import GANSampler
from skae.vae import VAETransformer
from skae.vqvae import VQVAETransformer

__all__ = [
    "AEAnomalyDetector",
    "AdversarialAutoencoderTransformer",
    "AutoencoderTransformer",
    "GANSampler",
    "VAETransformer",
    "VQVAETransformer",
    "__version__",
]
