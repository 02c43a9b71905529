"""The autoencoder whose codes are entries of a codebook."""

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from skae._processes import one_openmp_thread, without_warnings
from skae.architectures import MLP
from skae.models.model import Model
from skae.models.principal_axes import PrincipalAxes

# Weight of the past in the moving averages of the codebook.
AVERAGING = 0.8
# An entry that stands for less than this part of an equal share of the codes starts anew.
DEAD = 0.1
# Rows that the codebook is started from.
N_CLUSTERED = 20_000
TINY = 1e-8


class Quantizer(nn.Module):
    """Each block of a code becomes the nearest of the block's entries.

    Entries follow the codes that they stand for by moving averages of number and sum; one
    that stands for hardly any is replaced by a code of the batch.

    Parameters
    ----------
    n_blocks, n_entries, width : int
        Blocks per code, entries per block, and codes per block.

    Attributes
    ----------
    entries : torch.Tensor of shape (n_blocks, n_entries, width)
    shares : torch.Tensor of shape (n_blocks, n_entries)
        Moving average of the fraction of the codes that an entry stands for.
    generator : torch.Generator or None
        Source of new starts; without one torch's global generator.

    References
    ----------
    van den Oord, Vinyals & Kavukcuoglu, Neural Discrete Representation Learning, 2017,
    appendix A.1 (moving averages). New starts: Dhariwal et al., Jukebox, 2020, section 3.1.
    """

    generator: torch.Generator | None = None

    def __init__(self, n_blocks, n_entries, width):
        super().__init__()
        self.register_buffer(
            "entries", torch.zeros(n_blocks, n_entries, width, dtype=torch.float32)
        )
        shares = torch.full((n_blocks, n_entries), 1.0 / n_entries, dtype=torch.float32)
        self.register_buffer("shares", shares)

    @torch.no_grad()
    def start_from(self, entries, shares):
        """Start at these entries, which stand for these shares of the codes."""
        self.entries.copy_(entries)
        self.shares.copy_(shares)

    def split(self, codes):
        """Return codes of shape (n, n_components) as (n_blocks, n, width)."""
        n_blocks, _, width = self.entries.shape
        return codes.unflatten(1, (n_blocks, width)).transpose(0, 1)

    def nearest(self, codes):
        """Return the indices of the nearest entries, shape (n, n_blocks)."""
        # The squares of the codes are the same for all entries.
        products = torch.bmm(self.split(codes), self.entries.transpose(1, 2))
        distances = self.entries.square().sum(dim=2)[:, None] - 2.0 * products
        return distances.argmin(dim=2).T

    def look_up(self, indices):
        """Return the codes that entries make up, shape (n, n_components)."""
        blocks = torch.arange(len(self.entries), device=indices.device)
        return self.entries[blocks, indices].flatten(1)

    def forward(self, codes):
        """Return the quantised codes; training moves the entries."""
        indices = self.nearest(codes.detach())
        quantized = self.look_up(indices)
        if self.training:
            self._follow(codes.detach(), indices)
        return quantized

    @torch.no_grad()
    def _follow(self, codes, indices):
        n_blocks, n_entries, _ = self.entries.shape
        blocks = self.split(codes)
        members = nn.functional.one_hot(indices.T, n_entries).to(codes)
        shares = self.shares * AVERAGING + (1.0 - AVERAGING) * members.mean(dim=1)
        sums = torch.bmm(members.transpose(1, 2), blocks) / len(codes)
        sums = self.entries * self.shares[..., None] * AVERAGING + (1.0 - AVERAGING) * sums
        entries = sums / shares.clamp(min=TINY)[..., None]
        dead = shares < DEAD / n_entries
        place = torch.randint(
            len(codes),
            (n_blocks, n_entries),
            generator=self.generator,
            device=codes.device,
        )
        fresh = blocks[torch.arange(n_blocks, device=codes.device)[:, None], place]
        # In place: checkpoints hold on to these tensors.
        self.entries.copy_(torch.where(dead[..., None], fresh, entries))
        self.shares.copy_(torch.where(dead, 1.0 / n_entries, shares))


