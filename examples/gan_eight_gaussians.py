"""Eight Gaussians on a ring: what a GAN shall find, and what the game looks like inside.

The classic trial of generative adversarial networks: eight narrow clumps with nothing
between them. A generator may leave some out (mode collapse) or fill the gaps; this one
starts at clusters of the rows, is judged by a critic of limited steepness, and lets the
critic reject what falls between. A single Gaussian stands beside it.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.mixture import GaussianMixture

from skae import GANSampler
from skae.display import LossCurveDisplay

PICTURE = "gan_eight_gaussians.png"
RADIUS, DEVIATION = 2.0, 0.05

angles = 2 * np.pi * np.arange(8) / 8
centres = RADIUS * np.column_stack([np.cos(angles), np.sin(angles)])


def draw_ring(n_rows, seed):
    rng = np.random.default_rng(seed)
    return centres[rng.integers(0, 8, n_rows)] + DEVIATION * rng.normal(size=(n_rows, 2))


def report(name, rows):
    distances = np.linalg.norm(rows[:, None] - centres, axis=2)
    near = distances.min(axis=1) < 3 * DEVIATION
    counts = np.bincount(distances.argmin(axis=1)[near], minlength=8)
    found = int((counts > len(rows) / 80).sum())
    print(f"{name:12s} {found} of 8 modes, {near.mean():.1%} within 3 deviations")
    return f"{name}: {found} of 8 modes,\n{near.mean():.1%} within 3 deviations"


train = draw_ring(2000, seed=0)
gan = GANSampler(random_state=0).fit(train)
rows = {
    "the table": train,
    "Gaussian": GaussianMixture(random_state=0).fit(train).sample(2000)[0],
    "GANSampler": gan.sample(2000, random_state=0),
}

figure, axes = plt.subplots(2, 3, figsize=(10, 6.4), layout="constrained")
for ax, (name, points) in zip(axes[0], rows.items(), strict=True):
    ax.scatter(*points.T, s=4, alpha=0.4, linewidths=0)
    ax.set(title=report(name, points), xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    ax.set(xlabel="x0", ylabel="x1")

close = centres[0]
for name, color in (("the table", "#ffa90e"), ("GANSampler", "#3f90da")):
    near = rows[name][np.linalg.norm(rows[name] - close, axis=1) < 6 * DEVIATION]
    axes[1, 0].scatter(*near.T, s=10, alpha=0.6, color=color, label=name, linewidths=0)
axes[1, 0].set(title="one of the modes", xlabel="x0", ylabel="x1", aspect="equal")
axes[1, 0].legend(frameon=False, markerscale=2)

grid = np.linspace(-3, 3, 200)
plane = np.column_stack([axis.ravel() for axis in np.meshgrid(grid, grid)])
scores = gan.score_samples(plane).reshape(200, 200)
axes[1, 1].pcolormesh(grid, grid, scores, cmap="magma", vmin=-20)
axes[1, 1].set(title="score_samples (bright: real)", xlabel="x0", ylabel="x1")
axes[1, 1].set_aspect("equal")

LossCurveDisplay.from_estimator(gan, ax=axes[1, 2])
axes[1, 2].set_title("the players' losses")
figure.savefig(PICTURE, dpi=80)
print(f"Picture: {PICTURE}")
