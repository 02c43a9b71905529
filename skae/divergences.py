"""What keeps the codes near the prior N(0, I): the KL divergence, MMD, or an adversary.

A divergence of your own is a subclass of `Divergence` with one method; see there.
"""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import NamedTuple

from sklearn.utils._param_validation import Interval

from skae._component import Setting
from skae.models.divergence_terms import AdversarialTerm, DiscrepancyTerm, PerRowTerm
from skae.models.gan import Critic
from skae.table.validation import check_layer_sizes

__all__ = ["KL", "MMD", "Adversary", "Divergence"]

# Nats for a squared discrepancy of 1: per column, and in all at least. Every further column
# makes the likelihood steeper. And what a nat of the critic's verdict counts beside it.
NATS_PER_COLUMN, LEAST_NATS, CRITIC_FRACTION = 10.0, 200.0, 0.05


class Unit(NamedTuple):
    """What divergences are measured against: the unit of the reconstruction's loss.

    Attributes
    ----------
    discrepancy : float
        What a squared discrepancy of 1 costs.
    critic : float
        What a nat of the critic's verdict costs.
    """

    discrepancy: float
    critic: float

    @classmethod
    def nats(cls, n_features):
        """Beside a log-likelihood of that many columns."""
        discrepancy = max(LEAST_NATS, NATS_PER_COLUMN * n_features)
        return cls(discrepancy, CRITIC_FRACTION * discrepancy)


# Beside a mean squared error in units of the columns' variances.
SQUARED_ERRORS = Unit(6.0, 1.0)


