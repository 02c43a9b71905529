"""Codes turned, in another order, and with other signs than a block makes or takes them."""

import torch
from torch import nn

BUFFERS = "matrix", "inverse", "centre", "places", "back", "signs"


class Arranged(nn.Module):
    """z = (y - c) M, or z_i = s_i y_(p_i): the codes y of a block, arranged.

    They are as they are until `turn` or `rearrange`.

    Attributes
    ----------
    matrix, inverse : torch.Tensor of shape (n_components, n_components) or None
        M, and its inverse; None: there is an order at most.
    centre : torch.Tensor of shape (n_components,) or None
        c.
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
        # States that were saved in training, when there is no order yet, can be loaded.
        for name in BUFFERS:
            self.register_buffer(name, None, persistent=False)

    def turn(self, matrix, inverse, centre):
        """Make (z - centre) matrix of the codes z, as they are arranged now.

        Parameters
        ----------
        matrix, inverse : torch.Tensor of shape (n_components, n_components)
        centre : torch.Tensor of shape (n_components,)
        """
        start = torch.eye(len(centre)).to(centre)
        before, back = self._arrange(start), self._undo(start)
        self.centre = centre @ back + (0.0 if self.centre is None else self.centre)
        self.matrix, self.inverse = before @ matrix, inverse @ back
        self.places = self.back = self.signs = None

    def rearrange(self, order, signs):
        """Put the codes, as they are arranged now, into an order, and multiply them by signs.

        Parameters
        ----------
        order : torch.Tensor of int of shape (n_components,)
        signs : torch.Tensor of shape (n_components,)
            Of the codes in that order.
        """
        if self.matrix is not None:
            self.matrix = self.matrix[:, order] * signs
            self.inverse = self.inverse[order] * signs[:, None]
            return
        if self.places is not None:
            order, signs = self.places[order], self.signs[order] * signs
        self.places, self.back, self.signs = order, order.argsort(), signs

    def arrange(self, y):
        """Return z, shape (*, n_components)."""
        return self._arrange(y if self.centre is None else y - self.centre)

    def _arrange(self, y):
        if self.matrix is not None:
            return y @ self.matrix
        return y if self.places is None else y.index_select(-1, self.places) * self.signs

    def undo(self, z):
        """Return y, shape (*, n_components)."""
        y = self._undo(z)
        return y if self.centre is None else y + self.centre

    def _undo(self, z):
        if self.inverse is not None:
            return z @ self.inverse
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
