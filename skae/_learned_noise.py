"""What a variational autoencoder learns of its noise once training is over."""

import math
from functools import cached_property, partial
from numbers import Integral

import numpy as np
import torch

from skae._paired_differences import mean_of, strength_of_most
from skae.models.correlated_noise import correlated, moments_of
from skae.models.heavy_tails import heavy_tailed

# How much of the correlations is given up for those of independent noise, by turns.
SHRINKAGES = 0.05, 0.2, 0.5
# Standard errors by which held-out rows must be better described.
N_ERRORS = 2.0
# Held-out rows that judge: of fewer the standard error is luck as well, more take long.
MIN_JUDGES, MAX_JUDGES = 10, 1000
# Errors that show the tails of their columns.
MAX_ERRORS = 200_000


class LearnedNoiseMixin:
    """The choice between the noise of training, heavier tails, and noise that columns share."""

    def _forget_noise(self):
        """Have the noise that the model was trained with."""
        model = self.net_.module_
        model.tails, model.noise = None, None
        self.noise_covariance_ = "diagonal"
        self.likelihood_ = "gaussian" if self._chooses_tails else self.likelihood

    @property
    def _chooses_tails(self):
        return isinstance(self.likelihood, str) and self.likelihood == "auto"

    @property
    def _correlates(self):
        """Whether columns may share noise: codes that the user counts are to explain them."""
        if self.noise_covariance != "auto":
            return self.noise_covariance == "full"
        n_numbers = len(self._table.design_.numeric.features)
        is_counted = isinstance(self.n_components, Integral)
        return not is_counted or self.n_components_ >= n_numbers

    def _learn_noise(self, data):
        """Take the noise that held-out rows clearly prefer to that of training, if any.

        A noise that is learned from the errors of rows describes these better than others,
        so others judge it: held-out rows, or a fifth where there are none.
        """
        kinds = self._kinds_of_noise(self.net_.module_)
        n_rows = len(data.source)
        n_judges = data.n_valid or max(1, n_rows // 5)
        if not kinds or n_judges < MIN_JUDGES:
            return
        first = n_rows - n_judges
        with self._model_for(np.float32) as (model, _):
            errors = [_Errors(model, data, *p) for p in ((0, first), (first, n_rows))]
            noises = {kind: make(model, errors[:1]) for kind, make in kinds.items()}
            noises = {kind: noise for kind, noise in noises.items() if noise is not None}
            best = self._preferred(model, data, first, noises)
            if best is None:
                return
            tails, shared = noises[best]
            if not data.is_separate:
                tails, shared = kinds[best](model, errors) or noises[best]
        model = self.net_.module_
        model.tails = None if shared is not None else tails
        model.noise = shared
        if shared is None:
            self.likelihood_ = "student_t"
        else:
            self.noise_covariance_ = "full"

    def _kinds_of_noise(self, model):
        """Return how each kind is made of errors, callables by name."""
        kinds = {}
        if self._correlates and model.can_correlate:
            for shrinkage in SHRINKAGES:
                kinds[f"shared, shrunk by {shrinkage}"] = partial(_shared, shrinkage)
        if self._chooses_tails and self.noise_covariance != "full" and model.is_normal:
            kinds["heavy tails"] = _with_tails
        return kinds

    def _preferred(self, model, data, first, noises):
        """Return the noise of which rows from `first` on gain most, and clearly; or None."""
        without, *of_noises = self._scores_with(
            model, data, first, [(model.likelihood, None), *noises.values()]
        )
        weights = data.weights
        if weights is not None:
            weights = weights[first : first + len(without)]
        gains = {
            kind: with_noise - without
            for kind, with_noise in zip(noises, of_noises, strict=True)
        }
        clear = {
            kind: mean_of(gain, weights).item()
            for kind, gain in gains.items()
            if strength_of_most(gain, weights) > N_ERRORS
        }
        return max(clear, key=clear.get, default=None)

    def _scores_with(self, model, data, first, noises):
        """Return the log densities of rows from `first` on with each noise, in float64."""
        n_judges = min(len(data.source) - first, MAX_JUDGES)
        copies = model.copies_per_row
        if any(shared is not None for _, shared in noises):
            copies = max(copies, model.copies_of_noise)
        blocks = self._blocks(n_judges, copies)
        parts = [slice(first + block.start, first + block.stop) for block in blocks]
        of_parts = [model.scores(*data.source[part], noises) for part in parts]
        return [
            torch.cat(of_noise).cpu().double() for of_noise in zip(*of_parts, strict=True)
        ]


class _Errors:
    """The errors of the numbers of some rows, as kinds of noise are learned from them."""

    def __init__(self, model, data, start, stop):
        self._model, self._data, self._span = model, data, (start, stop)

    def _by_block(self):
        weights = self._data.weights
        weights = None if weights is None else weights[slice(*self._span)]
        return self._model.errors_of(self._data.blocks(*self._span), weights)

    @cached_property
    def moments(self):
        deviations = self._model.likelihood.variance().sqrt()
        return moments_of(self._by_block(), deviations)

    @cached_property
    def cells(self):
        """Errors of as many rows as there is room for, and weights as if they were all."""
        start, stop = self._span
        n_cells = (stop - start) * len(self._model.numeric_features)
        step = math.ceil(n_cells / MAX_ERRORS)
        taken = [[part[::step] for part in block] for block in self._by_block()]
        errors, weights = (torch.cat(parts) for parts in zip(*taken, strict=True))
        return errors, step * weights


def _shared(shrinkage, model, errors):
    """Return normal noise that columns share, as a likelihood and its correlations, or None."""
    moments = [sum(parts) for parts in zip(*(e.moments for e in errors), strict=True)]
    noise = correlated(moments, shrinkage)
    if noise is None:
        return None
    return model.likelihood, noise.to(model.likelihood.center.device)


def _with_tails(model, errors):
    """Return noise of heavier tails, as a likelihood and no correlations."""
    cells = [torch.cat(parts) for parts in zip(*(e.cells for e in errors), strict=True)]
    return heavy_tailed(model.likelihood, *cells), None
