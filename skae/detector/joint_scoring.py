"""Scores of rows by the networks of all folds at once."""

import torch

from skae.detector.space import compress


class JointScorer:
    """The networks of all folds as one batch, for rows in which nothing is missing.

    It says what the folds' scorers say one by one, in as many calls of torch as one of them
    takes: a service that scores a row at a time waits for the calls, not for the sums.

    Parameters
    ----------
    scorers : list of FoldScorer
        One per fold, with as many networks each.
    networks : BatchedMLP
        Those of all folds, fold by fold.
    """

    def __init__(self, scorers, networks):
        self.networks, self.code_weight = networks, scorers[0].code_weight
        spaces = [scorer.space for scorer in scorers]
        precision = networks.weights[0].dtype
        self.n_features, self.n_folds = spaces[0].design.n_features, len(scorers)
        self.width = len(spaces[0].owner)
        self.centre, self.gain = (
            torch.stack([getattr(space, name) for space in spaces])[:, None].to(precision)
            for name in ("centre", "gain")
        )
        self.error_scales = torch.cat([scorer.error_scales for scorer in scorers])
        self.codes = self.squared_codes = None
        if scorers[0].codes is not None:
            self.codes = torch.cat([scorer.codes for scorer in scorers])
            self.squared_codes = torch.cat([scorer.squared_codes for scorer in scorers])

    @staticmethod
    def fits(scorers):
        """Return whether the folds differ in units and weights only."""
        return all(s.projection is None and s.space.knows_all_levels for s in scorers)

    def anomaly(self, rows):
        """Return the anomaly of rows by the networks of every fold, (n, n_folds).

        Parameters
        ----------
        rows : torch.Tensor of shape (n, n_inputs)
            Of the design matrix; all cells are observed.
        """
        x = compress((rows[:, : self.width] - self.centre) * self.gain)
        x = x.repeat_interleave(self.networks.n_networks // self.n_folds, dim=0)
        codes = self.networks.encode(x)
        errors = (self.networks.decode(codes) - x).square_().sum(dim=2) / self.n_features
        anomaly = torch.log2(1.0 + errors / self.error_scales[:, :1])
        if self.codes is not None:
            nearest = torch.baddbmm(self.squared_codes, codes, self.codes, alpha=-2.0)
            distances = nearest.amin(2) + codes.square().sum(dim=2)
            ratios = distances.clamp(min=0.0) / self.error_scales[:, 1:]
            anomaly = anomaly + self.code_weight * torch.log2(1.0 + ratios)
            anomaly = anomaly / (1.0 + self.code_weight)
        return anomaly.view(self.n_folds, -1, len(rows)).mean(dim=1).T
