"""The maximum mean discrepancy between codes and the prior N(0, I)."""

import torch
from torch import nn

# Squared widths of the kernels, relative to the number of codes; each doubles the last.
WIDTHS = (0.25, 0.5, 1.0, 2.0)
# Maximum number of rows compared: all pairs of them are.
MOST_ROWS = 512
# The same where states of one network are compared, whose differences are smaller.
MOST_JUDGED = 1024


def prior_mmd(codes, weights=None, most_rows=MOST_ROWS):
    """Return the squared maximum mean discrepancy of codes and N(0, I), shape ().

    With sums of Gaussian kernels the expectations over the prior are known: none of it is
    drawn. It is without bias, and may be a little below 0. Of many codes the first count.

    Parameters
    ----------
    codes : torch.Tensor of shape (n, n_components), n at least 2
    weights : torch.Tensor of shape (n,), default=None
        How much a code counts; None: all alike.

    References
    ----------
    Gretton et al., A Kernel Two-Sample Test, 2012, eq. 3; with the expectation over the
    normal distribution it is the statistic of Baringhaus & Henze, 1988.
    """
    codes = codes[:most_rows]
    weights = _fractions(codes, None if weights is None else weights[:most_rows])
    # Every code is at distance 0 from itself, where the kernel is 1.
    alone = weights.square().sum()
    among = (weights @ _pairs(codes, codes) @ weights - alone) / (1.0 - alone)
    prior = _kernel(codes.new_zeros(()), 2.0, codes.shape[1])
    return among - 2.0 * torch.dot(weights, _to_prior(codes)) + prior


class RecentCodes(nn.Module):
    """A surrogate with the gradient of the discrepancy of a batch and the batches before it.

    The gradient of `prior_mmd` with respect to one code is twice its fraction of the
    weights times the gradient of the mean kernel to the others minus that to the prior.
    Over a batch's own codes that mean is mostly noise; over the last 512 codes it is not.

    References
    ----------
    Recent examples that steady adversarial training: Shrivastava et al., Learning from Simulated and
    Unsupervised Images, 2017, section 2.3.
    """

    def __init__(self):
        super().__init__()
        self.recent = None

    def _apply(self, fn, recurse=True):
        self.recent = None  # of use while training only, and on the device of that
        return super()._apply(fn, recurse)

    def forward(self, codes, weights=None):
        """Return a surrogate loss with the gradient of the squared discrepancy, shape (n,).

        Parameters
        ----------
        codes : torch.Tensor of shape (n, n_components)
        weights : torch.Tensor of shape (n,), default=None
            Of the rows. The surrogate is not yet multiplied by them.
        """
        n = len(codes)
        weights = codes.new_ones(n) if weights is None else weights
        others, weights_of_others = codes.detach(), weights
        if self.recent is not None:
            others = torch.cat([others, self.recent[0]])[: max(MOST_ROWS, n)]
            weights_of_others = torch.cat([weights_of_others, self.recent[1]])[
                : max(MOST_ROWS, n)
            ]
        self.recent = others, weights_of_others
        if len(others) < 2:
            return codes.new_zeros(n)
        total = weights_of_others.sum()
        left = total - weights_of_others.square().sum() / total
        among = (_pairs(codes, others) @ weights_of_others - weights) / left
        return 2.0 * (among - _to_prior(codes))

    def __getstate__(self):
        return {**self.__dict__, "recent": None}  # of use while training only


def _fractions(codes, weights):
    """Return the fractions with which codes enter a mean, shape (n,)."""
    weights = codes.new_ones(len(codes)) if weights is None else weights.to(codes)
    return weights / weights.sum()


def _to_prior(codes):
    """Return the mean kernel of every code and the prior's draws, shape (n,)."""
    return _kernel(codes.square().sum(dim=1), 1.0, codes.shape[1])


def _pairs(codes, others):
    """Return the kernel of every code and every other, shape (n, n_others)."""
    width = codes.shape[1]
    squares = codes.square().sum(dim=1)[:, None] + others.square().sum(dim=1)
    distances = (squares - 2.0 * codes @ others.T).clamp(min=0.0)
    # Each kernel is the square of the next wider one: exponentials are what takes long.
    kernel = (-0.5 / (WIDTHS[-1] * width) * distances).exp()
    total = kernel
    for _ in WIDTHS[1:]:
        kernel = kernel.square()
        total = total + kernel
    return total / len(WIDTHS)


def _kernel(squares, variance, width):
    """Return E k(a - b) for a - b normal in `width` dimensions, averaged over the kernels.

    Parameters
    ----------
    squares : torch.Tensor
        Squared lengths of the mean of a - b.
    variance : float
        The variance of a - b in every dimension.
    """
    total = 0.0
    for ratio in WIDTHS:
        wide = ratio * width
        spread = wide + variance
        total = total + (wide / spread) ** (0.5 * width) * (-0.5 * squares / spread).exp()
    return total / len(WIDTHS)


def prior_level(n_rows, n_components, level=0.95, n_draws=100, seed=0):
    """Return the quantile of `prior_mmd` of so many draws of the prior itself."""
    generator = torch.Generator().manual_seed(seed)
    shape = min(n_rows, MOST_ROWS), n_components
    draws = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(n_draws)
    )
    return float(torch.stack([prior_mmd(codes) for codes in draws]).quantile(level))
