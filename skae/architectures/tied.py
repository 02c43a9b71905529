"""A decoder that uses the encoder's weights, transposed."""

import torch
from torch import nn


class TiedDecoder(nn.Module):
    """x' = g A'z + b + f'(z), with f' the mirror image of the encoder's perceptron.

    Every layer of f' has the transposed weights of a layer of f, and a bias of its own.

    Parameters
    ----------
    encoder : LinearPlusMLP
        The encoder's block; its weights are shared.
    n_outputs : int
        Columns of x': the first of the encoder's inputs.

    References
    ----------
    Vincent et al., Stacked Denoising Autoencoders, 2010, section 2.2.
    """

    def __init__(self, encoder, n_outputs):
        super().__init__()
        self.encoder, self.n_outputs = encoder, n_outputs
        self.register_buffer("gains", torch.ones(n_outputs, dtype=torch.float32))
        self.bias = nn.Parameter(torch.zeros(n_outputs, dtype=torch.float32))
        self.biases = nn.ParameterList(
            torch.zeros(
                min(layer.in_features, n_outputs) if i == 0 else layer.in_features,
                dtype=torch.float32,
            )
            for i, layer in enumerate(self._linears())
        )

    def _linears(self):
        layers = self.encoder.correction or ()
        return [layer for layer in layers if isinstance(layer, nn.Linear)]

    def layer(self, number, h):
        """Return the transposed layer `number` of f, applied to h, before activation."""
        weight = self._linears()[number].weight
        bias = self.biases[number]
        return nn.functional.linear(h, weight.T[: len(bias)], bias)

    def _between(self):
        """Return activation and dropout, which follow every hidden layer alike."""
        layers = list(self.encoder.correction)
        stride = (len(layers) - 1) // (len(self.biases) - 1)
        return layers[1:stride]

    @torch.no_grad()
    def start_from(self, weight, bias, *, free=False):
        """Let g A' be `weight`, whose rows must be multiples of A's columns, and f' zero.

        The encoder has started: the last layer of f, the first of f', is zero, so that f'
        is constant.
        """
        norms = self.encoder.linear.weight[:, : self.n_outputs].norm(dim=0)
        gains = weight.norm(dim=1) / norms
        self.gains.copy_(torch.where(norms > 0, gains, 1.0))
        self.bias.copy_(bias)
        if len(self.biases):
            training = self.training
            self.eval()
            self.biases[0].sub_(self._correct(weight.new_zeros(1, weight.shape[1]))[0])
            self.train(training)

    def _correct(self, h):
        for number in reversed(range(len(self.biases))):
            h = self.layer(number, h)
            for part in self._between() if number else ():
                h = part(h)
        return h

    def forward(self, z):
        linear = self.encoder.linear.weight[:, : self.n_outputs].T
        y = nn.functional.linear(z, linear) * self.gains + self.bias
        if not len(self.biases):
            return y
        return y + self._correct(z.clamp(-self.encoder.clip, self.encoder.clip))
