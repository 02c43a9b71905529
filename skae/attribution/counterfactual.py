"""Which cells make a row anomalous: those that, set right, would make it ordinary."""

import warnings

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


def value_grid(x, observed, design):
    """Return values of every number that spread as the rows' do, shape (n_numbers, N_GRID).

    Parameters
    ----------
    x : torch.Tensor of shape (n, width)
        Rows of the detector's cell space.
    observed : torch.Tensor of bool of shape (n, width), or None
    design : Design
    """
    columns = design.numeric.columns
    numbers = x[:, columns]
    if observed is not None:
        numbers = numbers.masked_fill(~observed[:, columns], torch.nan)
    at = np.linspace(0.005, 0.995, N_GRID)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        grid = np.nanquantile(numbers.cpu().numpy(), at, axis=0).T
    return torch.from_numpy(np.nan_to_num(grid)).to(x)


def attribute_by_search(anomaly, suspicion, x, observed, space, grid):
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
    x : torch.Tensor of shape (n, width)
    observed : torch.Tensor of uint8 of shape (n, n_features) or None
    space : CellSpace
    grid : torch.Tensor of shape (n_numbers, N_GRID)
        Of `value_grid`.

    Returns
    -------
    contributions : torch.Tensor of shape (n, n_features)
        Not negative; 0 for missing cells; a row sums to its anomaly.
    expected : torch.Tensor of shape (n, width)
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
    for feature, block in enumerate(space.design.by_feature):
        rows, columns = tried[:, feature].nonzero().squeeze(1), block.columns
        if not len(rows) or columns.start == columns.stop:
            continue
        states = None
        if observed is not None:
            states = observed[rows].clone()
            states[:, feature] = OBSERVED
        trial = _Trial(anomaly, x[rows], states, columns)
        values = space.candidates(block, x.dtype, N_LEVELS)
        if values is None:
            best, score = trial.of_numbers(grid[columns.start].to(x))
        else:
            best, score = trial.of_values(values)
        better = (score < total[rows]) | missing[rows, feature]
        expected[rows[better], columns] = best[better]
        falls[rows, feature] = (total[rows] - score).clamp(min=0.0)
    falls.masked_fill_(missing, 0.0)
    return divide(total, falls, suspicion.__getitem__, ~missing), expected


class _Trial:
    """Scores of rows with one cell set to something else."""

    def __init__(self, anomaly, x, observed, columns):
        self.anomaly, self.x, self.observed = anomaly, x, observed
        self.columns = columns

    def of_numbers(self, grid):
        """Return each row's best number, as a column, and its score."""
        best, score = self._of_each_row(grid.expand(len(self.x), -1))
        # The neighbours of the best value on the grid close it in.
        at = torch.searchsorted(grid, best)
        low, high = grid[(at - 1).clamp(min=0)], grid[(at + 1).clamp(max=N_GRID - 1)]
        inner = torch.linspace(0, 1, N_FINE + 2, device=grid.device, dtype=grid.dtype)[1:-1]
        finer, fine = self._of_each_row(low[:, None] + inner * (high - low)[:, None])
        better = fine < score
        best, score = torch.where(better, finer, best), torch.where(better, fine, score)
        return best[:, None], score

    def _of_each_row(self, values):
        """Return the best of each row's own values, shape (n, n_values), and its score."""
        scores = self._scores(values.reshape(-1, 1), values.shape[1])
        score, at = scores.min(dim=1)
        return values.gather(1, at[:, None]).squeeze(1), score

    def of_values(self, values):
        """Return each row's best of some values, as columns, and its score."""
        scores = self._scores(values.repeat(len(self.x), 1), len(values))
        score, at = scores.min(dim=1)
        return values[at], score

    def _scores(self, values, n_each):
        x = self.x.repeat_interleave(n_each, dim=0)
        x[:, self.columns] = values
        observed = self.observed
        if observed is not None:
            observed = observed.repeat_interleave(n_each, dim=0)
        return self.anomaly(x, observed).view(len(self.x), n_each)
