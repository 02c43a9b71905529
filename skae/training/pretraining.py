"""Greedy pretraining: the hidden layers of a deep autoencoder, one pair at a time."""

import torch
from torch import nn

from skae.training.schedule import one_cycle

# Rows that the layers are trained on at most; steps, and rows per step, of each layer.
N_ROWS, N_STEPS, BATCH = 20_000, 300, 128
PEAK_RATE = 0.01
# Activations that vary less than this have nothing to reconstruct.
LEAST_VARIANCE = 1e-6


def pretrain_layers(network, x, generator, *, from_pca):
    """Train every hidden layer, and its mirror image, to reconstruct the layer before.

    The first pair reconstructs the rows, the second the first layer's activations, and so on
    inwards. The innermost pair makes codes of the last hidden layer; where the network
    starts at PCA the codes are the principal components, of which only the decoder is
    learned, and the outermost layer is set to zero again, so that the start stays PCA.

    Parameters
    ----------
    network : DeterministicModel
        Both blocks are a `LinearPlusMLP`; without `from_pca` the decoder may be a
        `TiedDecoder`.
    x : torch.Tensor of shape (n, n_inputs)
        Training rows.
    generator : torch.Generator
        On the device of x.
    from_pca : bool

    References
    ----------
    Hinton & Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks, 2006;
    Bengio et al., Greedy Layer-Wise Training of Deep Networks, 2007, section 3.
    """
    encoder, decoder = network.encoder.block, network.decoder.block
    forth = [part for part in encoder.correction if isinstance(part, nn.Linear)]
    back = _DecoderLayers(decoder)
    # The modules that follow a linear layer; dropout would only blur what is greedy.
    activation = encoder.correction[1]
    x = x[:N_ROWS]
    h = x.clamp(-encoder.clip, encoder.clip)
    target = x[:, : decoder.n_outputs if back.tied else decoder.linear.out_features]
    for number, layer in enumerate(forth[:-1]):

        def reconstruct(h, number=number, layer=layer):
            reconstructed = back(number, activation(layer(h)))
            return reconstructed if number == 0 else activation(reconstructed)

        _fit(
            reconstruct,
            h,
            target,
            [*layer.parameters(), *back.parameters(number)],
            generator,
        )
        with torch.no_grad():
            h = target = activation(layer(h))
    last = len(forth) - 1
    if from_pca:
        with torch.no_grad():
            h = network.encoder.inner(x)
        inner, innermost = nn.Identity(), []
    else:
        inner, innermost = forth[-1], list(forth[-1].parameters())

    def reconstruct_last(h):
        return activation(back(last, inner(h)))

    _fit(reconstruct_last, h, target, [*innermost, *back.parameters(last)], generator)
    _settle(network, back, from_pca)


class _DecoderLayers:
    """The decoder's layers, numbered as the encoder's."""

    def __init__(self, decoder):
        self.tied = not hasattr(decoder, "correction")
        self._decoder = decoder
        if not self.tied:
            linears = [part for part in decoder.correction if isinstance(part, nn.Linear)]
            self._layers = linears[::-1]

    def __call__(self, number, h):
        return self._decoder.layer(number, h) if self.tied else self._layers[number](h)

    def parameters(self, number):
        if self.tied:
            return [self._decoder.biases[number]]
        return list(self._layers[number].parameters())


def _fit(reconstruct, inputs, targets, parameters, generator):
    """Minimise the mean squared error of `reconstruct(inputs)`, relative to the variance."""
    variance = targets.var(dim=0, correction=0).mean()
    if not parameters or variance < LEAST_VARIANCE:
        return
    optimizer = torch.optim.Adam(parameters, lr=PEAK_RATE)
    for step in range(N_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * one_cycle(step / N_STEPS)
        rows = torch.randint(
            len(inputs),
            (min(BATCH, len(inputs)),),
            generator=generator,
            device=inputs.device,
        )
        optimizer.zero_grad()
        loss = (reconstruct(inputs[rows]) - targets[rows]).square().mean() / variance
        loss.backward()
        optimizer.step()
    optimizer.zero_grad()


@torch.no_grad()
def _settle(network, back, from_pca):
    """Join the layers to the linear maps: PCA, or nothing, beside the stack."""
    encoder, decoder = network.encoder.block, network.decoder.block
    if not from_pca:
        nn.init.zeros_(encoder.linear.weight)
        nn.init.zeros_(encoder.linear.bias)
        if not back.tied:
            nn.init.zeros_(decoder.linear.weight)
            nn.init.zeros_(decoder.linear.bias)
    else:
        nn.init.zeros_(decoder.correction.last.weight)
        nn.init.zeros_(decoder.correction.last.bias)
