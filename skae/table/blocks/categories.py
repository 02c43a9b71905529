"""Booleans and unordered categories: centred indicators of the levels, and softmax."""

import numpy as np
import torch

from skae.table.blocks.base import TINY, any_of, gumbel
from skae.table.blocks.levels import LevelBlock

# Logits beyond this size are as sure as can be; it keeps their exponentials finite.
MAX_LOGIT = 40.0
# The logit of a level that is not there, beside about 0 for the one that is.
NEVER = -1e4


class CategoryBlock(LevelBlock):
    """Columns of booleans and categories; one column of the design matrix per level.

    ``x_l = t_l - p_l``, with t 1 for the row's level and 0 for the others, and p the levels'
    proportions in fit. A decoder's output holds logits, ``p(l) = softmax(o)_l``.
    """

    def _choose_sizes(self):
        return self.n_levels

    def _indicators(self, levels, proportions, dtype):
        x = np.empty((len(levels), len(proportions)), dtype)
        x[:] = -proportions
        there = np.flatnonzero(levels >= 0)
        x[there, levels[there]] = (1.0 - proportions)[levels[there]]
        return x

    def decode(self, output, rng=None):
        levels = np.zeros((len(output), len(self.sizes)), dtype=np.int64)
        ends, seen = np.cumsum(self.sizes), self.seen.numpy()
        for j, (end, size) in enumerate(zip(ends, self.sizes, strict=True)):
            logits = np.asarray(output[:, end - size : end], dtype=np.float64)
            logits = np.where(seen[end - size : end], logits, -np.inf)
            if rng is not None:
                logits = logits + rng.gumbel(size=logits.shape)
            if size:
                levels[:, j] = logits.argmax(axis=1)
        return levels

    # ------------------------------------------------------- formulas (torch)

    def constants(self):
        column = self.column_of_level
        members = torch.zeros(len(column), len(self.sizes), dtype=torch.float32)
        members[torch.arange(len(column)), column] = 1.0
        return {
            **super().constants(),
            "members": members,
            "least_likely": self._least_likely(),
        }

    def _variances(self):
        return 1.0 - self._sum_levels(self.proportions.square())

    def _parts(self, values):
        return [part for part in values.split(self.part_sizes, -1) if part.shape[-1]]

    def _one_hot(self, scores):
        """Return 1 for the largest score of every column, 0 for the others."""
        levels = [
            torch.nn.functional.one_hot(part.argmax(-1), part.shape[-1])
            for part in self._parts(scores)
        ]
        return torch.cat([*levels, scores[..., :0].long()], dim=-1).to(scores)

    def _of_seen(self, output):
        """Return the logits, minus infinity for levels that no row holds."""
        return output.masked_fill(~self.seen, -torch.inf)

    def level_numbers(self, output):
        parts = self._of_seen(output).split(self.part_sizes, dim=-1)
        levels = [p.argmax(-1) if p.shape[-1] else p.sum(-1).long() for p in parts]
        return torch.stack(levels, dim=-1)

    def to_output(self, x):
        # In place of a level that no row holds, the most frequent one.
        proportions = self.proportions.to(x)
        return NEVER * (1.0 - x - proportions) + proportions

    def to_design(self, output):
        return self._one_hot(self._of_seen(output)) - self.proportions.to(output)

    def negative_log_likelihood(self, output, x, unknown=None):
        """Return -log p(level) in nats, shape (..., n_features).

        An unknown level is as unlikely as the level that the network expects least, and as
        the rarest at least.
        """
        logits = output.clamp(-MAX_LOGIT, MAX_LOGIT)
        # Clamped for columns without any level.
        total = (logits.exp() @ self.members).clamp(min=TINY).log()
        is_level = x + self.proportions
        nll = total - (is_level * logits) @ self.members
        if unknown is None or not any_of(unknown):
            return nll
        parts = logits.split(self.part_sizes, dim=-1)
        least = [p.amin(dim=-1) if p.shape[-1] else p.sum(dim=-1) for p in parts]
        least = torch.stack(least, dim=-1)
        of_unknown = torch.maximum(total - least, self.least_likely)
        return torch.where(unknown, of_unknown.detach(), nll)

    def loss_weights(self):
        """Return the variance that a nat stands for, shape (n_features,).

        In this unit guessing the proportions costs ``1 - sum(p^2)`` on average, the variance
        of the column in the design matrix: less than 1, the variance of a number,
        whatever the number of levels.
        """
        return self._weigh(self._variances())

    def start(self, reconstruction, x):
        """``log p + k (r - p)``, with r the indicator that PCA reconstructs and k the gain."""
        return self._start_at(self.proportions.log(), reconstruction, x)

    def extremes(self, x, generator, lows, highs):
        """Return any level, all as probable."""
        draws = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        return self._one_hot(draws).to(x) - self.proportions

    def soft_draw(self, output, generator, temperature):
        noisy = (self._of_seen(output) + gumbel(output, generator)) / temperature
        levels = [part.softmax(dim=1) for part in noisy.split(self.part_sizes, dim=1)]
        return torch.cat(levels, dim=1) - self.proportions

    def hard_draw(self, output, generator):
        noisy = self._of_seen(output) + gumbel(output, generator)
        return self._one_hot(noisy) - self.proportions

    def start_output(self, x, least):
        return (x + self.proportions).clamp(least, 1.0).log()

    def one_hot(self, x):
        return (x + self.proportions.to(x)).round()

    def candidates(self, most):
        levels = torch.nn.functional.one_hot(self.frequent(most), len(self.proportions))
        return levels.to(self.proportions) - self.proportions
