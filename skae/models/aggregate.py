"""The variational autoencoder whose rows' codes are compared with the prior together."""

from skae.models.adversarial import CodeGame
from skae.models.variational import VariationalAutoencoder

# As `AdversarialAutoencoderTransformer` has them by default.
CRITIC_HIDDEN, GRADIENT_PENALTY = (128, 128), 0.05


class AggregateAutoencoder(VariationalAutoencoder):
    """The codes m(x) of all rows together shall be distributed like p(z) = N(0, I).

    The posterior of a single row may be as narrow as its reconstruction wants it. It is means
    that are compared, not draws: wide posteriors about means that say little would pass for
    the prior too, and training finds those first.

    Parameters
    ----------
    *args, **kwargs
        As `VariationalAutoencoder` has them.
    adversary : bool
        Whether a critic compares; see `CodeGame`.
    generator : torch.Generator
        Source of the initial weights (CPU).

    References
    ----------
    Tolstikhin et al., Wasserstein Auto-Encoders, 2018, eq. 4; with a critic, Makhzani et
    al., Adversarial Autoencoders, 2016, section 2 (Gaussian posterior).
    """

    def __init__(self, *args, adversary, generator, **kwargs):
        super().__init__(*args, generator=generator, **kwargs)
        game = CodeGame(self.n_components, CRITIC_HIDDEN, GRADIENT_PENALTY, generator)
        self.game = game if adversary else None

    def codes(self, x):
        """Return what is compared with the prior, shape (n, n_components)."""
        return self.encode(x)

    def forward(self, x):
        """Return what `VariationalAutoencoder` does; in training, the players' losses too."""
        output = super().forward(x)
        if not self.training or self.game is None:
            return output
        return *output, *self.game(output[2])
