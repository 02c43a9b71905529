"""The part of a model that holds its codes to the prior."""

import torch
from torch import nn
from torch.func import functional_call

from skae.models.discrepancy import MOST_JUDGED, RecentCodes, prior_mmd
from skae.models.gan_losses import NonSaturating
from skae.models.watched import Watched, is_own


class DivergenceTerm(nn.Module):
    """A divergence in a model: what it adds to the losses."""

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
