"""Ordered categories: cumulative indicators of the levels, and adjacent-categories logits."""

import numpy as np
import torch
from torch.nn.functional import pad

from skae.table.blocks.base import LEAST_VARIANCE, any_of, gumbel
from skae.table.blocks.levels import LevelBlock
from skae.table.ordered_column import OrderedColumn

# Logits beyond this size are as sure as can be.
MAX_LOGIT = 40.0


class OrderedBlock(LevelBlock):
    """Columns of ordered categories; a column of the design matrix per step between levels.

    ``x_j = s (1[level > j] - P(level > j))``, j = 0 to K - 2, with s such that the
    variances of a column's x_j sum to 1, the variance of a number. So levels are
    the farther apart the more steps lie between them.

    A decoder's output holds the logits of adjacent categories, ``o_j = log p(j + 1) / p(j)``:
    ``log p(k) = sum_{j < k} o_j - logsumexp_l sum_{j < l} o_j``. Reversing the levels turns
    their signs and their order around, and nothing else. The cell that is expected is the
    median, which has the least expected distance in levels.

    References
    ----------
    Goodman, Simple Models for the Analysis of Association in Cross-Classifications Having
    Ordered Categories, 1979; Agresti, Analysis of Ordinal Categorical Data, 2010, section 4.1.
    """

    column_class = OrderedColumn

    def check(self, cells, j):
        self.readers[j].check_order(cells)

    def _choose_sizes(self):
        return np.maximum(self.n_levels - 1, 0)

    def _indicators(self, levels, proportions, dtype):
        exceeding = proportions[::-1].cumsum()[::-1][1:]
        above = levels[:, None] > np.arange(len(exceeding))
        high, low = (_scale(exceeding) * (step - exceeding) for step in (1.0, 0.0))
        return np.where(above, high.astype(dtype), low.astype(dtype))

    def decode(self, output, rng=None):
        output = torch.from_numpy(np.array(output, dtype=np.float64))
        scores = self.to("cpu").log_probabilities(output)
        if rng is None:
            return _median(scores).numpy()
        return (scores.numpy() + rng.gumbel(size=scores.shape)).argmax(axis=-1)

    # ------------------------------------------------------- formulas (torch)

    def constants(self):
        """Return the tensors that the formulas need.

        exceeding, scales : of shape (width,)
            P(level > j) and s.
        column, step : of int of shape (width,)
            The block's column, and j, of every column of the design.
        steps : of int of shape (n_features, most levels - 1)
            Where the steps of a column stand; `width` for steps that it does not have.
        there, answers : of bool of shape (n_features, most levels)
            Which levels a column has, and which of them rows hold.
        """
        parts = self.proportions.double().split(self.n_levels.tolist())
        exceeding = [part.flip(0).cumsum(0).flip(0)[1:] for part in parts]
        scales = [torch.full_like(p, float(_scale(p.numpy()))) for p in exceeding]
        sizes = torch.from_numpy(self.sizes)
        column = torch.repeat_interleave(sizes)
        step = torch.arange(self.width) - (sizes.cumsum(0) - sizes)[column]
        steps = torch.full((len(sizes), int(sizes.max())), self.width)
        steps[column, step] = torch.arange(self.width)
        there = torch.arange(int(sizes.max()) + 1) <= sizes[:, None]
        answers, n_levels = there.clone(), torch.from_numpy(self.n_levels)
        answers[torch.arange(there.shape[1]) < n_levels[:, None]] = self.seen
        return {
            **super().constants(),
            "exceeding": torch.cat(exceeding).float(),
            "scales": torch.cat(scales).float(),
            "least_likely": self._least_likely(),
            "column": column,
            "step": step,
            "steps": steps,
            "there": there,
            "answers": answers,
        }

    def _scores(self, output):
        """Return log p of every level but for a constant, (..., n_features, most levels)."""
        steps = pad(output.clamp(-MAX_LOGIT, MAX_LOGIT), (0, 1))[..., self.steps]
        return pad(steps.cumsum(-1), (1, 0)).masked_fill(~self.there, -torch.inf)

    def _scores_of_seen(self, output):
        """Return `_scores`, -inf for levels that no row holds as well."""
        return self._scores(output).masked_fill(~self.answers, -torch.inf)

    def log_probabilities(self, output):
        """Return log p of every level that rows hold, -inf for others.

        Parameters
        ----------
        output : torch.Tensor of shape (..., width)

        Returns
        -------
        log_p : torch.Tensor of shape (..., n_features, most levels)
        """
        return self._scores_of_seen(output).log_softmax(-1)

    def probabilities(self, output):
        p = self.log_probabilities(output).exp()
        return [p[..., j, : 1 + size] for j, size in enumerate(self.part_sizes)]

    def level_numbers(self, output):
        return _median(self.log_probabilities(output))

    def _indicate(self, levels, like):
        """Return the rows of the levels, tensor of int (..., n_features)."""
        above = (levels[..., self.column] > self.step).to(like)
        return self._centre(above)

    def _centre(self, above):
        return self.scales.to(above) * (above - self.exceeding.to(above))

    def _above(self, x):
        """Return P(level > j) of rows: 0 or 1 where their levels are known."""
        return x / self.scales.to(x) + self.exceeding.to(x)

    def to_output(self, x):
        return torch.where(self._above(x) > 0.5, MAX_LOGIT, -MAX_LOGIT).to(x)

    def to_design(self, output):
        return self._indicate(_median(self.log_probabilities(output)), output)

    def expected(self, output):
        """Return the indicators' expectation: P(level > j) in their place."""
        above = 1.0 - self.log_probabilities(output).exp().cumsum(-1)
        return self._centre(above[..., self.column, self.step])

    def negative_log_likelihood(self, output, x, unknown=None):
        """Return -log p(level) in nats, shape (..., n_features).

        An unknown level is as unlikely as the level that the network expects least, and as
        the rarest at least.
        """
        scores = self._scores(output)
        total = scores.logsumexp(-1)
        steps = output.clamp(-MAX_LOGIT, MAX_LOGIT) * self._above(x)
        nll = total - pad(steps, (0, 1))[..., self.steps].sum(-1)
        if unknown is None or not any_of(unknown):
            return nll
        least = scores.masked_fill(~self.there, torch.inf).amin(-1)
        of_unknown = torch.maximum(total - least, self.least_likely)
        return torch.where(unknown, of_unknown.detach(), nll)

    def loss_weights(self):
        """Return the variance that a nat stands for, shape (n_features,).

        In this unit guessing the proportions costs 1 on average, as guessing a number's
        mean does.
        """
        constants = self.constants()
        exceeding = constants["exceeding"]
        spread = exceeding * (1.0 - exceeding)
        of_column = spread.new_zeros(len(self.sizes))
        of_column.index_add_(0, constants["column"], spread)
        return self._weigh((of_column > LEAST_VARIANCE).float())

    def start(self, reconstruction, x):
        """``log p(j + 1) / p(j) + k r``, with r what PCA reconstructs and k the gain."""
        parts = self.proportions.log().split(self.n_levels.tolist())
        return self._start_at(torch.cat([part.diff() for part in parts]), reconstruction, x)

    def extremes(self, x, generator, lows, highs):
        """Return the lowest or the highest level, at even chances."""
        shape = (len(x), len(self.sizes))
        coins = torch.rand(shape, generator=generator, device=x.device, dtype=x.dtype) < 0.5
        return self._centre(coins[:, self.column].to(x))

    def soft_draw(self, output, generator, temperature):
        scores = self._scores_of_seen(output)
        soft = ((scores + gumbel(scores, generator)) / temperature).softmax(-1)
        above = 1.0 - soft.cumsum(-1)
        return self._centre(above[..., self.column, self.step])

    def hard_draw(self, output, generator):
        scores = self._scores_of_seen(output)
        return self._indicate((scores + gumbel(scores, generator)).argmax(-1), output)

    def start_output(self, x, least):
        above = pad(self._above(x), (0, 1))[..., self.steps]
        p = pad(above, (1, 0), value=1.0) - pad(above, (0, 1))
        log_p = p.clamp(least, 1.0).log()
        return log_p.diff(dim=-1)[..., self.column, self.step]

    def one_hot(self, x):
        above = pad(self._above(x).round(), (0, 1))[..., self.steps]
        levels = pad(above, (1, 0), value=1.0) - pad(above, (0, 1))
        return levels[..., self.there]

    def candidates(self, most):
        return self._indicate(self.frequent(most)[:, None], self.proportions)


def _scale(exceeding):
    """Return s of a column, from its P(level > j)."""
    variance = float((exceeding * (1.0 - exceeding)).sum())
    return variance**-0.5 if variance > LEAST_VARIANCE else 1.0


def _median(log_p):
    """Return the smallest level with P(at most that) >= 1/2, over the last dimension."""
    return (log_p.exp().cumsum(-1)[..., :-1] < 0.5).sum(-1)
