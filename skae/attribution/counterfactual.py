"""Which cells make a row anomalous: those that, set right, would make it ordinary."""

from functools import partial

import torch

from skae.attribution.division import divide
from skae.table.blocks import MISSING, OBSERVED

# Of the cells of a row these many are tried, the worst reconstructed ones, if their errors
# are at least this fraction of the row's largest.
N_SUSPECTS, LEAST_ERROR = 5, 0.03
# Values of a number that are tried, and levels of a category, of the most frequent ones.
N_VALUES, N_LEVELS, MAX_LEVELS = 2, 2, 100
# How many times the networks' step away from a suspected number is taken at first: they
# follow the wrong cell half of the way. Then bounds of the slope of what is left.
FIRST_STEP = 2.0
STEEPEST, FLATTEST = -2.0, -0.1


def attribute_by_search(judge, total, suspicion, x, states, design, max_columns=None):
    """Divide the anomaly of every row among its cells.

    Each suspected cell in turn is given values that the networks make of it, and bears
    the anomaly in the proportion in which the best of them makes it fall.

    Parameters
    ----------
    judge : callable (x, states) -> (anomaly, expected), x in the precision of `suspicion`
        The anomaly of rows, not negative, shape (n,), and what the networks make of them,
        rows of the design matrix of shape (n, n_outputs).
    total : torch.Tensor of shape (n,)
        What is divided: the anomaly of the rows.
    suspicion : torch.Tensor of shape (n, n_features)
        Errors of the cells: which are tried, and what divides an anomaly that no other
        value reduces.
    x : torch.Tensor of shape (n, n_outputs)
        Rows of the design matrix, without missing indicators. They may be more precise.
    states : torch.Tensor of uint8 of shape (n, n_features) or None
    design : Design
    max_columns : int, default=None
        Cells of a row that bear the anomaly. None: as many as stand out, at most
        `N_SUSPECTS`.

    Returns
    -------
    contributions : torch.Tensor of shape (n, n_features)
        Not negative; 0 for missing cells; a row sums to its anomaly.
    expected : torch.Tensor of shape (n, n_outputs)
        Each cell at the best value that was tried for it; as it is where no other value
        makes the row more ordinary. Missing cells as the networks fill them.

    References
    ----------
    Counterfactual explanation: Wachter, Mittelstadt & Russell, 2017, one cell at a time.
    """
    expected, x, falls = x.clone(), x.to(suspicion), torch.zeros_like(suspicion)
    score, filled = judge(x, states)
    if states is not None:
        there = states != MISSING
        suspicion = suspicion.masked_fill(~there, -1.0)
        owner = design.feature_of_output.to(x.device)
        expected = torch.where(there[:, owner], expected, filled.to(expected))
    suspected = _suspects(suspicion, max_columns)
    for search, features, columns in _searches(design, x.device):
        rows, which = suspected[:, features].nonzero(as_tuple=True)
        if not len(rows):
            continue
        own, columns = features[which], columns[which]
        at = torch.arange(len(rows), device=x.device)[:, None]
        try_out = partial(
            _try_out, judge, x[rows], _observed(states, rows, own), at, columns
        )
        start = x[rows[:, None], columns], filled[rows[:, None], columns]
        values, fallen = search(try_out, *start)
        better = fallen < score[rows]
        expected[rows[better, None], columns[better]] = values[better].to(expected)
        falls[rows, own] = (score[rows] - fallen).clamp(min=0.0)
    fallback = (suspicion * suspected).to(total).__getitem__
    return divide(total, falls.to(total), fallback, suspected), expected


def _suspects(suspicion, max_columns):
    """Return which cells are tried, shape (n, n_features) of bool."""
    most = min(max_columns or N_SUSPECTS, suspicion.shape[1])
    errors, worst = suspicion.topk(most, dim=1)
    least = 0.0 if max_columns else LEAST_ERROR
    tried = errors >= (least * errors[:, :1]).clamp(min=0.0)
    return torch.zeros_like(suspicion, dtype=torch.bool).scatter(1, worst, tried)


def _searches(design, device):
    """Yield searches, their features, and the design's columns of each feature."""
    numeric = design.numeric
    columns = torch.arange(numeric.columns.start, numeric.columns.stop, device=device)
    yield _search_numbers, torch.from_numpy(numeric.features).to(device), columns[:, None]
    for feature, block in enumerate(design.by_feature):
        levels = block.to(device).candidates(MAX_LEVELS)
        if levels is not None and len(levels) > 1:
            columns = torch.arange(block.columns.start, block.columns.stop, device=device)
            search = partial(_search_levels, levels)
            yield search, torch.tensor([feature], device=device), columns[None]


def _observed(states, rows, features):
    """Return states of rows in each of which one cell has become observed."""
    if states is None:
        return None
    states = states[rows]
    states[torch.arange(len(rows), device=states.device), features] = OBSERVED
    return states


def _try_out(judge, x, states, at, columns, values):
    """Return the score of rows with some values, and what the networks make of these."""
    x[at, columns] = values
    score, made = judge(x, states)
    return score, made[at, columns]


def _search_numbers(try_out, cells, made):
    """Return values that the networks reconstruct as they are, and the rows' score.

    A wrong cell misleads the networks, and what they make of it lies between it and the
    right value: the secant method finds the root of what they make of a value, minus it.

    Parameters
    ----------
    cells, made : torch.Tensor of shape (n, 1)
        The cells, and what the networks make of them.
    """
    last, last_gap = cells, made - cells
    values = cells + FIRST_STEP * last_gap
    best, score = values, torch.full_like(values[:, 0], torch.inf)
    for _ in range(N_VALUES):
        scores, made = try_out(values)
        best = torch.where((scores < score)[:, None], values, best)
        score = torch.minimum(score, scores)
        gap = made - values
        slope = ((gap - last_gap) / (values - last)).clamp(STEEPEST, FLATTEST)
        last, last_gap, values = values, gap, values - gap / slope.nan_to_num(-1.0)
    return best, score


def _search_levels(levels, try_out, cells, made):
    """Return the best of the levels that the networks expect, and the rows' score.

    Parameters
    ----------
    levels : torch.Tensor of shape (n_levels, width)
    cells, made : torch.Tensor of shape (n, width)
        The cells, and what the networks make of them.
    """
    levels = levels.to(cells)
    if len(levels) > N_LEVELS + 1:
        # What the other cells say: the level itself misleads.
        made = try_out(torch.zeros_like(cells))[1]
    distances = torch.cdist(made, levels)
    distances[torch.cdist(cells, levels) < 0.5 * torch.pdist(levels).min()] = torch.inf
    nearest = distances.topk(min(N_LEVELS, len(levels) - 1), largest=False).indices
    tried = torch.stack([try_out(levels[i])[0] for i in nearest.T])
    score, first = tried.min(dim=0)
    return levels[nearest.gather(1, first[:, None])[:, 0]], score
