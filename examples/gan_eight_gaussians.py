"""Eight Gaussians on a ring: which modes a GAN finds, and its scores and losses.

This is the classic test of generative adversarial networks: eight narrow clusters with nothing
between them. A generator may miss some of them (mode collapse) or fill the gaps. This one is
initialised at clusters of the rows and trained against a critic with a gradient penalty, and
samples that the critic finds unlikely are rejected. A single Gaussian is shown for comparison.
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
    "training rows": train,
    "Gaussian": GaussianMixture(random_state=0).fit(train).sample(2000)[0],
    "GANSampler": gan.sample(2000, random_state=0),
}

figure, axes = plt.subplots(2, 3, figsize=(10, 6.4), layout="constrained")
for ax, (name, points) in zip(axes[0], rows.items(), strict=True):
    ax.scatter(*points.T, s=4, alpha=0.4, linewidths=0)
    ax.set(title=report(name, points), xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    ax.set(xlabel="x0", ylabel="x1")

close = centres[0]
for name, color in (("training rows", "#ffa90e"), ("GANSampler", "#3f90da")):
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
axes[1, 2].set_title("losses of generator and critic")
figure.savefig(PICTURE, dpi=80)
print(f"Picture: {PICTURE}")
