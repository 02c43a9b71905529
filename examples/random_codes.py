"""Random codes: draws from a Gaussian, decoded by an autoencoder and by a variational one.

Rings at any position in images of 14 x 14 pixels, with two codes. A plain autoencoder is not
trained on codes that no row has: a draw from the Gaussian of its codes that is far from the
centre is decoded to a broken ring. A variational autoencoder is trained so that draws from
N(0, I) are valid codes.

    python examples/random_codes.py
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.neighbors import NearestNeighbors

from skae import AutoencoderTransformer, VAETransformer
from skae.display import ReconstructionDisplay

PICTURE = "random_codes.png"
SIZE, RADIUS, N_DRAWS, N_SHOWN = 14, 2.5, 500, 12
LOW, HIGH = 3.0, SIZE - 4.0


def draw(positions):
    """Return images of rings; positions of shape (n, 2) hold row and column."""
    y, x = np.mgrid[:SIZE, :SIZE]
    row, column = positions.T[:, :, None, None]
    distance = np.hypot(y - row, x - column) - RADIUS
    return np.exp(-(distance**2) / 2.0).reshape(len(positions), -1)


rng = np.random.default_rng(0)
train = draw(rng.uniform(LOW, HIGH, (2000, 2)))
settings = {"init": "random", "scale": False, "max_iter": 60, "random_state": 0}
plain = AutoencoderTransformer(2, **settings).fit(train)
variational = VAETransformer(2, sampler="codes", **settings).fit(train)

draws = rng.normal(size=(N_DRAWS, 2))
codes = plain.transform(train)
spread = np.linalg.cholesky(np.cov(codes.T))
rows = {
    "autoencoder": plain.inverse_transform(codes.mean(axis=0) + draws @ spread.T),
    "VAE": variational.inverse_transform(draws),
}
grid = np.linspace(LOW - 1, HIGH + 1, 60)
rings = draw(np.column_stack([axis.ravel() for axis in np.meshgrid(grid, grid)]))
nearest = NearestNeighbors(n_neighbors=1).fit(rings)
farthest = np.argsort(-np.linalg.norm(draws, axis=1))[:N_SHOWN]
shown = {}
for name, images in rows.items():
    distance = np.square(nearest.kneighbors(images)[0]).mean() / SIZE**2
    print(
        f"{name:12s} mean squared distance from a draw to the nearest ring {distance:.4f}"
    )
    shown[f"{name}\nerror {distance:.4f}"] = images[farthest]

figure, ax = plt.subplots(figsize=(10, 2.9), layout="constrained")
ReconstructionDisplay.from_predictions(
    train[:N_SHOWN], shown, image_shape=(SIZE, SIZE), max_images=N_SHOWN, ax=ax
)
ax.set_yticklabels(["training rings", *shown])
ax.set_title(
    f"Decoded random codes: the {N_SHOWN} outermost of {N_DRAWS} (error: to the nearest ring)"
)
figure.savefig(PICTURE, dpi=100)
print(f"Picture: {PICTURE}")
