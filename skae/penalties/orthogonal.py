"""Codes that do not repeat one another."""

from skae.penalties.moments import centred
from skae.penalties.penalty import Penalty


class Orthogonal(Penalty):
    """The mean squared correlation of two codes: none repeats another.

    Parameters
    ----------
    weight : float, default=1.0
        Factor on the costs in the loss.

    References
    ----------
    Cogswell et al., Reducing Overfitting in Deep Networks by Decorrelating
    Representations, 2016, with correlations in place of covariances.
    """

    scale_free = True

    def __init__(self, weight=1.0):
        self.weight = weight

    def penalise(self, codes, x, weights):
        n_codes = codes.shape[1]
        if n_codes == 1 or len(codes) == 1:
            return codes.new_zeros(())
        deviations, scale = centred(codes, weights)
        correlations = (deviations * scale).T @ (deviations * scale) / len(codes)
        others = correlations.square().sum() - correlations.diagonal().square().sum()
        return others / (n_codes * (n_codes - 1))
