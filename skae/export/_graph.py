"""What all graphs share: encoded rows, cells that are filled step by step, results."""

import torch
from torch import nn


class Graph(nn.Module):
    """The way of rows to results in three parts, the second of which may be left out.

    Rows are encoded; cells of which it matters are filled with what the networks make of
    them, step by step, if there are any; then come the results.

    Attributes
    ----------
    n_fills : int
        Steps in which cells are filled; 0: none ever is.
    """

    n_fills = 0

    def encode(self, numbers, indices):
        """Return encoded rows.

        Returns
        -------
        xs : tuple of torch.Tensor of shape (n, ...)
            What is filled.
        rest : tuple of torch.Tensor of shape (n, ...)
            What else results are made of.
        """
        raise NotImplementedError

    def is_holed(self, xs, rest):
        """Return whether there is anything to be filled, a tensor of bool of shape ()."""
        raise NotImplementedError

    def fill(self, xs, rest):
        """Return `xs` after one more step."""
        raise NotImplementedError

    def finish(self, xs, rest, methods):
        """Return the results of methods, a tuple."""
        raise NotImplementedError

    def forward(self, numbers, indices, methods):
        """Return the results of methods for rows, a tuple."""
        xs, rest = self.encode(numbers, indices)
        if self.n_fills:
            xs = self._filled(xs, rest)
        return self.finish(xs, rest, methods)

    def _filled(self, xs, rest):
        n = len(xs)

        def fill(*given):
            xs, rest = given[:n], given[n:]
            for _ in range(self.n_fills):
                xs = self.fill(xs, rest)
            return xs

        def leave(*given):
            return tuple(x.clone() for x in given[:n])

        return choose(self.is_holed(xs, rest), fill, leave, (*xs, *rest))


def choose(condition, if_true, if_false, given):
    """Return ``if_true(*given)`` if the condition holds, else ``if_false(*given)``.

    Parameters
    ----------
    condition : torch.Tensor of bool of shape ()
    if_true, if_false : callable
        Return tensors of the same shape and dtype, none of which is one of `given`.
    given : tuple of torch.Tensor
    """
    if torch.compiler.is_compiling():
        return torch.cond(condition, if_true, if_false, given)
    return if_true(*given) if bool(condition) else if_false(*given)
