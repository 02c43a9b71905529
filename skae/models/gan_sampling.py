"""Rows from a trained generator: where its classes start, rejection sampling, coverage."""

import numpy as np
import torch

from skae._processes import one_openmp_thread

# Rows that are generated at a time at most, and how often before all are accepted.
BLOCK, MAX_ROUNDS = 16_384, 50
# Draws that say how sure of a row the critic can be, and the quantile that counts as sure.
N_CALIBRATION, SURE = 4096, 0.95
# Rows that the classes are found in, and those that each of them has on average at least.
N_CLUSTERED, LEAST_CLUSTER = 20_000, 10
N_NEIGHBOURS = 5


class RejectionSampler:
    """Draws rows from a generator, and again those that a critic finds unlikely.

    Parameters
    ----------
    generator : Generator
    critic : Critic
    sure : float
        Output of the critic from which on a row is always accepted.
    rejects : bool
        False: every row is accepted.

    References
    ----------
    Azadi et al., Discriminator Rejection Sampling, 2019.
    """

    def __init__(self, generator, critic, sure, rejects):
        self.generator, self.critic = generator, critic
        self.sure, self.rejects = sure, rejects

    @torch.no_grad()
    def accepted(self, n_rows, draws):
        """Return rows of the design matrix, and their logits, drawn with `draws`."""
        kept, n_left, n_rounds = [], n_rows, 0
        # In the end rows are taken as they come: a critic that accepts too few must not
        # keep the user waiting.
        max_rounds = MAX_ROUNDS * (1 + n_rows // BLOCK)
        while n_left:
            n_drawn = min(2 * n_left, BLOCK)
            rows, logits, verdicts = generate(self.generator, self.critic, n_drawn, draws)
            if self.rejects and n_rounds < max_rounds:
                uniform = torch.empty_like(verdicts).uniform_(generator=draws)
                passes = uniform.log() < verdicts - self.sure
                rows, logits = rows[passes], logits[passes]
            kept.append((rows[:n_left], logits[:n_left]))
            n_left -= len(kept[-1][0])
            n_rounds += 1
        return tuple(torch.cat(parts) for parts in zip(*kept, strict=True))


def generate(generator, critic, n_rows, draws):
    """Return generated rows, their logits, and the critic's output."""
    rows, logits = generator.realise(generator(generator.draw(n_rows, draws)), draws)
    return rows, logits, critic(rows)


@torch.no_grad()
def sure_verdict(generator, critic, draws):
    """Return the critic's output for rows that it is sure of."""
    return float(generate(generator, critic, N_CALIBRATION, draws)[2].quantile(SURE))


def coverage(real, generated):
    """Return the fraction of real rows with a generated one within their neighbourhood.

    References
    ----------
    Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models, 2020, eq. 8.
    """
    from sklearn.neighbors import NearestNeighbors  # as in `skae.models.code_mixture`

    real, generated = real.astype(np.float64), generated.astype(np.float64)
    n_neighbours = min(N_NEIGHBOURS, len(real) - 1)
    with one_openmp_thread():
        radius = NearestNeighbors(n_neighbors=n_neighbours).fit(real).kneighbors()[0][:, -1]
        nearest = NearestNeighbors(n_neighbors=1).fit(generated).kneighbors(real)[0][:, 0]
    return float((nearest <= radius).mean())


def find_clusters(real, weights, n_classes, rng):
    """Return the centres and the sizes of at most `n_classes` clusters of the rows."""
    from sklearn.cluster import KMeans  # as in `skae.models.code_mixture`

    rows = real[:N_CLUSTERED].numpy()
    weights = None if weights is None else weights[:N_CLUSTERED].cpu().numpy()
    n_classes = min(n_classes, len(rows) // LEAST_CLUSTER, len(np.unique(rows, axis=0)))
    kmeans = KMeans(max(n_classes, 1), random_state=rng)
    with one_openmp_thread():
        clusters = kmeans.fit(rows, sample_weight=weights)
    sizes = np.bincount(clusters.labels_, weights, minlength=len(clusters.cluster_centers_))
    return (
        torch.from_numpy(clusters.cluster_centers_.astype(np.float32)),
        torch.from_numpy(sizes.astype(np.float32)),
    )
