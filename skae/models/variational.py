"""The variational autoencoder."""

import math

import numpy as np
import torch

from skae.architectures import MLP
from skae.likelihoods import Gaussian
from skae.models.arrangement import ArrangedDecoder, ArrangedEncoder
from skae.models.divergence_terms import PerRowTerm
from skae.models.importance_draws import DEFENCE, draw_codes, sobol_normal
from skae.models.model import Model
from skae.models.principal_axes import PrincipalAxes

# Codes of one row that are at work anyway, about: more of them are more copies.
WIDTH = 256
# Numeric columns whose correlations are learned at most: they are so many squared.
MAX_CORRELATED = 300


class VariationalModel(Model):
    """q(z|x) = N(m(x), diag v(x)), p(z) = N(0, I), and p(x|z) about d(z) by a likelihood.

    Categories have the softmax of their part of d(z) as probabilities.

    Parameters
    ----------
    design : Design
    n_components : int
    layers : Layers
    likelihood : FittedLikelihood
        Of the numeric columns.
    divergence : callable (generator) -> DivergenceTerm
    architecture : Network, default=None
        Makes encoder and decoder; None: an `MLP`.

    Attributes
    ----------
    encoder : torch.nn.Module
        Rows, shape (n, n_inputs), to [m, log v], shape (n, 2 n_components).
    decoder : torch.nn.Module
        Codes, shape (*, n_components), to d(z), shape (*, n_outputs): means of the numeric
        columns, then logits.
    divergence : DivergenceTerm
    divergence_weight : float
        beta.
    prior : MixturePrior or None
        What p(z) was replaced by after training; None: N(0, I).
    tails : FittedLikelihood or None
        What the normal noise was replaced by after training; None: by nothing.
    noise : CorrelatedNoise or None
        How the numeric columns' noise is correlated, as learned after training; None: not.
    log_jacobian : ndarray of shape (n_numbers,)
        log |d standard / d raw| of the numeric columns: turns log densities into raw units.
    n_importance_samples : int
        Draws per row in `score`.
    generator : torch.Generator or None
        Source of the posterior draws; without one z is the posterior mean when
        evaluating, and drawn from torch's global generator when training.

    References
    ----------
    Kingma & Welling, Auto-Encoding Variational Bayes, 2014, section 3; beta: Higgins et
    al., beta-VAE, 2017, eq. 4.
    """

    generator: torch.Generator | None = None
    n_importance_samples = 64
    scoring_parameters = ("n_importance_samples",)
    has_unbounded_losses = True
    arranges_codes = True
    shrinks = True

    def __init__(
        self, design, n_components, layers, likelihood, divergence, architecture=None
    ):
        super().__init__()
        architecture = MLP() if architecture is None else architecture
        self.n_components, self.divergence_weight = n_components, 1.0
        block = architecture.build_encoder(design.n_inputs, 2 * n_components, layers)
        self.encoder = ArrangedEncoder(block, n_components)
        block = architecture.build_decoder(n_components, design.n_outputs, layers)
        self.decoder = ArrangedDecoder(block, likelihood.link)
        self.likelihood = likelihood
        self.prior, self.tails, self.noise = None, None, None
        self.divergence = divergence(layers.generator)
        self.log_jacobian = np.zeros(len(likelihood.center))
        features = torch.from_numpy(design.numeric.features)
        self.register_buffer("numeric_features", features)
        # The draws of `score`, in graphs, which cannot draw.
        self.register_buffer("fixed_draws", None, persistent=False)

    @property
    def has_dataset_loss(self):
        return self.divergence.has_dataset_loss and bool(self.divergence_weight)

    @property
    def starts_at_optimum(self):
        # Probabilistic PCA is that of the evidence lower bound, of which beta is 1, and whose
        # columns count alike, if at all.
        return self.divergence_weight == 1.0 and self.columns.counts_alike

    @property
    def repeats_steps(self):
        return type(self.divergence) is PerRowTerm  # the others remember codes

    @property
    def is_normal(self):
        """Whether there are numeric columns, and their noise is trained as normal."""
        is_normal = type(self.likelihood.likelihood) is Gaussian
        return is_normal and len(self.numeric_features) > 0

    @property
    def can_correlate(self):
        """Whether the noise of several numeric columns is normal, and may be correlated."""
        return self.is_normal and 2 <= len(self.numeric_features) <= MAX_CORRELATED

    @property
    def density(self):
        """The likelihood of scores and of draws, `FittedLikelihood`."""
        return self.likelihood if self.tails is None else self.tails

    @torch.no_grad()
    def start_from_pca(self, pca: PrincipalAxes, gains, offsets):
        """Start at the maximum-likelihood probabilistic PCA, or near it with a link.

        With eigenvalues l_k, axes u_k and noise variance s (the mean of the discarded
        eigenvalues), W = U (L - s)^(1/2), and the posterior of z given x has mean
        L^-1 (L - s)^(1/2) U' x and variance s / l_k, which is diagonal: the encoder can
        hold it exactly, so the bound is tight before the first step.

        References
        ----------
        Tipping & Bishop, Probabilistic Principal Component Analysis, 1999, eq. 6 to 8.
        """
        n_components = self.n_components
        axes = pca.padded_axes(n_components)
        noise = max(pca.noise_variance, 2.0 * self.likelihood.floor)
        variances = torch.full((n_components,), noise, dtype=torch.float32)
        variances[: len(pca.variances)] = pca.variances.clamp(min=noise)
        loadings = (variances - noise).sqrt()
        mean_weight = pca.inputs((axes * (loadings / variances)).T)
        log_variance = torch.log(noise / variances)
        self.encoder.start_from(
            torch.cat([mean_weight, torch.zeros_like(mean_weight)]),
            torch.cat([torch.zeros_like(log_variance), log_variance]),
        )
        self.decoder.start_from(gains[:, None] * axes * loadings, offsets)
        self.likelihood.start(noise)

    def posterior(self, x):
        """Return m and log v, each of shape (n, n_components)."""
        mean, log_variance = self.encoder(x).chunk(2, dim=-1)
        # exp stays finite in float32 whatever the row; no posterior is that wide or narrow.
        return mean, log_variance.clamp(-30.0, 30.0)

    @torch.no_grad()
    def pool_noise(self, blocks, weights, n_train):
        """Learn the noise from held-out rows too: where few were learned by heart it is low.

        Parameters
        ----------
        blocks : iterable of tuple (x, observed)
            The held-out rows.
        weights : torch.Tensor of shape (n_valid,) or None
        n_train : float
            Weight of the rows that were trained on.
        """
        errors = counts = 0.0
        for of_block, of_cells in self.errors_of(blocks, weights):
            errors = errors + (of_cells * of_block.square()).sum(0)
            counts = counts + of_cells.sum(0)
        held_out = errors / counts.clamp(min=torch.finfo(counts.dtype).tiny)
        fractions = counts / (counts + n_train)
        if self.columns.column_weight is not None:
            # The noise of columns that do not count has not been learned at all.
            weightless = self.columns.column_weight[self.numeric_features] == 0
            fractions = torch.where(weightless & (counts > 0), 1.0, fractions)
        self.likelihood.pool(held_out, fractions)

    def losses(self, seen, x, observed, weights=None):
        """Return minus the evidence lower bound of rows for one draw of z; see `Model`."""
        mean, log_variance = self.posterior(seen)
        codes = mean
        if self.training or self.generator is not None:
            draw = torch.empty_like(mean).normal_(generator=self.generator)
            codes = torch.addcmul(mean, (0.5 * log_variance).exp(), draw)
        output = self.decode(codes)
        losses = self.columns.weigh(self.columns.per_cell(output, x, observed)).sum(dim=-1)
        weight = self.divergence_weight * (self.annealing if self.training else 1.0)
        # As a critic that has learned of them knows the codes.
        mean, log_variance = self.decoder.undo(mean), self.decoder.undo_order(log_variance)
        losses = self.divergence.add_to(losses, mean, log_variance, weight, weights)
        return losses, output

    def dataset_loss(self, x, weights):
        codes = self.decoder.undo(self.encode(x))
        return self.divergence.dataset_loss(codes, weights, self.divergence_weight)

    def encode(self, x):
        """Return the posterior means of rows, shape (n, n_components)."""
        return self.posterior(x)[0]

    # ---------------------------------------------------------------- scores

    @property
    def copies_per_row(self):
        n_values = 1 if self.prior is None else self.prior.means.numel()
        copies = self.n_importance_samples * max(1, n_values // WIDTH)
        return copies if self.noise is None else max(copies, self.copies_of_noise)

    @property
    def copies_of_noise(self):
        """The same of correlated noise: beside missing cells there is a matrix for each row."""
        return len(self.numeric_features) ** 2 // WIDTH

    def score(self, x, observed):
        """Return the importance-weighted bound of log p(x), shape (n,), in raw units.

        ``log (1 / L) sum_l p(x|z_l) p(z_l) / q(z_l|x)`` with z_l drawn from q(z|x): a fixed
        quasi-random set, so that equal rows score alike. Of a row with missing cells the
        posterior may know less than its encoder, which sees them filled: as many draws of
        N(0, I) are among the z_l then, and q is the mean of both densities, so that no
        draw weighs more than 2 p(x|z). With heavy tails a quarter of the draws are: the
        encoder, which learned with normal noise, takes the code along with a far cell.

        References
        ----------
        Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders, 2016, eq. 8.
        Defensive mixtures: Hesterberg, Weighted Average Importance Sampling and Defensive
        Mixture Distributions, 1995.
        """
        return self.scores(x, observed, [(self.density, self.noise)])[0]

    def scores(self, x, observed, noises):
        """Return what `score` does, with each of several noises, as a list.

        A noise is a tuple (FittedLikelihood, CorrelatedNoise or None).
        """
        codes, log_ratio = self._draws_of(x, observed)
        output = self.decode(codes)
        given = output, x[:, None], None if observed is None else observed[:, None]
        losses = {
            likelihood: self.columns.total(*given, likelihood)
            for likelihood in dict.fromkeys(likelihood for likelihood, _ in noises)
        }
        if self.prior is not None:
            log_ratio = log_ratio + self.prior.log_ratio(codes)
        raw = self._sum_of_numbers(self._log_jacobian(x), x, observed)
        scores = []
        for likelihood, noise in noises:
            of_draws = log_ratio - losses[likelihood]
            if noise is not None:
                errors = self.standardised_errors(output, x[:, None])
                of_draws = of_draws - noise.cost(errors, self._known(observed))
            bound = torch.logsumexp(of_draws, dim=1) - math.log(self.n_importance_samples)
            scores.append(bound + raw)
        return scores

    def _draws_of(self, x, observed):
        """Return codes that rows may have, and what their densities are to be multiplied by.

        See `draw_codes`.
        """
        draws = self.fixed_draws
        if draws is None:
            draws = sobol_normal(2 * self.n_importance_samples, self.n_components)
        has_holes = None
        if observed is not None:
            has_holes = (observed <= 0).any(dim=1, keepdim=True)
        defence = 0.0 if self.tails is None else DEFENCE
        return draw_codes(*self.posterior(x), draws.to(x), has_holes, defence)

    def standardised_errors(self, output, x):
        """Return what numeric cells are above their means, in units of the noise's deviation."""
        n_numbers = len(self.numeric_features)
        errors = x[..., :n_numbers] - output[..., :n_numbers]
        return errors / self.likelihood.variance().to(x).sqrt()

    def _known(self, observed):
        """Return which numeric cells are known; None: all."""
        return None if observed is None else observed[:, self.numeric_features] > 0

    def expected(self, x, observed):
        noise, output = self.noise, self(x)
        known = self._known(observed)
        if noise is None or known is None:
            return output
        given = noise.expected(self.standardised_errors(output, x), known)
        n_numbers = len(self.numeric_features)
        output[:, :n_numbers] += given * self.likelihood.variance().to(x).sqrt()
        return output

    def draw_numbers(self, mean, rng):
        """Return numbers drawn about `mean`, ndarrays of shape (n, n_numbers)."""
        if self.noise is None:
            return self.density.draw(mean, rng)
        spread = self.likelihood.variance().detach().cpu().double().sqrt().numpy()
        return mean + spread * self.noise.draw(len(mean), rng)

    @torch.no_grad()
    def errors_of(self, blocks, weights):
        """Yield the errors of rows' numeric cells for one draw of z, and the cells' weights.

        Parameters
        ----------
        blocks : iterable of tuple (x, observed)
        weights : torch.Tensor of shape (n,) or None
            Of the rows.

        Yields
        ------
        errors, weights : torch.Tensor of shape (n_rows of a block, n_numbers)
            In standard units; weights are 0 where a cell is missing.
        """
        generator, first = torch.Generator(self.numeric_features.device).manual_seed(0), 0
        n_numbers = len(self.numeric_features)
        for x, observed in blocks:
            mean, log_variance = self.posterior(x)
            draw = torch.empty_like(mean).normal_(generator=generator)
            output = self.decode(torch.addcmul(mean, (0.5 * log_variance).exp(), draw))
            of_cells = x.new_ones(len(x), n_numbers)
            if observed is not None:
                of_cells = self._known(observed).to(x)
            if weights is not None:
                of_cells = of_cells * weights[first : first + len(x), None]
            first += len(x)
            yield x[:, :n_numbers] - output[:, :n_numbers], of_cells

    def _log_jacobian(self, x):
        """Return the log-determinant's part of every numeric column; 0 for probabilities."""
        values = torch.as_tensor(self.log_jacobian).to(x)
        return values if self.likelihood.is_density else torch.zeros_like(values)

    def _sum_of_numbers(self, values, x, observed):
        """Return the sum over a row's observed numeric cells of a value per column."""
        if observed is None:
            return values.sum()
        return (observed[:, self.numeric_features] > 0).to(x) @ values

    def error(self, x, observed):
        """Return how far a row's score is below the highest that it could be, in nats.

        That is where every number sits at the mode of its noise and every category is
        certain.
        """
        best = self.density.mode_nll().to(x) - self._log_jacobian(x)
        distance = -self._sum_of_numbers(best, x, observed) - self.score(x, observed)
        if self.noise is not None:
            distance = distance - self.noise.half_log_det(self._known(observed))
        return distance.clamp(min=0.0)

    def cell_errors(self, x, observed):
        """Return the losses less those of cells that are just as expected."""
        losses = self.columns.per_cell(self(x), x, observed, self.density)
        best = torch.zeros_like(losses)
        best[:, self.numeric_features] = self.density.mode_nll().to(x)
        return losses - (best if observed is None else best * (observed > 0))
