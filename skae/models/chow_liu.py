"""The joint distribution of a few categorical variables, as a tree."""

import numpy as np
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree


class ChowLiuTree:
    """p(k) = p(k_root) prod_b p(k_b | k_parent(b)), the best such tree.

    Of all trees it has the largest likelihood: it joins the pairs of variables with the
    most mutual information. A pair that was never seen is as likely as chance has it, with
    the weight of one row.

    Attributes
    ----------
    order_ : ndarray of int
        The variables, parents before children; the first is the root.
    parents_ : ndarray of int
        The parent of every variable.
    tables_ : list of ndarray
        p of every variable: (n_levels,) for the root, else (n_levels, n_levels), a row a
        level of the parent.

    References
    ----------
    Chow & Liu, Approximating Discrete Probability Distributions with Dependence Trees, 1968.
    """

    def fit(self, levels, n_levels):
        """Learn the tree from level numbers of shape (n_samples, n_variables)."""
        n_variables = levels.shape[1]
        marginals = [np.bincount(column, minlength=n_levels) for column in levels.T]
        self.order_, self.parents_ = np.zeros(1, dtype=int), np.zeros(1, dtype=int)
        if n_variables > 1:
            # Mutual information is negated, as the spanning tree is the least one, and moved
            # away from 0, which scipy takes for no edge.
            shared = np.zeros((n_variables, n_variables))
            for i in range(n_variables):
                for j in range(i):
                    counts = _pair_counts(levels[:, i], levels[:, j], n_levels)
                    shared[i, j] = -_mutual_information(counts) - 1.0
            tree = minimum_spanning_tree(shared)
            self.order_, self.parents_ = breadth_first_order(tree, 0, directed=False)
        self.tables_ = [None] * n_variables
        for variable in self.order_:
            chances = marginals[variable] / len(levels)
            if variable == self.order_[0]:
                self.tables_[variable] = chances
                continue
            parent = self.parents_[variable]
            counts = _pair_counts(levels[:, parent], levels[:, variable], n_levels)
            counts = counts + chances
            self.tables_[variable] = counts / counts.sum(axis=1, keepdims=True)
        return self

    def sample(self, n_samples, rng):
        """Draw level numbers of shape (n_samples, n_variables)."""
        drawn = np.empty((n_samples, len(self.tables_)), dtype=np.int64)
        for variable in self.order_:
            chances = self.tables_[variable]
            if chances.ndim == 2:
                chances = chances[drawn[:, self.parents_[variable]]]
            # Scaled, so that no draw lies beyond the last level by rounding.
            sums = np.cumsum(np.atleast_2d(chances), axis=1)
            draws = rng.random_sample((n_samples, 1)) * sums[:, -1:]
            drawn[:, variable] = (sums <= draws).sum(axis=1)
        return drawn


def _pair_counts(one, other, n_levels):
    pairs = np.bincount(one * n_levels + other, minlength=n_levels * n_levels)
    return pairs.reshape(n_levels, n_levels).astype(np.float64)


def _mutual_information(counts):
    joint = counts / counts.sum()
    chance = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    there = joint > 0
    return float((joint[there] * np.log(joint[there] / chance[there])).sum())
