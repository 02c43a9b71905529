"""What the first codes of a row say of it, the others unknown."""

import torch
from torch import nn

# Standard deviations at which the perceptron's inputs are clipped, as the network's are.
CLIP = 10.0
# What is chosen for every number of codes.
TRUST = "fractions", "sureness", "corrections"


class CodeCompletion(nn.Module):
    """x'_k = (1 - b_k) x'_0 + b_k ((1 - a_k) (o + w_1..k L) + a_k d(z_1..k, m(w_1..k))).

    Of the inner sum the first part is the linear regression of the decoder's output on the
    first k codes, the second what the decoder d makes of them and of what a perceptron m
    expects the others to be. The decoder is as sure of levels as all codes together make it;
    b draws its logits to x'_0, those without any code. To numbers that are drawn to their
    means, as they are where a posterior's mean is decoded, c_k (e + w_1..k E) is added, which
    is a part of the regression of the decoder's errors on the codes.

    w are the codes decorrelated one after the other: w_i is what z_i says beside
    z_1, ..., z_(i-1), with unit variance. So the loadings L and E are the same for all k.

    Parameters
    ----------
    centre : torch.Tensor of shape (n_components,)
        Means of the codes.
    whitening, colouring : torch.Tensor of shape (n_components, n_components)
        w = (z - centre) whitening, z = w colouring + centre; both are upper triangular.
    offset, loadings : torch.Tensor of shape (n_outputs,) and (n_components, n_outputs)
        o and L.
    layers : tuple of torch.Tensor or None
        Weights and biases of the two layers of m, which takes w and which of them are known.
        None: the codes that are not known are taken to be what their regression on the
        others expects.
    nothing : torch.Tensor of shape (n_outputs,)
        x'_0.
    n_numbers : int
        Outputs, the first ones, that are numbers: for them b is 1.
    bounds : tuple of torch.Tensor of shape (n_outputs,), default=None
        Least and largest output; None: the regression is not bounded.
    errors : tuple of torch.Tensor of shape (n_numbers,) and (n_components, n_numbers), \
            default=None
        e and E; None: numbers are as they are decoded.

    Attributes
    ----------
    fractions, sureness, corrections : torch.Tensor of shape (n_components,)
        a, b and c, at first 1.
    """

    def __init__(
        self,
        centre,
        whitening,
        colouring,
        offset,
        loadings,
        layers,
        nothing,
        n_numbers,
        bounds=None,
        errors=None,
    ):
        super().__init__()
        self.n_numbers = n_numbers
        # Buffers, not parameters: what is trained further is the network alone. They are not
        # among what a state holds that was saved in training.
        tensors = {"centre": centre, "whitening": whitening, "colouring": colouring}
        tensors |= {"offset": offset, "loadings": loadings, "nothing": nothing}
        names = "weight_in", "bias_in", "weight_out", "bias_out"
        tensors |= dict(zip(names, layers or [None] * 4, strict=True))
        tensors |= dict(zip(("low", "high"), bounds or [None] * 2, strict=True))
        names = "error_offset", "error_loadings"
        tensors |= dict(zip(names, errors or [None] * 2, strict=True))
        tensors |= {name: torch.ones_like(centre) for name in TRUST}
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor, persistent=False)

    @property
    def trust(self):
        """What held-out rows choose, as a tuple of tensors: see `TRUST`."""
        return tuple(getattr(self, name) for name in TRUST)

    @trust.setter
    def trust(self, chosen):
        for name, part in zip(TRUST, chosen, strict=True):
            setattr(self, name, part)

    @property
    def corrects(self):
        """Whether numbers are corrected, so that all codes say more than is decoded."""
        return self.error_loadings is not None

    def rescale(self, factors):
        """Follow codes that are multiplied by factors, shape (n_components,)."""
        self.centre = self.centre * factors
        self.whitening = self.whitening / factors[:, None]
        self.colouring = self.colouring * factors

    def parts(self, decode, z, n_kept):
        """Return what the output for the first codes of rows is mixed of.

        Parameters
        ----------
        decode : callable (codes) -> output
        z : torch.Tensor of shape (n, n_components)
            Codes, of which those behind the first `n_kept` are not looked at.
        n_kept : int

        Returns
        -------
        regression, decoded : torch.Tensor of shape (n, n_outputs)
        correction : torch.Tensor of shape (n, n_numbers) or None
        """
        kept = torch.arange(z.shape[1], device=z.device) < n_kept
        w = torch.where(
            kept, (torch.where(kept, z, 0.0) - self.centre) @ self.whitening, 0.0
        )
        regression = self.offset + w @ self.loadings
        correction = None
        if self.corrects:
            correction = self.error_offset + w @ self.error_loadings
        if self.weight_in is not None:
            layers = self.weight_in, self.bias_in, self.weight_out, self.bias_out
            w = complete(w, kept.to(w).expand_as(w), layers)
        completed = w @ self.colouring + self.centre
        return (
            self._bounded(regression),
            decode(torch.where(kept, z, completed)),
            correction,
        )

    def forward(self, decode, z, n_kept):
        """Return the output for rows of which the first `n_kept` codes are known."""
        parts = self.parts(decode, z, n_kept)
        return self.mix(*parts, *(part[n_kept - 1].to(parts[0]) for part in self.trust))

    def mix(self, regression, decoded, correction, fraction, sure, corrected):
        """Return the output of parts: see the class, of whose a, b and c these are one each."""
        output, n = torch.lerp(regression, decoded, fraction), self.n_numbers
        if correction is not None:
            numbers = output[..., :n] + corrected * correction
            output = torch.cat([numbers, output[..., n:]], dim=-1)
            output = self._bounded(output)
        if output.shape[-1] == n:
            return output
        levels = torch.lerp(self.nothing[n:].to(output), output[..., n:], sure)
        return torch.cat([output[..., :n], levels], dim=-1)

    def _bounded(self, output):
        return output if self.low is None else torch.clamp(output, self.low, self.high)


def features(w, kept, weight, bias):
    """Return the hidden layer of the perceptron, shape (n, n_hidden)."""
    seen = torch.cat([w.clamp(-CLIP, CLIP), kept], dim=-1)
    return nn.functional.silu(nn.functional.linear(seen, weight, bias))


def complete(w, kept, layers):
    """Return w with what the perceptron expects in place of the codes that are not kept.

    Parameters
    ----------
    w, kept : torch.Tensor of shape (n, n_components)
        Decorrelated codes, 0 where they are not kept, and 1 where they are.
    layers : tuple of four torch.Tensor
    """
    weight_in, bias_in, weight_out, bias_out = layers
    hidden = features(w, kept, weight_in, bias_in)
    expected = nn.functional.linear(hidden, weight_out, bias_out)
    return w + (1.0 - kept) * expected
