"""The losses of a GAN's generator and critic, and the penalties on the critic's gradient."""

import torch
from torch.nn.functional import softplus

# A penalty of the gradient at real rows ends at this fraction of its weight: the critic may
# be steep once the generator is near.
LAST_PENALTY = 0.1


class NonSaturating:
    """Critic: ``-log s(D(x)) - log s(-D(G(z)))``; generator: ``-log s(D(G(z)))``.

    The best D is the log ratio of the two densities. The penalty is R1: the squared
    gradient of D at real rows.

    References
    ----------
    Goodfellow et al., Generative Adversarial Networks, 2014, section 3. R1: Mescheder,
    Geiger & Nowozin, Which Training Methods for GANs do actually Converge?, 2018, eq. 9.
    """

    last_penalty = LAST_PENALTY

    @staticmethod
    def penalty(n_columns):
        """Return the default weight of the penalty: in more columns a critic is steeper."""
        return min(0.00125 * n_columns**2, 5.0)

    @staticmethod
    def critic(real, fake):
        """Return the losses of real rows, and of generated ones."""
        return softplus(-real), softplus(fake)

    @staticmethod
    def generator(fake):
        return softplus(-fake)

    @staticmethod
    def steepness(critic, real, fake, generator):
        """Return what the penalty punishes, shape (n,)."""
        return _gradient(critic, real).square().sum(dim=1)


class Wasserstein:
    """Critic: ``D(G(z)) - D(x)``; generator: ``-D(G(z))``.

    The penalty holds the length of D's gradient at 1 between real and generated rows, where
    D then is the potential of the transport from one to the other.

    References
    ----------
    Arjovsky, Chintala & Bottou, Wasserstein GAN, 2017. Penalty: Gulrajani et al., Improved
    Training of Wasserstein GANs, 2017, eq. 3.
    """

    last_penalty = 1.0

    @staticmethod
    def penalty(n_columns):
        """Return the default weight of the penalty."""
        return 1.0

    @staticmethod
    def critic(real, fake):
        """Return the losses of real rows, and of generated ones."""
        return -real, fake

    @staticmethod
    def generator(fake):
        return -fake

    @staticmethod
    def steepness(critic, real, fake, generator):
        """Return what the penalty punishes, shape (n,)."""
        place = torch.empty_like(real[:, :1]).uniform_(generator=generator)
        lengths = _gradient(critic, fake.lerp(real, place)).norm(dim=1)
        return (lengths - 1.0).square()


LOSSES = {"non_saturating": NonSaturating, "wasserstein": Wasserstein}


def _gradient(critic, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]
