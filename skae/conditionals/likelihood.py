"""How likely networks say that hidden cells are."""

import math

import torch

from skae.conditionals.intervals import log_probability_between


def loss_of_learned(networks, seen):
    """Return the negative log-likelihood of rows that networks learn from, averaged.

    Per variable that is asked for.

    Parameters
    ----------
    networks : ConditionalNetworks
    seen : Seen
    """
    learning = (~seen.held_by).nonzero().squeeze(1)
    if len(learning) < networks.n_networks:
        networks = networks.only(learning)
    log_p = _log_p(networks, seen)
    weights = seen.rows.weights
    of_rows = log_p.sum(-1) / seen.n_asked
    return -(of_rows * weights).sum(1).mean() / weights.sum()


def loss_of_held_out(networks, checked):
    """Return the negative log-likelihood of rows that networks hold out, averaged.

    A row's networks together are better than each alone, by as much as they differ: that is
    taken from all of them, although some have learned from the row.

    Parameters
    ----------
    networks : ConditionalNetworks
    checked : list of Seen
    """
    log_p, n_asked, weights = _joined(networks, checked)
    held = torch.cat([seen.held_by[:, None] * seen.rows.weights for seen in checked], 1)
    alone = ((log_p.sum(-1) / n_asked * held).sum(1) / held.sum(1).clamp(min=1e-12)).mean()
    together = log_p.logsumexp(0) - math.log(len(log_p)) - log_p.mean(0)
    return -alone - (together.sum(-1) / n_asked * weights).sum() / weights.sum()


def losses_of_variables(networks, checked):
    """Return the parts that variables have in `loss_of_held_out`, (n_variables,).

    Of networks before their first step, which are equal.
    """
    log_p, n_asked, weights = _joined(networks, checked)
    return -(log_p[0] * (weights / n_asked)[:, None]).sum(0) / weights.sum()


def _joined(networks, checked):
    """Return log p of all rows' cells, and what divides and weighs rows."""
    log_p = torch.cat([_log_p(networks, seen) for seen in checked], 1)
    n_asked = torch.cat([seen.n_asked for seen in checked])
    return log_p, n_asked, torch.cat([seen.rows.weights for seen in checked])


def _log_p(networks, seen):
    """Return log p of cells, 0 where not asked for, (n_networks, n, n_variables)."""
    rows, mean, spread = seen.rows, seen.mean, seen.spread
    hidden = networks.hidden(rows.x, seen.visible, mean, spread)
    cells = []
    if networks.n_ranked:
        log_weights, means, scales = networks.mixture(hidden, mean, spread)
        low, high = ((end[..., None] - means) / scales for end in (rows.low, rows.high))
        cells.append((log_weights + log_probability_between(low, high)).logsumexp(-1))
    if networks.sizes:
        log_p = networks.log_probabilities(hidden, mean) * rows.levels
        cells += [part.sum(-1, keepdim=True) for part in log_p.split(networks.sizes, -1)]
    return torch.where(seen.asked, torch.cat(cells, -1), 0.0)
