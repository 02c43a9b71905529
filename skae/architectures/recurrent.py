"""Recurrent cells over rows that are flattened sequences."""

import math
from contextlib import nullcontext
from numbers import Integral

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from skae._processes import Setting, SharedSettings
from skae.architectures.architecture import Network, check_numbers_only, initialise
from skae.architectures.linear_plus import LinearPlus, linear

# Waves that encode the step; the fastest has 2^(N_WAVES - 2) periods.
N_WAVES = 5
CELLS = {"gru": nn.GRU, "lstm": nn.LSTM}


def _set_cudnn(enabled):
    torch.backends.cudnn.enabled = enabled


_without_cudnn = SharedSettings(
    [Setting(lambda: torch.backends.cudnn.enabled, _set_cudnn, (False,))]
)


class Recurrent(Network):
    """A recurrent cell reads the steps into the codes, another generates them again.

    The state after the last step becomes the correction of the codes; the codes become the
    state before the first step, and the input of every step, of the decoder's cell. Beside
    their inputs both cells see a clock, waves of a few frequencies, so that the state need
    not count the steps. As everywhere the linear map of PCA runs in parallel, and last
    layers start at zero.

    Parameters
    ----------
    n_steps : int
        Steps of a sequence. The columns are the first step's features, then the second's,
        and so on: `n_steps` times `n_features` of them.
    n_features : int, default=1
        Features of a step.
    cell : {"gru", "lstm"}, default="gru"
        Kind of the recurrent units.
    hidden_size : int, default=64
        Width of the state.

    Notes
    -----
    `hidden_layer_sizes`, `activation` and `dropout` are not used. They learn slowly: by
    default they are trained for three times the steps of an MLP.

    References
    ----------
    Srivastava, Mansimov & Salakhutdinov, Unsupervised Learning of Video Representations
    using LSTMs, 2015, section 2.2; Cho et al., 2014, for the gated recurrent unit. Positional
    waves: Vaswani et al., Attention Is All You Need, 2017, section 3.5.

    Examples
    --------
    >>> import numpy as np
    >>> from skae import AutoencoderTransformer
    >>> from skae.architectures import Recurrent
    >>> phases = np.random.default_rng(0).uniform(0, 6.28, size=(100, 1))
    >>> X = np.sin(np.linspace(0, 12, 20) + phases)
    >>> network = Recurrent(n_steps=20, hidden_size=8)
    >>> autoencoder = AutoencoderTransformer(1, network=network, max_iter=5, random_state=0)
    >>> autoencoder.fit_transform(X).shape
    (100, 1)
    """

    budget_factor = 3.0

    _parameter_constraints: dict = {
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "n_features": [Interval(Integral, 1, None, closed="left")],
        "cell": [StrOptions(set(CELLS))],
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, n_steps, n_features=1, cell="gru", hidden_size=64):
        self.n_steps = n_steps
        self.n_features = n_features
        self.cell = cell
        self.hidden_size = hidden_size

    @property
    def n_weight_uses(self):
        return self.n_steps

    def check_design(self, design):
        steps, features = self.n_steps, self.n_features
        parameter = f"n_steps={steps!r}, n_features={features!r}"
        check_numbers_only(
            self, design, steps * features, parameter, f"{steps} x {features}"
        )

    def width(self, design):
        return 4 * self.n_steps * self.hidden_size

    def build_encoder(self, n_in, n_out, layers):
        def make():
            return RecurrentEncoder(*self._settings, n_out, layers.generator)

        return LinearPlus(n_in, n_out, make, layers.clip, layers.generator)

    def build_decoder(self, n_in, n_out, layers):
        def make():
            return RecurrentDecoder(*self._settings, n_in, layers.generator)

        return LinearPlus(n_in, n_out, make, layers.clip, layers.generator)

    @property
    def _settings(self):
        sizes = (self.n_steps, self.n_features, self.hidden_size)
        return self.cell, *(int(size) for size in sizes)


class RecurrentEncoder(nn.Module):
    """Rows, shape (n, n_inputs), of which the first columns are steps, to (n, n_out)."""

    def __init__(self, cell, n_steps, n_features, hidden_size, n_out, generator):
        super().__init__()
        self.n_steps, self.n_features = n_steps, n_features
        self.register_buffer("clock", clock(n_steps))
        n_inputs = n_features + self.clock.shape[1]
        self.cell = _cell(cell, n_inputs, hidden_size, generator)
        self.last = linear(hidden_size, n_out, generator)

    def forward(self, x):
        steps = x[:, : self.n_steps * self.n_features]
        steps = with_clock(steps.reshape(-1, self.n_steps, self.n_features), self.clock)
        # cuDNN's cells cannot be differentiated twice, nor at all when evaluating, as a
        # contractive penalty asks.
        with _without_cudnn() if x.is_cuda and x.requires_grad else nullcontext():
            return self.last(self.cell(steps)[0][:, -1])


class RecurrentDecoder(nn.Module):
    """Codes, shape (*, n_in), to flattened sequences, shape (*, n_steps n_features)."""

    def __init__(self, cell, n_steps, n_features, hidden_size, n_in, generator):
        super().__init__()
        self.n_steps = n_steps
        self.register_buffer("clock", clock(n_steps))
        self.first = linear(n_in, hidden_size, generator)
        self.cell = _cell(cell, n_in + self.clock.shape[1], hidden_size, generator)
        self.last = linear(hidden_size, n_features, generator)

    def forward(self, z):
        flat = z.reshape(-1, z.shape[-1])
        state = torch.tanh(self.first(flat))[None]
        if isinstance(self.cell, nn.LSTM):
            state = (state, torch.zeros_like(state))
        inputs = with_clock(flat[:, None].expand(-1, self.n_steps, -1), self.clock)
        steps = self.last(self.cell(inputs, state)[0])
        return steps.reshape(*z.shape[:-1], -1)


def clock(n_steps):
    """Return positional features, shape (n_steps, 2 N_WAVES).

    Sines and cosines; the slowest has half a period, each other twice as many as the last.
    """
    turns = torch.arange(n_steps, dtype=torch.float32)[:, None] / n_steps
    phases = math.pi * turns * 2.0 ** torch.arange(N_WAVES, dtype=torch.float32)
    return torch.cat([phases.sin(), phases.cos()], dim=1)


def with_clock(steps, clock):
    """Return inputs of shape (n, n_steps, width) with the clock as further features."""
    return torch.cat([steps, clock.expand(steps.shape[0], -1, -1)], dim=2)


def _cell(name, n_in, hidden_size, generator):
    # Created without weights: torch would draw them from the global generator.
    cell = CELLS[name](n_in, hidden_size, batch_first=True, device="meta")
    return initialise(cell.to_empty(device="cpu"), hidden_size, generator)
