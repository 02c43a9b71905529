"""Likelihoods by name."""

from skae.likelihoods.discrete import Bernoulli, NegativeBinomial, Poisson
from skae.likelihoods.normal import Gaussian, StudentT

LIKELIHOODS = {
    likelihood.name: likelihood
    for likelihood in (Gaussian, StudentT, Bernoulli, Poisson, NegativeBinomial)
}


def choose_likelihood(likelihood):
    """Return the `Likelihood` that a name or an object stands for."""
    return LIKELIHOODS[likelihood]() if isinstance(likelihood, str) else likelihood
