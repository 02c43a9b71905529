"""The vector-quantised autoencoder as a transformer."""

from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import ClassVar, Literal

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions

from skae import _defaults
from skae._documented import documented
from skae._estimator import BaseAutoencoder
from skae._warnings import warn
from skae.models.chow_liu import ChowLiuTree
from skae.models.losses import ColumnLosses, squared_error
from skae.models.quantized import QuantizedModel
from skae.table.validation import check_codes

# A codebook of which less than this fraction is in use is larger than it need be.
LEAST_USAGE = 0.5


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class VQVAETransformer(BaseAutoencoder):
    """Autoencoder with discrete codes: entries of a learned codebook.

    A code is made of `n_blocks` blocks, and each block is one of `codebook_size` vectors.
    Training starts at product quantisation of the principal components (k-means in every
    block) and leaves it only for something that reconstructs held-out rows clearly better.
    Entries follow the codes that they stand for by moving averages; an entry that stands
    for none starts anew.

    Parameters
    ----------
    n_components : int, default=8
        Number of codes, all blocks together.
    n_blocks : int, default=None
        Blocks of a code; must divide `n_components`. None: blocks of two numbers, of one
        if `n_components` is odd. A row is stored in ``n_blocks * log2(codebook_size)`` bits.
    codebook_size : int, default=None
        Entries for each block. None: a tenth of the rows, from 1 to 64.
    encoding : {"vectors", "indices"}, default="vectors"
        What `transform` returns and `inverse_transform` takes: the vectors of the
        entries (it takes others as well), or their indices.
    commitment : float, default=0.25
        Weight of the term that draws codes to their entries.
    max_iter : int, default=None
        Maximum number of epochs. None: a budget of 900 to 3000 steps (three per row), and
        at least 8 epochs; more with missing values or `corruption`.

    Attributes
    ----------
    codebook_ : ndarray of shape (n_blocks, codebook_size_, n_components_ / n_blocks)
        The entries.
    codebook_size_, n_blocks_ : int
        Entries for each block, and blocks of a code.
    codebook_usage_ : float
        Fraction of the entries that stand for at least one training row.

    See Also
    --------
    AutoencoderTransformer : Continuous codes reconstruct better, and take more room.
    sklearn.cluster.KMeans : The same with one block and no network.

    Notes
    -----
    `score_samples` is minus the mean over the row's observed cells of what they cost, as
    for `AutoencoderTransformer`. Row weights count in the loss, but not in the averages
    of the codebook.

    `sample` draws the entries from a tree of pairs of blocks that is learned from the
    training rows (Chow & Liu, 1968), and decodes them: the rows are points that the decoder
    can make, and vary less than data do.

    References
    ----------
    van den Oord, Vinyals & Kavukcuoglu, Neural Discrete Representation Learning, 2017. The
    start: Jegou, Douze & Schmid, Product Quantization for Nearest Neighbor Search, 2011.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import VQVAETransformer
    >>> X = load_digits().data
    >>> vqvae = VQVAETransformer(encoding="indices", max_iter=10, random_state=0).fit(X)
    >>> vqvae.transform(X).shape
    (1797, 4)
    >>> vqvae.sample(3, random_state=0).shape
    (3, 64)
    """

    n_components: int = field(default=8, kw_only=False)
    n_blocks: int | None = None
    codebook_size: int | None = None
    encoding: Literal["vectors", "indices"] = "vectors"
    commitment: float = 0.25
    activation: Literal["relu", "tanh", "logistic", "identity", "silu", "gelu", "elu"] = (
        "silu"
    )

    _parameter_constraints: ClassVar[dict] = {
        **BaseAutoencoder._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_blocks": [Interval(Integral, 1, None, closed="left"), None],
        "codebook_size": [Interval(Integral, 1, None, closed="left"), None],
        "encoding": [StrOptions({"vectors", "indices"})],
        "commitment": [Interval(Real, 0, None, closed="left")],
    }

    _structural = (*BaseAutoencoder._structural, "n_blocks", "codebook_size")

    def _check_parameters(self):
        super()._check_parameters()
        if self.n_blocks is not None and self.n_components % self.n_blocks:
            raise ValueError(
                f"n_components={self.n_components} is no multiple of n_blocks="
                f"{self.n_blocks}; all blocks of a code are equally wide."
            )

    # ------------------------------------------------------------------ fitting

    def _budget(self):
        # Codes that jump from entry to entry settle slowly.
        return super()._budget()._replace(factor=3.0)

    def _build_model(self, design, layers, n_train):
        n_components, size = self.n_components_, self.codebook_size
        if size is None:
            size = _defaults.choose_codebook_size(n_train)
        elif size > n_train:
            raise ValueError(
                f"codebook_size={size} is more than the {n_train} rows to train on (others "
                f"are held out); use a codebook_size of at most {n_train}, better a tenth "
                "of it, or None."
            )
        self.codebook_size_ = int(size)
        self.n_blocks_ = self.n_blocks or n_components // (1 + (n_components % 2 == 0))
        sizes = self.n_blocks_, self.codebook_size_
        return QuantizedModel(design, n_components, layers, *sizes, self.network_)

    def _configure_model(self, model):
        design = self._table.design_
        model.columns = ColumnLosses(
            design, squared_error, weighted=True, column_weight=self._column_weight
        )
        model.commitment = self.commitment / max(design.n_outputs, 1)

    def _after_fit(self, data, given=None):
        with self._model_for(np.float32) as (model, _):
            blocks = data.blocks(0, data.n_train)
            indices = torch.cat([model.indices(x) for x, _ in blocks]).cpu().numpy()
            self.codebook_ = model.quantizer.entries.cpu().numpy().copy()
        used = sum(len(np.unique(column)) for column in indices.T)
        self.codebook_usage_ = used / (indices.shape[1] * self.codebook_size_)
        self._tree = ChowLiuTree().fit(indices, self.codebook_size_)
        if given is not None and self.codebook_usage_ < LEAST_USAGE:
            warn(
                f"Only {self.codebook_usage_:.0%} of the codebook is in use "
                "(codebook_usage_). Use a smaller codebook_size or n_blocks, or, with few "
                "columns, a smaller n_components.",
                ConvergenceWarning,
            )

    # ------------------------------------------------------------------ using

    def _encode_rows(self, X):
        if self.encoding == "vectors":
            return super()._encode_rows(X)
        return self._map_rows(_indices, X, len(self.codebook_)).astype(np.int64)

    @property
    def _n_features_out(self):
        return self.n_components_ if self.encoding == "vectors" else len(self.codebook_)

    def _read_codes(self, X):
        if self.encoding == "vectors":
            return super()._read_codes(X)
        indices = check_codes(X)
        n_blocks, size = self.codebook_.shape[:2]
        if indices.shape[1] != n_blocks:
            raise ValueError(
                f"X has {indices.shape[1]} columns, but inverse_transform takes the indices "
                f"of n_blocks={n_blocks} entries, as transform returns them."
            )
        strange = indices[(indices != np.rint(indices)) | (indices < 0) | (indices >= size)]
        if len(strange):
            raise ValueError(
                f"X holds {strange[0]:g}, but entries are numbered from 0 to {size - 1}; "
                "with encoding='vectors' inverse_transform takes vectors."
            )
        return self._look_up(indices.astype(np.int64))

    def _look_up(self, indices):
        pairs = zip(self.codebook_, indices.T, strict=True)
        return np.hstack([entries[column] for entries, column in pairs]).astype(np.float64)

    def _sample_codes(self, n_samples, rng):
        return self._look_up(self._tree.sample(n_samples, rng))


def _indices(model, x, observed):
    return model.indices(x)
