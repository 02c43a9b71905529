"""Rows that are near have codes that are near, and far ones codes that are far."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils._param_validation import Interval

from skae.penalties.penalty import Penalty

# Squared distances below this part of a row's size are rounding: the rows are equal.
EQUAL = 1e-6


class _Count(Interval):
    """Whole numbers, which to Python True and False are as well."""

    def is_satisfied_by(self, val):
        return not isinstance(val, bool | np.bool_) and super().is_satisfied_by(val)


class NeighborEmbedding(Penalty):
    """Neighbours stay neighbours: the codes of near rows are near, of far rows far.

    For every row of a batch, the cross-entropy of its `n_neighbors` nearest rows under
    the distribution over pairs of rows that the codes give,
    ``q_ij ~ 1 / (1 + d_ij^2 / u^2)`` with their distance ``d_ij``, and as unit ``u`` the mean
    distance of neighbours' codes; less what it would be if all pairs were alike. That alone
    says nothing of what is far, and may tear apart what belongs together: subtracted is
    `global_weight` times the correlation of all pairs' distances between rows and between
    codes. It makes two codes a map of the table on which fresh rows are placed as well, by
    `transform`.

    Parameters
    ----------
    n_neighbors : int, default=1
        Number of nearest rows in the batch that count as neighbours. A batch is a sample:
        the nearest row of a batch that is a sixteenth of the table (the default, up to
        4,000 rows) is about the 16th nearest of the table.
    global_weight : float, default=1.0
        What the correlation of distances counts beside the neighbours. 0: neighbours alone,
        which sets groups apart, wherever they come to lie. More keeps the places of groups to
        each other, as principal components do.
    weight : float, default=1.0
        Factor on the costs in the loss.

    Notes
    -----
    Distances between rows are Euclidean, of the design matrix: numbers in standard units,
    indicators of categories. Equal rows are neither neighbours nor kept apart, so that a
    row of weight 2 counts as a row twice.

    References
    ----------
    van der Maaten, Learning a Parametric Embedding by Preserving Local Structure, 2009
    (parametric t-SNE); neighbours alike in place of a perplexity: Böhm, Berens & Kobak,
    Attraction-Repulsion Spectrum in Neighbor Embeddings, 2022; beside a reconstruction, and
    with the correlation of distances: Sainburg, McInnes & Gentner, Parametric UMAP, 2021.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer, NeighborEmbedding
    >>> X = load_digits().data[:200]
    >>> as_map = AutoencoderTransformer(
    ...     2, penalties=NeighborEmbedding(), max_iter=10, random_state=0
    ... )
    >>> as_map.fit_transform(X).shape
    (200, 2)
    """

    scale_free = True

    _parameter_constraints: dict = {
        **Penalty._parameter_constraints,
        "n_neighbors": [_Count(Integral, 1, None, closed="left")],
        "global_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, n_neighbors=1, global_weight=1.0, weight=1.0):
        self.n_neighbors = n_neighbors
        self.global_weight = global_weight
        self.weight = weight

    def penalise(self, codes, x, weights):
        n = len(codes)
        of_rows = torch.ones(n, dtype=codes.dtype, device=codes.device)
        if weights is not None:
            of_rows = weights / weights.mean()
        between_rows = squared_distances(x.detach())
        pairs, apart = self._pairs(between_rows, x.detach(), of_rows)
        attraction = pairs.sum()
        if not attraction > 0:  # all rows are equal, or alone
            return codes.new_zeros(())
        pairs = pairs / attraction
        squared = squared_distances(codes)
        distances = _root(squared)
        unit = (pairs * distances).sum()
        relative = squared / unit.square()
        near = (pairs * torch.log1p(relative)).sum()
        mean = (apart / (1.0 + relative)).sum() / apart.sum()
        cost = near + mean.log()
        if not self.global_weight:
            return cost
        r = _correlation(_root(between_rows), distances, apart / apart.sum())
        return cost - self.global_weight * r

    def _pairs(self, squared, x, weights):
        """Return the weights of pairs of neighbours, and of pairs that are kept apart."""
        sizes = x.square().sum(dim=1)
        equal = squared <= EQUAL * (sizes[:, None] + sizes)
        apart = weights[:, None] * weights * ~equal
        squared = squared.masked_fill(apart == 0, torch.inf)
        nearest = squared.topk(min(self.n_neighbors, len(x) - 1), dim=1, largest=False)
        is_one = torch.isfinite(nearest.values).to(x.dtype)
        pairs = torch.zeros_like(squared).scatter_(1, nearest.indices, is_one)
        return pairs * weights[:, None], apart


def squared_distances(points):
    """Return the squared Euclidean distances of all pairs, shape (n, n)."""
    sizes = points.square().sum(dim=1)
    return (sizes[:, None] + sizes - 2.0 * points @ points.T).clamp_min(0.0)


def _root(squared):
    """Return distances; the root of zero itself would have no slope."""
    return (squared + torch.finfo(squared.dtype).tiny ** 0.5).sqrt()


def _correlation(a, b, weights):
    """Return the correlation of the entries of two matrices, 0 where one of them is constant."""
    a, b = (values - (weights * values).sum() for values in (a, b))
    spread = (weights * a.square()).sum() * (weights * b.square()).sum()
    return (weights * a * b).sum() / _root(spread)
