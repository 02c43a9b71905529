"""Codes in an order of which the first ones alone reconstruct as much as they can."""

import torch

# Rows that are decoded, in all, to find an order.
N_DECODED, LEAST_ROWS = 50_000, 50
# A code that explains less of all cost than another by this is as good as that.
AS_MUCH = 0.01
# Entries of a loading that are this near to the largest one are as large.
AS_LARGE = 0.99


def first_codes(codes, fraction, generator):
    """Return codes of which some rows keep the first ones only, and which rows keep all.

    The codes that a row does not keep are 0.

    A row that is chosen keeps k of K codes, k = 1, ..., K - 1, with a probability
    proportional to 1 / k: the first codes are few, and have to do the most alone.

    Parameters
    ----------
    codes : torch.Tensor of shape (n, n_components)
    fraction : float
        Of the rows that are chosen.
    generator : torch.Generator

    References
    ----------
    Rippel, Gelbart & Adams, Learning Ordered Representations with Nested Dropout, 2014.
    """
    n_rows, n_components = codes.shape
    numbers = torch.arange(n_components, device=codes.device)
    chances = 1.0 / numbers[1:]
    edges = fraction * chances.cumsum(0) / chances.sum()
    draws = torch.rand(n_rows, generator=generator, device=codes.device)
    n_kept = 1 + torch.searchsorted(edges, draws, right=True)
    kept = torch.where(numbers < n_kept[:, None], codes, 0.0)
    return kept, n_kept == n_components


def told_of_whole(losses, whole):
    """Return losses with the gradients of all rows and, on average, the value of whole ones.

    What is recorded of training then compares with the losses of held-out rows.

    Parameters
    ----------
    losses : torch.Tensor of shape (n,)
    whole : torch.Tensor of bool of shape (n,)
        Rows of which all codes were decoded.
    """
    values = losses.detach()
    n_whole = whole.sum()
    mean = torch.where(whole, values, 0.0).sum() / n_whole.clamp(min=1)
    value = torch.where(whole | (n_whole == 0), values, mean)
    return losses + (value - values)


class FirstCodes:
    """What the first codes of some rows reconstruct, the others being 0.

    Parameters
    ----------
    model : Model
        Ready for inference.
    cost : callable (output, x, observed) -> torch.Tensor of shape (n,)
        What a row costs.
    x, observed : torch.Tensor
        Rows, as models take them.
    weights : torch.Tensor of shape (n,) or None
        Of the rows.
    nothing : torch.Tensor of shape (n_outputs,)
        The decoder's output without any code.
    """

    def __init__(self, model, cost, x, observed, weights, nothing):
        self.model, self.cost, self.nothing = model, cost, nothing
        self.rows, self.weights = (x, observed), weights
        self.codes = model.encode(x)

    def ratios(self, order):
        """Return the part of the cost that each code explains beside those before it, list."""
        (x, _), n_codes = self.rows, self.codes.shape[1]
        kept = torch.zeros(n_codes, dtype=torch.bool, device=x.device)
        costs = [self._mean(self.nothing.to(x).expand(len(x), -1))]
        for code in order:
            kept[code] = True
            costs.append(self._cost_of(kept))
        costs = torch.stack(costs)
        start = costs[0].clamp(min=torch.finfo(costs.dtype).tiny)
        return ((costs[:-1] - costs[1:]) / start).tolist()

    def best_order(self):
        """Return the codes in an order in which each explains the most beside those before.

        Codes that explain about as much stay in the order that they have.
        """
        n_codes = self.codes.shape[1]
        kept, left, order = self.codes.new_zeros(n_codes).bool(), list(range(n_codes)), []
        rows = max(LEAST_ROWS, 2 * N_DECODED // (n_codes * (n_codes + 1)))
        x = self.rows[0][:rows]
        as_much = AS_MUCH * self._mean(self.nothing.to(x).expand(len(x), -1))
        while left:
            costs = []
            for code in left:
                tried = kept.clone()
                tried[code] = True
                costs.append(self._cost_of(tried, rows))
            least = torch.stack(costs) <= min(costs) + as_much
            order.append(left.pop(int(least.to(torch.uint8).argmax())))
            kept[order[-1]] = True
        return order

    def _cost_of(self, kept, n_rows=None):
        codes = torch.where(kept, self.codes[:n_rows], 0.0)
        return self._mean(self.model.decode(codes))

    def _mean(self, output):
        (x, observed), n = self.rows, len(output)
        costs = self.cost(output, x[:n], None if observed is None else observed[:n])
        if self.weights is None:
            return costs.double().mean()
        weights = self.weights[:n].double()
        total = weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)
        return torch.dot(costs.double(), weights) / total


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
    codes = codes.double()
    loadings = (codes - codes.mean(0)).T @ x.double()
    sizes = loadings.abs()
    largest = sizes >= AS_LARGE * sizes.amax(dim=1, keepdim=True)
    first = largest.to(torch.uint8).argmax(dim=1, keepdim=True)
    return torch.where(loadings.gather(1, first)[:, 0] < 0, -1.0, 1.0).to(torch.float32)
