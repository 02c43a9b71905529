"""Codes in another order and with other signs than a block makes them or takes them in."""

import torch
from torch import nn


class Arranged(nn.Module):
    """z_i = s_i y_(p_i): the codes y of a block, arranged; as they are until `rearrange`.

    Attributes
    ----------
    places, back : torch.Tensor of int of shape (n_components,) or None
        p, and the order that undoes it.
    signs : torch.Tensor of shape (n_components,) or None
        s, of 1 and -1.
    """

    places: torch.Tensor | None
    back: torch.Tensor | None
    signs: torch.Tensor | None

    def __init__(self):
        super().__init__()
        for name in ("places", "back", "signs"):
            self.register_buffer(name, None)

    def rearrange(self, order, signs):
        """Put the codes, as they are arranged now, into an order, and multiply them by signs.

        Parameters
        ----------
        order : torch.Tensor of int of shape (n_components,)
        signs : torch.Tensor of shape (n_components,)
            Of the codes in that order.
        """
        if self.places is not None:
            order, signs = self.places[order], self.signs[order] * signs
        self.places, self.back, self.signs = order, order.argsort(), signs

    def arrange(self, y):
        """Return z, shape (*, n_components)."""
        return y if self.places is None else y.index_select(-1, self.places) * self.signs

    def undo(self, z):
        """Return y, shape (*, n_components)."""
        return z if self.back is None else self.undo_order(z * self.signs)

    def undo_order(self, values):
        """Return values of the codes z, shape (*, n_components), in the order of y."""
        return values if self.back is None else values.index_select(-1, self.back)


class ArrangedEncoder(Arranged):
    """A block that makes codes, arranged.

    Parameters
    ----------
    block : torch.nn.Module
    n_components : int
        Further outputs, n_components of them, are the codes' log variances: they have an
        order, but no signs.
    """

    def __init__(self, block, n_components):
        super().__init__()
        self.block, self.n_components = block, n_components

    def start_from(self, weight, bias):
        self.block.start_from(weight, bias)

    def forward(self, x):
        y = self.block(x)
        if self.places is None:
            return y
        codes, more = y[..., : self.n_components], y[..., self.n_components :]
        if not more.shape[-1]:
            return self.arrange(codes)
        return torch.cat([self.arrange(codes), more.index_select(-1, self.places)], dim=-1)


class ArrangedDecoder(Arranged):
    """A block that takes codes, arranged, and the link of its numbers, if there is one.

    Parameters
    ----------
    block : torch.nn.Module
    link : Link, default=None
    """

    def __init__(self, block, link=None):
        super().__init__()
        self.block, self.link = block, link

    def start_from(self, weight, bias):
        self.block.start_from(weight, bias)

    def forward(self, z):
        y = self.block(self.undo(z))
        return y if self.link is None else self.link(y)
