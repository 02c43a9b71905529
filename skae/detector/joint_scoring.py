"""Scores of rows by the networks of all folds at once."""

import torch

from skae.detector.space import compress


class JointScorer:
    """The networks of all folds as one batch, for rows in which nothing is missing.

    It says what the folds' scorers say one by one, in as many calls of torch as one of them
    takes: a service that scores a row at a time waits for the calls, not for the sums.

    Parameters
    ----------
    judges : Judges
        All networks, fold by fold, as many each.
    spaces : list of CellSpace
        One per fold; they know all levels.
    """

    def __init__(self, judges, spaces):
        self.judges, self.n_folds = judges, len(spaces)
        self.n_features, self.width = spaces[0].design.n_features, len(spaces[0].owner)
        self.centre, self.gain = (
            torch.stack([getattr(s, name) for s in spaces])[:, None].to(judges.error_scales)
            for name in ("centre", "gain")
        )

    def anomaly(self, rows):
        """Return the anomaly of rows by the networks of every fold, (n, n_folds).

        Parameters
        ----------
        rows : torch.Tensor of shape (n, n_inputs)
            Of the design matrix; all cells are observed.
        """
        networks = self.judges.networks
        x = compress((rows[:, : self.width] - self.centre) * self.gain)
        x = x.repeat_interleave(networks.n_networks // self.n_folds, dim=0)
        codes = networks.encode(x)
        errors = (networks.decode(codes) - x).square_().sum(dim=2) / self.n_features
        anomaly = self.judges.anomaly(self.judges.with_distances(errors, codes))
        return anomaly.view(rows.shape[0], self.n_folds, -1).mean(dim=2)