class QuantizedModel(Model):
    """x' = d(q(e(x))), with q the nearest entries of a codebook.

    Gradients pass q as if it were not there (straight through); training adds the squared
    distance of the codes from their entries, which draws them there.

    Parameters
    ----------
    design : Design
    n_components : int
    layers : Layers
    n_blocks, n_entries : int
        Blocks per code, and entries per block.
    architecture : Network, default=None
        Makes encoder and decoder; None: an `MLP`.

    Attributes
    ----------
    encoder : torch.nn.Module
        Rows, shape (n, n_inputs), to codes before they are quantised, (n, n_components).
    quantizer : Quantizer
    commitment : float
        Weight of the squared distance, as a mean over the columns like the error itself.

    References
    ----------
    van den Oord, Vinyals & Kavukcuoglu, Neural Discrete Representation Learning, 2017,
    eq. 3. Components dealt to blocks: Ge et al., Optimized Product Quantization, 2013,
    section 3.2.
    """

    def __init__(
        self, design, n_components, layers, n_blocks, n_entries, architecture=None
    ):
        super().__init__()
        architecture = MLP() if architecture is None else architecture
        self.encoder = architecture.build_encoder(design.n_inputs, n_components, layers)
        self.quantizer = Quantizer(n_blocks, n_entries, n_components // n_blocks)
        self.decoder = architecture.build_decoder(n_components, design.n_outputs, layers)
        self.commitment = 0.0

    @torch.no_grad()
    def start_from_pca(self, pca: PrincipalAxes, gains, offsets):
        """Start at product quantisation of the principal components.

        The components keep their proportions, so that what is near in code is near in the
        row; they are dealt so that every block gets large and small ones.
        """
        n_blocks, _, width = self.quantizer.entries.shape
        axes = pca.padded_axes(n_blocks * width)[:, deal(n_blocks, width)]
        scale = float(pca.variances.mean().sqrt()) or 1.0
        self.encoder.start_from(
            pca.inputs((axes / scale).T), torch.zeros(n_blocks * width, dtype=torch.float32)
        )
        self.decoder.start_from(gains[:, None] * axes * scale, offsets)

    @torch.no_grad()
    def initialise(self, design, pca, source, n_train, rng):
        """Start at the principal components, and the entries at clusters of their codes."""
        super().initialise(design, pca, source, n_train, rng)
        self.eval()  # no dropout in what is clustered
        x, _ = source[: min(n_train, N_CLUSTERED)]
        codes = self.quantizer.split(self.encoder(x.cpu())).numpy()
        n_entries = self.quantizer.entries.shape[1]
        self.quantizer.start_from(*_cluster(codes, n_entries, rng))

    def losses(self, seen, x, observed, weights=None):
        codes = self.encoder(seen)
        quantized = self.quantizer(codes)
        distances = (codes - quantized).square().sum(dim=1)
        output = self.decode(codes + (quantized - codes).detach())
        losses = self.columns.mean(output, x, observed)
        return losses + self.commitment * distances if self.training else losses, output

    def encode(self, x):
        """Return the quantised codes of rows, shape (n, n_components)."""
        return self.quantizer.look_up(self.indices(x))

    def indices(self, x):
        """Return the indices of the entries of the codes, shape (n, n_blocks)."""
        return self.quantizer.nearest(self.encoder(x))


def deal(n_blocks, width):
    """Return the order in which components go to blocks: to and fro, largest first."""
    turns = torch.arange(n_blocks * width).reshape(width, n_blocks)
    turns[1::2] = turns[1::2].flip(1)
    return turns.T.flatten()


def _cluster(codes, size, rng):
    """Return k-means centres of every block's codes, and their fractions of the codes.

    Parameters
    ----------
    codes : ndarray of shape (n_blocks, n, width)
    """
    from sklearn.cluster import KMeans  # as in `skae.models.code_mixture`

    entries = np.zeros((len(codes), size, codes.shape[2]), dtype=np.float32)
    fractions = np.zeros(entries.shape[:2])
    for block, rows in enumerate(codes):
        # There may be fewer different codes than entries.
        with one_openmp_thread(), without_warnings(ConvergenceWarning):
            clusters = KMeans(size, random_state=rng).fit(rows)
        entries[block] = clusters.cluster_centers_
        fractions[block] = np.bincount(clusters.labels_, minlength=size) / len(rows)
    return torch.from_numpy(entries), torch.from_numpy(np.maximum(fractions, 0.5 / size))
