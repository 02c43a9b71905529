"""What keeps the codes near the prior N(0, I): the KL divergence, MMD, or an adversary.

A divergence of your own is a subclass of `Divergence` with one method; see there.
"""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import NamedTuple

import torch
from sklearn.utils._param_validation import Interval
from torch import nn
from torch.func import functional_call

from skae._component import Setting, name_of
from skae.models.discrepancy import MOST_JUDGED, RecentCodes, prior_mmd
from skae.models.gan import Critic
from skae.models.gan_losses import NonSaturating
from skae.models.watched import Watched, is_own
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
        return name_of(self, DIVERGENCES) or type(self).__name__


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


DIVERGENCES = {"kl": KL, "mmd": MMD, "adversary": Adversary}


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


# ------------------------------------------------------------------ in a model


class DivergenceTerm(nn.Module):
    """The part of a model that holds its codes to the prior."""

    has_dataset_loss = False
    watched: Watched | None = None

    def add_to(self, losses, mean, log_variance, weight, row_weights):
        """Return the losses of rows, shape (n,), with the divergence added.

        Parameters
        ----------
        losses : torch.Tensor of shape (n,)
        mean, log_variance : torch.Tensor of shape (n, n_components)
            Of the posteriors; a deterministic model has no log variances (None).
        weight : float
            Of the divergence.
        row_weights : torch.Tensor of shape (n,) or None
        """
        raise NotImplementedError

    def configure(self, divergence):
        """Begin another training, with the settings of `divergence`."""


class PerRowTerm(DivergenceTerm):
    """A divergence that every row has for itself."""

    def __init__(self, divergence):
        super().__init__()
        self.configure(divergence)

    def configure(self, divergence):
        self.divergence = divergence
        self.watched = None
        if is_own(divergence):
            self.watched = Watched(f"per_row of {divergence!r}")

    def add_to(self, losses, mean, log_variance, weight, row_weights):
        measure = self.divergence.in_training if self.training else self.divergence.per_row
        if self.watched is None:
            divergences = measure(mean, log_variance)
        else:
            divergences = self.watched.call(measure, mean, log_variance)
        if divergences.shape not in ((), losses.shape):
            raise ValueError(
                f"{self.divergence!r} returns shape {tuple(divergences.shape)} for "
                f"{len(losses)} rows; give shape ({len(losses)},), one divergence per row."
            )
        return torch.add(losses, divergences, alpha=weight)


class DiscrepancyTerm(DivergenceTerm):
    """``weight * unit * MMD^2``: of the last batches in training, of all rows held out."""

    has_dataset_loss = True

    def __init__(self, unit):
        super().__init__()
        self.unit, self.recent = unit, RecentCodes()

    def configure(self, divergence):
        self.recent = RecentCodes()

    def add_to(self, losses, mean, log_variance, weight, row_weights):
        if not self.training or not weight:
            return losses
        surrogate = self.recent(mean, row_weights)
        return losses + weight * self.unit.discrepancy * surrogate

    def dataset_loss(self, codes, row_weights, weight):
        """Return the discrepancy of the codes of many rows, in the unit of the losses."""
        discrepancy = prior_mmd(codes, row_weights, MOST_JUDGED)
        return weight * self.unit.discrepancy * discrepancy


class AdversarialTerm(DiscrepancyTerm):
    """`DiscrepancyTerm`, and a critic D that learns to tell codes from draws of p(z).

    Parameters
    ----------
    unit : Unit
    critic : Critic
    gradient_penalty : float

    Attributes
    ----------
    generator : torch.Generator or None
        Source of the prior's draws; without one torch's global generator.
    """

    generator: torch.Generator | None = None

    def __init__(self, unit, critic, gradient_penalty):
        super().__init__(unit)
        self.critic, self.gradient_penalty = critic, gradient_penalty

    def configure(self, divergence):
        super().configure(divergence)
        self.gradient_penalty = float(divergence.gradient_penalty)

    def add_to(self, losses, mean, log_variance, weight, row_weights):
        if not self.training:
            return losses
        of_encoder, of_critic = self.compete(mean)
        losses = super().add_to(losses, mean, log_variance, weight, row_weights)
        return losses + weight * self.unit.critic * of_encoder + of_critic

    def compete(self, codes):
        """Return the losses of encoder and critic.

        Returns
        -------
        of_encoder : torch.Tensor of shape (n,)
            ``-log s(D(codes))``, whose gradient reaches the encoder only.
        of_critic : torch.Tensor of shape (n,)
            ``-log s(D(z)) - log s(-D(codes))`` and the penalty, whose gradient reaches the
            critic only.
        """
        fixed = {name: value.detach() for name, value in self.critic.named_parameters()}
        of_encoder = NonSaturating.generator(functional_call(self.critic, fixed, (codes,)))
        prior = torch.empty_like(codes).normal_(generator=self.generator)
        prior.requires_grad_(self.gradient_penalty > 0)
        of_prior = self.critic(prior)
        of_critic = sum(NonSaturating.critic(of_prior, self.critic(codes.detach())))
        if self.gradient_penalty > 0:
            slopes = torch.autograd.grad(of_prior.sum(), prior, create_graph=True)[0]
            of_critic = of_critic + self.gradient_penalty * slopes.square().sum(dim=1)
        return of_encoder, of_critic
