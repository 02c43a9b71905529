"""Which cells make a row anomalous: those that, set right, would make it ordinary."""

import warnings
from functools import partial

import numpy as np
import torch

from skae.attribution.occlusion import divide
from skae.table.blocks import MISSING, OBSERVED

# Cells of a row that are tried: those that are reconstructed worst.
N_SUSPECTS = 16
# Values of a number that are tried first, and then between the best one's neighbours.
N_GRID, N_FINE = 13, 6
# Levels of a category that are tried, the most frequent.
N_LEVELS = 20


def value_grid(x, states, design):
    """Return values of every number that spread as the rows' do, shape (n_numbers, N_GRID).

    Parameters
    ----------
    x : torch.Tensor of shape (n, n_inputs)
        Rows of the design matrix.
    states : torch.Tensor of uint8 of shape (n, n_features) or None
    design : Design
    """
    numbers = x[:, design.numeric.columns]
    if states is not None:
        there = states[:, torch.from_numpy(design.numeric.features)] == OBSERVED
        numbers = numbers.masked_fill(~there, torch.nan)
    at = np.linspace(0.005, 0.995, N_GRID)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        grid = np.nanquantile(numbers.cpu().numpy(), at, axis=0).T
    return torch.from_numpy(np.nan_to_num(grid)).to(x)


def attribute_by_search(anomaly, suspicion, x, observed, design, grid):
    """Divide the anomaly of every row among its cells.

    Each suspected cell in turn is given other values, and bears the anomaly in the
    proportion in which the best of them makes it fall.

    Parameters
    ----------
    anomaly : callable (x, observed) -> scores of shape (n,), not negative
        What is explained.
    suspicion : torch.Tensor of shape (n, n_features)
        Errors of the cells: which are tried, and what divides an anomaly that no other
        value reduces.
    x : torch.Tensor of shape (n, n_inputs)
        Rows of the design matrix.
    observed : torch.Tensor of uint8 of shape (n, n_features) or None
    design : Design
    grid : torch.Tensor of shape (n_numbers, N_GRID)
        Of `value_grid`.

    Returns
    -------
    contributions : torch.Tensor of shape (n, n_features)
        Not negative; 0 for missing cells; a row sums to its anomaly.
    expected : torch.Tensor of shape (n, n_inputs)
        Each cell at the best value that was tried for it; as it is where no other value
        makes the row more ordinary.

    References
    ----------
    Counterfactual explanation: Wachter, Mittelstadt & Russell, 2017, one cell at a time.
    """
    total = anomaly(x, observed)
    missing = torch.zeros_like(suspicion, dtype=torch.bool)
    if observed is not None:
        missing = observed == MISSING
    suspicion = suspicion.masked_fill(missing, 0.0)
    worst = suspicion.topk(min(N_SUSPECTS, suspicion.shape[1]), dim=1).indices
    tried = missing.scatter(1, worst, True)
    falls = torch.zeros_like(suspicion)
    expected = x.clone()
    for feature, block in enumerate(design.by_feature):
        rows, columns = tried[:, feature].nonzero().squeeze(1), block.columns
        if not len(rows) or columns.start == columns.stop:
            continue
        states = None
        if observed is not None:
            states = observed[rows].clone()
            states[:, feature] = OBSERVED
        best_of = partial(_best_of, anomaly, x[rows], states, columns)
        levels = block.to(x.device).candidates(N_LEVELS)
        if levels is None:
            best, score = _search_numbers(best_of, grid[columns.start].to(x), len(rows))
        else:
            best, score = best_of(levels.to(x).expand(len(rows), -1, -1))
        better = (score < total[rows]) | missing[rows, feature]
        expected[rows[better], columns] = best[better]
        falls[rows, feature] = (total[rows] - score).clamp(min=0.0)
    falls.masked_fill_(missing, 0.0)
    return divide(total, falls, suspicion.__getitem__, ~missing), expected


def _best_of(anomaly, x, observed, columns, values):
    """Return for each row the best values of some columns, and its score with them.

    Parameters
    ----------
    values : torch.Tensor of shape (n, n_values, width of the columns)
        What is tried in each row.
    """
    n_rows, n_values, _ = values.shape
    x = x.repeat_interleave(n_values, dim=0)
    x[:, columns] = values.flatten(0, 1)
    if observed is not None:
        observed = observed.repeat_interleave(n_values, dim=0)
    score, at = anomaly(x, observed).view(n_rows, n_values).min(dim=1)
    return values[torch.arange(n_rows, device=at.device), at], score


def _search_numbers(best_of, grid, n_rows):
    """Return each row's best number, and its score: of a grid, then of a finer one."""
    best, score = best_of(grid.expand(n_rows, -1)[..., None])
    # The neighbours of the best value on the grid close it in.
    at = torch.searchsorted(grid, best)
    low, high = grid[(at - 1).clamp(min=0)], grid[(at + 1).clamp(max=N_GRID - 1)]
    inner = torch.linspace(0, 1, N_FINE + 2, device=grid.device, dtype=grid.dtype)[1:-1]
    finer, fine = best_of((low + inner * (high - low))[..., None])
    better = fine < score
    return torch.where(better[:, None], finer, best), torch.where(better, fine, score)
