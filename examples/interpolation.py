"""Between two rows: `interpolate` moves a ring, where blending pixels fades it.

Rings at any place on 14 x 14 pixels. Two codes are all that it takes to say where: the way
between two codes is a ring that moves. As the rings are made here, what stands half-way is
known.

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


def draw(places):
    """Return images of rings; places, shape (n, 2): row, column."""
    y, x = np.mgrid[:SIZE, :SIZE]
    row, column = places.T[:, :, None, None]
    distance = np.hypot(y - row, x - column) - RADIUS
    return np.exp(-(distance**2) / 2.0).reshape(len(places), -1)


rng = np.random.default_rng(0)
low, high = 3.0, SIZE - 4.0
train = draw(rng.uniform(low, high, (2000, 2)))
pca = PCA(2).fit(train)
autoencoder = AutoencoderTransformer(
    2, init="random", scale=False, max_iter=60, random_state=0
).fit(train)
share = np.linspace(0, 1, N_STEPS)[:, None]


def blend(a, b):
    return (1 - share) * a + share * b


ways = {
    "pixels blended": blend,
    "PCA": lambda a, b: pca.inverse_transform(blend(*pca.transform([a, b]))),
    "autoencoder": lambda a, b: autoencoder.interpolate(a, b, N_STEPS),
}
starts, ends = rng.uniform(low, high, (2, N_PAIRS, 2))
# The first pair, which is drawn, goes from corner to corner.
starts[0], ends[0] = (low, low), (high, high)
errors = {name: [] for name in ways}
for a, b in zip(starts, ends, strict=True):
    true = draw(blend(a, b))
    for name, way in ways.items():
        errors[name].append(np.square(way(true[0], true[-1]) - true)[N_STEPS // 2].mean())
shown = {}
for name, way in ways.items():
    error = np.mean(errors[name])
    print(f"{name:15s} error half-way {error:.3f}")
    true = draw(blend(starts[0], ends[0]))
    shown[f"{name}\nerror {error:.3f}"] = way(true[0], true[-1])
display = ReconstructionDisplay.from_predictions(true, shown, image_shape=(SIZE, SIZE))
display.ax_.set_yticklabels(["true way", *shown])
display.ax_.set_title(f"From one ring to another; errors half-way, {N_PAIRS} pairs")
display.figure_.savefig(PICTURE, dpi=100)
print(f"Picture: {PICTURE}")
