"""A denoising autoencoder compared with PCA and a plain autoencoder.

In training, the network is given pixels with noise and reconstructs the clean ones. On held-out
digits with fresh noise, PCA and an autoencoder that was trained without noise reconstruct part
of the noise as well.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer
from skae.corruption import GaussianNoise

PICTURE = "denoising.png"
N_CODES, N_SHOWN = 16, 9

train, test = train_test_split(load_digits().data / 16, random_state=0)
unit = np.sqrt(train.var(axis=0).mean())  # with scale=False, noise is measured in this unit
noisy = test + 0.35 * np.random.default_rng(0).normal(size=test.shape)
estimators = {
    "PCA": PCA(N_CODES),
    "autoencoder": AutoencoderTransformer(N_CODES, scale=False, random_state=0),
    "denoising": AutoencoderTransformer(
        N_CODES, corruption=GaussianNoise(0.35 / unit), scale=False, random_state=0
    ),
}
shown = {"with noise": noisy}
for name, estimator in estimators.items():
    codes = estimator.fit(train).transform(noisy)
    shown[name] = estimator.inverse_transform(codes)
shown["clean"] = test

print(f"Mean squared error of {len(test)} held-out digits:")
errors = {name: np.square(rows - test).mean() for name, rows in shown.items()}
for name, error in errors.items():
    print(f"  {name:12s} {error:.4f}")

figure, axes = plt.subplots(len(shown), N_SHOWN, figsize=(8, 4.9))
for line, (name, rows) in zip(axes, shown.items(), strict=True):
    for ax, row in zip(line, rows, strict=False):
        ax.imshow(row.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    text = name if name == "clean" else f"{name}\nerror {errors[name]:.3f}"
    line[0].set_ylabel(text, rotation=0, ha="right", va="center", labelpad=8)
figure.suptitle("Held-out digits, reconstructed from noisy ones")
figure.tight_layout()
figure.savefig(PICTURE, dpi=120)
print(f"Picture: {PICTURE}")
