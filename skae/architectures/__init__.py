"""What encoders and decoders are made of."""

from skae.architectures.architecture import Network
from skae.architectures.choice import choose_network
from skae.architectures.convolutional import Convolutional
from skae.architectures.linear_plus import ACTIVATIONS, LinearPlus, LinearPlusMLP
from skae.architectures.mlp import MLP
from skae.architectures.modules import Modules
from skae.architectures.recurrent import Recurrent

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "Convolutional",
    "LinearPlus",
    "LinearPlusMLP",
    "Modules",
    "Network",
    "Recurrent",
    "choose_network",
]
