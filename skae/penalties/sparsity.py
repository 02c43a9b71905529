"""Few codes for a row, or few rows for a code."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from skae.penalties.moments import weighted_mean
from skae.penalties.penalty import Penalty

# Rates are kept this far from 0 and 1, so that their logarithms stay finite.
LEAST_RATE = 1e-6


class L1Activity(Penalty):
    """The mean size of the codes, mean_k |z_k| / s_k: a row uses few of them.

    The codes are shrunk towards zero by learned thresholds, and are exactly zero below
    them. s_k is the scale that a code starts with, so that a weight
    means much the same on any table.

    Parameters
    ----------
    weight : float, default=1.0
        Factor on the costs in the loss.

    References
    ----------
    Olshausen & Field, Emergence of Simple-Cell Receptive Field Properties by Learning a
    Sparse Code, 1996; the thresholds: Gregor & LeCun, 2010.
    """

    code_activation = "shrink"
    relative = True

    def __init__(self, weight=1.0):
        self.weight = weight

    def penalise(self, codes, x, weights):
        return codes.abs().mean(dim=1)


class KLSparsity(Penalty):
    """The mean over the codes of KL(target || rate): every code is active as often as `target` says.

    The codes are logistic units, in (0, 1), and the rate of one is its mean over the
    batch. Training then starts near the principal components, not at them.

    Parameters
    ----------
    target : float, default=0.05
        Mean activity of a code, between 0 and 1.
    weight : float, default=3.0
        Factor on the costs in the loss.

    References
    ----------
    Lee, Ekanadham & Ng, Sparse Deep Belief Net Model for Visual Area V2, 2008; Ng, Sparse
    Autoencoder, CS294A lecture notes, 2011, section 3.
    """

    code_activation = "logistic"

    _parameter_constraints: dict = {
        **Penalty._parameter_constraints,
        "target": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(self, target=0.05, weight=3.0):
        self.target = target
        self.weight = weight

    def penalise(self, codes, x, weights):
        rate = weighted_mean(codes, weights).clamp(LEAST_RATE, 1.0 - LEAST_RATE)
        rho = self.target
        divergence = rho * (rho / rate).log() + (1 - rho) * ((1 - rho) / (1 - rate)).log()
        return divergence.mean()
