"""Discrete codes: digits stored in 24 bits, and the codebooks that decode them.

A code consists of four integers from 0 to 63, each of which is an entry of a codebook. Training
moves the entries to where codes are. k-means in four blocks of pixels stores a digit in the
same number of bits.

    python examples/vqvae.py
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import VQVAETransformer
from skae.display import ReconstructionDisplay

PICTURE = "vqvae.png"

train, test = train_test_split(load_digits().data / 16, random_state=0)
vqvae = VQVAETransformer(encoding="indices", scale=False, random_state=0).fit(train)
n_blocks, n_entries, _ = vqvae.codebook_.shape
indices = vqvae.transform(train)

by_clusters = np.empty_like(test)
for columns in np.array_split(np.arange(64), n_blocks):
    clusters = KMeans(n_entries, random_state=0).fit(train[:, columns])
    nearest = clusters.predict(test[:, columns])
    by_clusters[:, columns] = clusters.cluster_centers_[nearest]
reconstructed = {
    "k-means of pixels": by_clusters,
    "VQ-VAE": vqvae.inverse_transform(vqvae.transform(test)),
}
total = np.square(test - test.mean(axis=0)).mean()
shown = {}
for name, rows in reconstructed.items():
    r2 = 1 - np.square(rows - test).mean() / total
    print(f"{name:18s} R2 {r2:.2f} of {len(test)} held-out digits")
    shown[f"{name}\nR² {r2:.2f}"] = rows
usage = vqvae.codebook_usage_
print(f"{usage:.0%} of the codebook in use")

figure = plt.figure(figsize=(9.5, 5.2), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=[1.15, 1], squeeze=False)[:, 0]
ReconstructionDisplay.from_predictions(
    test, shown, image_shape=(8, 8), ax=(ax := top.subplots()), max_images=12
)
bits = int(n_blocks * np.log2(n_entries))
ax.set_title(f"Held-out digits reconstructed from {bits} bits")
for i, ax in enumerate(bottom.subplots(1, n_blocks)):
    counts = np.bincount(indices[:, i].astype(int), minlength=n_entries)
    ax.scatter(*vqvae.codebook_[i].T, s=2 * counts, color="#3f90da", alpha=0.7, lw=0)
    ax.set(xlabel=f"code {2 * i}", ylabel=f"code {2 * i + 1}")
bottom.suptitle(
    f"The {n_blocks} codebooks of {n_entries} entries, {usage:.0%} in use; "
    "area: number of training digits"
)
figure.savefig(PICTURE, dpi=100)
print(f"Picture: {PICTURE}")
