"""What networks see of a table that is too wide for them: its principal components."""

from skae.models.principal_axes import principal_axes

# Columns that a network sees; of a wider table it sees that many principal components.
MAX_WIDTH = 128


class PCAProjection:
    """Projection of rows onto the first `MAX_WIDTH` principal axes of a sample of them.

    Parameters
    ----------
    x : torch.Tensor of shape (n, width)
        The sample.
    rng : numpy.random.RandomState
        Source of the randomized decomposition.
    """

    def __init__(self, x, rng):
        self.mean = x.mean(dim=0)
        centred = (x - self.mean).cpu()
        axes = principal_axes(centred, None, MAX_WIDTH, rng)
        # A sample of fewer rows spans fewer axes; the others are zero.
        self.axes = axes.padded_axes(MAX_WIDTH).to(x.device)

    def move_to(self, device):
        """Move to a device."""
        self.mean, self.axes = self.mean.to(device), self.axes.to(device)

    def transform(self, x):
        """Return the principal components of `x`, shape (*, MAX_WIDTH)."""
        return (x - self.mean.to(x.dtype)) @ self.axes.to(x.dtype)

    def inverse_transform(self, z):
        """Return the rows whose principal components are `z`, shape (*, width)."""
        return z @ self.axes.T.to(z.dtype) + self.mean.to(z.dtype)

    def squared_residual(self, x, z):
        """Return the squared length of what `z` does not hold of `x`, shape (n,)."""
        total = (x - self.mean.to(x.dtype)).square().sum(dim=1)
        return (total - z.square().sum(dim=1)).clamp(min=0.0)
