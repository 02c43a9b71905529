"""What networks see of a table that is too wide for them: its principal axes."""

from skae.training.pca import principal_axes

# Columns that a network sees; of a wider table it sees that many principal axes.
MAX_WIDTH = 128


class PrincipalFront:
    """What a network sees of a wide table, and the way back.

    Parameters
    ----------
    x : torch.Tensor of shape (n, width)
    rng : numpy.random.RandomState
    """

    def __init__(self, x, rng):
        self.mean = x.mean(dim=0)
        centred = (x - self.mean).cpu()
        axes = principal_axes(centred, None, MAX_WIDTH, rng)
        # Fewer rows than that have fewer axes.
        self.axes = axes.padded_axes(MAX_WIDTH).to(x.device)

    def enter(self, x):
        return (x - self.mean.to(x.dtype)) @ self.axes.to(x.dtype)

    def leave(self, z):
        return z @ self.axes.T.to(z.dtype) + self.mean.to(z.dtype)

    def beyond(self, x, z):
        """Return the squared length of what `z` does not hold of `x`, shape (n,)."""
        whole = (x - self.mean.to(x.dtype)).square().sum(dim=1)
        return (whole - z.square().sum(dim=1)).clamp(min=0.0)
