"""The adversarial autoencoder as a transformer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from skae._code_description import CodeDescriptionMixin
from skae._code_order import OrderedCodesMixin
from skae._documented import documented
from skae._estimator import BaseAutoencoder
from skae.divergences import SQUARED_ERRORS, Adversary
from skae.models.adversarial import AdversarialModel
from skae.models.discrepancy import MOST_ROWS, prior_level, prior_mmd
from skae.models.losses import ColumnLosses, squared_error
from skae.table.validation import check_layer_sizes


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class AdversarialAutoencoderTransformer(
    CodeDescriptionMixin, OrderedCodesMixin, BaseAutoencoder
):
    """Autoencoder whose codes look like draws from a normal distribution.

    A critic learns to tell the codes from draws of the prior N(0, I), and the encoder
    learns to deceive it, while both encoder and decoder learn to reconstruct the rows.
    Where the codes fill the prior, any draw of it decodes to a row. The encoder also lowers
    the maximum mean discrepancy of the last 512 codes, which settles their means and
    variances at once; a critic alone would circle about them.

    Parameters
    ----------
    adversarial_weight : float, default=1.0
        Weight of deceiving the critic, in units of the reconstruction error. 0: a plain
        autoencoder.
    gradient_penalty : float, default=0.05
        Weight of the penalty on the critic's squared gradient at draws of the prior (R1).
    critic_hidden_layer_sizes : int or tuple of int, default=(128, 128)
        Units of the critic's hidden layers.
    max_iter : int, default=None
        Maximum number of epochs. None: a budget of 1200 to 4000 steps (four per row), and
        at least 8 epochs; more with missing values or `corruption`.

    Attributes
    ----------
    code_mmd_, code_mmd_level_ : float
        Squared maximum mean discrepancy between codes (of at most 512 rows, held-out ones
        where there are enough) and the prior, unbiased; and its 95th percentile for as many
        draws of the prior itself. Codes below that level cannot be told from the prior.
    loss_curve_ : list of float
        Mean training loss of every epoch, the critic's included.
    validation_loss_curve_ : list of float
        Held-out error, and `adversarial_weight` times six times the squared discrepancy of
        prior and codes (of at most 1,024 rows, held-out ones first), before the first step
        and after every epoch. With ``early_stopping=True`` only. The start
        has seen the held-out rows, unless they are `X_val`: the columns' statistics and the
        principal axes come from all rows of X.

    See Also
    --------
    VAETransformer : The same end by a bound of the likelihood; has a density.
    GANSampler : New rows without codes.

    Notes
    -----
    `score_samples` is minus the mean over the row's observed cells of what they cost, as
    for `AutoencoderTransformer`; it does not ask how likely the code is.

    References
    ----------
    Makhzani et al., Adversarial Autoencoders, 2016. The discrepancy: Gretton et al., A Kernel
    Two-Sample Test, 2012; as a training loss, Tolstikhin et al., Wasserstein Auto-Encoders,
    2018.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import AdversarialAutoencoderTransformer
    >>> X = load_iris().data
    >>> aae = AdversarialAutoencoderTransformer(2, max_iter=20, random_state=0).fit(X)
    >>> aae.transform(X).shape
    (150, 2)
    >>> aae.sample(3, random_state=0).shape
    (3, 4)
    """

    adversarial_weight: float = 1.0
    gradient_penalty: float = 0.05
    critic_hidden_layer_sizes: int | Sequence[int] = (128, 128)
    learning_rate_init: float = 0.003

    _parameter_constraints: ClassVar[dict] = {
        **BaseAutoencoder._parameter_constraints,
        "adversarial_weight": [Interval(Real, 0, None, closed="left")],
        "gradient_penalty": [Interval(Real, 0, None, closed="left")],
        "critic_hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
    }

    _structural = (
        *BaseAutoencoder._structural,
        "gradient_penalty",
        "critic_hidden_layer_sizes",
    )

    def _check_parameters(self):
        super()._check_parameters()
        check_layer_sizes("critic_hidden_layer_sizes", self.critic_hidden_layer_sizes)

    def _budget(self):
        # Codes and critic go on long after the rows are reconstructed well.
        return super()._budget()._replace(factor=4.0)

    def _adversary(self):
        return Adversary(self.critic_hidden_layer_sizes, self.gradient_penalty)

    def _build_model(self, design, layers, n_train):
        build = partial(self._adversary().build, self.n_components_, SQUARED_ERRORS)
        return AdversarialModel(design, self.n_components_, layers, build, self.network_)

    def _configure_model(self, model):
        model.columns = ColumnLosses(
            self._table.design_,
            squared_error,
            weighted=True,
            column_weight=self._column_weight,
        )
        model.divergence.configure(self._adversary())
        model.divergence_weight = self.adversarial_weight

    def _after_fit(self, data, given=None):
        held_out = data.n_valid >= MOST_ROWS // 10
        start = data.n_train if held_out else 0
        stop = min(len(data.source), start + MOST_ROWS)
        with self._model_for(np.float32) as (model, _):
            codes = model.encode(data.source[start:stop][0]).cpu().double()
        self.code_mmd_, self._n_compared = np.nan, len(codes)
        if len(codes) > 1:
            weights = None if data.weights is None else data.weights[start:stop]
            self.code_mmd_ = float(prior_mmd(codes, weights))

    @property
    def code_mmd_level_(self) -> float:
        """What `code_mmd_` stays below 95 times of 100 where the codes are the prior's."""
        # Worked out when asked for: it takes as long as a short fit.
        if self._n_compared < 2:
            return np.nan
        return prior_level(self._n_compared, self.n_components_)
