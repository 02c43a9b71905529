"""The distributions that networks may start from, and the one that they are trained on."""

from itertools import compress
from typing import NamedTuple

import numpy as np
import torch

from skae.conditionals.division import Division, batch_size_for
from skae.conditionals.evidence import Evidence, WithEvidence
from skae.conditionals.evidence_weights import fitted_weights
from skae.conditionals.fitting import DROPOUT, N_LAYERS, N_UNITS, Training
from skae.conditionals.gaussian import LEAST_SHRINKAGE, SHRINKAGE, Gaussian
from skae.conditionals.mixture import Levels
from skae.conditionals.mixture_fitting import MixtureFits
from skae.conditionals.network import ConditionalNetworks
from skae.conditionals.seen import Group, Rows
from skae.conditionals.units import Pooled, Units

# Mixtures that networks may start from: numbers of components, and how much of their
# correlations is taken back; rows that each component needs, and how many components times
# variables there are at most: a quarter of them where rows have missing cells, whose patterns
# no others share.
MIXTURES = (4, LEAST_SHRINKAGE), (4, 1.0), (8, LEAST_SHRINKAGE)
LEAST_ROWS, MAX_CELLS = 20, 256


class Fitted(NamedTuple):
    """Networks, what they start from, and how they were trained.

    Attributes
    ----------
    networks : ConditionalNetworks
    bases : list of Gaussian, Mixture, Pooled or WithEvidence
        Of all rows that are learned from, then of those of each part.
    training : Training
    """

    networks: ConditionalNetworks
    bases: list
    training: Training

    @property
    def base(self):
        """What the networks correct."""
        return self.bases[0]


def fit_networks(variables, visibility, values, weights, max_steps, seed):
    """Return the networks that are best on held-out rows, `Fitted`.

    They start from the distribution that held-out rows choose: normal or a mixture, of
    normal scores, alone or together with one of numbers in their own units, and with what
    values that repeat say.

    Parameters
    ----------
    variables : Variables
    visibility : Visibility
    values : ndarray of float64 of shape (n, n_columns)
    weights : ndarray of shape (n,)
        Of mean 1.
    max_steps : int or None
    seed : int
    """
    best = Starts(variables, visibility, values, weights, seed).best()
    best.training.run(max_steps)
    return best


def _best(fits):
    return min(fits, key=lambda fit: fit.training.first_loss)


class Starts:
    """What networks may start from; the parameters are those of `fit_networks`."""

    def __init__(self, variables, visibility, values, weights, seed):
        self.variables, self.visibility, self.seed = variables, visibility, seed
        self.values, self.weights = values, weights
        self.rows = Rows.of(variables, values, weights)
        self.division = division = Division.of(len(values), seed)
        # Of all learned rows, then of those of each part, whose networks hold out others.
        self.learned = [division.learned.numpy()]
        if division.is_crossed:
            parts = range(len(division.parts))
            self.learned += [division.learned_for(k).numpy() for k in parts]
        self.networks = ConditionalNetworks(
            variables,
            division.held_by.shape[1],
            N_UNITS,
            N_LAYERS,
            DROPOUT,
            torch.Generator().manual_seed(seed),
        )

    def best(self):
        """Return the start that held-out rows choose, `Fitted` but not trained yet."""
        x = self._encoded()
        if not self.division.held_by.any():
            return self._fitted(self._normal(x, SHRINKAGE))
        best = _best(map(self._fitted, self._candidates(x, (LEAST_SHRINKAGE, SHRINKAGE))))
        amounts = self.variables.are_amounts
        best = self._pooled(best, x, amounts) if amounts.any() else best
        return self._with_evidence(best, x)

    def _with_evidence(self, best, x):
        """Return the best start together with what values say of other columns, if better.

        Parameters
        ----------
        best : Fitted
        x : ndarray of shape (n, width)
            NaN where unknown.
        """
        division = self.division
        rows = [division.learned, *map(division.learned_for, range(len(division.parts)))]
        # What a row's own cells have part in would seem to tell them.
        evidence = [
            Evidence.of_all(self.variables, x[own], self.weights[own])
            for own in (part.numpy() for part in rows)
        ]
        of_checked = list(compress(evidence[1:], division.held_by.any(1).tolist()))
        weights = fitted_weights(
            of_checked, best.training.checked, self.variables, division.n_held_out
        )
        if not weights.any():
            return best
        bases = best.bases if len(best.bases) > 1 else best.bases * len(evidence)
        bases = [
            WithEvidence.of(base, own, weights, self.variables)
            for base, own in zip(bases, evidence, strict=True)
        ]
        return _best([best, self._fitted(bases)])

    def _pooled(self, best, x, amounts):
        """Return the best start together with one of numbers in their own units, if better.

        Parameters
        ----------
        best : Fitted
        x : ndarray of shape (n, width)
            NaN where unknown.
        amounts : ndarray of bool of shape (n_ranked,)
        """
        chosen = np.flatnonzero(amounts)
        units = Units.of(chosen, self.variables.ranks, x, self.weights)
        all_of_them = np.ones(len(chosen), dtype=bool)
        x = units.apply(torch.from_numpy(x)).numpy()
        found = _best(
            self._fitted(
                [
                    Pooled(of_scores, of_numbers, units, all_of_them)
                    for of_scores, of_numbers in zip(best.bases, bases, strict=True)
                ]
            )
            for bases in self._candidates(x, (LEAST_SHRINKAGE,))
        )
        gains = best.training.first_losses() - found.training.first_losses()
        helped = gains[chosen] > 0
        for base in found.bases:
            base.pooled = helped
        return _best([best, self._fitted(found.bases)])

    def _encoded(self):
        x, known = self.variables.encode(self.values)
        return np.where(known[:, self.variables.owner.numpy()], x, np.nan)

    def _normal(self, x, shrinkage, start=None):
        """Return the normal distributions of all learned rows, and of each part's."""
        first, *others = self.learned
        normal = Gaussian.fit(x[first], self.weights[first], start, shrinkage)
        of_parts = (
            Gaussian.fit(x[own], self.weights[own], normal, shrinkage) for own in others
        )
        return [normal, *of_parts]

    def _candidates(self, x, shrinkages):
        """Yield normal distributions and mixtures of all learned rows, and of each part's."""
        normal = None
        for shrinkage in shrinkages:
            bases = self._normal(x, shrinkage, normal)
            normal = bases[0]
            yield bases
        unknown = np.isnan(x).any()
        most = len(x) / LEAST_ROWS
        most = min(most, MAX_CELLS / self.variables.width / (4 if unknown else 1))
        settings = [one for one in MIXTURES if one[0] <= most]
        if settings:
            of_parts = np.zeros((len(self.learned), len(x)))
            for own, index in zip(of_parts, self.learned, strict=True):
                own[index] = self.weights[index]
            levels = Levels(*self.variables.indicators)
            fits = MixtureFits(x, of_parts, levels, normal, self.seed)
            for setting in settings:
                yield fits.fit(*setting)

    def _fitted(self, bases):
        """Return what is trained from the bases of all learned rows, and of each part's."""
        division = self.division
        own = bases[1:] or bases * len(division.parts)
        groups = [
            Group(self.rows.take(part), base, held_by)
            for part, base, held_by in zip(
                division.parts, own, division.held_by, strict=True
            )
        ]
        training = Training(
            self.networks,
            self.visibility,
            groups,
            batch_size_for(len(self.rows)),
            self.seed,
        )
        return Fitted(self.networks, bases, training)
