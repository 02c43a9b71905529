"""Activations of the codes."""

import torch
from torch import nn

# Where the thresholds start: a code of ordinary size, 1, loses a hundredth.
FIRST_THRESHOLD = 0.1


class Shrink(nn.Module):
    """z = u max(1 - t^2 / u^2, 0), with a learned threshold t per code.

    What is smaller than its threshold becomes exactly zero; what is much larger stays as
    it is, where the soft threshold would take t from every code.

    Parameters
    ----------
    n_components : int

    References
    ----------
    The non-negative garrote: Breiman, 1995, eq. 2.2; Gao, Wavelet Shrinkage Denoising
    Using the Non-Negative Garrote, 1998. Learned thresholds: Gregor & LeCun, Learning Fast
    Approximations of Sparse Coding, 2010.
    """

    # The linear map about the start, u -> slope u + offset.
    slope, offset = 1.0, 0.0

    def __init__(self, n_components):
        super().__init__()
        start = torch.full((n_components,), FIRST_THRESHOLD, dtype=torch.float32)
        self.threshold = nn.Parameter(start)

    def forward(self, u):
        ratio = self.threshold.square() / u.square().clamp(min=1e-12)
        return u * torch.relu(1.0 - ratio)


class Logistic(nn.Module):
    """z = 1 / (1 + exp(-u)): codes in (0, 1), whose mean is how active they are.

    Parameters
    ----------
    n_components : int
    """

    slope, offset = 0.25, 0.5

    def __init__(self, n_components):
        super().__init__()

    def forward(self, u):
        return torch.sigmoid(u)


CODE_ACTIVATIONS = {"shrink": Shrink, "logistic": Logistic}
