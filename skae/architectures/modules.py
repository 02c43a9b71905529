"""A pair of torch modules of your own."""

import copy

import torch
from torch import nn

from skae.architectures.architecture import Network


class Modules(Network):
    """Two torch modules as they are: ``z = encoder(x)`` and ``x' = decoder(z)``.

    They are copied, and trained from the weights that they have. There is no linear map
    beside them and no start at PCA: held-out rows only tell whether training has improved
    on these weights.

    Parameters
    ----------
    encoder : torch.nn.Module
        Takes rows in standard units, shape (n, n_inputs), and returns codes, shape
        (n, n_components); for a `VAETransformer` twice as many columns, the posterior's
        means and log variances.
    decoder : torch.nn.Module
        Takes codes, shape (n, n_components), and returns rows, shape (n, n_outputs). For
        tables of complete numbers both widths are the number of columns.

    Notes
    -----
    `hidden_layer_sizes`, `activation`, `dropout` and `init` are not used. Parameters that
    do not require a gradient stay as they are: one of the two may be frozen. Draws of the
    modules from torch's global generator in training follow `random_state`, and the
    generator is left as it was. All threads share that generator: fits of such modules in
    several threads take turns, epoch by epoch, and are faster in several processes. A layer
    that cannot take a batch of one row (batch normalisation) needs a `batch_size` that leaves
    no such batch.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torch import nn
    >>> from skae import AutoencoderTransformer
    >>> from skae.architectures import Modules
    >>> encoder = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
    >>> decoder = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 4))
    >>> network = Modules(encoder, decoder)
    >>> X = load_iris().data
    >>> AutoencoderTransformer(2, network=network, random_state=0).fit_transform(X).shape
    (150, 2)
    """

    starts_at_pca = False
    draws_globally = True

    _parameter_constraints: dict = {"encoder": [nn.Module], "decoder": [nn.Module]}

    def __init__(self, encoder, decoder):
        self.encoder = encoder
        self.decoder = decoder

    def check(self):
        super().check()
        parameters = [*self.encoder.parameters(), *self.decoder.parameters()]
        if not any(parameter.requires_grad for parameter in parameters):
            raise ValueError(
                f"network=Modules(...) has {len(parameters)} parameters, none of which can "
                "be trained; set requires_grad of one at least."
            )

    def build_encoder(self, n_in, n_out, layers):
        return _checked(Unchanged(self.encoder), "encoder", n_in, n_out)

    def build_decoder(self, n_in, n_out, layers):
        return _checked(Unchanged(self.decoder), "decoder", n_in, n_out)


class Unchanged(nn.Module):
    """A copy of a module, in float32, as the only part of a block."""

    def __init__(self, module):
        super().__init__()
        self.correction = copy.deepcopy(module).float()

    def forward(self, x):
        if x.ndim == 2:
            return self.correction(x)
        return self.correction(x.flatten(0, -2)).unflatten(0, x.shape[:-1])


@torch.no_grad()
def _checked(block, name, n_in, n_out):
    """Return the block; raise unless it takes `n_in` columns and returns `n_out`."""
    was_training = block.correction.training
    block.eval()
    asked = f"a module that takes {n_in} columns and returns a tensor of shape (n, {n_out})"
    try:
        output = block(torch.zeros(2, n_in, dtype=torch.float32))
    except Exception as error:
        raise ValueError(
            f"{name} of network=Modules(...) cannot take rows of shape (2, {n_in}): {error}. "
            f"Give {asked}."
        ) from error
    if not isinstance(output, torch.Tensor):
        raise ValueError(
            f"{name} of network=Modules(...) returns a {type(output).__name__} for rows of "
            f"shape (2, {n_in}); give {asked}."
        )
    if tuple(output.shape) != (2, n_out):
        raise ValueError(
            f"{name} of network=Modules(...) returns shape {tuple(output.shape)} for rows "
            f"of shape (2, {n_in}); give {asked}."
        )
    return block.train(was_training)
