"""How the variational autoencoder draws rows: its codes, or one column after the other."""

import math
from typing import Any

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skae._conditionals import ConditionalsMixin, check_sample_size, refuse_without_columns
from skae._learned_noise import LearnedNoiseMixin
from skae._parameters import RandomState
from skae._sampling import SamplingMixin
from skae._warnings import warn
from skae.conditionals.model import MAX_WIDTH
from skae.models.mixture_prior import fit_prior
from skae.table.choice import positions_of
from skae.table.marginals import Marginals

# Draws, and cells of them, that show how the model's columns are distributed.
MAX_DRAWS, MAX_DRAWN_CELLS = 10_000, 10_000_000


class VariationalSamplingMixin(LearnedNoiseMixin, ConditionalsMixin, SamplingMixin):
    """What is learned after training for `sample` and `impute`, and these two."""

    # Learned by `fit` alone.
    _marginals: Any = None
    _is_bounded: bool

    # ------------------------------------------------------------------ fitting

    def _learn_to_sample(self, data, given):
        """Learn what rows are drawn from: of codes, and of columns where that can be."""
        model = self.net_.module_
        model.prior, self.prior_ = None, "normal"
        self._forget_noise()
        self._marginals = self._conditionals = None
        self.sampler_ = "codes"
        if given is None:
            return
        has_columns = self.sampler == "columns" and self._knows_columns(given[0])
        try:
            if self.net_.stop_reason_ == "interrupted":  # who presses Ctrl-C is in a hurry
                raise KeyboardInterrupt
            if self.prior == "mixture":
                self._fit_prior(data)
            self._learn_noise(data)
            if has_columns:
                self._learn_columns(data, given)
        except KeyboardInterrupt:
            self._warn_of_codes(has_columns)
        if (
            self.sampler_ == "codes"
            and self.match_marginals
            and model.likelihood.is_density
        ):
            self._fit_marginals(*given)

    def _learn_columns(self, data, given):
        max_steps = None
        if self.max_iter is not None:
            max_steps = self.max_iter * math.ceil(data.n_train / self.batch_size_)
        self._fit_conditionals(*given, max_steps)
        self.sampler_ = "columns"

    def _warn_of_codes(self, has_columns):
        """Warn of what an interrupted fit has not learned."""
        unlearned = [
            name
            for name, is_asked in (
                ("the mixture of codes", self.prior == "mixture" != self.prior_),
                ("the columns' conditional distributions", has_columns),
            )
            if is_asked
        ]
        if unlearned:
            warn(
                f"The fit was interrupted before {' and '.join(unlearned)} had been learned: "
                f"prior_={self.prior_!r}, sampler_='codes', and sample and impute are by the "
                "decoder alone. Fit again, and let it end, for the rest.",
                ConvergenceWarning,
            )

    def _knows_columns(self, X):
        return not issparse(X) and self._table.design_.n_outputs <= MAX_WIDTH

    def _fit_prior(self, data):
        codes = self._draw_codes(data)
        # Without held-out rows a fifth is set aside to choose by.
        n_held_out = data.n_valid or max(1, len(codes) // 5)
        parts = codes[:-n_held_out], codes[-n_held_out:]
        prior = fit_prior(*parts, learn_both=not data.is_separate)
        self.net_.module_.prior = prior
        self.prior_ = "normal" if prior is None else "mixture"

    def _fit_marginals(self, X, rows, sample_weight):
        """Learn the distribution of every numeric column, of the table and of the model."""
        numeric = self._table.design_.numeric
        if not len(numeric.features):
            return
        taken, raw = self._table.some_numbers(X, rows)
        weights = None if sample_weight is None else sample_weight[taken]
        n_draws = max(1000, MAX_DRAWN_CELLS // self._table.design_.n_outputs)
        drawn = self._sample_design(min(MAX_DRAWS, n_draws), np.random.RandomState(0))
        self._marginals = Marginals(
            raw, weights, drawn[:, numeric.columns], self._table.least_rows
        )

    def _draw_codes(self, data):
        """Return a draw of the posterior of every row, in float32, in the rows' order."""
        generator = torch.Generator(self.device_).manual_seed(0)
        codes = []
        with self._model_for(np.float32) as (model, _):
            for x, _ in data.blocks(0, len(data.source)):
                mean, log_variance = model.posterior(x)
                draws = torch.empty_like(mean).normal_(generator=generator)
                codes.append(torch.addcmul(mean, (0.5 * log_variance).exp(), draws))
        codes = torch.cat(codes)
        return codes if data.weights is None else _in_proportion(codes, data)

    # ------------------------------------------------------------------ drawing

    def sample(
        self,
        n_samples: int | None = None,
        random_state: RandomState = None,
        *,
        given: Any = None,
        missing: bool = False,
    ) -> Any:
        """Draw new rows.

        Parameters
        ----------
        n_samples : int, default=None
            Number of rows. None: 1, or as many as `given` has.
        random_state : int, RandomState instance or None, default=None
            Seeds the draws.
        given : dict or data frame, default=None
            What holds of the rows. A dict says of columns what their cells are: a value, a
            range ``(low, high)`` of numbers, dates or ordered categories, with None for an
            open end, or a list of categories; None asks for a missing cell, where that is a level (the parameter
            `missing` of the class). A data frame holds the known cells of each row to draw;
            missing cells are drawn, unless they are a level of their column. What is given
            is met exactly; of pandas its index is that of the result.
        missing : bool, default=False
            Whether cells are missing where rows of the table have missing cells: as often,
            and beside the same others. Where they are a level they are at any rate.

        Returns
        -------
        rows : ndarray or data frame of shape (n_samples, n_features_in_)
            In the original columns and units; a frame of the library that was fitted, if
            one was, with its labels and dtypes. Categories are of those that rows of the
            fit hold. In a frame a column that held whole numbers only in fit holds whole
            numbers, within its range in fit.

        Raises
        ------
        ValueError
            If `given` names a column or a category that was not there in fit, or what it
            asks for does not exist or hardly; or ``sampler_="codes"`` and `given` or
            `missing` are asked for.
        TypeError
            If `given` holds a value that is not of the kind of its column.

        Examples
        --------
        >>> import pandas as pd
        >>> from skae import VAETransformer
        >>> flats = pd.DataFrame({"area": [31.5, 48.0, 62.5, 90.0], "rooms": [1, 2, 2, 3]})
        >>> vae = VAETransformer(1, random_state=0).fit(flats)
        >>> vae.sample(2, random_state=0, given={"rooms": 2})["rooms"].tolist()
        [2, 2]
        """
        check_is_fitted(self)
        check_sample_size(n_samples)
        if not isinstance(missing, bool | np.bool_):
            raise ValueError(
                f"missing={missing!r}; give True for rows with missing cells as the table has "
                "them, or False for rows without."
            )
        if self._conditionals is not None:
            rng = check_random_state(random_state)
            revealed = positions_of("reveal", self.reveal, self._table.names)
            return self._sample_conditionally(n_samples, rng, given, missing, revealed)
        refuse_without_columns(given=given, missing=missing or None)
        return super().sample(n_samples or 1, random_state)

    def _sample(self, n_samples, rng):
        design, raw = self._sample_design(n_samples, rng), None
        numbers = design[:, self._table.design_.numeric.columns]
        if self._marginals is not None:
            raw = self._marginals.map(numbers)
        elif self._is_bounded:
            raw = self._table.decode_numbers(numbers)
            raw = self._table.design_.numeric.to_possible(raw)
        elif not self.net_.module_.likelihood.is_density:
            # Not 2.9999999 counts, nor -0.
            raw = self._table.decode_numbers(numbers).round() + 0.0
        return self._table.decode(design, np.float64, rng=rng, numbers=raw)

    def _sample_design(self, n_samples, rng):
        """Return decoded draws of the prior, with noise, shape (n_samples, n_outputs)."""
        design = self._decode_design(self._sample_codes(n_samples, rng))
        numeric = self._table.design_.numeric.columns
        design[:, numeric] = self.net_.module_.draw_numbers(design[:, numeric], rng)
        return design

    def _sample_codes(self, n_samples, rng):
        prior = self.net_.module_.prior
        if prior is None:
            return super()._sample_codes(n_samples, rng)
        return prior.sample(n_samples, rng)


def _in_proportion(codes, data):
    """Return as many codes, each as often as its row weighs; held-out ones stay last."""
    parts = []
    for part, weights in (
        (codes[: data.n_train], data.train_weights),
        (codes[data.n_train :], data.valid_weights),
    ):
        sums = weights.cpu().double().cumsum(0)
        places = (torch.arange(len(part)) + 0.5) / max(len(part), 1)
        at = torch.searchsorted(sums, places * sums[-1:]).clamp(max=len(part) - 1)
        parts.append(part[at.to(part.device)])
    return torch.cat(parts)
