"""Likelihoods by name."""

from skae.likelihoods.discrete import Bernoulli, NegativeBinomial, Poisson
from skae.likelihoods.normal import Gaussian, StudentT

LIKELIHOODS = {
    likelihood.name: likelihood
    for likelihood in (Gaussian, StudentT, Bernoulli, Poisson, NegativeBinomial)
}


def choose_likelihood(likelihood):
    """Return the `Likelihood` to train with that a name or an object stands for.

    "auto" is normal in training.
    """
    if isinstance(likelihood, str):
        return Gaussian() if likelihood == "auto" else LIKELIHOODS[likelihood]()
    return likelihood
