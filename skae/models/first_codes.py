"""Codes in an order of which the first ones alone reconstruct as much as they can."""

from collections.abc import Callable
from typing import NamedTuple

import torch

# Rows that are decoded, in all, to find an order.
N_DECODED, LEAST_ROWS = 50_000, 50
# A code that explains less of all cost than another by this is as good as that.
AS_MUCH = 0.01
# Entries of a loading that are this near to the largest one are as large.
AS_LARGE = 0.99


class Rows(NamedTuple):
    """Rows as models take them, and what they cost.

    Attributes
    ----------
    x, observed : torch.Tensor
    weights : torch.Tensor of shape (n,) or None
    cost : callable (output, x, observed) -> torch.Tensor of shape (n,)
    """

    x: torch.Tensor
    observed: torch.Tensor | None
    weights: torch.Tensor | None
    cost: Callable

    def first(self, n):
        """Return the first n rows at most."""
        parts = (None if part is None else part[:n] for part in self[:3])
        return Rows(*parts, self.cost)

    def fractions(self):
        """Return the rows' parts of the total weight, shape (n,), on the CPU."""
        weights = self.x.new_ones(len(self.x)) if self.weights is None else self.weights
        weights = weights.cpu().double()  # which not every device has
        return weights / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)

    def costs(self, output, rows=slice(None)):
        """Return the costs of some rows."""
        observed = None if self.observed is None else self.observed[rows]
        return self.cost(output, self.x[rows], observed)

    def mean_cost(self, output):
        """Return the mean cost, shape ()."""
        return torch.dot(self.costs(output).cpu().double(), self.fractions())


def ratios(model, rows, nothing):
    """Return the part of the rows' cost that each code explains beside those before it, list.

    Parameters
    ----------
    model : Model
        Ready for inference.
    rows : Rows
    nothing : torch.Tensor of shape (n_outputs,)
        The decoder's output without any code.
    """
    codes = model.encode(rows.x)
    costs = [rows.mean_cost(nothing.to(rows.x).expand(len(codes), -1))]
    for n_kept in range(1, codes.shape[1] + 1):
        costs.append(rows.mean_cost(model.decode_first(codes, n_kept)))
    costs = torch.stack(costs)
    start = costs[0].clamp(min=torch.finfo(costs.dtype).tiny)
    return ((costs[:-1] - costs[1:]) / start).tolist()


def best_order(model, rows, nothing):
    """Return the codes in an order in which each explains the most beside those before.

    The codes behind are 0. Codes that explain about as much stay in the order that they have.

    Parameters
    ----------
    model, rows, nothing
        As in `ratios`.
    """
    codes = model.encode(rows.x)
    n_codes = codes.shape[1]
    rows = rows.first(max(LEAST_ROWS, 2 * N_DECODED // (n_codes * (n_codes + 1))))
    codes = codes[: len(rows.x)]
    kept, left, order = codes.new_zeros(n_codes).bool(), list(range(n_codes)), []
    as_much = AS_MUCH * rows.mean_cost(nothing.to(codes).expand(len(codes), -1))
    while left:
        costs = []
        for code in left:
            tried = kept.clone()
            tried[code] = True
            costs.append(rows.mean_cost(model.decode(torch.where(tried, codes, 0.0))))
        least = torch.stack(costs) <= min(costs) + as_much
        order.append(left.pop(int(least.to(torch.uint8).argmax())))
        kept[order[-1]] = True
    return order


def loading_signs(codes, x):
    """Return 1 or -1 for each code: with it the largest of its loadings is positive.

    Parameters
    ----------
    codes : torch.Tensor of shape (n, n_components)
    x : torch.Tensor of shape (n, n_outputs)
        Their rows in the design matrix, whose loadings are their covariances with the code.
        Of the two levels of a category, whose loadings differ by their sign alone, the
        first counts.

    References
    ----------
    `sklearn.utils.extmath.svd_flip`, as `PCA` uses it.
    """
    codes, x = codes.cpu().double(), x.cpu().double()
    loadings = (codes - codes.mean(0)).T @ x
    sizes = loadings.abs()
    largest = sizes >= AS_LARGE * sizes.amax(dim=1, keepdim=True)
    first = largest.to(torch.uint8).argmax(dim=1, keepdim=True)
    return torch.where(loadings.gather(1, first)[:, 0] < 0, -1.0, 1.0).to(torch.float32)
