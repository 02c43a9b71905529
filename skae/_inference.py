"""What a fitted transformer makes of rows: codes, reconstructions and scores."""

from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skae._explanation import ExplanationMixin
from skae._imputation import ImputationMixin
from skae._typing import Table
from skae.lazy.results import mean_over
from skae.lazy.sources import open_source, refuse_row_arguments
from skae.table.row_metadata import check_weights
from skae.table.sources import refuse_source
from skae.table.validation import (
    check_codes,
    check_fitted_table,
    float_dtype,
    with_index_of,
)


class InferenceMixin(
    ImputationMixin, ExplanationMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
):
    """Codes, reconstructions, scores, explanations and imputed cells from a fitted model.

    What a row scores is for the model to say (see `skae.models.model.Model`). A subclass
    may override `_encode_rows`, if `transform` returns something else than the codes, and
    `_read_codes`, which makes codes of that again.
    """

    # ------------------------------------------------------------------ codes

    def transform(self, X: Table) -> NDArray:
        """Return the codes of the rows of X.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components_)
            In the floating dtype of X.
        """
        check_is_fitted(self)
        return self._encode_rows(check_fitted_table(self, X, self._table))

    def _encode_rows(self, X):
        return self._codes_of(X)

    def _codes_of(self, X):
        codes = self._map_rows(_encode, X, self.n_components_)
        return codes.astype(float_dtype(X), copy=False)

    def inverse_transform(self, X: ArrayLike) -> Any:
        """Return the rows that the codes X stand for.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_components_)
            Codes, as `transform` returns them.

        Returns
        -------
        rows : ndarray or data frame of shape (n_samples, n_features_in_)
            In the original columns and units; a frame of the library that was fitted, if
            one was, with its labels and dtypes, and with the index of X, if both are of
            pandas. A category is the most probable one, an ordered one the median, of
            those that rows of the fit hold. In a frame a column that held whole numbers
            only in fit holds whole numbers, within its range in fit; in an array all
            numbers are what the network returns.

        See Also
        --------
        reconstruct : The same of rows instead of codes.
        """
        check_is_fitted(self)
        return with_index_of(X, self._decode(self._read_codes(X)))

    def _read_codes(self, X):
        """Return what `inverse_transform` is given as codes, (n_samples, n_components_)."""
        codes = check_codes(X)
        if codes.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {codes.shape[1]} columns, but inverse_transform takes codes with "
                f"n_components_={self.n_components_} columns, as transform returns them."
            )
        return codes

    def reconstruct(self, X: Table, *, n_components: int | None = None) -> Any:
        """Return the rows of X as the network reconstructs them.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.
        n_components : int, default=None
            Number of codes to reconstruct from: the first ones, which tell the most (see
            `explained_variance_ratio_`); the others are taken to be what these let expect,
            and 0 in a stream. None: all, decoded as they are. Of a `VAETransformer`, whose
            posterior means draw numbers to the mean, even ``n_components=n_components_``
            reconstructs more than that: what it decodes is corrected by a regression.

        Returns
        -------
        rows : ndarray or data frame of shape (n_samples, n_features_in_)
            As `inverse_transform` returns them for the codes of X, with the index of X.
            Cells that are missing in X are not missing here, unless their whole column
            was in fit, or the network says so where missing cells are a level.

        See Also
        --------
        impute : Fill missing cells and leave the others as they are.

        Examples
        --------
        >>> import pandas as pd
        >>> from skae import AutoencoderTransformer
        >>> flats = pd.DataFrame({"area": [31.5, 48.0, 62.5, 90.0], "rooms": [1, 2, 2, 3]})
        >>> flats.index = ["a", "b", "c", "d"]
        >>> autoencoder = AutoencoderTransformer(1, random_state=0).fit(flats)
        >>> autoencoder.reconstruct(flats[2:])["rooms"]
        c    2
        d    3
        Name: rooms, dtype: int64
        """
        check_is_fitted(self)
        X = check_fitted_table(self, X, self._table)
        n_codes = self._check_n_codes(n_components)
        reconstruct = _reconstruct if n_codes is None else partial(_reconstruct_by, n_codes)
        output = self._map_rows(reconstruct, X, self._table.design_.n_outputs)
        return with_index_of(X, self._table.decode(output, float_dtype(X)))

    def _check_n_codes(self, n_components):
        """Return the number of codes to reconstruct from; None: all."""
        if n_components is None:
            return None
        if (
            not isinstance(n_components, Integral)
            or not 1 <= n_components <= self.n_components_
        ):
            raise ValueError(
                f"n_components={n_components!r}; give a whole number from 1 to "
                f"{self.n_components_}, the number of codes, or None for all."
            )
        if not self.net_.module_.arranges_codes:
            raise ValueError(
                f"n_components={n_components!r}, but the codes of {type(self).__name__} have "
                "no order; use n_components=None, or AutoencoderTransformer."
            )
        if self.net_.module_.has_other_weights:
            raise ValueError(
                f"n_components={n_components!r}, but weights were loaded into net_ after fit, "
                "and which of their codes tell the most is not known; use n_components=None, "
                "or fit again."
            )
        return int(n_components)

    def interpolate(self, x: Table, y: Table, n_steps: int = 10) -> Any:
        """Return rows on the way from x to y: the codes between theirs, decoded.

        Parameters
        ----------
        x, y : data frame or array-like of shape (1, n_features), or a sequence of n_features
            Two rows with the columns seen in fit.
        n_steps : int, default=10
            Number of rows, two or more. The first and the last are the reconstructions of
            x and y.

        Returns
        -------
        rows : ndarray or data frame of shape (n_steps, n_features_in_)
            In the original columns and units, as `inverse_transform` returns them.
        """
        check_is_fitted(self)
        if not isinstance(n_steps, Integral) or n_steps < 2:
            raise ValueError(f"n_steps={n_steps!r}; ask for a whole number, 2 or more.")
        ends = [
            self._codes_of(check_fitted_table(self, _one_row(name, row), self._table))
            for name, row in (("x", x), ("y", y))
        ]
        dtype = np.result_type(*ends)
        place = np.linspace(0.0, 1.0, n_steps)[:, None]
        return self._decode(((1.0 - place) * ends[0] + place * ends[1]).astype(dtype))

    def _decode(self, codes, rng=None):
        return self._table.decode(self._decode_design(codes), codes.dtype, rng=rng)

    def _decode_design(self, codes):
        """Return the decoder's output for codes: numbers in standard units, and logits."""
        out = np.empty((len(codes), self._table.design_.n_outputs), dtype=codes.dtype)
        with self._model_for(codes.dtype) as (model, dtype):
            for block in self._blocks(len(codes)):
                z = torch.from_numpy(codes[block].astype(dtype)).to(self.device_)
                out[block] = model.decode(z).cpu().numpy()
        return out

    def to_design(self, X: Table) -> torch.Tensor:
        """Return the rows of X as `encoder_` takes them.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        design : torch.Tensor of float32 of shape (n_samples, n_inputs)
            On `device_`: numbers in standard units, centred indicators of the levels of
            categories, then indicators of missing cells. `decoder_` returns as much, with
            logits in place of the levels' indicators and without those of missing cells.

        See Also
        --------
        skae.export.module : All of the way from cells to the result as one torch module.

        Examples
        --------
        >>> import torch
        >>> from sklearn.datasets import load_iris
        >>> from skae import AutoencoderTransformer
        >>> X = load_iris().data
        >>> autoencoder = AutoencoderTransformer(2, random_state=0).fit(X)
        >>> with torch.no_grad():
        ...     codes = autoencoder.encoder_(autoencoder.to_design(X))
        >>> bool(abs(codes.numpy() - autoencoder.transform(X)).max() < 1e-4)
        True
        """
        check_is_fitted(self)
        X = check_fitted_table(self, X, self._table)
        parts = []
        with self._model_for(np.float32) as (model, dtype):
            for block in self._blocks(X.shape[0]):
                parts.append(self._design_of(model, dtype, X[block])[0])
        return torch.cat(parts)

    # ------------------------------------------------------------------ scores

    def score_samples(self, X: Table) -> NDArray[np.float64]:
        """Return one number per row; higher is more normal.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype float64
            See the class for the unit.
        """
        check_is_fitted(self)
        return self._score_samples(check_fitted_table(self, X, self._table))

    def _score_samples(self, X):
        self._check_support(X)
        scores = self._map_rows(_score, X, None, scored=True)
        return scores.astype(np.float64, copy=False)

    def score(
        self, X: Table, y: Any = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the mean of `score_samples(X)`.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.
        y : Ignored
            Present for the API.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the mean.

        Returns
        -------
        score : float
            Higher is better.
        """
        source = open_source(X)
        if source is not None and source.table is None:
            refuse_row_arguments(sample_weight=sample_weight)
            check_is_fitted(self)
            return mean_over(source, self.score_samples)
        refuse_source(X)
        scores = self.score_samples(X)
        return float(np.average(scores, weights=check_weights(sample_weight, scores)))

    # ------------------------------------------------------------------ parts

    @property
    def encoder_(self) -> torch.nn.Module:
        """The encoder, a torch module; inputs are rows in standard units."""
        return self.net_.module_.encoder

    @property
    def decoder_(self) -> torch.nn.Module:
        """The decoder, a torch module; outputs are rows in standard units."""
        return self.net_.module_.decoder

    @property
    def _n_features_out(self):
        return self.n_components_


def _one_row(name, row):
    """Return a table of one row."""
    if not hasattr(row, "columns") and np.ndim(row) == 1:
        row = np.asarray(row)[None]
    if np.shape(row)[0] != 1:
        raise ValueError(
            f"{name} has {np.shape(row)[0]} rows; interpolate goes from one row to another, "
            "so give one."
        )
    return row


def _encode(model, x, observed):
    return model.encode(x)


def _reconstruct(model, x, observed):
    return model.decode(model.encode(x))


def _reconstruct_by(n_codes, model, x, observed):
    return model.decode_first(model.encode(x), n_codes)


def _score(model, x, observed):
    return model.score(x, observed)
