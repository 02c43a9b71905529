"""The networks of adversarial training: generator, critic, and what tames the critic."""

import math

import torch
from torch import nn

from skae.architectures.linear_plus import ACTIVATIONS, linear
from skae.table.blocks import BlockModule, Design
from skae.table.blocks.base import gumbel

SLOPE = 0.2
# Proportion of a level, or of missing cells, that a class starts with at least.
UNSURE = 0.1
# Temperature of the soft levels that the critic is shown.
TEMPERATURE = 0.5
# Standard deviation of the frequencies at the start, in cycles per standard deviation.
FREQUENCY = 0.5
# Columns of periodic features beyond which a critic would do little else.
MAX_WAVES, WAVES_PER_COLUMN = 128, 8


class SpectralLinear(nn.Module):
    """y = (W / s) x + b, with s the largest singular value of W: a 1-Lipschitz layer.

    `torch.nn.utils.parametrizations.spectral_norm` does the same, but draws from the
    global generator and does not pickle. One power iteration per training step follows s.

    References
    ----------
    Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018,
    algorithm 1.
    """

    def __init__(self, n_in, n_out, generator):
        super().__init__()
        layer = linear(n_in, n_out, generator)
        self.weight, self.bias = layer.weight, layer.bias
        start = torch.empty(n_out, dtype=torch.float32).normal_(generator=generator)
        self.register_buffer("left", nn.functional.normalize(start, dim=0))

    def forward(self, x):
        weight = self.weight.detach()
        right = nn.functional.normalize(weight.T @ self.left, dim=0)
        if self.training:
            self.left = nn.functional.normalize(weight @ right, dim=0)
        size = torch.dot(self.left, self.weight @ right)
        return nn.functional.linear(x, self.weight / size, self.bias)


def perceptron(n_in, n_out, hidden, activation, generator, layer=linear):
    """Return a multi-layer perceptron of `layer`; ``activation()`` makes what is between."""
    layers: list[nn.Module] = []
    for n_units in hidden:
        layers += [layer(n_in, n_units, generator), activation()]
        n_in = n_units
    return nn.Sequential(*layers, layer(n_in, n_out, generator))


def _leaky():
    return nn.LeakyReLU(SLOPE)


