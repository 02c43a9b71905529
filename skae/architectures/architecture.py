"""The interface of an architecture."""

from dataclasses import dataclass

import torch
from torch import nn

from skae._component import Setting


@dataclass(frozen=True)
class Layers:
    """The layers, as the estimator's parameters describe them.

    Attributes
    ----------
    hidden : tuple of int
        Units of the encoder's hidden layers.
    activation : str
        A key of `ACTIVATIONS`.
    dropout : float
    clip : float
        Clipping bound of the inputs of a correction.
    generator : torch.Generator
        Source of the initial weights (CPU).
    """

    hidden: tuple[int, ...]
    activation: str
    dropout: float
    clip: float
    generator: torch.Generator


class Network(Setting):
    """An architecture. An architecture of your own is a subclass.

    It builds two blocks, each a linear map plus a correction: see `LinearPlus`, which adds
    the linear map to a correction and clips its inputs at the range of the data. A
    correction is any module whose last linear or convolutional layer is its attribute
    `last`.

    Attributes
    ----------
    n_weight_uses : int
        About how often a weight is used per row, which tells how much work a step is.
    budget_factor : float
        Multiple of the steps of an `MLP` that it needs.
    starts_at_pca : bool
        Whether the blocks have a linear map that can start at PCA.
    draws_globally : bool
        Whether its modules may draw from torch's global generator, which is then seeded for
        the fit and put back. Fits in several threads take turns then, epoch by epoch.
    """

    n_weight_uses = 1
    budget_factor = 1.0
    starts_at_pca = True
    draws_globally = False

    def check_design(self, design):
        """Raise unless the network can take rows of this design."""

    def width(self, design):
        """Return the largest number of activations per row in a layer, hidden ones apart."""
        return 1

    def build_encoder(self, n_in: int, n_out: int, layers: Layers) -> nn.Module:
        """Return the block that maps rows, shape (n, n_in), to codes, shape (n, n_out)."""
        raise NotImplementedError(f"{type(self).__name__} needs a method build_encoder.")

    def build_decoder(self, n_in: int, n_out: int, layers: Layers) -> nn.Module:
        """Return the block that maps codes, shape (*, n_in), to rows, shape (*, n_out)."""
        raise NotImplementedError(f"{type(self).__name__} needs a method build_decoder.")


def check_numbers_only(network, design, n_cells, parameter, meaning):
    """Raise unless the rows are `n_cells` numbers.

    Parameters
    ----------
    parameter : str
        Name and value, for the message.
    meaning : str
        What the number of cells is made of, for the message.
    """
    name = type(network).__name__
    if not design.is_numeric:
        raise ValueError(
            f"network={name}(...) takes rows of numbers, but X has "
            f"{design.n_features - len(design.numeric.features)} columns of categories, as text "
            "and booleans are, and missing cells that are a level; make numbers of them, or use "
            "network=None."
        )
    if design.n_features != n_cells:
        raise ValueError(
            f"{parameter} of {name} stands for rows of {meaning} = {n_cells} columns, but X "
            f"has {design.n_features}; give the shape that the rows were flattened from."
        )


@torch.no_grad()
def initialise(layer, fan_in, generator):
    """Draw all weights of a layer uniformly from +-1 / sqrt(fan_in), as torch does."""
    for parameter in layer.parameters():
        parameter.uniform_(-(fan_in**-0.5), fan_in**-0.5, generator=generator)
    return layer
