"""Convolutional and dense networks: shapes at any position in an image.

Rings and crosses at random positions in images of 16 x 16 pixels are reconstructed from six
codes. A convolution recognises a shape wherever it is; a dense network has to learn it at each
position, and needs more weights to do so.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

from skae import AutoencoderTransformer
from skae.architectures import Convolutional
from skae.metrics import reconstruction_r2

PICTURE = "convolutional.png"
SIZE, N_CODES, N_SHOWN = 16, 6, 8


def make_shapes(n, rng):
    """Return images of a ring or a cross, flattened."""
    y, x = np.mgrid[:SIZE, :SIZE]
    row, column = rng.uniform(3.5, SIZE - 4.5, size=(2, n, 1, 1))
    radius = rng.uniform(1.5, 3.5, size=(n, 1, 1))
    down, right = np.abs(y - row), np.abs(x - column)
    ring = np.exp(-((np.hypot(down, right) - radius) ** 2) / 0.7)
    cross = np.exp(-(np.minimum(down, right) ** 2) / 0.7) * (
        np.maximum(down, right) <= radius + 0.5
    )
    return np.where(rng.random((n, 1, 1)) < 0.5, ring, cross).reshape(n, -1)


rng = np.random.default_rng(0)
train, test = make_shapes(1200, rng), make_shapes(500, rng)
settings = {"scale": False, "max_iter": 30, "random_state": 0}
estimators = {
    "PCA": PCA(N_CODES),
    "dense": AutoencoderTransformer(N_CODES, hidden_layer_sizes=48, **settings),
    "convolutional": AutoencoderTransformer(
        N_CODES, network=Convolutional((SIZE, SIZE), channels=(12, 24)), **settings
    ),
}
shown = {"image": test}
labels = {"image": "image"}
for name, estimator in estimators.items():
    estimator.fit(train)
    shown[name] = estimator.inverse_transform(estimator.transform(test))
    r2 = reconstruction_r2(estimator, test)
    labels[name] = f"{name}\nR² {r2:.2f}"
    if name != "PCA":
        weights = sum(p.numel() for p in estimator.net_.module_.parameters())
        labels[name] += f"\n{weights:,} weights"
    print(labels[name].replace("\n", ", ").replace("²", "2"))

figure, axes = plt.subplots(len(shown), N_SHOWN, figsize=(9.5, 4.8))
for line, (name, rows) in zip(axes, shown.items(), strict=True):
    for ax, row in zip(line, rows, strict=False):
        ax.imshow(row.reshape(SIZE, SIZE), cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(labels[name], rotation=0, ha="right", va="center", labelpad=8)
figure.suptitle(f"Held-out shapes reconstructed from {N_CODES} codes")
figure.tight_layout()
figure.savefig(PICTURE, dpi=120)
print(f"Picture: {PICTURE}")
