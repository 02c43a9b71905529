"""The multi-layer perceptron."""

from skae.architectures.architecture import Network
from skae.architectures.linear_plus import LinearPlusMLP


class MLP(Network):
    """Layers of units, each joined to all of the layer before: what None stands for.

    Its layers are the estimator's `hidden_layer_sizes`, `activation` and `dropout`.
    """

    def build_encoder(self, n_in, n_out, layers):
        return _block(n_in, n_out, layers.hidden, layers)

    def build_decoder(self, n_in, n_out, layers):
        return _block(n_in, n_out, layers.hidden[::-1], layers)


def _block(n_in, n_out, hidden, layers):
    settings = layers.activation, layers.dropout, layers.clip, layers.generator
    return LinearPlusMLP(n_in, n_out, hidden, *settings)
