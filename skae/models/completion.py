"""What the first codes of a row say of it, the others unknown."""

import torch
from torch import nn

# Standard deviations at which the perceptron's inputs are clipped, as the network's are.
CLIP = 10.0


class CodeCompletion(nn.Module):
    """x'_k = (1 - b_k) x'_0 + b_k ((1 - a_k) (o + w_1..k L) + a_k d(z_1..k, m(w_1..k))).

    Of the inner sum the first part is the linear regression of the decoder's output on the
    first k codes, the second what the decoder d makes of them and of what a perceptron m
    expects the others to be. The decoder is as sure of levels as all codes together make it;
    b draws its logits to x'_0, those without any code. w are the codes decorrelated one after the other: w_i is what z_i says beside
    z_1, ..., z_(i-1), with unit variance. So the loadings L are the same for all k.

    Parameters
    ----------
    centre : torch.Tensor of shape (n_components,)
        Means of the codes.
    whitening, colouring : torch.Tensor of shape (n_components, n_components)
        w = (z - centre) whitening, z = w colouring + centre; both are upper triangular.
    offset, loadings : torch.Tensor of shape (n_outputs,) and (n_components, n_outputs)
        o and L.
    layers : tuple of torch.Tensor
        Weights and biases of the two layers of m, which takes w and which of them are known.
    nothing : torch.Tensor of shape (n_outputs,)
        x'_0.
    n_numbers : int
        Outputs, the first ones, that are numbers: for them b is 1.
    bounds : tuple of torch.Tensor of shape (n_outputs,), default=None
        Least and largest output; None: the regression is not bounded.

    Attributes
    ----------
    fractions, sureness : torch.Tensor of shape (n_components,)
        a and b, at first 1.
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
    ):
        super().__init__()
        self.n_numbers = n_numbers
        # Buffers, not parameters: what is trained further is the network alone. They are not
        # among what a state holds that was saved in training.
        tensors = {"centre": centre, "whitening": whitening, "colouring": colouring}
        tensors |= {"offset": offset, "loadings": loadings, "nothing": nothing}
        tensors |= {name: torch.ones_like(centre) for name in ("fractions", "sureness")}
        names = "weight_in", "bias_in", "weight_out", "bias_out"
        tensors |= dict(zip(names, layers, strict=True))
        low, high = (None, None) if bounds is None else bounds
        for name, tensor in {**tensors, "low": low, "high": high}.items():
            self.register_buffer(name, tensor, persistent=False)

    def rescale(self, factors):
        """Follow codes that are multiplied by factors, shape (n_components,)."""
        self.centre = self.centre * factors
        self.whitening = self.whitening / factors[:, None]
        self.colouring = self.colouring * factors

    def parts(self, decode, z, n_kept):
        """Return the regression's and the decoder's output for the first codes of rows.

        Parameters
        ----------
        decode : callable (codes) -> output
        z : torch.Tensor of shape (n, n_components)
            Codes, of which those behind the first `n_kept` are not looked at.
        n_kept : int
        """
        kept = torch.arange(z.shape[1], device=z.device) < n_kept
        w = torch.where(
            kept, (torch.where(kept, z, 0.0) - self.centre) @ self.whitening, 0.0
        )
        regression = self.offset + w @ self.loadings
        if self.low is not None:
            regression = torch.clamp(regression, self.low, self.high)
        layers = self.weight_in, self.bias_in, self.weight_out, self.bias_out
        completed = complete(w, kept.to(w).expand_as(w), layers) @ self.colouring
        return regression, decode(torch.where(kept, z, completed + self.centre))

    def forward(self, decode, z, n_kept):
        """Return the output for rows of which the first `n_kept` codes are known."""
        regression, decoded = self.parts(decode, z, n_kept)
        chosen = self.fractions[n_kept - 1], self.sureness[n_kept - 1]
        return self.mix(regression, decoded, *(part.to(decoded) for part in chosen))

    def mix(self, regression, decoded, fraction, sure):
        """Return the output of parts, a fraction of it the decoder's, so sure of levels."""
        output = torch.lerp(regression, decoded, fraction)
        n = self.n_numbers
        if output.shape[-1] == n:
            return output
        levels = torch.lerp(self.nothing[n:].to(output), output[..., n:], sure)
        return torch.cat([output[..., :n], levels], dim=-1)


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
