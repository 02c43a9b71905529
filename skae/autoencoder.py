"""The autoencoder as a transformer."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from sklearn.utils._param_validation import StrOptions

from skae import _defaults
from skae._code_description import CodeDescriptionMixin
from skae._code_order import OrderedCodesMixin
from skae._documented import documented
from skae._estimator import BaseAutoencoder
from skae.architectures import MLP, choose_network
from skae.models.code_mixture import fit_code_mixture
from skae.models.deterministic import DeterministicModel
from skae.models.links import LINKS
from skae.models.losses import ERRORS, NUMBER_LOSSES, BinaryDivergence, ColumnLosses
from skae.models.watched import Watched
from skae.penalties import Penalty
from skae.penalties.together import Penalties, as_list, shared_code_activation
from skae.table.support import PROPORTIONS
from skae.training.pretraining import N_ROWS as N_PRETRAINED
from skae.training.pretraining import pretrain_layers
from skae.training.schedule import Budget

# Training codes that are kept for `sample`: codes, never rows.
N_KEPT_CODES = 2000


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class AutoencoderTransformer(CodeDescriptionMixin, OrderedCodesMixin, BaseAutoencoder):
    """Nonlinear dimensionality reduction that starts at PCA.

    Encoder and decoder are each a linear map plus a multi-layer perceptron,
    ``z = A x + f(x)`` and ``x' = B z + g(z)``. A and B are the principal axes; f and g
    start at zero, so that before the first step the network is PCA. Their inputs are
    clipped at the range of the data, so that far rows are treated as PCA would. Training
    minimises the mean squared error of the rows; held-out rows decide which state is kept,
    and the start must be beaten clearly (by two standard errors of the mean of the rows'
    differences, or of their winsorised mean). ``best_iter_ == 0`` is a result: PCA was not
    improved upon. On new rows it is therefore worse than PCA only by chance.

    Parameters
    ----------
    loss : {"squared", "absolute", "huber", "binary_cross_entropy"} or callable, \
            default="squared"
        What a numeric cell costs. "huber" is the squared error up to one standard
        deviation and grows like the absolute error beyond. "binary_cross_entropy" is for
        numbers in [0, 1], which reconstructions keep to as well. A callable takes the
        reconstruction and the cells in standard units, tensors of shape (n, n_numeric), and
        returns the losses of the cells.
    tied_weights : bool, default=False
        Whether the decoder uses the encoder's weights, transposed: half as many.
    pretraining : {"layerwise"}, default=None
        "layerwise": every hidden layer and its mirror image learn, one pair after the
        other, to reconstruct the layer before, and only then all of them together. It
        helps deep networks whose gradients vanish, as those of many logistic layers do.
    penalties : Penalty or list of Penalty, default=None
        What is asked of the codes besides: `L1Activity`, `KLSparsity`, `Contractive`,
        `Orthogonal`, `NeighborEmbedding` of `skae.penalties`, or your own. They are searched through the
        estimator: ``penalties__weight``, in a list ``penalties__0__weight``. They are added
        to the loss of training and held-out rows, but not to scores. A and B are trained as
        well then, and sparse codes may be wider than the table.

    See Also
    --------
    VAETransformer : The same with a density.
    sklearn.decomposition.PCA : The linear special case.

    Notes
    -----
    `score_samples` is minus the mean over the row's observed cells of what they cost: 0 is
    a perfect reconstruction. A number costs the squared error in units of its column's
    standard deviation, so that guessing the mean costs 1 on average; with ``scale=False``
    all numbers share one unit, the root of their mean variance. A category costs its
    cross-entropy, -log p, in the unit in which guessing the proportions of its column costs
    the probability that two rows differ. With another `loss` a number costs that, absolute
    errors in the same unit, and cross-entropies in nats above the least that they can be.
    `explain` attributes the row's cost to its cells.

    `sample` draws codes from a Gaussian mixture that is fitted to training codes (at most
    2,000, which the estimator keeps), with the number of components of least BIC. The rows
    are points on the decoder's surface: they vary less than data do.

    References
    ----------
    Hinton & Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks,
    2006. The linear start: Baldi & Hornik, Neural Networks and Principal Component
    Analysis, 1989.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import train_test_split
    >>> from skae import AutoencoderTransformer
    >>> from skae.metrics import reconstruction_r2
    >>> train, test = train_test_split(load_digits().data, random_state=0)
    >>> autoencoder = AutoencoderTransformer(8, random_state=0).fit(train)
    >>> autoencoder.transform(test).shape
    (450, 8)
    >>> bool(reconstruction_r2(autoencoder, test) > reconstruction_r2(PCA(8).fit(train), test))
    True
    """

    loss: (
        Literal["squared", "absolute", "huber", "binary_cross_entropy"]
        | Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    ) = "squared"
    tied_weights: bool = False
    pretraining: Literal["layerwise"] | None = None
    penalties: Penalty | Sequence[Penalty] | None = None

    _parameter_constraints: ClassVar[dict] = {
        **BaseAutoencoder._parameter_constraints,
        "loss": [StrOptions(set(NUMBER_LOSSES)), callable],
        "penalties": [Penalty, list, tuple, None],
        "tied_weights": ["boolean"],
        "pretraining": [StrOptions({"layerwise"}), None],
    }

    _trains_in_parallel = True

    _structural = (*BaseAutoencoder._structural, "loss", "tied_weights")

    def _check_parameters(self):
        super()._check_parameters()
        for name in ("tied_weights", "pretraining"):
            if getattr(self, name) and not isinstance(choose_network(self.network), MLP):
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is for perceptrons, but network="
                    f"{self.network!r}; use network=None, or leave {name} out."
                )
        shared_code_activation(as_list(self.penalties))
        if self.pretraining and self.tied_weights and self.init == "pca":
            raise ValueError(
                f"pretraining={self.pretraining!r} with tied_weights=True has no start at "
                "PCA: the layer that would be zero is the one that was trained; use "
                "init='random', or one of the two."
            )

    def _number_support(self):
        if self.loss != "binary_cross_entropy":
            return None, ""
        return PROPORTIONS, f"loss={self.loss!r}"

    def _budget(self):
        harder = self.corruption is not None or bool(as_list(self.penalties))
        return Budget(harder=harder, steady=not (harder or self.dropout))

    def _default_hidden_layer_sizes(self, n_rows):
        return _defaults.choose_hidden_layer_sizes(n_rows, even=True)

    def _build_model(self, design, layers, n_train):
        penalties = as_list(self.penalties)
        table, is_logistic = self._table, self.loss == "binary_cross_entropy"
        return DeterministicModel(
            design,
            self.n_components_,
            layers,
            self.network_,
            code_activation=shared_code_activation(penalties),
            train_linear=bool(penalties),
            link=LINKS["logistic"](table.center_, table.scale_) if is_logistic else None,
            tied=self.tied_weights,
        )

    def _configure_model(self, model):
        penalties, table = as_list(self.penalties), self._table
        model.penalties = Penalties(penalties) if penalties else None
        number_loss = self.loss if callable(self.loss) else ERRORS.get(self.loss)
        if number_loss is None:
            model.decoder.link.follow(table.center_, table.scale_)
            number_loss = BinaryDivergence(table.center_, table.scale_)
        watched = Watched(f"loss={self.loss!r}") if callable(self.loss) else None
        model.columns = ColumnLosses(
            table.design_,
            number_loss,
            weighted=True,
            watched=watched,
            column_weight=self._column_weight,
        )

    @property
    def _pretrains(self):
        return self.pretraining is not None

    def _pretrain(self, data, seed):
        if self.pretraining is None or not self.hidden_layer_sizes_:
            return
        x, _ = data.source[: min(data.n_train, N_PRETRAINED)]
        generator = torch.Generator(self.device_).manual_seed(seed)
        model = self.net_.module_.train()
        pretrain_layers(model, x, generator, from_pca=self.init == "pca")

    def _after_fit(self, data, given=None):
        x, _ = data.source[: min(data.n_train, N_KEPT_CODES)]
        self.net_.module_.after_fit(x)
        with self._model_for(np.float32) as (model, _):
            self._code_mixture = model.encode(x).cpu().numpy(), None

    def _sample_codes(self, n_samples, rng):
        codes, mixture = self._code_mixture
        if mixture is None:
            mixture = fit_code_mixture(codes)
            if self._code_mixture[0] is codes:  # else another thread has fitted meanwhile
                self._code_mixture = codes, mixture
        mixture = copy.copy(mixture)
        mixture.random_state = rng
        # The mixture draws component by component; the first rows are to be a sample too.
        return rng.permutation(mixture.sample(n_samples)[0])
