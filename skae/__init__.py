"""Autoencoders as scikit-learn estimators, on PyTorch."""

from skae._version import __version__
from skae.adversarial import AdversarialAutoencoderTransformer
from skae.anomaly import AEAnomalyDetector
from skae.architectures import MLP, Convolutional, Modules, Recurrent
from skae.autoencoder import AutoencoderTransformer
from skae.corruption import (
    GaussianNoise,
    MaskingNoise,
    SaltAndPepperNoise,
    SwapNoise,
)
from skae.divergences import KL, MMD, Adversary
from skae.files import load, save, trusted_types
from skae.gan import GANSampler
from skae.imputer import AutoencoderImputer
from skae.penalties import (
    Contractive,
    KLSparsity,
    L1Activity,
    NeighborEmbedding,
    Orthogonal,
)
from skae.vae import VAETransformer
from skae.vqvae import VQVAETransformer

__all__ = [
    "KL",
    "MLP",
    "MMD",
    "AEAnomalyDetector",
    "AdversarialAutoencoderTransformer",
    "Adversary",
    "AutoencoderImputer",
    "AutoencoderTransformer",
    "Contractive",
    "Convolutional",
    "GANSampler",
    "GaussianNoise",
    "KLSparsity",
    "L1Activity",
    "MaskingNoise",
    "Modules",
    "NeighborEmbedding",
    "Orthogonal",
    "Recurrent",
    "SaltAndPepperNoise",
    "SwapNoise",
    "VAETransformer",
    "VQVAETransformer",
    "__version__",
    "load",
    "save",
    "trusted_types",
]