class Divergence(Setting):
    """What the divergences share: how far codes are from draws of the prior N(0, I).

    A subclass gives `per_row`, and stores its settings as scikit-learn's estimators do.

    Attributes
    ----------
    warmup : float
        Fraction of the training steps over which the weight rises from 0 to its value.
    budget_factor : float
        Multiple of the usual budget of steps that training takes.

    Examples
    --------
    The squared 2-Wasserstein distance between posterior and prior:

    >>> from skae import VAETransformer
    >>> from skae.divergences import Divergence
    >>> class Wasserstein(Divergence):
    ...     def per_row(self, mean, log_variance):
    ...         return (mean**2 + (torch.exp(0.5 * log_variance) - 1) ** 2).sum(dim=-1)
    >>> vae = VAETransformer(2, divergence=Wasserstein())
    """

    warmup = 0.1
    budget_factor = 2.0

    _parameter_constraints: dict = {"warmup": [Interval(Real, 0, 1, closed="both")]}

    def per_row(self, mean, log_variance):
        """Return the divergence of every row's posterior from the prior.

        Parameters
        ----------
        mean, log_variance : torch.Tensor of shape (n, n_components)
            Of the posterior N(mean, diag exp(log_variance)).

        Returns
        -------
        divergences : torch.Tensor of shape (n,)
            In nats.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method per_row.")

    def in_training(self, mean, log_variance):
        """Return what training adds in place of `per_row`, shape (n,) or ()."""
        return self.per_row(mean, log_variance)

    def build(self, n_components, unit, generator):
        """Return the `DivergenceTerm` of a model, with what it has to learn."""
        return PerRowTerm(self)

    def structure(self):
        return vars(type(self)).get("name", type(self).__name__)


class KL(Divergence):
    """KL(N(m, diag v) || N(0, I)) of every row's posterior: the evidence lower bound.

    ``0.5 * sum_k (m_k^2 + v_k - log v_k - 1)``

    Parameters
    ----------
    free_bits : float, default=0.0
        Nats of divergence per latent dimension that are free while training, which keeps
        dimensions in use. Scores and held-out losses count all of them.
    warmup : float, default=0.1
        Fraction of the training steps over which the weight rises from 0 to its value.

    References
    ----------
    Kingma & Welling, Auto-Encoding Variational Bayes, 2014, appendix B. Free bits: Kingma
    et al., Inverse Autoregressive Flow, 2016, appendix C.8. Warm-up: Sonderby et al.,
    Ladder VAE, 2016.
    """

    name = "kl"

    _parameter_constraints: dict = {
        **Divergence._parameter_constraints,
        "free_bits": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, free_bits: float = 0.0, warmup: float = 0.1):
        self.free_bits = free_bits
        self.warmup = warmup

    def per_row(self, mean, log_variance):
        return gaussian_kl(mean, log_variance)

    def in_training(self, mean, log_variance):
        if not self.free_bits:
            return gaussian_kl(mean, log_variance)
        per_dimension = gaussian_kl(mean[..., None], log_variance[..., None]).mean(dim=0)
        return per_dimension.clamp(min=self.free_bits).sum()


class MMD(Divergence):
    """Squared maximum mean discrepancy between the codes of all rows and the prior.

    It compares the posterior means: the model is a Wasserstein autoencoder. Where rows are
    reconstructed badly, a longer `warmup` (0.6) lets the model learn to reconstruct first.

    Parameters
    ----------
    warmup : float, default=0.1
        Fraction of the training steps over which the weight rises from 0 to its value.

    References
    ----------
    Tolstikhin et al., Wasserstein Auto-Encoders, 2018, eq. 4; Gretton et al., A Kernel
    Two-Sample Test, 2012, eq. 3.
    """

    name = "mmd"

    budget_factor = 4.0

    def __init__(self, warmup: float = 0.1):
        self.warmup = warmup

    def build(self, n_components, unit, generator):
        return DiscrepancyTerm(unit)


class Adversary(Divergence):
    """A critic that learns to tell the codes from draws of the prior, beside `MMD`.

    The encoder learns to deceive it; the discrepancy settles means and variances of the
    codes, about which the two would circle.

    Parameters
    ----------
    hidden_layer_sizes : int or tuple of int, default=(128, 128)
        Units of the critic's hidden layers.
    gradient_penalty : float, default=0.05
        Weight of the penalty on the critic's squared gradient at draws of the prior (R1).
    warmup : float, default=0.1
        Fraction of the training steps over which the weight rises from 0 to its value.

    References
    ----------
    Makhzani et al., Adversarial Autoencoders, 2016, section 2. R1: Mescheder, Geiger &
    Nowozin, Which Training Methods for GANs do actually Converge?, 2018, eq. 9.
    """

    name = "adversary"

    budget_factor = 4.0

    _parameter_constraints: dict = {
        **Divergence._parameter_constraints,
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "gradient_penalty": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (128, 128),
        gradient_penalty: float = 0.05,
        warmup: float = 0.1,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.gradient_penalty = gradient_penalty
        self.warmup = warmup

    def check(self):
        super().check()
        check_layer_sizes("hidden_layer_sizes", self.hidden_layer_sizes)

    def build(self, n_components, unit, generator):
        hidden = check_layer_sizes("hidden_layer_sizes", self.hidden_layer_sizes)
        critic = Critic(n_components, n_components, hidden, False, generator)
        return AdversarialTerm(unit, critic, float(self.gradient_penalty))

    def structure(self):
        sizes = check_layer_sizes("hidden_layer_sizes", self.hidden_layer_sizes)
        return super().structure() if sizes == (128, 128) else f"Adversary({sizes})"


DIVERGENCES = {divergence.name: divergence for divergence in (KL, MMD, Adversary)}


def choose_divergence(divergence):
    """Return the `Divergence` that a name or an object stands for."""
    return DIVERGENCES[divergence]() if isinstance(divergence, str) else divergence


def gaussian_kl(mean, log_variance):
    """Return KL(N(mean, diag v) || N(0, I)) in nats, shape (n,).

    References
    ----------
    Kingma & Welling, Auto-Encoding Variational Bayes, 2014, appendix B.
    """
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1.0).sum(dim=-1)
