"""Sparse codes find the parts that images are made of.

Every image is a sum of a few bars. Of 16 possible bars, the rows and columns of an 8 x 8 grid,
two are present on average, each with a random strength. PCA and a plain autoencoder with 20
codes reconstruct the images from arbitrary mixtures of the bars. With a penalty for few active
codes per image, the sparse autoencoder finds nearly all of the bars themselves.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

from skae import AutoencoderTransformer
from skae.metrics import reconstruction_r2
from skae.penalties import L1Activity

PICTURE = "sparse_features.png"
N_BARS, N_CODES = 16, 20

rng = np.random.default_rng(0)
bars = np.concatenate(
    [np.eye(8)[:, :, None] * np.ones(8), np.eye(8)[:, None] * np.ones((8, 1))]
).reshape(N_BARS, 64)


def make_images(n):
    strengths = rng.uniform(0.5, 1.5, (n, N_BARS)) * (rng.random((n, N_BARS)) < 1 / 8)
    return strengths @ bars + 0.05 * rng.normal(size=(n, 64))


train, test = make_images(2000), make_images(500)
settings = {"scale": False, "max_iter": 120, "random_state": 0}
estimators = {
    "PCA": PCA(N_CODES),
    "plain": AutoencoderTransformer(N_CODES, **settings),
    "sparse": AutoencoderTransformer(N_CODES, penalties=[L1Activity(4.5)], **settings),
}


def features(estimator):
    """Return what each code adds to an image."""
    origin = estimator.inverse_transform(np.zeros((1, N_CODES)))
    size = estimator.transform(test).std(axis=0)
    return estimator.inverse_transform(np.diag(size)) - origin


figure = plt.figure(figsize=(9.5, 4.2))
parts = figure.subfigures(1, len(estimators) + 1, squeeze=False)[0]
shown = {"images": test[test.max(axis=1) > 0.4][:N_CODES]}  # those with a bar
for name, estimator in estimators.items():
    estimator.fit(train)
    shown[name] = features(estimator)
    likeness = np.abs(np.corrcoef(shown[name], bars)[:N_CODES, N_CODES:]).max(axis=0)
    zero = (np.abs(estimator.transform(test)) < 1e-3).mean()
    r2 = reconstruction_r2(estimator, test)
    found = int((likeness > 0.9).sum())
    print(f"{name:6s} R2 {r2:.3f}, {zero:.0%} of the codes zero, {found} of 16 bars found")
    parts[len(shown) - 1].supxlabel(
        f"R² {r2:.2f}\n{zero:.0%} zero\n{found} of 16 bars found"
    )
for part, (name, rows) in zip(parts, shown.items(), strict=True):
    part.suptitle(name if name == "images" else f"{name}: its codes")
    for ax, row in zip(part.subplots(5, 4).flat, rows, strict=True):
        limit = np.abs(row).max()
        ax.imshow(row.reshape(8, 8), cmap="RdBu_r", vmin=-limit, vmax=limit)
        ax.set(xticks=[], yticks=[])
    part.subplots_adjust(left=0.06, right=0.94, bottom=0.2, top=0.88, hspace=0.25)
figure.savefig(PICTURE, dpi=100)
print(f"Picture: {PICTURE}")
