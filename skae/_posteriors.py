"""What the posteriors of a variational autoencoder say of rows and of codes."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from skae._entry import EntryPoints
from skae._typing import Table
from skae._warnings import warn
from skae.divergences import gaussian_kl
from skae.table.validation import check_fitted_table

# A latent dimension is active where the posterior mean varies by more than this over the
# rows (Burda et al., Importance Weighted Autoencoders, 2016, section 5.2).
ACTIVE_VARIANCE = 0.01


class PosteriorsMixin(EntryPoints):
    """Of an estimator whose model has a `posterior`: per row, and which codes are in use."""

    _table: Any
    _map_rows: Any
    n_components_: int

    def posterior_variances(self, X: Table) -> NDArray:
        """Return the variances v(x) of the posteriors q(z|x), whose means `transform` returns.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        variances : ndarray of shape (n_samples, n_components_)
            Near 1 where the row says nothing of the code, near 0 where it settles it.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skae import VAETransformer
        >>> X = load_iris().data
        >>> vae = VAETransformer(2, max_iter=10, random_state=0).fit(X)
        >>> vae.posterior_variances(X).shape
        (150, 2)
        """
        check_is_fitted(self)
        X = check_fitted_table(self, X, self._table)
        return self._map_rows(_variances, X, self.n_components_)

    def code_divergences(self, X: Table) -> NDArray:
        """Return KL(q(z_j|x) || N(0, 1)) of every row and code, in nats.

        How much a row tells of each code: 0 where the posterior is the prior. Its mean over
        the rows says how much a code is used, and the sum over the codes is the divergence in
        the evidence lower bound.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        divergences : ndarray of shape (n_samples, n_components_)

        References
        ----------
        Kingma & Welling, Auto-Encoding Variational Bayes, 2014, appendix B.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skae import VAETransformer
        >>> X = load_iris().data
        >>> vae = VAETransformer(2, max_iter=10, random_state=0).fit(X)
        >>> bool((vae.code_divergences(X) >= 0).all())
        True
        """
        check_is_fitted(self)
        X = check_fitted_table(self, X, self._table)
        return self._map_rows(_divergences, X, self.n_components_)

    def _learn_activity(self, data):
        """Learn which codes are in use and how noisy the columns are."""
        with self._model_for(np.float32) as (model, _):
            blocks = data.blocks(0, len(data.learned))
            means = torch.cat([model.encode(x) for x, _ in blocks])
            variances = means.cpu().double().var(dim=0, correction=0).numpy()
            noise = model.likelihood.variance().cpu().double().numpy()
        self.active_components_ = variances > ACTIVE_VARIANCE
        self.n_active_components_ = int(self.active_components_.sum())
        self.noise_variance_ = np.full(self.n_features_in_, np.nan)
        numeric = self._table.design_.numeric.features
        self.noise_variance_[numeric] = noise * self._table.scale_**2

    def _warn_of_collapse(self):
        n_collapsed = self.n_components_ - self.n_active_components_
        warn(
            f"{n_collapsed} of {self.n_components_} latent dimensions have collapsed: "
            "their posterior is the prior, whatever the row (see "
            "active_components_). Use a smaller n_components or a smaller beta.",
            ConvergenceWarning,
        )


def _variances(model, x, observed):
    return model.posterior(x)[1].exp()


def _divergences(model, x, observed):
    mean, log_variance = model.posterior(x)
    # Rounded, the least may be a little below 0.
    return gaussian_kl(mean[..., None], log_variance[..., None]).clamp(min=0.0)
