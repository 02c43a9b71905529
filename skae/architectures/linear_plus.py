"""A linear map plus a correction: the block of encoders and decoders."""

import torch
from torch import nn

ACTIVATIONS = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "logistic": nn.Sigmoid,
    "identity": nn.Identity,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "elu": nn.ELU,
}


class Dropout(nn.Dropout):
    """Dropout that draws from `generator` during a fit.

    `torch.nn.Dropout` can only draw from the global generator, which a fit must not
    change. Without a generator (in fine-tuning by hand) it is the ordinary one.
    """

    generator: torch.Generator | None = None

    def forward(self, input):
        if self.generator is None or not self.training:
            return super().forward(input)
        keep = torch.rand(
            input.shape, generator=self.generator, device=input.device, dtype=input.dtype
        )
        return input * (keep >= self.p) / (1.0 - self.p)


def linear(n_in: int, n_out: int, generator: torch.Generator) -> nn.Linear:
    """Return an `nn.Linear` with torch's usual initial weights, drawn from `generator`."""
    layer = nn.utils.skip_init(nn.Linear, n_in, n_out, dtype=torch.float32)
    bound = n_in**-0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


class LinearPlus(nn.Module):
    """y = A x + a + f(x), with f a correction of inputs clipped to [-clip, clip].

    Beyond the range of the data the correction stays constant and the linear map alone
    extrapolates: far rows are treated as PCA would.

    Parameters
    ----------
    n_in, n_out : int
        Widths of x, shape (*, n_in), and y, shape (*, n_out).
    make_correction : callable () -> torch.nn.Module or None
        Builds f, whose last layer is its attribute `last`. None: no f, a linear map.
    clip : float
        Clipping bound of the inputs of f, in the unit of x.
    generator : torch.Generator
        Source of the initial weights of A (CPU).
    """

    def __init__(self, n_in, n_out, make_correction, clip, generator):
        super().__init__()
        self.clip = clip
        self.linear = linear(n_in, n_out, generator)
        self.correction = make_correction()

    @torch.no_grad()
    def start_from(self, weight, bias, *, free=False):
        """Fix A = `weight` and a = `bias`, and let the correction start at zero.

        Inputs beyond the columns of `weight` are for the correction alone. With `free`, A
        and a are trained as well.
        """
        n_more = self.linear.in_features - weight.shape[1]
        self.linear.weight.copy_(nn.functional.pad(weight, (0, n_more)))
        self.linear.bias.copy_(bias)
        # An optimiser that normalises gradients moves the weights of columns that hardly
        # vary as far as the others', and a far row would meet the sum of those moves.
        self.linear.requires_grad_(free or self.correction is None)
        if self.correction is not None:
            nn.init.zeros_(self.correction.last.weight)
            nn.init.zeros_(self.correction.last.bias)

    def forward(self, x):
        y = self.linear(x)
        if self.correction is None:
            return y
        return y + self.correction(x.clamp(-self.clip, self.clip))


class Perceptron(nn.Sequential):
    """Linear layers with activations between them."""

    @property
    def last(self):
        return self[-1]


class LinearPlusMLP(LinearPlus):
    """y = A x + a + f(x), with f a multi-layer perceptron.

    Parameters
    ----------
    n_in, n_out : int
        Widths of x, shape (*, n_in), and y, shape (*, n_out).
    hidden : sequence of int
        Widths of the hidden layers of f. Empty: no f, a linear map.
    activation : str
        A key of `ACTIVATIONS`.
    dropout : float
        Fraction of the hidden units left out of each training step.
    clip : float
        Clipping bound of the inputs of f, in the unit of x.
    generator : torch.Generator
        Source of the initial weights (CPU).
    """

    def __init__(self, n_in, n_out, hidden, activation, dropout, clip, generator):
        def make():
            layers: list[nn.Module] = []
            width = n_in
            for n_units in hidden:
                layers += [linear(width, n_units, generator), ACTIVATIONS[activation]()]
                if dropout:
                    layers.append(Dropout(dropout))
                width = n_units
            if layers:
                layers.append(linear(width, n_out, generator))
            return Perceptron(*layers) if layers else None

        super().__init__(n_in, n_out, make, clip, generator)
