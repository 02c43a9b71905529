"""How much evidence counts: weights that make held-out rows likeliest."""

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax

from skae.conditionals.network import log_expected

# What a weight of 1 has to gain, in nats over all rows that are held out.
LEAST_GAIN = 2.0


def fitted_weights(evidence, checked, variables, n_rows):
    """Return how much evidence counts, ndarray of shape (n_sources, n_variables).

    What several values say is partly the same, and partly what the base says as well: each
    has a weight from 0 to 1, those that make held-out rows likeliest.

    Parameters
    ----------
    evidence : list of list of Evidence
        Of every group, of rows that are none of its own.
    checked : list of Seen
        Rows of every group.
    variables : Variables
    n_rows : int
        How many different ones these are.

    References
    ----------
    Zaidi, Cerquides, Carman & Webb, Alleviating Naive Bayes Attribute Independence
    Assumption by Attribute Weighting, 2013, section 4.
    """
    weights = np.zeros((len(evidence[0]), variables.n_variables))
    if not len(weights):
        return weights
    counts = min(1.0, n_rows / sum(map(len, checked)))
    groups = [
        (own, seen, _places(own, seen, variables.owner))
        for own, seen in zip(evidence, checked, strict=True)
    ]
    for variable in range(variables.n_variables):
        of_variable = _of_number if variable < variables.n_ranked else _of_level
        parts = [_told(of_variable, variable, *group, variables) for group in groups]
        *found, own_counts = (np.concatenate(part) for part in zip(*parts, strict=True))
        if len(own_counts):
            loss = _normal_loss if variable < variables.n_ranked else _level_loss
            weights[:, variable] = _least(loss, len(weights), *found, counts * own_counts)
    return weights


def _places(evidence, seen, owner):
    """Return which values rows show, ndarray of int of shape (n, n_sources)."""
    visible = seen.visible[:, owner]
    return np.column_stack([own.places(seen.rows.x, visible) for own in evidence])


def _told(of_variable, variable, evidence, seen, places, variables):
    """Return what is known of a variable in rows that ask for it, and how much these count.

    Only of rows of which some value says something.
    """
    rows = np.flatnonzero(seen.asked[:, variable].numpy())
    given, *others = of_variable(variable, evidence, seen, rows, places[rows], variables)
    told = given.any(axis=(1, 2))
    others.append(seen.rows.weights[rows].numpy())
    return given[told], *(part[told] for part in others)


def _of_number(variable, evidence, seen, rows, places, variables):
    """Return shifts and precisions, (n, n_sources, 2), means, spreads and scores, (n,)."""
    given = np.stack(
        [
            np.column_stack([own.shifts[at, variable], own.precisions[at, variable]])
            for own, at in zip(evidence, places.T, strict=True)
        ],
        axis=1,
    )
    parts = (seen.mean, seen.spread, seen.rows.x)
    return given, *(part[rows, variable].double().numpy() for part in parts)


def _of_level(variable, evidence, seen, rows, places, variables):
    """Return log ratios, (n, n_sources, n_levels), log p and which the own levels are."""
    slot = variables.slots[variable]
    levels = slice(slot.start - variables.n_ranked, slot.stop - variables.n_ranked)
    given = np.stack(
        [own.log_ratios[at, levels] for own, at in zip(evidence, places.T, strict=True)],
        axis=1,
    )
    _, p, units = (torch.from_numpy(part[slot]) for part in variables.indicators)
    log_p = log_expected(seen.mean[rows][:, slot].double(), p, units)
    return given, log_p.numpy(), seen.rows.levels[rows][:, levels].numpy() > 0


def _least(loss, n_sources, *parts):
    """Return the weights of the least loss: it is convex."""

    def penalised(weights):
        value, slope = loss(weights, *parts)
        return value + LEAST_GAIN * weights.sum(), slope + LEAST_GAIN

    start, bounds = np.zeros(n_sources), [(0.0, 1.0)] * n_sources
    return minimize(penalised, start, jac=True, method="L-BFGS-B", bounds=bounds).x


def _level_loss(weights, given, log_p, is_own, counts):
    log_p = log_softmax(log_p + np.einsum("nsl,s->nl", given, weights), axis=1)
    away = (np.exp(log_p) - is_own) * counts[:, None]
    return -counts @ log_p[is_own], np.einsum("nsl,nl->s", given, away)


def _normal_loss(weights, given, mean, spread, x, counts):
    precision = spread**-2.0 + given[..., 1] @ weights
    mean = (mean / spread**2 + given[..., 0] @ weights) / precision
    log_p = 0.5 * (np.log(precision) - precision * np.square(x - mean))
    of_shift = mean - x
    of_precision = 0.5 * (np.square(x) - np.square(mean) - 1.0 / precision)
    slope = (counts * of_shift) @ given[..., 0] + (counts * of_precision) @ given[..., 1]
    return -counts @ log_p, slope
