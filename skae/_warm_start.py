"""Whether training can go on with the network of the last fit."""

import numpy as np
from sklearn.base import clone

from skae.architectures import Modules, choose_network


def structure_of(estimator):
    """Return what the structural parameters are, or what fit has chosen for them, dict.

    Copies: `set_params` changes what stands in a parameter in place.
    """
    values = {}
    for name in estimator._structural:
        value = getattr(estimator, name)
        if _is_chosen(value):
            value = getattr(estimator, f"{name}_", value)
        values[name] = clone(value, safe=False)
    return values


def refuse_other_network(estimator):
    """Raise if a network other than the fitted one is asked for."""
    network, fitted = choose_network(estimator.network), estimator.network_
    if not isinstance(network, Modules) and repr(network) != repr(fitted):
        raise ValueError(_other_network("network", fitted, estimator.network))
    for name, fitted in estimator._fitted_structure.items():
        now = getattr(estimator, name)
        chosen = hasattr(estimator, f"{name}_") and _is_chosen(now)
        if not chosen and _comparable(now) != _comparable(fitted):
            raise ValueError(_other_network(name, fitted, now))


def _is_chosen(value):
    """Tell whether fit says what a parameter stands for: None, or a fraction."""
    return value is None or isinstance(value, float)


def _comparable(value):
    """Return what a parameter says of the weights of a network, to be compared."""
    if hasattr(value, "structure"):
        return value.structure()
    # A number stands for a sequence of one: hidden_layer_sizes=64 is (64,).
    return value if isinstance(value, str) else repr(np.atleast_1d(value).tolist())


def _other_network(name, fitted, now):
    return (
        f"Training goes on with the fitted network, which has {name}={fitted!r}, but "
        f"{name}={now!r} now; set it back, or fit anew with warm_start=False."
    )
