"""Between two rows: `interpolate` moves a ring, whereas blending pixels fades it.

Rings at any position in images of 14 x 14 pixels. Two codes suffice to represent the position,
and the path between two codes is a ring that moves. As the rings are generated here, the image
half-way is known.

    python examples/interpolation.py
"""

import matplotlib

matplotlib.use("Agg")
import numpy as np
from sklearn.decomposition import PCA

from skae import AutoencoderTransformer
from skae.display import ReconstructionDisplay

PICTURE = "interpolation.png"
SIZE, RADIUS, N_STEPS, N_PAIRS = 14, 2.5, 9, 40


def draw(positions):
    """Return images of rings; positions of shape (n, 2) hold row and column."""
    y, x = np.mgrid[:SIZE, :SIZE]
    row, column = positions.T[:, :, None, None]
    distance = np.hypot(y - row, x - column) - RADIUS
    return np.exp(-(distance**2) / 2.0).reshape(len(positions), -1)


rng = np.random.default_rng(0)
low, high = 3.0, SIZE - 4.0
train = draw(rng.uniform(low, high, (2000, 2)))
pca = PCA(2).fit(train)
autoencoder = AutoencoderTransformer(
    2, init="random", scale=False, max_iter=60, random_state=0
).fit(train)
weight = np.linspace(0, 1, N_STEPS)[:, None]


def blend(a, b):
    return (1 - weight) * a + weight * b


paths = {
    "pixels blended": blend,
    "PCA": lambda a, b: pca.inverse_transform(blend(*pca.transform([a, b]))),
    "autoencoder": lambda a, b: autoencoder.interpolate(a, b, N_STEPS),
}
starts, ends = rng.uniform(low, high, (2, N_PAIRS, 2))
# The first pair, which is drawn, lies in opposite corners.
starts[0], ends[0] = (low, low), (high, high)
errors = {name: [] for name in paths}
for a, b in zip(starts, ends, strict=True):
    true = draw(blend(a, b))
    for name, path in paths.items():
        errors[name].append(np.square(path(true[0], true[-1]) - true)[N_STEPS // 2].mean())
shown, true = {}, draw(blend(starts[0], ends[0]))
for name, path in paths.items():
    error = np.mean(errors[name])
    print(f"{name:15s} error half-way {error:.3f}")
    shown[f"{name}\nerror {error:.3f}"] = path(true[0], true[-1])
display = ReconstructionDisplay.from_predictions(true, shown, image_shape=(SIZE, SIZE))
display.ax_.set_yticklabels(["true path", *shown])
display.ax_.set_title(f"From one ring to another; mean errors half-way, {N_PAIRS} pairs")
display.figure_.savefig(PICTURE, dpi=100)
print(f"Picture: {PICTURE}")
