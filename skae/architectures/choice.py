"""What the parameter `network` of an estimator stands for."""

from sklearn.base import clone

from skae.architectures.mlp import MLP
from skae.architectures.modules import Modules


def choose_network(network):
    """Return the `Network` that is used for what a user gave: one, a pair of modules or None.

    Raises
    ------
    ValueError
        If it is a tuple, but not of two.
    """
    if isinstance(network, tuple):
        if len(network) != 2:
            raise ValueError(
                f"network is a tuple of {len(network)}; give a pair of torch modules, "
                "(encoder, decoder)."
            )
        return Modules(*network)
    if isinstance(network, Modules):
        return network  # the modules are copied when the blocks are built
    return MLP() if network is None else clone(network)
