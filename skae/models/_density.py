"""Scores and explanations of a variational autoencoder: bounds of a log density."""

import math

import numpy as np
import torch

from skae.attribution.occlusion import blame

# Values a row that are at work anyway, about: more of them are more copies.
WIDTH = 256


class ScoresDensity:
    """What a `VAETransformer` does with the rows of a block, as `AppliesNetwork` asks."""

    def _score_copies(self):
        prior = self.net_.module_.prior
        n_values = 1 if prior is None else prior.means.numel()
        return self.n_importance_samples * max(1, n_values // WIDTH)

    def _score_block(self, lent, x, cells):
        mean, log_variance = lent.network.posterior(x)
        draws = self._draws().to(x)
        # (n, 1, n_components) and (n_draws, n_components) to (n, n_draws, n_components)
        codes = mean[:, None] + (0.5 * log_variance).exp()[:, None] * draws
        losses = lent.criterion.cells(
            lent.network.decoder(codes),
            x[:, None],
            lent.network.likelihood.noise(),
            None if cells is None else cells[:, None],
        ).sum(-1)
        # log p(z) - log q(z|x); the constants of the two normal densities cancel.
        log_ratio = 0.5 * (draws.square() + log_variance[:, None] - codes.square()).sum(-1)
        if lent.network.prior is not None:
            log_ratio = log_ratio + lent.network.prior.log_ratio(codes)
        bound = torch.logsumexp(log_ratio - losses, dim=1) - math.log(len(draws))
        return bound + self._on_numbers(self._log_jacobian(lent), x, cells)

    def _log_jacobian(self, lent):
        """Return what the numbers' scores in standard units lack in raw ones."""
        values = self._table.log_jacobian_
        return values if lent.network.likelihood.is_density else np.zeros_like(values)

    def _on_numbers(self, values, x, cells):
        """Return the sum of `values`, one a column of numbers, over a row's observed cells."""
        values = torch.from_numpy(np.asarray(values)).to(x)
        if cells is None:
            return values.sum()
        numbers = torch.from_numpy(self._table.layout_.numbers).to(x.device)
        return (cells[:, numbers] > 0).to(x) @ values

    def _error_block(self, lent, x, cells):
        """Return how far below the highest density there can be a row's density is, nats."""
        likelihood = lent.network.likelihood
        least = likelihood.least(likelihood.noise()).cpu().numpy() - self._log_jacobian(
            lent
        )
        distance = -self._on_numbers(least, x, cells) - self._score_block(lent, x, cells)
        return distance.clamp(min=0.0)

    def _blame_block(self, lent, x, cells, layout):
        network = lent.network
        noise = network.likelihood.noise()

        def restore(x):
            return network.decoder(network.encode(x))

        def losses(x, cells):
            """Return the losses less those of cells that are just as expected."""
            losses = lent.criterion.cells(restore(x), x, noise, cells)
            numbers = torch.from_numpy(layout.numbers).to(x.device)
            least = torch.zeros_like(losses)
            least[:, numbers] = network.likelihood.least(noise)
            return losses - (least if cells is None else least * (cells > 0))

        def error(x, cells):
            return self._error_block(lent, x, cells)

        return blame(restore, error, losses, x, cells, layout)

    def _draws(self):
        """Return the draws of N(0, I) that every row is scored with: a Sobol sequence."""
        sobol = torch.quasirandom.SobolEngine(self.n_components_, scramble=True, seed=0)
        uniform = sobol.draw(self.n_importance_samples, dtype=torch.float64)
        return torch.special.ndtri(uniform.clamp(1e-9, 1.0 - 1e-9))
