"""Which cells make a row anomalous: those that, set right, would make it ordinary."""

import warnings

import numpy as np
import torch

from skae.table.blocks import MISSING, OBSERVED

# The cells of a row that are restored worst are tried; the others are beyond suspicion.
N_SUSPECTS = 16
# Values of a number that are tried first, and then between the best one's neighbours.
N_GRID, N_FINE = 13, 6
# Levels of a category that are tried, the most frequent.
N_LEVELS = 20


def value_grid(x, observed, layout):
    """Return values of every number that spread as the rows' do, shape (n_numbers, N_GRID).

    Parameters
    ----------
    x : torch.Tensor of shape (n, width)
        Rows of the detector's cell space.
    observed : torch.Tensor of bool of shape (n, width), or None
    """
    n_numbers = len(layout.numbers)
    numbers = x[:, :n_numbers]
    if observed is not None:
        numbers = numbers.masked_fill(~observed[:, :n_numbers], torch.nan)
    at = np.linspace(0.005, 0.995, N_GRID)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        grid = np.nanquantile(numbers.cpu().numpy(), at, axis=0).T
    return torch.from_numpy(np.nan_to_num(grid)).to(x)


def blame_by_search(anomaly, suspicion, x, cells, space, grid):
    """Share the anomaly of every row out among its cells.

    Each suspected cell in turn is given other values, and bears the anomaly in the
    proportion in which the best of them makes it fall.

    Parameters
    ----------
    anomaly : callable (x, cells) -> scores of shape (n,), not negative
        What is explained.
    suspicion : torch.Tensor of shape (n, n_features)
        Errors of the cells; who is suspected, and who bears what no repair explains.
    x : torch.Tensor of shape (n, width)
    cells : torch.Tensor of uint8 of shape (n, n_features) or None
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
    total = anomaly(x, cells)
    layout = space.layout
    missing = torch.zeros_like(suspicion, dtype=torch.bool)
    if cells is not None:
        missing = cells == MISSING
    suspicion = suspicion.masked_fill(missing, 0.0)
    worst = suspicion.topk(min(N_SUSPECTS, layout.n_features), dim=1).indices
    tried = missing.scatter(1, worst, True)
    falls = torch.zeros_like(suspicion)
    expected = x.clone()
    for feature, columns in enumerate(layout.outputs_of_features()):
        rows = tried[:, feature].nonzero().squeeze(1)
        if not len(rows) or columns.start == columns.stop:
            continue
        there = None
        if cells is not None:
            there = cells[rows].clone()
            there[:, feature] = OBSERVED
        trial = _Trial(anomaly, x[rows], there, columns)
        if columns.start < len(layout.numbers):
            values = grid[columns.start].to(x)
            best, score = trial.of_values(values.expand(len(rows), -1))
            # The neighbours of the best value on the grid close it in.
            at = torch.searchsorted(values, best)
            low = values[(at - 1).clamp(min=0)]
            high = values[(at + 1).clamp(max=N_GRID - 1)]
            inner = torch.linspace(0, 1, N_FINE + 2, device=x.device, dtype=x.dtype)[1:-1]
            finer, fine = trial.of_values(low[:, None] + inner * (high - low)[:, None])
            better = fine < score
            best, score = torch.where(better, finer, best), torch.where(better, fine, score)
            best = best[:, None]
        else:
            best, score = trial.of_levels(space.patterns(columns, x.dtype, N_LEVELS))
        repaired = (score < total[rows]) | missing[rows, feature]
        expected[rows[repaired], columns] = best[repaired]
        falls[rows, feature] = (total[rows] - score).clamp(min=0.0)
    falls.masked_fill_(missing, 0.0)
    helpless = falls.sum(1) <= 0
    falls[helpless] = suspicion[helpless]
    even = falls.sum(1) <= 0
    falls[even] = (~missing[even]).to(x)
    share = falls / falls.sum(1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
    return share * total[:, None], expected


class _Trial:
    """Scores of rows with one cell set to something else."""

    def __init__(self, anomaly, x, cells, columns):
        self.anomaly, self.x, self.cells, self.columns = anomaly, x, cells, columns

    def of_values(self, values):
        """Return each row's best value, and its score; `values` has a row a row."""
        scores = self._scores(values.reshape(-1, 1), values.shape[1])
        score, at = scores.min(dim=1)
        return values.gather(1, at[:, None]).squeeze(1), score

    def of_levels(self, patterns):
        """Return each row's best level, as columns, and its score."""
        n_levels = len(patterns)
        scores = self._scores(patterns.repeat(len(self.x), 1), n_levels)
        score, at = scores.min(dim=1)
        return patterns[at], score

    def _scores(self, values, n_each):
        x = self.x.repeat_interleave(n_each, dim=0)
        x[:, self.columns] = values
        cells = self.cells
        if cells is not None:
            cells = cells.repeat_interleave(n_each, dim=0)
        return self.anomaly(x, cells).view(len(self.x), n_each)
