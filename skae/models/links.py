"""Links: from the decoder's output to means within the support of the data."""

import torch
from torch import nn

# Log odds, and logarithms of rates, are bounded by this distance from those of the center.
FARTHEST = 12.0
# Means are kept this far from where the inverse of a link is infinite.
LEAST = 0.01


class Link(nn.Module):
    """m = (h(a + y) - c) / s for numeric columns, with h the inverse link; logits pass unchanged.

    What comes out is in standard units, as from a decoder without a link, and y = 0 gives
    the center, 0.

    Parameters
    ----------
    center, scale : ndarray of shape (n_numbers,)
        c and s: raw units, and raw units per standard unit.
    """

    def __init__(self, center, scale):
        super().__init__()
        for name in ("center", "scale", "at"):
            self.register_buffer(name, torch.zeros(len(center), dtype=torch.float32))
        self.follow(center, scale)
        self.at.copy_(self.inverse(self.center))

    def follow(self, center, scale):
        """Take over the units of a table."""
        self.center.copy_(torch.from_numpy(center))
        self.scale.copy_(torch.from_numpy(scale))

    def forward(self, y):
        n = len(self.center)
        numbers = FARTHEST * torch.tanh(y[..., :n] / FARTHEST)
        means = (self.mean(self.at + numbers) - self.center) / self.scale
        return means if y.shape[-1] == n else torch.cat([means, y[..., n:]], dim=-1)


class Logistic(Link):
    """h(y) = 1 / (1 + exp(-y)): proportions, between 0 and 1."""

    mean = staticmethod(torch.sigmoid)

    @staticmethod
    def inverse(mean):
        return torch.logit(mean.clamp(LEAST, 1.0 - LEAST))

    def slope(self):
        """Return dh / dy where y = 0."""
        mean = self.mean(self.at)
        return mean * (1.0 - mean)


class Exponential(Link):
    """h(y) = exp(y): rates of counts, above 0."""

    mean = staticmethod(torch.exp)

    @staticmethod
    def inverse(mean):
        return mean.clamp(min=LEAST).log()

    def slope(self):
        """Return dh / dy where y = 0."""
        return self.mean(self.at)


LINKS = {"logistic": Logistic, "exponential": Exponential}
