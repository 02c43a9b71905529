"""What turns a decoder's numbers into means that data of their kind can have."""

import torch
from torch import nn

# Log odds are kept within this, and counts within this many times e of their mean.
FARTHEST = 12.0
# Means are kept this far from where the inverse of a link is infinite.
LEAST = 0.01


class Link(nn.Module):
    """m = (h(y) - c) / s for numbers, with h the inverse link; levels pass as they are.

    What comes out is in standard units, as from a decoder without a link.

    Parameters
    ----------
    center, scale : ndarray of shape (n_numbers,)
        c and s: raw units, and raw units per standard unit.
    """

    def __init__(self, center, scale):
        super().__init__()
        self.register_buffer("center", torch.empty(len(center)))
        self.register_buffer("scale", torch.empty(len(scale)))
        self.follow(center, scale)

    def follow(self, center, scale):
        """Take over the units of a table."""
        self.center.copy_(torch.from_numpy(center))
        self.scale.copy_(torch.from_numpy(scale))

    def forward(self, y):
        n = len(self.center)
        means = (self.mean(y[..., :n]) - self.center) / self.scale
        return means if y.shape[-1] == n else torch.cat([means, y[..., n:]], dim=-1)

    def start(self, gains, offsets):
        """Return gains and offsets for y that make m, to first order, what they say of it."""
        n = len(self.center)
        at, slope = self.linear()
        offsets, gains = offsets.clone(), gains.clone()
        offsets[:n] = at.cpu()
        gains[:n] = (self.scale / slope).cpu()
        return gains, offsets


class Logistic(Link):
    """h(y) = 1 / (1 + exp(-y)): shares, between 0 and 1."""

    def mean(self, y):
        return torch.sigmoid(FARTHEST * torch.tanh(y / FARTHEST))

    def linear(self):
        """Return the y of the center, and the slope of h there."""
        mean = self.center.clamp(LEAST, 1.0 - LEAST)
        return torch.logit(mean), mean * (1.0 - mean)


class Exponential(Link):
    """h(y) = exp(y): rates of counts, above 0."""

    def mean(self, y):
        middle = self.center.clamp(min=LEAST).log()
        return (middle + FARTHEST * torch.tanh((y - middle) / FARTHEST)).exp()

    def linear(self):
        """Return the y of the center, and the slope of h there."""
        mean = self.center.clamp(min=LEAST)
        return mean.log(), mean


LINKS = {"logistic": Logistic, "exponential": Exponential}
