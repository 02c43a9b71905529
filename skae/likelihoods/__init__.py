"""How numeric columns are distributed about what the decoder says of them.

A likelihood of your own is a subclass of `Likelihood`; see there.
"""

from skae.likelihoods.discrete import Bernoulli, NegativeBinomial, Poisson
from skae.likelihoods.likelihood import Likelihood, Units
from skae.likelihoods.normal import Gaussian, StudentT
from skae.table.support import Support

__all__ = [
    "Bernoulli",
    "Gaussian",
    "Likelihood",
    "NegativeBinomial",
    "Poisson",
    "StudentT",
    "Support",
    "Units",
]
