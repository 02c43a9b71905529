"""How numeric columns are distributed about what the decoder says of them.

A likelihood of your own is a subclass of `Likelihood`; see there.
"""

from skae.likelihoods.discrete import Bernoulli, NegativeBinomial, Poisson
from skae.likelihoods.likelihood import Likelihood
from skae.likelihoods.normal import Gaussian, StudentT

__all__ = [
    "Bernoulli",
    "Gaussian",
    "Likelihood",
    "NegativeBinomial",
    "Poisson",
    "StudentT",
]