class Critic(nn.Module):
    """D(x): one number per row, higher for rows that look real.

    Beside its inputs it sees ``sin(2 pi f x)`` and ``cos(2 pi f x)`` of every number, with
    trained frequencies f: on a table, what is real may hang on small differences, which
    a plain perceptron is slow to see.

    Parameters
    ----------
    n_inputs : int
        Width of x, shape (n, n_inputs).
    n_waves : int
        Inputs, the first ones, that have periodic features.
    hidden : sequence of int
    spectral_norm : bool
        Whether every layer is 1-Lipschitz.
    generator : torch.Generator
        Source of the initial weights (CPU).

    References
    ----------
    Periodic features: Gorishniy et al., On Embeddings for Numerical Features in Tabular
    Deep Learning, 2022.
    """

    def __init__(self, n_inputs, n_waves, hidden, spectral_norm, generator):
        super().__init__()
        each = min(WAVES_PER_COLUMN, MAX_WAVES // n_waves) if n_waves else 0
        self.frequencies = None
        if each:
            start = torch.empty(n_waves, each, dtype=torch.float32)
            self.frequencies = nn.Parameter(FREQUENCY * start.normal_(generator=generator))
        width = n_inputs + 2 * n_waves * each
        layer = SpectralLinear if spectral_norm else linear
        self.layers = perceptron(width, 1, hidden, _leaky, generator, layer)

    def forward(self, x):
        """Return D(x), shape (n,)."""
        if self.frequencies is not None:
            near = x[:, : len(self.frequencies)]
            phases = (2.0 * math.pi * near[:, :, None] * self.frequencies).flatten(1)
            x = torch.cat([x, phases.sin(), phases.cos()], dim=1)
        return self.layers(x).squeeze(1)


class Generator(nn.Module):
    """G(z, c) = s_c + f(z, s_c): rows of the design matrix from latent draws.

    A draw has normal numbers z and a class c: tables come in clumps, and no continuous map
    of one cloud leaves the space between them empty. The s_c start at the clumps' centres:
    a generator that starts beside a clump may never find it.

    Parameters
    ----------
    n_components : int
        Normal numbers of a draw.
    centres : torch.Tensor of shape (n_classes, n_inputs)
        Where the classes start, in the design matrix.
    sizes : torch.Tensor of shape (n_classes,)
        How likely they are.
    design : Design
    hidden : sequence of int
    activation : str
        A key of `ACTIVATIONS`.
    varies : torch.Tensor of shape (n_numbers,)
        0 for numbers that never change, which stay at their mean; 1 for others.
    generator : torch.Generator
        Source of the initial weights (CPU).

    References
    ----------
    The mixture of latent draws: Gurumurthy, Sarvadevabhatla & Babu, DeLiGAN, 2017. Soft
    levels: Jang, Gu & Poole, Categorical Reparameterization with Gumbel-Softmax, 2017.
    Missing indicators: Li, Jiang & Marlin, MisGAN, 2019.
    """

    def __init__(
        self,
        n_components,
        centres,
        sizes,
        design: Design,
        hidden,
        activation,
        varies,
        generator,
    ):
        super().__init__()
        self.n_components, self.n_classes = n_components, len(centres)
        self.n_outputs = design.n_outputs
        self.blocks = nn.ModuleList(map(BlockModule, design.blocks))
        self.columns = [block.columns for block in design.blocks]
        self.layers = perceptron(
            n_components + design.n_inputs,
            design.n_inputs,
            hidden,
            ACTIVATIONS[activation],
            generator,
        )
        others = torch.ones(design.n_outputs - len(varies), dtype=torch.float32)
        self.register_buffer("varies", torch.cat([varies, others]))
        self.has_absences = design.absence is not None
        for name, owners in (
            ("hides", design.missing_indicators),
            ("absence_hides", design.absent_columns),
        ):
            self.register_buffer(name, design.hides(owners).to(torch.float32))
        self.register_buffer("class_sizes", sizes)
        self.starts = nn.Parameter(self._as_output(centres))

    def _by_block(self, method, values, *args):
        """Return what each block makes of its columns, shape (n, n_outputs)."""
        parts = [
            getattr(module.block, method)(values[:, columns], *args)
            for module, columns in zip(self.blocks, self.columns, strict=True)
        ]
        return torch.cat(parts, dim=1)

    def _as_output(self, rows):
        """Return the output that shows as these rows, more or less."""
        missing = rows[:, self.n_outputs :].clamp(UNSURE, 1.0 - UNSURE)
        return torch.cat(
            [self._by_block("start_output", rows, UNSURE), missing.logit()], dim=1
        )

    def draw(self, n_rows, generator):
        """Return latent draws of shape (n_rows, n_components + n_classes), on the generator's device."""
        normal = torch.randn(
            (n_rows, self.n_components),
            generator=generator,
            device=generator.device,
            dtype=torch.float32,
        )
        classes = torch.multinomial(
            self.class_sizes, n_rows, replacement=True, generator=generator
        )
        one_hot = nn.functional.one_hot(classes, self.n_classes).to(normal)
        return torch.cat([normal, one_hot], dim=1)

    def forward(self, z):
        """Return outputs of a decoder and logits of missing indicators, (n, n_inputs)."""
        starts = z[:, self.n_components :] @ self.starts
        return starts + self.layers(torch.cat([z[:, : self.n_components], starts], dim=1))

    def _draw(self, method, output, *args):
        """Return rows drawn as each block says, without the cells that are not there."""
        rows = self._by_block(method, output, *args) * self.varies
        if not self.has_absences:
            return rows
        absent = self.blocks[-1].block.absent(rows[:, self.columns[-1]])
        return rows * (1.0 - absent @ self.absence_hides)

    def show(self, output, generator):
        """Return the rows of an output as the critic sees them, drawn as each block says.

        Draws are soft, so that gradients pass.
        """
        rows = self._draw("soft_draw", output, generator, TEMPERATURE)
        logits = output[:, self.n_outputs :]
        if not logits.shape[1]:
            return rows
        noise = gumbel(logits, generator) - gumbel(logits, generator)
        missing = ((logits + noise) / TEMPERATURE).sigmoid()
        # A cell that is missing says nothing: it stands at the mean.
        return torch.cat([rows * (1.0 - missing @ self.hides), missing], dim=1)

    def realise(self, output, generator):
        """Return complete rows with drawn levels, and outputs that are sure of them.

        Returns
        -------
        rows : torch.Tensor of shape (n, n_inputs)
            As the critic sees rows without missing cells.
        sure : torch.Tensor of shape (n, n_outputs)
            As a decoder would return them.
        """
        rows = self._draw("hard_draw", output, generator)
        observed = torch.zeros_like(output[:, self.n_outputs :])
        return torch.cat([rows, observed], dim=1), self._by_block("to_output", rows)
